/*-------------------------------------------------------------------------
 *
 * buckets.h
 *		Counts of adaptive width: what the files of the plain C core share.
 *
 * The only file that knows how a HistogramRange stores a count.  Nobody else
 * includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SKETCH_BUCKETS_H
#define USAGE_METER_SKETCH_BUCKETS_H

#include <math.h>
#include <string.h>

#include "histogram.h"

#define unlikely_core(condition) __builtin_expect((condition) != 0, 0)
#define likely_core(condition) __builtin_expect((condition) != 0, 1)

/* Called after each mutation in a build that checks; see histogram_is_valid. */
#ifdef USE_ASSERT_CHECKING
#include <assert.h>
#define histogram_assert(histogram) assert(histogram_is_valid(histogram))
#else
#define histogram_assert(histogram) ((void) 0)
#endif

/*
 * Which counts are not zero, as far as extremes care: minimum and maximum must
 * lie in the lowest and the highest bucket.
 */
typedef struct HistogramOutline
{
	int			scale;
	bool		has_negative_infinity;
	bool		has_negative;
	bool		has_zero;
	bool		has_positive;
	bool		has_positive_infinity;
	int32_t		negative_first;
	int32_t		negative_last;
	int32_t		positive_first;
	int32_t		positive_last;
} HistogramOutline;

extern HistogramStatus histogram_cover(Histogram *histogram, HistogramSide side,
									   int64_t low, int64_t high, int scale);
extern HistogramStatus histogram_widen(Histogram *histogram, HistogramRange *range, int64_t count);
extern void histogram_settle(Histogram *histogram);
extern HistogramStatus histogram_meet_scale(Histogram *histogram, int scale);
extern void histogram_merged(Histogram *into, bool extremes_known, double min, double max);
extern void histogram_outline(const Histogram *histogram, HistogramOutline *outline);
extern bool outline_holds_extremes(const HistogramOutline *outline, double min, double max);

static inline HistogramRange *
histogram_range(Histogram *histogram, HistogramSide side)
{
	return (side == HISTOGRAM_POSITIVE_SIDE) ? &histogram->positive : &histogram->negative;
}

static inline int64_t
range_load(const HistogramRange *range, uint32_t slot)
{
	switch (range->width)
	{
		case 1:
			return ((const int8_t *) range->counts)[slot];
		case 2:
			return ((const int16_t *) range->counts)[slot];
		case 4:
			return ((const int32_t *) range->counts)[slot];
		default:
			return ((const int64_t *) range->counts)[slot];
	}
}

/* The count must fit the width. */
static inline void
range_store(HistogramRange *range, uint32_t slot, int64_t count)
{
	switch (range->width)
	{
		case 1:
			((int8_t *) range->counts)[slot] = (int8_t) count;
			break;
		case 2:
			((int16_t *) range->counts)[slot] = (int16_t) count;
			break;
		case 4:
			((int32_t *) range->counts)[slot] = (int32_t) count;
			break;
		default:
			((int64_t *) range->counts)[slot] = count;
			break;
	}
}

/*
 * The first slot in use from one on; the capacity if there is none.  Empty slots
 * are skipped eight bytes at a time, since most of a wide range is empty.
 */
static inline uint32_t
range_next_used(const HistogramRange *range, uint32_t slot)
{
	uint32_t	word_slots = (range->capacity > 0) ? (uint32_t) sizeof(uint64_t) / range->width : 1;

	while (slot < range->capacity && range_load(range, slot) == 0)
	{
		slot++;
		while (slot % word_slots == 0 && slot < range->capacity)
		{
			uint64_t	word;

			memcpy(&word, (const char *) range->counts + (size_t) slot * range->width, sizeof(word));
			if (word != 0)
				break;
			slot += word_slots;
		}
	}
	return slot;
}

static inline bool
count_fits(int64_t count, uint8_t width)
{
	switch (width)
	{
		case 1:
			return count == (int8_t) count;
		case 2:
			return count == (int16_t) count;
		case 4:
			return count == (int32_t) count;
		default:
			return true;
	}
}

/*
 * Add to one count of a slot within capacity.  Does not touch the total.
 */
static inline HistogramStatus
range_increment(Histogram *histogram, HistogramRange *range, uint32_t slot, int64_t weight)
{
	int64_t		count;

	if (unlikely_core(__builtin_add_overflow(range_load(range, slot), weight, &count)))
		return HISTOGRAM_OVERFLOW;
	if (unlikely_core(!count_fits(count, range->width)))
	{
		HistogramStatus status = histogram_widen(histogram, range, count);

		if (status != HISTOGRAM_OK)
			return status;
	}
	if (unlikely_core(count < 0))
		histogram->may_be_negative = true;
	range_store(range, slot, count);
	return HISTOGRAM_OK;
}

/* The counterpart for a count that has no bucket, with the total. */
static inline HistogramStatus
counter_increment(Histogram *histogram, int64_t *counter, int64_t weight)
{
	int64_t		count;
	int64_t		total;

	if (__builtin_add_overflow(*counter, weight, &count) ||
		__builtin_add_overflow(histogram->total, weight, &total))
		return HISTOGRAM_OVERFLOW;
	if (count < 0)
		histogram->may_be_negative = true;
	*counter = count;
	histogram->total = total;
	return HISTOGRAM_OK;
}

/* Both again, for a count that another histogram brings or takes. */
static inline HistogramStatus
bucket_merge(Histogram *into, HistogramRange *range, uint32_t slot, int64_t count, int sign)
{
	HistogramStatus status;
	int64_t		total;

	if (sign < 0 && unlikely_core(__builtin_sub_overflow(0, count, &count)))
		return HISTOGRAM_OVERFLOW;
	if (unlikely_core(__builtin_add_overflow(into->total, count, &total)))
		return HISTOGRAM_OVERFLOW;
	status = range_increment(into, range, slot, count);
	if (likely_core(status == HISTOGRAM_OK))
		into->total = total;
	return status;
}

static inline HistogramStatus
counter_merge(Histogram *into, int64_t *counter, int64_t count, int sign)
{
	if (sign < 0 && __builtin_sub_overflow(0, count, &count))
		return HISTOGRAM_OVERFLOW;
	return counter_increment(into, counter, count);
}

/*
 * The rank, counted from 1, that percentile_disc chooses for a fraction of total
 * values: ceil(fraction * total), at least 1 (orderedsetaggs.c).
 */
static inline int64_t
quantile_rank(double fraction, int64_t total)
{
	double		rank = ceil(fraction * (double) total);

	if (rank < 1.0)
		rank = 1.0;
	/* beyond 2^53 the product is rounded, perhaps above the total */
	return (rank >= (double) total) ? total : (int64_t) rank;
}

#endif							/* USAGE_METER_SKETCH_BUCKETS_H */
