/*-------------------------------------------------------------------------
 *
 * price_book.c
 *		A cache of the price book, private to the backend.
 *
 * An entry holds all price lists under every name of one model, also when there
 * are none, and is loaded when the model is first asked for.
 *
 * What keeps it true:
 *
 * - Triggers on the tables of the book send a relcache invalidation for price_rules.
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
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/trigger.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "pricing/book_tables.h"
#include "pricing/price_book.h"

/* More models than this are not worth remembering: they are somebody's garbage. */
#define BOOK_ENTRIES_MAX	20000

/* What an entry is found by.  The region may be NULL. */
typedef struct BookName
{
	Oid			book;
	text	   *provider;
	text	   *model;
	text	   *region;
} BookName;

/* The price lists under all names of one model. */
typedef struct BookEntry
{
	BookName	name;
	uint32		hash;
	char		status;			/* for simplehash */
	PriceLists	lists;
} BookEntry;

/* The rule of one book. */
typedef struct BookRule
{
	Oid			book;
	FailedCalls failed_calls;
} BookRule;

static uint32 hash_name(BookName name);
static bool equal_names(BookName a, BookName b);

#define SH_PREFIX			book
#define SH_ELEMENT_TYPE		BookEntry
#define SH_KEY_TYPE			BookName
#define SH_KEY				name
#define SH_HASH_KEY(tb, key)	hash_name(key)
#define SH_EQUAL(tb, a, b)	equal_names(a, b)
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

/* The rules that were asked for, also in context. */
static List *book_rules = NIL;

/* The relations that announce changes of the books that entries came from. */
static List *book_relations = NIL;

/* Set by the callbacks: empty the cache before the next search. */
static bool book_stale = false;

/* Was something loaded since the transaction began? */
static bool book_loaded = false;

/* If valid, the only transaction in which the cache may be used. */
static LocalTransactionId book_transaction = InvalidLocalTransactionId;

PriceBookCounters price_book_counters;

PG_FUNCTION_INFO_V1(forget_prices);

/* NULL is as good as nothing. */
static Size
length_of(const text *value)
{
	return value != NULL ? VARSIZE_ANY_EXHDR(value) : 0;
}

static bool
equal_texts(const text *a, const text *b)
{
	Size		length = length_of(a);

	return length == length_of(b) && (length == 0 || memcmp(VARDATA_ANY(a), VARDATA_ANY(b), length) == 0);
}

static uint32
hash_text(const text *value)
{
	return length_of(value) == 0 ? 0 : hash_bytes((const unsigned char *) VARDATA_ANY(value), length_of(value));
}

static uint32
hash_name(BookName name)
{
	return hash_combine(hash_combine(name.book, hash_text(name.provider)),
						hash_combine(hash_text(name.model), hash_text(name.region)));
}

static bool
equal_names(BookName a, BookName b)
{
	return a.book == b.book && equal_texts(a.model, b.model) && equal_texts(a.provider, b.provider) &&
		equal_texts(a.region, b.region);
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

/* Make the cache usable now: empty it if it is not, or too large. */
static void
prepare_cache(void)
{
	bool		of_other_transaction = LocalTransactionIdIsValid(book_transaction) &&
		book_transaction != MyLocalTransactionId;

	if (book_entries != NULL &&
		(book_stale || of_other_transaction || book_entries->members >= BOOK_ENTRIES_MAX))
	{
		book_entries = NULL;
		book_rules = NIL;
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

/* Note that something of a book is about to be loaded: from here on a change concerns us. */
static void
begin_load(Oid book)
{
	Oid			announced = book_tables_announced(book);
	MemoryContext old_context = MemoryContextSwitchTo(book_context);

	book_relations = list_append_unique_oid(book_relations, announced);
	MemoryContextSwitchTo(old_context);
	book_loaded = true;
	if (IsolationUsesXactSnapshot())
		book_transaction = MyLocalTransactionId;
	price_book_counters.loads++;
}

/*
 * Load the lists of a model and enter them.  They are built in a context of their
 * own, which joins the cache when it is complete: an error leaves nothing behind.
 */
static BookEntry *
load_entry(BookName name)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter price lists",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext work_context = AllocSetContextCreate(CurrentMemoryContext, "usage_meter price names",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	BookName	copy = {
		.book = name.book,
		.provider = DatumGetTextPCopy(PointerGetDatum(name.provider)),
		.model = DatumGetTextPCopy(PointerGetDatum(name.model)),
		.region = name.region != NULL ? DatumGetTextPCopy(PointerGetDatum(name.region)) : NULL
	};
	PriceLists	lists;
	BookEntry  *entry;
	bool		found;

	begin_load(name.book);
	MemoryContextSwitchTo(work_context);
	lists = book_tables_lists(name.book, book_tables_names(name.book, name.provider, name.model, name.region), context);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(work_context);

	entry = book_insert(book_entries, copy, &found);
	Assert(!found);
	entry->lists = lists;
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
 * The list that is valid at that time for that customer.  The nearest name comes
 * first.  Under one name a price of the customer beats one of the tier, which
 * beats the general one; the exclusion constraint leaves at most one list of each
 * kind.
 */
static const PriceList *
choose_list(const BookEntry *entry, const PriceKey *key)
{
	const PriceList *best = NULL;
	int			best_override = -1;
	int			i;

	for (i = 0; i < entry->lists.count; i++)
	{
		const PriceList *list = &entry->lists.lists[i];
		int			customer = match_override(list->customer_id, key->customer_id);
		int			tier = match_override(list->customer_tier, key->customer_tier);

		if (key->at < list->valid_from || key->at >= list->valid_to || customer < 0 || tier < 0)
			continue;
		if (best == NULL || list->rank < best->rank ||
			(list->rank == best->rank && 2 * customer + tier > best_override))
		{
			best = list;
			best_override = 2 * customer + tier;
		}
	}
	return best;
}

const PriceList *
price_book_find(const PriceKey *key)
{
	BookName	name = {key->book, key->provider, key->model, key->region};
	BookEntry  *entry;

	prepare_cache();
	entry = book_lookup(book_entries, name);
	if (entry == NULL)
		entry = load_entry(name);
	else
		price_book_counters.hits++;
	return choose_list(entry, key);
}

FailedCalls
price_book_failed_calls(Oid book)
{
	BookRule   *rule;
	ListCell   *cell;
	MemoryContext old_context;
	FailedCalls failed_calls;

	prepare_cache();
	foreach(cell, book_rules)
	{
		rule = lfirst(cell);
		if (rule->book == book)
			return rule->failed_calls;
	}

	begin_load(book);
	failed_calls = book_tables_failed_calls(book);
	old_context = MemoryContextSwitchTo(book_context);
	rule = palloc(sizeof(BookRule));
	*rule = (BookRule) {book, failed_calls};
	book_rules = lappend(book_rules, rule);
	MemoryContextSwitchTo(old_context);
	return failed_calls;
}

/*
 * forget_prices() returns trigger
 *
 * All tables of the book announce the relation price_rules.
 */
Datum
forget_prices(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("forget_prices must be an AFTER trigger")));

	CacheInvalidateRelcacheByRelid(book_tables_announced(RelationGetNamespace(trigdata->tg_relation)));
	PG_RETURN_POINTER(NULL);
}
