/*-------------------------------------------------------------------------
 *
 * fold.c
 *		take_deltas(): remove pending deltas from usage_deltas, and return what they
 *		add to each cell of each cube.  fold() adds that to usage_cubes.
 *
 * How deltas are rolled up is said in SQL by rolled_up(), and here; reconcile()
 * compares the two.  In SQL every delta waited for memory some eighty times: for
 * each of four cubes there were a group's key, the state of twenty aggregates and
 * two sketches in places of their own, more than 2 kB a cell.  A cell here is its
 * key, 200 bytes, and a few for each sketch that it got.
 *
 * The coarse cubes are made of the cells of fine ones, which are far fewer.
 *
 * Memory is bounded by taking fewer deltas than asked for: fold() asks again.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "common/int.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/rel.h"
#include "utils/rls.h"
#include "utils/snapmgr.h"

#include "ledger/cell_key.h"
#include "ledger/columns.h"
#include "sketch/sketch.h"

PG_FUNCTION_INFO_V1(take_deltas);

/* What cells may take; looked at after so many deltas. */
#define CELLS_BYTES_MAX		(256 * 1024 * 1024)
#define DELTAS_BETWEEN_LOOKS	1024

/* Bytes of sketches that wait in a cell, first and at most: about five, and forty. */
#define WAITING_MIN			64
#define WAITING_MAX			512

/* Integer measures, DELTA_EXECUTIONS to DELTA_REASONING_TOKENS. */
#define COUNTS				(DELTA_REASONING_TOKENS - DELTA_EXECUTIONS + 1)
#define MONEYS				(DELTA_SHADOW_COST - DELTA_COST + 1)

/* DELTA_DURATION_US and _SKETCH, DELTA_QUEUE_TIME_US and _SKETCH */
#define TIMES				2

/* Columns of the result: those of a delta, the name of the cube, how many deltas are in the cell. */
#define RESULT_CUBE			DELTA_COLUMNS
#define RESULT_DELTAS		(DELTA_COLUMNS + 1)
#define RESULT_COLUMNS		(DELTA_COLUMNS + 2)

typedef enum CubeId
{
	WORKLOAD_DAY,
	ACTOR_DAY,
	TIMELINE_QUARTER,
	SYSTEM_QUARTER,
	PROJECT_DAY,
	TIMELINE_HOUR,
	SYSTEM_DAY,
	TOTAL_QUARTER
} CubeId;

#define USECS_PER_QUARTER	(15 * USECS_PER_MINUTE)

#define CUBES				(TOTAL_QUARTER + 1)
#define OF_DELTAS			(-1)

#define DIMENSION(name)		(1 << (DELTA_##name - DELTA_CUSTOMER_ID))

/* A cube holds some of the dimensions, and is made of the deltas or of the cells of another before it. */
typedef struct CubeSpec
{
	const char *name;
	int64		grain;			/* microseconds from bucket to bucket */
	int			source;
	uint32		dimensions;
} CubeSpec;

static const CubeSpec cube_specs[CUBES] = {
	[WORKLOAD_DAY] = {"workload_day", USECS_PER_DAY, OF_DELTAS,
		DIMENSION(CUSTOMER_ID) | DIMENSION(PROJECT_ID) | DIMENSION(PACKAGE_ID) | DIMENSION(SECTION) |
		DIMENSION(PROVIDER) | DIMENSION(MODEL) | DIMENSION(ENVIRONMENT) | DIMENSION(CUSTOMER_TIER)},
	[ACTOR_DAY] = {"actor_day", USECS_PER_DAY, OF_DELTAS,
		DIMENSION(CUSTOMER_ID) | DIMENSION(USER_ID) | DIMENSION(API_KEY_ID)},
	[TIMELINE_QUARTER] = {"timeline_quarter", USECS_PER_QUARTER, OF_DELTAS,
		DIMENSION(CUSTOMER_ID) | DIMENSION(ENVIRONMENT)},
	[SYSTEM_QUARTER] = {"system_quarter", USECS_PER_QUARTER, OF_DELTAS,
		DIMENSION(SECTION) | DIMENSION(PROVIDER) | DIMENSION(MODEL) | DIMENSION(ENVIRONMENT)},
	[PROJECT_DAY] = {"project_day", USECS_PER_DAY, WORKLOAD_DAY,
		DIMENSION(CUSTOMER_ID) | DIMENSION(PROJECT_ID) | DIMENSION(ENVIRONMENT)},
	[TIMELINE_HOUR] = {"timeline_hour", USECS_PER_HOUR, TIMELINE_QUARTER,
		DIMENSION(CUSTOMER_ID) | DIMENSION(ENVIRONMENT)},
	[SYSTEM_DAY] = {"system_day", USECS_PER_DAY, SYSTEM_QUARTER,
		DIMENSION(SECTION) | DIMENSION(PROVIDER) | DIMENSION(MODEL) | DIMENSION(ENVIRONMENT)},
	[TOTAL_QUARTER] = {"total_quarter", USECS_PER_QUARTER, SYSTEM_QUARTER,
		DIMENSION(ENVIRONMENT)},
};

/* What is added to cells: a delta, or a cell.  A NULL pointer is zero. */
typedef struct Addend
{
	TimestampTz bucket;
	const text *dimensions[DELTA_DIMENSIONS];
	int64		deltas;
	int64		counts[COUNTS];
	int64		microseconds[TIMES];
	Numeric		moneys[MONEYS];
	struct varlena *sketches[TIMES];
} Addend;

/*
 * A distribution.  Small sketches, which those of deltas are, wait side by side
 * until there are many: most cells never see more, and need no histogram.
 */
typedef struct SketchSum
{
	char	   *waiting;
	uint16		used;
	uint16		size;
	Histogram  *histogram;		/* NULL until there were too many */
} SketchSum;

/*
 * A sum.  As long as cost and billed cost are the same, which they are but for
 * deleted executions, the first two moneys are one number: it is added once.
 */
typedef struct Cell
{
	int64		deltas;
	int64		counts[COUNTS];
	int64		microseconds[TIMES];
	Numeric		moneys[MONEYS];
	SketchSum	sketches[TIMES];
} Cell;

typedef struct CellEntry
{
	CellKey		key;
	Cell	   *cell;
	uint32		hash;
	char		status;			/* for simplehash */
} CellEntry;

#define SH_PREFIX			cells
#define SH_ELEMENT_TYPE		CellEntry
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

/* One call.  Cells live in context; row_context is emptied for every delta. */
typedef struct Fold
{
	ReturnSetInfo *result;
	MemoryContext context;
	MemoryContext row_context;
	cells_hash *cubes[CUBES];
	StringInfoData key;
} Fold;

static void
add_to(int64 *sum, int64 amount)
{
	if (pg_add_s64_overflow(*sum, amount, sum))
		ereport(ERROR,
				(errcode(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE),
				 errmsg("sum of usage is out of range"),
				 errdetail("A cell would hold more than a sum of 64 bits can.")));
}

static Numeric
keep_numeric(Fold *fold, Numeric value)
{
	MemoryContext old_context = MemoryContextSwitchTo(fold->context);
	Numeric		kept = DatumGetNumericCopy(NumericGetDatum(value));

	MemoryContextSwitchTo(old_context);
	return kept;
}

static bool
is_same_numeric(Numeric a, Numeric b)
{
	return a == b || (a != NULL && b != NULL && VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0);
}

static Numeric
sum_of(Fold *fold, Numeric sum, Numeric amount)
{
	if (amount == NULL)
		return sum;
	if (sum == NULL)
		return keep_numeric(fold, amount);
	return keep_numeric(fold, DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(sum), NumericGetDatum(amount))));
}

static void
add_moneys(Fold *fold, Cell *cell, const Addend *addend)
{
	bool		is_shared = cell->moneys[0] == cell->moneys[1];
	Numeric		sums[MONEYS];
	int			i;

	for (i = 0; i < MONEYS; i++)
	{
		if (i == 1 && is_shared && is_same_numeric(addend->moneys[0], addend->moneys[1]))
			sums[i] = sums[0];
		else
			sums[i] = sum_of(fold, cell->moneys[i], addend->moneys[i]);
	}
	for (i = 0; i < MONEYS; i++)
	{
		if (cell->moneys[i] != NULL && cell->moneys[i] != sums[i] && !(i == 1 && is_shared))
			pfree(cell->moneys[i]);
	}
	memcpy(cell->moneys, sums, sizeof(sums));
}

static void
merge_waiting(const SketchSum *sum, Histogram *into)
{
	const char *sketch;

	for (sketch = sum->waiting; sketch < sum->waiting + sum->used; sketch += VARSIZE_SHORT(sketch))
		sketch_merge_datum(into, PointerGetDatum(sketch), 1);
}

/* What waits too, so that the histogram is all there is. */
static Histogram *
settle_sketch(Fold *fold, SketchSum *sum)
{
	if (sum->histogram == NULL)
	{
		sum->histogram = MemoryContextAlloc(fold->context, sizeof(Histogram));
		sketch_init_signed(sum->histogram, fold->context);
	}
	merge_waiting(sum, sum->histogram);
	sum->used = 0;
	return sum->histogram;
}

static void
grow_waiting(Fold *fold, SketchSum *sum)
{
	uint16		size = sum->size == 0 ? WAITING_MIN : 2 * sum->size;
	char	   *waiting = MemoryContextAlloc(fold->context, size);

	if (sum->waiting != NULL)
	{
		memcpy(waiting, sum->waiting, sum->used);
		pfree(sum->waiting);
	}
	sum->waiting = waiting;
	sum->size = size;
}

static void
add_sketch(Fold *fold, SketchSum *sum, struct varlena *sketch)
{
	if (sketch == NULL)
		return;
	if (!VARATT_IS_SHORT(sketch))
	{
		sketch_merge_datum(settle_sketch(fold, sum), PointerGetDatum(sketch), 1);
		return;
	}
	while (sum->used + VARSIZE_SHORT(sketch) > sum->size)
	{
		if (sum->size < WAITING_MAX)
			grow_waiting(fold, sum);
		else
			settle_sketch(fold, sum);
	}
	memcpy(sum->waiting + sum->used, sketch, VARSIZE_SHORT(sketch));
	sum->used += VARSIZE_SHORT(sketch);
}

/* The whole distribution as a flat sketch, NULL if there is none. */
static struct varlena *
flat_sketch(Fold *fold, SketchSum *sum)
{
	Histogram	workspace;

	if (sum->histogram != NULL)
		return (struct varlena *) DatumGetPointer(sketch_encode_datum(settle_sketch(fold, sum)));
	if (sum->used == 0)
		return NULL;
	if (VARSIZE_SHORT(sum->waiting) == sum->used)
		return (struct varlena *) sum->waiting;
	sketch_init_signed(&workspace, CurrentMemoryContext);
	merge_waiting(sum, &workspace);
	return (struct varlena *) DatumGetPointer(sketch_encode_datum(&workspace));
}

static TimestampTz
floor_bucket(TimestampTz instant, int64 grain)
{
	TimestampTz into = instant % grain;

	return instant - (into < 0 ? into + grain : into);
}

/* The cell of a cube that an addend belongs to, made if need be. */
static Cell *
find_cell(Fold *fold, CubeId cube, const Addend *addend)
{
	const CubeSpec *spec = &cube_specs[cube];
	CellKey		key;
	CellEntry  *entry;
	bool		found;
	int			i;

	cell_key_begin(&fold->key, floor_bucket(addend->bucket, spec->grain));
	for (i = 0; i < DELTA_DIMENSIONS; i++)
	{
		if (spec->dimensions & (1 << i))
			cell_key_append(&fold->key, addend->dimensions[i]);
	}
	key.bytes = fold->key.data;
	key.length = fold->key.len;
	entry = cells_insert(fold->cubes[cube], key, &found);
	if (!found)
	{
		Size		offset = MAXALIGN(sizeof(Cell));
		char	   *bytes = MemoryContextAlloc(fold->context, offset + key.length);

		entry->cell = memset(bytes, 0, sizeof(Cell));
		entry->key.bytes = memcpy(bytes + offset, key.bytes, key.length);
	}
	return entry->cell;
}

static void
add_to_cube(Fold *fold, CubeId cube, const Addend *addend)
{
	Cell	   *cell = find_cell(fold, cube, addend);
	int			i;

	cell->deltas += addend->deltas;
	for (i = 0; i < COUNTS; i++)
		add_to(&cell->counts[i], addend->counts[i]);
	for (i = 0; i < TIMES; i++)
		add_to(&cell->microseconds[i], addend->microseconds[i]);
	add_moneys(fold, cell, addend);
	for (i = 0; i < TIMES; i++)
		add_sketch(fold, &cell->sketches[i], addend->sketches[i]);
}

static void
add_to_cubes(Fold *fold, int source, const Addend *addend)
{
	int			cube;

	for (cube = 0; cube < CUBES; cube++)
	{
		if (cube_specs[cube].source == source)
			add_to_cube(fold, cube, addend);
	}
}

/* ---- deltas ---- */

static int64
slot_int64(TupleTableSlot *slot, AttrNumber attnum)
{
	return slot->tts_isnull[attnum - 1] ? 0 : DatumGetInt64(slot->tts_values[attnum - 1]);
}

/* A value of variable length as it is in memory, not compressed or out of line; NULL for NULL. */
static void *
slot_varlena(TupleTableSlot *slot, AttrNumber attnum)
{
	return slot->tts_isnull[attnum - 1] ? NULL : PG_DETOAST_DATUM_PACKED(slot->tts_values[attnum - 1]);
}

static Numeric
slot_numeric(TupleTableSlot *slot, AttrNumber attnum)
{
	return slot->tts_isnull[attnum - 1] ? NULL : DatumGetNumeric(slot->tts_values[attnum - 1]);
}

static void
read_delta(TupleTableSlot *slot, const AttrNumber *attnums, Addend *addend)
{
	int			i;

	slot_getallattrs(slot);
	addend->bucket = slot_int64(slot, attnums[DELTA_BUCKET]);
	for (i = 0; i < DELTA_DIMENSIONS; i++)
		addend->dimensions[i] = slot_varlena(slot, attnums[DELTA_CUSTOMER_ID + i]);
	addend->deltas = 1;
	for (i = 0; i < COUNTS; i++)
		addend->counts[i] = slot_int64(slot, attnums[DELTA_EXECUTIONS + i]);
	for (i = 0; i < MONEYS; i++)
		addend->moneys[i] = slot_numeric(slot, attnums[DELTA_COST + i]);
	for (i = 0; i < TIMES; i++)
	{
		addend->microseconds[i] = slot_int64(slot, attnums[DELTA_DURATION_US + i]);
		addend->sketches[i] = slot_varlena(slot, attnums[DELTA_DURATION_SKETCH + i]);
	}
}

/* fold() holds a lock against other folds, so nobody else should have it. */
static void
remove_delta(Relation deltas, TupleTableSlot *slot, Snapshot snapshot)
{
	TM_FailureData failure;
	TM_Result	result = table_tuple_delete(deltas, &slot->tts_tid, GetCurrentCommandId(true), snapshot,
											InvalidSnapshot, false, &failure, false);

	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not serialize access due to concurrent delete"),
				 errdetail("A delta of \"%s\" was taken by another transaction.", RelationGetRelationName(deltas)),
				 errhint("The transaction might succeed if retried.")));
}

static void
read_deltas(Fold *fold, Relation deltas, const AttrNumber *attnums, int64 max_deltas)
{
	Snapshot	snapshot = GetActiveSnapshot();
	TableScanDesc scan = table_beginscan_strat(deltas, snapshot, 0, NULL, true, false);
	TupleTableSlot *slot = table_slot_create(deltas, NULL);
	int64		taken = 0;

	while (taken < max_deltas && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Addend		addend;
		MemoryContext old_context;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(fold->row_context);
		old_context = MemoryContextSwitchTo(fold->row_context);
		read_delta(slot, attnums, &addend);
		add_to_cubes(fold, OF_DELTAS, &addend);
		MemoryContextSwitchTo(old_context);
		remove_delta(deltas, slot, snapshot);
		taken++;
		if (taken % DELTAS_BETWEEN_LOOKS == 0 && MemoryContextMemAllocated(fold->context, true) > CELLS_BYTES_MAX)
			break;
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
}

/* ---- cells ---- */

static void
read_cell(Fold *fold, CubeId cube, const CellEntry *entry, Addend *addend)
{
	Cell	   *cell = entry->cell;
	uint32		offset = CELL_KEY_FIRST;
	int			i;

	addend->bucket = cell_key_bucket(&entry->key);
	for (i = 0; i < DELTA_DIMENSIONS; i++)
		addend->dimensions[i] = (cube_specs[cube].dimensions & (1 << i))
			? (const text *) cell_key_next(&entry->key, &offset) : NULL;
	addend->deltas = cell->deltas;
	memcpy(addend->counts, cell->counts, sizeof(addend->counts));
	memcpy(addend->microseconds, cell->microseconds, sizeof(addend->microseconds));
	memcpy(addend->moneys, cell->moneys, sizeof(addend->moneys));
	for (i = 0; i < TIMES; i++)
		addend->sketches[i] = flat_sketch(fold, &cell->sketches[i]);
}

static Datum
empty_sketch(void)
{
	Histogram	empty;

	sketch_init_signed(&empty, CurrentMemoryContext);
	return sketch_encode_datum(&empty);
}

/* In a cell of a cube nothing is NULL. */
static void
return_cell(Fold *fold, CubeId cube, const Addend *addend)
{
	Datum		values[RESULT_COLUMNS];
	bool		nulls[RESULT_COLUMNS] = {false};
	int			i;

	values[DELTA_BUCKET] = TimestampTzGetDatum(addend->bucket);
	for (i = 0; i < DELTA_DIMENSIONS; i++)
		values[DELTA_CUSTOMER_ID + i] = addend->dimensions[i] != NULL
			? PointerGetDatum(addend->dimensions[i]) : CStringGetTextDatum("");
	for (i = 0; i < COUNTS; i++)
		values[DELTA_EXECUTIONS + i] = Int64GetDatum(addend->counts[i]);
	for (i = 0; i < MONEYS; i++)
		values[DELTA_COST + i] = NumericGetDatum(addend->moneys[i] != NULL ? addend->moneys[i] : int64_to_numeric(0));
	for (i = 0; i < TIMES; i++)
	{
		values[DELTA_DURATION_US + i] = Int64GetDatum(addend->microseconds[i]);
		values[DELTA_DURATION_SKETCH + i] = addend->sketches[i] != NULL
			? PointerGetDatum(addend->sketches[i]) : empty_sketch();
	}
	values[RESULT_CUBE] = CStringGetTextDatum(cube_specs[cube].name);
	values[RESULT_DELTAS] = Int64GetDatum(addend->deltas);
	tuplestore_putvalues(fold->result->setResult, fold->result->setDesc, values, nulls);
}

/* As text is compared in "C": by bytes. */
static int
compare_texts(const char *a, const char *b)
{
	Size		a_length = VARSIZE_ANY_EXHDR(a);
	Size		b_length = VARSIZE_ANY_EXHDR(b);
	int			order = memcmp(VARDATA_ANY(a), VARDATA_ANY(b), Min(a_length, b_length));

	return order != 0 ? order : (a_length > b_length) - (a_length < b_length);
}

/* The order of usage_cubes_pkey within a cube: by customer, where it holds that, bucket, and the other dimensions. */
static int
compare_entries(const void *left, const void *right, void *holds_customer)
{
	const CellKey *a = &(*(CellEntry *const *) left)->key;
	const CellKey *b = &(*(CellEntry *const *) right)->key;
	uint32		a_offset = CELL_KEY_FIRST;
	uint32		b_offset = CELL_KEY_FIRST;
	int			order = 0;

	if (*(bool *) holds_customer)
		order = compare_texts(cell_key_next(a, &a_offset), cell_key_next(b, &b_offset));
	if (order == 0)
		order = (cell_key_bucket(a) > cell_key_bucket(b)) - (cell_key_bucket(a) < cell_key_bucket(b));
	while (order == 0 && a_offset < a->length)
		order = compare_texts(cell_key_next(a, &a_offset), cell_key_next(b, &b_offset));
	return order;
}

static CellEntry **
sorted_entries(Fold *fold, CubeId cube)
{
	CellEntry **entries = MemoryContextAllocHuge(fold->context, fold->cubes[cube]->members * sizeof(CellEntry *));
	bool		holds_customer = (cube_specs[cube].dimensions & DIMENSION(CUSTOMER_ID)) != 0;
	cells_iterator iterator;
	CellEntry  *entry;
	int64		count = 0;

	cells_start_iterate(fold->cubes[cube], &iterator);
	while ((entry = cells_iterate(fold->cubes[cube], &iterator)) != NULL)
		entries[count++] = entry;
	qsort_arg(entries, count, sizeof(CellEntry *), compare_entries, &holds_customer);
	return entries;
}

/* In the order in which they are found in usage_cubes, so that the next is near the last. */
static void
return_cube(Fold *fold, CubeId cube)
{
	CellEntry **entries = sorted_entries(fold, cube);
	int64		i;

	for (i = 0; i < fold->cubes[cube]->members; i++)
	{
		Addend		addend;
		MemoryContext old_context;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(fold->row_context);
		old_context = MemoryContextSwitchTo(fold->row_context);
		read_cell(fold, cube, entries[i], &addend);
		add_to_cubes(fold, cube, &addend);
		return_cell(fold, cube, &addend);
		MemoryContextSwitchTo(old_context);
	}
	pfree(entries);
}

/* ---- the function ---- */

/* Rows are removed past the executor, so what it would do must not be asked for. */
static void
check_deltas(Relation deltas)
{
	Oid			relid = RelationGetRelid(deltas);
	if (pg_class_aclmask(relid, GetUserId(), ACL_SELECT | ACL_DELETE, ACLMASK_ALL) != (ACL_SELECT | ACL_DELETE))
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, RelationGetRelationName(deltas));
	if (deltas->rd_rel->relkind != RELKIND_RELATION || deltas->trigdesc != NULL ||
		check_enable_rls(relid, InvalidOid, false) == RLS_ENABLED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("cannot take deltas from \"%s\"", RelationGetRelationName(deltas)),
				 errdetail("It is not a plain table, has a trigger, or policies apply to this role."),
				 errhint("Let the owner of the ledger fold; undo changes to the table.")));
}

/*
 * take_deltas(deltas regclass, max_deltas bigint) returns table (...)
 */
Datum
take_deltas(PG_FUNCTION_ARGS)
{
	Relation	deltas = table_open(PG_GETARG_OID(0), RowExclusiveLock);
	Fold		fold = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	AttrNumber	attnums[DELTA_COLUMNS];
	int			cube;

	PreventCommandIfReadOnly("take_deltas()");
	InitMaterializedSRF(fcinfo, 0);
	check_deltas(deltas);
	delta_columns_resolve(deltas, TupleDescAttr(fold.result->setDesc, DELTA_DURATION_SKETCH)->atttypid, attnums);

	fold.context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter cells", ALLOCSET_DEFAULT_SIZES);
	fold.row_context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter delta", ALLOCSET_SMALL_SIZES);
	initStringInfo(&fold.key);
	for (cube = 0; cube < CUBES; cube++)
		fold.cubes[cube] = cells_create(fold.context, 256, NULL);

	read_deltas(&fold, deltas, attnums, PG_GETARG_INT64(1));
	for (cube = 0; cube < CUBES; cube++)
		return_cube(&fold, cube);

	MemoryContextDelete(fold.row_context);
	MemoryContextDelete(fold.context);
	table_close(deltas, NoLock);
	return (Datum) 0;
}
