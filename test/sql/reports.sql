-- Reports, over a history that is small enough to check by hand.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset null '(null)'
\set SHOW_CONTEXT never

INSERT INTO execution_history (customer_id, project_id, package_id, provider, model, status, input_tokens, output_tokens, duration_ms, queue_time_ms, created_at) VALUES
    ('acme',   'bot',    'resolver', 'openai', 'gpt-4o',  'success',   1000000, 100000, 1000, 10, '2025-01-01 12:00'),
    ('acme',   'bot',    'resolver', 'openai', 'gpt-4o',  'success',    500000,  50000, 3000, 20, '2025-01-01 23:59:59.999999'),
    ('acme',   'search', NULL,       'openai', 'gpt-4',   'failed',       NULL,   NULL,  100, NULL, '2025-01-02 00:00'),
    ('globex', NULL,     NULL,       'openai', 'unheard', 'success',        10,     20,  200, NULL, '2025-01-04 03:00'),
    ('globex', NULL,     NULL,       'openai', 'gpt-4',   'timeout',      1000,      0, 60000, NULL, '2025-01-04 03:00'),
    ('globex', NULL,     NULL,       'openai', 'gpt-4',   'cancelled',    NULL,   NULL, NULL, NULL, '2025-01-04 03:20'),
    ('globex', NULL,     NULL,       'openai', 'gpt-4',   'running',      NULL,   NULL, NULL, NULL, '2025-01-04 03:40');

\set range 'since => ''2025-01-01'', until => ''2025-01-05'''
SELECT * FROM summary(:range) \gx
SELECT * FROM daily(:range);
SELECT * FROM models(:range);

-- the same after folding
CREATE TABLE before_fold AS SELECT 'day' AS report, to_jsonb(d) AS line FROM daily(:range) AS d UNION ALL SELECT 'model', to_jsonb(m) FROM models(:range) AS m;
SELECT fold();
SELECT count(*) AS lines, count(*) FILTER (WHERE after.line IS NULL) AS changed
FROM before_fold
LEFT JOIN (SELECT 'day' AS report, to_jsonb(d) AS line FROM daily(:range) AS d UNION ALL SELECT 'model', to_jsonb(m) FROM models(:range) AS m) AS after USING (report, line);

-- days of another zone
SELECT day, executions, cost FROM daily(since => '2025-01-01 00:00-05', until => '2025-01-05 00:00-05', time_zone => 'America/New_York');
SELECT day, executions, cost FROM daily(since => '2025-01-01 00:00+05:45', until => '2025-01-05 00:00+05:45', time_zone => 'Asia/Kathmandu');
-- in a zone and a session where midnight does not exist on one day
SET timezone = 'America/Santiago';
SELECT count(*) AS days, min(day), max(day) FROM daily(since => '2025-09-05', until => '2025-09-11', time_zone => 'America/Santiago');
SET timezone = 'UTC';
-- half-open to the microsecond
SELECT executions FROM summary(since => '2025-01-01 12:00', until => '2025-01-01 23:59:59.999999');
SELECT executions FROM summary(since => '2025-01-01 12:00:00.000001', until => '2025-01-02');
SELECT executions FROM summary(since => '2025-01-01', until => '2025-01-01');
SELECT executions, cost, success_rate, p50_duration_ms FROM summary('30d');

-- filters: a value, several, those that name none, and several dimensions
SELECT executions, cost FROM summary(:range, filter => '{"customer_id": "acme"}');
SELECT executions, cost FROM summary(:range, filter => '{"model": ["gpt-4o", "gpt-4"]}');
SELECT executions FROM summary(:range, filter => '{"project_id": null}');
SELECT executions FROM summary(:range, filter => '{"project_id": ["bot", null]}');
SELECT executions FROM summary(:range, filter => '{"customer_id": "acme", "model": "gpt-4"}');
SELECT executions FROM summary(:range, filter => '{"customer_id": "nobody"}');
SELECT executions FROM summary(:range, filter => '{"model": []}');

-- by any dimensions and any step
SELECT starts, customer_id, model, executions, open, cost FROM usage_report('{customer_id,model}', 'month', :range) ORDER BY 2, 3;
SELECT starts, executions FROM usage_report(step => 'hour', :range) ORDER BY 1;

-- periods
SELECT period, period_start(period, 'Asia/Kathmandu') = expected AS right
FROM (VALUES ('24h', now() - interval '24 hours'), ('7d', now() - interval '7 days'), ('30d', now() - interval '30 days'), ('90d', now() - interval '90 days'),
             ('all', '-infinity'),
             ('today', date_trunc('day', now() AT TIME ZONE 'Asia/Kathmandu') AT TIME ZONE 'Asia/Kathmandu'),
             ('week', date_trunc('week', now() AT TIME ZONE 'Asia/Kathmandu') AT TIME ZONE 'Asia/Kathmandu'),
             ('month', date_trunc('month', now() AT TIME ZONE 'Asia/Kathmandu') AT TIME ZONE 'Asia/Kathmandu')) AS p (period, expected);

SELECT customer_id, package_id, period_type, period_start, period_end, total_executions, successful_executions, failed_executions, timeout_executions,
       unpriced_executions, total_tokens, total_cost, avg_duration_ms, min_duration_ms, max_duration_ms
FROM usage_aggregates ORDER BY customer_id, package_id, period_type, period_start;

-- a deleted execution leaves analytics and stays billed
UPDATE execution_history SET deleted_at = now(), deleted_reason = 'test' WHERE created_at = '2025-01-01 12:00';
SELECT executions, succeeded, total_tokens, cost, billed_cost, p99_duration_ms FROM summary(:range);
SELECT fold();
SELECT executions, succeeded, total_tokens, cost, billed_cost, p99_duration_ms FROM summary(:range);
UPDATE execution_history SET deleted_at = NULL WHERE created_at = '2025-01-01 12:00';
SELECT executions, succeeded, total_tokens, cost, billed_cost, p99_duration_ms FROM summary(:range);
-- a row that is gone is gone, and so are cells that hold nothing
DELETE FROM execution_history;
SELECT executions, cost, billed_cost, p99_duration_ms FROM summary('all');
SELECT fold() > 0 AS folded;
SELECT count(*) AS cells FROM usage_cubes;
SELECT * FROM reconcile();

-- what cannot be asked
SELECT * FROM summary(since => '2025-01-02', until => '2025-01-01');
SELECT * FROM summary(filter => '{"colour": "red"}');
SELECT * FROM summary(filter => '["acme"]');
SELECT * FROM usage_report('{status}');
SELECT * FROM usage_report(step => 'minute');
SELECT * FROM summary(filter => '{"customer_id": {"a": 1}}');
SELECT * FROM summary(filter => '{"customer_id": [["x"]]}');
SELECT * FROM summary(filter => '{"customer_id": true}');
SELECT * FROM reconcile(NULL, NULL);
SELECT * FROM reconcile('2025-01-02', '2025-01-01');
SELECT * FROM summary('fortnight');
SELECT * FROM summary('1000000 years');
SELECT * FROM summary('99999999999 years');
SELECT * FROM daily(time_zone => 'Mars/Olympus');

-- which cells a read takes: only the cubes and the partitions that it needs
CREATE FUNCTION takes(dimensions text, since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', grain text DEFAULT 'day') RETURNS TABLE (taken text)
LANGUAGE sql AS $$
    SELECT substring(line FROM ' on ((?:usage|execution|workload|project|actor|system|timeline|total)_[a-z_0-9]*[a-z0-9])(?: |$)')
    FROM explain_read(since, until, filter, dimensions::text[], grain) AS line
    WHERE line ~ ' on (usage|execution|workload|project|actor|system|timeline|total)_[a-z_0-9]+( |$)' AND line !~ 'Bitmap Index Scan' $$;
SELECT * FROM takes('{}', '2025-01-01', '2025-01-05', '{"customer_id": "acme"}');
SELECT * FROM takes('{}', '2025-01-01 05:00', '2025-01-05 05:00');
SELECT * FROM takes('{model}', '2025-01-01 05:00', '2025-01-05 05:00');
SELECT * FROM takes('{model}', '2025-01-01', '2025-01-05', '{"customer_id": "acme"}');
SELECT * FROM takes('{project_id}', '2025-01-01', '2025-01-05');
SELECT * FROM takes('{project_id}', '2025-01-01 05:00', '2025-01-05 20:00');
SELECT read_edges('2025-01-01 05:00', '2025-01-05 20:00', '{project_id}', 'day');
SELECT read_edges('2025-01-01 13:00', '2025-01-05 12:00', '{project_id}', 'day');
SELECT read_edges('-infinity', 'infinity', '{project_id}', 'day');
SELECT * FROM takes('{}', '2025-01-01', '2025-01-05', '{"user_id": "u"}');
SELECT * FROM takes('{}', '2025-01-01 00:01', '2025-01-05', '{"user_id": "u", "model": "m"}');
SELECT * FROM takes('{}', '2025-01-01', '2025-01-05', '{"status": "failed"}');
SELECT * FROM takes('{}', '2025-01-01 05:00', '2025-01-05 05:00', grain => 'quarter');
SELECT * FROM takes('{}', '2025-01-01 05:00', '2025-01-05 05:00', '{"customer_id": "acme"}', grain => 'hour');
SELECT * FROM takes('{}', '2025-01-01 05:14', '2025-01-05 05:45', '{"customer_id": "acme"}', grain => 'hour');
SELECT time_zone, step, report_grain(step, time_zone, since, until)
FROM (VALUES ('UTC', 'day', '2025-01-01', '2025-02-01'), ('UTC', 'hour', '2025-01-01', '2025-02-01'), ('America/New_York', 'day', '2025-01-01', 'infinity'),
             ('America/New_York', 'day', '-infinity', 'infinity'), ('America/New_York', 'day', '1883-11-01', '1884-01-01'), ('Asia/Kathmandu', 'day', '2025-01-01', '2025-02-01'),
             -- whole hours in its summer, half past in winter
             ('Australia/Lord_Howe', 'hour', '2025-01-01', '2025-02-01'), ('Australia/Lord_Howe', 'hour', '2025-01-01', '2025-04-06'),
             ('Australia/Lord_Howe', 'hour', '2025-01-01', '2025-04-05'), ('Australia/Lord_Howe', 'hour', now()::text, 'infinity')) AS v (time_zone, step, a, b),
     LATERAL (SELECT a::timestamptz AS since, b::timestamptz AS until) AS range;
SELECT * FROM takes('{}', '2025-01-01', '2025-01-01');

SET client_min_messages = warning;
DROP SCHEMA usage CASCADE;
