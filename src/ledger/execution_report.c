/*-------------------------------------------------------------------------
 *
 * execution_report.c
 *		Complete an execution from the provider's own report of its usage.
 *
 * What the caller says himself wins: a report fills only columns that are NULL.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"

#include "ledger/execution_price.h"
#include "ledger/execution_report.h"
#include "pricing/usage_report.h"

/*
 * A report may tell what other models used for the same response.  They have
 * prices of their own, so they are counted as a unit that has none: the cost is
 * not known, and explain_cost() says why.
 */
#define OTHER_MODELS_UNIT	"other_model_reports"

/*
 * A total may hold more tokens than the counts beside it, such as hidden
 * reasoning.  Whoever knows what they are may state a price for them.
 */
#define UNEXPLAINED_UNIT	"unexplained_tokens"

/* Columns that a report may fill. */
static const HistoryColumn filled_columns[] = {
	HISTORY_PROVIDER, HISTORY_MODEL, HISTORY_API, HISTORY_SERVICE_TIER, HISTORY_REGION, HISTORY_RESPONSE_ID,
	HISTORY_INPUT_TOKENS, HISTORY_CACHE_READ_TOKENS, HISTORY_CACHE_WRITE_TOKENS, HISTORY_CACHE_WRITE_1H_TOKENS,
	HISTORY_OUTPUT_TOKENS, HISTORY_REASONING_TOKENS, HISTORY_UNITS, HISTORY_REPORTED_COST
};

static UsageReport
read_report(const Execution *row)
{
	UsageReport report;
	Refusal		refusal = {0};

	usage_report_read(DatumGetJsonbP(execution_value(row, HISTORY_USAGE)),
					  execution_text(row, HISTORY_PROVIDER), execution_text(row, HISTORY_API), &refusal, &report);
	if (is_refused(&refusal))
		execution_refuse(row, HISTORY_USAGE, refusal);
	return report;
}

static void
fill(Execution *row, HistoryColumn column, void *pointer)
{
	if (pointer != NULL && execution_is_null(row, column))
		execution_set(row, column, PointerGetDatum(pointer));
}

static void
push_unit(JsonbParseState **state, const char *unit, Numeric quantity)
{
	JsonbValue	key = {.type = jbvString};
	JsonbValue	value = {.type = jbvNumeric};

	key.val.string.val = unconstify(char *, unit);
	key.val.string.len = strlen(unit);
	value.val.numeric = quantity;
	(void) pushJsonbValue(state, WJB_KEY, &key);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* A total alone explains nothing; and audio that is told in seconds is in it as tokens. */
static bool
has_unexplained_tokens(const UsageReport *report)
{
	return report->unexplained_tokens > 0 && report->tokens_known[INPUT_TOKENS] && report->units[INPUT_SECONDS] == NULL;
}

/* What has no column of its own, NULL if there is none; zeros are left out. */
static Jsonb *
other_units(const UsageReport *report)
{
	JsonbParseState *state = NULL;
	bool		any = false;
	int			i;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = REASONING_TOKENS + 1; i < TOKEN_KINDS; i++)
	{
		if (report->tokens[i] == 0)
			continue;
		push_unit(&state, token_kind_names[i], int64_to_numeric(report->tokens[i]));
		any = true;
	}
	for (i = 0; i < USAGE_UNITS; i++)
	{
		if (report->units[i] == NULL)
			continue;
		push_unit(&state, usage_unit_names[i], report->units[i]);
		any = true;
	}
	if (has_unexplained_tokens(report))
	{
		push_unit(&state, UNEXPLAINED_UNIT, int64_to_numeric(report->unexplained_tokens));
		any = true;
	}
	if (report->other_usage != NULL)
	{
		push_unit(&state, OTHER_MODELS_UNIT, int64_to_numeric(JB_ROOT_COUNT(report->other_usage)));
		any = true;
	}
	return any ? JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)) : NULL;
}

/* Fill from usage, if there is a report, what is NULL. */
void
execution_read_report(Execution *row)
{
	UsageReport report;
	int			i;

	if (execution_is_null(row, HISTORY_USAGE))
		return;
	report = read_report(row);
	if (execution_is_refused(row))
		return;
	fill(row, HISTORY_PROVIDER, report.provider);
	fill(row, HISTORY_MODEL, report.model);
	fill(row, HISTORY_API, report.api);
	fill(row, HISTORY_SERVICE_TIER, report.service_tier);
	fill(row, HISTORY_REGION, report.region);
	fill(row, HISTORY_RESPONSE_ID, report.response_id);
	fill(row, HISTORY_REPORTED_COST, report.reported_cost);
	fill(row, HISTORY_UNITS, other_units(&report));
	for (i = 0; i < EXECUTION_COUNTS; i++)
	{
		HistoryColumn column = execution_counts[i].column;
		TokenKind	kind = execution_counts[i].kind;

		if (report.tokens_known[kind] && execution_is_null(row, column))
			execution_set(row, column, Int64GetDatum(report.tokens[kind]));
	}
	if (report.byok)
		execution_set(row, HISTORY_BYOK, BoolGetDatum(true));
}

/* A row that says what old said beside its report. */
static Execution
without_filled(const Execution *old)
{
	int			columns = RelationGetDescr(old->relation)->natts;
	Execution	row = *old;
	int			i;

	row.values = memcpy(palloc(sizeof(Datum) * columns), old->values, sizeof(Datum) * columns);
	row.nulls = memcpy(palloc(sizeof(bool) * columns), old->nulls, sizeof(bool) * columns);
	for (i = 0; i < (int) lengthof(filled_columns); i++)
		execution_set_null(&row, filled_columns[i]);
	execution_read_report(&row);
	return row;
}

/*
 * An UPDATE has brought another report: what the old one had filled follows it,
 * unless the statement changed that too.
 */
void
execution_follow_report(const Execution *old, Execution *new)
{
	if (!execution_is_null(old, HISTORY_USAGE))
	{
		Execution	derived = without_filled(old);
		int			i;

		for (i = 0; i < (int) lengthof(filled_columns); i++)
		{
			HistoryColumn column = filled_columns[i];

			if (execution_same_value(old, new, column) && execution_same_value(old, &derived, column))
				execution_set_null(new, column);
		}
	}
	execution_read_report(new);
}

/* What the upstream provider charges for a call with the customer's own key, if the report says so. */
Numeric
execution_upstream_cost(const Execution *row)
{
	return execution_is_null(row, HISTORY_USAGE) ? NULL : read_report(row).upstream_cost;
}
