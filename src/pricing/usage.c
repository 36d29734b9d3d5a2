/*-------------------------------------------------------------------------
 *
 * usage.c
 *		What an execution used: counts of tokens and of other units.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "pricing/usage.h"

/* More units in one execution than there are names for are a mistake. */
#define UNITS_MAX			64

/* As long as an identifier. */
#define UNIT_NAME_MAX		(NAMEDATALEN - 1)


const char *const token_kind_names[TOKEN_KINDS] = {
	[INPUT_TOKENS] = "input_tokens",
	[CACHE_READ_TOKENS] = "cache_read_tokens",
	[CACHE_WRITE_TOKENS] = "cache_write_tokens",
	[OUTPUT_TOKENS] = "output_tokens",
	[CACHE_WRITE_1H_TOKENS] = "cache_write_1h_tokens",
	[REASONING_TOKENS] = "reasoning_tokens",
	[INPUT_AUDIO_TOKENS] = "input_audio_tokens",
	[INPUT_IMAGE_TOKENS] = "input_image_tokens",
	[INPUT_VIDEO_TOKENS] = "input_video_tokens",
	[CACHE_READ_AUDIO_TOKENS] = "cache_read_audio_tokens",
	[CACHE_WRITE_AUDIO_TOKENS] = "cache_write_audio_tokens",
	[OUTPUT_AUDIO_TOKENS] = "output_audio_tokens",
	[OUTPUT_IMAGE_TOKENS] = "output_image_tokens",
	[OUTPUT_VIDEO_TOKENS] = "output_video_tokens",
};

const TokenKind token_kind_wholes[TOKEN_KINDS] = {
	[INPUT_TOKENS] = INPUT_TOKENS,
	[CACHE_READ_TOKENS] = CACHE_READ_TOKENS,
	[CACHE_WRITE_TOKENS] = CACHE_WRITE_TOKENS,
	[OUTPUT_TOKENS] = OUTPUT_TOKENS,
	[CACHE_WRITE_1H_TOKENS] = CACHE_WRITE_TOKENS,
	[REASONING_TOKENS] = OUTPUT_TOKENS,
	[INPUT_AUDIO_TOKENS] = INPUT_TOKENS,
	[INPUT_IMAGE_TOKENS] = INPUT_TOKENS,
	[INPUT_VIDEO_TOKENS] = INPUT_TOKENS,
	[CACHE_READ_AUDIO_TOKENS] = CACHE_READ_TOKENS,
	[CACHE_WRITE_AUDIO_TOKENS] = CACHE_WRITE_TOKENS,
	[OUTPUT_AUDIO_TOKENS] = OUTPUT_TOKENS,
	[OUTPUT_IMAGE_TOKENS] = OUTPUT_TOKENS,
	[OUTPUT_VIDEO_TOKENS] = OUTPUT_TOKENS,
};

const char *const usage_unit_names[USAGE_UNITS] = {
	[SEARCHES] = "searches",
	[INPUT_SECONDS] = "input_seconds",
	[OUTPUT_SECONDS] = "output_seconds",
	[INPUT_CHARACTERS] = "input_characters",
	[OUTPUT_CHARACTERS] = "output_characters",
	[INPUT_IMAGES] = "input_images",
	[OUTPUT_IMAGES] = "output_images",
	[REQUESTS] = "requests",
};

/* The kind of that name, -1 if there is none. */
int
token_kind_find(const char *name)
{
	int			kind;

	for (kind = 0; kind < TOKEN_KINDS; kind++)
	{
		if (strcmp(token_kind_names[kind], name) == 0)
			return kind;
	}
	return -1;
}

static void
refuse_units(Refusal *room, const char *what, const char *detail, const char *hint)
{
	refuse(room, (Refusal)
		   {
			   .sqlstate = ERRCODE_CHECK_VIOLATION,
			   .message = what,
			   .detail = detail,
			   .hint = hint
		   });
}

/* Lower-case letters, digits and underscores, beginning with a letter. */
static char *
read_unit_name(const JsonbValue *key, Refusal *refusal)
{
	char	   *name = pnstrdup(key->val.string.val, key->val.string.len);
	int			i;

	for (i = 0; name[i] != '\0'; i++)
	{
		if (!((name[i] >= 'a' && name[i] <= 'z') || (i > 0 && ((name[i] >= '0' && name[i] <= '9') || name[i] == '_'))))
			break;
	}
	if (i == 0 || name[i] != '\0' || i > UNIT_NAME_MAX)
		refuse_units(refusal, "units of an execution have a member that cannot be a unit",
					 psprintf("It is \"%.*s\".", pg_mbcliplen(name, strlen(name), UNIT_NAME_MAX), name),
					 "A unit is a plural of lower-case letters, digits and underscores, such as searches or input_seconds.");
	return name;
}

static Numeric
read_quantity(const char *unit, const JsonbValue *value, Refusal *refusal)
{
	Datum		quantity;

	if (value->type != jbvNumeric)
	{
		refuse_units(refusal, psprintf("\"%s\" in units of an execution is not a number", unit),
					 "Each member of units is a quantity.", "Leave out what was not counted.");
		return NULL;
	}
	quantity = NumericGetDatum(value->val.numeric);
	if (DatumGetBool(DirectFunctionCall2(numeric_lt, quantity, NumericGetDatum(int64_to_numeric(0)))))
		refuse_units(refusal, psprintf("\"%s\" in units of an execution is negative", unit),
					 psprintf("It is %s.", DatumGetCString(DirectFunctionCall1(numeric_out, quantity))),
					 "Leave out what was not counted.");
	if (DatumGetBool(DirectFunctionCall2(numeric_gt, quantity, NumericGetDatum(int64_to_numeric(USAGE_QUANTITY_MAX)))))
		refuse_units(refusal, psprintf("\"%s\" in units of an execution is too large", unit),
					 psprintf("At most " INT64_FORMAT " are allowed.", USAGE_QUANTITY_MAX),
					 "Is it a quantity of one execution?");
	return DatumGetNumericCopy(quantity);
}

static int64
read_token_count(const char *unit, Numeric quantity, Refusal *refusal)
{
	Datum		count = DirectFunctionCall1(numeric_int8, NumericGetDatum(quantity));

	if (!DatumGetBool(DirectFunctionCall2(numeric_eq, NumericGetDatum(quantity),
										  NumericGetDatum(int64_to_numeric(DatumGetInt64(count))))))
		refuse_units(refusal, psprintf("\"%s\" in units of an execution has a fraction", unit),
					 psprintf("It is %s.", DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(quantity)))),
					 "Tokens are counted in whole numbers.");
	return DatumGetInt64(count);
}

/*
 * Add what a JSON object from unit to quantity says.  Kinds of tokens that have
 * arguments and columns of their own do not belong there, other kinds do.
 */
void
usage_add_units(Usage *usage, Jsonb *units, Refusal *refusal)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(units))
		refuse_units(refusal, "units of an execution are not an object", "They are another kind of JSON.",
					 "For example {\"searches\": 2, \"input_seconds\": 27.5}.");
	else if (JB_ROOT_COUNT(units) > UNITS_MAX)
		refuse_units(refusal, "units of an execution have too many members",
					 psprintf("There are %d, %d are allowed.", JB_ROOT_COUNT(units), UNITS_MAX),
					 "Members are units, not single events.");
	if (is_refused(refusal))
		return;

	usage->units = palloc(sizeof(UnitCount) * (JB_ROOT_COUNT(units) + 1));
	iterator = JsonbIteratorInit(&units->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		const char *name;
		Numeric		quantity;
		int			kind;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		name = read_unit_name(&key, refusal);
		quantity = read_quantity(name, &value, refusal);
		if (is_refused(refusal))
			return;
		kind = token_kind_find(name);
		if (kind >= 0 && kind <= REASONING_TOKENS)
			refuse_units(refusal, psprintf("\"%s\" does not belong into units of an execution", name),
						 "It has a column of its own.", "Use the column.");
		if (kind >= 0)
			usage->tokens[kind] = read_token_count(name, quantity, refusal);
		else
			usage->units[usage->unit_count++] = (UnitCount) {name, quantity};
	}
}

/* Refuse a part that is more than the whole. */
void
usage_check_parts(const Usage *usage, Refusal *refusal)
{
	int			kind;

	for (kind = 0; kind < TOKEN_KINDS; kind++)
	{
		int			whole = token_kind_wholes[kind];

		if (usage->tokens[kind] > usage->tokens[whole])
			refuse_units(refusal, psprintf("%s of an execution is more than %s", token_kind_names[kind], token_kind_names[whole]),
						 psprintf(INT64_FORMAT " cannot be a part of " INT64_FORMAT ".",
								  usage->tokens[kind], usage->tokens[whole]),
						 psprintf("%s includes %s.", token_kind_names[whole], token_kind_names[kind]));
	}
}
