/*-------------------------------------------------------------------------
 *
 * execution_price.h
 *		What an execution used, and what it costs.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_EXECUTION_PRICE_H
#define USAGE_METER_LEDGER_EXECUTION_PRICE_H

#include "postgres.h"

#include "ledger/execution.h"
#include "pricing/usage.h"

/* The columns that hold counts of tokens. */
typedef struct ExecutionCount
{
	HistoryColumn column;
	TokenKind	kind;
} ExecutionCount;

#define EXECUTION_COUNTS	6

extern const ExecutionCount execution_counts[EXECUTION_COUNTS];

extern bool execution_has_tokens(const Execution *row);
extern bool execution_has_usage(const Execution *row);
extern Usage execution_usage(const Execution *row);
extern void execution_price(Execution *row, const Usage *usage);

#endif							/* USAGE_METER_LEDGER_EXECUTION_PRICE_H */
