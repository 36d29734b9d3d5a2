/*-------------------------------------------------------------------------
 *
 * stamp.c
 *		BEFORE INSERT OR UPDATE FOR EACH ROW on execution_history: validate the
 *		row, complete it and stamp its cost.
 *
 * An INSERT is validated, completed and priced.  An UPDATE too, but it prices
 * again only if something that the price depends on has changed; otherwise the
 * stamped columns keep their old values, whatever the statement says, so that a
 * settled cost cannot be changed in passing.  rerate() alone may have it priced
 * again as it is, and credit() alone says credited_cost, which is never more than
 * the cost: a new price takes with it what was credited beyond.
 *
 * An UPDATE may move a row to another partition.  The executor does that by
 * DELETE and INSERT, so the row comes here twice, and the second time it looks
 * like a new execution with a cost given by the caller.  So each UPDATE leaves a
 * note of the row as it was stamped, and an INSERT of the same row in the same
 * transaction passes.  Whatever else happens in between, nothing passes that was
 * not stamped here before.
 *
 * created_at is the partition key and never changed here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "compat.h"
#include "ledger/correction.h"
#include "ledger/execution.h"
#include "ledger/execution_price.h"
#include "ledger/execution_report.h"
#include "ledger/quarantine.h"
#include "ledger/request_claim.h"

PG_FUNCTION_INFO_V1(stamp_execution);

/* Kept in fn_extra: one statement may stamp many rows of one partition. */
typedef struct StampState
{
	AttrNumber	attnums[HISTORY_COLUMNS];
	bool		is_last;		/* no trigger sees an inserted row after this one */
} StampState;

/*
 * The row that was stamped last by an UPDATE.  The values live in context.
 */
typedef struct StampedRow
{
	LocalTransactionId transaction;
	MemoryContext context;
	Datum		values[HISTORY_COLUMNS];
	bool		nulls[HISTORY_COLUMNS];
} StampedRow;

static StampedRow last_update;

static const HistoryColumn dimension_columns[] = {
	HISTORY_CUSTOMER_ID, HISTORY_CUSTOMER_TIER, HISTORY_PROJECT_ID, HISTORY_PACKAGE_ID,
	HISTORY_SECTION, HISTORY_USER_ID, HISTORY_API_KEY_ID, HISTORY_ENVIRONMENT,
	HISTORY_PROVIDER, HISTORY_MODEL, HISTORY_API, HISTORY_SERVICE_TIER, HISTORY_REGION, HISTORY_ERROR_CODE
};

/*
 * What an UPDATE must change for a new price, besides open or final.  Customer,
 * tier and created_at are not among them: a settled cost follows an execution
 * that is put right.
 */
static const HistoryColumn priced_columns[] = {
	HISTORY_PROVIDER, HISTORY_MODEL, HISTORY_SERVICE_TIER, HISTORY_REGION, HISTORY_BYOK, HISTORY_USAGE,
	HISTORY_INPUT_TOKENS, HISTORY_CACHE_READ_TOKENS, HISTORY_CACHE_WRITE_TOKENS, HISTORY_CACHE_WRITE_1H_TOKENS,
	HISTORY_OUTPUT_TOKENS, HISTORY_REASONING_TOKENS, HISTORY_UNITS
};

/* What pricing writes. */
static const HistoryColumn stamped_columns[] = {
	HISTORY_COST, HISTORY_SHADOW_COST, HISTORY_PRICE_ID, HISTORY_PRICE_STATUS
};

static const char *
column_name(const Execution *row, HistoryColumn column)
{
	return NameStr(execution_attribute(row, column)->attname);
}

/* Reject the row for a column: "input_tokens of an execution ..." */
static void
reject(const Execution *row, HistoryColumn column, const char *what, const char *detail, const char *hint)
{
	execution_refuse(row, column, (Refusal)
					 {
						 .sqlstate = ERRCODE_CHECK_VIOLATION,
						 .message = psprintf("%s of an execution %s", column_name(row, column), what),
						 .detail = detail,
						 .hint = hint
					 });
}

static void
check_dimensions(const Execution *row)
{
	int			i;

	for (i = 0; i < (int) lengthof(dimension_columns); i++)
	{
		text	   *value = execution_text(row, dimension_columns[i]);

		if (value != NULL && VARSIZE_ANY_EXHDR(value) > DIMENSION_BYTES_MAX)
			reject(row, dimension_columns[i], "is too long",
				   psprintf("It has %zu bytes, %d are allowed.", (size_t) VARSIZE_ANY_EXHDR(value), DIMENSION_BYTES_MAX),
				   "Usage is grouped or priced by this column. Longer texts belong into metadata.");
	}
}

static void
check_present(const Execution *row, HistoryColumn column)
{
	if (execution_is_null(row, column))
		reject(row, column, "is missing", "It is null.", "Every execution has one; leave the column out for its default.");
}

static void
check_name(const Execution *row, HistoryColumn column)
{
	text	   *value = execution_text(row, column);

	if (value == NULL || VARSIZE_ANY_EXHDR(value) == 0)
		reject(row, column, "is missing", value == NULL ? "It is null." : "It is an empty string.",
			   "Every execution belongs to a customer and an environment.");
}

static void
check_part(const Execution *row, HistoryColumn part, HistoryColumn whole)
{
	if (execution_int64(row, part) > execution_int64(row, whole))
		reject(row, part, psprintf("is more than %s", column_name(row, whole)),
			   psprintf(INT64_FORMAT " cannot be a part of " INT64_FORMAT ".",
						execution_int64(row, part), execution_int64(row, whole)),
			   psprintf("%s includes %s.", column_name(row, whole), column_name(row, part)));
}

static void
check_tokens(const Execution *row)
{
	int			i;

	for (i = 0; i < EXECUTION_COUNTS; i++)
	{
		HistoryColumn column = execution_counts[i].column;
		int64		tokens = execution_int64(row, column);

		if (tokens < 0)
			reject(row, column, "is negative", psprintf("It is " INT64_FORMAT ".", tokens),
				   "Counts are disjoint and not negative; null means not reported.");
		if (tokens > TOKENS_MAX)
			reject(row, column, "is too large",
				   psprintf("It is " INT64_FORMAT ", at most " INT64_FORMAT " are allowed.", tokens, TOKENS_MAX),
				   "Is it a count of tokens of one execution?");
	}
	check_part(row, HISTORY_REASONING_TOKENS, HISTORY_OUTPUT_TOKENS);
	check_part(row, HISTORY_CACHE_WRITE_1H_TOKENS, HISTORY_CACHE_WRITE_TOKENS);
}

static char *
numeric_text(Numeric value)
{
	return psprintf("It is %s.", DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value))));
}

/* Refuse NaN, infinities, what is below zero, and more digits than an index takes. */
static void
check_amount(const Execution *row, HistoryColumn column)
{
	static Numeric zero;
	Numeric		number;

	if (execution_is_null(row, column))
		return;
	number = DatumGetNumeric(execution_value(row, column));
	if (numeric_is_nan(number) || numeric_is_inf(number))
		reject(row, column, "is not a finite number", numeric_text(number), "Use null for a value that is not known.");
	if (VARSIZE(number) > AMOUNT_BYTES_MAX)
		reject(row, column, "has too many digits",
			   psprintf("It takes %zu bytes, %d are allowed.", (size_t) VARSIZE(number), AMOUNT_BYTES_MAX),
			   "Two digits take a byte; hundreds of them are allowed.");
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, NumericGetDatum(number), numeric_constant(&zero, 0))))
		reject(row, column, "is negative", numeric_text(number), "Use null for a value that is not known.");
}

static void
check_duration(const Execution *row, HistoryColumn column)
{
	static Numeric longest;
	Numeric		duration;

	if (execution_is_null(row, column))
		return;
	check_amount(row, column);
	duration = DatumGetNumeric(execution_value(row, column));
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(duration), numeric_constant(&longest, DURATION_MS_MAX))))
		reject(row, column, "is too large", numeric_text(duration),
			   psprintf("It is in milliseconds, at most " INT64_FORMAT ".", DURATION_MS_MAX));
}

static char *
timestamp_text(Datum value)
{
	return DatumGetCString(DirectFunctionCall1(timestamptz_out, value));
}

static void
check_finite(const Execution *row, HistoryColumn column)
{
	if (execution_is_null(row, column))
		return;
	if (TIMESTAMP_NOT_FINITE(DatumGetTimestampTz(execution_value(row, column))))
		reject(row, column, "is not finite", psprintf("It is %s.", timestamp_text(execution_value(row, column))),
			   "Use null for a time that is not known; created_at is always known.");
}

static void
check_times(const Execution *row)
{
	Datum		started;
	Datum		completed;

	check_finite(row, HISTORY_CREATED_AT);
	check_finite(row, HISTORY_STARTED_AT);
	check_finite(row, HISTORY_COMPLETED_AT);
	if (execution_is_null(row, HISTORY_STARTED_AT) || execution_is_null(row, HISTORY_COMPLETED_AT))
		return;
	started = execution_value(row, HISTORY_STARTED_AT);
	completed = execution_value(row, HISTORY_COMPLETED_AT);
	if (DatumGetTimestampTz(completed) < DatumGetTimestampTz(started))
		reject(row, HISTORY_COMPLETED_AT, "is before started_at",
			   psprintf("Started at %s, completed at %s.", timestamp_text(started), timestamp_text(completed)),
			   "Are both in the same time zone?");
}

/* Refuse a text that is none of the words; NULL is the caller's business. */
static void
check_word(const Execution *row, HistoryColumn column, const char *const *words, int count)
{
	StringInfoData hint;
	int			i;

	if (execution_is_null(row, column) || execution_word(row, column, words, count) >= 0)
		return;

	initStringInfo(&hint);
	appendStringInfo(&hint, "Use %s", words[0]);
	for (i = 1; i < count; i++)
		appendStringInfo(&hint, "%s%s", i + 1 < count ? ", " : " or ", words[i]);
	appendStringInfoChar(&hint, '.');
	reject(row, column, "is not known",
		   psprintf("It is \"%s\".", text_to_cstring(execution_text(row, column))), hint.data);
}

static void
validate(const Execution *row)
{
	check_present(row, HISTORY_ID);
	check_present(row, HISTORY_CREATED_AT);
	check_present(row, HISTORY_STATUS);
	check_present(row, HISTORY_BYOK);
	check_name(row, HISTORY_CUSTOMER_ID);
	check_name(row, HISTORY_ENVIRONMENT);
	check_dimensions(row);
	check_tokens(row);
	check_duration(row, HISTORY_DURATION_MS);
	check_duration(row, HISTORY_QUEUE_TIME_MS);
	check_amount(row, HISTORY_COST);
	check_amount(row, HISTORY_REPORTED_COST);
	check_amount(row, HISTORY_CREDITED_COST);
	check_times(row);
	check_word(row, HISTORY_STATUS, status_names, EXECUTION_STATUSES);
	check_word(row, HISTORY_TOKEN_SOURCE, token_source_names, TOKEN_SOURCES);
}

/* completed_at - started_at in milliseconds, if there are both */
static bool
derive_duration(const Execution *row, Datum *duration)
{
	int64		microseconds;

	if (execution_is_null(row, HISTORY_STARTED_AT) || execution_is_null(row, HISTORY_COMPLETED_AT))
		return false;
	microseconds = DatumGetTimestampTz(execution_value(row, HISTORY_COMPLETED_AT)) -
		DatumGetTimestampTz(execution_value(row, HISTORY_STARTED_AT));
	*duration = NumericGetDatum(int64_div_fast_to_numeric(microseconds, 3));
	return true;
}

static void
complete_duration(Execution *row)
{
	Datum		duration;

	if (!execution_is_null(row, HISTORY_DURATION_MS) || !derive_duration(row, &duration))
		return;
	execution_set(row, HISTORY_DURATION_MS, duration);
	check_duration(row, HISTORY_DURATION_MS);
}

/* The sum of the disjoint counts; reasoning is a part of output. */
static void
complete_total(Execution *row)
{
	if (execution_has_tokens(row))
		execution_set(row, HISTORY_TOTAL_TOKENS,
				  Int64GetDatum(execution_int64(row, HISTORY_INPUT_TOKENS) +
								execution_int64(row, HISTORY_CACHE_READ_TOKENS) +
								execution_int64(row, HISTORY_CACHE_WRITE_TOKENS) +
								execution_int64(row, HISTORY_OUTPUT_TOKENS)));
	else
		execution_set_null(row, HISTORY_TOTAL_TOKENS);
}

/*
 * Counts that are there were reported, unless the caller knows better.  Where
 * none are, they are unreported, but for an open execution: it may still tell.
 */
static void
complete_token_source(Execution *row)
{
	int			source = execution_word(row, HISTORY_TOKEN_SOURCE, token_source_names, TOKEN_SOURCES);

	if (execution_has_usage(row))
	{
		if (source < 0 || source == TOKENS_UNREPORTED)
			execution_set(row, HISTORY_TOKEN_SOURCE, CStringGetTextDatum(token_source_names[TOKENS_REPORTED]));
	}
	else if (status_is_open(execution_status(row)))
		execution_set_null(row, HISTORY_TOKEN_SOURCE);
	else
		execution_set(row, HISTORY_TOKEN_SOURCE, CStringGetTextDatum(token_source_names[TOKENS_UNREPORTED]));
}

static bool
must_price_again(const Execution *old, const Execution *new)
{
	int			i;

	if (is_rerating(new->relation))
		return true;
	if (status_is_open(execution_status(old)) != status_is_open(execution_status(new)))
		return true;
	for (i = 0; i < (int) lengthof(priced_columns); i++)
	{
		if (!execution_same_value(old, new, priced_columns[i]))
			return true;
	}
	return false;
}

static void
keep(const Execution *old, Execution *new, HistoryColumn column)
{
	execution_set(new, column, execution_value(old, column));
	if (execution_is_null(old, column))
		execution_set_null(new, column);
}

static void
keep_stamp(const Execution *old, Execution *new)
{
	int			i;

	for (i = 0; i < (int) lengthof(stamped_columns); i++)
		keep(old, new, stamped_columns[i]);
}

/* No more is credited than it costs. */
static void
limit_credit(Execution *row)
{
	Datum		zero;
	Datum		cost;

	if (execution_is_null(row, HISTORY_CREDITED_COST))
		return;
	zero = NumericGetDatum(int64_to_numeric(0));
	cost = execution_is_null(row, HISTORY_COST) ? zero : execution_value(row, HISTORY_COST);
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, execution_value(row, HISTORY_CREDITED_COST), cost)))
		execution_set(row, HISTORY_CREDITED_COST, cost);
	if (DatumGetBool(DirectFunctionCall2(numeric_eq, execution_value(row, HISTORY_CREDITED_COST), zero)))
		execution_set_null(row, HISTORY_CREDITED_COST);
}

/* A cost that the caller gave is kept as reported_cost, if he gave none. */
static void
take_reported_cost(Execution *row)
{
	if (!execution_is_null(row, HISTORY_COST) && execution_is_null(row, HISTORY_REPORTED_COST))
		execution_set(row, HISTORY_REPORTED_COST, execution_value(row, HISTORY_COST));
}

static void
note_update(const Execution *row)
{
	MemoryContext old_context;
	int			i;

	if (last_update.context == NULL)
		last_update.context = AllocSetContextCreate(TopMemoryContext, "usage_meter stamped row",
													ALLOCSET_SMALL_SIZES);
	last_update.transaction = InvalidLocalTransactionId;
	MemoryContextReset(last_update.context);
	old_context = MemoryContextSwitchTo(last_update.context);
	for (i = 0; i < HISTORY_COLUMNS; i++)
	{
		Form_pg_attribute attribute = execution_attribute(row, i);

		last_update.nulls[i] = execution_is_null(row, i);
		if (!last_update.nulls[i])
			last_update.values[i] = datumCopy(execution_value(row, i), attribute->attbyval, attribute->attlen);
	}
	MemoryContextSwitchTo(old_context);
	last_update.transaction = MyLocalTransactionId;
}

/*
 * Is this the INSERT half of an UPDATE that moves a row?  Another trigger may
 * have changed created_at since.
 */
static bool
is_moved(const Execution *row)
{
	int			i;

	if (last_update.transaction != MyLocalTransactionId)
		return false;
	for (i = 0; i < HISTORY_COLUMNS; i++)
	{
		Form_pg_attribute attribute = execution_attribute(row, i);

		if (i == HISTORY_CREATED_AT)
			continue;
		if (last_update.nulls[i] != execution_is_null(row, i))
			return false;
		if (!last_update.nulls[i] &&
			!datum_image_eq(last_update.values[i], execution_value(row, i), attribute->attbyval, attribute->attlen))
			return false;
	}
	check_times(row);
	return !execution_is_null(row, HISTORY_CREATED_AT);
}

/* Returns what was used, unless the row is refused. */
static Usage
validate_and_complete(Execution *row)
{
	Usage		usage = {0};

	validate(row);
	if (execution_is_refused(row))
		return usage;
	usage = execution_usage(row);
	complete_duration(row);
	complete_total(row);
	complete_token_source(row);
	return usage;
}

static void
stamp_new(Execution *row)
{
	Usage		usage;

	execution_set_null(row, HISTORY_CREDITED_COST);
	take_reported_cost(row);
	execution_read_report(row);
	usage = validate_and_complete(row);
	if (!execution_is_refused(row))
		execution_price(row, &usage);
}

/* A duration that was derived from the times follows them. */
static void
forget_derived_duration(const Execution *old, Execution *new)
{
	Datum		derived;

	if (execution_same_value(old, new, HISTORY_DURATION_MS) && !execution_is_null(old, HISTORY_DURATION_MS) &&
		derive_duration(old, &derived) &&
		DatumGetBool(DirectFunctionCall2(numeric_eq, derived, execution_value(old, HISTORY_DURATION_MS))))
		execution_set_null(new, HISTORY_DURATION_MS);
}

static void
stamp_changed(const Execution *old, Execution *new)
{
	Usage		usage;

	if (!is_crediting(new->relation))
		keep(old, new, HISTORY_CREDITED_COST);
	if (!execution_same_value(old, new, HISTORY_COST))
		take_reported_cost(new);
	forget_derived_duration(old, new);
	if (!execution_same_value(old, new, HISTORY_USAGE))
		execution_follow_report(old, new);
	usage = validate_and_complete(new);
	if (must_price_again(old, new))
		execution_price(new, &usage);
	else
		keep_stamp(old, new);
	limit_credit(new);
	note_update(new);
}

/* Triggers of one kind fire in this order; a disabled one counts too. */
static bool
is_last_before_insert(const TriggerDesc *triggers, Oid trigger)
{
	int			i;

	for (i = triggers->numtriggers - 1; i >= 0 && triggers->triggers[i].tgoid != trigger; i--)
	{
		if (TRIGGER_TYPE_MATCHES(triggers->triggers[i].tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_BEFORE, TRIGGER_TYPE_INSERT))
			return false;
	}
	return true;
}

static const StampState *
stamped_table(FmgrInfo *flinfo, const TriggerData *trigdata)
{
	Relation	relation = trigdata->tg_relation;
	StampState *state = flinfo->fn_extra;

	if (state == NULL)
	{
		state = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(StampState));
		history_columns_resolve(relation, state->attnums);
		state->is_last = is_last_before_insert(relation->trigdesc, trigdata->tg_trigger->tgoid);
		flinfo->fn_extra = state;
	}
	return state;
}

/*
 * The row as a tuple, for the executor to take apart: without the version of a
 * composite value, or it would check that first.
 */
static HeapTuple
stamped_tuple(const Execution *row)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(row->relation), row->values, row->nulls);

	ItemPointerSetInvalid(&tuple->t_data->t_ctid);
	return tuple;
}

/*
 * A slot without a tuple takes the values as they are, which live as long as a
 * tuple that is returned.  That spares forming one, and the executor taking it
 * apart and checking its partition: a fifth of what metering adds to a COPY.  The
 * tuple that we were called with is stale then, and returned to say that there is
 * no other.  So this is not done if another trigger will see it.
 */
static HeapTuple
put_into_slot(const TriggerData *trigdata, const Execution *row)
{
	TupleTableSlot *slot = trigdata->tg_trigslot;

	memcpy(slot->tts_values, row->values, slot->tts_nvalid * sizeof(Datum));
	memcpy(slot->tts_isnull, row->nulls, slot->tts_nvalid * sizeof(bool));
	return trigdata->tg_trigtuple;
}

/*
 * A new row as it is to be inserted, or NULL if it is not: it repeats a request
 * that is recorded, or is bad and now in quarantine.
 */
static HeapTuple
insertion(const TriggerData *trigdata, const StampState *state)
{
	Execution	row = execution_of_slot(trigdata->tg_relation, state->attnums, trigdata->tg_trigslot);
	int64		fingerprint;
	bool		is_new;

	if (is_moved(&row))
		return trigdata->tg_trigtuple;
	row.refusal = quarantine_room();
	fingerprint = request_fingerprint(&row);
	stamp_new(&row);
	is_new = !execution_is_refused(&row) && request_claim(&row, fingerprint);
	if (execution_is_refused(&row))
		quarantine_execution(&row, trigdata->tg_trigtuple);
	if (!is_new)
		return NULL;
	if (state->is_last && TTS_IS_VIRTUAL(trigdata->tg_trigslot))
		return put_into_slot(trigdata, &row);
	return stamped_tuple(&row);
}

static HeapTuple
update(const TriggerData *trigdata, const StampState *state)
{
	Execution	old = execution_of_slot(trigdata->tg_relation, state->attnums, trigdata->tg_trigslot);
	Execution	new = execution_of_slot(trigdata->tg_relation, state->attnums, trigdata->tg_newslot);

	stamp_changed(&old, &new);
	return stamped_tuple(&new);
}

static void
check_protocol(FunctionCallInfo fcinfo)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) ||
		!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigdata->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("stamp_execution must be a BEFORE INSERT OR UPDATE trigger for each row")));
}

/*
 * stamp_execution() returns trigger
 */
Datum
stamp_execution(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;
	const StampState *state;

	check_protocol(fcinfo);
	state = stamped_table(fcinfo->flinfo, trigdata);
	PG_RETURN_POINTER(TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? update(trigdata, state) : insertion(trigdata, state));
}
