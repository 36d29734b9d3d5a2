/*-------------------------------------------------------------------------
 *
 * frame.h
 *		Counts of a window frame: values come at one end and go at the other.
 *
 * What a histogram (histogram.h) is for a set that only grows.  A frame differs:
 *
 * - It counts at scale 6 over the whole axis of doubles, however far apart the
 *	 values are, and tells on demand the scale that a histogram of the same
 *	 values has.  So an outlier that has left leaves no trace: an answer
 *	 depends on what is in the frame, not on what was.
 * - To add, to remove and to find a rank take a bounded number of steps, whatever
 *	 the data: nothing is moved, resized or looked for along the used range.
 * - Minimum and maximum are unknown, because a removal cannot be undone in them.
 *
 * All buckets of both signs, zero and the infinities stand on one axis in the
 * order of values.  64 positions make a page, 64 pages a chapter.  Each level
 * knows the sum of its counts, to find a rank, and how many of its entries are
 * not zero, since signed counts may add up to zero.  Chapters and pages are made
 * when first touched and kept: 2.2 MB is the most a frame can come to, 10 kB the
 * usual.
 *
 * Plain C, like the histogram.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SKETCH_FRAME_H
#define USAGE_METER_SKETCH_FRAME_H

#include "histogram.h"

#define FRAME_PAGE_POSITIONS	64
#define FRAME_CHAPTER_PAGES		64
#define FRAME_CHAPTERS			66

/* Sums wrap around; they are looked at only if no count is negative. */
typedef struct FramePage
{
	int64_t		counts[FRAME_PAGE_POSITIONS];
} FramePage;

typedef struct FrameChapter
{
	uint64_t	sums[FRAME_CHAPTER_PAGES];
	uint8_t		used[FRAME_CHAPTER_PAGES];	/* positions not zero */
	FramePage  *pages[FRAME_CHAPTER_PAGES]; /* NULL until touched */
} FrameChapter;

/*
 * The frame.  total is the sum of all counts; negative_positions says how many
 * counts are below zero; scale_inputs[s + 10] how many histograms of scale s are
 * in it, single values apart.
 */
typedef struct Frame
{
	uint64_t	sums[FRAME_CHAPTERS];
	uint8_t		used[FRAME_CHAPTERS];	/* pages not empty */
	FrameChapter *chapters[FRAME_CHAPTERS]; /* NULL until touched */
	int64_t		total;
	int32_t		negative_positions;
	int64_t		scale_inputs[HISTOGRAM_SCALE_MAX - HISTOGRAM_SCALE_MIN + 1];
	HistogramResize resize;
	void	   *context;		/* first argument of resize */
} Frame;

/* Memory goes with its context, or by frame_free. */
extern void frame_init(Frame *frame, HistogramResize resize, void *context);
extern void frame_free(Frame *frame);

/*
 * Change.  A removal is an addition of the negated weight.  On failure of
 * frame_add the counts are as they were; frame_merge, with sign 1 or -1, may
 * have been done in part.
 */
extern HistogramStatus frame_add(Frame *frame, double value, int64_t weight);
extern HistogramStatus frame_merge(Frame *frame, const Histogram *histogram, int sign);

/* Questions. */
extern int	frame_scale(const Frame *frame);
extern HistogramStatus frame_quantile(const Frame *frame, double fraction, double *result);
extern HistogramStatus frame_export(const Frame *frame, Histogram *into);

#endif							/* USAGE_METER_SKETCH_FRAME_H */
