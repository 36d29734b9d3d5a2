/*-------------------------------------------------------------------------
 *
 * accessors.c
 *		Questions to a quantile_sketch.
 *
 * An empty sketch answers NULL where there is no answer.  A sketch with a
 * negative count is refused, except where counts are all that is asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(sketch_unpack);
PG_FUNCTION_INFO_V1(sketch_percentile);
PG_FUNCTION_INFO_V1(sketch_percentiles);
PG_FUNCTION_INFO_V1(sketch_rank);
PG_FUNCTION_INFO_V1(sketch_count);
PG_FUNCTION_INFO_V1(sketch_min);
PG_FUNCTION_INFO_V1(sketch_max);
PG_FUNCTION_INFO_V1(sketch_mean);
PG_FUNCTION_INFO_V1(sketch_error);
PG_FUNCTION_INFO_V1(sketch_buckets);

/* Return a double, or NULL if the sketch is empty. */
#define RETURN_ANSWER(status, answer) \
	do { \
		if ((status) == HISTOGRAM_EMPTY) \
			PG_RETURN_NULL(); \
		sketch_check_status(status); \
		PG_RETURN_FLOAT8(answer); \
	} while (0)

/*
 * sketch_unpack(quantile_sketch) returns quantile_sketch
 *
 * An expanded object lies in the context of the caller, which need not ever free
 * it, and has nothing of its own to lose: so it needs no context of its own.
 */
Datum
sketch_unpack(PG_FUNCTION_ARGS)
{
	Datum		sketch = PG_GETARG_DATUM(0);
	ExpandedSketch *expanded;

	if (VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(sketch)))
		PG_RETURN_DATUM(sketch);
	expanded = sketch_make_expanded(CurrentMemoryContext);
	sketch_merge_datum(sketch_count_pending(expanded), sketch, 1);
	PG_RETURN_DATUM(EOHPGetRODatum(&expanded->header));
}

Datum
sketch_percentile(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	const Histogram *histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	double		answer = 0.0;
	HistogramStatus status = histogram_quantile(histogram, PG_GETARG_FLOAT8(1), &answer);

	RETURN_ANSWER(status, answer);
}

/*
 * Several percentiles, in an array of the same shape.
 */
Datum
sketch_percentiles(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	const Histogram *histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	ArrayType  *fractions = PG_GETARG_ARRAYTYPE_P(1);
	Datum	   *values;
	bool	   *nulls;
	int			count;
	int			i;
	bool		is_empty = false;

	deconstruct_array(fractions, FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	for (i = 0; i < count; i++)
	{
		HistogramStatus status;
		double		answer = 0.0;

		CHECK_FOR_INTERRUPTS();
		if (nulls[i])
			continue;
		status = histogram_quantile(histogram, DatumGetFloat8(values[i]), &answer);
		if (status == HISTOGRAM_EMPTY)
			is_empty = true;
		else
			sketch_check_status(status);
		values[i] = Float8GetDatum(answer);
	}

	if (is_empty)
		PG_RETURN_NULL();
	if (count == 0)
		PG_RETURN_ARRAYTYPE_P(construct_empty_array(FLOAT8OID));
	PG_RETURN_ARRAYTYPE_P(construct_md_array(values, nulls, ARR_NDIM(fractions),
											 ARR_DIMS(fractions), ARR_LBOUND(fractions),
											 FLOAT8OID, sizeof(float8), FLOAT8PASSBYVAL,
											 TYPALIGN_DOUBLE));
}

Datum
sketch_rank(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	const Histogram *histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	double		answer = 0.0;
	HistogramStatus status = histogram_rank(histogram, PG_GETARG_FLOAT8(1), &answer);

	RETURN_ANSWER(status, answer);
}

Datum
sketch_count(PG_FUNCTION_ARGS)
{
	Histogram	workspace;

	PG_RETURN_INT64(sketch_read(PG_GETARG_DATUM(0), &workspace)->total);
}

Datum
sketch_min(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	double		answer = 0.0;
	HistogramStatus status;

	status = histogram_minimum(sketch_read(PG_GETARG_DATUM(0), &workspace), &answer);
	RETURN_ANSWER(status, answer);
}

Datum
sketch_max(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	double		answer = 0.0;
	HistogramStatus status;

	status = histogram_maximum(sketch_read(PG_GETARG_DATUM(0), &workspace), &answer);
	RETURN_ANSWER(status, answer);
}

Datum
sketch_mean(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	double		answer = 0.0;
	HistogramStatus status;

	status = histogram_mean(sketch_read(PG_GETARG_DATUM(0), &workspace), &answer);
	RETURN_ANSWER(status, answer);
}

Datum
sketch_error(PG_FUNCTION_ARGS)
{
	Histogram	workspace;

	PG_RETURN_FLOAT8(histogram_error(sketch_read(PG_GETARG_DATUM(0), &workspace)));
}

/*
 * All buckets that are not empty, as rows in the order of values.
 */
Datum
sketch_buckets(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Histogram	workspace;
	const Histogram *histogram;
	HistogramIterator iterator = {0};
	HistogramBucket bucket;

	InitMaterializedSRF(fcinfo, 0);
	histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	while (histogram_next(histogram, &iterator, &bucket))
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Float8GetDatum(bucket.lower);
		values[1] = Float8GetDatum(bucket.upper);
		values[2] = Int64GetDatum(bucket.count);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
