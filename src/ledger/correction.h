/*-------------------------------------------------------------------------
 *
 * correction.h
 *		Who may change the money of settled executions, and when.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_CORRECTION_H
#define USAGE_METER_LEDGER_CORRECTION_H

#include "postgres.h"

#include "utils/rel.h"

extern void correction_init(void);

/* May this statement have settled executions of the table priced again, or credited? */
extern bool is_rerating(Relation history);
extern bool is_crediting(Relation history);

#endif							/* USAGE_METER_LEDGER_CORRECTION_H */
