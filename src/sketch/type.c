/*-------------------------------------------------------------------------
 *
 * type.c
 *		The type quantile_sketch: its forms, its comparison, its operators.
 *
 * See sketch.h for the forms.  Whatever comes in, as text, as binary or from
 * disk, is decoded under full validation before it is used.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

#include <math.h>

#include "common/hashfn.h"
#include "common/shortest_dec.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "queue.h"

/* How much of malformed text an error message quotes. */
#define QUOTED_BYTES_MAX			20

PG_FUNCTION_INFO_V1(sketch_in);
PG_FUNCTION_INFO_V1(sketch_out);
PG_FUNCTION_INFO_V1(sketch_recv);
PG_FUNCTION_INFO_V1(sketch_send);
PG_FUNCTION_INFO_V1(sketch_eq);
PG_FUNCTION_INFO_V1(sketch_ne);
PG_FUNCTION_INFO_V1(sketch_hash);
PG_FUNCTION_INFO_V1(sketch_hash_extended);
PG_FUNCTION_INFO_V1(sketch_add);
PG_FUNCTION_INFO_V1(sketch_subtract);
PG_FUNCTION_INFO_V1(sketch_negate);

/* ----------------------------------------------------------------
 * Histograms in PostgreSQL memory
 * ----------------------------------------------------------------
 */

static void *
sketch_resize(void *context, void *pointer, size_t size)
{
	if (size == 0)
	{
		pfree(pointer);
		return NULL;
	}
	return MemoryContextAlloc((MemoryContext) context, size);
}

void
sketch_init(Histogram *histogram, MemoryContext context)
{
	histogram_init(histogram, sketch_resize, context, true);
}

void
sketch_init_signed(Histogram *histogram, MemoryContext context)
{
	histogram_init(histogram, sketch_resize, context, false);
}

static void
report_corrupted(HistogramStatus status)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("value of type quantile_sketch is corrupted"),
			 errdetail("%s", histogram_status_text(status))));
}

void
sketch_check_status(HistogramStatus status)
{
	switch (status)
	{
		case HISTOGRAM_OK:
			return;
		case HISTOGRAM_NAN:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("NaN has no place in a quantile sketch"),
					 errhint("Leave it out with FILTER (WHERE value <> 'NaN').")));
			break;
		case HISTOGRAM_OVERFLOW:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("count of a quantile sketch is out of range"),
					 errdetail("%s", histogram_status_text(status))));
			break;
		case HISTOGRAM_OUT_OF_MEMORY:
			ereport(ERROR,
					(errcode(ERRCODE_OUT_OF_MEMORY),
					 errmsg("out of memory")));
			break;
		case HISTOGRAM_BAD_FRACTION:
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("fraction is out of range"),
					 errhint("Use a fraction between 0 and 1.")));
			break;
		case HISTOGRAM_NEGATIVE:
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("quantile sketch has negative counts"),
					 errdetail("More was subtracted from it than it holds, so its values have no order."),
					 errhint("Add it to the sketch that holds the missing values.")));
			break;
		case HISTOGRAM_EMPTY:
			elog(ERROR, "unexpected empty quantile sketch");
			break;
		default:
			report_corrupted(status);
			break;
	}
}

/* ----------------------------------------------------------------
 * Flat and expanded
 * ----------------------------------------------------------------
 */

/* Datum of planned length. */
static Datum
encode_planned(const Histogram *histogram, const HistogramEncoding *encoding)
{
	struct varlena *result = palloc(VARHDRSZ + encoding->length);

	SET_VARSIZE(result, VARHDRSZ + encoding->length);
	histogram_encode(histogram, encoding, (uint8_t *) VARDATA(result));
	return PointerGetDatum(result);
}

Datum
sketch_encode_datum(const Histogram *histogram)
{
	HistogramEncoding encoding;

	histogram_plan_encoding(histogram, &encoding);
	return encode_planned(histogram, &encoding);
}

Datum
sketch_encode_value(double value, int64 weight)
{
	struct varlena *result = palloc(VARHDRSZ + HISTOGRAM_ENCODED_SINGLE_MAX);
	size_t		length = 0;

	sketch_check_status(histogram_encode_single(value, weight, (uint8_t *) VARDATA(result),
												&length));
	SET_VARSIZE(result, VARHDRSZ + length);
	return PointerGetDatum(result);
}

static Size
expanded_flat_size(ExpandedObjectHeader *header)
{
	ExpandedSketch *sketch = (ExpandedSketch *) header;

	Assert(sketch->magic == EXPANDED_SKETCH_MAGIC);
	sketch_queue_drain_all(header->eoh_context);
	sketch_count_pending(sketch);
	if (sketch->counts->encoding.length == 0)
		histogram_plan_encoding(&sketch->counts->histogram, &sketch->counts->encoding);
	return VARHDRSZ + sketch->counts->encoding.length;
}

/*
 * There is no padding to fill: each byte of the encoding is written.
 */
static void
expanded_flatten(ExpandedObjectHeader *header, void *result, Size allocated_size)
{
	ExpandedSketch *sketch = (ExpandedSketch *) header;

	Assert(sketch->magic == EXPANDED_SKETCH_MAGIC);
	Assert(sketch->pending_count == 0);
	Assert(allocated_size == VARHDRSZ + sketch->counts->encoding.length);
	SET_VARSIZE(result, allocated_size);
	histogram_encode(&sketch->counts->histogram, &sketch->counts->encoding,
					 (uint8_t *) VARDATA(result));
}

/* memory comes in powers of two: one field more would double it */
StaticAssertDecl(sizeof(ExpandedSketch) <= 128, "expanded sketch exceeds 128 bytes");
StaticAssertDecl(sizeof(SketchCounts) <= 128, "counts of an expanded sketch exceed 128 bytes");

static const ExpandedObjectMethods expanded_methods = {
	expanded_flat_size,
	expanded_flatten
};

/*
 * A new, empty expanded object in a context, where its counts will be too.
 */
ExpandedSketch *
sketch_make_expanded(MemoryContext context)
{
	ExpandedSketch *sketch = MemoryContextAlloc(context, sizeof(ExpandedSketch));

	EOH_init_header(&sketch->header, &expanded_methods, context);
	sketch->magic = EXPANDED_SKETCH_MAGIC;
	sketch->pending_count = 0;
	sketch->counts = NULL;
	return sketch;
}

static pg_noinline void
make_counts(ExpandedSketch *sketch)
{
	MemoryContext context = sketch->header.eoh_context;
	SketchCounts *counts = MemoryContextAlloc(context, sizeof(SketchCounts));

	sketch_init(&counts->histogram, context);
	counts->encoding.length = 0;
	sketch->counts = counts;
}

/*
 * Count the pending values.  Returns the histogram, which then holds all there are.
 */
Histogram *
sketch_count_pending(ExpandedSketch *sketch)
{
	int32		count = sketch->pending_count;

	if (unlikely(sketch->counts == NULL))
		make_counts(sketch);
	if (count > 0)
	{
		sketch->pending_count = 0;
		sketch->counts->encoding.length = 0;
		sketch_check_status(histogram_add_many(&sketch->counts->histogram, sketch->pending, count));
	}
	return &sketch->counts->histogram;
}

/* The histogram of an expanded object, or NULL. */
static const Histogram *
expanded_histogram(Datum datum)
{
	ExpandedSketch *sketch;

	if (!VARATT_IS_EXTERNAL_EXPANDED(DatumGetPointer(datum)))
		return NULL;
	sketch = (ExpandedSketch *) DatumGetEOHP(datum);
	if (sketch->magic != EXPANDED_SKETCH_MAGIC)
		elog(ERROR, "expanded object is not a quantile_sketch");
	sketch_queue_drain_all(sketch->header.eoh_context);
	return sketch_count_pending(sketch);
}

void
sketch_merge_datum(Histogram *into, Datum datum, int sign)
{
	const Histogram *histogram = expanded_histogram(datum);
	struct varlena *flat;
	HistogramStatus status;

	if (histogram != NULL)
		sketch_check_status(histogram_merge(into, histogram, sign));
	else
	{
		flat = PG_DETOAST_DATUM_PACKED(datum);
		status = histogram_merge_encoded(into, (const uint8_t *) VARDATA_ANY(flat),
										 VARSIZE_ANY_EXHDR(flat), sign);
		sketch_check_status(status);
		if ((Pointer) flat != DatumGetPointer(datum))
			pfree(flat);
	}
}

const Histogram *
sketch_read(Datum datum, Histogram *workspace)
{
	const Histogram *histogram = expanded_histogram(datum);
	struct varlena *flat;
	HistogramStatus status;

	if (histogram != NULL)
		return histogram;

	flat = PG_DETOAST_DATUM_PACKED(datum);
	sketch_init(workspace, CurrentMemoryContext);
	status = histogram_decode(workspace, (const uint8_t *) VARDATA_ANY(flat),
							  VARSIZE_ANY_EXHDR(flat));
	if (status != HISTOGRAM_OK)
		report_corrupted(status);
	Assert(histogram_is_valid(workspace));
	return workspace;
}

/* ----------------------------------------------------------------
 * Text
 * ----------------------------------------------------------------
 */

static void pg_attribute_noreturn()
report_syntax(const char *text, const HistogramTextError *error)
{
	int			length = pg_mbcliplen(error->position, strlen(error->position), QUOTED_BYTES_MAX);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 errmsg("invalid input syntax for type %s", "quantile_sketch"),
			 length == 0 ?
			 errdetail("Expected %s at the end.", error->expected) :
			 errdetail("Expected %s at character %d, near \"%.*s\".", error->expected,
					   pg_mbstrlen_with_len(text, error->position - text) + 1,
					   length, error->position)));
}

static void
check_text_status(HistogramStatus status)
{
	if (status == HISTOGRAM_OVERFLOW)
		sketch_check_status(status);
	if (status != HISTOGRAM_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 errmsg("invalid content for type %s", "quantile_sketch"),
				 errdetail("%s", histogram_status_text(status))));
}

Datum
sketch_in(PG_FUNCTION_ARGS)
{
	const char *text = PG_GETARG_CSTRING(0);
	HistogramTextError error;
	HistogramStatus status;
	Histogram	histogram;
	Datum		result;

	sketch_init(&histogram, CurrentMemoryContext);
	status = histogram_read_text(&histogram, text, &error);
	if (status == HISTOGRAM_SYNTAX)
		report_syntax(text, &error);
	check_text_status(status);
	Assert(histogram_is_valid(&histogram));
	result = sketch_encode_datum(&histogram);
	histogram_free(&histogram);
	PG_RETURN_DATUM(result);
}

/* The shortest text that reads back as the same double, whatever the settings. */
static void
write_text_value(StringInfo text, const char *name, double value)
{
	char		buffer[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(value, buffer);
	appendStringInfo(text, "%s%s", name, buffer);
}

static void
write_text_integer(StringInfo text, const char *prefix, int64 number)
{
	char		buffer[MAXINT8LEN + 1];

	pg_lltoa(number, buffer);
	appendStringInfoString(text, prefix);
	appendStringInfoString(text, buffer);
}

static void
write_text_counter(StringInfo text, const char *name, int64 count)
{
	if (count != 0)
		write_text_integer(text, name, count);
}

static void
write_text_run(StringInfo text, const char *name, const Histogram *histogram,
			   HistogramSide side)
{
	const char *separator = ":";
	int64		gap = 0;
	int32		index;
	int32		last;

	if (!histogram_used(histogram, side, &index, &last))
		return;

	write_text_integer(text, name, index);
	for (; index <= last; index++)
	{
		int64		count = histogram_count_at(histogram, side, index);

		if (count == 0)
		{
			gap++;
			continue;
		}
		if (gap > 0)
			write_text_integer(text, ",~", gap);
		write_text_integer(text, separator, count);
		separator = ",";
		gap = 0;
	}
}

Datum
sketch_out(PG_FUNCTION_ARGS)
{
	Histogram	workspace;
	const Histogram *histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	StringInfoData text;

	initStringInfo(&text);
	write_text_integer(&text, "scale=", histogram->scale);
	if (histogram->extremes_known && !histogram_is_empty(histogram))
	{
		write_text_value(&text, " min=", histogram->min);
		write_text_value(&text, " max=", histogram->max);
	}
	write_text_counter(&text, " neginf=", histogram->negative_infinity_count);
	write_text_run(&text, " neg=", histogram, HISTOGRAM_NEGATIVE_SIDE);
	write_text_counter(&text, " zero=", histogram->zero_count);
	write_text_run(&text, " pos=", histogram, HISTOGRAM_POSITIVE_SIDE);
	write_text_counter(&text, " posinf=", histogram->positive_infinity_count);
	PG_RETURN_CSTRING(text.data);
}

/* ----------------------------------------------------------------
 * Binary
 * ----------------------------------------------------------------
 */

/*
 * The canonical bytes as they are, once they have proved to be that.
 */
Datum
sketch_recv(PG_FUNCTION_ARGS)
{
	StringInfo	message = (StringInfo) PG_GETARG_POINTER(0);
	int			length = message->len - message->cursor;
	const char *bytes = pq_getmsgbytes(message, length);
	struct varlena *result;
	Histogram	histogram;
	HistogramStatus status;

	sketch_init(&histogram, CurrentMemoryContext);
	status = histogram_decode(&histogram, (const uint8_t *) bytes, length);
	if (status != HISTOGRAM_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_BINARY_REPRESENTATION),
				 errmsg("invalid binary representation of type %s", "quantile_sketch"),
				 errdetail("%s", histogram_status_text(status))));
	histogram_free(&histogram);

	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), bytes, length);
	PG_RETURN_POINTER(result);
}

Datum
sketch_send(PG_FUNCTION_ARGS)
{
	struct varlena *flat = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	StringInfoData message;

	pq_begintypsend(&message);
	pq_sendbytes(&message, VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat));
	PG_RETURN_BYTEA_P(pq_endtypsend(&message));
}

/* ----------------------------------------------------------------
 * Comparison, which is that of canonical bytes
 * ----------------------------------------------------------------
 */

static bool
sketches_are_equal(Datum left_datum, Datum right_datum)
{
	struct varlena *left = PG_DETOAST_DATUM_PACKED(left_datum);
	struct varlena *right = PG_DETOAST_DATUM_PACKED(right_datum);
	Size		length = VARSIZE_ANY_EXHDR(left);

	return length == VARSIZE_ANY_EXHDR(right) &&
		memcmp(VARDATA_ANY(left), VARDATA_ANY(right), length) == 0;
}

Datum
sketch_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(sketches_are_equal(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
sketch_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!sketches_are_equal(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
sketch_hash(PG_FUNCTION_ARGS)
{
	struct varlena *flat = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));

	PG_RETURN_DATUM(hash_any((const unsigned char *) VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat)));
}

Datum
sketch_hash_extended(PG_FUNCTION_ARGS)
{
	struct varlena *flat = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));

	PG_RETURN_DATUM(hash_any_extended((const unsigned char *) VARDATA_ANY(flat),
									  VARSIZE_ANY_EXHDR(flat), PG_GETARG_INT64(1)));
}

/* ----------------------------------------------------------------
 * Operators
 * ----------------------------------------------------------------
 */

static Datum
combine(Datum left, Datum right, int sign)
{
	Histogram	histogram;
	Datum		result;

	sketch_init(&histogram, CurrentMemoryContext);
	sketch_merge_datum(&histogram, left, 1);
	sketch_merge_datum(&histogram, right, sign);
	Assert(histogram_is_valid(&histogram));
	result = sketch_encode_datum(&histogram);
	histogram_free(&histogram);
	return result;
}

Datum
sketch_add(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(combine(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), 1));
}

Datum
sketch_subtract(PG_FUNCTION_ARGS)
{
	PG_RETURN_DATUM(combine(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), -1));
}

/* A sketch of one bucket, negated, or NULL if it is any other. */
static struct varlena *
negate_single(Datum datum)
{
	struct varlena *sketch = (struct varlena *) DatumGetPointer(datum);
	struct varlena *result;
	size_t		length;

	if (VARATT_IS_EXTENDED(sketch) && !VARATT_IS_SHORT(sketch))
		return NULL;
	if (VARSIZE_ANY_EXHDR(sketch) > HISTOGRAM_ENCODED_SINGLE_MAX)
		return NULL;
	result = palloc(VARHDRSZ + HISTOGRAM_ENCODED_SINGLE_MAX);
	if (!histogram_negate_single((const uint8_t *) VARDATA_ANY(sketch), VARSIZE_ANY_EXHDR(sketch),
								 (uint8_t *) VARDATA(result), &length))
	{
		pfree(result);
		return NULL;
	}
	SET_VARSIZE(result, VARHDRSZ + length);
	return result;
}

/*
 * Reports negate the sketches of single executions by the thousand.
 */
Datum
sketch_negate(PG_FUNCTION_ARGS)
{
	struct varlena *single = negate_single(PG_GETARG_DATUM(0));
	Histogram	histogram;
	Datum		result;

	if (single != NULL)
		PG_RETURN_POINTER(single);
	sketch_init_signed(&histogram, CurrentMemoryContext);
	sketch_merge_datum(&histogram, PG_GETARG_DATUM(0), -1);
	result = sketch_encode_datum(&histogram);
	histogram_free(&histogram);
	PG_RETURN_DATUM(result);
}
