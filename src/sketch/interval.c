/*-------------------------------------------------------------------------
 *
 * interval.c
 *		Intervals as seconds, and back.
 *
 * A month counts as 30 days and a day as 24 hours, as they do when intervals are
 * compared.  The order of intervals is therefore that of their seconds, and a
 * percentile is well defined.  Up to 285 years (2^53 microseconds) an interval
 * comes back from its seconds to the microsecond.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "interval.h"

#include <limits.h>
#include <math.h>

#include "common/int.h"

/* 17 made intervals infinite: then they have their place beside finite ones. */
#ifdef INTERVAL_NOT_FINITE
#define interval_infinity(interval) \
	(INTERVAL_IS_NOEND(interval) ? INFINITY : INTERVAL_IS_NOBEGIN(interval) ? -INFINITY : 0.0)
#else
#define interval_infinity(interval) 0.0
#endif

double
interval_to_seconds(const Interval *interval)
{
	int64		days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	int64		microseconds;

	if (interval_infinity(interval) != 0.0)
		return interval_infinity(interval);
	if (!pg_mul_s64_overflow(days, USECS_PER_DAY, &microseconds) &&
		!pg_add_s64_overflow(microseconds, interval->time, &microseconds))
		return (double) microseconds / USECS_PER_SEC;
	return (double) days * SECS_PER_DAY + (double) interval->time / USECS_PER_SEC;
}

/* What does not fit into 64 bits of microseconds: 292,471 years and more. */
static void
set_long_interval(Interval *interval, double seconds)
{
	double		days = trunc(seconds / SECS_PER_DAY);
	double		months = trunc(days / DAYS_PER_MONTH);

	/* an estimate may exceed the largest interval by its error */
	months = Max(Min(months, (double) (INT_MAX - 1)), (double) -INT_MAX);
	interval->month = (int32) months;
	interval->day = (int32) fmod(days, DAYS_PER_MONTH);
	interval->time = (TimeOffset) (fmod(seconds, SECS_PER_DAY) * USECS_PER_SEC);
}

/*
 * An interval of days and time of the same sign, as justify_hours() makes them;
 * months only where days do not suffice.  In the current memory context.
 */
Interval *
interval_from_seconds(double seconds)
{
	Interval   *interval = palloc0(sizeof(Interval));
	double		microseconds = rint(seconds * USECS_PER_SEC);

#ifdef INTERVAL_NOT_FINITE
	if (isinf(seconds))
	{
		if (seconds > 0)
			INTERVAL_NOEND(interval);
		else
			INTERVAL_NOBEGIN(interval);
		return interval;
	}
#endif
	if (fabs(microseconds) < 9.2e18)
	{
		interval->day = (int32) ((int64) microseconds / USECS_PER_DAY);
		interval->time = (int64) microseconds % USECS_PER_DAY;
	}
	else
		set_long_interval(interval, seconds);
	return interval;
}
