/*-------------------------------------------------------------------------
 *
 * quarantine.c
 *		Where bad rows are kept, if the setting on_bad_row says so.
 *
 * A refusal is a value that is either raised or noted, so one bad row of a batch
 * costs no subtransaction.  Nothing else is ever caught: an error that is not a
 * refusal is an error.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "ledger/owner_query.h"
#include "ledger/quarantine.h"

typedef enum BadRowAction
{
	BAD_ROW_REJECT,
	BAD_ROW_QUARANTINE
} BadRowAction;

static const struct config_enum_entry bad_row_actions[] = {
	{"reject", BAD_ROW_REJECT, false},
	{"quarantine", BAD_ROW_QUARANTINE, false},
	{NULL, 0, false}
};

static int	on_bad_row = BAD_ROW_REJECT;

static OwnerQuery quarantine_insert = {
	.text =
	"INSERT INTO %1$s.quarantine (sqlstate, field, reason, detail, hint, record) "
	"SELECT $1, $2, $3, $4, $5, pg_catalog.jsonb_object_agg(sent.key, sent.value) "
	"FROM pg_catalog.jsonb_each($6::pg_catalog.jsonb) AS sent "
	"WHERE sent.value OPERATOR(pg_catalog.<>) 'null'::pg_catalog.jsonb "
	"AND sent.key OPERATOR(pg_catalog.<>) 'recorded_at'",
	.parameters = 6,
	.types = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

void
quarantine_init(void)
{
	DefineCustomEnumVariable("usage_meter.on_bad_row",
							 "What happens to a row of execution_history that is not accepted.",
							 "reject: an error, and nothing of the statement is written. "
							 "quarantine: the row is kept in the table quarantine, and the others are written.",
							 &on_bad_row, BAD_ROW_REJECT, bad_row_actions, PGC_USERSET, 0, NULL, NULL, NULL);
}

RowRefusal *
quarantine_room(void)
{
	return on_bad_row == BAD_ROW_QUARANTINE ? palloc0(sizeof(RowRefusal)) : NULL;
}

void
quarantine_execution(const Execution *row, HeapTuple sent)
{
	const Refusal *reason = &row->refusal->reason;
	Datum		record = heap_copy_tuple_as_datum(sent, RelationGetDescr(row->relation));
	Datum		values[] = {
		CStringGetTextDatum(unpack_sql_state(reason->sqlstate)),
		CStringGetTextDatum(row->refusal->column),
		CStringGetTextDatum(reason->message),
		CStringGetTextDatum(reason->detail),
		CStringGetTextDatum(reason->hint),
		DirectFunctionCall1(row_to_json, record)
	};

	StaticAssertStmt(lengthof(values) <= OWNER_QUERY_PARAMETERS_MAX, "too many parameters");
	owner_query_run(&quarantine_insert, row->relation, values, NULL);
}
