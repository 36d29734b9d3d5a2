/*-------------------------------------------------------------------------
 *
 * run_query.c
 *		Queries that are made as text, whose plans may be kept for the session.
 *
 * A report of one customer reads some thousand cells in a millisecond or two; to
 * parse and plan the query that reads them takes as long.  EXECUTE of PL/pgSQL
 * plans each time.  Here a text may be planned once, without a look at the values
 * of its parameters, and its plan kept as that of a prepared statement is:
 * whatever it depends on, tables, settings, row-level security, makes a new one
 * when it changes (plancache.c).
 *
 * There are as many texts as there are shapes of reports, not of values.  When
 * PLANS_MAX are kept, further ones are planned each time.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(run_query);

/* A plan takes some hundred kilobytes. */
#define PLANS_MAX	100

/* The arguments: a row, and then, before the parameters of the query, these. */
#define ARGUMENT_QUERY	1
#define ARGUMENT_KEEPS	2
#define ARGUMENTS		3

/*
 * The key is all that the text means something by: the types of its parameters,
 * the search_path, which makes it mean one ledger and not another, and itself.
 */
typedef struct KeptPlan
{
	const char *key;			/* MUST BE FIRST */
	SPIPlanPtr	plan;
} KeptPlan;

static HTAB *kept_plans = NULL;

static uint32
hash_key(const void *key, Size size)
{
	const char *text = *(const char *const *) key;

	return hash_bytes((const unsigned char *) text, strlen(text));
}

static int
compare_keys(const void *left, const void *right, Size size)
{
	return strcmp(*(const char *const *) left, *(const char *const *) right);
}

static void
make_table(void)
{
	HASHCTL		control = {
		.keysize = sizeof(char *),
		.entrysize = sizeof(KeptPlan),
		.hash = hash_key,
		.match = compare_keys
	};

	kept_plans = hash_create("plans of usage_meter", PLANS_MAX, &control,
							 HASH_ELEM | HASH_FUNCTION | HASH_COMPARE);
}

static const char *
make_key(const char *query, ParamListInfo parameters)
{
	StringInfoData key;
	int			i;

	initStringInfo(&key);
	for (i = 0; i < parameters->numParams; i++)
		appendStringInfo(&key, "%u ", parameters->params[i].ptype);
	appendStringInfo(&key, "%s\n%s", namespace_search_path, query);
	return key.data;
}

static SPIPlanPtr
prepare(const char *query, ParamListInfo parameters, int cursor_options)
{
	Oid		   *types = palloc(sizeof(Oid) * parameters->numParams);
	SPIPlanPtr	plan;
	int			i;

	for (i = 0; i < parameters->numParams; i++)
		types[i] = parameters->params[i].ptype;
	plan = SPI_prepare_cursor(query, parameters->numParams, types, CURSOR_OPT_PARALLEL_OK | cursor_options);
	if (plan == NULL)
		elog(ERROR, "could not prepare a query: %s", SPI_result_code_string(SPI_result));
	return plan;
}

static SPIPlanPtr
find_plan(const char *query, ParamListInfo parameters)
{
	const char *key = make_key(query, parameters);
	KeptPlan   *kept;
	SPIPlanPtr	plan;

	if (kept_plans == NULL)
		make_table();
	kept = hash_search(kept_plans, &key, HASH_FIND, NULL);
	if (kept != NULL)
		return kept->plan;

	plan = prepare(query, parameters, CURSOR_OPT_GENERIC_PLAN);
	if (hash_get_num_entries(kept_plans) < PLANS_MAX)
	{
		SPI_keepplan(plan);
		key = MemoryContextStrdup(TopMemoryContext, key);
		kept = hash_search(kept_plans, &key, HASH_ENTER, NULL);
		kept->plan = plan;
	}
	return plan;
}

static ParamListInfo
get_parameters(FunctionCallInfo fcinfo)
{
	int			count = PG_NARGS() - ARGUMENTS;
	ParamListInfo list = makeParamList(count);
	int			i;

	for (i = 0; i < count; i++)
	{
		list->params[i].value = PG_GETARG_DATUM(ARGUMENTS + i);
		list->params[i].isnull = PG_ARGISNULL(ARGUMENTS + i);
		list->params[i].pflags = PARAM_FLAG_CONST;
		list->params[i].ptype = get_fn_expr_argtype(fcinfo->flinfo, ARGUMENTS + i);
		if (list->params[i].ptype == UNKNOWNOID)
			ereport(ERROR,
					(errcode(ERRCODE_INDETERMINATE_DATATYPE),
					 errmsg("parameter $%d of the query has no type", i + 1),
					 errhint("Cast it to one.")));
	}
	return list;
}

/*
 * run_query("row" anyelement, query text, keeps_plan boolean, VARIADIC parameters "any") returns setof anyelement
 *
 * The rows of a query that only reads, as the type of row, whose value does not
 * matter.
 */
Datum
run_query(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPIExecuteOptions options = {.read_only = true,.must_return_tuples = true};
	bool		keeps_plan = !PG_ARGISNULL(ARGUMENT_KEEPS) && PG_GETARG_BOOL(ARGUMENT_KEEPS);
	const char *query;
	int			status;

	if (PG_ARGISNULL(ARGUMENT_QUERY))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("query must not be null")));
	query = text_to_cstring(PG_GETARG_TEXT_PP(ARGUMENT_QUERY));
	InitMaterializedSRF(fcinfo, 0);

	SPI_connect();
	options.params = get_parameters(fcinfo);
	options.dest = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(options.dest, result->setResult,
									result->econtext->ecxt_per_query_memory, false, result->setDesc,
									"structure of the query does not match the type of its rows");
	status = SPI_execute_plan_extended(keeps_plan ? find_plan(query, options.params) :
									   prepare(query, options.params, CURSOR_OPT_CUSTOM_PLAN), &options);
	if (status < 0)
		elog(ERROR, "could not run a query: %s", SPI_result_code_string(status));
	SPI_finish();
	return (Datum) 0;
}
