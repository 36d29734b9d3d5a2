/*-------------------------------------------------------------------------
 *
 * sketch.c
 *		Fuzz target of the plain C core: whatever the bytes, no crash, no hang, no
 *		leak, and a valid histogram.
 *
 * The first byte of the input chooses what is done with the others:
 *
 *	0	decode; what is accepted must encode to the same bytes
 *	1	read as text; what is accepted must survive encoding
 *	2	two encodings, cut at the second byte: merge and subtract; what was
 *		accepted, less what was merged, must be what it was
 *	3	values, eight bytes each: add, encode, decode; a frame must agree
 *
 * Built for libFuzzer, see test/fuzz/run.
 *
 *-------------------------------------------------------------------------
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sketch/frame.h"
#include "sketch/histogram.h"

static uint8_t left_bytes[HISTOGRAM_ENCODED_MAX];
static uint8_t right_bytes[HISTOGRAM_ENCODED_MAX];

int			LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *
resize(void *context, void *pointer, size_t size)
{
	(void) context;
	if (size == 0)
	{
		free(pointer);
		return NULL;
	}
	assert(pointer == NULL);
	return malloc(size);
}

static size_t
encode(const Histogram *histogram, uint8_t *bytes)
{
	HistogramEncoding encoding;

	assert(histogram_is_valid(histogram));
	histogram_plan_encoding(histogram, &encoding);
	assert(encoding.length <= HISTOGRAM_ENCODED_MAX);
	histogram_encode(histogram, &encoding, bytes);
	return encoding.length;
}

static void
assert_same(const Histogram *left, const Histogram *right)
{
	size_t		length = encode(left, left_bytes);

	assert(encode(right, right_bytes) == length);
	assert(memcmp(left_bytes, right_bytes, length) == 0);
}

/* Questions must have answers, or none, but come back. */
static void
ask(const Histogram *histogram)
{
	HistogramIterator iterator = {0};
	HistogramBucket bucket;
	double		answer;
	int64_t		total = 0;

	while (histogram_next(histogram, &iterator, &bucket))
		total = (int64_t) ((uint64_t) total + (uint64_t) bucket.count);
	assert(total == histogram->total);
	if (histogram_quantile(histogram, 0.95, &answer) == HISTOGRAM_OK)
		assert(!isnan(answer));
	histogram_rank(histogram, 1.0, &answer);
	histogram_mean(histogram, &answer);
}

static void
fuzz_decode(Histogram *histogram, const uint8_t *data, size_t size)
{
	if (histogram_decode(histogram, data, size) != HISTOGRAM_OK)
		return;
	assert(encode(histogram, left_bytes) == size);
	assert(memcmp(left_bytes, data, size) == 0);
	ask(histogram);
}

static void
fuzz_text(Histogram *histogram, const uint8_t *data, size_t size)
{
	HistogramTextError error;
	HistogramStatus status;
	Histogram	again;
	char	   *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	status = histogram_read_text(histogram, text, &error);
	if (status == HISTOGRAM_SYNTAX)
		assert(error.position >= text && error.position <= text + size && error.expected != NULL);
	free(text);
	if (status != HISTOGRAM_OK)
		return;

	histogram_init(&again, resize, NULL, true);
	if (histogram_decode(&again, left_bytes, encode(histogram, left_bytes)) == HISTOGRAM_OK)
		assert_same(histogram, &again);
	histogram_free(&again);
	ask(histogram);
}

static void
fuzz_merge(Histogram *histogram, const uint8_t *data, size_t size)
{
	Histogram	before;
	size_t		first;

	if (size == 0)
		return;
	first = data[0] < size - 1 ? data[0] : size - 1;
	data++;
	size--;
	if (histogram_merge_encoded(histogram, data, first, 1) != HISTOGRAM_OK)
		return;

	histogram_init(&before, resize, NULL, true);
	assert(histogram_merge(&before, histogram, 1) == HISTOGRAM_OK);
	if (histogram_merge_encoded(histogram, data + first, size - first, 1) == HISTOGRAM_OK)
	{
		assert(histogram_is_valid(histogram));
		if (histogram_merge_encoded(histogram, data + first, size - first, -1) == HISTOGRAM_OK &&
			!histogram_is_empty(histogram) && !histogram_is_empty(&before))
		{
			histogram_forget_extremes(histogram);
			histogram_forget_extremes(&before);
			if (histogram_downscale(&before, histogram->scale) == HISTOGRAM_OK &&
				histogram->scale == before.scale)
				assert_same(histogram, &before);
		}
	}
	assert(histogram_is_valid(histogram));
	histogram_free(&before);
}

/* As many as fit into the largest input. */
#define INPUT_VALUES_MAX	512

/* Batches of values count as single ones have. */
static void
add_in_batches(const Histogram *expected, const double *values, int32_t count)
{
	Histogram	batches;
	int32_t		i;

	histogram_init(&batches, resize, NULL, true);
	for (i = 0; i < count; i += HISTOGRAM_BATCH_VALUES)
		assert(histogram_add_many(&batches, values + i,
								  count - i < HISTOGRAM_BATCH_VALUES ? count - i : HISTOGRAM_BATCH_VALUES) == HISTOGRAM_OK);
	assert_same(expected, &batches);
	histogram_free(&batches);
}

static void
fuzz_values(Histogram *histogram, const uint8_t *data, size_t size)
{
	static double values[INPUT_VALUES_MAX];
	int32_t		count = 0;
	Histogram	other;
	Frame		frame;

	frame_init(&frame, resize, NULL);
	for (; size >= sizeof(double) && count < INPUT_VALUES_MAX; data += sizeof(double), size -= sizeof(double))
	{
		double		value;
		HistogramStatus status;

		memcpy(&value, data, sizeof(value));
		status = histogram_add(histogram, value, 1);
		assert(status == (isnan(value) ? HISTOGRAM_NAN : HISTOGRAM_OK));
		assert(frame_add(&frame, value, 1) == status);
		if (status == HISTOGRAM_OK)
			values[count++] = value;
	}

	histogram_init(&other, resize, NULL, true);
	assert(histogram_decode(&other, left_bytes, encode(histogram, left_bytes)) == HISTOGRAM_OK);
	assert_same(histogram, &other);
	histogram_free(&other);
	add_in_batches(histogram, values, count);
	histogram_init(&other, resize, NULL, false);
	assert(frame_export(&frame, &other) == HISTOGRAM_OK);
	if (histogram->total > 0)
		histogram_forget_extremes(histogram);
	if (histogram->total > 0)
		assert_same(histogram, &other);
	histogram_free(&other);
	frame_free(&frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Histogram	histogram;

	if (size == 0)
		return 0;
	histogram_init(&histogram, resize, NULL, true);
	switch (data[0] % 4)
	{
		case 0:
			fuzz_decode(&histogram, data + 1, size - 1);
			break;
		case 1:
			fuzz_text(&histogram, data + 1, size - 1);
			break;
		case 2:
			fuzz_merge(&histogram, data + 1, size - 1);
			break;
		default:
			fuzz_values(&histogram, data + 1, size - 1);
			break;
	}
	assert(histogram_is_valid(&histogram));
	histogram_free(&histogram);
	return 0;
}
