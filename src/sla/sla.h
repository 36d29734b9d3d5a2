/*-------------------------------------------------------------------------
 *
 * sla.h
 *		What the aggregates of service levels share.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_SLA_SLA_H
#define USAGE_METER_SLA_SLA_H

#include "postgres.h"

#include "fmgr.h"

/*
 * Share of events that went well.  A division of integers, correctly rounded, so
 * that 99 of 100 compare equal to a target written as 0.99.
 */
static inline double
sla_share(int64 good, int64 events)
{
	return (double) good / (double) events;
}

extern void sla_check_target(double target);
extern void sla_report_changed(const char *argument);
extern Datum sla_form_report(FunctionCallInfo fcinfo, Datum *values, bool *nulls);

#endif							/* USAGE_METER_SLA_SLA_H */
