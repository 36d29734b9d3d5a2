/*-------------------------------------------------------------------------
 *
 * otel.c
 *		A quantile_sketch as an OpenTelemetry data point, and back.
 *
 * The form is the JSON of OTLP for an ExponentialHistogramDataPoint: 64-bit
 * counts are strings, though numbers are read too; names are in lowerCamelCase,
 * though those of the protocol file (zero_count) are read too; names that have
 * no meaning here (attributes, times, sum) are passed over.  Buckets are the
 * same on both sides (grid.h), so there and back loses nothing.
 *
 * What one side cannot say:
 *
 * - A sketch may hold infinities, or negative counts after a subtraction.  A data
 *	 point cannot: an error.
 * - A data point may count small values of either sign as zero (zeroThreshold).
 *	 A sketch promises a relative error, which then would not hold: an error.
 * - A data point may span more buckets than a sketch: it is coarsened, as if the
 *	 values had been added to a sketch of its scale.
 * - A data point may put a value next to a boundary into the neighbouring bucket,
 *	 because a logarithm was used.  If minimum or maximum tell so, they are
 *	 taken as unknown.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

#include <math.h>

#include "common/shortest_dec.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* How far beyond its bucket, relatively, a logarithm may leave a value. */
#define LOGARITHM_ERROR			1e-12

PG_FUNCTION_INFO_V1(sketch_to_otel);
PG_FUNCTION_INFO_V1(sketch_from_otel);

/* ----------------------------------------------------------------
 * Reading
 * ----------------------------------------------------------------
 */

static void pg_attribute_noreturn()
report_field(const char *field, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid exponential histogram data point"),
			 errdetail("Field \"%s\" must be %s.", field, expected)));
}

static void
check_otel_status(HistogramStatus status)
{
	if (status == HISTOGRAM_OVERFLOW || status == HISTOGRAM_OUT_OF_MEMORY)
		sketch_check_status(status);
	if (status != HISTOGRAM_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid exponential histogram data point"),
				 errdetail("%s", histogram_status_text(status))));
}

/*
 * A field by either of its names; false if it is absent or null.
 */
static bool
find_field(JsonbContainer *object, const char *name, const char *other_name, JsonbValue *value)
{
	if (getKeyJsonValueFromContainer(object, name, strlen(name), value) == NULL &&
		(other_name == NULL ||
		 getKeyJsonValueFromContainer(object, other_name, strlen(other_name), value) == NULL))
		return false;
	return value->type != jbvNull;
}

/* Digits of a number that is a JSON number or string, in the current context. */
static char *
value_text(const JsonbValue *value, const char *field, const char *expected)
{
	if (value->type == jbvNumeric)
		return numeric_normalize(value->val.numeric);
	if (value->type != jbvString)
		report_field(field, expected);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/*
 * An integer within bounds.  The message says what is expected.
 */
static int64
read_integer(const JsonbValue *value, const char *field, int64 least, int64 most,
			 const char *expected)
{
	char	   *text = value_text(value, field, expected);
	char	   *end;
	int64		result;

	errno = 0;
	result = strtoll(text, &end, 10);
	if (!(*text == '-' || (*text >= '0' && *text <= '9')) || end == text || *end != '\0' ||
		errno != 0 || result < least || result > most)
		report_field(field, expected);
	pfree(text);
	return result;
}

static int64
read_count(const JsonbValue *value, const char *field)
{
	return read_integer(value, field, 0, PG_INT64_MAX,
						"an integer between 0 and 9223372036854775807, as a number or a string");
}

/* A double; OTLP writes what JSON has no number for as "NaN" and "Infinity". */
static double
read_double(const JsonbValue *value, const char *field)
{
	char	   *text = value_text(value, field, "a number");
	char	   *end;
	double		result = strtod(text, &end);

	if (end == text || *end != '\0' || isspace((unsigned char) *text))
		report_field(field, "a number");
	pfree(text);
	return result;
}

/*
 * The buckets of one sign.  Indexes are those of the scale of the data point,
 * which the histogram may have left by coarsening.
 */
static void
read_buckets(JsonbContainer *object, Histogram *histogram, HistogramSide side, int scale,
			 const char *name, const char *counts_name)
{
	JsonbValue	buckets;
	JsonbValue	value;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	int64		index = 0;

	if (!find_field(object, name, NULL, &buckets))
		return;
	if (buckets.type != jbvBinary || !JsonContainerIsObject(buckets.val.binary.data))
		report_field(name, "an object");
	if (find_field(buckets.val.binary.data, "offset", NULL, &value))
		index = read_integer(&value, "offset", PG_INT32_MIN, PG_INT32_MAX, "a 32-bit integer");
	if (!find_field(buckets.val.binary.data, "bucketCounts", "bucket_counts", &value))
		return;
	if (value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data) ||
		JsonContainerIsScalar(value.val.binary.data))
		report_field(counts_name, "an array");

	iterator = JsonbIteratorInit(value.val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		int64		count;

		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		count = read_count(&value, counts_name);
		if (count != 0)
			check_otel_status(histogram_add_bucket(histogram, side,
												   index >> (scale - histogram->scale), count));
		index++;
	}
}

/* Does a value lie in a bucket, or so near that a logarithm may have missed it? */
static bool
is_near_bucket(const HistogramBucket *bucket, double value)
{
	return value >= bucket->lower - fabs(bucket->lower) * LOGARITHM_ERROR &&
		value <= bucket->upper + fabs(bucket->upper) * LOGARITHM_ERROR;
}

/*
 * Minimum and maximum, which must both be there to be known.
 */
static void
read_extremes(JsonbContainer *object, Histogram *histogram)
{
	JsonbValue	value;
	HistogramIterator iterator = {0};
	HistogramBucket first;
	HistogramBucket last;
	HistogramBucket next;
	double		min;
	double		max;

	if (!find_field(object, "min", NULL, &value) || histogram->total == 0)
		return;
	min = read_double(&value, "min");
	if (!find_field(object, "max", NULL, &value))
		return;
	max = read_double(&value, "max");

	if (histogram_set_extremes(histogram, min, max) == HISTOGRAM_OK)
		return;
	histogram_next(histogram, &iterator, &first);
	for (last = first; histogram_next(histogram, &iterator, &next); last = next)
		continue;
	if (!is_near_bucket(&first, min) || !is_near_bucket(&last, max) || min > max)
		check_otel_status(HISTOGRAM_BAD_EXTREMES);
}

static int64
read_zero_count(JsonbContainer *object)
{
	JsonbValue	value;
	int64		count = 0;

	if (find_field(object, "zeroCount", "zero_count", &value))
		count = read_count(&value, "zeroCount");
	if (count != 0 && find_field(object, "zeroThreshold", "zero_threshold", &value) &&
		read_double(&value, "zeroThreshold") != 0.0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("exponential histogram data point counts small values as zero"),
				 errdetail("Its zero threshold is not 0, so no relative error can be promised."),
				 errhint("Let the exporter use a zero threshold of 0.")));
	return count;
}

static void
read_data_point(JsonbContainer *object, Histogram *histogram)
{
	JsonbValue	value;
	int			scale = 0;

	if (!JsonContainerIsObject(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid exponential histogram data point"),
				 errdetail("It must be a JSON object.")));
	if (!find_field(object, "positive", NULL, &value) && !find_field(object, "negative", NULL, &value) &&
		!find_field(object, "scale", NULL, &value) && !find_field(object, "count", NULL, &value) &&
		!find_field(object, "zeroCount", "zero_count", &value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid exponential histogram data point"),
				 errdetail("It has none of the fields \"count\", \"scale\", \"zeroCount\", \"positive\" and \"negative\"."),
				 errhint("Pass one element of exponentialHistogram.dataPoints.")));

	if (find_field(object, "scale", NULL, &value))
		scale = (int) read_integer(&value, "scale", HISTOGRAM_SCALE_MIN, HISTOGRAM_SCALE_MAX,
								   "an integer between -10 and 20");
	check_otel_status(histogram_set_scale(histogram, scale));
	check_otel_status(histogram_add(histogram, 0.0, read_zero_count(object)));
	read_buckets(object, histogram, HISTOGRAM_NEGATIVE_SIDE, scale, "negative", "negative.bucketCounts");
	read_buckets(object, histogram, HISTOGRAM_POSITIVE_SIDE, scale, "positive", "positive.bucketCounts");
	histogram_finish_building(histogram);

	if (find_field(object, "count", NULL, &value) &&
		read_count(&value, "count") != histogram->total)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid exponential histogram data point"),
				 errdetail("Field \"count\" is not the sum of all buckets, %lld.",
						   (long long) histogram->total)));
	read_extremes(object, histogram);
}

/*
 * sketch_from_otel(jsonb) returns quantile_sketch
 */
Datum
sketch_from_otel(PG_FUNCTION_ARGS)
{
	Jsonb	   *point = PG_GETARG_JSONB_P(0);
	Histogram	histogram;
	Datum		result;

	sketch_init(&histogram, CurrentMemoryContext);
	read_data_point(&point->root, &histogram);
	Assert(histogram_is_valid(&histogram));
	result = sketch_encode_datum(&histogram);
	histogram_free(&histogram);
	PG_RETURN_DATUM(result);
}

/* ----------------------------------------------------------------
 * Writing
 * ----------------------------------------------------------------
 */

static void
push_string(JsonbParseState **state, JsonbIteratorToken token, const char *text)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = pstrdup(text);
	value.val.string.len = strlen(text);
	pushJsonbValue(state, token, &value);
}

static void
push_count(JsonbParseState **state, JsonbIteratorToken token, int64 count)
{
	char		buffer[MAXINT8LEN + 1];

	pg_lltoa(count, buffer);
	push_string(state, token, buffer);
}

static void
push_numeric(JsonbParseState **state, const char *key, Datum numeric)
{
	JsonbValue	value;

	push_string(state, WJB_KEY, key);
	value.type = jbvNumeric;
	value.val.numeric = DatumGetNumeric(numeric);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_integer(JsonbParseState **state, const char *key, int64 number)
{
	push_numeric(state, key, NumericGetDatum(int64_to_numeric(number)));
}

/* The shortest decimal that reads back as the same double. */
static void
push_double(JsonbParseState **state, const char *key, double number)
{
	char		buffer[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(number, buffer);
	push_numeric(state, key, DirectFunctionCall3(numeric_in, CStringGetDatum(buffer),
												 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static void
push_buckets(JsonbParseState **state, const char *key, const Histogram *histogram,
			 HistogramSide side)
{
	int32		index;
	int32		last;

	if (!histogram_used(histogram, side, &index, &last))
		return;
	push_string(state, WJB_KEY, key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_integer(state, "offset", index);
	push_string(state, WJB_KEY, "bucketCounts");
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (; index <= last; index++)
		push_count(state, WJB_ELEM, histogram_count_at(histogram, side, index));
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static void
check_exportable(const Histogram *histogram)
{
	if (histogram->positive_infinity_count != 0 || histogram->negative_infinity_count != 0)
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("quantile sketch holds infinite values"),
				 errdetail("An exponential histogram data point has no bucket for them."),
				 errhint("Leave them out with FILTER (WHERE abs(value) < 'Infinity').")));
	if (histogram_has_negative(histogram))
		sketch_check_status(HISTOGRAM_NEGATIVE);
}

/*
 * sketch_to_otel(quantile_sketch) returns jsonb
 */
Datum
sketch_to_otel(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	const Histogram *histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	JsonbParseState *state = NULL;

	check_exportable(histogram);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, WJB_KEY, "count");
	push_count(&state, WJB_VALUE, histogram->total);
	push_integer(&state, "scale", histogram->scale);
	push_string(&state, WJB_KEY, "zeroCount");
	push_count(&state, WJB_VALUE, histogram->zero_count);
	push_buckets(&state, "positive", histogram, HISTOGRAM_POSITIVE_SIDE);
	push_buckets(&state, "negative", histogram, HISTOGRAM_NEGATIVE_SIDE);
	if (histogram->extremes_known && histogram->total > 0)
	{
		push_double(&state, "min", histogram->min);
		push_double(&state, "max", histogram->max);
	}
	PG_RETURN_JSONB_P(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}
