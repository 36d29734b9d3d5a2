/*-------------------------------------------------------------------------
 *
 * tally.c
 *		Service levels that take no more than counting: sla_compliance(), and
 *		error_budget().
 *
 * The state is an array of four doubles, for want of a smaller type that any
 * executor can ship: events, bad events, target and share of the period; the
 * last two are TALLY_UNSET until a row sets them.  Counts are exact up to 2^53.
 * Within an aggregation the array is changed in place, as float8_accum() does.
 *
 * A count can be taken back, so window frames may move.
 *
 *-------------------------------------------------------------------------
 */
#include "sla.h"

#include <math.h>

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/timestamp.h"

#include "sketch/interval.h"

#define TALLY_FIELDS	4
#define TALLY_UNSET		(-1.0)

typedef struct Tally
{
	double		events;
	double		bad;
	double		target;
	double		period_share;
} Tally;

PG_FUNCTION_INFO_V1(sla_count_value);
PG_FUNCTION_INFO_V1(sla_uncount_value);
PG_FUNCTION_INFO_V1(sla_count_interval);
PG_FUNCTION_INFO_V1(sla_uncount_interval);
PG_FUNCTION_INFO_V1(sla_count_outcome);
PG_FUNCTION_INFO_V1(sla_uncount_outcome);
PG_FUNCTION_INFO_V1(sla_combine);
PG_FUNCTION_INFO_V1(sla_compliance_final);
PG_FUNCTION_INFO_V1(sla_budget_final);

/* ----------------------------------------------------------------
 * Shared with windows.c
 * ----------------------------------------------------------------
 */

void
sla_check_target(double target)
{
	if (!(target >= 0.0 && target <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("target is out of range"),
				 errdetail("It is %g.", target),
				 errhint("Use a share of events between 0 and 1, such as 0.999.")));
}

void
sla_report_changed(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is not the same for all rows of a group", argument),
			 errhint("Group by it, or by what it depends on.")));
}

/* A row of the composite type that the calling function returns. */
Datum
sla_form_report(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	descriptor;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor), values, nulls));
}

/* ----------------------------------------------------------------
 * The state
 * ----------------------------------------------------------------
 */

static Tally *
array_tally(ArrayType *array)
{
	if (ARR_NDIM(array) != 1 || ARR_DIMS(array)[0] != TALLY_FIELDS || ARR_HASNULL(array) ||
		ARR_ELEMTYPE(array) != FLOAT8OID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("state of a service level aggregate is malformed"),
				 errdetail("It must be an array of %d double precision values.", TALLY_FIELDS)));
	return (Tally *) ((char *) array + ARR_OVERHEAD_NONULLS(1));
}

/* There is a state from the first row on, unless somebody calls us by hand. */
static void
check_state(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("state of a service level aggregate must not be null")));
}

/* The state, to be changed in place: a copy if it is not ours to change. */
static ArrayType *
changing_array(FunctionCallInfo fcinfo)
{
	if (AggCheckCallContext(fcinfo, NULL))
		return PG_GETARG_ARRAYTYPE_P(0);
	return PG_GETARG_ARRAYTYPE_P_COPY(0);
}

static Datum
count_event(FunctionCallInfo fcinfo, bool is_good, int direction)
{
	ArrayType  *array = changing_array(fcinfo);
	Tally	   *tally = array_tally(array);

	tally->events += direction;
	if (!is_good)
		tally->bad += direction;
	PG_RETURN_ARRAYTYPE_P(array);
}

/* ----------------------------------------------------------------
 * sla_compliance(value, threshold [, age])
 * ----------------------------------------------------------------
 */

/* An argument as a double; false if it is not given or NULL. */
static bool
get_measure(FunctionCallInfo fcinfo, int argument, bool is_interval, double *result)
{
	if (argument >= PG_NARGS() || PG_ARGISNULL(argument))
		return false;
	*result = is_interval ? interval_to_seconds(PG_GETARG_INTERVAL_P(argument))
		: PG_GETARG_FLOAT8(argument);
	if (isnan(*result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("NaN cannot be compared with a threshold"),
				 errhint("Leave it out with FILTER (WHERE value <> 'NaN').")));
	return true;
}

/*
 * Is the value within the threshold?  One that is not there yet is a breach as
 * soon as its age is beyond the threshold; before, the row says nothing.
 */
static Datum
count_measure(FunctionCallInfo fcinfo, bool is_interval, int direction)
{
	double		value;
	double		threshold;
	bool		is_decided;

	check_state(fcinfo);
	if (!get_measure(fcinfo, 2, is_interval, &threshold))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	is_decided = get_measure(fcinfo, 1, is_interval, &value) ||
		(get_measure(fcinfo, 3, is_interval, &value) && value > threshold);
	if (!is_decided)
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	return count_event(fcinfo, value <= threshold, direction);
}

Datum
sla_count_value(PG_FUNCTION_ARGS)
{
	return count_measure(fcinfo, false, 1);
}

Datum
sla_uncount_value(PG_FUNCTION_ARGS)
{
	return count_measure(fcinfo, false, -1);
}

Datum
sla_count_interval(PG_FUNCTION_ARGS)
{
	return count_measure(fcinfo, true, 1);
}

Datum
sla_uncount_interval(PG_FUNCTION_ARGS)
{
	return count_measure(fcinfo, true, -1);
}

Datum
sla_compliance_final(PG_FUNCTION_ARGS)
{
	Tally	   *tally = array_tally(PG_GETARG_ARRAYTYPE_P(0));

	if (tally->events == 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8((tally->events - tally->bad) / tally->events);
}

/* ----------------------------------------------------------------
 * error_budget(ok, target [, period_share])
 * ----------------------------------------------------------------
 */

/* Remember an argument that must be the same in each row. */
static void
set_once(double *field, double value, const char *argument)
{
	if (*field == TALLY_UNSET)
		*field = value;
	else if (*field != value)
		sla_report_changed(argument);
}

static Datum
count_outcome(FunctionCallInfo fcinfo, int direction)
{
	ArrayType  *array;
	Tally	   *tally;
	double		period_share = 1.0;

	check_state(fcinfo);
	if (PG_ARGISNULL(1))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (PG_ARGISNULL(2) || (PG_NARGS() > 3 && PG_ARGISNULL(3)))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("target and period share must not be null")));
	if (PG_NARGS() > 3)
		period_share = PG_GETARG_FLOAT8(3);
	if (!(period_share > 0.0 && period_share <= 1.0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("period share is out of range"),
				 errdetail("It is %g.", period_share),
				 errhint("Use the time that the rows cover, divided by the period of the objective.")));
	sla_check_target(PG_GETARG_FLOAT8(2));

	array = changing_array(fcinfo);
	tally = array_tally(array);
	set_once(&tally->target, PG_GETARG_FLOAT8(2), "target");
	set_once(&tally->period_share, period_share, "period share");
	tally->events += direction;
	if (!PG_GETARG_BOOL(1))
		tally->bad += direction;
	PG_RETURN_ARRAYTYPE_P(array);
}

Datum
sla_count_outcome(PG_FUNCTION_ARGS)
{
	return count_outcome(fcinfo, 1);
}

Datum
sla_uncount_outcome(PG_FUNCTION_ARGS)
{
	return count_outcome(fcinfo, -1);
}

/*
 * How many of the events may be bad.  The product is rounded to what is meant:
 * 1000 events and 0.99 allow 10, where 1 - 0.99 would make it 10.000000000000009.
 */
static double
allowance(const Tally *tally)
{
	return tally->events - tally->target * tally->events;
}

/*
 * Error rate over the rate that the target allows; without an allowance, each
 * bad event burns infinitely fast.
 */
static double
burn_rate(const Tally *tally)
{
	if (tally->bad == 0)
		return 0.0;
	return (tally->target == 1.0) ? INFINITY : tally->bad / allowance(tally);
}

Datum
sla_budget_final(PG_FUNCTION_ARGS)
{
	Tally	   *tally = array_tally(PG_GETARG_ARRAYTYPE_P(0));
	Datum		values[7];
	bool		nulls[7] = {false, false, false, false, false, false, false};
	double		consumed;

	if (tally->events == 0)
		PG_RETURN_NULL();
	consumed = burn_rate(tally) * tally->period_share;
	values[0] = Int64GetDatum((int64) tally->events);
	values[1] = Int64GetDatum((int64) tally->bad);
	values[2] = Float8GetDatum((tally->events - tally->bad) / tally->events);
	values[3] = Float8GetDatum(allowance(tally) / tally->period_share);
	values[4] = Float8GetDatum(consumed);
	values[5] = Float8GetDatum(1.0 - consumed);
	values[6] = Float8GetDatum(burn_rate(tally));
	return sla_form_report(fcinfo, values, nulls);
}

/* ----------------------------------------------------------------
 * Both
 * ----------------------------------------------------------------
 */

Datum
sla_combine(PG_FUNCTION_ARGS)
{
	ArrayType  *array = changing_array(fcinfo);
	Tally	   *tally = array_tally(array);
	Tally	   *other = array_tally(PG_GETARG_ARRAYTYPE_P(1));

	if (other->target != TALLY_UNSET)
		set_once(&tally->target, other->target, "target");
	if (other->period_share != TALLY_UNSET)
		set_once(&tally->period_share, other->period_share, "period share");
	tally->events += other->events;
	tally->bad += other->bad;
	PG_RETURN_ARRAYTYPE_P(array);
}
