-- Queries that are made as text.

CREATE FUNCTION run_query("row" anyelement, query text, keeps_plan boolean, VARIADIC parameters "any") RETURNS SETOF anyelement
LANGUAGE C STABLE
AS 'MODULE_PATHNAME', 'run_query';

COMMENT ON FUNCTION run_query(anyelement, text, boolean, "any") IS
'Rows of a query that only reads, whose columns are those of the type of row. If it keeps its plan, that is made without a look at the parameters ($1, …) and stays for the session; else it is made for them, each time. Raises 42804 when the columns are others, 42P18 when a parameter has no type, 0A000 when the query does not only read, 42601 when it returns no rows.';
