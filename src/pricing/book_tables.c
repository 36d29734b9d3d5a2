/*-------------------------------------------------------------------------
 *
 * book_tables.c
 *		Read the tables of a price book.
 *
 * They are read as the owner of the book: who may insert an execution need not
 * be able to read prices.  So all must be plain tables of one owner, which run
 * nobody's code, and their columns are trusted only after a look at their types.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/table.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "pricing/book_tables.h"
#include "pricing/model_name.h"

const char *const failed_calls_names[FAILED_CALLS] = {
	[FAILED_NEVER] = "never",
	[FAILED_TOKENS] = "tokens",
	[FAILED_REPORTED] = "reported",
};

static const char *const table_names[] = {"prices", "price_rates", "model_aliases", "price_rules"};

/* The tables of the book, open, and who we were before we read as their owner. */
typedef struct BookReader
{
	Relation	tables[lengthof(table_names)];
	const char *schema;			/* quoted */
	Oid			user;
	int			security;
} BookReader;

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
				 errdetail("The tables prices, price_rates, model_aliases and price_rules belong to every ledger."),
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

/*
 * Not prices: a statement that changes thousands of rates would have the plan that
 * checks their foreign key made anew for every row.
 */
Oid
book_tables_announced(Oid book)
{
	Relation	rules = open_book_table(book, "price_rules");
	Oid			relid = RelationGetRelid(rules);

	table_close(rules, NoLock);
	return relid;
}

static void
begin_reading(BookReader *reader, Oid book)
{
	Oid			owner;
	int			i;

	for (i = 0; i < (int) lengthof(table_names); i++)
		reader->tables[i] = open_book_table(book, table_names[i]);
	owner = reader->tables[0]->rd_rel->relowner;
	for (i = 1; i < (int) lengthof(table_names); i++)
	{
		if (reader->tables[i]->rd_rel->relowner != owner)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("%s and %s have different owners", table_names[0], table_names[i]),
					 errdetail("The price book is read with the rights of its owner."),
					 errhint("Give both to the owner of the ledger.")));
	}
	reader->schema = quote_identifier(get_namespace_name(book));
	GetUserIdAndSecContext(&reader->user, &reader->security);
	SetUserIdAndSecContext(owner, reader->security | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	SPI_connect();
}

static void
end_reading(BookReader *reader)
{
	int			i;

	SPI_finish();
	SetUserIdAndSecContext(reader->user, reader->security);
	for (i = 0; i < (int) lengthof(table_names); i++)
		table_close(reader->tables[i], NoLock);
}

/*
 * Select rows with columns of these types.  %1$s in the query is the schema:
 * names are qualified, whatever the search_path.
 */
static SPITupleTable *
select_rows(const BookReader *reader, const char *query, int argument_count, Oid *argument_types, Datum *arguments,
			int column_count, const Oid *types)
{
	StringInfoData text;
	int			i;

	initStringInfo(&text);
	appendStringInfo(&text, query, reader->schema);
	if (SPI_execute_with_args(text.data, argument_count, argument_types, arguments, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the price book");
	for (i = 0; i < column_count; i++)
	{
		Oid			type = SPI_gettypeid(SPI_tuptable->tupdesc, i + 1);

		if (type != types[i])
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column \"%s\" of the price book has type %s", SPI_fname(SPI_tuptable->tupdesc, i + 1),
							format_type_be(type)),
					 errdetail("Costs are stamped by this column, as type %s.", format_type_be(types[i])),
					 errhint("Change the type back.")));
	}
	return SPI_tuptable;
}

static bool
is_null(SPITupleTable *rows, uint64 row, int number)
{
	bool		isnull;

	(void) SPI_getbinval(rows->vals[row], rows->tupdesc, number, &isnull);
	return isnull;
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
				 errdetail("Every column of the tables of the price book has a value."),
				 errhint("Correct the row, and put the NOT NULL constraint back.")));
	return value;
}

/* ---- price lists ---- */

/* Copies are flat and without compression. */
static void
read_list(SPITupleTable *rows, uint64 row, PriceList *list)
{
	memset(list, 0, sizeof(PriceList));
	list->rank = DatumGetInt64(column(rows, row, 1));
	list->price_id = DatumGetInt64(column(rows, row, 2));
	list->customer_id = DatumGetTextPCopy(column(rows, row, 3));
	list->customer_tier = DatumGetTextPCopy(column(rows, row, 4));
	list->valid_from = DatumGetTimestampTz(column(rows, row, 5));
	list->valid_to = DatumGetTimestampTz(column(rows, row, 6));
}

static void
read_rate(SPITupleTable *rows, uint64 row, PriceRate *rate)
{
	int			kind;

	rate->unit = TextDatumGetCString(column(rows, row, 7));
	kind = token_kind_find(rate->unit);
	rate->kind = kind >= 0 ? kind : TOKEN_KINDS;
	rate->service_tier = DatumGetTextPCopy(column(rows, row, 8));
	rate->region = DatumGetTextPCopy(column(rows, row, 9));
	rate->above_input_tokens = DatumGetInt64(column(rows, row, 10));
	rate->from_quantity = DatumGetInt64(column(rows, row, 11));
	rate->price = DatumGetNumericCopy(column(rows, row, 12));
}

/* The rows of one list are adjacent; a list without rates has one row, without a unit. */
static PriceLists
read_lists(SPITupleTable *rows, uint64 row_count)
{
	PriceLists	read = {0, palloc(sizeof(PriceList) * Max(row_count, 1))};
	PriceRate  *rates = palloc(sizeof(PriceRate) * Max(row_count, 1));
	PriceList  *list = NULL;
	uint64		row;
	int			i;

	for (row = 0; row < row_count; row++)
	{
		CHECK_FOR_INTERRUPTS();
		if (list == NULL || list->price_id != DatumGetInt64(column(rows, row, 2)))
		{
			list = &read.lists[read.count++];
			read_list(rows, row, list);
			list->rates = rates;
		}
		if (is_null(rows, row, 7))
			continue;
		read_rate(rows, row, rates++);
		list->rate_count++;
	}
	for (i = 0; i < read.count; i++)
		price_list_finish(&read.lists[i]);
	return read;
}

#define LIST_COLUMNS \
	"p.price_id, p.customer_id, p.customer_tier, p.valid_from, p.valid_to, " \
	"r.unit, r.service_tier, r.region, r.above_input_tokens, r.from_quantity, r.price "
#define LIST_RATES \
	"LEFT JOIN %1$s.price_rates AS r ON r.price_id OPERATOR(pg_catalog.=) p.price_id "

static const Oid list_types[] = {
	INT8OID, INT8OID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, NUMERICOID
};

static void
names_to_arrays(List *names, Datum *arrays)
{
	Datum	   *providers = palloc(sizeof(Datum) * list_length(names));
	Datum	   *models = palloc(sizeof(Datum) * list_length(names));
	ListCell   *cell;

	foreach(cell, names)
	{
		const ModelName *name = lfirst(cell);

		providers[foreach_current_index(cell)] = CStringGetTextDatum(name->provider);
		models[foreach_current_index(cell)] = CStringGetTextDatum(name->model);
	}
	arrays[0] = PointerGetDatum(construct_array(providers, list_length(names), TEXTOID, -1, false, TYPALIGN_INT));
	arrays[1] = PointerGetDatum(construct_array(models, list_length(names), TEXTOID, -1, false, TYPALIGN_INT));
}

PriceLists
book_tables_lists(Oid book, List *names, MemoryContext context)
{
	BookReader	reader;
	Oid			types[2] = {TEXTARRAYOID, TEXTARRAYOID};
	Datum		arguments[2];
	SPITupleTable *rows;
	MemoryContext old_context;
	PriceLists	lists;

	names_to_arrays(names, arguments);
	begin_reading(&reader, book);
	rows = select_rows(&reader,
					   "SELECT name.rank, " LIST_COLUMNS
					   "FROM ROWS FROM (pg_catalog.unnest($1), pg_catalog.unnest($2)) WITH ORDINALITY AS name (provider, model, rank) "
					   "JOIN %1$s.prices AS p ON p.provider OPERATOR(pg_catalog.=) name.provider AND p.model OPERATOR(pg_catalog.=) name.model "
					   LIST_RATES
					   "ORDER BY name.rank, p.price_id",
					   2, types, arguments, lengthof(list_types), list_types);
	old_context = MemoryContextSwitchTo(context);
	lists = read_lists(rows, SPI_processed);
	MemoryContextSwitchTo(old_context);
	end_reading(&reader);
	return lists;
}

PriceList *
book_tables_list(Oid book, int64 price_id)
{
	BookReader	reader;
	MemoryContext context = CurrentMemoryContext;
	Oid			types[1] = {INT8OID};
	Datum		arguments[1] = {Int64GetDatum(price_id)};
	SPITupleTable *rows;
	MemoryContext old_context;
	PriceLists	lists;

	begin_reading(&reader, book);
	rows = select_rows(&reader,
					   "SELECT 0::pg_catalog.int8, " LIST_COLUMNS "FROM %1$s.prices AS p " LIST_RATES
					   "WHERE p.price_id OPERATOR(pg_catalog.=) $1",
					   1, types, arguments, lengthof(list_types), list_types);
	old_context = MemoryContextSwitchTo(context);
	lists = read_lists(rows, SPI_processed);
	MemoryContextSwitchTo(old_context);
	end_reading(&reader);
	return lists.count > 0 ? lists.lists : NULL;
}

/* ---- names ---- */

/*
 * What stands for a model of a provider, or with an empty model for the provider.
 * The result alternates provider and model, in the current context.
 */
static List *
select_aliases(const BookReader *reader, const char *provider, const char *model)
{
	static const Oid types[] = {TEXTOID, TEXTOID};
	Oid			argument_types[2] = {TEXTOID, TEXTOID};
	Datum		arguments[2] = {CStringGetTextDatum(provider), CStringGetTextDatum(model)};
	MemoryContext context = CurrentMemoryContext;
	SPITupleTable *rows;
	List	   *found = NIL;
	uint64		row;

	rows = select_rows(reader,
					   "SELECT a.priced_provider, a.priced_model FROM %1$s.model_aliases AS a "
					   "WHERE a.provider OPERATOR(pg_catalog.=) $1 AND a.model OPERATOR(pg_catalog.=) $2 "
					   "ORDER BY a.rank, a.priced_provider",
					   2, argument_types, arguments, lengthof(types), types);
	MemoryContextSwitchTo(context);
	for (row = 0; row < SPI_processed; row++)
	{
		found = lappend(found, TextDatumGetCString(column(rows, row, 1)));
		found = lappend(found, TextDatumGetCString(column(rows, row, 2)));
	}
	return found;
}

/* The provider, in lower case too, and what else it is called. */
static List *
provider_names(const BookReader *reader, const char *provider)
{
	char	   *lower = asc_tolower(provider, strlen(provider));
	List	   *names = list_make1(unconstify(char *, provider));
	List	   *aliases;
	int			i;

	if (strcmp(lower, provider) != 0)
		names = lappend(names, lower);
	aliases = select_aliases(reader, lower, "");
	for (i = 0; i < list_length(aliases); i += 2)
		names = lappend(names, list_nth(aliases, i));
	return names;
}

List *
book_tables_names(Oid book, const text *provider, const text *model, const text *region)
{
	BookReader	reader;
	MemoryContext context = CurrentMemoryContext;
	char	   *asked_provider = text_to_cstring(provider);
	char	   *asked_model = text_to_cstring(model);
	ModelName  *asked = palloc(sizeof(ModelName));
	List	   *names;
	List	   *aliases;
	List	   *providers;

	begin_reading(&reader, book);
	MemoryContextSwitchTo(context);
	aliases = select_aliases(&reader, asked_provider, asked_model);
	providers = provider_names(&reader, aliases != NIL ? linitial(aliases) : asked_provider);
	end_reading(&reader);
	MemoryContextSwitchTo(context);

	if (aliases == NIL)
		return model_names(NIL, providers, asked_model, region != NULL ? text_to_cstring(region) : NULL, NAME_EXACT);
	*asked = (ModelName) {asked_provider, asked_model, NAME_EXACT};
	names = list_make1(asked);
	return model_names(names, providers, lsecond(aliases), region != NULL ? text_to_cstring(region) : NULL, NAME_ALIAS);
}

/* ---- rules ---- */

FailedCalls
book_tables_failed_calls(Oid book)
{
	static const Oid types[] = {TEXTOID};
	BookReader	reader;
	SPITupleTable *rows;
	FailedCalls rule = FAILED_TOKENS;
	int			i;

	begin_reading(&reader, book);
	rows = select_rows(&reader, "SELECT rule.failed_calls FROM %1$s.price_rules AS rule", 0, NULL, NULL,
					   lengthof(types), types);
	for (i = 0; i < FAILED_CALLS && SPI_processed > 0; i++)
	{
		if (strcmp(TextDatumGetCString(column(rows, 0, 1)), failed_calls_names[i]) == 0)
			rule = i;
	}
	end_reading(&reader);
	return rule;
}
