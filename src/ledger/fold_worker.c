/*-------------------------------------------------------------------------
 *
 * fold_worker.c
 *		Fold deltas in the background, with nothing configured.
 *
 * When a transaction that has appended n deltas commits, it starts a background
 * worker with probability min(1, n / usage_meter.fold_threshold).  Sessions need
 * no counter in common for that, and a backlog of a few thresholds is all that can
 * be expected.  It happens after the commit, since a worker that starts before
 * does not see what is to be folded.  If no worker can be had, that is counted and
 * left to the next: reads are exact without folding.
 *
 * Where little is written no such draw may succeed for months, but partitions have
 * to be made and expired payloads dropped.  So a session looks with its first
 * deltas for a ledger, and with the first after each hour, whether maintenance is
 * overdue, and starts a worker for it.
 *
 * A worker connects without a user, that is as the bootstrap superuser, looks up
 * whose ledger it is, and becomes that owner for the rest of its life, before it
 * runs anything of the ledger.  The restricted context keeps that code from
 * becoming anybody else.  So it works for owners who may not log in, and gives
 * nobody more rights than an owner who calls fold() has.
 *
 * At most one worker serves a ledger.  It lets go of its lock before it looks
 * whether enough is left to go on, and a worker that finds the lock taken ends:
 * whatever that one was started for, the other has still to see.
 *
 * It is flagged as autovacuum workers are.  So DROP DATABASE ends it instead of
 * failing, and whoever waits for a lock that it holds has it cancelled after
 * deadlock_timeout.  Nothing is lost by either, since a fold is one transaction.
 *
 * Deltas of a prepared transaction are not drawn for: they can be seen only after
 * COMMIT PREPARED, and are folded along with the next that are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "common/pg_prng.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/bufmgr.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "compat.h"
#include "ledger/fold_worker.h"

/* Tells our locks from those of pg_advisory_lock(), which uses 1 and 2 there. */
#define FOLD_LOCK_CLASS		0x756d

/* Deltas in one transaction: a second or a few of work. */
#define FOLD_BATCH			100000

/* 64 MB: reading through so many pages takes a report some 30 ms. */
#define BLOATED_PAGES		8192

/* A fold that somebody called may be running: how long to wait for it. */
#define BUSY_PAUSE_MS		250
#define BUSY_PAUSES_MAX		40

PGDLLEXPORT void usage_meter_fold(Datum main_arg);

/* What a transaction has appended to one table, and what decides about a worker. */
typedef struct FoldLot
{
	Oid			deltas;
	int64		appended;
	double		drawn;			/* for this transaction, from [0, 1) */
	TimestampTz looked_at;		/* whether maintenance was overdue */
	bool		is_overdue;		/* it was, and no worker was started since */
} FoldLot;

/* What a worker is told, in bgw_extra. */
typedef struct FoldOrder
{
	Oid			database;
	Oid			deltas;
	int64		refused;		/* launches refused to that session since its last */
} FoldOrder;

/* A ledger as it is found at the start of a transaction. */
typedef struct FoldLedger
{
	Oid			owner;
	const char *schema;			/* quoted */
} FoldLedger;

static int	fold_threshold = 5000;

/* One for each table that the session has appended to, in TopMemoryContext. */
static List *lots = NIL;
static int64 refused_launches = 0;

/* ---- in the session that writes ---- */

static FoldLot *
find_lot(Oid deltas)
{
	MemoryContext old_context;
	ListCell   *cell;
	FoldLot    *lot;

	foreach(cell, lots)
	{
		lot = lfirst(cell);
		if (lot->deltas == deltas)
			return lot;
	}
	old_context = MemoryContextSwitchTo(TopMemoryContext);
	lot = palloc0(sizeof(FoldLot));
	lot->deltas = deltas;
	lots = lappend(lots, lot);
	MemoryContextSwitchTo(old_context);
	return lot;
}

/*
 * When the ledger was last maintained, as its table fold_state has it; now if it
 * has none.  Read without a query: who writes an execution needs no right on that
 * table, and must not be refused for it.
 */
static TimestampTz
last_maintenance(Oid schema, TimestampTz now)
{
	Oid			relid = get_relname_relid("fold_state", schema);
	AttrNumber	attnum = OidIsValid(relid) ? get_attnum(relid, "maintained_at") : InvalidAttrNumber;
	TimestampTz last = now;
	Relation	state;
	Snapshot	snapshot;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (attnum == InvalidAttrNumber || get_rel_relkind(relid) != RELKIND_RELATION ||
		get_atttype(relid, attnum) != TIMESTAMPTZOID)
		return now;
	state = table_open(relid, AccessShareLock);
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	scan = table_beginscan(state, snapshot, 0, NULL);
	slot = table_slot_create(state, NULL);
	if (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		bool		isnull;
		Datum		value = slot_getattr(slot, attnum, &isnull);

		if (!isnull)
			last = DatumGetTimestampTz(value);
	}
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(state, AccessShareLock);
	return last;
}

static void
look_for_maintenance(FoldLot *lot, Relation deltas)
{
	TimestampTz now = GetCurrentTransactionStartTimestamp();

	if (lot->is_overdue || now - lot->looked_at < USECS_PER_HOUR)
		return;
	lot->looked_at = now;
	lot->is_overdue = last_maintenance(RelationGetNamespace(deltas), now) < now - USECS_PER_HOUR;
}

/* What a subtransaction takes back stays counted: then a worker may find less to do. */
void
fold_worker_note(Relation deltas, int64 appended)
{
	FoldLot    *lot;

	if (fold_threshold == 0)
		return;
	lot = find_lot(RelationGetRelid(deltas));
	if (lot->appended == 0)
		lot->drawn = pg_prng_double(&pg_global_prng_state);
	lot->appended += appended;
	look_for_maintenance(lot, deltas);
}

/* The transaction is committed: nothing here may raise an error. */
static void
launch(Oid deltas)
{
	BackgroundWorker worker;
	FoldOrder	order = {.database = MyDatabaseId, .deltas = deltas, .refused = refused_launches};

	StaticAssertStmt(sizeof(FoldOrder) <= BGW_EXTRALEN, "FoldOrder does not fit");
	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	strlcpy(worker.bgw_library_name, "$libdir/usage_meter", sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "usage_meter_fold", sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "usage_meter fold", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "usage_meter fold", sizeof(worker.bgw_type));
	memcpy(worker.bgw_extra, &order, sizeof(order));
	if (RegisterDynamicBackgroundWorker(&worker, NULL))
		refused_launches = 0;
	else
		refused_launches++;
}

static void
draw_lots(XactEvent event, void *arg)
{
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	foreach(cell, lots)
	{
		FoldLot    *lot = lfirst(cell);

		if (event == XACT_EVENT_COMMIT && lot->appended > 0 &&
			(lot->is_overdue || lot->appended > lot->drawn * fold_threshold))
		{
			launch(lot->deltas);
			lot->is_overdue = false;
		}
		lot->appended = 0;
	}
}

void
fold_worker_init(void)
{
	DefineCustomIntVariable("usage_meter.fold_threshold",
							"Number of deltas after which, on average, they are folded in the background.",
							"0 turns background folding and maintenance off.",
							&fold_threshold, 5000, 0, INT_MAX, PGC_SUSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(draw_lots, NULL);
}

/* ---- in the worker ---- */

/*
 * Who waits for an autovacuum worker need not wait for long: DROP DATABASE and lock
 * waiters end it.  The flag is all that the server goes by.
 */
static void
give_way_like_autovacuum(void)
{
	LWLockAcquire(ProcArrayLock, LW_EXCLUSIVE);
	MyProc->statusFlags |= PROC_IS_AUTOVACUUM;
	ProcGlobal->statusFlags[MyProc->pgxactoff] = MyProc->statusFlags;
	LWLockRelease(ProcArrayLock);
}

/* Settings that a database or the superuser may have for sessions of people. */
static void
set_own_settings(void)
{
	static const char *const settings[][2] = {
		{"search_path", "pg_catalog, pg_temp"},
		{"statement_timeout", "0"},
		{"lock_timeout", "0"},
		{"idle_in_transaction_session_timeout", "0"},
		{"default_transaction_isolation", "read committed"},
		/* a fold that is lost in a crash is done again */
		{"synchronous_commit", "off"},
	};
	int			i;

	for (i = 0; i < (int) lengthof(settings); i++)
		SetConfigOption(settings[i][0], settings[i][1], PGC_SUSET, PGC_S_OVERRIDE);
}

static Oid
owner_of_schema(Oid schema)
{
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner = InvalidOid;

	if (HeapTupleIsValid(tuple))
	{
		owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
		ReleaseSysCache(tuple);
	}
	return owner;
}

/*
 * Find the ledger, if it is still there.  Its schema must belong to the owner of the
 * table: in somebody else's, its names could stand for other code.
 */
static bool
find_ledger(Oid deltas, FoldLedger *ledger)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(deltas));
	Oid			schema;
	char	   *name;

	if (!HeapTupleIsValid(tuple))
		return false;
	schema = ((Form_pg_class) GETSTRUCT(tuple))->relnamespace;
	ledger->owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	name = get_namespace_name(schema);
	if (name == NULL)
		return false;
	ledger->schema = quote_identifier(name);
	if (owner_of_schema(schema) == ledger->owner)
		return true;
	ereport(LOG,
			(errmsg("usage_meter does not fold in schema %s", ledger->schema),
			 errdetail("The schema and its table usage_deltas belong to different owners."),
			 errhint("Make one role the owner of both.")));
	return false;
}

/* This transaction does nothing but look, for it is still one of the superuser. */
static bool
become_owner(Oid deltas)
{
	FoldLedger	ledger;
	bool		found;

	StartTransactionCommand();
	found = find_ledger(deltas, &ledger);
	CommitTransactionCommand();
	if (found)
		SetUserIdAndSecContext(ledger.owner, SECURITY_RESTRICTED_OPERATION);
	return found;
}

/*
 * Run a statement of the ledger that returns a number, in a transaction of its own.
 * In format, %s is the schema.  Ends the worker if the ledger is not there any more,
 * or not its owner's.
 */
static int64
run(Oid deltas, const char *format, int64 argument)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(argument)};
	FoldLedger	ledger;
	char	   *statement;
	bool		isnull;
	int64		result;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (!find_ledger(deltas, &ledger) || ledger.owner != GetUserId())
		proc_exit(0);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	statement = psprintf(format, ledger.schema);
	pgstat_report_activity(STATE_RUNNING, statement);
	if (SPI_execute_with_args(statement, 1, types, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "unexpected result of: %s", statement);
	result = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	return result;
}

/* Is there as much left as a worker is started for?  It costs a look at so many rows. */
static bool
is_much_left(Oid deltas)
{
	int64		much = Max(fold_threshold, 1);

	return run(deltas, "SELECT pg_catalog.count(*) FROM (SELECT FROM %s.usage_deltas LIMIT $1) AS pending", much) == much;
}

static void
wait_a_little(void)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, BUSY_PAUSE_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Is the table of a size that traffic does not give it, only a load of many rows at once? */
static bool
is_bloated(Oid deltas)
{
	Relation	relation = try_relation_open(deltas, AccessShareLock);
	BlockNumber pages;

	if (relation == NULL)
		return false;
	pages = RelationGetNumberOfBlocks(relation);
	relation_close(relation, AccessShareLock);
	return pages > BLOATED_PAGES;
}

/*
 * Give the room of folded deltas back to writers.  The server's own autovacuum looks
 * once a minute, and every read of usage looks through what has piled up by then.
 *
 * The end of the table is cut off only after a load of many rows, whose empty pages
 * each read would look through for ever: writers may have to wait for that, if only
 * for the 20 ms after which vacuum gives way.
 */
static void
vacuum_deltas(Oid deltas)
{
	VacuumParams params;
	MemoryContext old_context;
	List	   *relations;

	memset(&params, 0, sizeof(params));
	params.options = VACOPT_VACUUM | VACOPT_SKIP_LOCKED | VACOPT_PROCESS_MAIN | VACOPT_PROCESS_TOAST;
	params.freeze_min_age = params.freeze_table_age = -1;
	params.multixact_freeze_min_age = params.multixact_freeze_table_age = -1;
	params.log_min_duration = -1;
	params.nworkers = -1;
	params.index_cleanup = VACOPTVALUE_UNSPECIFIED;

	/* vacuum() commits and starts transactions, and keeps what it needs across them here */
	PortalContext = AllocSetContextCreate(TopMemoryContext, "usage_meter vacuum", ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(PortalContext);
	relations = list_make1(makeVacuumRelation(NULL, deltas, NIL));
	MemoryContextSwitchTo(old_context);
	pgstat_report_activity(STATE_RUNNING, "vacuum of usage_deltas");
	StartTransactionCommand();
	params.truncate = is_bloated(deltas) ? VACOPTVALUE_ENABLED : VACOPTVALUE_DISABLED;
	vacuum_relations(relations, &params, PortalContext);
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextDelete(PortalContext);
	PortalContext = NULL;
}

/* Fold until there is not much left.  False if another fold was in the way all the time. */
static bool
fold_backlog(Oid deltas)
{
	int			pauses = 0;

	for (;;)
	{
		int64		folded = run(deltas, "SELECT %s.fold($1)", FOLD_BATCH);

		if (folded > 0)
			vacuum_deltas(deltas);
		if (!is_much_left(deltas))
			return true;
		if (folded > 0)
			pauses = 0;
		else if (pauses++ < BUSY_PAUSES_MAX)
			wait_a_little();
		else
			return false;
	}
}

/* Returns false if much has come since the last look, and nobody else may see to it. */
static bool
serve(Oid deltas, int64 refused)
{
	LOCKTAG		lock;
	bool		done;

	SET_LOCKTAG_ADVISORY(lock, MyDatabaseId, deltas, 0, FOLD_LOCK_CLASS);
	if (LockAcquire(&lock, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	done = fold_backlog(deltas);
	run(deltas, "SELECT %s.maintain_after_fold($1)", refused);
	LockRelease(&lock, ExclusiveLock, true);
	return !done || !is_much_left(deltas);
}

/* Entry point of the worker. */
void
usage_meter_fold(Datum main_arg)
{
	FoldOrder	order;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(order.database, InvalidOid, 0);
	give_way_like_autovacuum();
	set_own_settings();
	if (!DefaultXactReadOnly && become_owner(order.deltas))
	{
		while (!serve(order.deltas, order.refused))
			order.refused = 0;
	}
	proc_exit(0);
}
