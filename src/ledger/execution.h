/*-------------------------------------------------------------------------
 *
 * execution.h
 *		A row of execution_history in memory, and what its columns may hold.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_EXECUTION_H
#define USAGE_METER_LEDGER_EXECUTION_H

#include "postgres.h"

#include "executor/tuptable.h"
#include "fmgr.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#include "compat.h"
#include "ledger/columns.h"
#include "pricing/refusal.h"

/*
 * Limits of what a row may say.  Dimensions are keys of an index whose rows are
 * at most 2,704 bytes: ten of them must fit.  Amounts are in an index too.  The
 * limits on numbers keep 64 bits from overflowing before one cell holds nine
 * million executions of the longest duration, or nine hundred million of the most
 * tokens.
 */
#define DIMENSION_BYTES_MAX		255
#define AMOUNT_BYTES_MAX		255
#define TOKENS_MAX				INT64CONST(10000000000)
#define DURATION_MS_MAX			INT64CONST(1000000000)	/* eleven days */

typedef enum ExecutionStatus
{
	STATUS_PENDING,
	STATUS_RUNNING,
	STATUS_SUCCESS,
	STATUS_FAILED,
	STATUS_TIMEOUT,
	STATUS_CANCELLED
} ExecutionStatus;

#define EXECUTION_STATUSES (STATUS_CANCELLED + 1)

typedef enum TokenSource
{
	TOKENS_REPORTED,
	TOKENS_COUNTED,
	TOKENS_ESTIMATED,
	TOKENS_UNREPORTED
} TokenSource;

#define TOKEN_SOURCES (TOKENS_UNREPORTED + 1)

typedef enum PriceStatus
{
	PRICE_PENDING,
	PRICE_PRICED,
	PRICE_UNPRICED,
	PRICE_BYOK,
	PRICE_REPORTED
} PriceStatus;

#define PRICE_STATUSES (PRICE_REPORTED + 1)

extern const char *const status_names[EXECUTION_STATUSES];
extern const char *const token_source_names[TOKEN_SOURCES];
extern const char *const price_status_names[PRICE_STATUSES];

/* Why a row is not accepted, and the column to blame. */
typedef struct RowRefusal
{
	Refusal		reason;
	const char *column;
} RowRefusal;

/*
 * The row: all columns of the table, and where ours are among them.  A refusal
 * is noted in it where there is room, and raised where there is none.
 */
typedef struct Execution
{
	Relation	relation;
	const AttrNumber *attnums;	/* by HistoryColumn */
	Datum	   *values;
	bool	   *nulls;
	RowRefusal *refusal;
} Execution;

static inline bool
execution_is_refused(const Execution *row)
{
	return row->refusal != NULL && is_refused(&row->refusal->reason);
}

static inline bool
execution_is_null(const Execution *row, HistoryColumn column)
{
	return row->nulls[row->attnums[column] - 1];
}

static inline Datum
execution_value(const Execution *row, HistoryColumn column)
{
	return row->values[row->attnums[column] - 1];
}

/* The text of a column, or NULL. */
static inline text *
execution_text(const Execution *row, HistoryColumn column)
{
	return execution_is_null(row, column) ? NULL : DatumGetTextPP(execution_value(row, column));
}

/* The integer of a column, 0 for NULL. */
static inline int64
execution_int64(const Execution *row, HistoryColumn column)
{
	return execution_is_null(row, column) ? 0 : DatumGetInt64(execution_value(row, column));
}

static inline void
execution_set(Execution *row, HistoryColumn column, Datum value)
{
	row->values[row->attnums[column] - 1] = value;
	row->nulls[row->attnums[column] - 1] = false;
}

static inline void
execution_set_null(Execution *row, HistoryColumn column)
{
	row->nulls[row->attnums[column] - 1] = true;
}

static inline bool
status_is_open(int status)
{
	return status == STATUS_PENDING || status == STATUS_RUNNING;
}

static inline Form_pg_attribute
execution_attribute(const Execution *row, HistoryColumn column)
{
	return TupleDescAttr(RelationGetDescr(row->relation), row->attnums[column] - 1);
}

/* The numeric of a number that rows are compared or multiplied with, made once. */
static inline Datum
numeric_constant(Numeric *made, int64 value)
{
	if (unlikely(*made == NULL))
	{
		MemoryContext old_context = MemoryContextSwitchTo(TopMemoryContext);

		*made = int64_to_numeric(value);
		MemoryContextSwitchTo(old_context);
	}
	return NumericGetDatum(*made);
}

extern Execution execution_of_tuple(Relation relation, const AttrNumber *attnums, HeapTuple tuple);
extern Execution execution_of_slot(Relation relation, const AttrNumber *attnums, TupleTableSlot *slot);
extern int	execution_status(const Execution *row);
extern bool execution_same_value(const Execution *a, const Execution *b, HistoryColumn column);
extern int	execution_word(const Execution *row, HistoryColumn column,
						   const char *const *words, int count);
extern int64 execution_microseconds(const Execution *row, HistoryColumn column);

extern void execution_refuse(const Execution *row, HistoryColumn column, Refusal refusal);

#endif							/* USAGE_METER_LEDGER_EXECUTION_H */
