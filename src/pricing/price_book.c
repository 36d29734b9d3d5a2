/*-------------------------------------------------------------------------
 *
 * price_book.c
 *		A cache of the price book, private to the backend.
 *
 * An entry holds all price lists of one provider and model, also when there are
 * none, and is loaded when the pair is first asked for.
 *
 * What keeps it true:
 *
 * - Triggers on prices and price_rates send a relcache invalidation for prices.
 *	 It reaches other backends when the change commits, and this one with the next
 *	 command.  The callback only sets a flag, since it may be called at any time a
 *	 lock is taken; the next search empties the cache.
 * - What is loaded in a transaction or subtransaction that aborts may be made of
 *	 its uncommitted rows, even of a statement that failed before its triggers
 *	 fired: the abort empties the cache.
 * - Loading takes a new snapshot, so it sees every change whose invalidation
 *	 came before it.  An invalidation that comes while it loads empties the cache
 *	 before the next search.
 * - In REPEATABLE READ and above a new snapshot is as old as the transaction,
 *	 and may be older than a change whose invalidation has already come.  What is
 *	 loaded then ends with the transaction.
 *
 * Loading runs as the owner of the price book: who may insert an execution need
 * not be able to read prices.  So both must be plain tables of one owner, which
 * run nobody's code, and their columns are trusted only after a look at their
 * types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type_d.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "pricing/price_book.h"

/* More pairs than this are not worth remembering: they are somebody's garbage. */
#define BOOK_ENTRIES_MAX	20000

/* What an entry is found by. */
typedef struct BookPair
{
	Oid			book;
	text	   *provider;
	text	   *model;
} BookPair;

/* The price lists of one provider and model. */
typedef struct BookEntry
{
	BookPair	pair;
	uint32		hash;
	char		status;			/* for simplehash */
	int			list_count;
	PriceList  *lists;
} BookEntry;

static uint32 hash_pair(BookPair pair);
static bool equal_pairs(BookPair a, BookPair b);

#define SH_PREFIX			book
#define SH_ELEMENT_TYPE		BookEntry
#define SH_KEY_TYPE			BookPair
#define SH_KEY				pair
#define SH_HASH_KEY(tb, key)	hash_pair(key)
#define SH_EQUAL(tb, a, b)	equal_pairs(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a)	(a)->hash
#define SH_SCOPE			static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

/*
 * The cache.  entries and all they point to live in context; both are NULL
 * until the first search after it was emptied.
 */
static MemoryContext book_context = NULL;
static book_hash *book_entries = NULL;

/* The prices tables that entries came from: those whose change is of interest. */
static List *book_relations = NIL;

/* Set by the callbacks: empty the cache before the next search. */
static bool book_stale = false;

/* Was something loaded since the transaction began? */
static bool book_loaded = false;

/* If valid, the only transaction in which the cache may be used. */
static LocalTransactionId book_transaction = InvalidLocalTransactionId;

PG_FUNCTION_INFO_V1(forget_prices);

static const char *const unit_names[PRICE_UNITS] = {
	[PRICE_INPUT_TOKEN] = "input_token",
	[PRICE_CACHE_READ_TOKEN] = "cache_read_token",
	[PRICE_CACHE_WRITE_TOKEN] = "cache_write_token",
	[PRICE_OUTPUT_TOKEN] = "output_token",
	[PRICE_REASONING_TOKEN] = "reasoning_token",
};

static bool
equal_texts(const text *a, const text *b)
{
	Size		length = VARSIZE_ANY_EXHDR(a);

	return length == VARSIZE_ANY_EXHDR(b) && memcmp(VARDATA_ANY(a), VARDATA_ANY(b), length) == 0;
}

static uint32
hash_text(const text *value)
{
	return hash_bytes((const unsigned char *) VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

static uint32
hash_pair(BookPair pair)
{
	return hash_combine(hash_combine(pair.book, hash_text(pair.provider)), hash_text(pair.model));
}

static bool
equal_pairs(BookPair a, BookPair b)
{
	return a.book == b.book && equal_texts(a.model, b.model) && equal_texts(a.provider, b.provider);
}

/* Callback of the relation cache.  InvalidOid stands for every relation. */
static void
note_invalidation(Datum argument, Oid relation)
{
	if (book_entries != NULL && (relation == InvalidOid || list_member_oid(book_relations, relation)))
		book_stale = true;
}

static void
note_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT && book_loaded)
		book_stale = true;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		book_loaded = false;
}

static void
note_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB && book_loaded)
		book_stale = true;
}

void
price_book_init(void)
{
	CacheRegisterRelcacheCallback(note_invalidation, (Datum) 0);
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_subtransaction_end, NULL);
}

/* Make the cache usable for this search: empty it if it is not, or too large. */
static void
prepare_cache(void)
{
	bool		of_other_transaction = LocalTransactionIdIsValid(book_transaction) &&
		book_transaction != MyLocalTransactionId;

	if (book_entries != NULL &&
		(book_stale || of_other_transaction || book_entries->members >= BOOK_ENTRIES_MAX))
	{
		book_entries = NULL;
		book_relations = NIL;
		MemoryContextReset(book_context);
	}
	if (book_entries != NULL)
		return;

	if (book_context == NULL)
		book_context = AllocSetContextCreate(CacheMemoryContext, "usage_meter price book",
											 ALLOCSET_SMALL_SIZES);
	book_stale = false;
	book_transaction = InvalidLocalTransactionId;
	book_entries = book_create(book_context, 16, NULL);
}

/* A table of the book: a plain one, so that reading it runs nobody's code. */
static Relation
open_book_table(Oid book, const char *name)
{
	Oid			relid = get_relname_relid(name, book);
	Relation	relation;

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("schema \"%s\" has no table \"%s\"", get_namespace_name(book), name),
				 errdetail("The tables prices and price_rates belong to every ledger."),
				 errhint("Move the table back into the schema that create_usage_ledger() made.")));
	relation = table_open(relid, AccessShareLock);
	if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relforcerowsecurity)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a plain table", name),
				 errdetail("The price book is read with the rights of its owner, which must not run other code."),
				 errhint("Restore the table that create_usage_ledger() made.")));
	return relation;
}

/* Names are qualified: this runs with the owner's rights, whatever the search_path. */
static SPITupleTable *
select_lists(BookPair pair)
{
	StringInfoData query;
	const char *schema = quote_identifier(get_namespace_name(pair.book));
	Oid			types[2] = {TEXTOID, TEXTOID};
	Datum		arguments[2] = {PointerGetDatum(pair.provider), PointerGetDatum(pair.model)};

	initStringInfo(&query);
	appendStringInfo(&query,
					 "SELECT p.price_id, p.customer_id, p.customer_tier, p.valid_from, p.valid_to, r.unit, r.price "
					 "FROM %1$s.prices AS p "
					 "LEFT JOIN %1$s.price_rates AS r ON r.price_id OPERATOR(pg_catalog.=) p.price_id "
					 "WHERE p.provider OPERATOR(pg_catalog.=) $1 AND p.model OPERATOR(pg_catalog.=) $2 "
					 "ORDER BY p.price_id", schema);
	if (SPI_execute_with_args(query.data, 2, types, arguments, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the price book");
	return SPI_tuptable;
}

/* What select_lists selects, in order.  Unit and price are NULL in a list without rates. */
enum
{
	COLUMN_PRICE_ID = 1,
	COLUMN_CUSTOMER_ID,
	COLUMN_CUSTOMER_TIER,
	COLUMN_VALID_FROM,
	COLUMN_VALID_TO,
	COLUMN_UNIT,
	COLUMN_PRICE
};

static void
check_columns(SPITupleTable *rows)
{
	static const Oid types[] = {INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, NUMERICOID};
	int			number;

	for (number = COLUMN_PRICE_ID; number <= COLUMN_PRICE; number++)
	{
		if (SPI_gettypeid(rows->tupdesc, number) != types[number - 1])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of the price book has type %s", SPI_fname(rows->tupdesc, number),
							format_type_be(SPI_gettypeid(rows->tupdesc, number))),
					 errdetail("Costs are stamped by this column, as type %s.", format_type_be(types[number - 1])),
					 errhint("Change the type back.")));
	}
}

static Datum
column(SPITupleTable *rows, uint64 row, int number)
{
	bool		isnull;
	Datum		value = SPI_getbinval(rows->vals[row], rows->tupdesc, number, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("column \"%s\" of the price book is null", SPI_fname(rows->tupdesc, number)),
				 errdetail("Every column of prices and price_rates has a value."),
				 errhint("Correct the row, and put the NOT NULL constraint back.")));
	return value;
}

/* Copies are flat and without compression. */
static void
read_list(SPITupleTable *rows, uint64 row, PriceList *list)
{
	memset(list, 0, sizeof(PriceList));
	list->price_id = DatumGetInt64(column(rows, row, COLUMN_PRICE_ID));
	list->customer_id = DatumGetTextPCopy(column(rows, row, COLUMN_CUSTOMER_ID));
	list->customer_tier = DatumGetTextPCopy(column(rows, row, COLUMN_CUSTOMER_TIER));
	list->valid_from = DatumGetTimestampTz(column(rows, row, COLUMN_VALID_FROM));
	list->valid_to = DatumGetTimestampTz(column(rows, row, COLUMN_VALID_TO));
}

static void
read_rate(SPITupleTable *rows, uint64 row, PriceList *list)
{
	bool		has_no_rates;
	char	   *name;
	int			i;

	(void) SPI_getbinval(rows->vals[row], rows->tupdesc, COLUMN_UNIT, &has_no_rates);
	if (has_no_rates)
		return;
	name = TextDatumGetCString(column(rows, row, COLUMN_UNIT));
	for (i = 0; i < PRICE_UNITS; i++)
	{
		if (strcmp(name, unit_names[i]) == 0)
			list->rates[i] = DatumGetNumericCopy(column(rows, row, COLUMN_PRICE));
	}
	pfree(name);
}

/* The rows of one list are adjacent; a list without rates has one row. */
static void
read_lists(SPITupleTable *rows, uint64 row_count, BookEntry *entry)
{
	PriceList  *list = NULL;
	uint64		row;

	check_columns(rows);
	entry->list_count = 0;
	entry->lists = palloc(sizeof(PriceList) * Max(row_count, 1));
	for (row = 0; row < row_count; row++)
	{
		if (list == NULL || list->price_id != DatumGetInt64(column(rows, row, COLUMN_PRICE_ID)))
		{
			list = &entry->lists[entry->list_count++];
			read_list(rows, row, list);
		}
		read_rate(rows, row, list);
	}
}

static void
load_as_owner(Relation prices, BookEntry *entry, MemoryContext context)
{
	Oid			user;
	int			security;
	SPITupleTable *rows;
	MemoryContext old_context;

	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(prices->rd_rel->relowner,
						   security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
	rows = select_lists(entry->pair);
	old_context = MemoryContextSwitchTo(context);
	read_lists(rows, SPI_processed, entry);
	MemoryContextSwitchTo(old_context);
	SPI_finish();
	SetUserIdAndSecContext(user, security);
}

static void
load_lists(BookEntry *entry, MemoryContext context)
{
	Relation	prices = open_book_table(entry->pair.book, "prices");
	Relation	rates = open_book_table(entry->pair.book, "price_rates");
	MemoryContext old_context;

	if (prices->rd_rel->relowner != rates->rd_rel->relowner)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("prices and price_rates have different owners"),
				 errdetail("The price book is read with the rights of its owner."),
				 errhint("Give both to the owner of the ledger.")));

	/* from here on a change concerns us */
	old_context = MemoryContextSwitchTo(book_context);
	book_relations = list_append_unique_oid(book_relations, RelationGetRelid(prices));
	MemoryContextSwitchTo(old_context);
	load_as_owner(prices, entry, context);
	table_close(rates, NoLock);
	table_close(prices, NoLock);
}

/*
 * Load the lists of a pair and enter them.  They are built in a context of their
 * own, which joins the cache when it is complete: an error leaves nothing behind.
 */
static BookEntry *
load_entry(BookPair pair)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter price lists",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BookEntry	loaded = {
		.pair = {
			.book = pair.book,
			.provider = DatumGetTextPCopy(PointerGetDatum(pair.provider)),
			.model = DatumGetTextPCopy(PointerGetDatum(pair.model))
		}
	};
	BookEntry  *entry;
	bool		found;

	MemoryContextSwitchTo(old_context);
	book_loaded = true;
	if (IsolationUsesXactSnapshot())
		book_transaction = MyLocalTransactionId;
	load_lists(&loaded, context);

	entry = book_insert(book_entries, loaded.pair, &found);
	Assert(!found);
	entry->list_count = loaded.list_count;
	entry->lists = loaded.lists;
	MemoryContextSetParent(context, book_context);
	return entry;
}

/* Is the override for everybody (0), for this one (1), or for another (-1)? */
static int
match_override(const text *override, const text *actual)
{
	if (VARSIZE_ANY_EXHDR(override) == 0)
		return 0;
	return actual != NULL && equal_texts(override, actual) ? 1 : -1;
}

/*
 * The list that is valid at that time for that customer.  A price of the
 * customer beats one of the tier, which beats the general one; the exclusion
 * constraint leaves at most one list of each kind.
 */
static const PriceList *
choose_list(const BookEntry *entry, const PriceKey *key)
{
	const PriceList *best = NULL;
	int			best_rank = -1;
	int			i;

	for (i = 0; i < entry->list_count; i++)
	{
		const PriceList *list = &entry->lists[i];
		int			customer = match_override(list->customer_id, key->customer_id);
		int			tier = match_override(list->customer_tier, key->customer_tier);

		if (key->at < list->valid_from || key->at >= list->valid_to || customer < 0 || tier < 0)
			continue;
		if (2 * customer + tier > best_rank)
		{
			best = list;
			best_rank = 2 * customer + tier;
		}
	}
	return best;
}

const PriceList *
price_book_find(const PriceKey *key)
{
	BookPair	pair = {key->book, key->provider, key->model};
	BookEntry  *entry;

	prepare_cache();
	entry = book_lookup(book_entries, pair);
	if (entry == NULL)
		entry = load_entry(pair);
	return choose_list(entry, key);
}

/*
 * forget_prices() returns trigger
 *
 * Both tables of the book announce the relation prices.
 */
Datum
forget_prices(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	Relation	prices;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("forget_prices must be an AFTER trigger")));

	prices = open_book_table(RelationGetNamespace(trigdata->tg_relation), "prices");
	CacheInvalidateRelcache(prices);
	table_close(prices, NoLock);
	PG_RETURN_POINTER(NULL);
}
