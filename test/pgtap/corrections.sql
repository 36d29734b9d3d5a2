-- Corrections: what was credited is changed by credit() alone and is never more than the cost; deletion keeps the reason.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('acme', 'echo', input_per_million => 1000000, valid_from => '-infinity') \gset
SELECT create_partition('2020-01-01') \gset
SELECT create_partition('2020-02-01') \gset

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' ', SQLSTATE, SQLERRM || CASE WHEN hint = '' THEN ' WITHOUT HINT' ELSE '' END);
END $$;
CREATE FUNCTION credited(name text) RETURNS numeric LANGUAGE sql AS $$ SELECT credited_cost FROM execution_history WHERE project_id = name $$;
CREATE FUNCTION id_of(name text) RETURNS uuid LANGUAGE sql AS $$ SELECT id FROM execution_history WHERE project_id = name $$;
CREATE FUNCTION billed(customer text) RETURNS numeric LANGUAGE sql AS $$ SELECT trim_scale(billed_cost) FROM summary('all', filter => jsonb_build_object('customer_id', customer)) $$;

INSERT INTO execution_history (project_id, customer_id, provider, model, created_at, input_tokens) VALUES
    ('a', 'ann', 'acme', 'echo', '2020-01-10', 10), ('b', 'ann', 'acme', 'echo', '2020-01-20', 30), ('c', 'ann', 'acme', 'echo', '2020-02-10', 20),
    ('d', 'bob', 'acme', 'echo', '2020-01-10', 5), ('unpriced', 'bob', 'acme', 'unheard of', '2020-01-10', 5), ('open', 'bob', 'acme', 'echo', '2020-01-10', 5);
UPDATE execution_history SET status = 'running' WHERE project_id = 'open';

-- ---- credit

SELECT matches(error_of(statement), '^22023 a credit is for one execution or for one customer$', 'refused: ' || statement)
FROM unnest(ARRAY['SELECT credit(1, ''why'')', 'SELECT credit(1, ''why'', execution_id => id_of(''a''), customer_id => ''ann'')']) AS statement;
SELECT matches(error_of(statement), '^22023 amount or reason of a credit is missing$', 'refused: ' || statement)
FROM unnest(ARRAY['SELECT credit(0, ''why'', id_of(''a''))', 'SELECT credit(NULL, ''why'', id_of(''a''))', 'SELECT credit(''NaN'', ''why'', id_of(''a''))',
                  'SELECT credit(''-Infinity'', ''why'', id_of(''a''))', 'SELECT credit(1, '''', id_of(''a''))', 'SELECT credit(1, NULL, id_of(''a''))']) AS statement;
SELECT matches(error_of(statement), '^22003 a credit is larger than what was billed$', 'refused: ' || statement)
FROM unnest(ARRAY['SELECT credit(10.000000001, ''why'', id_of(''a''))', 'SELECT credit(60.1, ''why'', customer_id => ''ann'')', 'SELECT credit(-1, ''why'', id_of(''a''))',
                  'SELECT credit(40.1, ''why'', NULL, ''ann'', ''2020-01-01'', ''2020-02-01'')', 'SELECT credit(1, ''why'', id_of(''unpriced''))', 'SELECT credit(1, ''why'', id_of(''open''))',
                  'SELECT credit(1, ''why'', uuid_v7())', 'SELECT credit(1, ''why'', customer_id => ''nobody'')']) AS statement;
SELECT is(count(*), 0::bigint, 'what was refused left nothing') FROM credits;

SELECT credit(4, 'one', execution_id => id_of('a')) AS one \gset
SELECT credit(35, 'range', customer_id => 'ann', since => '2020-01-01', until => '2020-02-01') AS range \gset
SELECT is(array_to_string(ARRAY[credited('a'), credited('b'), credited('c'), credited('d')], ' ', '-'), '9 30 - -', 'a credit of a customer takes the most expensive of the range first, and only what is left of each');
SELECT is(billed('ann'), 21::numeric, 'and is no longer billed');
SELECT matches(error_of('SELECT credit(2, ''why'', id_of(''a''))'), '^22003 ', 'none is given twice');
SELECT credit(-31, 'taken back', customer_id => 'ann') AS back \gset
SELECT is(array_to_string(ARRAY[credited('a'), credited('b'), credited('c')], ' ', '-'), '8 - -', 'a negative one takes back, the largest first');
SELECT is(billed('ann'), 52::numeric, 'and is billed again');
SELECT results_eq('SELECT credit_id, amount, reason, credited_by = current_user, credited_at <= now(), execution_id = id_of(''a''), customer_id, since, until, executions FROM credits ORDER BY 1',
    format($$VALUES (%s::bigint, 4::numeric, 'one', true, true, true, NULL, '-infinity'::timestamptz, 'infinity'::timestamptz, 1::bigint),
                    (%s, 35, 'range', true, true, NULL, 'ann', '2020-01-01', '2020-02-01', 2), (%s, -31, 'taken back', true, true, NULL, 'ann', '-infinity', 'infinity', 2)$$,
           :one, :range, :back), 'credits keeps who gave what to whom, and why');
SELECT is_empty('SELECT * FROM reconcile()', 'reports follow');

-- ---- nobody else changes what was credited

UPDATE execution_history SET credited_cost = 1, metadata = '{}' WHERE customer_id = 'ann';
UPDATE execution_history SET credited_cost = NULL WHERE project_id = 'a';
SELECT is(array_to_string(ARRAY[credited('a'), credited('b')], ' ', '-'), '8 -', 'an UPDATE does not');
INSERT INTO execution_history (project_id, customer_id, provider, model, created_at, input_tokens, credited_cost) VALUES ('given', 'eve', 'acme', 'echo', '2020-01-10', 5, 5);
COPY execution_history (project_id, customer_id, provider, model, created_at, input_tokens, credited_cost) FROM stdin;
copied	eve	acme	echo	2020-01-10	5	4
\.
INSERT INTO execution_history SELECT (e).* FROM (SELECT e FROM execution_history AS e WHERE project_id = 'a') AS one
ON CONFLICT (id, created_at) DO UPDATE SET credited_cost = excluded.credited_cost + 1;
MERGE INTO execution_history AS e USING (VALUES ('a')) AS m (name) ON e.project_id = m.name WHEN MATCHED THEN UPDATE SET credited_cost = 0;
UPDATE execution_history_2020_01 SET credited_cost = 2 WHERE project_id = 'b';
SELECT is(array_to_string(ARRAY[credited('given'), credited('copied'), credited('a'), credited('b')], ' ', '-'), '- - 8 -', 'nor INSERT, COPY, ON CONFLICT, MERGE, or a partition');
UPDATE execution_history SET created_at = '2020-02-20', credited_cost = 1 WHERE project_id = 'a';
SELECT is(credited('a'), 8::numeric, 'nor a move to another partition');
BEGIN;
SAVEPOINT s;
SELECT credit(1, 'undone', execution_id => id_of('d')) \gset
ROLLBACK TO s;
UPDATE execution_history SET credited_cost = 1 WHERE project_id = 'd';
SELECT credit(1, 'kept', execution_id => id_of('d')) \gset
UPDATE execution_history SET credited_cost = 3 WHERE project_id = 'd';
SELECT is(credited('d'), 1::numeric, 'credit() itself lets only its own UPDATE do so');
COMMIT;

CREATE ROLE usage_meter_clerk;
GRANT USAGE ON SCHEMA usage TO usage_meter_clerk;
GRANT SELECT, INSERT, UPDATE ON execution_history, credits TO usage_meter_clerk;
SELECT id_of('b') AS id \gset
SET ROLE usage_meter_clerk;
SELECT throws_like('SELECT allow_crediting(''execution_history'', true)', 'must be owner of %', 'who is not the owner of the ledger may not allow it');
SELECT throws_like(format('SELECT credit(1, ''why'', %L)', :'id'), 'must be owner of %', 'nor credit');
RESET ROLE;
DROP OWNED BY usage_meter_clerk;
DROP ROLE usage_meter_clerk;
SELECT is(error_of('SELECT allow_crediting(0, true)'), '42P01 there is no such history', 'of no history');

-- ---- never more than the cost

SELECT set_price('acme', 'echo', input_per_million => 500000, valid_from => '-infinity') \gset
SELECT count(*) FROM rerate('-infinity', 'infinity', dry_run => false) \gset
SELECT is(array_to_string(ARRAY[credited('a'), credited('d')], ' ', '-'), '5 1', 'a lower price takes with it what was credited beyond');
SELECT is(billed('ann'), 25::numeric, 'so that nothing becomes negative');
SELECT credit(-5, 'taken back', execution_id => id_of('a')) \gset
SELECT matches(error_of('SELECT credit(-0.5, ''why'', id_of(''a''))'), '^22003 ', 'no more than is left can be taken back');
UPDATE execution_history SET input_tokens = 0 WHERE project_id = 'd';
SELECT is(credited('d'), NULL, 'the same for less usage');
SELECT is_empty('SELECT * FROM reconcile()', 'reports follow');

-- ---- deletion

SELECT matches(error_of('SELECT delete_execution(id_of(''b''), ' || reason || ')'), '^22023 reason for deleting an execution is missing$', 'refused without a reason: ' || reason)
FROM unnest(ARRAY['NULL', '''''']) AS reason;
SELECT is(undelete_execution(id_of('b')), false, 'what was not deleted cannot be brought back');
SELECT is(delete_execution(id_of('b'), 'first'), true, 'deleted');
SELECT is(delete_execution(id_of('b'), 'second'), false, 'once');
SELECT is(deleted_reason, 'first', 'with the first reason') FROM execution_history WHERE project_id = 'b';
SELECT is(format('%s %s %s', executions, cost, billed_cost), '2 15 30', 'it is billed and not counted') FROM summary('all', filter => '{"customer_id": "ann"}');
SELECT is(undelete_execution(id_of('b')), true, 'and brought back');
SELECT is(format('%s %s %s', executions, cost, billed_cost), '3 30 30', 'it is as before') FROM summary('all', filter => '{"customer_id": "ann"}');
SELECT matches(error_of('SELECT ' || call), '^P0002 execution 00000000-0000-7000-8000-000000000000 does not exist$', 'an id that does not exist: ' || call)
FROM unnest(ARRAY['delete_execution(''00000000-0000-7000-8000-000000000000'', ''why'')', 'undelete_execution(''00000000-0000-7000-8000-000000000000'')']) AS call;
SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');
SELECT is(fold() > 0, true, 'fold');
SELECT is_empty('SELECT * FROM reconcile()', 'nor after a fold');

-- ---- fold_status

CREATE VIEW status AS
SELECT backlog, oldest_bucket, lag IS NULL AS never, lag > '0' AS lags, folds, folded, last_folded, last_per_second = round(last_folded / last_seconds) AS rate,
       delta_pages, dead_pages, oldest_snapshot >= '0' AS snapshot
FROM fold_status;
SELECT create_usage_ledger('fresh') \gset
SELECT results_eq('SELECT backlog, oldest_bucket, lag, folds, folded, last_folded, last_per_second, delta_pages, dead_pages FROM fresh.fold_status',
    $$VALUES (0::bigint, NULL::timestamptz, interval '0', 0::bigint, 0::bigint, NULL::bigint, NULL::numeric, 0::bigint, 0::bigint)$$, 'a new ledger has nothing to fold');
INSERT INTO fresh.execution_history (customer_id, created_at) VALUES ('ann', '2020-01-10 10:17');
SELECT results_eq('SELECT backlog, oldest_bucket, lag, delta_pages, dead_pages FROM fresh.fold_status',
    $$VALUES (1::bigint, '2020-01-10 10:15'::timestamptz, NULL::interval, 1::bigint, 0::bigint)$$, 'one delta, and no fold yet');
SELECT results_eq('SELECT backlog, never, lags, last_folded = folded, rate, snapshot FROM status', $$VALUES (0::bigint, false, false, true, true, true)$$, 'after a fold nothing lags');
SELECT results_eq('SELECT delta_pages > 0 AND dead_pages = delta_pages FROM status', 'VALUES (true)', 'and every page is dead');
INSERT INTO execution_history (customer_id) VALUES ('ann');
SELECT results_eq('SELECT backlog, lags, delta_pages - dead_pages FROM status', 'VALUES (1::bigint, true, 1::bigint)', 'with a new delta all but its own');

SELECT * FROM finish();
