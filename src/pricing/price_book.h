/*-------------------------------------------------------------------------
 *
 * price_book.h
 *		What a unit of usage cost at a time.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_PRICE_BOOK_H
#define USAGE_METER_PRICING_PRICE_BOOK_H

#include "postgres.h"

#include "datatype/timestamp.h"

#include "pricing/price_list.h"

/* What a price depends on.  Region, customer and tier may be NULL. */
typedef struct PriceKey
{
	Oid			book;			/* the schema that holds prices and price_rates */
	text	   *provider;
	text	   *model;
	text	   *region;
	text	   *customer_id;
	text	   *customer_tier;
	TimestampTz at;
} PriceKey;

/* What an execution costs that did not succeed. */
typedef enum FailedCalls
{
	FAILED_NEVER,				/* nothing */
	FAILED_TOKENS,				/* what its tokens cost, nothing if it has none */
	FAILED_REPORTED				/* what the provider says, nothing if it does not */
} FailedCalls;

#define FAILED_CALLS (FAILED_REPORTED + 1)

extern const char *const failed_calls_names[FAILED_CALLS];

/* How often this backend found prices in its cache, and how often it had to read them. */
typedef struct PriceBookCounters
{
	int64		hits;
	int64		loads;
} PriceBookCounters;

extern PriceBookCounters price_book_counters;

extern void price_book_init(void);

/*
 * The price list that applies, or NULL.  It stays valid until the next call of
 * this function; nothing in between may need it longer.
 */
extern const PriceList *price_book_find(const PriceKey *key);

/* The rule of the book, cached like prices. */
extern FailedCalls price_book_failed_calls(Oid book);

#endif							/* USAGE_METER_PRICING_PRICE_BOOK_H */
