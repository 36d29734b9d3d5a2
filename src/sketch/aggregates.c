/*-------------------------------------------------------------------------
 *
 * aggregates.c
 *		Transition, combine and final functions of the sketch aggregates.
 *
 * The state is a quantile_sketch: an expanded object that each row changes in
 * place and returns as the same read-write pointer, so that the executor never
 * copies it.  All float8 aggregates have the same transition function, and
 * thereby share one state; so do those of interval, which a sketch holds as
 * seconds.  Window frames that move have a state of their own (moving.c).
 *
 * The executor keeps an expanded object as it is if the object's context is a
 * direct child of the aggregate context.  Usually each object has a context of
 * its own.  Ours share one for each aggregate context, because a hashed aggregation
 * sums up the sizes of all child contexts for each new group
 * (MemoryContextMemAllocated, in hash_agg_check_limits): with a context a group its
 * time grows with the square of the groups, 100,000 of them took 12 times as long as
 * avg().  It also saves a context header of 250 bytes a group, and leaves the tuples
 * of the groups close together, which the executor looks at for each row.
 *
 * When the states of a hashed aggregation outgrow a core's cache, their values take
 * the way through a queue (queue.h).
 *
 * Nothing deletes a single state: the executor would do so only if a transition
 * function returned another one, and it hands out read-only pointers to all
 * others.
 *
 * None of these functions is strict: a NULL value is skipped, and the state is
 * NULL until there is a value.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

#include <math.h>

#include "nodes/execnodes.h"
#include "nodes/memnodes.h"
#include "utils/memutils.h"

#include "interval.h"
#include "queue.h"

#define STATES_CONTEXT_NAME "quantile_sketch states"

/* What a core may have in its cache, of which states are not all. */
#define CACHED_STATES_BYTES_MAX	(2 * 1024 * 1024)

PG_FUNCTION_INFO_V1(sketch_accumulate);
PG_FUNCTION_INFO_V1(sketch_accumulate_weighted);
PG_FUNCTION_INFO_V1(sketch_accumulate_interval);
PG_FUNCTION_INFO_V1(sketch_accumulate_weighted_interval);
PG_FUNCTION_INFO_V1(sketch_combine);

/*
 * The context of all states in an aggregate context.  A reset of the latter deletes
 * it, so it is looked up rather than remembered.
 */
static MemoryContext
states_context(MemoryContext aggregate_context)
{
	MemoryContext child;

	for (child = aggregate_context->firstchild; child != NULL; child = child->nextchild)
	{
		if (strcmp(child->name, STATES_CONTEXT_NAME) == 0)
			return child;
	}
	return AllocSetContextCreate(aggregate_context, STATES_CONTEXT_NAME, ALLOCSET_DEFAULT_SIZES);
}

/*
 * The state when it is not an object of ours yet: none so far, or a flat one
 * that came from a parallel worker or another node.
 */
static pg_noinline ExpandedSketch *
start_state(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	ExpandedSketch *sketch;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function of quantile_sketch called in non-aggregate context");

	sketch = sketch_make_expanded(states_context(context));
	if (!PG_ARGISNULL(0))
		sketch_merge_datum(sketch_count_pending(sketch), PG_GETARG_DATUM(0), 1);
	return sketch;
}

static inline ExpandedSketch *
get_state(FunctionCallInfo fcinfo)
{
	if (unlikely(PG_ARGISNULL(0) || !sketch_is_writable(PG_GETARG_DATUM(0))))
		return start_state(fcinfo);
	return sketch_expanded(PG_GETARG_DATUM(0));
}

/* Its histogram, to be changed at once. */
static Histogram *
changing_histogram(ExpandedSketch *sketch)
{
	Histogram  *histogram = sketch_count_pending(sketch);

	sketch->counts->encoding.length = 0;
	return histogram;
}

/* The state when there is nothing to add. */
static Datum
unchanged_state(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/*
 * Values may wait in a queue for states that nobody has looked at, if all of them are
 * surely ours.  So they are where the first was: each group starts with the same
 * state, here none, and goes on with what we return.
 */
static void
start_queue_if_many(FunctionCallInfo fcinfo, ExpandedSketch *first_of_group)
{
	MemoryContext states = first_of_group->header.eoh_context;

	if (IsA(fcinfo->context, AggState) &&
		((AggState *) fcinfo->context)->aggstrategy == AGG_HASHED &&
		MemoryContextMemAllocated(states, false) > CACHED_STATES_BYTES_MAX)
		sketch_queue_start(fcinfo->flinfo, states);
}

static pg_noinline Datum
enqueue(FunctionCallInfo fcinfo, double value)
{
	sketch_queue_append(fcinfo->flinfo->fn_extra, PG_GETARG_DATUM(0), value);
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

static pg_noinline Datum
accumulate_first(FunctionCallInfo fcinfo, double value)
{
	ExpandedSketch *sketch = get_state(fcinfo);

	if (PG_ARGISNULL(0) && fcinfo->flinfo->fn_extra == NULL)
		start_queue_if_many(fcinfo, sketch);
	sketch_collect(sketch, value);
	PG_RETURN_DATUM(EOHPGetRWDatum(&sketch->header));
}

static pg_noinline Datum
count_and_collect(ExpandedSketch *sketch, double value)
{
	sketch_count_pending(sketch);
	sketch_collect(sketch, value);
	PG_RETURN_DATUM(EOHPGetRWDatum(&sketch->header));
}

/*
 * Called for each row.  That no call returns here spares saving registers.
 */
static inline Datum
accumulate(FunctionCallInfo fcinfo, double value)
{
	ExpandedSketch *sketch;

	if (unlikely(PG_ARGISNULL(0)))
		return accumulate_first(fcinfo, value);
	if (unlikely(fcinfo->flinfo->fn_extra != NULL))
		return enqueue(fcinfo, value);
	if (unlikely(!sketch_is_writable(PG_GETARG_DATUM(0))))
		return accumulate_first(fcinfo, value);

	sketch = sketch_expanded(PG_GETARG_DATUM(0));
	if (unlikely(sketch->pending_count == SKETCH_PENDING_MAX))
		return count_and_collect(sketch, value);
	sketch->pending[sketch->pending_count++] = value;
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

static Datum
accumulate_weighted(FunctionCallInfo fcinfo, double value, int64 weight)
{
	ExpandedSketch *sketch = get_state(fcinfo);

	sketch_check_status(histogram_add(changing_histogram(sketch), value, weight));
	PG_RETURN_DATUM(EOHPGetRWDatum(&sketch->header));
}

Datum
sketch_accumulate(PG_FUNCTION_ARGS)
{
	if (unlikely(PG_ARGISNULL(1)))
		return unchanged_state(fcinfo);
	return accumulate(fcinfo, PG_GETARG_FLOAT8(1));
}

Datum
sketch_accumulate_weighted(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return unchanged_state(fcinfo);
	return accumulate_weighted(fcinfo, PG_GETARG_FLOAT8(1), PG_GETARG_INT64(2));
}

Datum
sketch_accumulate_interval(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		return unchanged_state(fcinfo);
	return accumulate(fcinfo, interval_to_seconds(PG_GETARG_INTERVAL_P(1)));
}

Datum
sketch_accumulate_weighted_interval(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
		return unchanged_state(fcinfo);
	return accumulate_weighted(fcinfo, interval_to_seconds(PG_GETARG_INTERVAL_P(1)),
							   PG_GETARG_INT64(2));
}

/*
 * Combine two states; also the transition function of merge(quantile_sketch).
 *
 * The first sketch is the state as it is, flat, of which the executor makes a
 * copy.  A histogram is only made for the second: many groups never see one.
 */
Datum
sketch_combine(PG_FUNCTION_ARGS)
{
	ExpandedSketch *sketch;

	if (PG_ARGISNULL(1))
		return unchanged_state(fcinfo);
	if (PG_ARGISNULL(0))
		PG_RETURN_DATUM(PG_GETARG_DATUM(1));

	sketch = get_state(fcinfo);
	sketch_merge_datum(changing_histogram(sketch), PG_GETARG_DATUM(1), 1);
	PG_RETURN_DATUM(EOHPGetRWDatum(&sketch->header));
}

/*
 * Final functions see the state through a read-only pointer and leave it as it
 * is: other aggregates share it, and a window frame goes on with it.  False if
 * there is no answer.
 */
static bool
state_percentile(FunctionCallInfo fcinfo, double fraction, double *result)
{
	Histogram	workspace;
	const Histogram *histogram = sketch_read(PG_GETARG_DATUM(0), &workspace);
	HistogramStatus status = histogram_quantile(histogram, fraction, result);

	if (status == HISTOGRAM_EMPTY)
		return false;
	sketch_check_status(status);
	return true;
}

#define DEFINE_PERCENTILE(name, fraction) \
PG_FUNCTION_INFO_V1(sketch_final_##name); \
PG_FUNCTION_INFO_V1(sketch_final_##name##_interval); \
Datum \
sketch_final_##name(PG_FUNCTION_ARGS) \
{ \
	double		result; \
\
	if (!state_percentile(fcinfo, fraction, &result)) \
		PG_RETURN_NULL(); \
	PG_RETURN_FLOAT8(result); \
} \
Datum \
sketch_final_##name##_interval(PG_FUNCTION_ARGS) \
{ \
	double		result; \
\
	if (!state_percentile(fcinfo, fraction, &result)) \
		PG_RETURN_NULL(); \
	PG_RETURN_INTERVAL_P(interval_from_seconds(result)); \
}

DEFINE_PERCENTILE(p50, 0.50)
DEFINE_PERCENTILE(p90, 0.90)
DEFINE_PERCENTILE(p95, 0.95)
DEFINE_PERCENTILE(p99, 0.99)
