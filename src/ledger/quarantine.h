/*-------------------------------------------------------------------------
 *
 * quarantine.h
 *		Where bad rows are kept, if the setting on_bad_row says so.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_QUARANTINE_H
#define USAGE_METER_LEDGER_QUARANTINE_H

#include "postgres.h"

#include "access/htup.h"

#include "ledger/execution.h"

extern void quarantine_init(void);

/* Room for a refusal if bad rows go to quarantine; NULL if they raise an error. */
extern RowRefusal *quarantine_room(void);

/* Keep the row as it was sent, with the refusal that is noted in row. */
extern void quarantine_execution(const Execution *row, HeapTuple sent);

#endif							/* USAGE_METER_LEDGER_QUARANTINE_H */
