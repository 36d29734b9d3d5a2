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

#include "pricing/price_list.h"
#include "pricing/usage.h"

/*
 * So much of a unit at a rate; without a rate its price is not known.  The
 * quantity is count, or if that is -1 quantity.
 */
typedef struct CostLine
{
	const char *unit;
	int64		count;
	Numeric		quantity;
	const PriceRate *rate;
} CostLine;

/* The arithmetic of one cost: the lines, whose amounts add up to it. */
typedef struct CostSheet
{
	const PriceList *list;
	Refusal    *refusal;		/* room for one */
	bool		complete;		/* every line has a rate */
	int			count;
	int			size;
	CostLine   *lines;
	CostLine	first[8];		/* enough for most */
} CostSheet;

extern void cost_sheet_make(CostSheet *sheet, const PriceList *list, const Usage *usage, Refusal *refusal);
extern Numeric cost_sheet_total(const CostSheet *sheet);
extern Numeric cost_line_quantity(const CostLine *line);
extern Numeric cost_line_amount(const CostLine *line);

/* The exact cost in the current context; NULL if the list lacks a price.  Parts that overlap are refused. */
extern Numeric usage_cost(const PriceList *list, const Usage *usage, Refusal *refusal);

#endif							/* USAGE_METER_PRICING_COST_H */
