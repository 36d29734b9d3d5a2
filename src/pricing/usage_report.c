/*-------------------------------------------------------------------------
 *
 * usage_report.c
 *		What a provider's own report says was used, in disjoint counts.
 *
 * report_names.c knows what providers call things, report_reader.c collects them.
 * What is left are few rules, the same for all:
 *
 * - A part that is larger than its whole was never in it: neither cached input
 *	 in input, nor reasoning in output.
 * - Where providers disagree although they use the same names, the total tells
 *	 what includes what, if it is the sum of just that.  It is never priced.
 * - Where cached input is not told by modality, text was cached first, then
 *	 video, image and audio: the dearest last.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"

#include "compat.h"
#include "pricing/report_reader.h"
#include "pricing/usage_report.h"

PG_FUNCTION_INFO_V1(normalize_usage);

/* Audio, image, video. */
#define MODALITIES				3

/* Columns of normalize_usage. */
#define RESULT_COLUMNS			(TOKEN_KINDS + USAGE_UNITS + 11)

/* What the numbers of a report include. */
typedef struct Inclusion
{
	bool		cache_in_input;
	bool		reasoning_in_output;
} Inclusion;

/* Counts on the way to disjoint ones. */
typedef struct Wholes
{
	int64		input;
	int64		extra_input;	/* not in input, though billed as such */
	int64		cache;			/* reads and writes */
	int64		output;
	int64		reasoning;
} Wholes;

/* ----------------------------------------------------------------
 * Recognising
 * ----------------------------------------------------------------
 */

/*
 * The first flavour that a name tells of.  Those from responses on share their
 * names for input and output: there the caller may know better.
 */
static ReportFlavour
choose_flavour(const ReportFacts *facts, const ReportProvider *provider, ReportFlavour named)
{
	ReportFlavour first = FLAVOUR_NONE + 1;

	while (first < REPORT_FLAVOURS && (facts->flavours & (1U << first)) == 0)
		first++;
	if (first == REPORT_FLAVOURS)
		return FLAVOUR_NONE;
	if (first >= FLAVOUR_RESPONSES && named >= FLAVOUR_RESPONSES)
		return named;
	if (first == FLAVOUR_PLAIN && provider != NULL && provider->plain_flavour != FLAVOUR_NONE)
		return provider->plain_flavour;
	return first;
}

static ReportString
named_string(const text *name)
{
	if (name == NULL || VARSIZE_ANY_EXHDR(name) == 0)
		return (ReportString) {0};
	return (ReportString) {VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name)};
}

static ReportString
c_string(const char *name)
{
	if (name == NULL)
		return (ReportString) {0};
	return (ReportString) {name, strlen(name)};
}

static text *
string_text(ReportString string)
{
	return string.val != NULL ? cstring_to_text_with_len(string.val, string.len) : NULL;
}

static bool
string_is(ReportString string, const char *other)
{
	return string.len == (int) strlen(other) && memcmp(string.val, other, string.len) == 0;
}

static bool
mentions(ReportString string, const char *word)
{
	return string.val != NULL &&
		strstr(asc_tolower(string.val, string.len), word) != NULL;
}

/*
 * Tiers have more names than meanings: what is standard is "default" to OpenAI
 * and "ON_DEMAND" to Google.
 */
static text *
service_tier(const ReportFacts *facts)
{
	static const char on_demand[] = "on_demand_";
	ReportString told = facts->texts[TEXT_SERVICE_TIER];
	char	   *tier;

	if (facts->texts[TEXT_CUSTOM_ID].val != NULL)
		return cstring_to_text("batch");
	if (told.val == NULL)
		return NULL;
	tier = asc_tolower(told.val, told.len);
	if (strcmp(tier, "default") == 0 || strcmp(tier, "on_demand") == 0)
		return cstring_to_text("standard");
	if (strncmp(tier, on_demand, strlen(on_demand)) == 0)
		tier += strlen(on_demand);
	return cstring_to_text(tier);
}

static void
recognise(const ReportFacts *facts, ReportFlavour flavour, ReportString provider_name,
		  const ReportProvider *provider, ReportString api, UsageReport *result)
{
	ReportString model = facts->texts[TEXT_MODEL];
	ReportString region = facts->texts[TEXT_REGION];

	result->provider = string_text(provider != NULL ? c_string(provider->name) : provider_name);
	result->api = string_text(api.val != NULL ? api : c_string(flavour_traits[flavour].api));
	result->model = string_text(model.val != NULL ? model : facts->texts[TEXT_REQUEST_MODEL]);
	result->service_tier = service_tier(facts);
	if (region.val != NULL && !string_is(region, "not_available"))
		result->region = string_text(region);
	result->response_id = string_text(facts->texts[TEXT_RESPONSE_ID]);
}

/* ----------------------------------------------------------------
 * Tokens
 * ----------------------------------------------------------------
 */

static bool
is_possible(const Wholes *wholes, Inclusion inclusion)
{
	return (!inclusion.cache_in_input || wholes->cache <= wholes->input) &&
		(!inclusion.reasoning_in_output || wholes->reasoning <= wholes->output);
}

static int64
sum_of(const Wholes *wholes, Inclusion inclusion)
{
	return wholes->input + (inclusion.cache_in_input ? 0 : wholes->cache) + wholes->extra_input +
		wholes->output + (inclusion.reasoning_in_output ? 0 : wholes->reasoning);
}

/*
 * What includes what: as expected if the total does not object, else as in the
 * only sum that gives the total.
 */
static Inclusion
infer_inclusion(const Wholes *wholes, Inclusion expected, bool total_decides, int64 total)
{
	int			i;

	for (i = 0; total_decides && i < 4; i++)
	{
		Inclusion	candidate = {
			expected.cache_in_input ^ ((i & 2) != 0),
			expected.reasoning_in_output ^ ((i & 1) != 0)
		};

		if (is_possible(wholes, candidate) && sum_of(wholes, candidate) == total)
			return candidate;
	}
	expected.cache_in_input &= wholes->cache <= wholes->input;
	expected.reasoning_in_output &= wholes->reasoning <= wholes->output;
	return expected;
}

static void
set_tokens(UsageReport *result, TokenKind kind, int64 count)
{
	Assert(count >= 0);
	result->tokens[kind] = count;
	result->tokens_known[kind] = true;
}

/* A part of what is still left of its whole. */
static void
set_part(UsageReport *result, TokenKind kind, int64 count, int64 *left)
{
	count = Min(Max(count, 0), *left);
	*left -= count;
	set_tokens(result, kind, count);
}

static int64
sum_counts(const ReportFacts *facts, ReportCount first, int number)
{
	int64		sum = 0;
	int			i;

	for (i = 0; i < number; i++)
		sum += facts->counts[first + i];
	return sum;
}

/* Input by modality; the cached part of each is told by modality too, or not. */
static void
set_input_parts(const ReportFacts *facts, bool cache_in_input, UsageReport *result)
{
	int64		left = result->tokens[INPUT_TOKENS];
	int			i;

	for (i = 0; i < MODALITIES; i++)
	{
		int64		count = facts->counts[COUNT_INPUT_AUDIO + i];

		if (!facts->counts_known[COUNT_INPUT_AUDIO + i] && !facts->counts_known[COUNT_EXTRA_AUDIO + i])
			continue;
		if (cache_in_input)
			count -= facts->counts[COUNT_CACHE_READ_AUDIO + i];
		if (cache_in_input && i == 0)
			count -= facts->counts[COUNT_CACHE_WRITE_AUDIO];
		set_part(result, INPUT_AUDIO_TOKENS + i, Max(count, 0) + facts->counts[COUNT_EXTRA_AUDIO + i], &left);
	}
}

static void
set_cache_parts(const ReportFacts *facts, UsageReport *result)
{
	int64		read_left = result->tokens[CACHE_READ_TOKENS];
	int64		write_left = result->tokens[CACHE_WRITE_TOKENS];
	int64		lasting_left = write_left;

	if (facts->counts_known[COUNT_CACHE_WRITE_1H] || facts->counts_known[COUNT_CACHE_WRITE_5M])
		set_part(result, CACHE_WRITE_1H_TOKENS, facts->counts[COUNT_CACHE_WRITE_1H], &lasting_left);
	if (facts->counts_known[COUNT_CACHE_READ_AUDIO])
		set_part(result, CACHE_READ_AUDIO_TOKENS, facts->counts[COUNT_CACHE_READ_AUDIO], &read_left);
	if (facts->counts_known[COUNT_CACHE_WRITE_AUDIO])
		set_part(result, CACHE_WRITE_AUDIO_TOKENS, facts->counts[COUNT_CACHE_WRITE_AUDIO], &write_left);
}

static void
set_output_parts(const ReportFacts *facts, UsageReport *result)
{
	int64		left = result->tokens[OUTPUT_TOKENS];
	int			i;

	set_part(result, REASONING_TOKENS, facts->counts[COUNT_REASONING], &left);
	for (i = 0; i < MODALITIES; i++)
	{
		if (facts->counts_known[COUNT_OUTPUT_AUDIO + i])
			set_part(result, OUTPUT_AUDIO_TOKENS + i, facts->counts[COUNT_OUTPUT_AUDIO + i], &left);
	}
}

static void
set_all_tokens(const ReportFacts *facts, const FlavourTraits *traits, Inclusion expected,
			   bool total_decides, UsageReport *result)
{
	int64		write = Max(facts->counts[COUNT_CACHE_WRITE],
							facts->counts[COUNT_CACHE_WRITE_5M] + facts->counts[COUNT_CACHE_WRITE_1H]);
	int64		read = facts->counts[COUNT_CACHE_READ];
	Wholes		wholes = {
		.input = facts->counts[COUNT_INPUT],
		.extra_input = Max(facts->counts[COUNT_EXTRA_INPUT], sum_counts(facts, COUNT_EXTRA_AUDIO, MODALITIES)),
		.output = facts->counts[COUNT_OUTPUT],
		.reasoning = facts->counts[COUNT_REASONING]
	};
	Inclusion	inclusion;

	if (!traits->has_cache)
		read = write = 0;
	wholes.cache = read + write;
	if (!facts->counts_known[COUNT_INPUT])
		wholes.input = facts->counts[COUNT_UNCACHED] + (expected.cache_in_input ? wholes.cache : 0);

	inclusion = infer_inclusion(&wholes, expected, total_decides && facts->counts_known[COUNT_TOTAL],
								facts->counts[COUNT_TOTAL]);
	set_tokens(result, INPUT_TOKENS,
			   wholes.input + wholes.extra_input - (inclusion.cache_in_input ? wholes.cache : 0));
	set_tokens(result, CACHE_READ_TOKENS, read);
	set_tokens(result, CACHE_WRITE_TOKENS, write);
	set_tokens(result, OUTPUT_TOKENS,
			   wholes.output + (inclusion.reasoning_in_output ? 0 : wholes.reasoning));
	set_input_parts(facts, inclusion.cache_in_input, result);
	set_cache_parts(facts, result);
	set_output_parts(facts, result);
}

/* Add the passes that the counts leave out. */
static void
add_compaction(ReportFacts *facts)
{
	int			i;

	for (i = 0; facts->has_passes && i < REPORT_COUNTS; i++)
	{
		facts->counts[i] += facts->compaction[i];
		facts->counts_known[i] |= facts->compaction[i] > 0;
	}
}

static bool
has_tokens(const ReportFacts *facts)
{
	int			i;

	for (i = 0; i < REPORT_COUNTS; i++)
	{
		if (i != COUNT_TOTAL && facts->counts_known[i])
			return true;
	}
	return false;
}

/*
 * Embeddings and reranking generate nothing: their total is their input.
 */
static bool
total_is_input(const ReportFacts *facts, const ReportProvider *provider, ReportString api)
{
	return (provider != NULL && provider->total_is_input) ||
		(facts->texts[TEXT_OBJECT].val != NULL && string_is(facts->texts[TEXT_OBJECT], "list")) ||
		mentions(api, "embed") || mentions(api, "rerank");
}

static void
set_unexplained(const ReportFacts *facts, UsageReport *result)
{
	int64		counted = result->tokens[INPUT_TOKENS] + result->tokens[CACHE_READ_TOKENS] +
	result->tokens[CACHE_WRITE_TOKENS] + result->tokens[OUTPUT_TOKENS];

	if (!facts->counts_known[COUNT_TOTAL])
		return;
	result->unexplained_tokens = Max(facts->counts[COUNT_TOTAL] - counted, 0);
	result->unexplained_tokens_known = true;
}

static void
count_tokens(ReportFacts *facts, ReportFlavour flavour, const ReportProvider *provider,
			 ReportString api, UsageReport *result)
{
	const FlavourTraits *traits = &flavour_traits[flavour];
	bool		is_own_chat = provider != NULL && flavour == FLAVOUR_CHAT;
	bool		reasoning_is_extra = is_own_chat && provider->chat_reasoning_extra;
	Inclusion	expected = {
		.cache_in_input = traits->cache_in_input,
		.reasoning_in_output = traits->reasoning_in_output && !reasoning_is_extra &&
		!(is_own_chat && provider->chat_reasoning_beside)
	};

	add_compaction(facts);
	if (!has_tokens(facts) && facts->counts_known[COUNT_TOTAL] && total_is_input(facts, provider, api))
	{
		facts->counts[COUNT_INPUT] = facts->counts[COUNT_TOTAL];
		facts->counts_known[COUNT_INPUT] = true;
	}
	if (has_tokens(facts))
		set_all_tokens(facts, traits, expected, traits->total_decides && !reasoning_is_extra, result);
	set_unexplained(facts, result);
}

/* ----------------------------------------------------------------
 * Other units and money
 * ----------------------------------------------------------------
 */

/* A copy in the current context: what was read lies within the report. */
static Numeric
copy_numeric(Numeric number)
{
	return number != NULL ? DatumGetNumericCopy(NumericGetDatum(number)) : NULL;
}

static Numeric
add_numeric(Numeric a, Numeric b)
{
	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	return DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(a), NumericGetDatum(b)));
}

static Numeric
ticks_to_dollars(Numeric ticks)
{
	Datum		tick = DirectFunctionCall3(numeric_in, CStringGetDatum("0.0000000001"),
										   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	return DatumGetNumeric(DirectFunctionCall1(numeric_trim_scale,
											   DirectFunctionCall2(numeric_mul, NumericGetDatum(ticks), tick)));
}

static void
count_units(const ReportFacts *facts, UsageReport *result)
{
	ReportString object = facts->texts[TEXT_OBJECT];
	int			i;

	for (i = 0; i < USAGE_UNITS; i++)
		result->units[i] = copy_numeric(facts->amounts[i]);
	result->units[SEARCHES] = add_numeric(result->units[SEARCHES], copy_numeric(facts->amounts[AMOUNT_X_SEARCHES]));

	/* a video that was made says in "seconds" how long it is */
	if (object.val != NULL && string_is(object, "video") && result->units[OUTPUT_SECONDS] == NULL)
	{
		result->units[OUTPUT_SECONDS] = result->units[INPUT_SECONDS];
		result->units[INPUT_SECONDS] = NULL;
	}
}

static void
take_cost(const ReportFacts *facts, UsageReport *result)
{
	if (facts->amounts[AMOUNT_COST] != NULL)
		result->reported_cost = copy_numeric(facts->amounts[AMOUNT_COST]);
	else if (facts->amounts[AMOUNT_COST_TICKS] != NULL)
		result->reported_cost = ticks_to_dollars(facts->amounts[AMOUNT_COST_TICKS]);
	result->byok = facts->byok;
	result->byok_known = facts->byok_known;
	if (facts->byok)
		result->upstream_cost = copy_numeric(facts->amounts[AMOUNT_UPSTREAM_COST]);
}

void
usage_report_read(Jsonb *report, const text *provider, const text *api, Refusal *refusal, UsageReport *result)
{
	ReportFacts facts;
	ReportFlavour flavour;
	ReportString provider_name = named_string(provider);
	ReportString api_name = named_string(api);
	const ReportProvider *known_provider = NULL;

	memset(result, 0, sizeof(UsageReport));
	report_read_facts(report, refusal, &facts);
	if (is_refused(refusal))
		return;

	if (provider_name.val == NULL)
		provider_name = facts.texts[TEXT_PROVIDER];
	if (provider_name.val == NULL)
		provider_name = c_string(facts.provider);
	if (provider_name.val != NULL)
		known_provider = report_provider_find(provider_name.val, provider_name.len);
	flavour = choose_flavour(&facts, known_provider,
							 api_name.val != NULL ? report_flavour_find(api_name.val, api_name.len) : FLAVOUR_NONE);
	if (provider_name.val == NULL)
		provider_name = c_string(flavour_traits[flavour].provider);

	count_tokens(&facts, flavour, known_provider, api_name, result);
	count_units(&facts, result);
	take_cost(&facts, result);
	recognise(&facts, flavour, provider_name, known_provider, api_name, result);
	result->other_usage = facts.other_usage;
}

/* ----------------------------------------------------------------
 * SQL
 * ----------------------------------------------------------------
 */

/* The row type of normalize_usage, looked up once for a query. */
static TupleDesc
result_desc(FunctionCallInfo fcinfo)
{
	MemoryContext old_context;
	TupleDesc	desc = fcinfo->flinfo->fn_extra;

	if (desc == NULL)
	{
		old_context = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
		if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE ||
			desc->natts != RESULT_COLUMNS)
			elog(ERROR, "normalize_usage must return a row of %d columns", RESULT_COLUMNS);
		fcinfo->flinfo->fn_extra = BlessTupleDesc(desc);
		MemoryContextSwitchTo(old_context);
	}
	return desc;
}

/*
 * normalize_usage(report jsonb, INOUT provider text, INOUT api text, OUT ...)
 */
Datum
normalize_usage(PG_FUNCTION_ARGS)
{
	Datum		values[RESULT_COLUMNS];
	bool		nulls[RESULT_COLUMNS];
	UsageReport usage = {0};
	int			column = 0;
	int			i;

#define ADD_COLUMN(is_known, value) \
	(nulls[column] = !(is_known), values[column] = (value), column++)

	if (!PG_ARGISNULL(0))
		usage_report_read(PG_GETARG_JSONB_P(0),
						  PG_ARGISNULL(1) ? NULL : PG_GETARG_TEXT_PP(1),
						  PG_ARGISNULL(2) ? NULL : PG_GETARG_TEXT_PP(2),
						  NULL, &usage);

	ADD_COLUMN(usage.provider != NULL, PointerGetDatum(usage.provider));
	ADD_COLUMN(usage.api != NULL, PointerGetDatum(usage.api));
	for (i = 0; i < TOKEN_KINDS; i++)
		ADD_COLUMN(usage.tokens_known[i], Int64GetDatum(usage.tokens[i]));
	for (i = 0; i < USAGE_UNITS; i++)
		ADD_COLUMN(usage.units[i] != NULL, NumericGetDatum(usage.units[i]));
	ADD_COLUMN(usage.reported_cost != NULL, NumericGetDatum(usage.reported_cost));
	ADD_COLUMN(usage.byok_known, BoolGetDatum(usage.byok));
	ADD_COLUMN(usage.upstream_cost != NULL, NumericGetDatum(usage.upstream_cost));
	ADD_COLUMN(usage.unexplained_tokens_known, Int64GetDatum(usage.unexplained_tokens));
	ADD_COLUMN(usage.other_usage != NULL, JsonbPGetDatum(usage.other_usage));
	ADD_COLUMN(usage.model != NULL, PointerGetDatum(usage.model));
	ADD_COLUMN(usage.service_tier != NULL, PointerGetDatum(usage.service_tier));
	ADD_COLUMN(usage.region != NULL, PointerGetDatum(usage.region));
	ADD_COLUMN(usage.response_id != NULL, PointerGetDatum(usage.response_id));
	Assert(column == RESULT_COLUMNS);

	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(result_desc(fcinfo), values, nulls)));
}
