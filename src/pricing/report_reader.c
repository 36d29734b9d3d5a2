/*-------------------------------------------------------------------------
 *
 * report_reader.c
 *		Collects what a usage report says, in its own terms.
 *
 * Each object is walked once, and each of its names looked up; unknown ones are
 * passed over, so that what surrounds a report, however large, costs little.
 * What is null, {} or [] is not there.  A number may be a string.  A value that
 * cannot be what its name says is refused.
 *
 * An array is the events of one stream.  Counts in them are cumulative: a later
 * one replaces an earlier one.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "compat.h"
#include "pricing/report_field.h"
#include "pricing/report_reader.h"

/* Objects that lie deeper in each other are not looked into. */
#define DEPTH_MAX			8

/* Room for every envelope that one object can have. */
#define ENVELOPES_MAX		16

/*
 * Objects that may hold the report, if nothing beside them does: many responses
 * have a "message" or "metadata" next to their usage.
 */
typedef struct Envelope
{
	const ReportName *name;
	JsonbContainer *object;
} Envelope;

typedef struct Envelopes
{
	int			count;
	Envelope	items[ENVELOPES_MAX];
} Envelopes;

static void read_value(const ReportName *name, const JsonbValue *value, const ReportPath *path,
					   int depth, Envelopes *envelopes, ReportFacts *facts);
static void read_object(JsonbContainer *object, ReportPlace place, const ReportPath *path,
						int depth, ReportFacts *facts);

/* ----------------------------------------------------------------
 * Numbers
 * ----------------------------------------------------------------
 */

/* Several names of one count tell the same number: the greatest counts. */
static void
note_count(ReportFacts *facts, ReportCount which, int64 count)
{
	facts->counts[which] = Max(facts->counts[which], count);
	facts->counts_known[which] = true;
}

static void
note_amount(ReportFacts *facts, ReportAmount which, Numeric amount, const ReportPath *path)
{
	if (!report_check_range(facts->refusal, amount, path))
		return;
	if (facts->amounts[which] == NULL ||
		DatumGetBool(DirectFunctionCall2(numeric_gt, NumericGetDatum(amount),
										 NumericGetDatum(facts->amounts[which]))))
		facts->amounts[which] = amount;
}

static void
add_count(Refusal *room, int64 *sum, int64 count, const ReportPath *path)
{
	*sum += count;
	if (*sum <= REPORT_NUMBER_MAX)
		return;
	report_refuse(room, path, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
				  psprintf("adds up to more than " INT64_FORMAT, REPORT_NUMBER_MAX),
				  "Is it what one execution used?");
	*sum = REPORT_NUMBER_MAX;
}

/* ----------------------------------------------------------------
 * Lists
 * ----------------------------------------------------------------
 */

static bool
is_object(const JsonbValue *value)
{
	return value->type == jbvBinary && JsonContainerIsObject(value->val.binary.data);
}

/* The next element, which must be an object; false at the end, or if it is none. */
static bool
next_object(Refusal *room, JsonbIterator **iterator, const ReportPath *path, JsonbValue *object)
{
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(iterator, object, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		CHECK_FOR_INTERRUPTS();
		if (is_object(object))
			return true;
		report_refuse_type(room, path, "an array of objects");
		return false;
	}
	return false;
}

static bool
find_value(const JsonbValue *object, const char *name, JsonbValue *value)
{
	return getKeyJsonValueFromContainer(object->val.binary.data, name, strlen(name), value) != NULL;
}

static bool
find_string(const JsonbValue *object, const char *name, ReportString *string)
{
	JsonbValue	value;

	if (!find_value(object, name, &value) || value.type != jbvString)
		return false;
	string->val = value.val.string.val;
	string->len = value.val.string.len;
	return true;
}

static bool
string_is(const ReportString *string, const char *text)
{
	return string->len == (int) strlen(text) && pg_strncasecmp(string->val, text, string->len) == 0;
}

/*
 * Counts by a label: [{"modality": "AUDIO", "tokenCount": 5}, ...].  A label that
 * is not among those given is passed over.
 */
static void
read_breakdown(JsonbContainer *list, const char *label_name, const char *const *labels, int label_count,
			   ReportCount first, const ReportPath *path, ReportFacts *facts)
{
	static const char *const count_names[] = {"tokenCount", "token_count", "tokens", "inputTokens"};
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbValue	object;
	int64		sums[3] = {0};
	bool		known[3] = {false};
	int			i;
	int			j;

	while (next_object(facts->refusal, &iterator, path, &object))
	{
		ReportString label;

		if (!find_string(&object, label_name, &label))
			continue;
		for (i = 0; i < label_count && !string_is(&label, labels[i]); i++)
			continue;
		for (j = 0; i < label_count && j < (int) lengthof(count_names); j++)
		{
			ReportPath	count_path = {path, count_names[j], strlen(count_names[j])};
			JsonbValue	value;

			if (!find_value(&object, count_names[j], &value) || report_is_absent(&value))
				continue;
			add_count(facts->refusal, &sums[i], report_read_count(facts->refusal, &value, &count_path), path);
			known[i] = true;
			break;
		}
	}
	for (i = 0; i < label_count; i++)
	{
		if (known[i])
			note_count(facts, first + i, sums[i]);
	}
}

/*
 * Passes of one Anthropic call.  The counts beside them leave out compaction,
 * which the same model did, and what an advisor did, which is another model.
 * The rest is in them already; if a fallback answered, only what it used.
 */
static void
read_iterations(JsonbContainer *list, const ReportPath *path, int depth, ReportFacts *facts)
{
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbParseState *state = NULL;
	JsonbValue	object;
	int			i;

	facts->has_passes = true;
	while (next_object(facts->refusal, &iterator, path, &object))
	{
		ReportFacts pass = {.refusal = facts->refusal};
		ReportString type;

		if (!find_string(&object, "type", &type))
			continue;
		read_object(object.val.binary.data, PLACE_REPORT, path, depth + 1, &pass);
		if (string_is(&type, "compaction"))
		{
			for (i = 0; i < REPORT_COUNTS; i++)
				add_count(facts->refusal, &facts->compaction[i], pass.counts[i], path);
		}
		else if (string_is(&type, "fallback_message") && pass.texts[TEXT_MODEL].val != NULL)
			facts->texts[TEXT_MODEL] = pass.texts[TEXT_MODEL];
		else if (string_is(&type, "advisor_message"))
		{
			if (state == NULL)
				pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
			pushJsonbValue(&state, WJB_ELEM, &object);
		}
	}
	if (state != NULL)
		facts->other_usage = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/* ----------------------------------------------------------------
 * Objects
 * ----------------------------------------------------------------
 */

/* Attributes as OTLP writes them: [{"key": "a", "value": {"intValue": "5"}}, ...] */
static void
read_attributes(JsonbContainer *list, const ReportPath *path, int depth, Envelopes *envelopes,
				ReportFacts *facts)
{
	static const char *const value_names[] = {"intValue", "stringValue", "doubleValue"};
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbValue	attribute;
	int			i;

	while (next_object(facts->refusal, &iterator, path, &attribute))
	{
		ReportString key;
		JsonbValue	typed;
		JsonbValue	value;
		const ReportName *name;

		if (!find_string(&attribute, "key", &key) ||
			(name = report_name_find(PLACE_REPORT, key.val, key.len)) == NULL ||
			!find_value(&attribute, "value", &typed) || !is_object(&typed))
			continue;
		for (i = 0; i < (int) lengthof(value_names); i++)
		{
			if (find_value(&typed, value_names[i], &value))
				read_value(name, &value, &(ReportPath) {path, name->name, name->length}, depth, envelopes, facts);
		}
	}
}

static void
read_list(const ReportName *name, JsonbContainer *list, const ReportPath *path, int depth,
		  Envelopes *envelopes, ReportFacts *facts)
{
	static const char *const modalities[] = {"audio", "image", "video"};
	static const char *const lifetimes[] = {"5m", "1h"};

	switch ((ListMeaning) name->list)
	{
		case LIST_MODALITIES:
			read_breakdown(list, "modality", modalities, lengthof(modalities), name->target, path, facts);
			break;
		case LIST_LIFETIMES:
			read_breakdown(list, "ttl", lifetimes, lengthof(lifetimes), COUNT_CACHE_WRITE_5M, path, facts);
			break;
		case LIST_ITERATIONS:
			read_iterations(list, path, depth, facts);
			break;
		case LIST_ATTRIBUTES:
			read_attributes(list, path, depth, envelopes, facts);
			break;
		case LIST_IGNORED:
			break;
	}
}

static void
read_scalar(const ReportName *name, const JsonbValue *value, const ReportPath *path, ReportFacts *facts)
{
	switch ((ScalarMeaning) name->scalar)
	{
		case SCALAR_COUNT:
			note_count(facts, name->target, report_read_count(facts->refusal, value, path));
			break;
		case SCALAR_AMOUNT:
			note_amount(facts, name->target, report_read_number(facts->refusal, value, path), path);
			break;
		case SCALAR_TEXT:
			if (value->type == jbvString && value->val.string.len > 0)
			{
				facts->texts[name->target].val = value->val.string.val;
				facts->texts[name->target].len = value->val.string.len;
			}
			break;
		case SCALAR_BYOK:
			if (value->type == jbvBool)
			{
				facts->byok = value->val.boolean;
				facts->byok_known = true;
			}
			else
				report_refuse_type(facts->refusal, path, "true or false");
			break;
		case SCALAR_IGNORED:
			break;
	}
}

/* What a value must be, where nothing else is let pass; NULL where it is. */
static const char *
required_kind(const ReportName *name)
{
	if (name->is_envelope || name->scalar == SCALAR_TEXT)
		return NULL;
	if (name->scalar == SCALAR_COUNT || name->scalar == SCALAR_AMOUNT)
		return "a number";
	if (name->scalar == SCALAR_BYOK)
		return "true or false";
	if (name->place != PLACE_NONE)
		return "an object";
	return name->list != LIST_IGNORED ? "an array of objects" : NULL;
}

static void
read_value(const ReportName *name, const JsonbValue *value, const ReportPath *path, int depth,
		   Envelopes *envelopes, ReportFacts *facts)
{
	if (report_is_absent(value))
		return;

	if (is_object(value) && name->is_envelope)
	{
		if (envelopes->count < ENVELOPES_MAX)
			envelopes->items[envelopes->count++] = (Envelope) {name, value->val.binary.data};
	}
	else if (is_object(value) && name->place != PLACE_NONE)
		read_object(value->val.binary.data, name->place, path, depth + 1, facts);
	else if (value->type == jbvBinary && !is_object(value) && name->list != LIST_IGNORED)
		read_list(name, value->val.binary.data, path, depth, envelopes, facts);
	else if (value->type != jbvBinary && name->scalar != SCALAR_IGNORED)
		read_scalar(name, value, path, facts);
	else if (required_kind(name) != NULL)
		report_refuse_type(facts->refusal, path, required_kind(name));

	facts->flavours |= 1U << name->flavour;
	if (facts->provider == NULL)
		facts->provider = name->provider;
}

static void
read_object(JsonbContainer *object, ReportPlace place, const ReportPath *path, int depth,
			ReportFacts *facts)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	Envelopes	envelopes = {0};
	int			i;

	if (depth > DEPTH_MAX)
		return;
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		const ReportName *name;

		if (token != WJB_KEY)
			continue;
		JsonbIteratorNext(&iterator, &value, true);
		name = report_name_find(place, key.val.string.val, key.val.string.len);
		if (name != NULL)
			read_value(name, &value, &(ReportPath) {path, name->name, name->length}, depth, &envelopes, facts);
	}
	for (i = 0; i < envelopes.count && !report_has_counts(facts); i++)
	{
		const ReportName *name = envelopes.items[i].name;

		read_object(envelopes.items[i].object, name->place, &(ReportPath) {path, name->name, name->length},
					depth + 1, facts);
	}
}

/* ----------------------------------------------------------------
 * Events of a stream
 * ----------------------------------------------------------------
 */

static void
replace_facts(ReportFacts *facts, const ReportFacts *event)
{
	int			i;

	for (i = 0; i < REPORT_COUNTS; i++)
	{
		if (event->counts_known[i])
		{
			facts->counts[i] = event->counts[i];
			facts->counts_known[i] = true;
		}
	}
	for (i = 0; i < REPORT_AMOUNTS; i++)
	{
		if (event->amounts[i] != NULL)
			facts->amounts[i] = event->amounts[i];
	}
	for (i = 0; i < REPORT_TEXTS; i++)
	{
		if (event->texts[i].val != NULL)
			facts->texts[i] = event->texts[i];
	}
	if (event->has_passes)
	{
		memcpy(facts->compaction, event->compaction, sizeof(facts->compaction));
		facts->other_usage = event->other_usage;
		facts->has_passes = true;
	}
	if (event->byok_known)
	{
		facts->byok = event->byok;
		facts->byok_known = true;
	}
	facts->flavours |= event->flavours;
	if (facts->provider == NULL)
		facts->provider = event->provider;
}

static bool
same_string(const ReportString *a, const ReportString *b)
{
	return a->len == b->len && memcmp(a->val, b->val, a->len) == 0;
}

static void
read_events(JsonbContainer *list, ReportFacts *facts)
{
	JsonbIterator *iterator = JsonbIteratorInit(list);
	JsonbIteratorToken token;
	JsonbValue	value;
	ReportString counted = {0}; /* the response whose counts we have */

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		ReportFacts event = {.refusal = facts->refusal};

		CHECK_FOR_INTERRUPTS();
		if (token != WJB_ELEM || !is_object(&value))
			continue;
		read_object(value.val.binary.data, PLACE_REPORT, NULL, 0, &event);
		if (report_has_counts(&event) && event.texts[TEXT_RESPONSE_ID].val != NULL)
		{
			if (counted.val != NULL && !same_string(&counted, &event.texts[TEXT_RESPONSE_ID]))
				refuse(facts->refusal, (Refusal)
					   {
						   .sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
						   .message = "usage report holds more than one response",
						   .detail = psprintf("Responses \"%s\" and \"%s\" both tell what they used.",
											  pnstrdup(counted.val, counted.len),
											  pnstrdup(event.texts[TEXT_RESPONSE_ID].val, event.texts[TEXT_RESPONSE_ID].len)),
						   .hint = "Pass the events of one response at a time."
					   });
			counted = event.texts[TEXT_RESPONSE_ID];
		}
		replace_facts(facts, &event);
	}
}

void
report_read_facts(Jsonb *report, Refusal *refusal, ReportFacts *facts)
{
	JsonbValue	scalar;

	memset(facts, 0, sizeof(ReportFacts));
	facts->refusal = refusal;
	if (JB_ROOT_IS_SCALAR(report))
	{
		JsonbExtractScalar(&report->root, &scalar);
		if (scalar.type != jbvNull)
			refuse(refusal, (Refusal)
				   {
					   .sqlstate = ERRCODE_INVALID_PARAMETER_VALUE,
					   .message = "invalid usage report",
					   .detail = "It must be an object, or an array of the events of a stream.",
					   .hint = "Pass the usage object or the whole response, as the provider sent it."
				   });
	}
	else if (JB_ROOT_IS_ARRAY(report))
		read_events(&report->root, facts);
	else
		read_object(&report->root, PLACE_REPORT, NULL, 0, facts);
}
