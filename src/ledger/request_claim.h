/*-------------------------------------------------------------------------
 *
 * request_claim.h
 *		A request is recorded once: claims of request_id.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_REQUEST_CLAIM_H
#define USAGE_METER_LEDGER_REQUEST_CLAIM_H

#include "postgres.h"

#include "ledger/execution.h"

/* Hash of what the caller sent; to be taken before anything is stamped. */
extern int64 request_fingerprint(const Execution *row);

/*
 * Claim the request for this execution.  False if it is recorded: silently if
 * the fingerprint is the same, else the row is refused.
 */
extern bool request_claim(const Execution *row, int64 fingerprint);

#endif							/* USAGE_METER_LEDGER_REQUEST_CLAIM_H */
