/*-------------------------------------------------------------------------
 *
 * execution_report.h
 *		Complete an execution from the provider's own report of its usage.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_EXECUTION_REPORT_H
#define USAGE_METER_LEDGER_EXECUTION_REPORT_H

#include "postgres.h"

#include "utils/numeric.h"

#include "ledger/execution.h"

extern void execution_read_report(Execution *row);
extern void execution_follow_report(const Execution *old, Execution *new);
extern Numeric execution_upstream_cost(const Execution *row);

#endif							/* USAGE_METER_LEDGER_EXECUTION_REPORT_H */
