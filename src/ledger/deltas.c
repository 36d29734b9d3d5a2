/*-------------------------------------------------------------------------
 *
 * deltas.c
 *		AFTER INSERT, UPDATE or DELETE FOR EACH STATEMENT on execution_history and
 *		its partitions: append to usage_deltas what the statement changed.
 *
 * The rows of the transition tables are grouped by quarter hour and dimensions,
 * new ones added, old ones subtracted.  A group that comes out with nothing
 * changed is not written: most updates of a settled execution cost no delta.
 * Memory is bounded: when there are too many groups they are written, and
 * grouping starts over.
 *
 * Deltas are appended to a plain heap, without an index or a constraint, past
 * the executor.  So no two writers ever wait for each other here.  It would
 * corrupt indexes and skip triggers, hence a table that has some is refused.
 *
 * No privilege on usage_deltas is asked for, so that who may write executions
 * need not be able to write totals.  What stands in for it: both tables must
 * belong to the same owner.
 *
 * How an execution counts is said in SQL by execution_cells(), and here.
 * reconcile() compares the two.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "ledger/cell_key.h"
#include "ledger/execution.h"
#include "ledger/fold_worker.h"
#include "sketch/sketch.h"

PG_FUNCTION_INFO_V1(append_deltas);

#define QUARTER_HOUR_USECS	(15 * USECS_PER_MINUTE)

/*
 * Groups held before they are written, and what they take if each has one value:
 * what a core has near at hand.
 */
#define GROUPS_MAX			2048
#define GROUPS_BYTES		(2 * 1024 * 1024)

/* Rows that are written at once: they share buffer locks and WAL records. */
#define SLOTS_MAX			64

/* Integer measures, DELTA_EXECUTIONS to DELTA_REASONING_TOKENS. */
#define COUNTS				(DELTA_REASONING_TOKENS - DELTA_EXECUTIONS + 1)
#define MONEYS				(DELTA_SHADOW_COST - DELTA_COST + 1)

/* DELTA_DURATION_US and _SKETCH, DELTA_QUEUE_TIME_US and _SKETCH */
#define TIMES				2

/* The column of execution_history behind each dimension, in order. */
static const HistoryColumn dimension_sources[DELTA_DIMENSIONS] = {
	HISTORY_CUSTOMER_ID, HISTORY_PROJECT_ID, HISTORY_PACKAGE_ID, HISTORY_SECTION, HISTORY_PROVIDER,
	HISTORY_MODEL, HISTORY_ENVIRONMENT, HISTORY_CUSTOMER_TIER, HISTORY_USER_ID, HISTORY_API_KEY_ID
};

/*
 * A sum of times and their distribution.  Most groups have one value or none,
 * so there is a histogram only from the second value on.
 */
typedef struct TimeSum
{
	int64		microseconds;
	int			values;			/* how many were added or subtracted; at most 2 matters */
	int			first_sign;
	double		first;			/* the first of them, in milliseconds */
	Histogram  *histogram;
} TimeSum;

/* A sum of executions.  NULL money is zero. */
typedef struct DeltaGroup
{
	int64		counts[COUNTS];
	Numeric		moneys[MONEYS];
	TimeSum		times[TIMES];
} DeltaGroup;

/* Where a group is found: small, for the hash table moves and clears these. */
typedef struct GroupEntry
{
	CellKey	key;
	DeltaGroup *group;
	uint32		hash;
	char		status;			/* for simplehash */
} GroupEntry;

#define SH_PREFIX			group
#define SH_ELEMENT_TYPE		GroupEntry
#define SH_KEY_TYPE			CellKey
#define SH_KEY				key
#define SH_HASH_KEY(tb, k)	cell_key_hash(k)
#define SH_EQUAL(tb, a, b)	cell_key_equal(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE			static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/*
 * One run of the trigger.  What the entries of groups point to lives in context,
 * which is emptied when they are written; row_context is emptied for every row.
 * key is a buffer for the key of the current row.
 */
typedef struct DeltaWriter
{
	Relation	history;
	AttrNumber	history_attnums[HISTORY_COLUMNS];
	Oid			sketch_type;
	MemoryContext context;
	bool		context_is_large;
	MemoryContext row_context;
	group_hash *groups;
	StringInfoData key;
} DeltaWriter;

/* usage_deltas, open for writing, and rows that are about to be written. */
typedef struct DeltaTable
{
	Relation	relation;		/* NULL: not open */
	AttrNumber	attnums[DELTA_COLUMNS];
	TupleTableSlot *slots[SLOTS_MAX];	/* made when first used */
	int			used;
	int64		appended;
} DeltaTable;

static void
add_to(int64 *sum, int64 amount)
{
	if (pg_add_s64_overflow(*sum, amount, sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of executions is out of range"),
				 errdetail("One statement writes more than a sum of 64 bits can hold."),
				 errhint("Write fewer executions at once.")));
}

static void
add_count(DeltaGroup *group, DeltaColumn column, int64 amount)
{
	add_to(&group->counts[column - DELTA_EXECUTIONS], amount);
}

/* Only the result is copied out of the row's context. */
static Numeric
add_numeric(Numeric sum, Datum amount, int sign)
{
	if (sum != NULL)
		amount = DirectFunctionCall2(sign > 0 ? numeric_add : numeric_sub, NumericGetDatum(sum), amount);
	else if (sign < 0)
		amount = DirectFunctionCall1(numeric_uminus, amount);
	return DatumGetNumeric(amount);
}

/* Add sign times the column, if it is not NULL. */
static void
add_money(DeltaWriter *writer, DeltaGroup *group, DeltaColumn column,
		  const Execution *row, HistoryColumn source, int sign)
{
	Numeric    *sum = &group->moneys[column - DELTA_COST];
	Numeric		old = *sum;
	MemoryContext old_context;
	Numeric		total;

	if (execution_is_null(row, source))
		return;
	total = add_numeric(old, execution_value(row, source), sign);
	old_context = MemoryContextSwitchTo(writer->context);
	*sum = DatumGetNumericCopy(NumericGetDatum(total));
	MemoryContextSwitchTo(old_context);
	if (old != NULL)
		pfree(old);
}

static void
add_value(DeltaWriter *writer, TimeSum *sum, double value, int sign)
{
	if (sum->values == 0)
	{
		sum->first = value;
		sum->first_sign = sign;
		sum->values = 1;
		return;
	}
	if (sum->values == 1)
	{
		sum->histogram = MemoryContextAlloc(writer->context, sizeof(Histogram));
		sketch_init_signed(sum->histogram, writer->context);
		sketch_check_status(histogram_add(sum->histogram, sum->first, sum->first_sign));
		sum->values = 2;
	}
	sketch_check_status(histogram_add(sum->histogram, value, sign));
}

static void
add_time(DeltaWriter *writer, TimeSum *sum, const Execution *row, HistoryColumn source, int sign)
{
	int64		microseconds = execution_microseconds(row, source);

	if (microseconds < 0)
		return;
	add_to(&sum->microseconds, sign * microseconds);
	add_value(writer, sum, microseconds / 1000.0, sign);
}

static TimestampTz
quarter_hour(TimestampTz instant)
{
	TimestampTz into = instant % QUARTER_HOUR_USECS;

	return instant - (into < 0 ? into + QUARTER_HOUR_USECS : into);
}

/* The group of a row, made if need be. */
static DeltaGroup *
find_group(DeltaWriter *writer, const Execution *row)
{
	TimestampTz bucket = quarter_hour(DatumGetTimestampTz(execution_value(row, HISTORY_CREATED_AT)));
	CellKey	key;
	GroupEntry *entry;
	bool		found;
	int			i;

	cell_key_begin(&writer->key, bucket);
	for (i = 0; i < DELTA_DIMENSIONS; i++)
		cell_key_append(&writer->key, execution_text(row, dimension_sources[i]));

	key.bytes = writer->key.data;
	key.length = writer->key.len;
	entry = group_insert(writer->groups, key, &found);
	if (!found)
	{
		char	   *bytes = MemoryContextAlloc(writer->context, key.length);

		entry->key.bytes = memcpy(bytes, key.bytes, key.length);
		entry->group = MemoryContextAllocZero(writer->context, sizeof(DeltaGroup));
	}
	return entry->group;
}

static void
add_outcome(DeltaGroup *group, int status, int sign)
{
	static const DeltaColumn outcome[EXECUTION_STATUSES] = {
		[STATUS_PENDING] = DELTA_OPEN,
		[STATUS_RUNNING] = DELTA_OPEN,
		[STATUS_SUCCESS] = DELTA_SUCCEEDED,
		[STATUS_FAILED] = DELTA_FAILED,
		[STATUS_TIMEOUT] = DELTA_TIMED_OUT,
		[STATUS_CANCELLED] = DELTA_CANCELLED,
	};

	if (status >= 0)
		add_count(group, outcome[status], sign);
}

/* All that an execution adds to analytics. */
static void
add_usage(DeltaWriter *writer, DeltaGroup *group, const Execution *row, int sign)
{
	int			token_source = execution_word(row, HISTORY_TOKEN_SOURCE, token_source_names, TOKEN_SOURCES);
	int			price_status = execution_word(row, HISTORY_PRICE_STATUS, price_status_names, PRICE_STATUSES);

	add_count(group, DELTA_EXECUTIONS, sign);
	add_outcome(group, execution_word(row, HISTORY_STATUS, status_names, EXECUTION_STATUSES), sign);
	if (price_status == PRICE_UNPRICED)
		add_count(group, DELTA_UNPRICED, sign);
	if (token_source == TOKENS_UNREPORTED)
		add_count(group, DELTA_UNREPORTED, sign);
	if (token_source == TOKENS_ESTIMATED)
		add_count(group, DELTA_ESTIMATED, sign);
	if (!execution_is_null(row, HISTORY_BYOK) && DatumGetBool(execution_value(row, HISTORY_BYOK)))
		add_count(group, DELTA_BYOK, sign);

	add_count(group, DELTA_INPUT_TOKENS, sign * execution_int64(row, HISTORY_INPUT_TOKENS));
	add_count(group, DELTA_CACHE_READ_TOKENS, sign * execution_int64(row, HISTORY_CACHE_READ_TOKENS));
	add_count(group, DELTA_CACHE_WRITE_TOKENS, sign * execution_int64(row, HISTORY_CACHE_WRITE_TOKENS));
	add_count(group, DELTA_OUTPUT_TOKENS, sign * execution_int64(row, HISTORY_OUTPUT_TOKENS));
	add_count(group, DELTA_REASONING_TOKENS, sign * execution_int64(row, HISTORY_REASONING_TOKENS));

	add_money(writer, group, DELTA_COST, row, HISTORY_COST, sign);
	add_money(writer, group, DELTA_COST, row, HISTORY_CREDITED_COST, -sign);
	add_money(writer, group, DELTA_SHADOW_COST, row, HISTORY_SHADOW_COST, sign);
	add_time(writer, &group->times[0], row, HISTORY_DURATION_MS, sign);
	add_time(writer, &group->times[1], row, HISTORY_QUEUE_TIME_MS, sign);
}

/* A deleted execution has left analytics; what was billed stays billed, but for credits. */
static void
add_execution(DeltaWriter *writer, const Execution *row, int sign)
{
	DeltaGroup *group = find_group(writer, row);

	add_money(writer, group, DELTA_BILLED_COST, row, HISTORY_COST, sign);
	add_money(writer, group, DELTA_BILLED_COST, row, HISTORY_CREDITED_COST, -sign);
	if (execution_is_null(row, HISTORY_DELETED_AT))
		add_usage(writer, group, row, sign);
}

static bool
is_zero(Numeric value)
{
	static Numeric zero;

	return value == NULL ||
		DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(value), numeric_constant(&zero, 0)));
}

/* Did the statement leave everything in this group as it was? */
static bool
is_unchanged(const DeltaGroup *group)
{
	int			i;

	for (i = 0; i < COUNTS; i++)
	{
		if (group->counts[i] != 0)
			return false;
	}
	for (i = 0; i < MONEYS; i++)
	{
		if (!is_zero(group->moneys[i]))
			return false;
	}
	for (i = 0; i < TIMES; i++)
	{
		const TimeSum *sum = &group->times[i];

		if (sum->microseconds != 0 || sum->values == 1 ||
			(sum->values > 1 && !histogram_is_empty(sum->histogram)))
			return false;
	}
	return true;
}

static void
refuse_deltas(Relation deltas, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot append to \"%s\"", RelationGetRelationName(deltas)),
			 errdetail_internal("%s", detail),
			 errhint("Usage is appended to it as to a plain table, past the executor. "
					 "Undo the change to the table; index or constrain usage_cubes instead.")));
}

/* Is it the bucket or a dimension?  These are never NULL. */
static bool
is_key_column(const AttrNumber *attnums, AttrNumber attnum)
{
	int			i;

	for (i = DELTA_BUCKET; i <= DELTA_API_KEY_ID; i++)
	{
		if (attnums[i] == attnum)
			return true;
	}
	return false;
}

/* Measures stay NULL where nothing changed, and so do columns that the owner added. */
static void
check_nullable(Relation deltas, const AttrNumber *attnums)
{
	TupleDesc	desc = RelationGetDescr(deltas);
	int			i;

	for (i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(desc, i);

		if ((attribute->attnotnull || attribute->attgenerated != '\0') && !attribute->attisdropped &&
			!is_key_column(attnums, attribute->attnum))
			refuse_deltas(deltas, psprintf("Its column \"%s\" is NOT NULL or generated.", NameStr(attribute->attname)));
	}
}

static void
check_plain(Relation deltas, Relation history)
{
	TupleConstr *constraints = RelationGetDescr(deltas)->constr;

	if (deltas->rd_rel->relkind != RELKIND_RELATION || deltas->rd_rel->relispartition)
		refuse_deltas(deltas, "It is not a plain table.");
	if (deltas->rd_rel->relowner != history->rd_rel->relowner)
		refuse_deltas(deltas, psprintf("Its owner is not the owner of \"%s\".", RelationGetRelationName(history)));
	if (deltas->trigdesc != NULL)
		refuse_deltas(deltas, "It has a trigger.");
	if (deltas->rd_rel->relhasindex && RelationGetIndexList(deltas) != NIL)
		refuse_deltas(deltas, "It has an index.");
	if (constraints != NULL && constraints->num_check > 0)
		refuse_deltas(deltas, "It has a check constraint.");
}

/* Open usage_deltas of the ledger that the history belongs to. */
static void
open_deltas(DeltaTable *table, Relation history, Oid sketch_type)
{
	Oid			schema = RelationGetNamespace(history);
	Oid			relid = get_relname_relid("usage_deltas", schema);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema \"%s\" has no usage_deltas", get_namespace_name(schema)),
				 errdetail("\"%s\" has the triggers of a ledger, which keep the usage of its schema.",
						   RelationGetRelationName(history)),
				 errhint("Partitions and usage_deltas belong into the schema that create_usage_ledger() made.")));
	table->relation = table_open(relid, RowExclusiveLock);
	check_plain(table->relation, history);
	delta_columns_resolve(table->relation, sketch_type, table->attnums);
	check_nullable(table->relation, table->attnums);
}

static void
set_column(const DeltaTable *table, TupleTableSlot *slot, DeltaColumn column, Datum value)
{
	slot->tts_values[table->attnums[column] - 1] = value;
	slot->tts_isnull[table->attnums[column] - 1] = false;
}

static void
fill_key(const DeltaTable *table, TupleTableSlot *slot, const CellKey *key)
{
	uint32		offset = CELL_KEY_FIRST;
	int			i;

	set_column(table, slot, DELTA_BUCKET, TimestampTzGetDatum(cell_key_bucket(key)));
	for (i = 0; i < DELTA_DIMENSIONS; i++)
		set_column(table, slot, DELTA_CUSTOMER_ID + i, PointerGetDatum(cell_key_next(key, &offset)));
}

static void
fill_time(const DeltaTable *table, TupleTableSlot *slot, int which, const TimeSum *sum)
{
	if (sum->values == 0)
		return;
	set_column(table, slot, DELTA_DURATION_US + which, Int64GetDatum(sum->microseconds));
	set_column(table, slot, DELTA_DURATION_SKETCH + which,
			   sum->values == 1 ? sketch_encode_value(sum->first, sum->first_sign)
			   : sketch_encode_datum(sum->histogram));
}

/* What did not change stays NULL, which takes no room: most measures of most deltas. */
static void
fill_measures(const DeltaTable *table, TupleTableSlot *slot, const DeltaGroup *group)
{
	int			i;

	for (i = 0; i < COUNTS; i++)
	{
		if (group->counts[i] != 0)
			set_column(table, slot, DELTA_EXECUTIONS + i, Int64GetDatum(group->counts[i]));
	}
	for (i = 0; i < MONEYS; i++)
	{
		if (group->moneys[i] != NULL)
			set_column(table, slot, DELTA_COST + i, NumericGetDatum(group->moneys[i]));
	}
	for (i = 0; i < TIMES; i++)
		fill_time(table, slot, i, &group->times[i]);
}

/* The next free slot, as a row of NULLs. */
static TupleTableSlot *
next_slot(DeltaTable *table)
{
	TupleDesc	desc = RelationGetDescr(table->relation);
	TupleTableSlot *slot = table->slots[table->used];

	if (slot == NULL)
		slot = table->slots[table->used] = MakeSingleTupleTableSlot(desc, &TTSOpsVirtual);
	table->used++;
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, desc->natts * sizeof(bool));
	return slot;
}

static void
write_slots(DeltaTable *table)
{
	CommandId	command = GetCurrentCommandId(true);

	if (table->used == 1)
		table_tuple_insert(table->relation, table->slots[0], command, 0, NULL);
	else if (table->used > 1)
		table_multi_insert(table->relation, table->slots, table->used, command, 0, NULL);
	table->appended += table->used;
	table->used = 0;
}

static void
write_group(DeltaTable *table, const GroupEntry *entry)
{
	TupleTableSlot *slot = next_slot(table);

	fill_key(table, slot, &entry->key);
	fill_measures(table, slot, entry->group);
	ExecStoreVirtualTuple(slot);
	if (table->used == SLOTS_MAX)
		write_slots(table);
}

static void
close_deltas(DeltaTable *table)
{
	int			i;

	write_slots(table);
	for (i = 0; i < SLOTS_MAX && table->slots[i] != NULL; i++)
		ExecDropSingleTupleTableSlot(table->slots[i]);
	fold_worker_note(table->relation, table->appended);
	table_close(table->relation, NoLock);
}

/*
 * Forget the groups, which were written.  A statement that has filled memory once
 * will do so again: from now on the context keeps its block, or the system would
 * have to give us the same pages, cleared, again and again.
 */
static void
forget_groups(DeltaWriter *writer)
{
	group_reset(writer->groups);
	if (writer->context_is_large)
	{
		MemoryContextReset(writer->context);
		return;
	}
	MemoryContextDelete(writer->context);
	writer->context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter deltas",
											GROUPS_BYTES, GROUPS_BYTES, GROUPS_BYTES);
	writer->context_is_large = true;
}

/* Append what has changed to usage_deltas, which is not opened for nothing. */
static void
write_groups(DeltaWriter *writer)
{
	MemoryContext old_context = MemoryContextSwitchTo(writer->context);
	DeltaTable	table = {.relation = NULL};
	group_iterator iterator;
	GroupEntry *entry;

	group_start_iterate(writer->groups, &iterator);
	while ((entry = group_iterate(writer->groups, &iterator)) != NULL)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_unchanged(entry->group))
			continue;
		if (table.relation == NULL)
			open_deltas(&table, writer->history, writer->sketch_type);
		write_group(&table, entry);
	}
	if (table.relation != NULL)
		close_deltas(&table);
	MemoryContextSwitchTo(old_context);
}

/* Group the rows of a transition table. */
static void
read_transition(DeltaWriter *writer, Tuplestorestate *rows, int sign)
{
	TupleDesc	desc = RelationGetDescr(writer->history);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(desc, &TTSOpsMinimalTuple);

	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
	while (tuplestore_gettupleslot(rows, true, false, slot))
	{
		Execution	row = {.relation = writer->history, .attnums = writer->history_attnums};
		MemoryContext old_context;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		row.values = slot->tts_values;
		row.nulls = slot->tts_isnull;
		if (writer->groups->members >= GROUPS_MAX)
		{
			write_groups(writer);
			forget_groups(writer);
		}
		MemoryContextReset(writer->row_context);
		old_context = MemoryContextSwitchTo(writer->row_context);
		add_execution(writer, &row, sign);
		MemoryContextSwitchTo(old_context);
	}
	ExecDropSingleTupleTableSlot(slot);
}

static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_AFTER(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(trigdata->tg_event) ||
		TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("append_deltas must be an AFTER INSERT, UPDATE or DELETE trigger for each statement")));
	if ((!TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) && trigdata->tg_newtable == NULL) ||
		(!TRIGGER_FIRED_BY_INSERT(trigdata->tg_event) && trigdata->tg_oldtable == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("append_deltas needs the transition tables of the statement"),
				 errhint("Let add_history_triggers() make the triggers.")));
}

/*
 * A detached partition keeps these triggers, but not the one that stamps: what is
 * written to it is no part of the history, so it must not be counted.
 */
static void
check_history(Relation history)
{
	if (history->rd_rel->relispartition || history->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("\"%s\" is not a partition", RelationGetRelationName(history)),
			 errdetail("Its triggers would count what is written to it, though it is no part of the history."),
			 errhint("Attach it again, or drop its triggers.")));
}

/* quantile_sketch lives in the schema of this function. */
static Oid
find_sketch_type(FunctionCallInfo fcinfo)
{
	return GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid, PointerGetDatum("quantile_sketch"),
						   ObjectIdGetDatum(get_func_namespace(fcinfo->flinfo->fn_oid)));
}

/*
 * append_deltas() returns trigger
 */
Datum
append_deltas(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	DeltaWriter writer;

	check_protocol(fcinfo);
	check_history(trigdata->tg_relation);

	writer.history = trigdata->tg_relation;
	history_columns_resolve(writer.history, writer.history_attnums);
	writer.sketch_type = find_sketch_type(fcinfo);
	initStringInfo(&writer.key);
	writer.groups = group_create(CurrentMemoryContext, 8, NULL);
	writer.context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter deltas", ALLOCSET_DEFAULT_SIZES);
	writer.context_is_large = false;
	writer.row_context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter execution", ALLOCSET_DEFAULT_SIZES);
	if (trigdata->tg_newtable != NULL)
		read_transition(&writer, trigdata->tg_newtable, 1);
	if (trigdata->tg_oldtable != NULL)
		read_transition(&writer, trigdata->tg_oldtable, -1);
	write_groups(&writer);
	MemoryContextDelete(writer.row_context);
	MemoryContextDelete(writer.context);

	PG_RETURN_POINTER(NULL);
}
