/*-------------------------------------------------------------------------
 *
 * columns.c
 *		Find the columns of a ledger's tables by name.
 *
 * This runs for every statement, and would take a tenth of what an INSERT takes
 * with us.  So what was found is kept until the relation cache tells of a change to
 * the table.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/tupdesc.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "ledger/columns.h"

typedef struct ColumnSpec
{
	const char *name;
	Oid			type;			/* InvalidOid: quantile_sketch */
} ColumnSpec;

static const ColumnSpec history_columns[HISTORY_COLUMNS] = {
	[HISTORY_ID] = {"id", UUIDOID},
	[HISTORY_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
	[HISTORY_STARTED_AT] = {"started_at", TIMESTAMPTZOID},
	[HISTORY_COMPLETED_AT] = {"completed_at", TIMESTAMPTZOID},
	[HISTORY_DURATION_MS] = {"duration_ms", NUMERICOID},
	[HISTORY_QUEUE_TIME_MS] = {"queue_time_ms", NUMERICOID},
	[HISTORY_CUSTOMER_ID] = {"customer_id", TEXTOID},
	[HISTORY_CUSTOMER_TIER] = {"customer_tier", TEXTOID},
	[HISTORY_PROJECT_ID] = {"project_id", TEXTOID},
	[HISTORY_PACKAGE_ID] = {"package_id", TEXTOID},
	[HISTORY_SECTION] = {"section", TEXTOID},
	[HISTORY_USER_ID] = {"user_id", TEXTOID},
	[HISTORY_API_KEY_ID] = {"api_key_id", TEXTOID},
	[HISTORY_ENVIRONMENT] = {"environment", TEXTOID},
	[HISTORY_SOURCE] = {"source", TEXTOID},
	[HISTORY_REQUEST_ID] = {"request_id", TEXTOID},
	[HISTORY_STATUS] = {"status", TEXTOID},
	[HISTORY_ERROR_CODE] = {"error_code", TEXTOID},
	[HISTORY_PROVIDER] = {"provider", TEXTOID},
	[HISTORY_MODEL] = {"model", TEXTOID},
	[HISTORY_API] = {"api", TEXTOID},
	[HISTORY_SERVICE_TIER] = {"service_tier", TEXTOID},
	[HISTORY_REGION] = {"region", TEXTOID},
	[HISTORY_RESPONSE_ID] = {"response_id", TEXTOID},
	[HISTORY_USAGE] = {"usage", JSONBOID},
	[HISTORY_INPUT_TOKENS] = {"input_tokens", INT8OID},
	[HISTORY_CACHE_READ_TOKENS] = {"cache_read_tokens", INT8OID},
	[HISTORY_CACHE_WRITE_TOKENS] = {"cache_write_tokens", INT8OID},
	[HISTORY_CACHE_WRITE_1H_TOKENS] = {"cache_write_1h_tokens", INT8OID},
	[HISTORY_OUTPUT_TOKENS] = {"output_tokens", INT8OID},
	[HISTORY_REASONING_TOKENS] = {"reasoning_tokens", INT8OID},
	[HISTORY_UNITS] = {"units", JSONBOID},
	[HISTORY_TOTAL_TOKENS] = {"total_tokens", INT8OID},
	[HISTORY_TOKEN_SOURCE] = {"token_source", TEXTOID},
	[HISTORY_BYOK] = {"byok", BOOLOID},
	[HISTORY_COST] = {"cost", NUMERICOID},
	[HISTORY_REPORTED_COST] = {"reported_cost", NUMERICOID},
	[HISTORY_SHADOW_COST] = {"shadow_cost", NUMERICOID},
	[HISTORY_PRICE_ID] = {"price_id", INT8OID},
	[HISTORY_PRICE_STATUS] = {"price_status", TEXTOID},
	[HISTORY_CREDITED_COST] = {"credited_cost", NUMERICOID},
	[HISTORY_DELETED_AT] = {"deleted_at", TIMESTAMPTZOID},
};

static const ColumnSpec delta_columns[DELTA_COLUMNS] = {
	[DELTA_BUCKET] = {"bucket", TIMESTAMPTZOID},
	[DELTA_CUSTOMER_ID] = {"customer_id", TEXTOID},
	[DELTA_PROJECT_ID] = {"project_id", TEXTOID},
	[DELTA_PACKAGE_ID] = {"package_id", TEXTOID},
	[DELTA_SECTION] = {"section", TEXTOID},
	[DELTA_PROVIDER] = {"provider", TEXTOID},
	[DELTA_MODEL] = {"model", TEXTOID},
	[DELTA_ENVIRONMENT] = {"environment", TEXTOID},
	[DELTA_CUSTOMER_TIER] = {"customer_tier", TEXTOID},
	[DELTA_USER_ID] = {"user_id", TEXTOID},
	[DELTA_API_KEY_ID] = {"api_key_id", TEXTOID},
	[DELTA_EXECUTIONS] = {"executions", INT8OID},
	[DELTA_SUCCEEDED] = {"succeeded", INT8OID},
	[DELTA_FAILED] = {"failed", INT8OID},
	[DELTA_TIMED_OUT] = {"timed_out", INT8OID},
	[DELTA_CANCELLED] = {"cancelled", INT8OID},
	[DELTA_OPEN] = {"open", INT8OID},
	[DELTA_UNPRICED] = {"unpriced", INT8OID},
	[DELTA_UNREPORTED] = {"unreported", INT8OID},
	[DELTA_ESTIMATED] = {"estimated", INT8OID},
	[DELTA_BYOK] = {"byok", INT8OID},
	[DELTA_INPUT_TOKENS] = {"input_tokens", INT8OID},
	[DELTA_CACHE_READ_TOKENS] = {"cache_read_tokens", INT8OID},
	[DELTA_CACHE_WRITE_TOKENS] = {"cache_write_tokens", INT8OID},
	[DELTA_OUTPUT_TOKENS] = {"output_tokens", INT8OID},
	[DELTA_REASONING_TOKENS] = {"reasoning_tokens", INT8OID},
	[DELTA_COST] = {"cost", NUMERICOID},
	[DELTA_BILLED_COST] = {"billed_cost", NUMERICOID},
	[DELTA_SHADOW_COST] = {"shadow_cost", NUMERICOID},
	[DELTA_DURATION_US] = {"duration_us", INT8OID},
	[DELTA_QUEUE_TIME_US] = {"queue_time_us", INT8OID},
	[DELTA_DURATION_SKETCH] = {"duration_sketch", InvalidOid},
	[DELTA_QUEUE_TIME_SKETCH] = {"queue_time_sketch", InvalidOid},
};

static const ColumnSpec claim_columns[CLAIM_COLUMNS] = {
	[CLAIM_CUSTOMER_ID] = {"customer_id", TEXTOID},
	[CLAIM_SOURCE] = {"source", TEXTOID},
	[CLAIM_REQUEST_ID] = {"request_id", TEXTOID},
	[CLAIM_FINGERPRINT] = {"fingerprint", INT8OID},
	[CLAIM_EXECUTION_ID] = {"execution_id", UUIDOID},
	[CLAIM_CREATED_AT] = {"created_at", TIMESTAMPTZOID},
	[CLAIM_CLAIMED_AT] = {"claimed_at", TIMESTAMPTZOID},
};

/* The columns that a table was found to have. */
typedef struct KnownTable
{
	Oid			relid;			/* MUST BE FIRST: the key */
	const ColumnSpec *specs;
	Oid			sketch_type;
	AttrNumber	attnums[HISTORY_COLUMNS];
} KnownTable;

StaticAssertDecl(DELTA_COLUMNS <= HISTORY_COLUMNS && CLAIM_COLUMNS <= HISTORY_COLUMNS, "a table has more columns than its entry");

static HTAB *known_tables;

static bool
is_column(TupleDesc desc, int index, const ColumnSpec *spec)
{
	Form_pg_attribute attribute = TupleDescAttr(desc, index);

	return !attribute->attisdropped && strcmp(NameStr(attribute->attname), spec->name) == 0;
}

/* From start on: in every table that the ledger made it is there or next to it. */
static int
find_column(Relation relation, const ColumnSpec *spec, int start)
{
	TupleDesc	desc = RelationGetDescr(relation);
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		int			index = (start + i) % desc->natts;

		if (is_column(desc, index, spec))
			return index;
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("column \"%s\" of \"%s\" does not exist", spec->name, RelationGetRelationName(relation)),
			 errdetail("usage_meter keeps the ledger by this column."),
			 errhint("Add it again with its type, or restore the table from a dump.")));
	return -1;					/* keep compiler quiet */
}

static void
check_type(Relation relation, const ColumnSpec *spec, Oid type, int index)
{
	Oid			actual = TupleDescAttr(RelationGetDescr(relation), index)->atttypid;

	if (actual == type)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("column \"%s\" of \"%s\" has type %s", spec->name, RelationGetRelationName(relation),
					format_type_be(actual)),
			 errdetail("usage_meter keeps the ledger by this column, as type %s.",
					   format_type_be(type)),
			 errhint("Change the type back.")));
}

static void
find_columns(Relation relation, const ColumnSpec *specs, int count, Oid sketch_type, AttrNumber *attnums)
{
	int			index = -1;
	int			i;

	for (i = 0; i < count; i++)
	{
		index = find_column(relation, &specs[i], index + 1);
		check_type(relation, &specs[i], OidIsValid(specs[i].type) ? specs[i].type : sketch_type, index);
		attnums[i] = AttrOffsetGetAttrNumber(index);
	}
}

static void
resolve(Relation relation, const ColumnSpec *specs, int count, Oid sketch_type, AttrNumber *attnums)
{
	Oid			relid = RelationGetRelid(relation);
	KnownTable *known = hash_search(known_tables, &relid, HASH_FIND, NULL);

	if (known == NULL || known->specs != specs || known->sketch_type != sketch_type)
	{
		find_columns(relation, specs, count, sketch_type, attnums);
		known = hash_search(known_tables, &relid, HASH_ENTER, NULL);
		known->specs = specs;
		known->sketch_type = sketch_type;
		memcpy(known->attnums, attnums, count * sizeof(AttrNumber));
	}
	memcpy(attnums, known->attnums, count * sizeof(AttrNumber));
}

/* Callback of the relation cache.  InvalidOid stands for every relation. */
static void
forget_table(Datum argument, Oid relid)
{
	HASH_SEQ_STATUS scan;
	KnownTable *known;

	if (OidIsValid(relid))
	{
		hash_search(known_tables, &relid, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&scan, known_tables);
	while ((known = hash_seq_search(&scan)) != NULL)
		hash_search(known_tables, &known->relid, HASH_REMOVE, NULL);
}

void
columns_init(void)
{
	HASHCTL		control = {.keysize = sizeof(Oid), .entrysize = sizeof(KnownTable)};

	known_tables = hash_create("usage_meter columns", 16, &control, HASH_ELEM | HASH_BLOBS);
	CacheRegisterRelcacheCallback(forget_table, (Datum) 0);
}

void
history_columns_resolve(Relation history, AttrNumber *attnums)
{
	resolve(history, history_columns, HISTORY_COLUMNS, InvalidOid, attnums);
}

void
delta_columns_resolve(Relation deltas, Oid sketch_type, AttrNumber *attnums)
{
	resolve(deltas, delta_columns, DELTA_COLUMNS, sketch_type, attnums);
}

void
claim_columns_resolve(Relation claims, AttrNumber *attnums)
{
	resolve(claims, claim_columns, CLAIM_COLUMNS, InvalidOid, attnums);
}
