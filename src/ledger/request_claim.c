/*-------------------------------------------------------------------------
 *
 * request_claim.c
 *		A request is recorded once: claims of request_id.
 *
 * execution_history is partitioned by time, so no unique index of it can hold a
 * request_id by itself.  request_claims has one row for each: customer, source
 * and request_id are its primary key.  An execution with a request_id claims it
 * as INSERT ... ON CONFLICT DO NOTHING would, but past the executor, which costs
 * a third: two writers wait for each other only over the same request.  If the
 * first commits, the second sees a request that is recorded; if it rolls back,
 * the second takes over.
 *
 * A claim holds as long as there is its execution, wherever that has been moved
 * or whomever it was given to since, and also where retention may have dropped
 * it: it is in the rollups.  One without (a later trigger skipped the row, or
 * somebody deleted it) is free: whoever meets it removes it, and claims anew.
 * This, and nothing else here, needs queries.
 *
 * What is read of a claim may be newer than the snapshot of the transaction, also
 * in REPEATABLE READ: a request that is recorded is recorded.
 *
 * As with deltas, no privilege on request_claims is asked for, and what stands in
 * for it is that it has the owner of the history.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "common/hashfn.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "ledger/owner_query.h"
#include "ledger/request_claim.h"

/* Leaves room for two more columns of a key in a page of the index. */
#define REQUEST_ID_BYTES_MAX	1000

/* request_claims, open for writing.  slot is the claim that is wanted. */
typedef struct ClaimTable
{
	Relation	relation;
	AttrNumber	attnums[CLAIM_COLUMNS];
	EState	   *estate;
	ResultRelInfo *result;
	List	   *arbiters;		/* the primary key */
	TupleTableSlot *slot;
} ClaimTable;

/* A claim that was met in the way of ours. */
typedef struct Claim
{
	int64		fingerprint;
	pg_uuid_t	execution_id;
	TimestampTz created_at;
	bool		is_moved;		/* the execution has another created_at by now */
} Claim;

static OwnerQuery execution_at = {
	.text =
	"SELECT FROM %1$s.execution_history AS e "
	"WHERE e.id OPERATOR(pg_catalog.=) $1 AND e.created_at OPERATOR(pg_catalog.=) $2",
	.parameters = 2,
	.types = {UUIDOID, TIMESTAMPTZOID}
};

/* Where created_at was changed.  Looks into every partition. */
static OwnerQuery execution_anywhere = {
	.text = "SELECT FROM %1$s.execution_history AS e WHERE e.id OPERATOR(pg_catalog.=) $1 LIMIT 1",
	.parameters = 1,
	.types = {UUIDOID}
};

static OwnerQuery execution_dropped = {
	.text =
	"SELECT FROM %1$s.retention AS r "
	"WHERE r.table_name OPERATOR(pg_catalog.=) 'execution_history' AND r.dropped_until OPERATOR(pg_catalog.>) $1",
	.parameters = 1,
	.types = {TIMESTAMPTZOID}
};

static OwnerQuery claim_release = {
	.text =
	"DELETE FROM %1$s.request_claims AS c "
	"WHERE c.customer_id OPERATOR(pg_catalog.=) $1 AND c.source OPERATOR(pg_catalog.=) $2 "
	"AND c.request_id OPERATOR(pg_catalog.=) $3 AND c.execution_id OPERATOR(pg_catalog.=) $4",
	.parameters = 4,
	.types = {TEXTOID, TEXTOID, TEXTOID, UUIDOID}
};

/* An empty request_id is none. */
static bool
has_request_id(const Execution *row)
{
	text	   *request_id = execution_text(row, HISTORY_REQUEST_ID);

	return request_id != NULL && VARSIZE_ANY_EXHDR(request_id) > 0;
}

/*
 * Hash of one value: that of its bytes, however they are stored.  Numbers are
 * the same with zeros behind the point.
 */
static uint64
hash_value(Datum value, Form_pg_attribute attribute, uint64 seed)
{
	struct varlena *packed;

	if (attribute->atttypid == NUMERICOID)
		return DatumGetUInt64(DirectFunctionCall2(hash_numeric_extended, value, UInt64GetDatum(seed)));
	if (attribute->attbyval)
		return hash_bytes_extended((const unsigned char *) &value, sizeof(value), seed);
	if (attribute->attlen > 0)
		return hash_bytes_extended((const unsigned char *) DatumGetPointer(value), attribute->attlen, seed);
	packed = PG_DETOAST_DATUM_PACKED(value);
	return hash_bytes_extended((const unsigned char *) VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed), seed);
}

/* Is it part of what the caller says, and not of how this row came about? */
static bool
is_payload(const Execution *row, Form_pg_attribute attribute)
{
	return !attribute->attisdropped && attribute->attgenerated == '\0' &&
		attribute->attnum != row->attnums[HISTORY_ID] &&
		attribute->attnum != row->attnums[HISTORY_CREATED_AT] &&
		strcmp(NameStr(attribute->attname), "recorded_at") != 0;
}

/*
 * Each column's hash starts from that of its name, and they are added up: so
 * neither the order of columns counts, which may differ between partitions, nor
 * those that are NULL, such as one added since.
 */
int64
request_fingerprint(const Execution *row)
{
	TupleDesc	desc = RelationGetDescr(row->relation);
	uint64		sum = 0;
	int			i;

	if (!has_request_id(row))
		return 0;
	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);
		const char *name = NameStr(attribute->attname);

		if (!row->nulls[i] && is_payload(row, attribute))
			sum += hash_value(row->values[i], attribute,
							  hash_bytes_extended((const unsigned char *) name, strlen(name), 0));
	}
	return (int64) sum;
}

static void
refuse_claims(Relation claims, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot claim a request in \"%s\"", RelationGetRelationName(claims)),
			 errdetail_internal("%s", detail),
			 errhint("Claims are written past the executor. Undo the change to the table.")));
}

/* Constraints and indexes of the owner's are welcome, they are executed below. */
static void
check_claims(Relation claims, Relation history)
{
	TupleConstr *constraints = RelationGetDescr(claims)->constr;

	if (claims->rd_rel->relkind != RELKIND_RELATION || claims->rd_rel->relispartition)
		refuse_claims(claims, "It is not a plain table.");
	if (claims->rd_rel->relowner != history->rd_rel->relowner)
		refuse_claims(claims, psprintf("Its owner is not the owner of \"%s\".", RelationGetRelationName(history)));
	if (claims->trigdesc != NULL)
		refuse_claims(claims, "It has a trigger.");
	if (constraints != NULL && constraints->has_generated_stored)
		refuse_claims(claims, "It has a generated column.");
}

static void
open_claims(ClaimTable *table, Relation history)
{
	Oid			schema = RelationGetNamespace(history);
	Oid			relid = get_relname_relid("request_claims", schema);
	Oid			key;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema \"%s\" has no request_claims", get_namespace_name(schema)),
				 errdetail("An execution with a request_id claims it there."),
				 errhint("Move the table back into the schema that create_usage_ledger() made.")));
	table->relation = table_open(relid, RowExclusiveLock);
	check_claims(table->relation, history);
	claim_columns_resolve(table->relation, table->attnums);
	(void) RelationGetIndexList(table->relation);
	key = table->relation->rd_pkindex;
	if (!OidIsValid(key))
		refuse_claims(table->relation, "It has no primary key.");

	table->arbiters = list_make1_oid(key);
	table->estate = CreateExecutorState();
	table->result = makeNode(ResultRelInfo);
	InitResultRelInfo(table->result, table->relation, 0, NULL, 0);
	ExecOpenIndices(table->result, true);
	table->slot = MakeSingleTupleTableSlot(RelationGetDescr(table->relation), &TTSOpsVirtual);
}

static void
close_claims(ClaimTable *table)
{
	ExecDropSingleTupleTableSlot(table->slot);
	ExecCloseIndices(table->result);
	FreeExecutorState(table->estate);
	table_close(table->relation, NoLock);
}

static void
set_column(ClaimTable *table, ClaimColumn column, Datum value)
{
	table->slot->tts_values[table->attnums[column] - 1] = value;
	table->slot->tts_isnull[table->attnums[column] - 1] = false;
}

static Datum
column_of(const ClaimTable *table, TupleTableSlot *slot, ClaimColumn column)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, table->attnums[column], &isnull);

	if (isnull)
		refuse_claims(table->relation, "A column of a claim is null.");
	return value;
}

static void
fill_claim(ClaimTable *table, const Execution *row, int64 fingerprint)
{
	TupleTableSlot *slot = table->slot;

	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, RelationGetDescr(table->relation)->natts * sizeof(bool));
	set_column(table, CLAIM_CUSTOMER_ID, execution_value(row, HISTORY_CUSTOMER_ID));
	set_column(table, CLAIM_SOURCE, execution_is_null(row, HISTORY_SOURCE)
			   ? PointerGetDatum(cstring_to_text("")) : execution_value(row, HISTORY_SOURCE));
	set_column(table, CLAIM_REQUEST_ID, execution_value(row, HISTORY_REQUEST_ID));
	set_column(table, CLAIM_FINGERPRINT, Int64GetDatum(fingerprint));
	set_column(table, CLAIM_EXECUTION_ID, execution_value(row, HISTORY_ID));
	set_column(table, CLAIM_CREATED_AT, execution_value(row, HISTORY_CREATED_AT));
	set_column(table, CLAIM_CLAIMED_AT, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
	ExecStoreVirtualTuple(slot);
	if (RelationGetDescr(table->relation)->constr != NULL)
		ExecConstraints(table->result, slot, table->estate);
}

/*
 * Insert the claim unless its key is taken: then tells by what.  Waits for a
 * transaction that is about to take it.
 */
static bool
insert_claim(ClaimTable *table, ItemPointer taken_by)
{
	TransactionId xid = GetCurrentTransactionId();
	bool		conflicts;

	do
	{
		uint32		token;

		conflicts = false;
		CHECK_FOR_INTERRUPTS();
		if (!ExecCheckIndexConstraints(table->result, table->slot, table->estate, taken_by, table->arbiters))
			return false;
		token = SpeculativeInsertionLockAcquire(xid);
		table_tuple_insert_speculative(table->relation, table->slot, GetCurrentCommandId(true), 0, NULL, token);
		insert_index_tuples(table->result, table->slot, table->estate, &conflicts, table->arbiters);
		table_tuple_complete_speculative(table->relation, table->slot, token, !conflicts);
		SpeculativeInsertionLockRelease(xid);
	} while (conflicts);
	return true;
}

/*
 * The claim stays readable: whoever removes it meanwhile is newer than the
 * snapshot of our statement.
 */
static Claim
read_claim(const ClaimTable *table, ItemPointer tid)
{
	TupleTableSlot *slot = table_slot_create(table->relation, NULL);
	Claim		claim;

	if (!table_tuple_fetch_row_version(table->relation, tid, SnapshotAny, slot))
		elog(ERROR, "could not read a claim of a request");
	claim.fingerprint = DatumGetInt64(column_of(table, slot, CLAIM_FINGERPRINT));
	claim.execution_id = *DatumGetUUIDP(column_of(table, slot, CLAIM_EXECUTION_ID));
	claim.created_at = DatumGetTimestampTz(column_of(table, slot, CLAIM_CREATED_AT));
	ExecDropSingleTupleTableSlot(slot);
	return claim;
}

/* Has the claim its execution, or had it until that was too old to be kept? */
static bool
is_held(Claim *claim, Relation history)
{
	Datum		key[] = {UUIDPGetDatum(&claim->execution_id), TimestampTzGetDatum(claim->created_at)};

	claim->is_moved = owner_query_run(&execution_at, history, key, NULL) == 0;
	return !claim->is_moved ||
		owner_query_run(&execution_dropped, history, &key[1], NULL) > 0 ||
		owner_query_run(&execution_anywhere, history, key, NULL) > 0;
}

/* Whether it was us who removed it does not matter: we look again. */
static void
release_claim(const ClaimTable *table, const Claim *claim, Relation history)
{
	Datum		key[] = {
		column_of(table, table->slot, CLAIM_CUSTOMER_ID),
		column_of(table, table->slot, CLAIM_SOURCE),
		column_of(table, table->slot, CLAIM_REQUEST_ID),
		UUIDPGetDatum(&claim->execution_id)
	};

	(void) owner_query_run(&claim_release, history, key, NULL);
}

static char *
uuid_text(const pg_uuid_t *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(uuid)));
}

/*
 * The request is recorded.  An execution of the same id and time with another
 * payload is none of our business: the primary key refuses it, or ON CONFLICT
 * says what happens.
 */
static bool
meet_claim(const Execution *row, int64 fingerprint, const Claim *claim)
{
	pg_uuid_t  *id = DatumGetUUIDP(execution_value(row, HISTORY_ID));

	if (claim->fingerprint == fingerprint)
		return false;
	if (!claim->is_moved && memcmp(id->data, claim->execution_id.data, UUID_LEN) == 0 &&
		claim->created_at == DatumGetTimestampTz(execution_value(row, HISTORY_CREATED_AT)))
		return true;
	execution_refuse(row, HISTORY_REQUEST_ID, (Refusal)
					 {
						 .sqlstate = ERRCODE_UNIQUE_VIOLATION,
						 .message = psprintf("request_id \"%s\" is recorded with another payload",
											 text_to_cstring(execution_text(row, HISTORY_REQUEST_ID))),
						 .detail = psprintf("It is that of execution %s of customer \"%s\".",
											uuid_text(&claim->execution_id),
											text_to_cstring(execution_text(row, HISTORY_CUSTOMER_ID))),
						 .hint = "Repeat a request with the same values, give another one an id of its own, and change an execution by UPDATE."
					 });
	return false;
}

static void
check_length(const Execution *row, HistoryColumn column, Size bytes_max)
{
	text	   *value = execution_text(row, column);

	if (value != NULL && VARSIZE_ANY_EXHDR(value) > bytes_max)
		execution_refuse(row, column, (Refusal)
						 {
							 .sqlstate = ERRCODE_CHECK_VIOLATION,
							 .message = "identity of a request is too long",
							 .detail = psprintf("It has %zu bytes, %zu are allowed.", (size_t) VARSIZE_ANY_EXHDR(value), (size_t) bytes_max),
							 .hint = "A hash of it identifies the request as well."
						 });
}

bool
request_claim(const Execution *row, int64 fingerprint)
{
	ClaimTable	table;
	ItemPointerData taken_by;
	bool		is_new;

	if (!has_request_id(row))
		return true;
	check_length(row, HISTORY_REQUEST_ID, REQUEST_ID_BYTES_MAX);
	check_length(row, HISTORY_SOURCE, REQUEST_ID_BYTES_MAX);
	if (execution_is_refused(row))
		return false;

	open_claims(&table, row->relation);
	fill_claim(&table, row, fingerprint);
	while (!(is_new = insert_claim(&table, &taken_by)))
	{
		Claim		claim = read_claim(&table, &taken_by);

		if (is_held(&claim, row->relation))
		{
			is_new = meet_claim(row, fingerprint, &claim);
			break;
		}
		release_claim(&table, &claim, row->relation);
	}
	close_claims(&table);
	return is_new;
}
