/*-------------------------------------------------------------------------
 *
 * histogram.c
 *		Properties of the plain C core of the sketch, on values drawn at random.
 *
 *	test/unit/histogram [rounds [seed]]
 *
 * The same seed gives the same values.  Memory comes from a callback that counts
 * what is in use, fills it with rubbish and fails when told to; addresses and
 * undefined behaviour are watched by the sanitizers that the build turns on.
 *
 *-------------------------------------------------------------------------
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sketch/frame.h"
#include "sketch/grid.h"
#include "sketch/histogram.h"

#include "random.h"

#define VALUES_MAX		400
#define PARTS			5
#define MUTATIONS		60

static uint8_t left_bytes[HISTOGRAM_ENCODED_MAX];
static uint8_t right_bytes[HISTOGRAM_ENCODED_MAX];
static uint8_t bytes[HISTOGRAM_ENCODED_MAX + 8];

/* ----------------------------------------------------------------
 * Memory
 * ----------------------------------------------------------------
 */

static size_t chunks_in_use = 0;
static long allocations_left = -1;	/* until one fails; negative: none does */

static void *
resize(void *context, void *pointer, size_t size)
{
	void	   *result;

	(void) context;
	if (size == 0)
	{
		free(pointer);
		chunks_in_use--;
		return NULL;
	}
	assert(pointer == NULL);
	if (allocations_left == 0)
		return NULL;
	if (allocations_left > 0)
		allocations_left--;
	result = malloc(size);
	assert(result != NULL);
	memset(result, 0xa5, size);
	chunks_in_use++;
	return result;
}

/* ----------------------------------------------------------------
 * Helpers
 * ----------------------------------------------------------------
 */

static void
start(Histogram *histogram)
{
	histogram_init(histogram, resize, NULL, true);
}

static void
add(Histogram *histogram, double value, int64_t weight)
{
	assert(histogram_add(histogram, value, weight) == HISTOGRAM_OK);
}

static size_t
encode(const Histogram *histogram, uint8_t *into)
{
	HistogramEncoding encoding;

	assert(histogram_is_valid(histogram));
	histogram_plan_encoding(histogram, &encoding);
	assert(encoding.length <= HISTOGRAM_ENCODED_MAX);
	histogram_encode(histogram, &encoding, into);
	return encoding.length;
}

static void
assert_same(const Histogram *left, const Histogram *right)
{
	size_t		length = encode(left, left_bytes);

	assert(encode(right, right_bytes) == length);
	assert(memcmp(left_bytes, right_bytes, length) == 0);
}

static int
compare_doubles(const void *left, const void *right)
{
	double		a = *(const double *) left;
	double		b = *(const double *) right;

	return (a > b) - (a < b);
}

/* ----------------------------------------------------------------
 * The grid
 * ----------------------------------------------------------------
 */

/*
 * The published rule, bucket i holds (base^i, base^(i+1)] with
 * base = 2^(2^-scale), in another way than grid.h: a magnitude is an octave and a
 * fraction in (1, 2]; squaring the fraction tells one binary digit of its
 * logarithm after the other.  After 20 squarings in 113 bits the error is below
 * 2^-90, while no double is nearer than 2^-57 to where it would matter (grid.h
 * says how near boundaries come to doubles).
 */
static int32_t
index_by_squaring(double magnitude, int scale)
{
	int			octave;
	__float128	fraction = 2.0 * frexp(magnitude, &octave);
	int32_t		index;
	int			digit;

	octave--;
	if (fraction == 1.0)
	{
		fraction = 2.0;
		octave--;
	}
	if (scale <= 0)
		return octave >> -scale;

	index = octave;
	for (digit = 0; digit < scale; digit++)
	{
		index *= 2;
		if (fraction == 2.0)
		{
			/* the end of the octave: all digits are ones */
			index++;
			continue;
		}
		fraction *= fraction;
		if (fraction > 2.0)
		{
			fraction /= 2.0;
			index++;
		}
	}
	return index;
}

static void
check_index(double magnitude, int scale)
{
	int32_t		index = grid_index(magnitude, scale);
	double		midpoint = grid_midpoint(index, scale);

	assert(index == index_by_squaring(magnitude, scale));
	assert(index >= grid_index_min(scale) && index <= grid_index_max(scale));
	assert(grid_boundary_double(index, scale) < magnitude);
	assert(magnitude <= grid_boundary_double((int64_t) index + 1, scale));
	assert(midpoint > 0.0 && isfinite(midpoint));
	if (magnitude > 1e-300)
		assert(fabs(midpoint - magnitude) <= grid_error(scale) * magnitude);
	if (scale < GRID_SCALE_MAX)
		assert(index == grid_index(magnitude, scale + 1) >> 1);
}

/* A value, the boundary below it, and the neighbours of that. */
static void
check_around(double magnitude, int scale)
{
	double		boundary;

	check_index(magnitude, scale);
	boundary = grid_boundary_double(grid_index(magnitude, scale), scale);
	if (boundary == 0.0)
		return;
	check_index(boundary, scale);
	check_index(nextafter(boundary, INFINITY), scale);
	if (boundary > GRID_SMALLEST_DOUBLE)
		check_index(nextafter(boundary, 0.0), scale);
}

static void
check_grid(int values)
{
	int			scale;
	int			exponent;
	int			i;

	for (scale = GRID_SCALE_MIN; scale <= GRID_SCALE_MAX; scale++)
	{
		for (i = 0; i < values; i++)
		{
			double		magnitude = fabs(draw_value((Kind) (i % MIXED)));

			if (magnitude != 0.0 && !isinf(magnitude))
				check_around(magnitude, scale);
		}
		for (exponent = GRID_EXPONENT_MIN; exponent <= GRID_EXPONENT_MAX; exponent++)
			check_around(ldexp(1.0, exponent), scale);
		check_index(GRID_LARGEST_DOUBLE, scale);
		assert(grid_index(GRID_SMALLEST_DOUBLE, scale) == grid_index_min(scale));
		assert(grid_index(GRID_LARGEST_DOUBLE, scale) == grid_index_max(scale));
	}
}

/* ----------------------------------------------------------------
 * Properties of histograms, for a set of values
 * ----------------------------------------------------------------
 */

/* Any order, any partition, any way of merging: the same bytes. */
static void
check_canonical(const Histogram *whole, const double *values, int count)
{
	Histogram	reverse;
	Histogram	merged;
	Histogram	part[PARTS];
	int			i;

	start(&reverse);
	start(&merged);
	for (i = 0; i < PARTS; i++)
		start(&part[i]);
	for (i = count - 1; i >= 0; i--)
		add(&reverse, values[i], 1);
	for (i = 0; i < count; i++)
		add(&part[draw_below(PARTS)], values[i], 1);
	for (i = 0; i < PARTS; i++)
	{
		if (draw_below(2) != 0)
			assert(histogram_merge(&merged, &part[i], 1) == HISTOGRAM_OK);
		else
			assert(histogram_merge_encoded(&merged, bytes, encode(&part[i], bytes), 1) == HISTOGRAM_OK);
	}
	assert_same(whole, &reverse);
	assert_same(whole, &merged);
	histogram_free(&reverse);
	histogram_free(&merged);
	for (i = 0; i < PARTS; i++)
		histogram_free(&part[i]);
}

/* Within the error of the order statistic; extremes, ranks and counts exact. */
static void
check_answers(const Histogram *whole, const double *values, int count)
{
	double		sorted[VALUES_MAX];
	HistogramIterator iterator = {0};
	HistogramBucket bucket;
	int64_t		total = 0;
	double		answer;
	double		before = -INFINITY;
	int			i;

	memcpy(sorted, values, (size_t) count * sizeof(double));
	qsort(sorted, (size_t) count, sizeof(double), compare_doubles);
	for (i = 0; i <= 20; i++)
	{
		int			rank = (int) ceil(i / 20.0 * count);
		double		exact = sorted[rank > 0 ? rank - 1 : 0];

		assert(histogram_quantile(whole, i / 20.0, &answer) == HISTOGRAM_OK);
		assert(answer == exact ||
			   fabs(answer - exact) <= histogram_error(whole) * fabs(exact) + GRID_SMALLEST_DOUBLE);
		assert(histogram_rank(whole, exact, &answer) == HISTOGRAM_OK);
		assert(answer >= (double) rank / count - 1e-12);
	}
	assert(histogram_minimum(whole, &answer) == HISTOGRAM_OK && answer == sorted[0]);
	assert(histogram_maximum(whole, &answer) == HISTOGRAM_OK && answer == sorted[count - 1]);
	while (histogram_next(whole, &iterator, &bucket))
	{
		assert(bucket.lower <= bucket.upper && bucket.midpoint >= before);
		before = bucket.midpoint;
		total += bucket.count;
	}
	assert(total == whole->total && total == count);
}

/* What was added can be taken away, from a histogram, or value by value. */
static void
check_subtraction(const Histogram *whole, const double *values, int count)
{
	Histogram	sum;
	Histogram	other;
	Histogram	expected;
	int			i;

	start(&sum);
	start(&other);
	start(&expected);
	for (i = 0; i < 50; i++)
		add(&other, draw_value(MIXED), 1);
	assert(histogram_merge(&sum, whole, 1) == HISTOGRAM_OK);
	assert(histogram_merge(&sum, &other, 1) == HISTOGRAM_OK);
	assert(histogram_merge(&expected, whole, 1) == HISTOGRAM_OK);
	assert(histogram_downscale(&expected, sum.scale) == HISTOGRAM_OK);
	histogram_forget_extremes(&expected);
	if (draw_below(2) != 0)
		assert(histogram_merge(&sum, &other, -1) == HISTOGRAM_OK);
	else
		assert(histogram_merge_encoded(&sum, bytes, encode(&other, bytes), -1) == HISTOGRAM_OK);
	assert_same(&sum, &expected);

	for (i = 0; i < count; i++)
		add(&sum, values[i], -1);
	assert(histogram_is_empty(&sum) && sum.scale == HISTOGRAM_SCALE_START && sum.extremes_known);
	histogram_free(&sum);
	histogram_free(&other);
	histogram_free(&expected);
}

/* Any weights: an overflow is told, and the histogram stays valid. */
static void
check_weights(const double *values, int count)
{
	Histogram	histogram;
	Histogram	again;
	HistogramStatus status;
	double		answer;
	int			i;

	start(&histogram);
	start(&again);
	for (i = 0; i < count; i++)
	{
		int64_t		weight = (int64_t) (draw() >> draw_below(64));

		status = histogram_add(&histogram, values[i], draw_below(2) != 0 ? weight : -weight);
		assert(status == HISTOGRAM_OK || status == HISTOGRAM_OVERFLOW);
		assert(histogram_is_valid(&histogram));
	}
	status = histogram_decode(&again, bytes, encode(&histogram, bytes));
	assert(status == HISTOGRAM_OK || status == HISTOGRAM_OVERFLOW);
	if (status == HISTOGRAM_OK)
		assert_same(&histogram, &again);
	status = histogram_merge(&again, &histogram, draw_below(2) != 0 ? 1 : -1);
	assert(status == HISTOGRAM_OK || status == HISTOGRAM_OVERFLOW);
	assert(histogram_is_valid(&again));
	status = histogram_quantile(&again, 0.5, &answer);
	assert(status == HISTOGRAM_OK || status == HISTOGRAM_NEGATIVE || status == HISTOGRAM_EMPTY);
	histogram_free(&histogram);
	histogram_free(&again);
}

/* What is negated without a histogram, if it can be, is what a histogram makes of it. */
static bool
check_negation(const uint8_t *encoded, size_t length)
{
	Histogram	histogram;
	uint8_t		negated[HISTOGRAM_ENCODED_SINGLE_MAX];
	size_t		negated_length;

	if (length > sizeof(negated) || !histogram_negate_single(encoded, length, negated, &negated_length))
		return false;
	histogram_init(&histogram, resize, NULL, false);
	assert(histogram_merge_encoded(&histogram, encoded, length, -1) == HISTOGRAM_OK);
	assert(encode(&histogram, left_bytes) == negated_length && memcmp(left_bytes, negated, negated_length) == 0);
	histogram_free(&histogram);
	return true;
}

/* The encoding of one value is that of a histogram of it. */
static void
check_single(double value)
{
	Histogram	histogram;
	int64_t		weight = (int64_t) draw() >> draw_below(64);
	uint8_t		single[HISTOGRAM_ENCODED_SINGLE_MAX];
	size_t		length;
	int			i;

	assert(histogram_encode_single(value, weight, single, &length) == HISTOGRAM_OK);
	assert(length <= sizeof(single));
	histogram_init(&histogram, resize, NULL, false);
	add(&histogram, value, weight);
	assert(encode(&histogram, left_bytes) == length && memcmp(left_bytes, single, length) == 0);
	histogram_free(&histogram);
	assert(check_negation(single, length) ==
		   (weight != 0 && weight != INT64_MIN && value != 0.0 && !isinf(value)));
	for (i = 0; i < MUTATIONS; i++)
	{
		memcpy(right_bytes, single, length);
		check_negation(right_bytes, mutate(right_bytes, length));
	}
}

/* Two scales: merged, they are the union at the coarser one. */
static void
check_scales(const double *values, int count)
{
	Histogram	fine;
	Histogram	coarse;
	Histogram	whole;
	Histogram	again;
	int			scales[2];
	int			i;

	scales[0] = (int) draw_below(31) + HISTOGRAM_SCALE_MIN;
	scales[1] = (int) draw_below(31) + HISTOGRAM_SCALE_MIN;
	start(&fine);
	start(&coarse);
	start(&whole);
	start(&again);
	assert(histogram_set_scale(&fine, scales[0]) == HISTOGRAM_OK);
	assert(histogram_set_scale(&coarse, scales[1]) == HISTOGRAM_OK);
	assert(histogram_set_scale(&whole, scales[0] < scales[1] ? scales[0] : scales[1]) == HISTOGRAM_OK);
	for (i = 0; i < count; i++)
	{
		add(i % 2 != 0 ? &fine : &coarse, values[i], 1);
		add(&whole, values[i], 1);
	}
	if (count > 1)
	{
		assert(histogram_merge(&fine, &coarse, 1) == HISTOGRAM_OK);
		assert_same(&fine, &whole);
	}
	assert(histogram_decode(&again, bytes, encode(&whole, bytes)) == HISTOGRAM_OK);
	assert_same(&whole, &again);
	histogram_free(&fine);
	histogram_free(&coarse);
	histogram_free(&whole);
	histogram_free(&again);
}

/* Malformed bytes are refused, or they are canonical. */
static void
check_mutations(const Histogram *whole)
{
	Histogram	decoded;
	Histogram	target;
	size_t		whole_length = encode(whole, bytes);
	int			i;

	start(&decoded);
	start(&target);
	for (i = 0; i < MUTATIONS; i++)
	{
		size_t		length;
		uint8_t    *exact;

		memcpy(right_bytes, bytes, whole_length);
		length = (i < (int) whole_length && i < 10) ? (size_t) i : mutate(right_bytes, whole_length);
		/* of its own, so that reading beyond the end is noticed */
		exact = malloc(length > 0 ? length : 1);
		memcpy(exact, right_bytes, length);
		histogram_reset(&decoded);
		if (histogram_decode(&decoded, exact, length) == HISTOGRAM_OK)
			assert(encode(&decoded, left_bytes) == length && memcmp(left_bytes, exact, length) == 0);
		assert(histogram_is_valid(&decoded));
		histogram_merge_encoded(&target, exact, length, draw_below(2) != 0 ? 1 : -1);
		assert(histogram_is_valid(&target));
		free(exact);
	}
	histogram_free(&decoded);
	histogram_free(&target);
}

/* Without memory it stays valid. */
static void
check_memory(const Histogram *whole, const double *values, int count)
{
	Histogram	histogram;
	size_t		length = encode(whole, bytes);
	int			i;

	start(&histogram);
	allocations_left = (long) draw_below(6);
	for (i = 0; i < count; i++)
	{
		HistogramStatus status = histogram_add(&histogram, values[i], 1);

		assert(status == HISTOGRAM_OK || status == HISTOGRAM_OUT_OF_MEMORY);
		assert(histogram_is_valid(&histogram));
	}
	histogram_merge_encoded(&histogram, bytes, length, 1);
	assert(histogram_is_valid(&histogram));
	allocations_left = -1;
	histogram_free(&histogram);
}

/*
 * A frame that moves over the values is always the histogram of what is in it.
 */
static void
check_frame(const double *values, int count)
{
	Frame		frame;
	int			width = 1 + (int) draw_below(count);
	int			i;
	int			j;

	frame_init(&frame, resize, NULL);
	for (i = 0; i < count; i++)
	{
		Histogram	expected;
		Histogram	exported;
		double		left;
		double		right;

		if (i >= width)
			assert(frame_add(&frame, values[i - width], -1) == HISTOGRAM_OK);
		assert(frame_add(&frame, values[i], 1) == HISTOGRAM_OK);
		if (draw_below(20) != 0)
			continue;

		histogram_init(&expected, resize, NULL, false);
		histogram_init(&exported, resize, NULL, false);
		for (j = (i >= width) ? i - width + 1 : 0; j <= i; j++)
			add(&expected, values[j], 1);
		assert(frame_export(&frame, &exported) == HISTOGRAM_OK);
		assert_same(&expected, &exported);
		assert(frame_scale(&frame) == expected.scale);
		assert(frame_quantile(&frame, i % 21 / 20.0, &left) == HISTOGRAM_OK);
		assert(histogram_quantile(&expected, i % 21 / 20.0, &right) == HISTOGRAM_OK);
		assert(left == right);
		histogram_free(&expected);
		histogram_free(&exported);
	}
	frame_free(&frame);
}

/*
 * Several values at once count as they do one by one: whatever was there before,
 * where counts outgrow their width, and at any scale.
 */
static void
check_batches(const double *values, int count)
{
	static const int64_t weights[] = {0, 1, -1, INT8_MAX - 3, INT16_MAX - 3, INT32_MAX - 3, INT64_MAX - VALUES_MAX};
	int64_t		weight = weights[draw_below(sizeof(weights) / sizeof(weights[0]))];
	int			scale = (draw_below(2) == 0) ? GRID_SCALE_TABLE : (int) draw_below(GRID_SCALE_MAX);
	Histogram	batches;
	Histogram	singles;
	int			i;
	int			size;

	start(&batches);
	start(&singles);
	assert(histogram_set_scale(&batches, scale) == HISTOGRAM_OK);
	assert(histogram_set_scale(&singles, scale) == HISTOGRAM_OK);
	add(&batches, values[0], weight);
	add(&singles, values[0], weight);
	for (i = 0; i < count; i += size)
	{
		int			j;

		size = (draw_below(4) == 0) ? 1 + (int) draw_below(11) : 8;
		if (size > count - i)
			size = count - i;
		assert(histogram_add_many(&batches, values + i, size) == HISTOGRAM_OK);
		for (j = 0; j < size; j++)
			add(&singles, values[i + j], 1);
		assert_same(&batches, &singles);
	}
	histogram_free(&batches);
	histogram_free(&singles);
}

static void
check_round(void)
{
	double		values[VALUES_MAX];
	int			count = 1 + (int) draw_below(VALUES_MAX);
	Kind		kind = (Kind) draw_below(MIXED + 1);
	Histogram	whole;
	Histogram	again;
	int			i;

	start(&whole);
	start(&again);
	for (i = 0; i < count; i++)
	{
		values[i] = draw_value(kind);
		add(&whole, values[i], 1);
	}
	check_canonical(&whole, values, count);
	check_answers(&whole, values, count);
	assert(histogram_decode(&again, bytes, encode(&whole, bytes)) == HISTOGRAM_OK);
	assert_same(&whole, &again);
	check_subtraction(&whole, values, count);
	check_weights(values, count);
	check_batches(values, count);
	check_single(values[0]);
	check_scales(values, count);
	check_mutations(&whole);
	check_memory(&whole, values, count);
	check_frame(values, count);
	histogram_free(&whole);
	histogram_free(&again);
	assert(chunks_in_use == 0);
}

int
main(int argc, char **argv)
{
	long		rounds = (argc > 1) ? atol(argv[1]) : 300;
	long		i;

	if (argc > 2)
		seed_random(strtoull(argv[2], NULL, 10));
	check_grid(500);
	for (i = 0; i < rounds; i++)
		check_round();
	printf("%ld rounds\n", rounds);
	return 0;
}
