-- What changed: the version of the usage, and what drives the cost.
SET client_min_messages = warning;
SELECT plan(18);
SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SET timezone = 'UTC';

CREATE TEMPORARY TABLE seen (version bigint);
CREATE FUNCTION pg_temp.grew() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    grown boolean := usage_version() > (SELECT max(version) FROM seen);
BEGIN
    INSERT INTO seen VALUES (usage_version());
    RETURN grown;
END $$;

SELECT is(usage_version(), 0::bigint, 'a new ledger has changed never');
INSERT INTO seen VALUES (usage_version());
INSERT INTO execution_history (customer_id, created_at, provider, model, input_tokens, reported_cost, status)
SELECT 'c' || n % 2, '2026-01-01'::timestamptz + n * interval '1 hour', 'acme', 'm' || n % 3, n, n, 'success' FROM generate_series(1, 48) AS n;
SELECT ok(pg_temp.grew(), 'an INSERT is a change');
SELECT fold() > 0 AS folded \gset
SELECT ok(NOT pg_temp.grew(), 'a fold is none');
UPDATE execution_history SET metadata = '{"note": 1}';
SELECT ok(NOT pg_temp.grew(), 'nor is what no report shows');
UPDATE execution_history SET deleted_at = now() WHERE input_tokens = 5;
SELECT ok(pg_temp.grew(), 'a deletion is one');
UPDATE execution_history SET deleted_at = NULL WHERE input_tokens = 5;
SELECT ok(pg_temp.grew(), 'and so is its end');
UPDATE execution_history SET project_id = 'p' WHERE input_tokens = 6;
SELECT ok(pg_temp.grew(), 'and another dimension');
SELECT rebuild_rollups('2026-01-01', '2026-01-04') > 0 AS rebuilt \gset
SELECT ok(pg_temp.grew(), 'and rollups made anew');
BEGIN;
DELETE FROM execution_history;
ROLLBACK;
SELECT ok(NOT pg_temp.grew(), 'what is rolled back is none');
SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');

-- the first day against the second
SELECT results_eq($$
    SELECT value, cost, cost_before, change, executions, executions_before
    FROM cost_drivers('model', since => '2026-01-02', until => '2026-01-03')
$$, $$
    SELECT model,
           sum(cost) FILTER (WHERE created_at >= '2026-01-02'), sum(cost) FILTER (WHERE created_at < '2026-01-02'),
           sum(cost) FILTER (WHERE created_at >= '2026-01-02') - sum(cost) FILTER (WHERE created_at < '2026-01-02'),
           count(*) FILTER (WHERE created_at >= '2026-01-02'), count(*) FILTER (WHERE created_at < '2026-01-02')
    FROM execution_history WHERE created_at >= '2026-01-01' AND created_at < '2026-01-03'
    GROUP BY model
    ORDER BY abs(sum(cost) FILTER (WHERE created_at >= '2026-01-02') - sum(cost) FILTER (WHERE created_at < '2026-01-02')) DESC, model
$$, 'cost_drivers() compares a day with the day before');
SELECT is(sum(change), (SELECT cost FROM summary(since => '2026-01-02', until => '2026-01-03')) - (SELECT cost FROM summary(since => '2026-01-01', until => '2026-01-02')),
    'and all changes add up') FROM cost_drivers('customer_id', since => '2026-01-02', until => '2026-01-03');
SELECT is(change_percent, NULL, 'no percentage of nothing') FROM cost_drivers('project_id', since => '2026-01-01', until => '2026-01-02') WHERE value = 'p';
SELECT is(cost, 6::numeric, 'a filter holds for both') FROM cost_drivers('project_id', since => '2026-01-01', until => '2026-01-02', filter => '{"project_id": "p"}');
SELECT throws_ok($$ SELECT * FROM cost_drivers(period => 'all') $$, '22023', NULL, 'all has no period before it');
SELECT throws_ok($$ SELECT * FROM cost_drivers('colour') $$, '22023', NULL, 'nor is there such a dimension');

INSERT INTO customers (customer_id, name) VALUES ('c1', 'One'), ('c9', 'Nine');
SELECT results_eq($$ SELECT customer_id, name, executions, cost FROM customer_usage ORDER BY customer_id $$,
    $$ VALUES ('c0', NULL, 24::bigint, 600::numeric), ('c1', 'One', 24, 576), ('c9', 'Nine', 0, 0) $$, 'customers and what they used');
SELECT is(first_at, '2026-01-01 00:00+00'::timestamptz, 'since when') FROM customer_usage WHERE customer_id = 'c1';
SELECT * FROM finish();
