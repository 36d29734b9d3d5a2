/*-------------------------------------------------------------------------
 *
 * execution.c
 *		A row of execution_history in memory, and what its columns may hold.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "executor/tuptable.h"
#include "libpq/pqformat.h"
#include "utils/datum.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/rel.h"

#include "ledger/execution.h"

const char *const status_names[EXECUTION_STATUSES] = {
	[STATUS_PENDING] = "pending",
	[STATUS_RUNNING] = "running",
	[STATUS_SUCCESS] = "success",
	[STATUS_FAILED] = "failed",
	[STATUS_TIMEOUT] = "timeout",
	[STATUS_CANCELLED] = "cancelled",
};

const char *const token_source_names[TOKEN_SOURCES] = {
	[TOKENS_REPORTED] = "reported",
	[TOKENS_COUNTED] = "counted",
	[TOKENS_ESTIMATED] = "estimated",
	[TOKENS_UNREPORTED] = "unreported",
};

const char *const price_status_names[PRICE_STATUSES] = {
	[PRICE_PENDING] = "pending",
	[PRICE_PRICED] = "priced",
	[PRICE_UNPRICED] = "unpriced",
	[PRICE_BYOK] = "byok",
	[PRICE_REPORTED] = "reported",
};

static Execution
make_execution(Relation relation, const AttrNumber *attnums)
{
	int			natts = RelationGetNumberOfAttributes(relation);

	return (Execution)
	{
		.relation = relation,
		.attnums = attnums,
		.values = palloc(natts * sizeof(Datum)),
		.nulls = palloc(natts * sizeof(bool))
	};
}

Execution
execution_of_tuple(Relation relation, const AttrNumber *attnums, HeapTuple tuple)
{
	Execution	row = make_execution(relation, attnums);

	heap_deform_tuple(tuple, RelationGetDescr(relation), row.values, row.nulls);
	return row;
}

/* The same of a slot, which often has the values at hand.  It keeps them. */
Execution
execution_of_slot(Relation relation, const AttrNumber *attnums, TupleTableSlot *slot)
{
	Execution	row = make_execution(relation, attnums);

	slot_getallattrs(slot);
	memcpy(row.values, slot->tts_values, RelationGetNumberOfAttributes(relation) * sizeof(Datum));
	memcpy(row.nulls, slot->tts_isnull, RelationGetNumberOfAttributes(relation) * sizeof(bool));
	return row;
}

/* Of two rows of one table. */
bool
execution_same_value(const Execution *a, const Execution *b, HistoryColumn column)
{
	Form_pg_attribute attribute = execution_attribute(a, column);

	if (execution_is_null(a, column) || execution_is_null(b, column))
		return execution_is_null(a, column) == execution_is_null(b, column);
	return datum_image_eq(execution_value(a, column), execution_value(b, column),
						  attribute->attbyval, attribute->attlen);
}

/* Which of the words does the column hold?  -1 if none, or NULL. */
int
execution_word(const Execution *row, HistoryColumn column, const char *const *words, int count)
{
	text	   *value = execution_text(row, column);
	Size		length;
	int			i;

	if (value == NULL)
		return -1;
	length = VARSIZE_ANY_EXHDR(value);
	for (i = 0; i < count; i++)
	{
		if (strlen(words[i]) == length && memcmp(words[i], VARDATA_ANY(value), length) == 0)
			return i;
	}
	return -1;
}

/*
 * The milliseconds of a column in whole microseconds, rounded like round();
 * -1 if NULL.  The value must have been checked: not negative, NaN or too large.
 *
 * Read from the binary form of numeric: the number of digits, which are base
 * 10,000, the weight of the first, sign, scale and the digits, 16 bits each.
 * Arithmetic with numeric would take twice as long, and this is twice a row.
 */
int64
execution_microseconds(const Execution *row, HistoryColumn column)
{
	StringInfoData form;
	bytea	   *sent;
	int			digits;
	int			weight;
	int			fraction = 0;
	int64		milliseconds = 0;
	int			i;

	if (execution_is_null(row, column))
		return -1;
	sent = DatumGetByteaPP(DirectFunctionCall1(numeric_send, execution_value(row, column)));
	form = (StringInfoData) {.data = VARDATA_ANY(sent), .len = VARSIZE_ANY_EXHDR(sent)};
	digits = pq_getmsgint(&form, 2);
	weight = (int16) pq_getmsgint(&form, 2);
	form.cursor += 4;
	for (i = 0; i <= weight; i++)
		milliseconds = milliseconds * 10000 + (i < digits ? pq_getmsgint(&form, 2) : 0);
	if (weight >= -1 && weight + 1 < digits)
		fraction = pq_getmsgint(&form, 2);
	return milliseconds * 1000 + fraction / 10 + (fraction % 10 >= 5);
}

/* -1 if the status is no known one. */
int
execution_status(const Execution *row)
{
	return execution_word(row, HISTORY_STATUS, status_names, EXECUTION_STATUSES);
}

/* Of several refusals the first is noted. */
void
execution_refuse(const Execution *row, HistoryColumn column, Refusal refusal)
{
	AttrNumber	attnum = row->attnums[column];

	if (row->refusal == NULL)
		ereport(ERROR,
				(errcode(refusal.sqlstate),
				 errmsg_internal("%s", refusal.message),
				 errdetail_internal("%s", refusal.detail),
				 errhint("%s", refusal.hint),
				 errtablecol(row->relation, attnum)));
	if (execution_is_refused(row))
		return;
	row->refusal->reason = refusal;
	row->refusal->column = NameStr(TupleDescAttr(RelationGetDescr(row->relation), attnum - 1)->attname);
}
