/*-------------------------------------------------------------------------
 *
 * usage_meter.c
 *		Load the library.
 *
 * The rooms, lower ones first; none knows those after it:
 *
 *		sketch/		the quantile_sketch type and its aggregates
 *		pricing/	usage reports of providers, price book and cost
 *		ledger/		what happens to a row of execution_history
 *		export/		results of queries as files
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "compat.h"
#include "ledger/columns.h"
#include "ledger/correction.h"
#include "ledger/fold_worker.h"
#include "ledger/quarantine.h"
#include "pricing/price_book.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	columns_init();
	price_book_init();
	fold_worker_init();
	quarantine_init();
	correction_init();
	MarkGUCPrefixReserved("usage_meter");
}
