/*-------------------------------------------------------------------------
 *
 * frame.c
 *		Counts of a window frame.
 *
 * See frame.h for what it is.  Positions on the axis, in the order of values:
 *
 *		0								-Infinity
 *		1 .. FRAME_ZERO - 1				negative buckets, largest magnitude first
 *		FRAME_ZERO						zero
 *		FRAME_ZERO + 1 .. 2 * FRAME_ZERO - 1	positive buckets
 *		2 * FRAME_ZERO					+Infinity
 *
 *-------------------------------------------------------------------------
 */
#include "frame.h"

#include "buckets.h"
#include "grid.h"

/* First and last bucket at the scale of the frame: grid_index_min and _max. */
#define FRAME_INDEX_MIN			(GRID_EXPONENT_MIN * 64 - 1)
#define FRAME_INDEX_MAX			((GRID_EXPONENT_MAX + 1) * 64 - 1)

#define FRAME_ZERO				(FRAME_INDEX_MAX - FRAME_INDEX_MIN + 2)
#define FRAME_INFINITY			(2 * FRAME_ZERO)
#define FRAME_CHAPTER_POSITIONS	(FRAME_PAGE_POSITIONS * FRAME_CHAPTER_PAGES)

_Static_assert(FRAME_INFINITY < FRAME_CHAPTERS * FRAME_CHAPTER_POSITIONS,
			   "the axis exceeds the chapters of a frame");

/* ----------------------------------------------------------------
 * The axis
 * ----------------------------------------------------------------
 */

static inline int32_t
bucket_position(HistogramSide side, int32_t index)
{
	int32_t		distance = index - FRAME_INDEX_MIN + 1;

	return (side == HISTOGRAM_POSITIVE_SIDE) ? FRAME_ZERO + distance : FRAME_ZERO - distance;
}

/* Bucket of a position that is neither zero nor an infinity. */
static inline int32_t
position_bucket(int32_t position)
{
	int32_t		distance = position - FRAME_ZERO;

	return (distance > 0 ? distance : -distance) + FRAME_INDEX_MIN - 1;
}

/* Position of a value that is not NaN. */
static inline int32_t
value_position(double value)
{
	if (value == 0.0)
		return FRAME_ZERO;
	if (isinf(value))
		return (value > 0.0) ? FRAME_INFINITY : 0;
	return bucket_position(value > 0.0 ? HISTOGRAM_POSITIVE_SIDE : HISTOGRAM_NEGATIVE_SIDE,
						   grid_index(fabs(value), HISTOGRAM_SCALE_START));
}

/* What stands for the values at a position, at a scale. */
static double
position_value(int32_t position, int scale)
{
	double		magnitude;

	if (position == FRAME_ZERO)
		return 0.0;
	if (position == 0)
		return -INFINITY;
	if (position == FRAME_INFINITY)
		return INFINITY;
	magnitude = grid_midpoint(position_bucket(position) >> (HISTOGRAM_SCALE_START - scale), scale);
	return (position > FRAME_ZERO) ? magnitude : -magnitude;
}

/* ----------------------------------------------------------------
 * Life
 * ----------------------------------------------------------------
 */

void
frame_init(Frame *frame, HistogramResize resize, void *context)
{
	memset(frame, 0, sizeof(*frame));
	frame->resize = resize;
	frame->context = context;
}

void
frame_free(Frame *frame)
{
	int			i;
	int			j;

	for (i = 0; i < FRAME_CHAPTERS; i++)
	{
		if (frame->chapters[i] == NULL)
			continue;
		for (j = 0; j < FRAME_CHAPTER_PAGES; j++)
		{
			if (frame->chapters[i]->pages[j] != NULL)
				frame->resize(frame->context, frame->chapters[i]->pages[j], 0);
		}
		frame->resize(frame->context, frame->chapters[i], 0);
	}
	frame_init(frame, frame->resize, frame->context);
}

/* ----------------------------------------------------------------
 * Change
 * ----------------------------------------------------------------
 */

static void *
allocate_zeroed(Frame *frame, size_t size)
{
	void	   *result = frame->resize(frame->context, NULL, size);

	if (result != NULL)
		memset(result, 0, size);
	return result;
}

/* The chapter and page of a position, made if need be; false without memory. */
static bool
open_page(Frame *frame, int32_t position, FrameChapter **chapter, FramePage **page)
{
	FrameChapter **chapter_slot = &frame->chapters[position / FRAME_CHAPTER_POSITIONS];
	FramePage **page_slot;

	if (unlikely_core(*chapter_slot == NULL))
		*chapter_slot = allocate_zeroed(frame, sizeof(FrameChapter));
	*chapter = *chapter_slot;
	if (*chapter == NULL)
		return false;

	page_slot = &(*chapter)->pages[position / FRAME_PAGE_POSITIONS % FRAME_CHAPTER_PAGES];
	if (unlikely_core(*page_slot == NULL))
		*page_slot = allocate_zeroed(frame, sizeof(FramePage));
	*page = *page_slot;
	return *page != NULL;
}

static HistogramStatus
change_position(Frame *frame, int32_t position, int64_t weight)
{
	int			chapter_number = position / FRAME_CHAPTER_POSITIONS;
	int			page_number = position / FRAME_PAGE_POSITIONS % FRAME_CHAPTER_PAGES;
	FrameChapter *chapter;
	FramePage  *page;
	int64_t    *slot;
	int64_t		before;
	int64_t		after;
	int64_t		total;

	if (!open_page(frame, position, &chapter, &page))
		return HISTOGRAM_OUT_OF_MEMORY;
	slot = &page->counts[position % FRAME_PAGE_POSITIONS];
	before = *slot;
	if (__builtin_add_overflow(before, weight, &after) ||
		__builtin_add_overflow(frame->total, weight, &total))
		return HISTOGRAM_OVERFLOW;

	*slot = after;
	frame->total = total;
	frame->sums[chapter_number] += (uint64_t) weight;
	chapter->sums[page_number] += (uint64_t) weight;
	frame->negative_positions += (after < 0) - (before < 0);
	if (before == 0 && after != 0 && chapter->used[page_number]++ == 0)
		frame->used[chapter_number]++;
	if (before != 0 && after == 0 && --chapter->used[page_number] == 0)
		frame->used[chapter_number]--;
	return HISTOGRAM_OK;
}

HistogramStatus
frame_add(Frame *frame, double value, int64_t weight)
{
	if (isnan(value))
		return HISTOGRAM_NAN;
	return change_position(frame, value_position(value), weight);
}

/*
 * A count that a histogram brings or takes.
 */
static HistogramStatus
merge_count(Frame *frame, int32_t position, int64_t count, int sign)
{
	if (count == 0)
		return HISTOGRAM_OK;
	if (sign < 0 && __builtin_sub_overflow(0, count, &count))
		return HISTOGRAM_OVERFLOW;
	return change_position(frame, position, count);
}

/*
 * The buckets of one side.  A coarse bucket is counted in the last of the fine
 * ones in it, any of which would do: answers are at its scale, or a coarser one.
 */
static HistogramStatus
merge_side(Frame *frame, const Histogram *histogram, HistogramSide side, int sign)
{
	int			shift = HISTOGRAM_SCALE_START - histogram->scale;
	int32_t		index;
	int32_t		last;

	if (!histogram_used(histogram, side, &index, &last))
		return HISTOGRAM_OK;

	for (; index <= last; index++)
	{
		int32_t		fine = (shift >= 0) ? (index + 1) * ((int32_t) 1 << shift) - 1 : index >> -shift;
		HistogramStatus status = merge_count(frame, bucket_position(side, fine),
											 histogram_count_at(histogram, side, index), sign);

		if (status != HISTOGRAM_OK)
			return status;
	}
	return HISTOGRAM_OK;
}

/*
 * Add all values of a histogram, or remove them if sign is negative.  What is
 * finer than the frame is counted at the scale of the frame.
 */
HistogramStatus
frame_merge(Frame *frame, const Histogram *histogram, int sign)
{
	HistogramStatus status = HISTOGRAM_OK;

	if (histogram_is_empty(histogram))
		return status;
	frame->scale_inputs[histogram->scale - HISTOGRAM_SCALE_MIN] += sign;
	status = merge_count(frame, 0, histogram->negative_infinity_count, sign);
	if (status == HISTOGRAM_OK)
		status = merge_count(frame, FRAME_ZERO, histogram->zero_count, sign);
	if (status == HISTOGRAM_OK)
		status = merge_count(frame, FRAME_INFINITY, histogram->positive_infinity_count, sign);
	if (status == HISTOGRAM_OK)
		status = merge_side(frame, histogram, HISTOGRAM_NEGATIVE_SIDE, sign);
	if (status == HISTOGRAM_OK)
		status = merge_side(frame, histogram, HISTOGRAM_POSITIVE_SIDE, sign);
	return status;
}

/* ----------------------------------------------------------------
 * Questions
 * ----------------------------------------------------------------
 */

/*
 * The next position in use from one on, in steps of 1 or -1, to a limit
 * inclusive; or -1.
 */
static int32_t
next_used(const Frame *frame, int32_t position, int32_t limit, int step)
{
	while ((limit - position) * step >= 0)
	{
		const FrameChapter *chapter = frame->chapters[position / FRAME_CHAPTER_POSITIONS];
		int			page_number = position / FRAME_PAGE_POSITIONS % FRAME_CHAPTER_PAGES;
		int32_t		skipped;

		if (frame->used[position / FRAME_CHAPTER_POSITIONS] == 0)
			skipped = FRAME_CHAPTER_POSITIONS;
		else if (chapter->used[page_number] == 0)
			skipped = FRAME_PAGE_POSITIONS;
		else if (chapter->pages[page_number]->counts[position % FRAME_PAGE_POSITIONS] == 0)
			skipped = 1;
		else
			return position;

		/* to the start of the next one, or the end of the one before */
		if (step > 0)
			position = (position / skipped + 1) * skipped;
		else
			position = position / skipped * skipped - 1;
	}
	return -1;
}

/*
 * The finest scale, from one on, at which the buckets between two positions of
 * one sign are no more than a histogram may span.
 */
static int
side_scale(const Frame *frame, int32_t from, int32_t to, int scale)
{
	int32_t		low = next_used(frame, from, to, 1);
	int32_t		high;
	int32_t		swap;

	if (low < 0)
		return scale;
	high = position_bucket(next_used(frame, to, from, -1));
	low = position_bucket(low);
	if (low > high)
	{
		swap = low;
		low = high;
		high = swap;
	}
	while ((high >> (HISTOGRAM_SCALE_START - scale)) - (low >> (HISTOGRAM_SCALE_START - scale)) >=
		   HISTOGRAM_BUCKETS_MAX)
		scale--;
	return scale;
}

/*
 * The scale that a histogram of the same values has, if that is no finer than ours.
 */
int
frame_scale(const Frame *frame)
{
	int			scale = HISTOGRAM_SCALE_MIN;

	while (scale < HISTOGRAM_SCALE_START && frame->scale_inputs[scale - HISTOGRAM_SCALE_MIN] == 0)
		scale++;
	scale = side_scale(frame, 1, FRAME_ZERO - 1, scale);
	return side_scale(frame, FRAME_ZERO + 1, FRAME_INFINITY - 1, scale);
}

/* Position of a rank, counted from 1, that is no higher than the total. */
static int32_t
find_rank(const Frame *frame, uint64_t rank)
{
	const FrameChapter *chapter;
	const FramePage *page;
	int			i;
	int			j;
	int			k;

	for (i = 0; rank > frame->sums[i]; i++)
		rank -= frame->sums[i];
	chapter = frame->chapters[i];
	for (j = 0; rank > chapter->sums[j]; j++)
		rank -= chapter->sums[j];
	page = chapter->pages[j];
	for (k = 0; rank > (uint64_t) page->counts[k]; k++)
		rank -= (uint64_t) page->counts[k];
	return (i * FRAME_CHAPTER_PAGES + j) * FRAME_PAGE_POSITIONS + k;
}

/*
 * As histogram_quantile, without extremes.
 */
HistogramStatus
frame_quantile(const Frame *frame, double fraction, double *result)
{
	if (!(fraction >= 0.0 && fraction <= 1.0))
		return HISTOGRAM_BAD_FRACTION;
	if (frame->negative_positions > 0)
		return HISTOGRAM_NEGATIVE;
	if (frame->total == 0)
		return HISTOGRAM_EMPTY;
	*result = position_value(find_rank(frame, (uint64_t) quantile_rank(fraction, frame->total)),
							 frame_scale(frame));
	return HISTOGRAM_OK;
}

/*
 * Fill an empty histogram that tracks no extremes.
 */
HistogramStatus
frame_export(const Frame *frame, Histogram *into)
{
	int			scale = frame_scale(frame);
	int32_t		position = next_used(frame, 0, FRAME_INFINITY, 1);
	HistogramStatus status = HISTOGRAM_OK;

	if (position >= 0)
		status = histogram_set_scale(into, scale);
	while (position >= 0 && status == HISTOGRAM_OK)
	{
		int64_t		count = frame->chapters[position / FRAME_CHAPTER_POSITIONS]->
			pages[position / FRAME_PAGE_POSITIONS % FRAME_CHAPTER_PAGES]->
			counts[position % FRAME_PAGE_POSITIONS];

		if (position == 0 || position == FRAME_ZERO || position == FRAME_INFINITY)
			status = histogram_add(into, position_value(position, scale), count);
		else
			status = histogram_add_bucket(into, position > FRAME_ZERO ? HISTOGRAM_POSITIVE_SIDE
										  : HISTOGRAM_NEGATIVE_SIDE,
										  position_bucket(position) >> (HISTOGRAM_SCALE_START - scale),
										  count);
		position = next_used(frame, position + 1, FRAME_INFINITY, 1);
	}
	histogram_finish_building(into);
	return status;
}
