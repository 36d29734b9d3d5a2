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
#include "utils/numeric.h"

/* The token kinds that a price list can have a rate for. */
typedef enum PriceUnit
{
	PRICE_INPUT_TOKEN,
	PRICE_CACHE_READ_TOKEN,
	PRICE_CACHE_WRITE_TOKEN,
	PRICE_OUTPUT_TOKEN,
	PRICE_REASONING_TOKEN
} PriceUnit;

#define PRICE_UNITS (PRICE_REASONING_TOKEN + 1)

/*
 * One row of prices with its rates: prices of single tokens, NULL where the
 * list has none.  Customer and tier are "" in a list that is for all.
 */
typedef struct PriceList
{
	int64		price_id;
	text	   *customer_id;
	text	   *customer_tier;
	TimestampTz valid_from;
	TimestampTz valid_to;
	Numeric		rates[PRICE_UNITS];
} PriceList;

/* What a price depends on.  Customer and tier may be NULL. */
typedef struct PriceKey
{
	Oid			book;			/* the schema that holds prices and price_rates */
	text	   *provider;
	text	   *model;
	text	   *customer_id;
	text	   *customer_tier;
	TimestampTz at;
} PriceKey;

extern void price_book_init(void);

/*
 * The price list that applies, or NULL.  It stays valid until the next call of
 * this function; nothing in between may need it longer.
 */
extern const PriceList *price_book_find(const PriceKey *key);

#endif							/* USAGE_METER_PRICING_PRICE_BOOK_H */
