-- The part of fold() that reads usage_deltas.

CREATE FUNCTION take_deltas(
    deltas regclass, max_deltas bigint,
    OUT bucket timestamptz,
    OUT customer_id text, OUT project_id text, OUT package_id text, OUT section text, OUT provider text, OUT model text,
    OUT environment text, OUT customer_tier text, OUT user_id text, OUT api_key_id text,
    OUT executions bigint, OUT succeeded bigint, OUT failed bigint, OUT timed_out bigint, OUT cancelled bigint, OUT open bigint,
    OUT unpriced bigint, OUT unreported bigint, OUT estimated bigint, OUT byok bigint,
    OUT input_tokens bigint, OUT cache_read_tokens bigint, OUT cache_write_tokens bigint, OUT output_tokens bigint,
    OUT reasoning_tokens bigint,
    OUT cost numeric, OUT billed_cost numeric, OUT shadow_cost numeric,
    OUT duration_us bigint, OUT queue_time_us bigint, OUT duration_sketch quantile_sketch, OUT queue_time_sketch quantile_sketch,
    OUT cube text, OUT deltas_taken bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE STRICT ROWS 10000
AS 'MODULE_PATHNAME', 'take_deltas';

COMMENT ON FUNCTION take_deltas(regclass, bigint) IS
'Part of fold(): deletes up to max_deltas rows of usage_deltas of a ledger, fewer where their cells need more than 256 MB, and returns what they add to each cell of each cube, with the number of deltas in it. Needs SELECT and DELETE on the table. Raises 40001 if another transaction has taken one, 55000 for a table that has triggers or policies.';
