/*-------------------------------------------------------------------------
 *
 * rerate.h
 *		Price settled executions again.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_RERATE_H
#define USAGE_METER_LEDGER_RERATE_H

#include "postgres.h"

#include "utils/relcache.h"

extern void rerate_init(void);

/* Has its owner allowed that executions of this ledger are priced again? */
extern bool is_rerating(Relation history);

#endif							/* USAGE_METER_LEDGER_RERATE_H */
