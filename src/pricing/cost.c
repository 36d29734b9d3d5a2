/*-------------------------------------------------------------------------
 *
 * cost.c
 *		What counted usage costs at given prices.
 *
 * Exact: integers times decimals, added as decimals, never rounded.  One routine
 * makes the lines of a cost; the cost is their sum and explain_cost() shows them.
 *
 * Which rate applies.  Of the rates of a unit whose conditions hold, the one with
 * the highest threshold that the total input exceeds, then one for the service
 * tier, then one for the region.  So a missing price of a tier is the standard
 * price, but for throughput that was bought ahead.
 *
 * What has no rate.  Cached input costs as input, a part as its whole: reasoning
 * as output, an hour's cache write as any.  Images, characters, seconds and
 * requests are other measures of what tokens count already, so they cost nothing
 * more if tokens of that side are charged.  Anything else that has no rate makes
 * the cost unknown.
 *
 * Alternatives.  A list may price the same thing in two measures, such as images
 * and image tokens.  If both are counted, the finer one is charged.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "compat.h"
#include "pricing/cost.h"

/* A unit, and what is charged instead if both are counted and priced. */
static const struct
{
	const char *unit;
	const char *instead;
}			alternatives[] = {
	{"input_images", "input_image_tokens"},
	{"output_images", "output_image_tokens"},
	{"input_pixels", "input_images"},
	{"output_pixels", "output_images"},
	{"input_characters", "input_tokens"},
	{"output_characters", "output_tokens"},
	{"input_seconds", "input_audio_tokens"},
	{"output_seconds", "output_audio_tokens"},
	{"output_seconds", "output_video_tokens"},
	{"output_seconds", "input_seconds"},
};

/* Rates that apply to one unit: a stretch of the list, all with the conditions of best. */
typedef struct RateSet
{
	const PriceRate *best;		/* NULL: none */
	const PriceRate *end;
} RateSet;

static bool
is_condition_met(const text *condition, const text *actual)
{
	Size		length = VARSIZE_ANY_EXHDR(condition);

	return length == 0 ||
		(actual != NULL && length == VARSIZE_ANY_EXHDR(actual) &&
		 memcmp(VARDATA_ANY(condition), VARDATA_ANY(actual), length) == 0);
}

/*
 * Was the throughput bought ahead?  Then tokens cost nothing by themselves, and
 * the standard price would be wrong.
 */
static bool
is_prepaid(const text *service_tier)
{
	static const char prepaid[] = "provisioned_throughput";
	Size		length = strlen(prepaid);

	return service_tier != NULL && VARSIZE_ANY_EXHDR(service_tier) == length &&
		memcmp(VARDATA_ANY(service_tier), prepaid, length) == 0;
}

static int64
total_input(const Usage *usage)
{
	return usage->tokens[INPUT_TOKENS] + usage->tokens[CACHE_READ_TOKENS] + usage->tokens[CACHE_WRITE_TOKENS];
}

static bool
applies(const PriceRate *rate, const Usage *usage)
{
	return (rate->above_input_tokens == 0 || total_input(usage) > rate->above_input_tokens) &&
		is_condition_met(rate->service_tier, usage->service_tier) &&
		(VARSIZE_ANY_EXHDR(rate->service_tier) > 0 || !is_prepaid(usage->service_tier)) &&
		is_condition_met(rate->region, usage->region);
}

/* Is a more special than b?  Both apply. */
static bool
is_more_special(const PriceRate *a, const PriceRate *b)
{
	bool		tier_a = VARSIZE_ANY_EXHDR(a->service_tier) > 0;
	bool		tier_b = VARSIZE_ANY_EXHDR(b->service_tier) > 0;

	if (a->above_input_tokens != b->above_input_tokens)
		return a->above_input_tokens > b->above_input_tokens;
	if (tier_a != tier_b)
		return tier_a;
	return VARSIZE_ANY_EXHDR(a->region) > VARSIZE_ANY_EXHDR(b->region);
}

static RateSet
choose_rates(const PriceRate *rate, const PriceRate *end, const Usage *usage)
{
	RateSet		set = {NULL, end};

	for (; rate < end; rate++)
	{
		if (applies(rate, usage) && (set.best == NULL || is_more_special(rate, set.best)))
			set.best = rate;
	}
	return set;
}

static RateSet
rates_of_kind(const PriceList *list, TokenKind kind, const Usage *usage)
{
	return choose_rates(list->rates + list->first[kind], list->rates + list->first[kind + 1], usage);
}

static RateSet
rates_of_unit(const PriceList *list, const char *unit, const Usage *usage)
{
	int			kind = token_kind_find(unit);
	const PriceRate *rate = list->rates + list->first[TOKEN_KINDS];
	const PriceRate *end = list->rates + list->rate_count;
	const PriceRate *after;

	if (kind >= 0)
		return rates_of_kind(list, kind, usage);
	while (rate < end && strcmp(rate->unit, unit) != 0)
		rate++;
	for (after = rate; after < end && strcmp(after->unit, unit) == 0; after++)
		continue;
	return choose_rates(rate, after, usage);
}

static void
add_line(CostSheet *sheet, CostLine line)
{
	if (sheet->count == sheet->size)
	{
		Size		bytes = sizeof(CostLine) * sheet->size;

		sheet->size *= 2;
		if (sheet->lines == sheet->first)
			sheet->lines = memcpy(palloc(2 * bytes), sheet->first, bytes);
		else
			sheet->lines = repalloc(sheet->lines, 2 * bytes);
	}
	sheet->lines[sheet->count++] = line;
	if (line.rate == NULL)
		sheet->complete = false;
}

/* The next rate with the same conditions: the price from a larger quantity on. */
static const PriceRate *
next_step(const PriceRate *rate, const PriceRate *end)
{
	const PriceRate *next;

	for (next = rate + 1; next < end; next++)
	{
		if (next->above_input_tokens == rate->above_input_tokens &&
			VARSIZE_ANY(next->service_tier) == VARSIZE_ANY(rate->service_tier) &&
			is_condition_met(next->service_tier, rate->service_tier) &&
			VARSIZE_ANY(next->region) == VARSIZE_ANY(rate->region) &&
			is_condition_met(next->region, rate->region))
			return next;
	}
	return NULL;
}

static bool
is_greater(Numeric a, int64 b)
{
	return DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(a), NumericGetDatum(int64_to_numeric(b))));
}

/* The lines of whole counts, which most are: one for each step of the rates. */
static void
charge_count(CostSheet *sheet, const char *unit, int64 count, RateSet rates)
{
	const PriceRate *rate;
	const PriceRate *next;

	if (rates.best == NULL || rates.best->from_quantity > 0)
	{
		add_line(sheet, (CostLine) {unit, count, NULL, NULL});
		return;
	}
	for (rate = rates.best; rate != NULL && count > rate->from_quantity; rate = next)
	{
		int64		upto = count;

		next = next_step(rate, rates.end);
		if (next != NULL && next->from_quantity < count)
			upto = next->from_quantity;
		add_line(sheet, (CostLine) {unit, upto - rate->from_quantity, NULL, rate});
	}
}

/* The same for quantities with a fraction. */
static void
charge_quantity(CostSheet *sheet, const char *unit, Numeric quantity, RateSet rates)
{
	const PriceRate *rate;
	const PriceRate *next;

	if (rates.best == NULL || rates.best->from_quantity > 0)
	{
		add_line(sheet, (CostLine) {unit, -1, quantity, NULL});
		return;
	}
	for (rate = rates.best; rate != NULL && is_greater(quantity, rate->from_quantity); rate = next)
	{
		Numeric		upto = quantity;

		next = next_step(rate, rates.end);
		if (next != NULL && is_greater(quantity, next->from_quantity))
			upto = int64_to_numeric(next->from_quantity);
		add_line(sheet, (CostLine) {unit, -1,
				 DatumGetNumeric(DirectFunctionCall2(numeric_sub, NumericGetDatum(upto),
													 NumericGetDatum(int64_to_numeric(rate->from_quantity)))), rate});
	}
}

static const UnitCount *
find_unit(const Usage *usage, const char *unit)
{
	int			i;

	for (i = 0; i < usage->unit_count; i++)
	{
		if (strcmp(usage->units[i].unit, unit) == 0)
			return &usage->units[i];
	}
	return NULL;
}

static bool
is_used(const Usage *usage, const char *unit)
{
	int			kind = token_kind_find(unit);
	const UnitCount *found;

	if (kind >= 0)
		return usage->tokens[kind] > 0;
	found = find_unit(usage, unit);
	return found != NULL && is_greater(found->quantity, 0);
}

static bool
has_token_rate(const PriceList *list)
{
	return list->first[TOKEN_KINDS] > 0;
}

/* Is anything charged that is not counted in tokens? */
static bool
charges_other_units(const PriceList *list, const Usage *usage)
{
	int			i;

	for (i = 0; i < usage->unit_count; i++)
	{
		if (is_used(usage, usage->units[i].unit) && rates_of_unit(list, usage->units[i].unit, usage).best != NULL)
			return true;
	}
	return false;
}

/* Charge one of the disjoint kinds of tokens: its parts that have a price, then the rest. */
static void
charge_tokens(CostSheet *sheet, TokenKind kind, const Usage *usage)
{
	const PriceList *list = sheet->list;
	int64		rest = usage->tokens[kind];
	RateSet		rates;
	int			part;

	if (rest == 0)
		return;
	for (part = OUTPUT_TOKENS + 1; part < TOKEN_KINDS; part++)
	{
		if (usage->tokens[part] == 0 || token_kind_wholes[part] != kind)
			continue;
		rates = rates_of_kind(list, part, usage);
		if (rates.best == NULL)
			continue;
		rest -= usage->tokens[part];
		if (rest < 0)
		{
			refuse(sheet->refusal, (Refusal)
				   {
					   .sqlstate = ERRCODE_CHECK_VIOLATION,
					   .message = psprintf("parts of %s of an execution are more than the whole", token_kind_names[kind]),
					   .detail = psprintf("With " INT64_FORMAT " %s they exceed it by " INT64_FORMAT ".",
										  usage->tokens[part], token_kind_names[part], -rest),
					   .hint = "Parts that have prices of their own must not overlap."
				   });
			return;
		}
		charge_count(sheet, token_kind_names[part], usage->tokens[part], rates);
	}
	if (rest == 0)
		return;
	rates = rates_of_kind(list, kind, usage);
	if (rates.best == NULL && (kind == CACHE_READ_TOKENS || kind == CACHE_WRITE_TOKENS))
		rates = rates_of_kind(list, INPUT_TOKENS, usage);
	if (rates.best == NULL && !has_token_rate(list) && charges_other_units(list, usage))
		return;
	charge_count(sheet, token_kind_names[kind], rest, rates);
}

/* Is it charged already, in a finer measure? */
static bool
is_charged_instead(const PriceList *list, const char *unit, const Usage *usage)
{
	int			i;

	for (i = 0; i < (int) lengthof(alternatives); i++)
	{
		if (strcmp(alternatives[i].unit, unit) == 0 &&
			is_used(usage, alternatives[i].instead) &&
			rates_of_unit(list, alternatives[i].instead, usage).best != NULL)
			return true;
	}
	return false;
}

/* Is a unit without a price another measure of tokens that are charged? */
static bool
is_in_tokens(const PriceList *list, const char *unit, const Usage *usage)
{
	bool		input = total_input(usage) > 0;
	bool		output = usage->tokens[OUTPUT_TOKENS] > 0;

	if (!has_token_rate(list))
		return false;
	if (strncmp(unit, "input_", 6) == 0)
		return input;
	if (strncmp(unit, "output_", 7) == 0)
		return output;
	return strcmp(unit, usage_unit_names[REQUESTS]) == 0 && (input || output);
}

static void
charge_unit(CostSheet *sheet, const UnitCount *used, const Usage *usage)
{
	RateSet		rates = rates_of_unit(sheet->list, used->unit, usage);

	if (!is_greater(used->quantity, 0) ||
		(rates.best != NULL && is_charged_instead(sheet->list, used->unit, usage)) ||
		(rates.best == NULL && is_in_tokens(sheet->list, used->unit, usage)))
		return;
	charge_quantity(sheet, used->unit, used->quantity, rates);
}

/* An execution is one request, if nothing else is said. */
static void
charge_request(CostSheet *sheet, const Usage *usage)
{
	const char *unit = usage_unit_names[REQUESTS];
	RateSet		rates = rates_of_unit(sheet->list, unit, usage);

	if (rates.best != NULL && find_unit(usage, unit) == NULL)
		charge_count(sheet, unit, 1, rates);
}

void
cost_sheet_make(CostSheet *sheet, const PriceList *list, const Usage *usage, Refusal *refusal)
{
	int			i;

	sheet->list = list;
	sheet->refusal = refusal;
	sheet->complete = true;
	sheet->count = 0;
	sheet->size = lengthof(sheet->first);
	sheet->lines = sheet->first;

	for (i = INPUT_TOKENS; i <= OUTPUT_TOKENS; i++)
		charge_tokens(sheet, i, usage);
	for (i = 0; i < usage->unit_count; i++)
		charge_unit(sheet, &usage->units[i], usage);
	if (list->first[TOKEN_KINDS] < list->rate_count)
		charge_request(sheet, usage);
}

Numeric
cost_line_quantity(const CostLine *line)
{
	return line->count >= 0 ? int64_to_numeric(line->count) : line->quantity;
}

Numeric
cost_line_amount(const CostLine *line)
{
	Datum		amount;

	if (line->rate == NULL)
		return NULL;
	amount = DirectFunctionCall2(numeric_mul, NumericGetDatum(cost_line_quantity(line)),
								 NumericGetDatum(line->rate->price));
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, amount));
}

/* The sum in units of 10^-scale, if all fits into integers. */
static bool
sum_scaled(const CostSheet *sheet, int64 *sum)
{
	int			i;

	*sum = 0;
	for (i = 0; i < sheet->count; i++)
	{
		const CostLine *line = &sheet->lines[i];
		int64		amount;

		if (line->count < 0 || line->rate->scaled_price < 0 ||
			pg_mul_s64_overflow(line->count, line->rate->scaled_price, &amount) ||
			pg_add_s64_overflow(*sum, amount, sum))
			return false;
	}
	return true;
}

static Numeric
sum_amounts(const CostSheet *sheet)
{
	Datum		sum = NumericGetDatum(int64_to_numeric(0));
	int			i;

	for (i = 0; i < sheet->count; i++)
		sum = DirectFunctionCall2(numeric_add, sum, NumericGetDatum(cost_line_amount(&sheet->lines[i])));
	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale, sum));
}

/* What the lines add up to, NULL if one has no price.  Without trailing zeros. */
Numeric
cost_sheet_total(const CostSheet *sheet)
{
	int64		sum;
	int			scale = sheet->list->scale;

	if (!sheet->complete)
		return NULL;
	if (!sum_scaled(sheet, &sum))
		return sum_amounts(sheet);
	if (sum == 0)
		return int64_to_numeric(0);
	for (; scale > 0 && sum % 10 == 0; scale--)
		sum /= 10;
	return int64_div_fast_to_numeric(sum, scale);
}

Numeric
usage_cost(const PriceList *list, const Usage *usage, Refusal *refusal)
{
	CostSheet	sheet;

	cost_sheet_make(&sheet, list, usage, refusal);
	return cost_sheet_total(&sheet);
}
