/*-------------------------------------------------------------------------
 *
 * cost.c
 *		What counted usage costs at given prices.
 *
 * Exact: integers times decimals, added as decimals, never rounded.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/fmgrprotos.h"

#include "pricing/cost.h"

/* Add count units at rate to *cost; false if there are some and no rate. */
static bool
add_line(Numeric *cost, int64 count, Numeric rate)
{
	Numeric		line;

	if (count == 0)
		return true;
	if (rate == NULL)
		return false;

	line = DatumGetNumeric(DirectFunctionCall2(numeric_mul,
											   NumericGetDatum(int64_to_numeric(count)),
											   NumericGetDatum(rate)));
	if (*cost != NULL)
		line = DatumGetNumeric(DirectFunctionCall2(numeric_add,
												   NumericGetDatum(*cost),
												   NumericGetDatum(line)));
	*cost = line;
	return true;
}

/*
 * A kind without a rate of its own costs what it is a part of: cached input as
 * input, reasoning as output.
 */
Numeric
token_cost(const PriceList *list, const TokenCounts *counts)
{
	Numeric		input = list->rates[PRICE_INPUT_TOKEN];
	Numeric		cache_read = list->rates[PRICE_CACHE_READ_TOKEN];
	Numeric		cache_write = list->rates[PRICE_CACHE_WRITE_TOKEN];
	Numeric		output = list->rates[PRICE_OUTPUT_TOKEN];
	Numeric		reasoning = list->rates[PRICE_REASONING_TOKEN];
	int64		reasoned = reasoning != NULL ? counts->reasoning : 0;
	Numeric		cost = NULL;

	if (!add_line(&cost, counts->input, input) ||
		!add_line(&cost, counts->cache_read, cache_read != NULL ? cache_read : input) ||
		!add_line(&cost, counts->cache_write, cache_write != NULL ? cache_write : input) ||
		!add_line(&cost, counts->output - reasoned, output) ||
		!add_line(&cost, reasoned, reasoning))
		return NULL;

	if (cost == NULL)
		return int64_to_numeric(0);
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, NumericGetDatum(cost)));
}
