/*-------------------------------------------------------------------------
 *
 * owner_query.c
 *		Queries that a trigger runs on the ledger with the rights of its owner.
 *
 * Who may insert an execution need not be able to read or write what stands
 * behind it.  The rights are those of the owner of the table that the trigger
 * fired on, and no more: nobody's search_path counts, and tables of others stay
 * closed.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"

#include "ledger/owner_query.h"

static void
prepare(OwnerQuery *query, Oid schema, const char *schema_name)
{
	StringInfoData text;

	initStringInfo(&text);
	/* not a format of ours: the text is a constant of the caller */
	appendStringInfo(&text, query->text, quote_identifier(schema_name));
	query->plan = SPI_prepare(text.data, query->parameters, query->types);
	if (query->plan == NULL)
		elog(ERROR, "could not prepare a query: %s", SPI_result_code_string(SPI_result));
	SPI_keepplan(query->plan);
	query->schema = schema;
	namestrcpy(&query->schema_name, schema_name);
}

/* The plan for this ledger, which may have been renamed since. */
static SPIPlanPtr
find_plan(OwnerQuery *query, Oid schema)
{
	const char *schema_name = get_namespace_name(schema);
	SPIPlanPtr	old_plan = query->plan;

	if (old_plan != NULL && query->schema == schema && strcmp(NameStr(query->schema_name), schema_name) == 0)
		return old_plan;
	query->plan = NULL;
	if (old_plan != NULL)
		SPI_freeplan(old_plan);
	prepare(query, schema, schema_name);
	return query->plan;
}

uint64
owner_query_run(OwnerQuery *query, Relation history, Datum *values, const char *nulls)
{
	Oid			user;
	int			security;
	uint64		processed;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(history->rd_rel->relowner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	if (SPI_execute_snapshot(find_plan(query, RelationGetNamespace(history)), values, nulls,
							 GetLatestSnapshot(), InvalidSnapshot, false, false, 0) < 0)
		elog(ERROR, "could not run a query on the ledger");
	processed = SPI_processed;
	SPI_finish();
	SetUserIdAndSecContext(user, security);
	return processed;
}
