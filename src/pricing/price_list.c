/*-------------------------------------------------------------------------
 *
 * price_list.c
 *		What units of usage cost, in one price list.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/fmgrprotos.h"

#include "pricing/price_list.h"

/* Prices of more decimals are added as numeric. */
#define SCALE_MAX			15

static int
compare_rates(const void *a, const void *b)
{
	const PriceRate *left = a;
	const PriceRate *right = b;
	int			order;

	if (left->kind != right->kind)
		return left->kind < right->kind ? -1 : 1;
	order = strcmp(left->unit, right->unit);
	if (order != 0)
		return order;
	if (left->from_quantity != right->from_quantity)
		return left->from_quantity < right->from_quantity ? -1 : 1;
	return 0;
}

static int
decimals_of(Numeric price)
{
	return DatumGetInt32(DirectFunctionCall1(numeric_min_scale, NumericGetDatum(price)));
}

/* The price in units of 10^-scale; -1 if it does not fit. */
static int64
scaled(Numeric price, int scale)
{
	Numeric		unit = int64_div_fast_to_numeric(1, scale);
	Datum		quotient = DirectFunctionCall2(numeric_div_trunc, NumericGetDatum(price), NumericGetDatum(unit));

	if (DatumGetBool(DirectFunctionCall2(numeric_gt, quotient, NumericGetDatum(int64_to_numeric(PG_INT64_MAX)))))
		return -1;
	return DatumGetInt64(DirectFunctionCall1(numeric_int8, quotient));
}

static void
scale_prices(PriceList *list)
{
	bool		fits;
	int			i;

	list->scale = 0;
	for (i = 0; i < list->rate_count; i++)
		list->scale = Max(list->scale, decimals_of(list->rates[i].price));
	fits = list->scale <= SCALE_MAX;
	for (i = 0; i < list->rate_count; i++)
	{
		list->rates[i].scaled_price = fits ? scaled(list->rates[i].price, list->scale) : -1;
	}
}

/* Make a list usable whose rates have come in any order. */
void
price_list_finish(PriceList *list)
{
	int			kind = 0;
	int			i;

	if (list->rate_count > 1)
		qsort(list->rates, list->rate_count, sizeof(PriceRate), compare_rates);
	for (i = 0; i < list->rate_count; i++)
	{
		while (kind <= list->rates[i].kind)
			list->first[kind++] = i;
	}
	while (kind <= TOKEN_KINDS)
		list->first[kind++] = list->rate_count;
	scale_prices(list);
}
