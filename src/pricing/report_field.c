/*-------------------------------------------------------------------------
 *
 * report_field.c
 *		One field of a usage report: its number, or why it has none.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "pricing/report_field.h"

/* A number in a string is not longer. */
#define NUMBER_LENGTH_MAX	64

/* ----------------------------------------------------------------
 * Refusals
 * ----------------------------------------------------------------
 */

static void
append_path(StringInfo buffer, const ReportPath *path)
{
	if (path->parent != NULL)
	{
		append_path(buffer, path->parent);
		appendStringInfoChar(buffer, '.');
	}
	appendBinaryStringInfo(buffer, path->name, path->length);
}

/* "Field "usage.prompt_tokens" is ..." */
void
report_refuse(Refusal *room, const ReportPath *path, int sqlstate, const char *what, const char *hint)
{
	StringInfoData field;

	initStringInfo(&field);
	append_path(&field, path);
	refuse(room, (Refusal)
		   {
			   .sqlstate = sqlstate,
			   .message = "invalid usage report",
			   .detail = psprintf("Field \"%s\" %s.", field.data, what),
			   .hint = hint
		   });
}

void
report_refuse_type(Refusal *room, const ReportPath *path, const char *expected)
{
	report_refuse(room, path, ERRCODE_INVALID_PARAMETER_VALUE, psprintf("must be %s", expected),
				  "Leave out what is not known, or use null.");
}

/* ----------------------------------------------------------------
 * Numbers
 * ----------------------------------------------------------------
 */

static int
compare_numeric(Numeric number, int64 other)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(number),
											 NumericGetDatum(int64_to_numeric(other))));
}

bool
report_check_range(Refusal *room, Numeric number, const ReportPath *path)
{
	bool		is_negative = compare_numeric(number, 0) < 0;
	bool		is_large = compare_numeric(number, REPORT_NUMBER_MAX) > 0;

	if (is_negative)
		report_refuse(room, path, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "is negative",
					  "Leave out what is not known, or use null.");
	if (is_large)
		report_refuse(room, path, ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
					  psprintf("is more than " INT64_FORMAT, REPORT_NUMBER_MAX),
					  "Is it what one execution used?");
	return !is_negative && !is_large;
}

static size_t
skip_digits(const char *text)
{
	return strspn(text, "0123456789");
}

/*
 * Does a string hold a number as JSON writes one?  With an exponent of at most
 * two digits, so that reading it cannot fail.
 */
static bool
is_number(const char *text)
{
	size_t		digits;

	if (*text == '-')
		text++;
	if ((digits = skip_digits(text)) == 0)
		return false;
	text += digits;
	if (*text == '.')
	{
		text++;
		if ((digits = skip_digits(text)) == 0)
			return false;
		text += digits;
	}
	if (*text == 'e' || *text == 'E')
	{
		text++;
		if (*text == '-' || *text == '+')
			text++;
		if ((digits = skip_digits(text)) == 0 || digits > 2)
			return false;
		text += digits;
	}
	return *text == '\0';
}

static Numeric
string_number(Refusal *room, const JsonbValue *value, const ReportPath *path)
{
	char		text[NUMBER_LENGTH_MAX + 1];

	if (value->val.string.len > NUMBER_LENGTH_MAX)
	{
		report_refuse(room, path, ERRCODE_INVALID_TEXT_REPRESENTATION, "is not a number",
					  "Use a JSON number, or a string that holds one.");
		return int64_to_numeric(0);
	}
	memcpy(text, value->val.string.val, value->val.string.len);
	text[value->val.string.len] = '\0';
	if (strlen(text) != (size_t) value->val.string.len || !is_number(text))
	{
		report_refuse(room, path, ERRCODE_INVALID_TEXT_REPRESENTATION, psprintf("is not a number but \"%s\"", text),
					  "Use a JSON number, or a string that holds one.");
		return int64_to_numeric(0);
	}
	return DatumGetNumeric(DirectFunctionCall3(numeric_in, CStringGetDatum(text),
											   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

bool
report_is_absent(const JsonbValue *value)
{
	return value->type == jbvNull ||
		(value->type == jbvBinary && JsonContainerSize(value->val.binary.data) == 0);
}

Numeric
report_read_number(Refusal *room, const JsonbValue *value, const ReportPath *path)
{
	if (value->type == jbvNumeric)
		return value->val.numeric;
	if (value->type == jbvString)
		return string_number(room, value, path);
	report_refuse_type(room, path, "a number");
	return int64_to_numeric(0);
}

/* 5.0 is a count, 5.5 is none. */
int64
report_read_count(Refusal *room, const JsonbValue *value, const ReportPath *path)
{
	Numeric		number = report_read_number(room, value, path);
	bool		is_large = false;
	int64		count = numeric_int4_opt_error(number, &is_large);

	if (is_large || count < 0)
	{
		if (!report_check_range(room, number, path))
			return 0;
		count = DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(number)));
	}
	if (DatumGetInt32(DirectFunctionCall1(numeric_scale, NumericGetDatum(number))) > 0 &&
		compare_numeric(number, count) != 0)
		report_refuse(room, path, ERRCODE_INVALID_PARAMETER_VALUE, "is not a whole number",
					  "A count of tokens has no fraction other than 0.");
	return count;
}
