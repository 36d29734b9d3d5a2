/*-------------------------------------------------------------------------
 *
 * histogram.h
 *		A signed base-2 exponential histogram, and its canonical encoding.
 *
 * The histogram of the OpenTelemetry metrics data model (see grid.h for the
 * grid) with three differences: counts are signed, so that histograms can be
 * subtracted; the infinities are counted, apart from the buckets; and there is
 * no sum, because a sum of doubles depends on the order of addition.
 *
 * Every value has a place:
 *
 *	0 and -0			the zero count
 *	+Infinity, -Infinity	a count of their own each
 *	NaN					refused with HISTOGRAM_NAN
 *	anything else		a bucket of the positive or the negative range, subnormal
 *						values included
 *
 * A histogram starts at scale 6 (relative error 0.54 %).  When a range would
 * span more than HISTOGRAM_BUCKETS_MAX buckets, the scale goes down by one,
 * which merges pairs, until it fits.  So with weights that are not negative the
 * scale, and all else, is a function of the set of values: not of their order,
 * nor of how they were partitioned and merged.
 *
 * This is plain C: no postgres.h, no exit except by return.  Memory comes from
 * a callback.  If that returns NULL, the histogram stays valid; if it leaves by
 * longjmp, the histogram may still be reset or freed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SKETCH_HISTOGRAM_H
#define USAGE_METER_SKETCH_HISTOGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_SCALE_MIN		(-10)
#define HISTOGRAM_SCALE_MAX		20
#define HISTOGRAM_SCALE_START	6

/* Most buckets that a range may span, empty ones between included. */
#define HISTOGRAM_BUCKETS_MAX	4096

/*
 * Bytes of the first allocation of a range: at one byte a count 8 octaves,
 * which holds 100 lognormal values in four cases of five.
 */
#define HISTOGRAM_BYTES_INITIAL	512

typedef enum HistogramStatus
{
	HISTOGRAM_OK = 0,

	/* the caller's values */
	HISTOGRAM_NAN,				/* NaN has no place in an order */
	HISTOGRAM_OVERFLOW,			/* a count does not fit into 64 bits */
	HISTOGRAM_OUT_OF_MEMORY,
	HISTOGRAM_BAD_FRACTION,		/* not within 0 .. 1 */

	/* questions that have no answer */
	HISTOGRAM_EMPTY,
	HISTOGRAM_NEGATIVE,			/* some count is negative */

	/* malformed content */
	HISTOGRAM_SYNTAX,			/* of the text form, see HistogramTextError */
	HISTOGRAM_BAD_VERSION,
	HISTOGRAM_BAD_FLAGS,
	HISTOGRAM_BAD_SCALE,
	HISTOGRAM_BAD_EXTREMES,
	HISTOGRAM_BAD_BUCKET,		/* outside what a double can hold */
	HISTOGRAM_TOO_MANY_BUCKETS,
	HISTOGRAM_BAD_NUMBER,		/* malformed variable-length integer */
	HISTOGRAM_TRUNCATED,
	HISTOGRAM_TRAILING_BYTES,
	HISTOGRAM_NOT_CANONICAL		/* well-formed, but not what we write */
} HistogramStatus;

/*
 * Resize a chunk: pointer is NULL for a new one, size 0 frees.  Content is not
 * preserved and need not be initialised (no caller ever asks for both).
 */
typedef void *(*HistogramResize) (void *context, void *pointer, size_t size);

/*
 * The buckets of one sign.
 *
 * counts[] holds capacity signed integers of width bytes, each zero unless
 * values fell there; slot k is bucket first + k.  The used range is not kept
 * but found by skipping zero bytes at both ends, which spares the hot path its
 * upkeep; it never spans more than HISTOGRAM_BUCKETS_MAX.  The width grows from
 * one byte by need: what makes a hundred thousand small groups affordable.
 * capacity * width is a multiple of eight.
 */
typedef struct HistogramRange
{
	void	   *counts;			/* NULL if capacity is 0 */
	int32_t		first;			/* bucket of slot 0 */
	uint16_t	capacity;
	uint8_t		width;			/* 1, 2, 4 or 8 */
} HistogramRange;

/*
 * The histogram.  Everything may be read by others; only histogram.c and
 * codec.c write.
 *
 * Holds at all times: total is the sum of all counts; if extremes_known then
 * no count is negative, and min and max are the smallest and largest value (of
 * an empty histogram +Infinity and -Infinity); else they are -Infinity and
 * +Infinity, so that clamping to them does nothing.  A histogram whose counts
 * are all zero is empty: at the start scale, and knowing its extremes if it
 * tracks them.
 */
typedef struct Histogram
{
	/* what adding a positive value touches comes first, for the cache's sake */
	HistogramRange positive;
	int64_t		total;
	double		min;
	double		max;
	int8_t		scale;
	bool		tracks_extremes;	/* false: never known, see histogram_init */
	bool		extremes_known;
	bool		may_be_negative;	/* false: surely no count is negative */

	HistogramRange negative;	/* by magnitude */
	int64_t		zero_count;
	int64_t		positive_infinity_count;
	int64_t		negative_infinity_count;
	HistogramResize resize;
	void	   *context;		/* first argument of resize */
} Histogram;

typedef enum HistogramSide
{
	HISTOGRAM_NEGATIVE_SIDE,
	HISTOGRAM_POSITIVE_SIDE
} HistogramSide;

/* A stretch of values with the same count, see histogram_next. */
typedef struct HistogramBucket
{
	double		lower;			/* exclusive, if positive */
	double		upper;			/* exclusive, if negative */
	double		midpoint;		/* what stands for all values in it */
	int64_t		count;
} HistogramBucket;

/* Position of histogram_next; all zero to start. */
typedef struct HistogramIterator
{
	int			stage;
	bool		entered;
	int32_t		index;
	int32_t		last;
} HistogramIterator;

/* How one range will be written. */
typedef struct HistogramRunPlan
{
	int32_t		first;
	uint16_t	span;			/* 0: the range is empty */
	bool		sparse;
} HistogramRunPlan;

/* How a histogram will be written, see histogram_plan_encoding. */
typedef struct HistogramEncoding
{
	uint32_t	length;
	HistogramRunPlan negative;
	HistogramRunPlan positive;
} HistogramEncoding;

/* Why text is no histogram. */
typedef struct HistogramTextError
{
	const char *position;		/* in the text */
	const char *expected;		/* what should be there */
} HistogramTextError;

/* Bytes that are enough for any encoding of one value, and of any histogram. */
#define HISTOGRAM_ENCODED_SINGLE_MAX	48
#define HISTOGRAM_ENCODED_MAX	(64 + 2 * 10 * (HISTOGRAM_BUCKETS_MAX + 1))

/* So many values at once are added fastest. */
#define HISTOGRAM_BATCH_VALUES	8

/* Life.  Without tracks_extremes, minimum and maximum are never known. */
extern void histogram_init(Histogram *histogram, HistogramResize resize, void *context,
						   bool tracks_extremes);
extern void histogram_reset(Histogram *histogram);
extern void histogram_free(Histogram *histogram);

/*
 * Change.  On failure the histogram is valid; histogram_add leaves its values as
 * they were (if perhaps coarser), a merge may have been done in part.
 */
extern HistogramStatus histogram_add(Histogram *histogram, double value, int64_t weight);
extern HistogramStatus histogram_add_many(Histogram *histogram, const double *values,
										  int32_t count);
extern HistogramStatus histogram_merge(Histogram *into, const Histogram *from, int sign);
extern HistogramStatus histogram_downscale(Histogram *histogram, int scale);
extern void histogram_forget_extremes(Histogram *histogram);

/* Building from parts that nobody has checked: scale, buckets, finish, extremes. */
extern HistogramStatus histogram_set_scale(Histogram *histogram, int scale);
extern HistogramStatus histogram_add_bucket(Histogram *histogram, HistogramSide side,
											int64_t index, int64_t count);
extern void histogram_finish_building(Histogram *histogram);
extern HistogramStatus histogram_set_extremes(Histogram *histogram, double min, double max);

/* Questions. */
extern bool histogram_is_empty(const Histogram *histogram);
extern bool histogram_has_negative(const Histogram *histogram);
extern double histogram_error(const Histogram *histogram);
extern HistogramStatus histogram_quantile(const Histogram *histogram, double fraction,
										  double *result);
extern HistogramStatus histogram_rank(const Histogram *histogram, double value, double *result);
extern HistogramStatus histogram_minimum(const Histogram *histogram, double *result);
extern HistogramStatus histogram_maximum(const Histogram *histogram, double *result);
extern HistogramStatus histogram_mean(const Histogram *histogram, double *result);
extern bool histogram_next(const Histogram *histogram, HistogramIterator *iterator,
						   HistogramBucket *bucket);
extern bool histogram_used(const Histogram *histogram, HistogramSide side,
						   int32_t *first, int32_t *last);
extern void histogram_stretch(const Histogram *histogram, HistogramSide side,
							  int32_t first, int32_t last, HistogramBucket *stretch);
extern int64_t histogram_count_at(const Histogram *histogram, HistogramSide side, int32_t index);
extern bool histogram_is_valid(const Histogram *histogram);

/* Canonical bytes: see codec.c for the format. */
extern void histogram_plan_encoding(const Histogram *histogram, HistogramEncoding *encoding);
extern void histogram_encode(const Histogram *histogram, const HistogramEncoding *encoding,
							 uint8_t *bytes);
extern HistogramStatus histogram_encode_single(double value, int64_t weight, uint8_t *bytes,
											   size_t *length);
extern bool histogram_negate_single(const uint8_t *bytes, size_t length, uint8_t *negated,
									size_t *negated_length);
extern HistogramStatus histogram_merge_encoded(Histogram *into, const uint8_t *bytes,
											   size_t length, int sign);
extern HistogramStatus histogram_decode(Histogram *into, const uint8_t *bytes, size_t length);

/* Text: see sketch.h for the form.  The error is set for HISTOGRAM_SYNTAX. */
extern HistogramStatus histogram_read_text(Histogram *into, const char *text,
										   HistogramTextError *error);
extern const char *histogram_status_text(HistogramStatus status);

#endif							/* USAGE_METER_SKETCH_HISTOGRAM_H */
