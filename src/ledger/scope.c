/*-------------------------------------------------------------------------
 *
 * scope.c
 *		scope_covers(scope, call): is a call within the scope of a budget?
 *
 * A scope is a filter as usage_read() takes it: an object from dimension to a
 * value or an array of values, where null stands for calls that name none.  A
 * call is an object from dimension to text.  This says in C what the WHERE of
 * usage_read() says in SQL, because admission asks it for every budget that may
 * concern a call, and expanding both objects into rows cost more than all else.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

PG_FUNCTION_INFO_V1(scope_covers);

/* What a call has for a dimension: its text, or nothing. */
typedef struct CallValue
{
	const char *bytes;
	int			length;
} CallValue;

static CallValue
call_value(Jsonb *call, const JsonbValue *dimension)
{
	JsonbValue	found;
	CallValue	value = {"", 0};

	if (getKeyJsonValueFromContainer(&call->root, dimension->val.string.val,
									 dimension->val.string.len, &found) != NULL &&
		found.type == jbvString)
	{
		value.bytes = found.val.string.val;
		value.length = found.val.string.len;
	}
	return value;
}

static bool
is_value(const JsonbValue *choice, CallValue value)
{
	char	   *number;

	switch (choice->type)
	{
		case jbvNull:
			return value.length == 0;
		case jbvString:
			return choice->val.string.len == value.length &&
				memcmp(choice->val.string.val, value.bytes, value.length) == 0;
		case jbvNumeric:
			number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(choice->val.numeric)));
			return strlen(number) == (size_t) value.length && memcmp(number, value.bytes, value.length) == 0;
		default:
			return false;
	}
}

/* choice is a value, or an array of which one must fit. */
static bool
admits(const JsonbValue *choice, CallValue value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;

	if (choice->type != jbvBinary)
		return is_value(choice, value);
	iterator = JsonbIteratorInit(choice->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token == WJB_ELEM && is_value(&element, value))
			return true;
	}
	return false;
}

/*
 * scope_covers(scope jsonb, call jsonb) returns boolean
 */
Datum
scope_covers(PG_FUNCTION_ARGS)
{
	Jsonb	   *scope = PG_GETARG_JSONB_P(0);
	Jsonb	   *call = PG_GETARG_JSONB_P(1);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	member;
	CallValue	value = {"", 0};

	if (!JB_ROOT_IS_OBJECT(scope) || !JB_ROOT_IS_OBJECT(call))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a scope and a call must be JSON objects"),
				 errhint("For example scope_covers('{\"customer_id\": [\"acme\", \"globex\"]}', '{\"customer_id\": \"acme\"}').")));

	iterator = JsonbIteratorInit(&scope->root);
	while ((token = JsonbIteratorNext(&iterator, &member, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			value = call_value(call, &member);
		else if (token == WJB_VALUE && !admits(&member, value))
			PG_RETURN_BOOL(false);
	}
	PG_RETURN_BOOL(true);
}
