/*-------------------------------------------------------------------------
 *
 * sketch.h
 *		The type quantile_sketch, as the rest of the extension sees it.
 *
 * On disk a quantile_sketch is a varlena (short headers allowed) that holds the
 * canonical bytes of a histogram (codec.c) and nothing else.  In memory it is
 * either that, or an expanded object around a live Histogram: the state of the
 * aggregates, which a row changes in place.
 *
 * Its text form lists what there is, in this order, fields separated by blanks:
 *
 *		sketch	= "scale=" integer
 *				  [ "min=" number "max=" number ]	smallest and largest value, if known
 *				  [ "neginf=" count ]				-Infinity
 *				  [ "neg=" run ]					negative values, by magnitude
 *				  [ "zero=" count ]
 *				  [ "pos=" run ]					positive values
 *				  [ "posinf=" count ]				+Infinity
 *		run		= first bucket ":" item { "," item }
 *		item	= count | "~" how many empty buckets are left out
 *
 * where bucket i holds magnitudes in (base^i, base^(i+1)], base = 2^(2^-scale).
 * For example, 1, 2, 2 and 0 are "scale=6 min=0 max=2 zero=1 pos=-1:1,~63,2".
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SKETCH_SKETCH_H
#define USAGE_METER_SKETCH_SKETCH_H

#include "postgres.h"

#include "fmgr.h"
#include "utils/expandeddatum.h"

#include "compat.h"
#include "histogram.h"

/* Values that an expanded object collects before it counts them. */
#define SKETCH_PENDING_MAX	HISTOGRAM_BATCH_VALUES

/* What an expanded object has counted. */
typedef struct SketchCounts
{
	Histogram	histogram;
	HistogramEncoding encoding; /* plan for flattening, stale if its length is 0 */
} SketchCounts;

/*
 * The expanded object.
 *
 * It shares its context, header.eoh_context, with others (see aggregates.c): so
 * nobody may delete or transfer it, and only the executor ever gets a read-write
 * pointer.
 *
 * Single values are collected and counted a few at a time, which is faster than one
 * by one.  And since the histogram is only made when it is needed, small groups stay
 * small.  Whoever changes it calls sketch_count_pending(), whoever reads it
 * sketch_read() or sketch_merge_datum(), which look for values in queues as well
 * (queue.h).  That is allowed with a read-only pointer too: the value of the object
 * does not change.
 */
typedef struct ExpandedSketch
{
	ExpandedObjectHeader header;	/* MUST BE FIRST */
	int32		magic;			/* EXPANDED_SKETCH_MAGIC */
	int32		pending_count;	/* at most SKETCH_PENDING_MAX */
	SketchCounts *counts;		/* NULL until a value was counted */
	float8		pending[SKETCH_PENDING_MAX];
} ExpandedSketch;

#define EXPANDED_SKETCH_MAGIC	0x51534b31

/*
 * Histograms in palloc'd memory of a context.  A signed one is for differences:
 * it never knows its extremes.
 */
extern void sketch_init(Histogram *histogram, MemoryContext context);
extern void sketch_init_signed(Histogram *histogram, MemoryContext context);

/* Raise the error that a status stands for; return if it stands for none. */
extern void sketch_check_status(HistogramStatus status);

/*
 * A flat quantile_sketch in the current memory context: of a histogram, or of a
 * single value that counts weight times, which needs no histogram at all.
 */
extern Datum sketch_encode_datum(const Histogram *histogram);
extern Datum sketch_encode_value(double value, int64 weight);

/*
 * Content of any quantile_sketch: merged into a histogram (subtracted, if sign
 * is negative), or for reading.  The latter is either the histogram of the
 * expanded object or the workspace, filled, in the current memory context.
 */
extern void sketch_merge_datum(Histogram *into, Datum sketch, int sign);
extern const Histogram *sketch_read(Datum sketch, Histogram *workspace);

/* Expanded objects: a new one, whether a datum allows to change one, and which. */
extern ExpandedSketch *sketch_make_expanded(MemoryContext context);
extern Histogram *sketch_count_pending(ExpandedSketch *sketch);

static inline bool
sketch_is_writable(Datum sketch)
{
	return VARATT_IS_EXTERNAL_EXPANDED_RW(DatumGetPointer(sketch));
}

/* DatumGetEOHP() inline: it is called for each row. */
static inline ExpandedSketch *
sketch_expanded(Datum sketch)
{
	varatt_expanded pointer;

	memcpy(&pointer, VARDATA_EXTERNAL(DatumGetPointer(sketch)), sizeof(pointer));
	Assert(((ExpandedSketch *) pointer.eohptr)->magic == EXPANDED_SKETCH_MAGIC);
	return (ExpandedSketch *) pointer.eohptr;
}

/* One value more, to be counted later; so is NaN found to be one. */
static inline void
sketch_collect(ExpandedSketch *sketch, float8 value)
{
	if (unlikely(sketch->pending_count == SKETCH_PENDING_MAX))
		sketch_count_pending(sketch);
	sketch->pending[sketch->pending_count++] = value;
}

#endif							/* USAGE_METER_SKETCH_SKETCH_H */
