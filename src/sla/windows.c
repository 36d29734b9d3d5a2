/*-------------------------------------------------------------------------
 *
 * windows.c
 *		sla_windows(time, ok, width, target): the objective over every window.
 *
 * For each time t at which something happened, the window is what happened after
 * t - width and up to t.  Events arrive in the order of time, so one pass is
 * enough: those of the new time come in, those that are too old go out, and the
 * window is judged when time moves on.  The result is exact, whatever the data.
 *
 * What is in the window waits in a tuplestore, one row for each time, which goes
 * to disk beyond work_mem: memory is bounded even for a window of years.
 *
 * The caller sorts, sla_windows(… ORDER BY time), because the executor does that
 * within its memory limits, and for one group after the other, where an
 * aggregate that sorted by itself would need memory for all groups at once.
 *
 *-------------------------------------------------------------------------
 */
#include "sla.h"

#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#define ROW_FIELDS	3			/* time, events, bad events */

/* Events of one time, or of a window. */
typedef struct WindowTally
{
	int64		events;
	int64		bad;
} WindowTally;

/* What the windows judged so far came to. */
typedef struct WindowsResult
{
	int64		windows;
	int64		met;
	TimestampTz worst_time;
	WindowTally worst;
	bool		is_breached;
	TimestampTz breached_at;
} WindowsResult;

typedef struct WindowsState
{
	int64		width;			/* microseconds */
	double		target;
	TimestampTz time;			/* of the current events */
	WindowTally current;		/* those of that time */
	WindowTally window;			/* those and all in the store */
	WindowsResult result;		/* of the windows that ended before */
	Tuplestorestate *store;		/* events before the current ones, oldest first */
	int64		waiting;		/* rows of the store not read yet */
	TupleTableSlot *slot;		/* the oldest in the window, or empty */
} WindowsState;

PG_FUNCTION_INFO_V1(sla_windows_accumulate);
PG_FUNCTION_INFO_V1(sla_windows_final);

/* ----------------------------------------------------------------
 * The state
 * ----------------------------------------------------------------
 */

/*
 * Fixed width of an interval: a month is 30 days, a day 24 hours.
 */
static int64
interval_width(const Interval *interval)
{
	double		width = ((double) interval->month * DAYS_PER_MONTH + interval->day) * USECS_PER_DAY +
		interval->time;

	if (!(width >= 1.0 && width < 9e18))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("window is out of range"),
				 errhint("Use a positive interval, such as '1 hour'.")));
	return ((int64) interval->month * DAYS_PER_MONTH + interval->day) * USECS_PER_DAY +
		interval->time;
}

static void
free_store(Datum argument)
{
	WindowsState *state = (WindowsState *) DatumGetPointer(argument);

	if (state->store != NULL)
		tuplestore_end(state->store);
	state->store = NULL;
}

static void
make_store(WindowsState *state)
{
	TupleDesc	descriptor = CreateTemplateTupleDesc(ROW_FIELDS);

	TupleDescInitEntry(descriptor, 1, "time", INT8OID, -1, 0);
	TupleDescInitEntry(descriptor, 2, "events", INT8OID, -1, 0);
	TupleDescInitEntry(descriptor, 3, "bad", INT8OID, -1, 0);
	state->slot = MakeSingleTupleTableSlot(descriptor, &TTSOpsMinimalTuple);
	state->store = tuplestore_begin_heap(false, false, work_mem);
	tuplestore_set_eflags(state->store, 0);
}

static WindowsState *
make_state(FunctionCallInfo fcinfo)
{
	MemoryContext context;
	MemoryContext caller;
	WindowsState *state;
	int			kind = AggCheckCallContext(fcinfo, &context);

	/* there nothing would end the tuplestore */
	if (kind == AGG_CONTEXT_WINDOW)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("sla_windows cannot be used as a window function"),
				 errhint("It looks at all windows by itself: use it with GROUP BY.")));
	if (kind != AGG_CONTEXT_AGGREGATE)
		elog(ERROR, "sla_windows_accumulate called in non-aggregate context");

	caller = MemoryContextSwitchTo(context);
	state = palloc0(sizeof(WindowsState));
	state->width = interval_width(PG_GETARG_INTERVAL_P(3));
	state->target = PG_GETARG_FLOAT8(4);
	sla_check_target(state->target);
	make_store(state);
	AggRegisterCallback(fcinfo, free_store, PointerGetDatum(state));
	MemoryContextSwitchTo(caller);
	return state;
}

static void
check_arguments(FunctionCallInfo fcinfo, const WindowsState *state)
{
	if (interval_width(PG_GETARG_INTERVAL_P(3)) != state->width)
		sla_report_changed("window");
	if (PG_GETARG_FLOAT8(4) != state->target)
		sla_report_changed("target");
}

/* ----------------------------------------------------------------
 * Time moves on
 * ----------------------------------------------------------------
 */

/*
 * Judge the window that ends with the current events.
 */
static void
judge_window(const WindowsState *state, WindowsResult *result)
{
	const WindowTally *window = &state->window;
	double		compliance = sla_share(window->events - window->bad, window->events);

	if (result->windows == 0 ||
		compliance < sla_share(result->worst.events - result->worst.bad, result->worst.events))
	{
		result->worst_time = state->time;
		result->worst = *window;
	}
	result->windows++;
	if (compliance >= state->target)
		result->met++;
	else if (!result->is_breached)
	{
		result->is_breached = true;
		result->breached_at = state->time;
	}
}

static void
store_current(WindowsState *state)
{
	Datum		values[ROW_FIELDS];
	bool		nulls[ROW_FIELDS] = {false, false, false};

	values[0] = Int64GetDatum(state->time);
	values[1] = Int64GetDatum(state->current.events);
	values[2] = Int64GetDatum(state->current.bad);
	tuplestore_putvalues(state->store, state->slot->tts_tupleDescriptor, values, nulls);
	state->waiting++;
	state->current.events = 0;
	state->current.bad = 0;
}

/*
 * The oldest row that waits, into the slot.  A read beyond the last row must not
 * be tried: the store would stay at its end when more rows come.
 */
static bool
read_oldest(WindowsState *state)
{
	if (state->waiting == 0)
		return false;
	if (!tuplestore_gettupleslot(state->store, true, true, state->slot))
		elog(ERROR, "events of a window are missing");
	state->waiting--;
	return true;
}

static int64
slot_field(TupleTableSlot *slot, int field)
{
	bool		is_null;

	return DatumGetInt64(slot_getattr(slot, field, &is_null));
}

/* Is a time no longer within the window that ends at another? */
static bool
is_too_old(TimestampTz time, TimestampTz end, int64 width)
{
	return (uint64) end - (uint64) time >= (uint64) width;
}

/*
 * Take out what is no longer within the window that ends at a time.
 */
static void
drop_old(WindowsState *state, TimestampTz end)
{
	for (;;)
	{
		CHECK_FOR_INTERRUPTS();
		if (TupIsNull(state->slot) && !read_oldest(state))
			break;
		if (!is_too_old(slot_field(state->slot, 1), end, state->width))
			break;
		state->window.events -= slot_field(state->slot, 2);
		state->window.bad -= slot_field(state->slot, 3);
		ExecClearTuple(state->slot);
	}
	tuplestore_trim(state->store);
}

static void
report_order(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("events are not in the order of time"),
			 errhint("Write sla_windows(time, ok, window, target ORDER BY time).")));
}

static void
advance_time(WindowsState *state, TimestampTz time)
{
	if (time < state->time)
		report_order();
	judge_window(state, &state->result);
	store_current(state);
	drop_old(state, time);
	state->time = time;
}

/*
 * An event.  One without a time or an outcome is not one yet.
 */
Datum
sla_windows_accumulate(PG_FUNCTION_ARGS)
{
	WindowsState *state = PG_ARGISNULL(0) ? NULL : (WindowsState *) PG_GETARG_POINTER(0);
	MemoryContext context;
	TimestampTz time;

	if (PG_ARGISNULL(3) || PG_ARGISNULL(4))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("window and target must not be null")));
	if (PG_ARGISNULL(1) || PG_ARGISNULL(2))
	{
		if (state == NULL)
			PG_RETURN_NULL();
		PG_RETURN_POINTER(state);
	}

	time = PG_GETARG_TIMESTAMPTZ(1);
	if (TIMESTAMP_NOT_FINITE(time))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("time of an event must be finite")));
	if (state == NULL)
	{
		state = make_state(fcinfo);
		state->time = time;
	}
	check_arguments(fcinfo, state);
	if (time != state->time)
	{
		AggCheckCallContext(fcinfo, &context);
		context = MemoryContextSwitchTo(context);
		advance_time(state, time);
		MemoryContextSwitchTo(context);
	}
	state->current.events++;
	state->window.events++;
	if (!PG_GETARG_BOOL(2))
	{
		state->current.bad++;
		state->window.bad++;
	}
	PG_RETURN_POINTER(state);
}

/*
 * The report.  Leaves the state as it is.
 */
Datum
sla_windows_final(PG_FUNCTION_ARGS)
{
	WindowsState *state = (WindowsState *) PG_GETARG_POINTER(0);
	WindowsResult result = state->result;
	Datum		values[8];
	bool		nulls[8] = {false, false, false, false, false, false, false, false};
	int64		good;

	judge_window(state, &result);
	good = result.worst.events - result.worst.bad;
	values[0] = Int64GetDatum(result.windows);
	values[1] = Int64GetDatum(result.met);
	values[2] = Float8GetDatum(sla_share(result.met, result.windows));
	values[3] = TimestampTzGetDatum(result.worst_time - state->width);
	values[4] = TimestampTzGetDatum(result.worst_time);
	values[5] = Float8GetDatum(sla_share(good, result.worst.events));
	values[6] = Int64GetDatum(result.worst.events);
	values[7] = TimestampTzGetDatum(result.breached_at);
	nulls[7] = !result.is_breached;
	/* no such time before 4714 BC */
	nulls[3] = !IS_VALID_TIMESTAMP(result.worst_time - state->width);
	return sla_form_report(fcinfo, values, nulls);
}
