-- Retention, partitions of other lengths, rebuilding and reconciling by the day.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\set SHOW_CONTEXT never

INSERT INTO execution_history (customer_id, user_id, project_id, created_at, input_tokens)
SELECT 'ann', 'user', 'project', '2020-01-30 10:07'::timestamptz + n * interval '1 day', n FROM generate_series(0, 4) AS n;
SELECT adopt_default_rows();
SELECT p.* FROM history_partitions AS p WHERE p.since < '2021-01-01' ORDER BY p.since;
SELECT fold();
-- one is late, and stays a delta
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('ann', '2020-01-31 10:00', 100);
CREATE VIEW sums AS SELECT executions, input_tokens FROM summary(since => '-infinity', until => 'infinity');
SELECT * FROM sums;
SELECT * FROM reconcile();

-- ---- retention

SELECT set_retention('prices', '1 year');
SELECT set_retention('execution_history', '1 hour');
SELECT drop_expired_executions();
INSERT INTO execution_payloads (execution_id, created_at) VALUES (uuid_v7(), '2020-01-30'), (uuid_v7(), now());
SELECT set_retention('execution_history', '3 years');
SELECT set_retention('execution_payloads', '30 days');
SELECT maintain();
SELECT p.* FROM history_partitions AS p WHERE p.since < '2021-01-01' ORDER BY p.since;
SELECT table_name, keep, dropped_until < now() AS dropped FROM retention ORDER BY 1;
SELECT count(*) AS executions FROM execution_history;
SELECT count(*) AS payloads FROM execution_payloads;
-- what is folded and what is pending is there
SELECT * FROM sums;
SELECT fold();
SELECT * FROM sums;
SELECT * FROM reconcile();
SELECT maintain();

-- what can be answered, and what not
SELECT executions FROM summary(since => '2020-01-31 10:00', until => '2020-01-31 10:15');
SELECT executions FROM summary(since => '2020-01-31 10:00', until => '2020-01-31 10:10');
SELECT executions FROM summary(since => '2020-01-31 10:07', until => '2020-01-31 10:15');
SELECT executions FROM summary(since => '2020-01-30', until => '2020-02-01', filter => '{"project_id": "project"}');
SELECT executions FROM summary(since => '2020-01-30 12:00', until => '2020-02-01', filter => '{"project_id": "project"}');
SELECT executions FROM summary(since => '2020-01-30', until => '2020-02-01', filter => '{"project_id": "project", "user_id": "user"}');
SELECT executions FROM summary('1h', filter => '{"project_id": "project", "user_id": "user"}');
SELECT rebuild_rollups('2020-01-30', '2020-02-01');

-- a late execution of a time that is gone counts, and goes with the next maintenance
INSERT INTO execution_history (customer_id, created_at, input_tokens) VALUES ('ann', '2020-01-31 10:00', 1000);
SELECT * FROM sums;
SELECT * FROM reconcile();
SELECT maintain();
SELECT count(*) AS executions FROM execution_history;
SELECT * FROM sums;

-- ---- partitions by week and day

SELECT set_partitioning('hour');
SELECT set_partitioning('week');
SELECT bool_and(p.until - p.since <= '7 days') AS weeks FROM history_partitions AS p WHERE p.since > now();
SELECT bool_and(has_partition((now() AT TIME ZONE 'UTC')::date + n)) AS without_gap FROM generate_series(0, 21) AS n;
SELECT * FROM missing_partitions();
SELECT create_partition('2024-05-01');
SELECT create_partition('2024-05-02') IS NULL AS there;
SELECT set_partitioning('day');
SELECT create_partition('2024-05-06');
-- a month leaves room for what is there
SELECT set_partitioning('month');
INSERT INTO execution_history (customer_id, created_at) VALUES ('late', '2024-05-05 12:00'), ('late', '2024-05-06 12:00'), ('late', '2024-05-20 12:00'), ('late', '2024-04-20 12:00');
SELECT adopt_default_rows();
SELECT p.* FROM history_partitions AS p WHERE p.since BETWEEN '2024-01-01' AND '2024-12-31' ORDER BY p.since;
SELECT tableoid::regclass, created_at FROM execution_history WHERE customer_id = 'late' ORDER BY created_at;
SELECT count(*) AS overlapping FROM history_partitions AS a JOIN history_partitions AS b ON a.partition <> b.partition AND a.since < b.until AND b.since < a.until;
SELECT * FROM missing_partitions();

-- ---- rebuilding

SELECT fold();
UPDATE usage_cubes SET executions = 7, duration_sketch = NULL WHERE bucket = '2024-05-06' AND cube = 'workload_day';
DELETE FROM usage_cubes WHERE bucket = '2024-05-20' AND cube = 'actor_day';
INSERT INTO usage_cubes (cube, bucket, customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id, executions)
VALUES ('actor_day', '2024-05-20', 'nobody', '', '', '', '', '', '', '', '', '', 1);
INSERT INTO execution_history (customer_id, created_at) VALUES ('late', '2024-05-20 13:00');
SELECT cube, bucket, dimensions, measure, difference FROM reconcile() ORDER BY 1, 2, 3, 4;
SELECT rebuild_rollups('2024-05-06', '2024-05-21') > 0 AS rebuilt;
SELECT * FROM reconcile();
SELECT executions FROM summary(since => '2024-05-20', until => '2024-05-21');
SELECT fold();
SELECT rebuild_rollups('-infinity', 'infinity');

-- ---- by the day, going on where it was stopped

UPDATE usage_cubes SET open = 1 WHERE bucket = '2024-05-05' AND cube = 'actor_day';
UPDATE retention SET dropped_until = '2024-05-03' WHERE table_name = 'execution_history';
SELECT day, differences FROM reconcile_days(2) ORDER BY day;
SELECT day, differences FROM reconcile_days() ORDER BY day;
SELECT day, differences FROM reconcile_days() ORDER BY day;
SELECT rebuild_rollups('2024-05-05', '2024-05-06') > 0 AS rebuilt;
UPDATE reconciled_days SET checked_at = '-infinity' WHERE day = '2024-05-05';
INSERT INTO reconciled_days SELECT day, now(), 0 FROM generate_series('2024-05-07'::timestamptz, now() + interval '1 day', '24 hours') AS day;
SELECT day, differences FROM reconcile_days() ORDER BY day;
-- also those to come, be it the last of them
INSERT INTO execution_history (customer_id, created_at) VALUES ('ahead', now() + interval '50 days');
SELECT fold();
UPDATE usage_cubes SET open = 1 WHERE customer_id = 'ahead' AND cube = 'actor_day';
SELECT bool_or(day = floor_day(now() + interval '50 days')) AS reached, sum(differences) AS differences FROM reconcile_days(60) WHERE day > now();

-- ---- a budget that asks for what is gone does not silence the others

SELECT set_budget('user of a model', '{"user_id": "user", "model": "echo"}', 1, 'lifetime', 'executions');
SELECT set_budget('late', '{"customer_id": "late"}', 1, 'lifetime', 'executions', thresholds => '{"100": []}');
-- which model it was takes what is gone
SELECT set_budget('user', '{"user_id": "user"}', 1, 'lifetime', 'executions', thresholds => '{"100": []}');
SELECT budget, spent, facts ->> 'recommendation' AS recommendation FROM check_budgets(true, '2024-06-01');
SELECT budget, threshold FROM check_budgets(at => '2024-06-01');
SELECT budget, spent, level, bar FROM budget_status(at => '2024-06-01');
-- nor is it known to have recovered
INSERT INTO budget_alerts (budget_id, subject, percent, period_start, fired_at, spent, amount)
SELECT budget_id, '{}', 100, '-infinity', '2024-05-01', 1, 1 FROM budgets WHERE name = 'user of a model';
SET client_min_messages = error;
SELECT count(*) AS fired FROM check_budgets(at => '2024-06-02');
SELECT name, recovered_at FROM budget_alerts JOIN budgets USING (budget_id) ORDER BY budget_id;

-- ---- figures of raw executions, with a month that is kept and one that is going to be dropped: all, what is kept, or an error

SET client_min_messages = warning;
UPDATE retention SET dropped_until = '2020-03-01' WHERE table_name = 'execution_history';
INSERT INTO execution_history (customer_id, api_key_id, status, error_code, created_at, completed_at)
SELECT 'job', 'key', status, error_code, day + '10:00'::time, day + '11:00'::time
FROM unnest(ARRAY['2021-01-01', '2021-02-01']::date[]) AS day, (VALUES ('success', NULL), ('failed', 'E1')) AS outcome (status, error_code);
SELECT adopt_default_rows() > 0 AS adopted;
SELECT set_objective('sound', 'success', 0.5, scope => '{"customer_id": "job"}', period => '60 days') > 0 AS promised;
SELECT set_objective('in time', 'deadline', 0.5, '1 hour', '{"customer_id": "job"}', '60 days') > 0 AS promised;
CREATE VIEW raw_figures AS
    SELECT 'sla_metrics' AS source, day::text AS what, jobs, active_seats, NULL::timestamptz AS counted_since FROM sla_metrics WHERE customer_id = 'job'
    UNION ALL
    SELECT 'export_errors', error_code, executions, NULL, counted_since FROM export_errors;
SELECT refresh() > 0 AS refreshed;
SELECT * FROM raw_figures ORDER BY source, what;
SELECT objective, starts, events, failures FROM objective_status(at => '2021-02-15');
SELECT set_retention('execution_history', now() - '2021-02-01');
SELECT drop_expired_executions();
INSERT INTO execution_history (customer_id, status, error_code, created_at, completed_at) VALUES ('job', 'failed', 'late', '2021-01-01 10:00', '2021-01-01 11:00');
SELECT refresh();
SELECT * FROM raw_figures ORDER BY source, what;
SELECT objective, starts, events, failures FROM objective_status('sound', '2021-02-15');
SELECT objective, starts, events, failures FROM objective_status('sound', '2021-04-02');
SELECT objective, starts, events, failures FROM objective_status('in time', '2021-04-02');
SELECT * FROM objective_breaches('sound', '2021-01-31', '2021-02-15');
SELECT * FROM objective_breaches('sound', '2021-02-15', '2021-02-14');

DROP SCHEMA usage CASCADE;
