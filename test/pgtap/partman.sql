-- pg_partman makes the partitions of a ledger where it is asked to.
SET client_min_messages = warning;
SET timezone = 'Asia/Kathmandu';

SELECT count(*) = 0 AS absent FROM pg_available_extension_versions WHERE name = 'pg_partman' AND version LIKE '4.%' \gset
\if :absent
\echo 1..0 # SKIP pg_partman 4 is not installed
\q
\endif

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
CREATE FUNCTION ahead() RETURNS TABLE (name text, since timestamptz, until timestamptz) LANGUAGE sql AS $$
    SELECT c.relname::text, p.since, p.until FROM history_partitions AS p JOIN pg_class AS c ON c.oid = p.partition
    WHERE p.until > now() ORDER BY p.since $$;
CREATE FUNCTION month(n integer) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT (date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month') AT TIME ZONE 'UTC' $$;
-- as it will be when time has passed: the last ones are not made yet
CREATE PROCEDURE go_on(n integer) LANGUAGE plpgsql AS $$
DECLARE
    last text;
BEGIN
    FOR last IN SELECT a.name FROM ahead() AS a ORDER BY a.since DESC LIMIT n LOOP
        EXECUTE format('DROP TABLE %I', last);
    END LOOP;
END $$;

SELECT throws_ok($$SELECT set_partitioning('month', 'somebody')$$, '22023', 'unknown manager of partitions ''somebody''', 'there are two managers');
SELECT throws_ok($$SELECT set_partitioning('month', 'pg_partman')$$, '55000', 'pg_partman is not installed in this database', 'it must be installed');
SELECT is(partition_manager, 'usage_meter', 'else all is as before') FROM ledger;

CREATE SCHEMA "part man";
CREATE EXTENSION pg_partman SCHEMA "part man";
INSERT INTO execution_history (customer_id, input_tokens) VALUES ('ann', 1);
INSERT INTO execution_history (customer_id, created_at) VALUES ('old', '2020-01-15');
SELECT set_partitioning('month', 'pg_partman') \gset
SELECT set_eq('SELECT name, since FROM ahead()', $$SELECT 'execution_history_p' || to_char(month(n) AT TIME ZONE 'UTC', 'YYYY_MM'), month(n) FROM generate_series(0, 3) AS n$$,
    'partitions have the names that pg_partman looks for');
CALL go_on(2);
SELECT is(count(*), 2::bigint, 'two months are missing') FROM missing_partitions();
SELECT is(maintain(), 0::bigint, 'maintenance');
SELECT is(count(*), 0::bigint, 'has them made') FROM missing_partitions();
SELECT set_has('SELECT name, since, until FROM ahead()',
    $$SELECT 'execution_history_p' || to_char(month(n) AT TIME ZONE 'UTC', 'YYYY_MM'), month(n) AS since, month(n + 1) AS until FROM generate_series(0, 3) AS n$$, 'by UTC months');
SELECT is(level, 'ok', 'with all triggers') FROM health() WHERE finding = 'triggers missing or disabled';
SELECT format('INSERT INTO %I (customer_id, created_at, input_tokens) VALUES (''ann'', %L, 2)', a.name, a.since) FROM ahead() AS a WHERE a.since = month(3) \gexec
SELECT is(input_tokens, 3::bigint, 'what is written straight into one is counted') FROM summary('all', filter => '{"customer_id": "ann"}');
SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');
DELETE FROM execution_history WHERE created_at > now();
SELECT is(adopt_default_rows(), 1::bigint, 'months of the past are made as before');
SELECT is(tableoid::regclass::text, 'execution_history_p2020_01', 'under its names') FROM execution_history WHERE customer_id = 'old';
SELECT is(current_setting('search_path'), 'usage, public', 'pg_partman leaves the search_path alone');
SELECT is(count(*), 0::bigint, 'and does not maintain the ledger by itself') FROM "part man".part_config WHERE automatic_maintenance <> 'off';

-- weeks and days begin somewhere in the month that has a partition
SELECT set_partitioning(step, 'pg_partman') FROM unnest(ARRAY['week', 'day']) AS step \g /dev/null
SELECT set_partitioning('week', 'pg_partman') \gset
SELECT max(until) AS last FROM ahead() \gset
CALL go_on(1);
-- asks for more than is there
SELECT "part man".run_maintenance('usage.execution_history') \gset
SELECT complete_partitions() \gset
SELECT cmp_ok(max(until), '>=', :'last', 'weeks') FROM ahead();
SELECT is(count(*), 0::bigint, 'without a gap') FROM missing_partitions();
SELECT is(level, 'ok', 'with all triggers') FROM health() WHERE finding = 'triggers missing or disabled';
SELECT set_partitioning('month') \gset
SELECT is(count(*), 0::bigint, 'pg_partman knows no more of a ledger that makes its own') FROM "part man".part_config;
CALL go_on(2);
SELECT maintain() \gset
SELECT is(count(*), 0::bigint, 'which it does again') FROM missing_partitions();
SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');

SELECT * FROM finish();
