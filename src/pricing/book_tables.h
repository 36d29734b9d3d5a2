/*-------------------------------------------------------------------------
 *
 * book_tables.h
 *		Read the tables of a price book.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_BOOK_TABLES_H
#define USAGE_METER_PRICING_BOOK_TABLES_H

#include "postgres.h"

#include "nodes/pg_list.h"

#include "pricing/price_book.h"
#include "pricing/price_list.h"

/* Price lists in a context of their choice. */
typedef struct PriceLists
{
	int			count;
	PriceList  *lists;
} PriceLists;

/* The relation whose invalidation announces every change of the book. */
extern Oid	book_tables_announced(Oid book);

/* Names under which a model may be listed, the nearest first: of ModelName. */
extern List *book_tables_names(Oid book, const text *provider, const text *model, const text *region);

/* The lists under any of these names, ranked by them. */
extern PriceLists book_tables_lists(Oid book, List *names, MemoryContext context);

/* The one list with that identity, or NULL. */
extern PriceList *book_tables_list(Oid book, int64 price_id);

extern FailedCalls book_tables_failed_calls(Oid book);

#endif							/* USAGE_METER_PRICING_BOOK_TABLES_H */
