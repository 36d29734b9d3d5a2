-- Trigger functions of a ledger's tables. Each finds its ledger by the schema of the table that it fires on.

CREATE FUNCTION stamp_execution() RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'stamp_execution';

COMMENT ON FUNCTION stamp_execution() IS
'BEFORE INSERT OR UPDATE FOR EACH ROW on execution_history: validates the row, completes what the caller left out and stamps its cost from the price book.';

CREATE FUNCTION append_deltas() RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'append_deltas';

COMMENT ON FUNCTION append_deltas() IS
'AFTER INSERT, UPDATE or DELETE FOR EACH STATEMENT on execution_history and each of its partitions: appends to usage_deltas what the statement changed. The transition tables must be named old_executions and new_executions.';

CREATE FUNCTION forget_prices() RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'forget_prices';

COMMENT ON FUNCTION forget_prices() IS
'AFTER each change of prices or price_rates: every session drops what it remembers of this price book.';

CREATE FUNCTION refuse_truncate() RETURNS trigger
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'refuse_truncate';

COMMENT ON FUNCTION refuse_truncate() IS
'BEFORE TRUNCATE on tables whose rows are counted elsewhere: TRUNCATE tells a trigger no rows, so the rollups could not follow it.';
