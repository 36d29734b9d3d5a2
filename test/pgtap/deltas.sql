-- Whatever statement changes executions: cubes + deltas = raw, in every dimension and measure, at once and after a fold.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('acme', 'echo', input_per_million => 1000000, output_per_million => 2000000, valid_from => '-infinity') \gset
SELECT create_partition('2020-01-01') \gset
SELECT create_partition('2020-02-01') \gset

-- The totals that a report gives, and the same from the raw executions.
CREATE FUNCTION reported() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' ', executions, succeeded, failed, timed_out, cancelled, open, unpriced, unreported, estimated, byok,
                     input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                     cost, billed_cost, shadow_cost, round(avg_duration_ms, 6), round(avg_queue_time_ms, 6))
    FROM summary('all') $$;
CREATE FUNCTION raw() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws(' ', count(*), count(*) FILTER (WHERE status = 'success'), count(*) FILTER (WHERE status = 'failed'),
                     count(*) FILTER (WHERE status = 'timeout'), count(*) FILTER (WHERE status = 'cancelled'),
                     count(*) FILTER (WHERE status IN ('pending', 'running')), count(*) FILTER (WHERE price_status = 'unpriced'),
                     count(*) FILTER (WHERE token_source = 'unreported'), count(*) FILTER (WHERE token_source = 'estimated'),
                     count(*) FILTER (WHERE byok),
                     coalesce(sum(input_tokens), 0), coalesce(sum(cache_read_tokens), 0), coalesce(sum(cache_write_tokens), 0),
                     coalesce(sum(output_tokens), 0), coalesce(sum(reasoning_tokens), 0),
                     coalesce(trim_scale(sum(cost)), 0), (SELECT coalesce(trim_scale(sum(cost)), 0) FROM execution_history),
                     coalesce(trim_scale(sum(shadow_cost)), 0), round(avg(round(duration_ms, 3)), 6), round(avg(round(queue_time_ms, 3)), 6))
    FROM execution_history WHERE deleted_at IS NULL $$;

-- What a statement must leave behind: nothing to reconcile, and totals that are true and other than before.
CREATE TABLE pg_temp.last (totals text);
INSERT INTO pg_temp.last VALUES (raw());
CREATE FUNCTION proves(what text, changes boolean DEFAULT true) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT is_empty('SELECT * FROM reconcile() LIMIT 20', what || ': nothing to reconcile');
    RETURN NEXT is(reported(), raw(), what || ': the summary is true');
    RETURN NEXT CASE WHEN changes THEN isnt(raw(), totals, what || ': did something') ELSE is(raw(), totals, what || ': did nothing') END
    FROM pg_temp.last;
    UPDATE pg_temp.last SET totals = raw();
END $$;

-- How an error looks: "SQLSTATE message, hint or no hint", or 'none'.
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN format('%s %s, %s', SQLSTATE, SQLERRM, CASE WHEN hint <> '' THEN 'hint' ELSE 'no hint' END);
END $$;

-- ---- INSERT and COPY

INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens, output_tokens, reasoning_tokens, duration_ms, queue_time_ms)
VALUES ('ann', 'acme', 'echo', '2020-01-10 10:07', 1, 2, 1, 12.3456, 0.5);
SELECT proves('INSERT');
INSERT INTO execution_history (customer_id, project_id, provider, model, created_at, input_tokens, status, byok, token_source) VALUES
    ('ann', NULL, 'acme', 'echo', '2020-01-10 10:08', 10, 'success', false, NULL),
    ('ann', '', 'acme', 'echo', '2020-01-31 23:59:59.999999', 20, 'failed', true, 'estimated'),
    ('bob', 'p', 'acme', 'foxtrot', '2020-02-01 00:00', 30, 'timeout', false, NULL),
    ('bob', 'p', NULL, NULL, '2020-02-02', NULL, 'cancelled', false, NULL),
    ('bob', 'p', 'acme', 'echo', '1999-01-01', NULL, 'running', false, NULL),
    ('eve', 'p', 'acme', 'echo', '2020-02-02', 0, 'success', false, 'counted');
SELECT proves('multi-row INSERT, into three partitions');
COPY execution_history (customer_id, project_id, user_id, provider, model, created_at, input_tokens, duration_ms) FROM stdin;
ann	p	u	acme	echo	2020-01-10 10:09	100	1000
ann	p	u	acme	echo	2020-02-10 10:09	200	2000
ann	\N	\N	acme	foxtrot	2010-02-10 10:09	300	\N
\.
SELECT proves('COPY');
COPY execution_history_2020_02 (customer_id, created_at, cache_read_tokens, cache_write_tokens) FROM stdin;
ann	2020-02-10 10:09	7	8
\.
SELECT proves('COPY into a partition');
INSERT INTO execution_history (customer_id, project_id, provider, model, created_at, output_tokens)
SELECT 'ann', 'p' || number % 3, 'acme', 'echo', '2020-01-01'::timestamptz + number * interval '1 hour', number FROM generate_series(1, 1500) AS number;
SELECT proves('INSERT ... SELECT');
INSERT INTO execution_history (customer_id, project_id, created_at, output_tokens)
SELECT customer_id, 'again', created_at, output_tokens FROM execution_history WHERE output_tokens % 100 = 0;
SELECT proves('INSERT ... SELECT from itself');
INSERT INTO execution_history_default (customer_id, created_at, input_tokens) VALUES ('ann', '2001-01-01', 5);
INSERT INTO execution_history_2020_01 (customer_id, created_at, input_tokens) VALUES ('ann', '2020-01-01', 6);
SELECT proves('INSERT straight into partitions');
INSERT INTO execution_history (customer_id) SELECT 'nobody' WHERE false;
SELECT proves('INSERT of no rows', false);
CREATE VIEW own WITH (security_barrier) AS SELECT * FROM execution_history WHERE customer_id = 'ann' WITH CHECK OPTION;
INSERT INTO own (customer_id, created_at, input_tokens) VALUES ('ann', '2020-01-01', 9);
UPDATE own SET input_tokens = 10 WHERE input_tokens = 9;
SELECT proves('INSERT and UPDATE through a view');
PREPARE insertion (text, bigint) AS INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ($1, '2020-01-05', $2);
EXECUTE insertion ('ann', 1);
EXECUTE insertion ('bob', 2);
SELECT proves('prepared INSERT');
-- by turns in one transaction, as the stamping trigger keeps state in the session
BEGIN;
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('ann', '2020-01-01', 11);
INSERT INTO execution_history_default (customer_id, created_at, input_tokens) VALUES ('ann', '2002-01-01', 12);
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('ann', '2003-01-01', 13), ('ann', '2020-02-01', 14);
SELECT proves('several statements, before the commit');
COMMIT;
SELECT proves('several statements, after the commit', false);

SELECT cmp_ok(fold(), '>', 0::bigint, 'there was something to fold');
SELECT proves('fold()', false);
SELECT is(fold(), 0::bigint, 'and nothing the second time');

-- ---- ON CONFLICT

INSERT INTO execution_history (id, customer_id, provider, model, created_at, input_tokens)
VALUES ('00000000-0000-7000-8000-000000000001', 'ann', 'acme', 'echo', '2020-01-15', 40);
SELECT proves('INSERT with an id');
INSERT INTO execution_history (id, customer_id, provider, model, created_at, input_tokens)
VALUES ('00000000-0000-7000-8000-000000000001', 'ann', 'acme', 'echo', '2020-01-15', 41)
ON CONFLICT (id, created_at) DO NOTHING;
SELECT proves('ON CONFLICT DO NOTHING', false);
INSERT INTO execution_history (id, customer_id, provider, model, created_at, input_tokens) VALUES
    ('00000000-0000-7000-8000-000000000001', 'ann', 'acme', 'echo', '2020-01-15', 42),
    ('00000000-0000-7000-8000-000000000002', 'ann', 'acme', 'echo', '2020-01-15', 43)
ON CONFLICT (id, created_at) DO NOTHING;
SELECT proves('ON CONFLICT DO NOTHING for one of two');
INSERT INTO execution_history (id, customer_id, provider, model, created_at, input_tokens) VALUES
    ('00000000-0000-7000-8000-000000000001', 'eve', 'acme', 'echo', '2020-01-15', 44),
    ('00000000-0000-7000-8000-000000000003', 'ann', 'acme', 'echo', '2020-01-15', 45)
ON CONFLICT (id, created_at) DO UPDATE SET input_tokens = excluded.input_tokens, customer_id = excluded.customer_id;
SELECT proves('ON CONFLICT DO UPDATE');
SELECT is(string_agg(format('%s %s %s', customer_id, input_tokens, trim_scale(cost)), ', ' ORDER BY id), 'eve 44 44, ann 43 43, ann 45 45', 'and wrote what it should')
FROM execution_history WHERE id < '00000000-0000-7000-8000-000000000004';
INSERT INTO execution_history (id, customer_id, created_at) VALUES ('00000000-0000-7000-8000-000000000001', 'eve', '2020-01-15')
ON CONFLICT (id, created_at) DO UPDATE SET input_tokens = 1000 WHERE execution_history.input_tokens > 1000000;
SELECT proves('ON CONFLICT DO UPDATE that does not want to', false);
SELECT is(error_of($$INSERT INTO execution_history (id, customer_id, created_at, input_tokens) VALUES
    ('00000000-0000-7000-8000-000000000009', 'ann', '2020-01-15', 1), ('00000000-0000-7000-8000-000000000001', 'ann', '2020-01-15', 1)$$) LIKE '23505 %',
    true, 'a duplicate without ON CONFLICT fails');
SELECT proves('a duplicate', false);

-- ---- UPDATE

UPDATE execution_history SET input_tokens = input_tokens + 1, duration_ms = 77 WHERE customer_id = 'ann' AND input_tokens > 0;
SELECT proves('UPDATE of measures');
UPDATE execution_history SET customer_id = 'zoe', project_id = 'moved', user_id = 'u2', environment = 'sandbox' WHERE customer_id = 'ann' AND created_at < '2020-01-20';
SELECT proves('UPDATE of dimensions', false);
SELECT is(executions, (SELECT count(*) FROM execution_history WHERE customer_id = 'zoe'), 'which are those of the new customer')
FROM summary('all', filter => '{"customer_id": "zoe", "project_id": "moved", "environment": "sandbox"}');
UPDATE execution_history SET status = 'success', input_tokens = 21, output_tokens = 4, duration_ms = 5 WHERE status = 'running';
SELECT proves('UPDATE that finishes an execution');
SELECT is(trim_scale(cost), 29::numeric, 'which prices it') FROM execution_history WHERE created_at = '1999-01-01';
UPDATE execution_history SET model = 'foxtrot' WHERE customer_id = 'eve';
SELECT proves('UPDATE of the model');
UPDATE execution_history SET byok = NOT byok WHERE customer_id = 'eve' OR customer_id = 'zoe' AND output_tokens % 3 = 0;
SELECT proves('UPDATE of byok');
UPDATE execution_history SET deleted_at = '2020-06-01', deleted_reason = 'test' WHERE customer_id = 'zoe' AND output_tokens % 2 = 0;
SELECT proves('soft delete');
SELECT isnt(cost, billed_cost, 'which stays billed') FROM summary('all');
UPDATE execution_history SET input_tokens = 17, customer_id = 'yan' WHERE deleted_at IS NOT NULL AND output_tokens % 4 = 0;
SELECT proves('UPDATE of deleted executions');
SELECT cmp_ok(fold(), '>', 0::bigint, 'fold in between');
SELECT proves('fold with deleted executions', false);
UPDATE execution_history SET deleted_at = NULL, deleted_reason = NULL WHERE output_tokens % 8 = 0;
SELECT proves('undelete');
UPDATE execution_history_2020_01 SET input_tokens = 3 WHERE input_tokens IS NULL AND customer_id = 'zoe';
SELECT proves('UPDATE of a partition');
UPDATE execution_history AS e SET cache_read_tokens = o.number FROM generate_series(1, 50) AS o (number) WHERE e.output_tokens = o.number;
SELECT proves('UPDATE ... FROM');
BEGIN;
DECLARE bobs CURSOR FOR SELECT * FROM execution_history WHERE customer_id = 'bob' FOR UPDATE;
MOVE 1 FROM bobs;
UPDATE execution_history SET input_tokens = 1234 WHERE CURRENT OF bobs;
COMMIT;
SELECT proves('UPDATE ... WHERE CURRENT OF');

-- What changes no usage writes no delta.
SELECT count(*) AS pending FROM usage_deltas \gset
UPDATE execution_history SET metadata = '{"note": 1}', error_message = 'none', section = section, cost = cost, request_id = id::text, package_name = 'x';
SELECT is(count(*), :pending::bigint, 'an UPDATE that changes no usage writes no delta') FROM usage_deltas;
UPDATE execution_history SET customer_id = customer_id, input_tokens = input_tokens;
SELECT is(count(*), :pending::bigint, 'nor one that sets what was there') FROM usage_deltas;
UPDATE execution_history SET cost = 1000000, shadow_cost = 1000000, price_status = 'unpriced', price_id = 0 WHERE created_at > '2000-01-01';
SELECT is(count(*), :pending::bigint, 'nor one that means to change a settled cost') FROM usage_deltas;
UPDATE execution_history SET created_at = created_at + interval '1 microsecond' WHERE created_at = '2020-01-05';
SELECT is(count(*), :pending::bigint, 'nor one that moves within the quarter hour') FROM usage_deltas;
SELECT proves('UPDATE of nothing that counts', false);

-- ---- UPDATE that moves rows between partitions

SELECT concat_ws(' ', cost, price_id, price_status, reported_cost) AS stamp FROM execution_history_default WHERE created_at = '1999-01-01' \gset
-- at another price by now
SELECT set_price('acme', 'echo', input_per_million => 5000000, valid_from => '-infinity') \gset
UPDATE execution_history SET created_at = '2020-01-20' WHERE created_at = '1999-01-01';
SELECT proves('UPDATE from the default partition to another', false);
SELECT is(concat_ws(' ', tableoid::regclass, cost, price_id, price_status, reported_cost), 'execution_history_2020_01 ' || :'stamp', 'which keeps its stamp')
FROM execution_history WHERE created_at = '2020-01-20' AND output_tokens = 4;
UPDATE execution_history SET created_at = created_at + interval '1 month', input_tokens = 2 WHERE created_at >= '2020-01-20' AND created_at < '2020-01-25';
SELECT proves('UPDATE from a partition to the next');
UPDATE execution_history SET created_at = created_at - interval '5 years', project_id = 'old' WHERE created_at >= '2020-02-20';
SELECT proves('UPDATE from a partition to the default partition', false);
UPDATE execution_history SET created_at = created_at + interval '1 day', deleted_at = CASE WHEN deleted_at IS NULL THEN now() END;
SELECT proves('UPDATE of all, some of which move, delete and undelete');
SELECT set_price('acme', 'echo', input_per_million => 1000000, output_per_million => 2000000, valid_from => '-infinity') \gset

-- ---- DELETE, MERGE

DELETE FROM execution_history WHERE customer_id = 'yan';
SELECT proves('DELETE');
DELETE FROM execution_history_2020_02 WHERE output_tokens % 3 = 0;
SELECT proves('DELETE from a partition');
DELETE FROM execution_history USING generate_series(1, 30) AS o (number) WHERE output_tokens = o.number * 5;
SELECT proves('DELETE ... USING');
DELETE FROM execution_history WHERE false;
SELECT proves('DELETE of no rows', false);

CREATE TABLE pg_temp.news AS
SELECT id, created_at, customer_id, row_number() OVER (ORDER BY created_at, id) AS number FROM execution_history;
INSERT INTO pg_temp.news SELECT uuid_v7(), '2020-01-07'::timestamptz + number * interval '11 days', 'new', number FROM generate_series(1, 9) AS number;
MERGE INTO execution_history AS e USING pg_temp.news AS n ON (e.id, e.created_at) = (n.id, n.created_at)
WHEN MATCHED AND n.number % 4 = 0 THEN DELETE
WHEN MATCHED AND n.number % 4 = 1 THEN UPDATE SET input_tokens = coalesce(input_tokens, 0) + n.number, customer_id = 'merged'
WHEN MATCHED AND n.number % 4 = 2 THEN UPDATE SET created_at = e.created_at - interval '20 days'
WHEN NOT MATCHED THEN INSERT (id, created_at, customer_id, provider, model, input_tokens) VALUES (n.id, n.created_at, n.customer_id, 'acme', 'echo', n.number);
SELECT proves('MERGE that deletes, updates, moves and inserts');
SELECT is(executions > 0 AND executions = (SELECT count(*) FROM execution_history WHERE customer_id = 'merged' AND deleted_at IS NULL), true, 'merged ones are counted')
FROM summary('all', filter => '{"customer_id": "merged"}');

-- ---- several modifications in one statement

WITH inserted AS (
    INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens)
    VALUES ('cte', 'acme', 'echo', '2020-01-03', 300), ('cte', 'acme', 'echo', '2005-01-03', 400) RETURNING id
), updated AS (
    UPDATE execution_history SET input_tokens = 5, project_id = 'cte' WHERE customer_id = 'merged' RETURNING id
), deleted AS (
    DELETE FROM execution_history WHERE customer_id = 'new' AND created_at < '2020-02-01' RETURNING id, created_at
), straight AS (
    INSERT INTO execution_history_2020_01 (customer_id, created_at, input_tokens) VALUES ('cte', '2020-01-04', 500) RETURNING id
)
INSERT INTO execution_history (customer_id, created_at, input_tokens)
SELECT 'cte', created_at, 600 FROM deleted;
SELECT proves('a statement with several modifications');
SELECT is(executions, (SELECT count(*) FROM execution_history WHERE customer_id = 'cte'), 'all of it')
FROM summary('all', filter => '{"customer_id": "cte"}');
SELECT cmp_ok(executions, '>', 3::bigint, 'and all of it') FROM summary('all', filter => '{"customer_id": "cte"}');
WITH once AS (
    UPDATE execution_history SET input_tokens = 7 WHERE customer_id = 'cte' RETURNING id, created_at
)
UPDATE execution_history AS e SET input_tokens = 8 FROM once WHERE (e.id, e.created_at) = (once.id, once.created_at);
SELECT proves('a statement that would update twice');

-- ---- what is undone

BEGIN;
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('undone', '2020-01-01', 1);
SAVEPOINT before;
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('undone', '2020-01-01', 2), ('undone', '1980-01-01', 4);
UPDATE execution_history SET input_tokens = 99 WHERE customer_id = 'cte';
UPDATE execution_history SET created_at = created_at + interval '1 month' WHERE customer_id = 'undone';
DELETE FROM execution_history WHERE customer_id = 'bob';
ROLLBACK TO before;
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('undone', '2020-01-01', 8);
COMMIT;
SELECT proves('a savepoint that is rolled back');
SELECT is(format('%s %s', executions, input_tokens), '2 9', 'what was done beside it stays') FROM summary('all', filter => '{"customer_id": "undone"}');
BEGIN;
DELETE FROM execution_history;
SELECT proves('DELETE of all');
SELECT is(executions + billed_cost, 0::numeric, 'leaves nothing') FROM summary('all');
ROLLBACK;
SELECT proves('a transaction that is rolled back', false);
SELECT is(error_of($$INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('bad', '2020-01-01', 1), ('bad', '2020-01-01', -1)$$),
    '23514 input_tokens of an execution is negative, hint', 'a statement with a bad row fails');
SELECT is(error_of($$UPDATE execution_history SET input_tokens = input_tokens - 8 WHERE input_tokens IS NOT NULL$$),
    '23514 input_tokens of an execution is negative, hint', 'and an UPDATE');
SELECT is(error_of($$INSERT INTO execution_history (customer_id, created_at, input_tokens) SELECT 'bad', '2020-01-01', 100 / (3 - number) FROM generate_series(1, 5) AS number$$) LIKE '22012 %',
    true, 'and one that fails by itself');
SELECT proves('statements that fail', false);
DO $$
BEGIN
    FOR number IN 1 .. 20 LOOP
        BEGIN
            INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('loop', 'acme', 'echo', '2020-01-01', number);
            UPDATE execution_history SET created_at = '2020-02-01' WHERE customer_id = 'loop' AND input_tokens = number;
            PERFORM 1 / (number % 3);
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
END $$;
SELECT proves('a loop, of which every third turn is undone');
SELECT is(executions, 14::bigint, 'two thirds are there') FROM summary('all', filter => '{"customer_id": "loop"}');

SELECT cmp_ok(fold(), '>', 0::bigint, 'fold all that');
SELECT proves('fold of all that', false);

-- ---- more groups than are held at once (8192)

INSERT INTO execution_history (customer_id, project_id, provider, model, created_at, input_tokens, duration_ms)
SELECT 'many', 'project ' || number % 10007, 'acme', 'echo', '2020-01-01', number, number / 10.0 FROM generate_series(1, 25000) AS number;
SELECT proves('INSERT of many groups, each over again');
SELECT is(executions, 25000::bigint, 'all of them') FROM summary('all', filter => '{"customer_id": "many"}');
UPDATE execution_history SET project_id = 'other ' || project_id, duration_ms = 3 WHERE customer_id = 'many';
SELECT proves('UPDATE of many groups');
UPDATE execution_history SET metadata = '{}' WHERE customer_id = 'many';
SELECT proves('UPDATE of many groups that changes nothing', false);
SELECT cmp_ok(fold(), '>', 10000::bigint, 'fold many groups');
SELECT proves('fold of many groups', false);
SELECT is(count(DISTINCT project_id), 10007::bigint, 'cells of the projects that are left and of no others')
FROM usage_cubes WHERE customer_id = 'many' AND cube = 'workload_day' AND project_id LIKE '%project%';
DELETE FROM execution_history WHERE customer_id = 'many';
SELECT proves('DELETE of many groups');
SELECT cmp_ok(fold(), '>', 10000::bigint, 'fold their end');
SELECT proves('fold of their end', false);
SELECT is(count(*), 0::bigint, 'which leaves no cell') FROM usage_cubes WHERE customer_id = 'many';

-- ---- partitions

SELECT cmp_ok(adopt_default_rows(), '>', 0::bigint, 'the default partition had executions');
SELECT proves('adopt_default_rows()', false);
SELECT is(count(*), 0::bigint, 'and has none now') FROM execution_history_default;
SELECT cmp_ok(fold(), '>=', 0::bigint, 'fold after that');
SELECT proves('fold after adopt_default_rows()', false);
-- one whose columns are at other places: another order, and one dropped from the parent
ALTER TABLE execution_history ADD COLUMN added text DEFAULT 'yes', ADD COLUMN dropped text;
ALTER TABLE execution_history DROP COLUMN dropped;
SELECT create_partition('2021-01-01') \gset
CREATE TABLE execution_history_2021_02 (added text DEFAULT 'yes', gone text, cost numeric, input_tokens bigint);
ALTER TABLE execution_history_2021_02 DROP COLUMN gone;
SELECT format('ALTER TABLE execution_history_2021_02 %s',
              string_agg(format('ADD COLUMN %I %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod),
                                CASE WHEN a.attgenerated = 's' THEN format('GENERATED ALWAYS AS (%s) STORED', pg_get_expr(d.adbin, d.adrelid))
                                     WHEN d.adbin IS NOT NULL THEN 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END,
                                CASE WHEN a.attnotnull THEN 'NOT NULL' END), ', ' ORDER BY a.attgenerated, a.attnum DESC))
FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = 'execution_history'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attname NOT IN ('added', 'cost', 'input_tokens') \gexec
SELECT add_history_triggers('execution_history_2021_02') \gset
ALTER TABLE execution_history ATTACH PARTITION execution_history_2021_02 FOR VALUES FROM ('2021-02-01') TO ('2021-03-01');
INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens, duration_ms) VALUES
    ('order', 'acme', 'echo', '2021-01-05', 1, 10), ('order', 'acme', 'echo', '2021-02-05', 2, 20), ('order', 'acme', 'echo', '2020-01-05', 4, 30);
SELECT proves('partitions with other columns');
SELECT is(format('%s %s', executions, cost), '3 7', 'all priced') FROM summary('all', filter => '{"customer_id": "order"}');
UPDATE execution_history SET created_at = created_at + interval '1 month', input_tokens = input_tokens + 1 WHERE customer_id = 'order';
SELECT proves('moving between partitions with other columns');
INSERT INTO execution_history_2021_02 (customer_id, created_at, input_tokens) VALUES ('order', '2021-02-05', 7);
UPDATE execution_history_2021_02 SET input_tokens = 8 WHERE customer_id = 'order';
DELETE FROM execution_history_2021_02 WHERE id IN (SELECT id FROM execution_history_2021_02 LIMIT 1);
SELECT proves('writing straight to a partition with other columns');
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('order', '2021-06-01', 9);
SELECT is(adopt_default_rows() > 0, true, 'adopting with added columns');
SELECT proves('adopting with added columns');
SELECT is(count(*), 0::bigint, 'keeps them') FROM execution_history WHERE customer_id = 'order' AND added IS DISTINCT FROM 'yes';

-- ---- TRUNCATE is refused

SELECT is(error_of('TRUNCATE execution_history'), '55000 cannot truncate "execution_history", hint', 'TRUNCATE of the history is refused');
SELECT is(error_of('TRUNCATE ONLY execution_history'), error_of('TRUNCATE execution_history'), 'also of the parent alone')
WHERE error_of('TRUNCATE ONLY execution_history') NOT LIKE '42809 %';
SELECT is(error_of('TRUNCATE execution_history_2020_01'), '55000 cannot truncate "execution_history_2020_01", hint', 'and of a partition');
SELECT is(error_of('TRUNCATE execution_history_default'), '55000 cannot truncate "execution_history_default", hint', 'and of the default partition');
SELECT is(error_of('TRUNCATE execution_history_2021_06'), '55000 cannot truncate "execution_history_2021_06", hint', 'and of one that was adopted');
SELECT proves('TRUNCATE', false);

-- ---- a delta table that is not as it was is refused, and works again when it is

CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE FUNCTION refuses(what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT is(error_of($s$INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('refused', '2020-01-01', 1)$s$),
        '55000 cannot append to "usage_deltas", hint', what || ' refuses INSERT');
    RETURN NEXT is(error_of($s$UPDATE execution_history SET input_tokens = 2 WHERE input_tokens = 1$s$),
        '55000 cannot append to "usage_deltas", hint', what || ' refuses UPDATE');
    RETURN NEXT is(error_of($s$DELETE FROM execution_history$s$),
        '55000 cannot append to "usage_deltas", hint', what || ' refuses DELETE');
    RETURN QUERY SELECT proves(what, false);
END $$;
PREPARE accepted AS INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('accepted', '2020-01-01', 1);

CREATE INDEX added ON usage_deltas (bucket);
SELECT refuses('an index');
DROP INDEX added;
EXECUTE accepted;
SELECT proves('an index, undone');

CREATE UNIQUE INDEX added ON usage_deltas (bucket) WHERE false;
SELECT refuses('a unique index');
DROP INDEX added;
EXECUTE accepted;
SELECT proves('a unique index, undone');

CREATE TRIGGER added BEFORE INSERT ON usage_deltas FOR EACH ROW EXECUTE FUNCTION nothing();
SELECT refuses('a row trigger');
DROP TRIGGER added ON usage_deltas;
EXECUTE accepted;
SELECT proves('a row trigger, undone');

CREATE TRIGGER added AFTER INSERT ON usage_deltas FOR EACH STATEMENT EXECUTE FUNCTION nothing();
SELECT refuses('a statement trigger');
DROP TRIGGER added ON usage_deltas;
EXECUTE accepted;
SELECT proves('a statement trigger, undone');

ALTER TABLE usage_deltas ADD CONSTRAINT added CHECK (bucket IS NOT NULL);
SELECT refuses('a check');
ALTER TABLE usage_deltas DROP CONSTRAINT added;
EXECUTE accepted;
SELECT proves('a check, undone');

ALTER TABLE usage_deltas ADD COLUMN added integer NOT NULL DEFAULT 0;
SELECT refuses('a column that is not null');
ALTER TABLE usage_deltas DROP COLUMN added;
EXECUTE accepted;
SELECT proves('a column that is not null, undone');

ALTER TABLE usage_deltas ADD COLUMN added integer GENERATED ALWAYS AS (1) STORED;
SELECT refuses('a generated column');
ALTER TABLE usage_deltas DROP COLUMN added;
EXECUTE accepted;
SELECT proves('a generated column, undone');

CREATE ROLE usage_meter_somebody;
ALTER TABLE usage_deltas OWNER TO usage_meter_somebody;
SELECT refuses('another owner');
ALTER TABLE usage_deltas OWNER TO CURRENT_USER;
DROP ROLE usage_meter_somebody;
EXECUTE accepted;
SELECT proves('another owner, undone');

ALTER TABLE usage_deltas ADD COLUMN added text;
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('column', '2020-01-01', 1);
SELECT proves('a column that may be null');
SELECT is(fold() > 0, true, 'and folds');
SELECT proves('and folds', false);
ALTER TABLE usage_deltas DROP COLUMN added;

-- ---- the proof proves something

SELECT is_empty($$SELECT * FROM health() WHERE level = 'critical'$$, 'the ledger is in good health');
ALTER TABLE execution_history_2020_01 DISABLE TRIGGER append_deltas_of_insert;
INSERT INTO execution_history_2020_01 (customer_id, provider, model, created_at, input_tokens) VALUES ('unseen', 'acme', 'echo', '2020-01-31 12:34', 3);
SELECT set_eq($$SELECT cube, bucket, measure, difference FROM reconcile() WHERE measure IN ('executions', 'cost') AND cube LIKE '%day'$$,
    $$VALUES ('workload_day', '2020-01-31'::timestamptz, 'executions', '-1'), ('workload_day', '2020-01-31', 'cost', '-3'),
             ('actor_day', '2020-01-31', 'executions', '-1'), ('actor_day', '2020-01-31', 'cost', '-3'),
             ('project_day', '2020-01-31', 'executions', '-1'), ('project_day', '2020-01-31', 'cost', '-3'),
             ('system_day', '2020-01-31', 'executions', '-1'), ('system_day', '2020-01-31', 'cost', '-3')$$,
    'reconcile() sees what a missing trigger missed');
SELECT isnt_empty($$SELECT * FROM reconcile('2020-01-31 20:00', '2020-01-31 21:00')$$, 'also when asked for a part of its day');
SELECT is_empty($$SELECT * FROM reconcile('2020-02-01', 'infinity')$$, 'but not where all is well');
SELECT isnt_empty($$SELECT * FROM health() WHERE level = 'critical'$$, 'and health() sees the trigger');
ALTER TABLE execution_history_2020_01 ENABLE TRIGGER append_deltas_of_insert;
ALTER TABLE execution_history_2020_01 DISABLE TRIGGER append_deltas_of_delete;
DELETE FROM execution_history_2020_01 WHERE customer_id = 'unseen';
ALTER TABLE execution_history_2020_01 ENABLE TRIGGER append_deltas_of_delete;
SELECT proves('without the unseen', false);

-- dimensions of every length: a text in a delta has a header of one byte or, aligned, of four
INSERT INTO execution_history (customer_id, project_id, section, user_id, provider, model, created_at, input_tokens)
SELECT repeat('c', 1 + number % 3), repeat('p', number), repeat('s', 255 - number), repeat('u', number % 131), 'acme', 'echo', '2020-01-01', number
FROM generate_series(0, 255) AS number;
UPDATE execution_history SET input_tokens = input_tokens + 1 WHERE model = 'echo' AND length(section) % 7 = 1;
DELETE FROM execution_history WHERE model = 'echo' AND length(section) % 7 = 2;
SELECT proves('dimensions of every length');

CREATE FUNCTION tampered(change text, measure text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    seen text;
BEGIN
    BEGIN
        EXECUTE 'WITH one AS (SELECT tableoid, ctid FROM usage_cubes WHERE executions > 0 LIMIT 1) UPDATE usage_cubes AS c SET ' || change
                || ' FROM one WHERE (c.tableoid, c.ctid) = (one.tableoid, one.ctid)';
        seen := (SELECT string_agg(r.measure, ', ') FROM reconcile() AS r);
        RAISE EXCEPTION 'undo';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
    RETURN is(seen, measure, 'reconcile() sees ' || change);
END $$;
SELECT tampered(change, measure) FROM (VALUES
    ('executions = c.executions + 1', 'executions'), ('succeeded = c.succeeded + 1', 'succeeded'), ('failed = c.failed + 1', 'failed'),
    ('timed_out = c.timed_out + 1', 'timed_out'), ('cancelled = c.cancelled + 1', 'cancelled'), ('open = c.open + 1', 'open'),
    ('unpriced = c.unpriced + 1', 'unpriced'), ('unreported = c.unreported + 1', 'unreported'), ('estimated = c.estimated + 1', 'estimated'),
    ('byok = c.byok + 1', 'byok'), ('input_tokens = c.input_tokens - 1', 'input_tokens'), ('cache_read_tokens = c.cache_read_tokens - 1', 'cache_read_tokens'),
    ('cache_write_tokens = c.cache_write_tokens - 1', 'cache_write_tokens'), ('output_tokens = c.output_tokens - 1', 'output_tokens'),
    ('reasoning_tokens = c.reasoning_tokens - 1', 'reasoning_tokens'), ('cost = c.cost + 1e-30', 'cost'), ('billed_cost = c.billed_cost + 1e-30', 'billed_cost'),
    ('shadow_cost = c.shadow_cost + 1e-30', 'shadow_cost'), ('duration_us = c.duration_us + 1', 'duration_us'), ('queue_time_us = c.queue_time_us + 1', 'queue_time_us'),
    ('duration_sketch = c.duration_sketch + value_sketch(1)', 'duration_sketch'), ('queue_time_sketch = c.queue_time_sketch + value_sketch(1)', 'queue_time_sketch')
) AS tampering (change, measure);
SELECT proves('the end', false);

-- What is taken away may be folded before what it is taken from: a cell whose executions and money add up to nothing
-- meanwhile is not nothing.
SELECT fold() \gset
INSERT INTO execution_history (customer_id, model, created_at, input_tokens, duration_ms) VALUES ('split', 'unheard of', '2021-02-02 02:02', 5, 50);
INSERT INTO execution_history (customer_id, model, created_at, input_tokens, duration_ms) VALUES ('split', 'unheard of', '2021-02-02 02:02', 7, 70);
CREATE TEMP TABLE held AS SELECT * FROM usage_deltas WHERE input_tokens = 7;
DELETE FROM usage_deltas WHERE input_tokens = 7;
UPDATE execution_history SET deleted_at = now() WHERE customer_id = 'split' AND input_tokens = 7;
SELECT fold() \gset
INSERT INTO usage_deltas TABLE held;
SELECT is(fold(), 1::bigint, 'one delta is folded after that which takes it away');
SELECT is_empty('SELECT * FROM reconcile()', 'and nothing is lost');

-- Durations become whole microseconds as round() makes them, wherever their digits begin and end.
SELECT setseed(0.5) \g /dev/null
INSERT INTO execution_history (customer_id, project_id, created_at, queue_time_ms)
SELECT 'round', queue_time_ms::text, '2021-02-03', queue_time_ms
FROM (SELECT unnest('{0,0.0004,0.0005,0.00049999999,0.0005000000001,0.0015,0.9994,0.9995,0.99949999,0.05,5,0.1234567,12.0005,9999.9995,10000,10000.0001,
                      10000.00049,20000000,100000000,999999999.9995,1000000000,1000000000.000,123456789.123456789,0.000000001}'::numeric[])
      UNION
      SELECT round((random() * 10 ^ floor(random() * 10))::numeric, floor(random() * 9)::integer) FROM generate_series(1, 2000)) AS drawn (queue_time_ms);
SELECT is_empty($$
    SELECT project_id, queue_time_us FROM usage_deltas
    WHERE customer_id = 'round' AND queue_time_us <> round(project_id::numeric * 1000)::bigint
$$, 'durations are rounded like round()');
SELECT cmp_ok(count(*), '>', 1500::bigint, 'many of them') FROM usage_deltas WHERE customer_id = 'round' AND queue_time_us > 0;
SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');

SELECT * FROM finish();
