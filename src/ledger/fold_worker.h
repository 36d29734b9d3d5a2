/*-------------------------------------------------------------------------
 *
 * fold_worker.h
 *		Fold deltas in the background, with nothing configured.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_FOLD_WORKER_H
#define USAGE_METER_LEDGER_FOLD_WORKER_H

#include "postgres.h"

#include "utils/rel.h"

/* Makes the setting usage_meter.fold_threshold. */
extern void fold_worker_init(void);

/* This transaction has appended so many deltas to that table. */
extern void fold_worker_note(Relation deltas, int64 appended);

#endif							/* USAGE_METER_LEDGER_FOLD_WORKER_H */
