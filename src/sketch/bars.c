/*-------------------------------------------------------------------------
 *
 * bars.c
 *		A quantile_sketch drawn as rows with bars.
 *
 * Each row is a union of as many neighbouring buckets as it takes to stay within
 * the number of rows asked for.  Rows are thus equally wide on a logarithmic
 * axis, and those in which no value fell are shown too.  Zero and the infinities
 * have rows of their own, and no row holds values of both signs: so up to five
 * rows there may be however few were asked for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/float.h"
#include "utils/tuplestore.h"

#define BARS_ROWS_MAX		1000
#define BARS_WIDTH			40	/* characters of the longest bar */

typedef struct BarRows
{
	HistogramBucket *rows;
	int			count;
} BarRows;

PG_FUNCTION_INFO_V1(sketch_histogram);

/* Rows of a side with so many buckets each. */
static int32
side_rows(const Histogram *histogram, HistogramSide side, int32 buckets)
{
	int32		first;
	int32		last;

	if (!histogram_used(histogram, side, &first, &last))
		return 0;
	return (last - first) / buckets + 1;
}

/* The fewest buckets a row that keep to a number of rows, as far as possible. */
static int32
buckets_per_row(const Histogram *histogram, int32 rows_max)
{
	int32		buckets = 1;

	rows_max -= (histogram->negative_infinity_count != 0) + (histogram->zero_count != 0) +
		(histogram->positive_infinity_count != 0);
	while (buckets < HISTOGRAM_BUCKETS_MAX &&
		   side_rows(histogram, HISTOGRAM_NEGATIVE_SIDE, buckets) +
		   side_rows(histogram, HISTOGRAM_POSITIVE_SIDE, buckets) > rows_max)
		buckets++;
	return buckets;
}

static void
add_special(BarRows *bars, double value, int64 count)
{
	HistogramBucket row = {value, value, value, count};

	if (count != 0)
		bars->rows[bars->count++] = row;
}

/* In the order of values. */
static void
add_side(BarRows *bars, const Histogram *histogram, HistogramSide side, int32 buckets)
{
	int32		rows = side_rows(histogram, side, buckets);
	int32		first;
	int32		last;
	int32		i;

	if (rows == 0)
		return;
	histogram_used(histogram, side, &first, &last);
	for (i = 0; i < rows; i++)
	{
		int32		row = (side == HISTOGRAM_POSITIVE_SIDE) ? i : rows - 1 - i;
		int32		from = first + row * buckets;

		histogram_stretch(histogram, side, from, Min(from + buckets - 1, last),
						  &bars->rows[bars->count++]);
	}
}

/*
 * A bar, in eighths of a character where the encoding has such.  Whatever is
 * there shows.
 */
static text *
draw_bar(int64 count, int64 longest)
{
	StringInfoData bar;
	int			eighths = (int) ((double) count / (double) longest * BARS_WIDTH * 8 + 0.5);

	initStringInfo(&bar);
	if (count > 0 && eighths == 0)
		eighths = 1;
	if (GetDatabaseEncoding() != PG_UTF8)
	{
		while ((eighths -= 8) > -8)
			appendStringInfoChar(&bar, '#');
		return cstring_to_text(bar.data);
	}

	/* U+2588, a full block, and before it U+258F .. U+2589, one eighth to seven */
	for (; eighths >= 8; eighths -= 8)
		appendStringInfoString(&bar, "\xe2\x96\x88");
	if (eighths > 0)
	{
		appendStringInfoString(&bar, "\xe2\x96");
		appendStringInfoChar(&bar, (char) (0x90 - eighths));
	}
	return cstring_to_text(bar.data);
}

static void
return_rows(ReturnSetInfo *rsinfo, const BarRows *bars, int64 total)
{
	int64		longest = 1;
	int			i;

	for (i = 0; i < bars->count; i++)
		longest = Max(longest, bars->rows[i].count);

	for (i = 0; i < bars->count; i++)
	{
		const HistogramBucket *row = &bars->rows[i];
		Datum		values[5];
		bool		nulls[5] = {false, false, false, false, false};

		CHECK_FOR_INTERRUPTS();
		values[0] = Float8GetDatum(row->lower);
		values[1] = Float8GetDatum(row->upper);
		values[2] = Int64GetDatum(row->count);
		values[3] = Float8GetDatum((double) row->count / (double) total);
		values[4] = PointerGetDatum(draw_bar(row->count, longest));
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

/*
 * sketch_histogram(quantile_sketch, buckets integer) returns setof record
 */
Datum
sketch_histogram(PG_FUNCTION_ARGS)
{
	int32		rows_max = PG_GETARG_INT32(1);
	Histogram	workspace;
	const Histogram *histogram;
	BarRows		bars;
	int32		buckets;

	if (rows_max < 1 || rows_max > BARS_ROWS_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of buckets is out of range"),
				 errdetail("It is %d.", rows_max),
				 errhint("Use a number between 1 and %d.", BARS_ROWS_MAX)));

	InitMaterializedSRF(fcinfo, 0);
	histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	if (histogram_has_negative(histogram))
		sketch_check_status(HISTOGRAM_NEGATIVE);

	buckets = buckets_per_row(histogram, rows_max);
	bars.rows = palloc((rows_max + 5) * sizeof(HistogramBucket));
	bars.count = 0;
	add_special(&bars, -get_float8_infinity(), histogram->negative_infinity_count);
	add_side(&bars, histogram, HISTOGRAM_NEGATIVE_SIDE, buckets);
	add_special(&bars, 0.0, histogram->zero_count);
	add_side(&bars, histogram, HISTOGRAM_POSITIVE_SIDE, buckets);
	add_special(&bars, get_float8_infinity(), histogram->positive_infinity_count);
	return_rows((ReturnSetInfo *) fcinfo->resultinfo, &bars, histogram->total);
	return (Datum) 0;
}
