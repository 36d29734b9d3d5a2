/*-------------------------------------------------------------------------
 *
 * moving.c
 *		The sketch aggregates over window frames that move.
 *
 * A row that enters the frame is added, a row that leaves is taken out again,
 * both in a bounded number of steps (frame.h).  The state is of type internal: a
 * frame never leaves its process.  It lives in the aggregate context, which the
 * executor resets when the frame starts anew.
 *
 * The rules that nodeWindowAgg.c sets: a function that adds may not return NULL,
 * not even if it has seen nothing but NULLs, so inputs are counted and a final
 * function returns NULL when there were none; adding and removing agree in
 * strictness, none of them is strict; removing may return NULL, and then the
 * frame is added up from its first row, which is always right.
 *
 * That is done in one case only.  A sketch that came from elsewhere may be finer
 * than the frame.  As long as it is in the frame, a plain histogram is kept
 * instead, so that the answer is at the scale that merge() would give.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "sketch.h"

#include <math.h>

#include "frame.h"
#include "interval.h"

typedef struct MovingState
{
	Frame		frame;
	int64		inputs;			/* rows in the frame that are not NULL */
	bool		is_plain;		/* values are in the histogram, not in the frame */
	Histogram	histogram;
} MovingState;

PG_FUNCTION_INFO_V1(sketch_enter);
PG_FUNCTION_INFO_V1(sketch_leave);
PG_FUNCTION_INFO_V1(sketch_enter_weighted);
PG_FUNCTION_INFO_V1(sketch_leave_weighted);
PG_FUNCTION_INFO_V1(sketch_enter_interval);
PG_FUNCTION_INFO_V1(sketch_leave_interval);
PG_FUNCTION_INFO_V1(sketch_enter_weighted_interval);
PG_FUNCTION_INFO_V1(sketch_leave_weighted_interval);
PG_FUNCTION_INFO_V1(sketch_enter_sketch);
PG_FUNCTION_INFO_V1(sketch_leave_sketch);
PG_FUNCTION_INFO_V1(sketch_frame_sketch);

/* ----------------------------------------------------------------
 * Rows that enter and leave
 * ----------------------------------------------------------------
 */

static pg_noinline MovingState *
make_state(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	MovingState *state;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "aggregate function of quantile_sketch called in non-aggregate context");

	state = MemoryContextAllocZero(context, sizeof(MovingState));
	sketch_init_signed(&state->histogram, context);
	frame_init(&state->frame, state->histogram.resize, context);
	return state;
}

static inline MovingState *
entering_state(FunctionCallInfo fcinfo)
{
	if (likely(!PG_ARGISNULL(0)))
		return (MovingState *) PG_GETARG_POINTER(0);
	return make_state(fcinfo);
}

static Datum
enter(FunctionCallInfo fcinfo, bool is_null, double value, int64 weight)
{
	MovingState *state = entering_state(fcinfo);

	if (!is_null)
	{
		sketch_check_status(frame_add(&state->frame, value, weight));
		state->inputs++;
	}
	PG_RETURN_POINTER(state);
}

static Datum
leave(FunctionCallInfo fcinfo, bool is_null, double value, int64 weight)
{
	MovingState *state = (MovingState *) PG_GETARG_POINTER(0);

	if (!is_null)
	{
		/* the smallest integer has no counterpart */
		if (weight == PG_INT64_MIN || frame_add(&state->frame, value, -weight) != HISTOGRAM_OK)
			PG_RETURN_NULL();
		state->inputs--;
	}
	PG_RETURN_POINTER(state);
}

/* Arguments, which must not be looked at if they are NULL. */
static inline double
float_argument(FunctionCallInfo fcinfo, bool is_null)
{
	return is_null ? 0.0 : PG_GETARG_FLOAT8(1);
}

static inline double
interval_argument(FunctionCallInfo fcinfo, bool is_null)
{
	return is_null ? 0.0 : interval_to_seconds(PG_GETARG_INTERVAL_P(1));
}

static inline int64
weight_argument(FunctionCallInfo fcinfo, bool is_null)
{
	return is_null ? 0 : PG_GETARG_INT64(2);
}

Datum
sketch_enter(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1);

	return enter(fcinfo, is_null, float_argument(fcinfo, is_null), 1);
}

Datum
sketch_leave(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1);

	return leave(fcinfo, is_null, float_argument(fcinfo, is_null), 1);
}

Datum
sketch_enter_weighted(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1) || PG_ARGISNULL(2);

	return enter(fcinfo, is_null, float_argument(fcinfo, is_null), weight_argument(fcinfo, is_null));
}

Datum
sketch_leave_weighted(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1) || PG_ARGISNULL(2);

	return leave(fcinfo, is_null, float_argument(fcinfo, is_null), weight_argument(fcinfo, is_null));
}

Datum
sketch_enter_interval(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1);

	return enter(fcinfo, is_null, interval_argument(fcinfo, is_null), 1);
}

Datum
sketch_leave_interval(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1);

	return leave(fcinfo, is_null, interval_argument(fcinfo, is_null), 1);
}

Datum
sketch_enter_weighted_interval(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1) || PG_ARGISNULL(2);

	return enter(fcinfo, is_null, interval_argument(fcinfo, is_null), weight_argument(fcinfo, is_null));
}

Datum
sketch_leave_weighted_interval(PG_FUNCTION_ARGS)
{
	bool		is_null = PG_ARGISNULL(1) || PG_ARGISNULL(2);

	return leave(fcinfo, is_null, interval_argument(fcinfo, is_null), weight_argument(fcinfo, is_null));
}

/* ----------------------------------------------------------------
 * Sketches that enter and leave
 * ----------------------------------------------------------------
 */

/*
 * From now on, values go into the histogram.
 */
static void
become_plain(MovingState *state)
{
	if (state->is_plain)
		return;
	sketch_check_status(frame_export(&state->frame, &state->histogram));
	state->is_plain = true;
}

/* Forget the memory that sketch_read needed for a flat sketch. */
static void
free_read(const Histogram *histogram, Histogram *workspace)
{
	if (histogram == workspace)
		histogram_free(workspace);
}

Datum
sketch_enter_sketch(PG_FUNCTION_ARGS)
{
	MovingState *state = entering_state(fcinfo);
	Histogram	workspace;
	const Histogram *histogram;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);

	histogram = sketch_read(PG_GETARG_DATUM(1), &workspace);
	if (histogram->scale > HISTOGRAM_SCALE_START)
		become_plain(state);
	sketch_check_status(state->is_plain ? histogram_merge(&state->histogram, histogram, 1)
						: frame_merge(&state->frame, histogram, 1));
	free_read(histogram, &workspace);
	state->inputs++;
	PG_RETURN_POINTER(state);
}

Datum
sketch_leave_sketch(PG_FUNCTION_ARGS)
{
	MovingState *state = (MovingState *) PG_GETARG_POINTER(0);
	Histogram	workspace;
	const Histogram *histogram;
	HistogramStatus status;

	if (PG_ARGISNULL(1))
		PG_RETURN_POINTER(state);
	if (state->is_plain)
		PG_RETURN_NULL();

	histogram = sketch_read(PG_GETARG_DATUM(1), &workspace);
	status = frame_merge(&state->frame, histogram, -1);
	free_read(histogram, &workspace);
	if (status != HISTOGRAM_OK)
		PG_RETURN_NULL();
	state->inputs--;
	PG_RETURN_POINTER(state);
}

/* ----------------------------------------------------------------
 * Answers
 * ----------------------------------------------------------------
 */

/*
 * The percentile of what is in the frame; false if there is none.
 */
static bool
frame_percentile(FunctionCallInfo fcinfo, double fraction, double *result)
{
	MovingState *state = (MovingState *) PG_GETARG_POINTER(0);
	HistogramStatus status = frame_quantile(&state->frame, fraction, result);

	if (status == HISTOGRAM_EMPTY)
		return false;
	sketch_check_status(status);
	return true;
}

#define DEFINE_FRAME_PERCENTILE(name, fraction) \
PG_FUNCTION_INFO_V1(sketch_frame_##name); \
PG_FUNCTION_INFO_V1(sketch_frame_##name##_interval); \
Datum \
sketch_frame_##name(PG_FUNCTION_ARGS) \
{ \
	double		result; \
\
	if (!frame_percentile(fcinfo, fraction, &result)) \
		PG_RETURN_NULL(); \
	PG_RETURN_FLOAT8(result); \
} \
Datum \
sketch_frame_##name##_interval(PG_FUNCTION_ARGS) \
{ \
	double		result; \
\
	if (!frame_percentile(fcinfo, fraction, &result)) \
		PG_RETURN_NULL(); \
	PG_RETURN_INTERVAL_P(interval_from_seconds(result)); \
}

DEFINE_FRAME_PERCENTILE(p50, 0.50)
DEFINE_FRAME_PERCENTILE(p90, 0.90)
DEFINE_FRAME_PERCENTILE(p95, 0.95)
DEFINE_FRAME_PERCENTILE(p99, 0.99)

/*
 * The sketch of the frame, flat; NULL if nothing came in, like the plain aggregate.
 */
Datum
sketch_frame_sketch(PG_FUNCTION_ARGS)
{
	MovingState *state = (MovingState *) PG_GETARG_POINTER(0);
	Histogram	histogram;
	Datum		result;

	if (state->inputs == 0)
		PG_RETURN_NULL();
	if (state->is_plain)
		PG_RETURN_DATUM(sketch_encode_datum(&state->histogram));

	sketch_init_signed(&histogram, CurrentMemoryContext);
	sketch_check_status(frame_export(&state->frame, &histogram));
	result = sketch_encode_datum(&histogram);
	histogram_free(&histogram);
	PG_RETURN_DATUM(result);
}
