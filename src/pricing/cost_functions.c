/*-------------------------------------------------------------------------
 *
 * cost_functions.c
 *		Costs for SQL: token_cost() at given prices, book_cost() and its lines at
 *		those of a price book.
 *
 * A book is named by its table of prices.  It is read as its owner, so whoever
 * asks must have the right to read that table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "compat.h"
#include "pricing/book_tables.h"
#include "pricing/cost.h"
#include "pricing/model_name.h"
#include "pricing/price_book.h"

PG_FUNCTION_INFO_V1(token_cost);
PG_FUNCTION_INFO_V1(book_cost);
PG_FUNCTION_INFO_V1(book_cost_lines);
PG_FUNCTION_INFO_V1(list_cost_lines);
PG_FUNCTION_INFO_V1(book_names);
PG_FUNCTION_INFO_V1(price_book_counts);

/* Counts among the arguments, from the first on, in order. */
static const TokenKind counted_kinds[] = {
	INPUT_TOKENS, OUTPUT_TOKENS, CACHE_READ_TOKENS, CACHE_WRITE_TOKENS, REASONING_TOKENS, CACHE_WRITE_1H_TOKENS
};

/* Arguments of book_cost() and book_cost_lines(). */
enum
{
	BOOK_PRICES,
	BOOK_PROVIDER,
	BOOK_MODEL,
	BOOK_COUNTS,
	BOOK_UNITS = BOOK_COUNTS + lengthof(counted_kinds),
	BOOK_AT,
	BOOK_CUSTOMER_ID,
	BOOK_CUSTOMER_TIER,
	BOOK_SERVICE_TIER,
	BOOK_REGION
};

/* Arguments of list_cost_lines(). */
enum
{
	LIST_PRICES,
	LIST_PRICE_ID,
	LIST_COUNTS,
	LIST_UNITS = LIST_COUNTS + lengthof(counted_kinds),
	LIST_SERVICE_TIER,
	LIST_REGION
};

/* Kept in fn_extra: the book that the caller was found to be allowed to read. */
typedef struct ReadableBook
{
	Oid			prices;
	Oid			schema;
} ReadableBook;

static text *
text_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : PG_GETARG_TEXT_PP(number);
}

/* The schema of the book. */
static Oid
readable_book(FunctionCallInfo fcinfo)
{
	ReadableBook *book = fcinfo->flinfo->fn_extra;
	Oid			prices = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	char	   *name;

	if (book != NULL && book->prices == prices)
		return book->schema;
	name = get_rel_name(prices);
	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no such price book"),
				 errhint("Name the table prices of a ledger.")));
	if (pg_class_aclcheck(prices, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, name);
	if (book == NULL)
		fcinfo->flinfo->fn_extra = book = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ReadableBook));
	book->prices = prices;
	book->schema = get_rel_namespace(prices);
	return book->schema;
}

/* Read counts from the arguments; false if none is given. */
static bool
read_counts(FunctionCallInfo fcinfo, int first, Usage *usage)
{
	bool		any = false;
	int			i;

	for (i = 0; i < (int) lengthof(counted_kinds); i++)
	{
		int64		count;

		if (PG_ARGISNULL(first + i))
			continue;
		any = true;
		count = PG_GETARG_INT64(first + i);
		if (count < 0 || count > USAGE_QUANTITY_MAX)
			ereport(ERROR,
					(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
					 errmsg("%s is out of range", token_kind_names[counted_kinds[i]]),
					 errdetail("It is " INT64_FORMAT ", between 0 and " INT64_FORMAT " are allowed.", count, USAGE_QUANTITY_MAX),
					 errhint("Counts are disjoint and not negative; null means not reported.")));
		usage->tokens[counted_kinds[i]] = count;
	}
	return any;
}

/* Read counts and units, which follow; false if there is nothing to charge. */
static bool
read_usage(FunctionCallInfo fcinfo, int first, Usage *usage)
{
	int			units = first + lengthof(counted_kinds);
	bool		any;

	memset(usage, 0, sizeof(Usage));
	any = read_counts(fcinfo, first, usage);
	if (!PG_ARGISNULL(units))
	{
		usage_add_units(usage, PG_GETARG_JSONB_P(units), NULL);
		any = true;
	}
	usage_check_parts(usage, NULL);
	return any;
}

/* ---- given prices ---- */

static void
add_given_rate(PriceList *list, FunctionCallInfo fcinfo, int number, TokenKind kind, const text *none)
{
	Datum		price;

	if (PG_ARGISNULL(number))
		return;
	price = PG_GETARG_DATUM(number);
	if (numeric_is_nan(DatumGetNumeric(price)) || numeric_is_inf(DatumGetNumeric(price)) ||
		DatumGetBool(DirectFunctionCall2(numeric_lt, price, NumericGetDatum(int64_to_numeric(0)))))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("a price is negative or not a finite number"),
				 errhint("Use null for a kind of token that has no price of its own, and 0 for one that is free.")));
	list->rates[list->rate_count++] = (PriceRate) {
		.kind = kind,
		.unit = token_kind_names[kind],
		.service_tier = unconstify(text *, none),
		.region = unconstify(text *, none),
		.price = DatumGetNumeric(DirectFunctionCall2(numeric_mul, price,
													 NumericGetDatum(int64_div_fast_to_numeric(1, 6))))
	};
}

/*
 * token_cost(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
 * reasoning_tokens, cache_write_1h_tokens bigint, and of each the price per
 * million numeric) returns numeric
 */
Datum
token_cost(PG_FUNCTION_ARGS)
{
	PriceRate	rates[lengthof(counted_kinds)];
	PriceList	list = {.rates = rates};
	const text *none = cstring_to_text("");
	Usage		usage = {0};
	Numeric		cost;
	int			i;

	if (!read_counts(fcinfo, 0, &usage))
		PG_RETURN_NULL();
	usage_check_parts(&usage, NULL);
	for (i = 0; i < (int) lengthof(counted_kinds); i++)
		add_given_rate(&list, fcinfo, lengthof(counted_kinds) + i, counted_kinds[i], none);
	price_list_finish(&list);
	cost = usage_cost(&list, &usage, NULL);
	if (cost == NULL)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(cost);
}

/* ---- prices of a book ---- */

/* The list that applies to the arguments, NULL if there is none or nothing to charge. */
static const PriceList *
find_list(FunctionCallInfo fcinfo, Usage *usage)
{
	PriceKey	key = {
		.book = readable_book(fcinfo),
		.provider = text_argument(fcinfo, BOOK_PROVIDER),
		.model = text_argument(fcinfo, BOOK_MODEL),
		.region = text_argument(fcinfo, BOOK_REGION),
		.customer_id = text_argument(fcinfo, BOOK_CUSTOMER_ID),
		.customer_tier = text_argument(fcinfo, BOOK_CUSTOMER_TIER)
	};

	if (!read_usage(fcinfo, BOOK_COUNTS, usage) || key.provider == NULL || key.model == NULL || PG_ARGISNULL(BOOK_AT))
		return NULL;
	key.at = PG_GETARG_TIMESTAMPTZ(BOOK_AT);
	usage->service_tier = text_argument(fcinfo, BOOK_SERVICE_TIER);
	usage->region = key.region;
	return price_book_find(&key);
}

Datum
book_cost(PG_FUNCTION_ARGS)
{
	Usage		usage;
	const PriceList *list = find_list(fcinfo, &usage);
	Numeric		cost = list != NULL ? usage_cost(list, &usage, NULL) : NULL;

	if (cost == NULL)
		PG_RETURN_NULL();
	PG_RETURN_NUMERIC(cost);
}

/* "above 200000 input tokens, batch, as input_tokens"; NULL for a plain price */
static char *
condition_text(const CostLine *line)
{
	const PriceRate *rate = line->rate;
	StringInfoData text;

	initStringInfo(&text);
	if (rate == NULL)
		return "no price";
	if (rate->above_input_tokens > 0)
		appendStringInfo(&text, ", above " INT64_FORMAT " input tokens", rate->above_input_tokens);
	if (VARSIZE_ANY_EXHDR(rate->service_tier) > 0)
		appendStringInfo(&text, ", %s", text_to_cstring(rate->service_tier));
	if (VARSIZE_ANY_EXHDR(rate->region) > 0)
		appendStringInfo(&text, ", in %s", text_to_cstring(rate->region));
	if (rate->from_quantity > 0)
		appendStringInfo(&text, ", beyond " INT64_FORMAT, rate->from_quantity);
	if (strcmp(rate->unit, line->unit) != 0)
		appendStringInfo(&text, ", as %s", rate->unit);
	return text.len > 0 ? text.data + 2 : NULL;
}

static void
put_line(ReturnSetInfo *result, const CostSheet *sheet, const CostLine *line)
{
	char	   *condition = condition_text(line);
	Datum		values[6] = {
		CStringGetTextDatum(line->unit),
		NumericGetDatum(cost_line_quantity(line)),
		line->rate != NULL ? NumericGetDatum(line->rate->price) : (Datum) 0,
		condition != NULL ? CStringGetTextDatum(condition) : (Datum) 0,
		line->rate != NULL ? NumericGetDatum(cost_line_amount(line)) : (Datum) 0,
		Int64GetDatum(sheet->list->price_id)
	};
	bool		nulls[6] = {false, false, line->rate == NULL, condition == NULL, line->rate == NULL, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static Datum
return_lines(FunctionCallInfo fcinfo, const PriceList *list, const Usage *usage)
{
	CostSheet	sheet;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (list == NULL)
		return (Datum) 0;
	cost_sheet_make(&sheet, list, usage, NULL);
	for (i = 0; i < sheet.count; i++)
		put_line((ReturnSetInfo *) fcinfo->resultinfo, &sheet, &sheet.lines[i]);
	return (Datum) 0;
}

Datum
book_cost_lines(PG_FUNCTION_ARGS)
{
	Usage		usage;
	const PriceList *list = find_list(fcinfo, &usage);

	return return_lines(fcinfo, list, &usage);
}

/* The same at the prices of one list, whenever it was valid. */
Datum
list_cost_lines(PG_FUNCTION_ARGS)
{
	Oid			book = readable_book(fcinfo);
	Usage		usage;
	const PriceList *list = NULL;

	if (read_usage(fcinfo, LIST_COUNTS, &usage) && !PG_ARGISNULL(LIST_PRICE_ID))
		list = book_tables_list(book, PG_GETARG_INT64(LIST_PRICE_ID));
	usage.service_tier = text_argument(fcinfo, LIST_SERVICE_TIER);
	usage.region = text_argument(fcinfo, LIST_REGION);
	return return_lines(fcinfo, list, &usage);
}

/*
 * book_names(prices, provider, model, region) returns setof (rank, provider,
 * model, matched)
 */
Datum
book_names(PG_FUNCTION_ARGS)
{
	Oid			book = readable_book(fcinfo);
	text	   *provider = text_argument(fcinfo, 1);
	text	   *model = text_argument(fcinfo, 2);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	List	   *names;
	ListCell   *cell;

	InitMaterializedSRF(fcinfo, 0);
	if (provider == NULL || model == NULL)
		return (Datum) 0;
	names = book_tables_names(book, provider, model, text_argument(fcinfo, 3));
	foreach(cell, names)
	{
		const ModelName *name = lfirst(cell);
		Datum		values[4] = {
			Int32GetDatum(foreach_current_index(cell) + 1),
			CStringGetTextDatum(name->provider),
			CStringGetTextDatum(name->model),
			CStringGetTextDatum(name_match_names[name->match])
		};
		bool		nulls[4] = {false, false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/*
 * price_book_counts() returns (hits, loads)
 */
Datum
price_book_counts(PG_FUNCTION_ARGS)
{
	TupleDesc	desc;
	Datum		values[2] = {Int64GetDatum(price_book_counters.hits), Int64GetDatum(price_book_counters.loads)};
	bool		nulls[2] = {false, false};

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
