/*-------------------------------------------------------------------------
 *
 * cost.h
 *		What counted usage costs at given prices.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_COST_H
#define USAGE_METER_PRICING_COST_H

#include "postgres.h"

#include "utils/numeric.h"

#include "pricing/price_book.h"

/*
 * Tokens of one execution.  Disjoint but for reasoning, which is a part of
 * output: 0 <= reasoning <= output.  None is negative.
 */
typedef struct TokenCounts
{
	int64		input;
	int64		cache_read;
	int64		cache_write;
	int64		output;
	int64		reasoning;
} TokenCounts;

/*
 * The exact cost, allocated in the current context; NULL if the list has no
 * rate for tokens that were used.
 */
extern Numeric token_cost(const PriceList *list, const TokenCounts *counts);

#endif							/* USAGE_METER_PRICING_COST_H */
