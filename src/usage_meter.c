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
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/guc.h"

#include "compat.h"
#include "ledger/rerate.h"
#include "pricing/price_book.h"

PG_MODULE_MAGIC;

void		_PG_init(void);

void
_PG_init(void)
{
	price_book_init();
	rerate_init();
	MarkGUCPrefixReserved("usage_meter");
}
