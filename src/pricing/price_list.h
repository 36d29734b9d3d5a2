/*-------------------------------------------------------------------------
 *
 * price_list.h
 *		What units of usage cost, in one price list.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_PRICE_LIST_H
#define USAGE_METER_PRICING_PRICE_LIST_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/numeric.h"

#include "pricing/usage.h"

/*
 * One row of price_rates: the price of one unit, under conditions.  Tier and
 * region are "" in a rate for all.  Rates that differ only in from_quantity
 * share the quantity between them: each applies from there to the next.
 *
 * The price again as an integer, in units of 10^-scale of the list, if all its
 * prices fit; else -1.
 */
typedef struct PriceRate
{
	int			kind;			/* TokenKind, or TOKEN_KINDS for another unit */
	const char *unit;
	text	   *service_tier;
	text	   *region;
	int64		above_input_tokens;
	int64		from_quantity;
	Numeric		price;
	int64		scaled_price;
} PriceRate;

/*
 * One row of prices with its rates.  Customer and tier are "" in a list that is
 * for all.  Rates are sorted by kind, unit and from_quantity; those of a kind are
 * rates[first[kind]] up to before rates[first[kind + 1]].  A smaller rank means
 * that its name is nearer to the one asked for.
 */
typedef struct PriceList
{
	int64		price_id;
	int			rank;
	text	   *customer_id;
	text	   *customer_tier;
	TimestampTz valid_from;
	TimestampTz valid_to;
	int			scale;
	int			rate_count;
	PriceRate  *rates;
	int			first[TOKEN_KINDS + 1];
} PriceList;

extern void price_list_finish(PriceList *list);

#endif							/* USAGE_METER_PRICING_PRICE_LIST_H */
