/*-------------------------------------------------------------------------
 *
 * histogram.c
 *		A signed base-2 exponential histogram.
 *
 * See histogram.h for what it is and grid.h for the mapping.  The order of
 * steps is the same everywhere: what can fail comes first (memory, overflow),
 * what makes the change visible comes last, so that a failure, even one that
 * leaves by longjmp, finds a valid histogram.
 *
 *-------------------------------------------------------------------------
 */
#include "histogram.h"

#include "buckets.h"
#include "grid.h"

/* Slots summed at a time when looking for a rank. */
#define RANGE_BLOCK_SLOTS	32

/* ----------------------------------------------------------------
 * Ranges
 * ----------------------------------------------------------------
 */

/*
 * First and last slot in use; false, and low above high, if there is none.
 */
static bool
range_used(const HistogramRange *range, uint32_t *low, uint32_t *high)
{
	size_t		word_end;
	uint64_t	word;

	*low = range_next_used(range, 0);
	*high = 0;
	if (*low == range->capacity)
	{
		*low = 1;
		return false;
	}

	/* back over words of eight bytes, of which capacity * width is a multiple */
	word_end = (size_t) range->capacity * range->width;
	for (;;)
	{
		memcpy(&word, (const char *) range->counts + word_end - sizeof(word), sizeof(word));
		if (word != 0)
			break;
		word_end -= sizeof(word);
	}
	*high = (uint32_t) (word_end / range->width) - 1;
	while (range_load(range, *high) == 0)
		(*high)--;
	return true;
}

/*
 * Move the used slots low .. high (none if low > high) to a new layout.
 */
static HistogramStatus
range_rebuild(Histogram *histogram, HistogramRange *range, uint32_t low, uint32_t high,
			  int32_t first, uint32_t capacity, uint8_t width)
{
	HistogramRange rebuilt = {NULL, first, capacity, width};
	uint32_t	slot;

	rebuilt.counts = histogram->resize(histogram->context, NULL, (size_t) capacity * width);
	if (rebuilt.counts == NULL)
		return HISTOGRAM_OUT_OF_MEMORY;

	memset(rebuilt.counts, 0, (size_t) capacity * width);
	for (slot = low; slot <= high && low <= high; slot = range_next_used(range, slot + 1))
		range_store(&rebuilt, (uint32_t) (range->first + (int32_t) slot - first),
					range_load(range, slot));

	if (range->counts != NULL)
		histogram->resize(histogram->context, range->counts, 0);
	*range = rebuilt;
	return HISTOGRAM_OK;
}

/* The same within the memory that the range has. */
static void
range_slide(HistogramRange *range, uint32_t low, uint32_t high, int32_t first)
{
	char	   *bytes = range->counts;
	size_t		width = range->width;
	size_t		length = (low <= high) ? (high - low + 1) * width : 0;
	size_t		from = low * width;
	size_t		to = (size_t) (range->first + (int64_t) low - first) * width;

	if (length > 0)
	{
		memmove(bytes + to, bytes + from, length);
		memset(bytes, 0, to);
		memset(bytes + to + length, 0, range->capacity * width - to - length);
	}
	range->first = first;
}

/*
 * Capacity for a span: what there is, if that leaves enough to spare that a
 * window sliding upwards need not move its counts each time; else the next
 * power of two, since the memory would be rounded up to one anyway.
 */
static uint32_t
range_capacity(const HistogramRange *range, uint32_t span)
{
	uint32_t	capacity = range->capacity;

	if (capacity == 0)
		capacity = HISTOGRAM_BYTES_INITIAL / range->width;
	else if (capacity > HISTOGRAM_BYTES_INITIAL && capacity - span < span / 16 &&
			 capacity < HISTOGRAM_BUCKETS_MAX)
		capacity *= 2;
	while (capacity < span)
		capacity *= 2;
	return capacity;
}

/*
 * Make slots for the buckets low .. high beside those in use, which lie in the
 * slots used_low .. used_high; together they span no more than the cap.  What is
 * to spare goes to both ends alike.
 */
static HistogramStatus
range_place(Histogram *histogram, HistogramRange *range, uint32_t used_low, uint32_t used_high,
			int64_t low, int64_t high)
{
	uint32_t	span = (uint32_t) (high - low + 1);
	uint32_t	capacity;
	int32_t		first;

	if (range->width == 0)
		range->width = 1;
	capacity = range_capacity(range, span);
	first = (int32_t) (low - (capacity - span) / 2);

	if (capacity != range->capacity)
		return range_rebuild(histogram, range, used_low, used_high, first, capacity,
							 range->width);
	range_slide(range, used_low, used_high, first);
	return HISTOGRAM_OK;
}

/*
 * Make the counts wide enough for this one.
 */
HistogramStatus
histogram_widen(Histogram *histogram, HistogramRange *range, int64_t count)
{
	uint8_t		width = range->width;
	uint32_t	low;
	uint32_t	high;

	while (!count_fits(count, width))
		width *= 2;
	range_used(range, &low, &high);
	return range_rebuild(histogram, range, low, high, range->first, range->capacity, width);
}

/*
 * Make sure that a merge of pairs will fit the width.
 */
static HistogramStatus
range_prepare_halving(Histogram *histogram, HistogramRange *range)
{
	uint32_t	slot;
	uint32_t	high;

	if (!range_used(range, &slot, &high))
		return HISTOGRAM_OK;

	for (; slot < high; slot = range_next_used(range, slot + 1))
	{
		int64_t		sum;

		if (((range->first + (int64_t) slot) & 1) != 0)
			continue;
		if (__builtin_add_overflow(range_load(range, slot), range_load(range, slot + 1), &sum))
			return HISTOGRAM_OVERFLOW;
		if (!count_fits(sum, range->width))
		{
			HistogramStatus status = histogram_widen(histogram, range, sum);

			if (status != HISTOGRAM_OK)
				return status;
		}
	}
	return HISTOGRAM_OK;
}

/*
 * Merge pairs of buckets, in place: a count never moves to a higher slot.
 */
static void
range_halve(HistogramRange *range)
{
	int32_t		first = range->first >> 1;
	uint32_t	slot;
	uint32_t	high;

	if (range_used(range, &slot, &high))
	{
		for (; slot <= high; slot = range_next_used(range, slot + 1))
		{
			int64_t		count = range_load(range, slot);
			uint32_t	target = (uint32_t) (((range->first + (int64_t) slot) >> 1) - first);

			range_store(range, slot, 0);
			range_store(range, target, range_load(range, target) + count);
		}
	}
	range->first = first;
}

/* Sum of the counts in slots from .. to - 1; the total bounds it. */
static int64_t
range_sum(const HistogramRange *range, uint32_t from, uint32_t to)
{
	int64_t		sum = 0;
	uint32_t	slot;

#define SUM_OF_WIDTH(type) \
	do { \
		const type *counts = range->counts; \
		for (slot = from; slot < to; slot++) \
			sum += counts[slot]; \
	} while (0)

	switch (range->width)
	{
		case 1:
			SUM_OF_WIDTH(int8_t);
			break;
		case 2:
			SUM_OF_WIDTH(int16_t);
			break;
		case 4:
			SUM_OF_WIDTH(int32_t);
			break;
		default:
			SUM_OF_WIDTH(int64_t);
			break;
	}
#undef SUM_OF_WIDTH
	return sum;
}

/*
 * Find the bucket that holds a rank, counted from 1 in the order of values.
 * False, with the rank reduced, if the range holds fewer.
 */
static bool
range_find(const HistogramRange *range, bool descending, int64_t *rank, int32_t *index)
{
	uint32_t	done = 0;

	while (done < range->capacity)
	{
		uint32_t	left = range->capacity - done;
		uint32_t	block = (left < RANGE_BLOCK_SLOTS) ? left : RANGE_BLOCK_SLOTS;
		uint32_t	from = descending ? left - block : done;
		int64_t		sum = range_sum(range, from, from + block);

		if (*rank <= sum)
		{
			uint32_t	slot = descending ? left - 1 : done;

			while (*rank > range_load(range, slot))
			{
				*rank -= range_load(range, slot);
				slot += descending ? -1 : 1;
			}
			*index = range->first + (int32_t) slot;
			return true;
		}
		*rank -= sum;
		done += block;
	}
	return false;
}

/* Sum of the counts of buckets up to index, or from it on. */
static int64_t
range_count_through(const HistogramRange *range, int32_t index)
{
	int64_t		slots = (int64_t) index - range->first + 1;

	if (slots <= 0)
		return 0;
	return range_sum(range, 0, slots < range->capacity ? (uint32_t) slots : range->capacity);
}

static int64_t
range_count_from(const HistogramRange *range, int32_t index)
{
	int64_t		slot = (int64_t) index - range->first;

	if (slot >= range->capacity)
		return 0;
	return range_sum(range, slot > 0 ? (uint32_t) slot : 0, range->capacity);
}

/* ----------------------------------------------------------------
 * Life
 * ----------------------------------------------------------------
 */

void
histogram_init(Histogram *histogram, HistogramResize resize, void *context, bool tracks_extremes)
{
	memset(histogram, 0, sizeof(*histogram));
	histogram->resize = resize;
	histogram->context = context;
	histogram->tracks_extremes = tracks_extremes;
	histogram_settle(histogram);
}

/*
 * Forget all values, but keep the memory.
 */
void
histogram_reset(Histogram *histogram)
{
	HistogramRange *positive = &histogram->positive;
	HistogramRange *negative = &histogram->negative;

	if (positive->capacity > 0)
		memset(positive->counts, 0, (size_t) positive->capacity * positive->width);
	if (negative->capacity > 0)
		memset(negative->counts, 0, (size_t) negative->capacity * negative->width);
	histogram->zero_count = 0;
	histogram->positive_infinity_count = 0;
	histogram->negative_infinity_count = 0;
	histogram->total = 0;
	histogram_settle(histogram);
}

void
histogram_free(Histogram *histogram)
{
	if (histogram->positive.counts != NULL)
		histogram->resize(histogram->context, histogram->positive.counts, 0);
	if (histogram->negative.counts != NULL)
		histogram->resize(histogram->context, histogram->negative.counts, 0);
	histogram_init(histogram, histogram->resize, histogram->context, histogram->tracks_extremes);
}

bool
histogram_is_empty(const Histogram *histogram)
{
	uint32_t	low;
	uint32_t	high;

	return histogram->total == 0 && histogram->zero_count == 0 &&
		histogram->positive_infinity_count == 0 && histogram->negative_infinity_count == 0 &&
		!range_used(&histogram->positive, &low, &high) &&
		!range_used(&histogram->negative, &low, &high);
}

/*
 * Called when the total came to zero: if all counts did, the histogram is the
 * empty one, whatever it went through.
 */
void
histogram_settle(Histogram *histogram)
{
	if (!histogram_is_empty(histogram))
		return;
	histogram->scale = HISTOGRAM_SCALE_START;
	histogram->may_be_negative = false;
	histogram->extremes_known = histogram->tracks_extremes;
	histogram->min = histogram->tracks_extremes ? INFINITY : -INFINITY;
	histogram->max = histogram->tracks_extremes ? -INFINITY : INFINITY;
}

void
histogram_forget_extremes(Histogram *histogram)
{
	histogram->extremes_known = false;
	histogram->min = -INFINITY;
	histogram->max = INFINITY;
}

/* ----------------------------------------------------------------
 * Change
 * ----------------------------------------------------------------
 */

/*
 * Coarsen to a scale, by merging pairs ("perfect subsetting" in the words of
 * the OpenTelemetry data model).  No effect if it is as coarse already.
 */
HistogramStatus
histogram_downscale(Histogram *histogram, int scale)
{
	while (histogram->scale > scale && histogram->scale > HISTOGRAM_SCALE_MIN)
	{
		HistogramStatus status = range_prepare_halving(histogram, &histogram->positive);

		if (status == HISTOGRAM_OK)
			status = range_prepare_halving(histogram, &histogram->negative);
		if (status != HISTOGRAM_OK)
			return status;
		range_halve(&histogram->positive);
		range_halve(&histogram->negative);
		histogram->scale--;
	}
	return HISTOGRAM_OK;
}

/*
 * Make room for the buckets low .. high of a scale, which is no coarser than
 * ours; coarsen ours as far as it takes.
 */
HistogramStatus
histogram_cover(Histogram *histogram, HistogramSide side, int64_t low, int64_t high, int scale)
{
	HistogramRange *range = histogram_range(histogram, side);

	for (;;)
	{
		int			shift = scale - histogram->scale;
		int64_t		first = low >> shift;
		int64_t		last = high >> shift;
		uint32_t	used_low;
		uint32_t	used_high;
		HistogramStatus status;

		if (first >= range->first && last < (int64_t) range->first + range->capacity)
			return HISTOGRAM_OK;

		if (range_used(range, &used_low, &used_high))
		{
			if (first > range->first + (int64_t) used_low)
				first = range->first + (int64_t) used_low;
			if (last < range->first + (int64_t) used_high)
				last = range->first + (int64_t) used_high;
		}
		if (last - first < HISTOGRAM_BUCKETS_MAX)
			return range_place(histogram, range, used_low, used_high, first, last);

		status = histogram_downscale(histogram, histogram->scale - 1);
		if (status != HISTOGRAM_OK)
			return status;
	}
}

/* Minimum and maximum after a value joined, or left. */
static inline void
note_extremes(Histogram *histogram, double value, int64_t weight)
{
	if (unlikely_core(weight < 0))
		histogram_forget_extremes(histogram);
	else
	{
		if (value < histogram->min)
			histogram->min = value;
		if (value > histogram->max)
			histogram->max = value;
	}
}

/* The counter of a value that has no bucket. */
static int64_t *
special_counter(Histogram *histogram, double value)
{
	if (value == 0.0)
		return &histogram->zero_count;
	return (value > 0.0) ? &histogram->positive_infinity_count
		: &histogram->negative_infinity_count;
}

/*
 * Any value: special ones, subnormals, fine scales, buckets without a slot.
 */
static HistogramStatus __attribute__((noinline))
add_slowly(Histogram *histogram, double value, int64_t weight)
{
	HistogramStatus status;

	if (isnan(value))
		return HISTOGRAM_NAN;
	if (weight == 0)
		return HISTOGRAM_OK;

	if (value == 0.0 || isinf(value))
	{
		value += 0.0;			/* no -0 among the extremes */
		status = counter_increment(histogram, special_counter(histogram, value), weight);
	}
	else
		status = histogram_add_bucket(histogram,
									  value > 0.0 ? HISTOGRAM_POSITIVE_SIDE : HISTOGRAM_NEGATIVE_SIDE,
									  grid_index(fabs(value), histogram->scale), weight);
	if (status != HISTOGRAM_OK)
		return status;

	note_extremes(histogram, value, weight);
	if (histogram->total == 0)
		histogram_settle(histogram);
	histogram_assert(histogram);
	return HISTOGRAM_OK;
}

/*
 * The hot path: a normal number whose bucket has a slot, and a count that grows
 * within its width.  Whatever else there is to do, add_slowly does it all; that
 * no call returns here spares saving registers.
 */
static inline HistogramStatus
add_quickly(Histogram *histogram, double value, int64_t weight)
{
	uint64_t	bits = grid_bits(value);
	uint64_t	magnitude = bits & ~GRID_SIGN_BIT;
	int			shift = GRID_SCALE_TABLE - histogram->scale;
	HistogramRange *range;
	uint32_t	slot;
	int64_t		count;
	int64_t		total;

	if (unlikely_core(magnitude - (GRID_NORMAL_BITS + 1) >=
					  GRID_INFINITY_BITS - (GRID_NORMAL_BITS + 1) || shift < 0))
		return add_slowly(histogram, value, weight);

	range = (bits == magnitude) ? &histogram->positive : &histogram->negative;
	slot = (uint32_t) (grid_index_normal(magnitude - 1) >> shift) - (uint32_t) range->first;
	if (unlikely_core(slot >= range->capacity))
		return add_slowly(histogram, value, weight);

	if (unlikely_core(__builtin_add_overflow(histogram->total, weight, &total) || total == 0 ||
					  __builtin_add_overflow(range_load(range, slot), weight, &count) ||
					  !count_fits(count, range->width) || count < 0 || weight == 0))
		return add_slowly(histogram, value, weight);

	range_store(range, slot, count);
	histogram->total = total;
	note_extremes(histogram, value, weight);
	histogram_assert(histogram);
	return HISTOGRAM_OK;
}

HistogramStatus
histogram_add(Histogram *histogram, double value, int64_t weight)
{
	return add_quickly(histogram, value, weight);
}

/*
 * A batch of values is added step by step, all at once, so that none waits for the
 * one before it.
 *
 * Does it lie between extremes that are positive normal numbers?  Then each of its
 * values has a slot: that of an extreme, or one between these.
 */
static inline bool
lies_between_extremes(const Histogram *histogram, const double *batch)
{
	bool		between = histogram->extremes_known && histogram->max < INFINITY &&
		histogram->min > 0.0 && grid_bits(histogram->min) > GRID_NORMAL_BITS;
	int32_t		i;

	for (i = 0; i < HISTOGRAM_BATCH_VALUES; i++)
		between &= (batch[i] >= histogram->min) & (batch[i] <= histogram->max);
	return between;
}

static inline void
find_slots(const Histogram *histogram, const double *batch, uint32_t *slots)
{
	int			shift = GRID_SCALE_TABLE - histogram->scale;
	uint32_t	first = (uint32_t) histogram->positive.first;
	int32_t		i;

	for (i = 0; i < HISTOGRAM_BATCH_VALUES; i++)
		slots[i] = (uint32_t) (grid_index_normal(grid_bits(batch[i]) - 1) >> shift) - first;
}

#define INCREMENT_SLOTS(type, largest) \
	for (i = 0; i < HISTOGRAM_BATCH_VALUES && ((type *) range->counts)[slots[i]] < (largest); i++) \
		((type *) range->counts)[slots[i]]++

/* Count as many of a batch as there is width for; returns how many. */
static inline int32_t
increment_slots(HistogramRange *range, const uint32_t *slots)
{
	int32_t		i;

	switch (range->width)
	{
		case 1:
			INCREMENT_SLOTS(int8_t, INT8_MAX);
			break;
		case 2:
			INCREMENT_SLOTS(int16_t, INT16_MAX);
			break;
		case 4:
			INCREMENT_SLOTS(int32_t, INT32_MAX);
			break;
		default:
			INCREMENT_SLOTS(int64_t, INT64_MAX);
			break;
	}
	return i;
}

/* Returns how many of a batch were added: all of them, where it is like what was there. */
static inline int32_t
add_batch(Histogram *histogram, const double *batch)
{
	uint32_t	slots[HISTOGRAM_BATCH_VALUES];
	int32_t		added;

	if (unlikely_core(histogram->scale > GRID_SCALE_TABLE || histogram->total > INT64_MAX - HISTOGRAM_BATCH_VALUES ||
					  !lies_between_extremes(histogram, batch)))
		return 0;
	find_slots(histogram, batch, slots);
	added = increment_slots(&histogram->positive, slots);
	histogram->total += added;
	histogram_assert(histogram);
	return added;
}

/*
 * Add several values, once each.  Stops at the first that fails.
 */
HistogramStatus
histogram_add_many(Histogram *histogram, const double *values, int32_t count)
{
	int32_t		i = (count == HISTOGRAM_BATCH_VALUES) ? add_batch(histogram, values) : 0;

	for (; i < count; i++)
	{
		HistogramStatus status = add_quickly(histogram, values[i], 1);

		if (unlikely_core(status != HISTOGRAM_OK))
			return status;
	}
	return HISTOGRAM_OK;
}

/*
 * Add to a bucket by its index at the scale of the histogram.  Says nothing
 * about extremes: the caller forgets or sets them.
 */
HistogramStatus
histogram_add_bucket(Histogram *histogram, HistogramSide side, int64_t index, int64_t count)
{
	HistogramRange *range = histogram_range(histogram, side);
	int			scale = histogram->scale;
	HistogramStatus status;
	int64_t		total;

	if (index < grid_index_min(scale) || index > grid_index_max(scale))
		return HISTOGRAM_BAD_BUCKET;
	if (__builtin_add_overflow(histogram->total, count, &total))
		return HISTOGRAM_OVERFLOW;
	status = histogram_cover(histogram, side, index, index, scale);
	if (status != HISTOGRAM_OK)
		return status;
	index >>= scale - histogram->scale;
	status = range_increment(histogram, range, (uint32_t) (index - range->first), count);
	if (status == HISTOGRAM_OK)
		histogram->total = total;
	return status;
}

/*
 * Choose the scale of a histogram that is still empty.
 */
HistogramStatus
histogram_set_scale(Histogram *histogram, int scale)
{
	if (scale < HISTOGRAM_SCALE_MIN || scale > HISTOGRAM_SCALE_MAX ||
		!histogram_is_empty(histogram))
		return HISTOGRAM_BAD_SCALE;
	histogram->scale = (int8_t) scale;
	return HISTOGRAM_OK;
}

/*
 * All buckets have been added.  Extremes are unknown until they are set.
 */
void
histogram_finish_building(Histogram *histogram)
{
	histogram_merged(histogram, false, 0.0, 0.0);
}

/*
 * State the extremes of a histogram that was built from buckets.  They must lie
 * in its lowest and highest bucket.
 */
HistogramStatus
histogram_set_extremes(Histogram *histogram, double min, double max)
{
	HistogramOutline outline;

	histogram_outline(histogram, &outline);
	if (histogram_has_negative(histogram) || !outline_holds_extremes(&outline, min, max))
		return HISTOGRAM_BAD_EXTREMES;
	histogram->extremes_known = true;
	histogram->min = min + 0.0;
	histogram->max = max + 0.0;
	histogram_assert(histogram);
	return HISTOGRAM_OK;
}

/* ----------------------------------------------------------------
 * Merging
 * ----------------------------------------------------------------
 */

/*
 * Prepare for content of a scale: the coarser of both holds from then on.  An
 * empty histogram has nothing to lose and takes the other's.
 */
HistogramStatus
histogram_meet_scale(Histogram *histogram, int scale)
{
	if (histogram->total == 0 && histogram_is_empty(histogram))
	{
		histogram->scale = (int8_t) scale;
		return HISTOGRAM_OK;
	}
	return histogram_downscale(histogram, scale);
}

/*
 * Merge the buckets of one side, which have slots already.
 */
static HistogramStatus
merge_side(Histogram *into, const Histogram *from, HistogramSide side, int sign)
{
	const HistogramRange *source = (side == HISTOGRAM_POSITIVE_SIDE) ? &from->positive : &from->negative;
	HistogramRange *target = histogram_range(into, side);
	int			shift = from->scale - into->scale;
	uint32_t	slot;
	uint32_t	high;

	if (!range_used(source, &slot, &high))
		return HISTOGRAM_OK;

	for (; slot <= high; slot = range_next_used(source, slot + 1))
	{
		int32_t		index = (source->first + (int32_t) slot) >> shift;
		HistogramStatus status = bucket_merge(into, target, (uint32_t) (index - target->first),
											  range_load(source, slot), sign);

		if (status != HISTOGRAM_OK)
			return status;
	}
	return HISTOGRAM_OK;
}

static HistogramStatus
cover_side(Histogram *into, const Histogram *from, HistogramSide side)
{
	int32_t		first;
	int32_t		last;

	if (!histogram_used(from, side, &first, &last))
		return HISTOGRAM_OK;
	return histogram_cover(into, side, first, last, from->scale);
}

/* All counts of another histogram; extremes are the caller's. */
static HistogramStatus
merge_counts(Histogram *into, const Histogram *from, int sign)
{
	HistogramStatus status = histogram_meet_scale(into, from->scale);

	if (status == HISTOGRAM_OK)
		status = cover_side(into, from, HISTOGRAM_NEGATIVE_SIDE);
	if (status == HISTOGRAM_OK)
		status = cover_side(into, from, HISTOGRAM_POSITIVE_SIDE);
	if (status == HISTOGRAM_OK)
		status = counter_merge(into, &into->negative_infinity_count,
							   from->negative_infinity_count, sign);
	if (status == HISTOGRAM_OK)
		status = counter_merge(into, &into->zero_count, from->zero_count, sign);
	if (status == HISTOGRAM_OK)
		status = counter_merge(into, &into->positive_infinity_count,
							   from->positive_infinity_count, sign);
	if (status == HISTOGRAM_OK)
		status = merge_side(into, from, HISTOGRAM_NEGATIVE_SIDE, sign);
	if (status == HISTOGRAM_OK)
		status = merge_side(into, from, HISTOGRAM_POSITIVE_SIDE, sign);
	return status;
}

/*
 * Merge another histogram, or subtract it if sign is negative.  Not itself.
 */
HistogramStatus
histogram_merge(Histogram *into, const Histogram *from, int sign)
{
	HistogramStatus status;

	if (histogram_is_empty(from))
		return HISTOGRAM_OK;
	status = merge_counts(into, from, sign);
	histogram_merged(into, status == HISTOGRAM_OK && sign > 0 && from->extremes_known,
					 from->min, from->max);
	return status;
}

/*
 * The last step of each merge: extremes, and the empty histogram.
 */
void
histogram_merged(Histogram *into, bool extremes_known, double min, double max)
{
	if (!extremes_known)
		histogram_forget_extremes(into);
	else
	{
		/* no effect if ours are unknown, thanks to the infinities there */
		if (min < into->min)
			into->min = min;
		if (max > into->max)
			into->max = max;
	}
	if (into->total == 0)
		histogram_settle(into);
	histogram_assert(into);
}

/* ----------------------------------------------------------------
 * Questions
 * ----------------------------------------------------------------
 */

bool
histogram_used(const Histogram *histogram, HistogramSide side, int32_t *first, int32_t *last)
{
	const HistogramRange *range = (side == HISTOGRAM_POSITIVE_SIDE) ? &histogram->positive
		: &histogram->negative;
	uint32_t	low;
	uint32_t	high;

	if (!range_used(range, &low, &high))
		return false;
	*first = range->first + (int32_t) low;
	*last = range->first + (int32_t) high;
	return true;
}

int64_t
histogram_count_at(const Histogram *histogram, HistogramSide side, int32_t index)
{
	const HistogramRange *range = (side == HISTOGRAM_POSITIVE_SIDE) ? &histogram->positive
		: &histogram->negative;
	uint32_t	slot = (uint32_t) index - (uint32_t) range->first;

	return (slot < range->capacity) ? range_load(range, slot) : 0;
}

static bool
range_has_negative(const HistogramRange *range)
{
	uint32_t	slot;

	for (slot = range_next_used(range, 0); slot < range->capacity;
		 slot = range_next_used(range, slot + 1))
	{
		if (range_load(range, slot) < 0)
			return true;
	}
	return false;
}

/*
 * Is some count negative?  Such a histogram is a difference, not a set of values.
 */
bool
histogram_has_negative(const Histogram *histogram)
{
	return histogram->may_be_negative &&
		(histogram->zero_count < 0 || histogram->positive_infinity_count < 0 ||
		 histogram->negative_infinity_count < 0 ||
		 range_has_negative(&histogram->positive) || range_has_negative(&histogram->negative));
}

/* Can order statistics be told? */
static HistogramStatus
check_ordered(const Histogram *histogram)
{
	if (histogram_has_negative(histogram))
		return HISTOGRAM_NEGATIVE;
	return (histogram->total == 0) ? HISTOGRAM_EMPTY : HISTOGRAM_OK;
}

double
histogram_error(const Histogram *histogram)
{
	return grid_error(histogram->scale);
}

static double
clamp(const Histogram *histogram, double value)
{
	if (value < histogram->min)
		return histogram->min;
	return (value > histogram->max) ? histogram->max : value;
}

/* Value at a rank, counted from 1. */
static double
value_at_rank(const Histogram *histogram, int64_t rank)
{
	int32_t		index;

	if (rank <= histogram->negative_infinity_count)
		return -INFINITY;
	rank -= histogram->negative_infinity_count;
	if (range_find(&histogram->negative, true, &rank, &index))
		return clamp(histogram, -grid_midpoint(index, histogram->scale));
	if (rank <= histogram->zero_count)
		return 0.0;
	rank -= histogram->zero_count;
	if (range_find(&histogram->positive, false, &rank, &index))
		return clamp(histogram, grid_midpoint(index, histogram->scale));
	return INFINITY;
}

/*
 * Quantile: the order statistic that percentile_disc chooses, told by the
 * harmonic mid-point of its bucket and never interpolated.
 */
HistogramStatus
histogram_quantile(const Histogram *histogram, double fraction, double *result)
{
	HistogramStatus status;

	if (!(fraction >= 0.0 && fraction <= 1.0))
		return HISTOGRAM_BAD_FRACTION;
	status = check_ordered(histogram);
	if (status != HISTOGRAM_OK)
		return status;

	*result = value_at_rank(histogram, quantile_rank(fraction, histogram->total));
	return HISTOGRAM_OK;
}

/* How many values are at or below this one; its bucket counts as a whole. */
static int64_t
count_through(const Histogram *histogram, double value)
{
	int64_t		count = histogram->negative_infinity_count;

	if (isinf(value))
		return (value > 0.0) ? histogram->total : count;
	if (value < 0.0)
		return count + range_count_from(&histogram->negative,
										grid_index(-value, histogram->scale));
	count += range_sum(&histogram->negative, 0, histogram->negative.capacity);
	count += histogram->zero_count;
	if (value > 0.0)
		count += range_count_through(&histogram->positive, grid_index(value, histogram->scale));
	return count;
}

/*
 * Rank of a value: which fraction of the values lies at or below it.
 */
HistogramStatus
histogram_rank(const Histogram *histogram, double value, double *result)
{
	HistogramStatus status = check_ordered(histogram);

	if (isnan(value))
		return HISTOGRAM_NAN;
	if (status != HISTOGRAM_OK)
		return status;

	if (histogram->extremes_known && value < histogram->min)
		*result = 0.0;
	else if (histogram->extremes_known && value >= histogram->max)
		*result = 1.0;
	else
		*result = (double) count_through(histogram, value) / (double) histogram->total;
	return HISTOGRAM_OK;
}

HistogramStatus
histogram_minimum(const Histogram *histogram, double *result)
{
	HistogramStatus status = check_ordered(histogram);

	if (status == HISTOGRAM_OK)
		*result = histogram->extremes_known ? histogram->min : value_at_rank(histogram, 1);
	return status;
}

HistogramStatus
histogram_maximum(const Histogram *histogram, double *result)
{
	HistogramStatus status = check_ordered(histogram);

	if (status == HISTOGRAM_OK)
		*result = histogram->extremes_known ? histogram->max
			: value_at_rank(histogram, histogram->total);
	return status;
}

/*
 * Mean of the mid-points, weighted by share so that no partial sum overflows.
 */
HistogramStatus
histogram_mean(const Histogram *histogram, double *result)
{
	HistogramStatus status = check_ordered(histogram);
	HistogramIterator iterator = {0};
	HistogramBucket bucket;
	double		mean = 0.0;

	if (status != HISTOGRAM_OK)
		return status;
	while (histogram_next(histogram, &iterator, &bucket))
		mean += bucket.midpoint * ((double) bucket.count / (double) histogram->total);
	*result = clamp(histogram, mean);
	return HISTOGRAM_OK;
}

/*
 * Neighbouring buckets of one side, first .. last by magnitude, as one.
 */
void
histogram_stretch(const Histogram *histogram, HistogramSide side, int32_t first, int32_t last,
				  HistogramBucket *stretch)
{
	int			sign = (side == HISTOGRAM_POSITIVE_SIDE) ? 1 : -1;
	/* adding zero turns -0 into 0 */
	double		inner = sign * grid_boundary_double(first, histogram->scale) + 0.0;
	double		outer = sign * grid_boundary_double((int64_t) last + 1, histogram->scale);
	int32_t		index;

	stretch->lower = (sign > 0) ? inner : outer;
	stretch->upper = (sign > 0) ? outer : inner;
	stretch->midpoint = sign * grid_midpoint(first + (last - first) / 2, histogram->scale);
	stretch->count = 0;
	for (index = first; index <= last; index++)
		stretch->count += histogram_count_at(histogram, side, index);
}

/* A value with a counter of its own, as a bucket. */
static bool
next_special(HistogramBucket *bucket, double value, int64_t count)
{
	bucket->lower = bucket->upper = bucket->midpoint = value;
	bucket->count = count;
	return count != 0;
}

/* The next bucket of one side, in the order of values. */
static bool
next_of_side(const Histogram *histogram, HistogramSide side, HistogramIterator *iterator,
			 HistogramBucket *bucket)
{
	int			sign = (side == HISTOGRAM_POSITIVE_SIDE) ? 1 : -1;
	int32_t		index;

	if (!iterator->entered)
	{
		int32_t    *low = (sign > 0) ? &iterator->index : &iterator->last;
		int32_t    *high = (sign > 0) ? &iterator->last : &iterator->index;

		if (!histogram_used(histogram, side, low, high))
			return false;
		iterator->entered = true;
	}

	for (; (iterator->last - iterator->index) * sign >= 0; iterator->index += sign)
	{
		index = iterator->index;
		bucket->count = histogram_count_at(histogram, side, index);
		if (bucket->count == 0)
			continue;
		histogram_stretch(histogram, side, index, index, bucket);
		iterator->index += sign;
		return true;
	}
	return false;
}

/*
 * Walk all buckets that are not empty, in the order of values.
 */
bool
histogram_next(const Histogram *histogram, HistogramIterator *iterator, HistogramBucket *bucket)
{
	while (iterator->stage < 5)
	{
		switch (iterator->stage)
		{
			case 0:
				iterator->stage++;
				if (next_special(bucket, -INFINITY, histogram->negative_infinity_count))
					return true;
				break;
			case 1:
				if (next_of_side(histogram, HISTOGRAM_NEGATIVE_SIDE, iterator, bucket))
					return true;
				iterator->stage++;
				break;
			case 2:
				iterator->entered = false;
				iterator->stage++;
				if (next_special(bucket, 0.0, histogram->zero_count))
					return true;
				break;
			case 3:
				if (next_of_side(histogram, HISTOGRAM_POSITIVE_SIDE, iterator, bucket))
					return true;
				iterator->stage++;
				break;
			default:
				iterator->stage++;
				if (next_special(bucket, INFINITY, histogram->positive_infinity_count))
					return true;
				break;
		}
	}
	return false;
}

/* ----------------------------------------------------------------
 * Outline and invariants
 * ----------------------------------------------------------------
 */

/*
 * Which counts are not zero, as far as extremes care.
 */
void
histogram_outline(const Histogram *histogram, HistogramOutline *outline)
{
	memset(outline, 0, sizeof(*outline));
	outline->scale = histogram->scale;
	outline->has_negative_infinity = (histogram->negative_infinity_count != 0);
	outline->has_zero = (histogram->zero_count != 0);
	outline->has_positive_infinity = (histogram->positive_infinity_count != 0);
	outline->has_negative = histogram_used(histogram, HISTOGRAM_NEGATIVE_SIDE,
										   &outline->negative_first, &outline->negative_last);
	outline->has_positive = histogram_used(histogram, HISTOGRAM_POSITIVE_SIDE,
										   &outline->positive_first, &outline->positive_last);
}

static bool
value_in_bucket(double value, int sign, int32_t index, int scale)
{
	return !isinf(value) && value * sign > 0.0 && grid_index(fabs(value), scale) == index;
}

static bool
outline_holds_min(const HistogramOutline *outline, double min)
{
	if (outline->has_negative_infinity)
		return min == -INFINITY;
	if (outline->has_negative)
		return value_in_bucket(min, -1, outline->negative_last, outline->scale);
	if (outline->has_zero)
		return min == 0.0;
	if (outline->has_positive)
		return value_in_bucket(min, 1, outline->positive_first, outline->scale);
	return outline->has_positive_infinity && min == INFINITY;
}

static bool
outline_holds_max(const HistogramOutline *outline, double max)
{
	if (outline->has_positive_infinity)
		return max == INFINITY;
	if (outline->has_positive)
		return value_in_bucket(max, 1, outline->positive_last, outline->scale);
	if (outline->has_zero)
		return max == 0.0;
	if (outline->has_negative)
		return value_in_bucket(max, -1, outline->negative_first, outline->scale);
	return outline->has_negative_infinity && max == -INFINITY;
}

/*
 * Could these be minimum and maximum?  NaN compares false throughout.
 */
bool
outline_holds_extremes(const HistogramOutline *outline, double min, double max)
{
	return min <= max && outline_holds_min(outline, min) && outline_holds_max(outline, max);
}

static bool
range_is_valid(const HistogramRange *range, int scale, int64_t *total)
{
	uint32_t	low;
	uint32_t	high;
	uint32_t	slot;

	if (range->capacity == 0)
		return range->counts == NULL;
	if (range->counts == NULL || range->capacity > HISTOGRAM_BUCKETS_MAX ||
		(range->width != 1 && range->width != 2 && range->width != 4 && range->width != 8) ||
		((size_t) range->capacity * range->width) % sizeof(uint64_t) != 0)
		return false;
	if (!range_used(range, &low, &high))
		return true;
	if (range->first + (int64_t) low < grid_index_min(scale) ||
		range->first + (int64_t) high > grid_index_max(scale))
		return false;
	for (slot = low; slot <= high; slot = range_next_used(range, slot + 1))
		*total = (int64_t) ((uint64_t) *total + (uint64_t) range_load(range, slot));
	return true;
}

/*
 * Does all hold that histogram.h says?
 */
bool
histogram_is_valid(const Histogram *histogram)
{
	HistogramOutline outline;
	int64_t		total = (int64_t) ((uint64_t) histogram->zero_count +
								   (uint64_t) histogram->positive_infinity_count +
								   (uint64_t) histogram->negative_infinity_count);

	if (histogram->scale < HISTOGRAM_SCALE_MIN || histogram->scale > HISTOGRAM_SCALE_MAX ||
		!range_is_valid(&histogram->positive, histogram->scale, &total) ||
		!range_is_valid(&histogram->negative, histogram->scale, &total) ||
		total != histogram->total)
		return false;
	if (!histogram->may_be_negative &&
		(range_has_negative(&histogram->positive) || range_has_negative(&histogram->negative)))
		return false;
	if (!histogram->extremes_known)
		return histogram->min == -INFINITY && histogram->max == INFINITY;
	if (histogram_is_empty(histogram))
		return histogram->min == INFINITY && histogram->max == -INFINITY;
	histogram_outline(histogram, &outline);
	return !histogram_has_negative(histogram) &&
		outline_holds_extremes(&outline, histogram->min, histogram->max);
}
