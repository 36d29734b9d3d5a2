/*-------------------------------------------------------------------------
 *
 * execution_price.c
 *		What an execution used, and what it costs.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#include "ledger/execution_price.h"
#include "ledger/execution_report.h"
#include "pricing/cost.h"
#include "pricing/price_book.h"

const ExecutionCount execution_counts[EXECUTION_COUNTS] = {
	{HISTORY_INPUT_TOKENS, INPUT_TOKENS},
	{HISTORY_CACHE_READ_TOKENS, CACHE_READ_TOKENS},
	{HISTORY_CACHE_WRITE_TOKENS, CACHE_WRITE_TOKENS},
	{HISTORY_CACHE_WRITE_1H_TOKENS, CACHE_WRITE_1H_TOKENS},
	{HISTORY_OUTPUT_TOKENS, OUTPUT_TOKENS},
	{HISTORY_REASONING_TOKENS, REASONING_TOKENS},
};

bool
execution_has_tokens(const Execution *row)
{
	int			i;

	for (i = 0; i < EXECUTION_COUNTS; i++)
	{
		if (!execution_is_null(row, execution_counts[i].column))
			return true;
	}
	return false;
}

/* Is anything counted, be it zero? */
bool
execution_has_usage(const Execution *row)
{
	return execution_has_tokens(row) || !execution_is_null(row, HISTORY_UNITS);
}

/* Refuses units that are no such object, and a part that is more than the whole. */
Usage
execution_usage(const Execution *row)
{
	Usage		usage = {
		.service_tier = execution_text(row, HISTORY_SERVICE_TIER),
		.region = execution_text(row, HISTORY_REGION)
	};
	Refusal		refusal = {0};
	int			i;

	for (i = 0; i < EXECUTION_COUNTS; i++)
		usage.tokens[execution_counts[i].kind] = execution_int64(row, execution_counts[i].column);
	if (!execution_is_null(row, HISTORY_UNITS))
		usage_add_units(&usage, DatumGetJsonbP(execution_value(row, HISTORY_UNITS)), &refusal);
	usage_check_parts(&usage, &refusal);
	if (is_refused(&refusal))
		execution_refuse(row, HISTORY_UNITS, refusal);
	return usage;
}

static void
set_price(Execution *row, PriceStatus status, Numeric cost)
{
	execution_set(row, HISTORY_PRICE_STATUS, CStringGetTextDatum(price_status_names[status]));
	if (cost != NULL)
		execution_set(row, HISTORY_COST, NumericGetDatum(cost));
	else
		execution_set_null(row, HISTORY_COST);
}

/* The cost by the price book, NULL if there is none for this execution. */
static Numeric
book_cost(Execution *row, const Usage *usage)
{
	PriceKey	key = {
		.book = RelationGetNamespace(row->relation),
		.provider = execution_text(row, HISTORY_PROVIDER),
		.model = execution_text(row, HISTORY_MODEL),
		.region = usage->region,
		.customer_id = execution_text(row, HISTORY_CUSTOMER_ID),
		.customer_tier = execution_text(row, HISTORY_CUSTOMER_TIER),
		.at = DatumGetTimestampTz(execution_value(row, HISTORY_CREATED_AT))
	};
	const PriceList *list;
	Refusal		refusal = {0};
	Numeric		cost;

	if (!execution_has_usage(row) || key.provider == NULL || key.model == NULL)
		return NULL;
	list = price_book_find(&key);
	if (list == NULL)
		return NULL;
	cost = usage_cost(list, usage, &refusal);
	if (is_refused(&refusal))
		execution_refuse(row, HISTORY_UNITS, refusal);
	if (cost != NULL)
		execution_set(row, HISTORY_PRICE_ID, Int64GetDatum(list->price_id));
	return cost;
}

/* With the customer's own key the price is only what it would have cost. */
static void
price_byok(Execution *row, const Usage *usage)
{
	Numeric		cost = book_cost(row, usage);

	if (cost == NULL)
		cost = execution_upstream_cost(row);
	if (cost != NULL)
		execution_set(row, HISTORY_SHADOW_COST, NumericGetDatum(cost));
	set_price(row, PRICE_BYOK, int64_to_numeric(0));
}

static void
price_as_reported(Execution *row)
{
	set_price(row, PRICE_REPORTED, DatumGetNumeric(execution_value(row, HISTORY_REPORTED_COST)));
}

/* Does the rule for calls that did not succeed say it all? */
static bool
price_by_rule(Execution *row)
{
	FailedCalls rule = price_book_failed_calls(RelationGetNamespace(row->relation));
	bool		is_reported = !execution_is_null(row, HISTORY_REPORTED_COST);

	if (rule == FAILED_TOKENS && (execution_has_usage(row) || is_reported))
		return false;
	if (rule == FAILED_REPORTED && is_reported)
		price_as_reported(row);
	else
		set_price(row, PRICE_PRICED, int64_to_numeric(0));
	return true;
}

/*
 * Stamp the cost.  The book decides; what the provider or the caller says is kept
 * beside it, and counts where the book has no price.
 */
void
execution_price(Execution *row, const Usage *usage)
{
	int			status = execution_status(row);
	Numeric		cost;

	execution_set_null(row, HISTORY_PRICE_ID);
	execution_set_null(row, HISTORY_SHADOW_COST);
	if (status_is_open(status))
	{
		set_price(row, PRICE_PENDING, NULL);
		return;
	}
	if (DatumGetBool(execution_value(row, HISTORY_BYOK)))
	{
		price_byok(row, usage);
		return;
	}
	if (status != STATUS_SUCCESS && price_by_rule(row))
		return;

	cost = book_cost(row, usage);
	if (cost != NULL)
		set_price(row, PRICE_PRICED, cost);
	else if (!execution_is_null(row, HISTORY_REPORTED_COST))
		price_as_reported(row);
	else
		set_price(row, PRICE_UNPRICED, NULL);
}
