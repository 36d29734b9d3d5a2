-- What BEFORE INSERT OR UPDATE makes of a row.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset null '(null)'

SELECT set_price('acme-ai', 'echo', input_per_million => 2, output_per_million => 10, valid_from => '-infinity') IS NOT NULL AS set;

CREATE VIEW stamped AS
SELECT customer_id, status, token_source, total_tokens, cost, reported_cost, shadow_cost, price_id IS NOT NULL AS has_price, price_status, duration_ms
FROM execution_history;

-- the least that a caller says
INSERT INTO execution_history (customer_id) VALUES ('least') RETURNING id IS NOT NULL AS id, created_at = now() AS created_at,
    recorded_at = now() AS recorded_at, environment, status, token_source, price_status;

-- priced: 1000 * 2 / 1e6 + 500 * 10 / 1e6
INSERT INTO execution_history (customer_id, provider, model, input_tokens, output_tokens) VALUES ('priced', 'acme-ai', 'echo', 1000, 500);
-- cached input without a rate of its own costs as input, reasoning as output
INSERT INTO execution_history (customer_id, provider, model, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens)
VALUES ('all kinds', 'acme-ai', 'echo', 1, 10, 100, 1000, 999);
-- zero is not the same as not reported
INSERT INTO execution_history (customer_id, provider, model, input_tokens, output_tokens) VALUES ('zero', 'acme-ai', 'echo', 0, 0);
INSERT INTO execution_history (customer_id, provider, model) VALUES ('unreported', 'acme-ai', 'echo');
INSERT INTO execution_history (customer_id, provider, model, input_tokens, token_source) VALUES ('estimated', 'acme-ai', 'echo', 10, 'estimated');
-- unknown model, model without provider, and a cost given by the caller
INSERT INTO execution_history (customer_id, provider, model, input_tokens) VALUES ('unknown model', 'acme-ai', 'foxtrot', 10);
INSERT INTO execution_history (customer_id, model, input_tokens) VALUES ('no provider', 'echo', 10);
INSERT INTO execution_history (customer_id, provider, model, input_tokens, cost) VALUES ('reported', 'acme-ai', 'foxtrot', 10, 0.25);
INSERT INTO execution_history (customer_id, provider, model, input_tokens, cost) VALUES ('priced and reported', 'acme-ai', 'echo', 10, 0.25);
-- the customer's own key; with and without a price
INSERT INTO execution_history (customer_id, provider, model, input_tokens, byok) VALUES ('byok', 'acme-ai', 'echo', 10, true), ('byok unknown', 'acme-ai', 'foxtrot', 10, true);
-- failed without tokens costs nothing, with tokens what they cost
INSERT INTO execution_history (customer_id, provider, model, status, input_tokens) VALUES ('failed', 'acme-ai', 'echo', 'failed', NULL), ('failed late', 'acme-ai', 'echo', 'timeout', 10);
-- open
INSERT INTO execution_history (customer_id, provider, model, status) VALUES ('open', 'acme-ai', 'echo', 'running');
-- the total is what the parts add up to, whatever the caller thinks
INSERT INTO execution_history (customer_id, input_tokens, output_tokens, reasoning_tokens, total_tokens) VALUES ('total', 10, 5, 3, 1000), ('total of none', NULL, NULL, NULL, 1000);
-- duration from the times, unless given
INSERT INTO execution_history (customer_id, started_at, completed_at, duration_ms)
VALUES ('timed', '2026-01-01 00:00:00', '2026-01-01 00:00:01.234567', NULL), ('timed by caller', '2026-01-01 00:00:00', '2026-01-01 00:00:01.234567', 7.5);

SELECT * FROM stamped ORDER BY customer_id COLLATE "C";

-- Wrong input names the column.
CREATE FUNCTION try(VARIADIC assignments text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    state text; message text; detail text; hint text; field text; assignment text;
BEGIN
    FOREACH assignment IN ARRAY assignments LOOP
        BEGIN
            EXECUTE format('INSERT INTO execution_history (customer_id, %s) SELECT %L, %s', split_part(assignment, ' = ', 1), 'bad', split_part(assignment, ' = ', 2));
            RETURN NEXT format('ACCEPTED %s', assignment);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, field = COLUMN_NAME;
            RETURN NEXT format('%s %s [%s] %s | %s', state, message, field, detail, hint);
        END;
    END LOOP;
END $$;
SELECT * FROM try(
    'input_tokens = -1', 'cache_read_tokens = -1', 'cache_write_tokens = -1', 'output_tokens = -1', 'reasoning_tokens = -1',
    'input_tokens = 1000000000001', 'output_tokens, reasoning_tokens = 1, 2',
    'duration_ms = ''NaN''', 'duration_ms = ''Infinity''', 'duration_ms = -0.001', 'duration_ms = 1e12', 'queue_time_ms = ''NaN''', 'queue_time_ms = -1',
    'cost = ''NaN''', 'cost = -1', 'cost = repeat(''9'', 1000)::numeric', 'reported_cost = ''-Infinity''',
    'started_at, completed_at = ''2026-01-01 00:00:01'', ''2026-01-01 00:00:00''',
    'created_at = ''infinity''', 'created_at = NULL', 'started_at = ''-infinity''',
    'status = ''done''', 'status = NULL', 'token_source = ''guessed''', 'id = NULL', 'byok = NULL',
    'environment = ''''', 'environment = NULL', 'model = repeat(''x'', 256)', 'user_id = repeat(''é'', 128)', 'error_code = repeat(''x'', 256)');
INSERT INTO execution_history (customer_id) VALUES (NULL);
INSERT INTO execution_history (customer_id) VALUES ('');
SELECT count(*) AS kept FROM execution_history WHERE customer_id = 'bad';

-- An open execution is priced when it finishes, once.
UPDATE execution_history SET status = 'success', input_tokens = 100, output_tokens = 10 WHERE customer_id = 'open';
SELECT * FROM stamped WHERE customer_id = 'open';
SELECT set_price('acme-ai', 'echo', input_per_million => 2000000, output_per_million => 0, valid_from => '-infinity') IS NOT NULL AS set;
-- a settled cost does not change with the price, nor by assignment, nor with other columns
UPDATE execution_history SET metadata = '{"note": 1}', project_id = 'p' WHERE customer_id = 'open';
UPDATE execution_history SET cost = 99, price_status = 'unpriced', price_id = NULL, shadow_cost = 1 WHERE customer_id = 'open';
SELECT * FROM stamped WHERE customer_id = 'open';
-- but with the tokens, the model and who pays
UPDATE execution_history SET input_tokens = 101 WHERE customer_id = 'open';
SELECT * FROM stamped WHERE customer_id = 'open';
UPDATE execution_history SET model = 'foxtrot' WHERE customer_id = 'open';
SELECT * FROM stamped WHERE customer_id = 'open';
UPDATE execution_history SET model = 'echo', byok = true WHERE customer_id = 'open';
SELECT * FROM stamped WHERE customer_id = 'open';
-- a negative count is no better in an UPDATE
UPDATE execution_history SET input_tokens = -1 WHERE customer_id = 'open';

-- A row that moves to another partition keeps its stamp.
SELECT customer_id, cost, reported_cost, price_status, tableoid::regclass = 'execution_history_default'::regclass AS in_default FROM execution_history WHERE customer_id = 'priced';
UPDATE execution_history SET created_at = '2020-05-05' WHERE customer_id = 'priced';
SELECT customer_id, cost, reported_cost, price_status, tableoid::regclass = 'execution_history_default'::regclass AS in_default FROM execution_history WHERE customer_id = 'priced';
-- nobody else's row passes as one that moves: not under its id, not after a rollback
BEGIN;
SAVEPOINT s;
UPDATE execution_history SET created_at = '2020-06-06' WHERE customer_id = 'priced';
ROLLBACK TO s;
INSERT INTO execution_history (id, created_at, customer_id, status, input_tokens, cost, price_status)
SELECT id, '2020-06-06', 'forged', 'nonsense', -1, 777, 'priced' FROM execution_history WHERE customer_id = 'priced';
ROLLBACK TO s;
INSERT INTO execution_history (id, created_at, customer_id, cost, price_status, price_id)
SELECT id, '2020-06-06', 'forged', 777, 'priced', 1 FROM execution_history WHERE customer_id = 'priced'
RETURNING cost, price_status, price_id;
ROLLBACK;

-- a cost that comes late is kept beside a settled status, a duration follows the times that it came from
UPDATE execution_history SET cost = 0.5 WHERE customer_id = 'unknown model' RETURNING cost, reported_cost, price_status;
UPDATE execution_history SET completed_at = completed_at + interval '1 second' WHERE customer_id LIKE 'timed%' RETURNING customer_id, duration_ms;

-- the rollups notice a change that stays within one bucket of the sketch
INSERT INTO execution_history (customer_id, duration_ms, queue_time_ms) VALUES ('slight', 100, 50);
UPDATE execution_history SET duration_ms = 100.1, queue_time_ms = 50.05 WHERE customer_id = 'slight';
SELECT * FROM reconcile();

SET client_min_messages = warning;
DROP SCHEMA usage CASCADE;
