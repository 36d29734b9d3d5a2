-- Scopes of budgets.

CREATE FUNCTION scope_covers(scope jsonb, call jsonb) RETURNS boolean
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'scope_covers';

COMMENT ON FUNCTION scope_covers(jsonb, jsonb) IS
'Is a call, an object from dimension to text, within a scope, an object from dimension to a value or an array of values? null in a scope stands for calls that name none. Raises 22023 when either is no object.';
