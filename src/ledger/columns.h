/*-------------------------------------------------------------------------
 *
 * columns.h
 *		The columns of a ledger's tables that C code reads and writes.
 *
 * A ledger's tables belong to its owner, who may add columns, and drop them.  So
 * C code finds each column by name and checks its type before it trusts it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_COLUMNS_H
#define USAGE_METER_LEDGER_COLUMNS_H

#include "postgres.h"

#include "access/attnum.h"
#include "utils/relcache.h"

/* Columns of execution_history, in the order in which a ledger is made. */
typedef enum HistoryColumn
{
	HISTORY_ID,
	HISTORY_CREATED_AT,
	HISTORY_STARTED_AT,
	HISTORY_COMPLETED_AT,
	HISTORY_DURATION_MS,
	HISTORY_QUEUE_TIME_MS,
	HISTORY_CUSTOMER_ID,
	HISTORY_CUSTOMER_TIER,
	HISTORY_PROJECT_ID,
	HISTORY_PACKAGE_ID,
	HISTORY_SECTION,
	HISTORY_USER_ID,
	HISTORY_API_KEY_ID,
	HISTORY_ENVIRONMENT,
	HISTORY_SOURCE,
	HISTORY_REQUEST_ID,
	HISTORY_STATUS,
	HISTORY_ERROR_CODE,
	HISTORY_PROVIDER,
	HISTORY_MODEL,
	HISTORY_API,
	HISTORY_SERVICE_TIER,
	HISTORY_REGION,
	HISTORY_RESPONSE_ID,
	HISTORY_USAGE,
	HISTORY_INPUT_TOKENS,
	HISTORY_CACHE_READ_TOKENS,
	HISTORY_CACHE_WRITE_TOKENS,
	HISTORY_CACHE_WRITE_1H_TOKENS,
	HISTORY_OUTPUT_TOKENS,
	HISTORY_REASONING_TOKENS,
	HISTORY_UNITS,
	HISTORY_TOTAL_TOKENS,
	HISTORY_TOKEN_SOURCE,
	HISTORY_BYOK,
	HISTORY_COST,
	HISTORY_REPORTED_COST,
	HISTORY_SHADOW_COST,
	HISTORY_PRICE_ID,
	HISTORY_PRICE_STATUS,
	HISTORY_CREDITED_COST,
	HISTORY_DELETED_AT
} HistoryColumn;

#define HISTORY_COLUMNS (HISTORY_DELETED_AT + 1)

/* Columns of usage_deltas, those of the type usage_cell. */
typedef enum DeltaColumn
{
	DELTA_BUCKET,
	DELTA_CUSTOMER_ID,			/* dimensions from here ... */
	DELTA_PROJECT_ID,
	DELTA_PACKAGE_ID,
	DELTA_SECTION,
	DELTA_PROVIDER,
	DELTA_MODEL,
	DELTA_ENVIRONMENT,
	DELTA_CUSTOMER_TIER,
	DELTA_USER_ID,
	DELTA_API_KEY_ID,
	DELTA_EXECUTIONS,			/* integer measures from here ... */
	DELTA_SUCCEEDED,
	DELTA_FAILED,
	DELTA_TIMED_OUT,
	DELTA_CANCELLED,
	DELTA_OPEN,
	DELTA_UNPRICED,
	DELTA_UNREPORTED,
	DELTA_ESTIMATED,
	DELTA_BYOK,
	DELTA_INPUT_TOKENS,
	DELTA_CACHE_READ_TOKENS,
	DELTA_CACHE_WRITE_TOKENS,
	DELTA_OUTPUT_TOKENS,
	DELTA_REASONING_TOKENS,
	DELTA_COST,					/* money */
	DELTA_BILLED_COST,
	DELTA_SHADOW_COST,
	DELTA_DURATION_US,
	DELTA_QUEUE_TIME_US,
	DELTA_DURATION_SKETCH,
	DELTA_QUEUE_TIME_SKETCH
} DeltaColumn;

#define DELTA_COLUMNS		(DELTA_QUEUE_TIME_SKETCH + 1)
#define DELTA_DIMENSIONS	(DELTA_API_KEY_ID - DELTA_CUSTOMER_ID + 1)

/* Columns of request_claims; the first three are its primary key. */
typedef enum ClaimColumn
{
	CLAIM_CUSTOMER_ID,
	CLAIM_SOURCE,
	CLAIM_REQUEST_ID,
	CLAIM_FINGERPRINT,
	CLAIM_EXECUTION_ID,
	CLAIM_CREATED_AT,
	CLAIM_CLAIMED_AT
} ClaimColumn;

#define CLAIM_COLUMNS		(CLAIM_CLAIMED_AT + 1)

extern void columns_init(void);
extern void history_columns_resolve(Relation history, AttrNumber *attnums);
extern void delta_columns_resolve(Relation deltas, Oid sketch_type, AttrNumber *attnums);
extern void claim_columns_resolve(Relation claims, AttrNumber *attnums);

#endif							/* USAGE_METER_LEDGER_COLUMNS_H */
