-- The dashboard that a mock-up promised: 16 days, 125,430 requests. Every figure on it is a sum of executions here, and the
-- reports must give it to the digit.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset null '(null)'
\set SHOW_CONTEXT never

-- Requests and cost of each model in each project. The mock-up gives the sums of the rows and of the columns.
CREATE TABLE promised (model text, project_id text, requests integer, cost numeric);
INSERT INTO promised VALUES
    ('Scalix Standard', 'Customer Support Chatbot', 5532, 12.58), ('Scalix Standard', 'Content Generation API', 4592, 10.49), ('Scalix Standard', 'Data Analysis Tool', 4018, 9.20),
    ('Scalix Standard', 'Code Review Assistant', 3516, 8.07), ('Scalix Standard', 'Marketing Copy Generator', 3050, 7.00), ('Scalix Standard', NULL, 24292, 20.16),
    ('Scalix Advanced', 'Customer Support Chatbot', 4672, 17.70), ('Scalix Advanced', 'Content Generation API', 3878, 14.76), ('Scalix Advanced', 'Data Analysis Tool', 3393, 12.95),
    ('Scalix Advanced', 'Code Review Assistant', 2969, 11.36), ('Scalix Advanced', 'Marketing Copy Generator', 2575, 9.86), ('Scalix Advanced', NULL, 20513, 28.37),
    ('Scalix Analyst', 'Customer Support Chatbot', 3073, 9.32), ('Scalix Analyst', 'Content Generation API', 2551, 7.77), ('Scalix Analyst', 'Data Analysis Tool', 2232, 6.81),
    ('Scalix Analyst', 'Code Review Assistant', 1953, 5.98), ('Scalix Analyst', 'Marketing Copy Generator', 1694, 5.19), ('Scalix Analyst', NULL, 13497, 14.93),
    ('Scalix Coder', 'Customer Support Chatbot', 2143, 6.20), ('Scalix Coder', 'Content Generation API', 1779, 5.18), ('Scalix Coder', 'Data Analysis Tool', 1557, 4.54),
    ('Scalix Coder', 'Code Review Assistant', 1362, 3.99), ('Scalix Coder', 'Marketing Copy Generator', 1181, 3.45), ('Scalix Coder', NULL, 9408, 9.94);
SELECT sum(requests) AS requests, sum(cost) AS cost FROM promised;

-- Costs in millionths, tokens and days are dealt out so that the sums are exact.
SELECT create_partition('2025-01-01');
INSERT INTO execution_history (customer_id, created_at, project_id, provider, model, status, error_code, input_tokens, reported_cost, duration_ms)
SELECT 'scalix',
       '2025-01-01 00:00'::timestamptz + n % 16 * interval '1 day' + n * 7919 % 86400 * interval '1 second',
       project_id, 'Scalix', model,
       CASE WHEN n % 125 = 0 THEN 'failed' ELSE 'success' END,
       CASE WHEN n % 125 = 0 THEN (ARRAY['rate_limit_exceeded', 'invalid_api_key', 'model_timeout', 'E_1234'])[1 + n / 125 % 4] END,
       2847392 / 125430 + CASE WHEN n <= 2847392 % 125430 THEN 1 ELSE 0 END,
       ((cost * 1000000)::bigint / requests + CASE WHEN i <= (cost * 1000000)::bigint % requests THEN 1 ELSE 0 END) * 0.000001,
       CASE WHEN n % 2 = 0 THEN 1000 ELSE 1400 END
FROM (SELECT row_number() OVER (ORDER BY model, project_id, i) AS n, p.*, i
      FROM promised AS p, generate_series(1, requests) AS i) AS request;

\set days 'since => ''2025-01-01'', until => ''2025-01-17'''

CREATE FUNCTION dashboard(report text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s requests, $%s, %s tokens, %s s, %s %%', executions, round(cost, 2), total_tokens, round(avg_duration_ms / 1000, 1), round(success_rate, 1))
    FROM summary(since => '2025-01-01', until => '2025-01-17') WHERE report = 'summary'
    UNION ALL
    SELECT format('%s: %s, $%s, %s %%', model, executions, round(cost, 2), round(share, 1))
    FROM models(since => '2025-01-01', until => '2025-01-17') WHERE report = 'models'
    UNION ALL
    SELECT format('%s: %s, $%s, %s %%', coalesce(value, 'other'), executions, round(cost, 2), round(share, 1))
    FROM projects(since => '2025-01-01', until => '2025-01-17', n => 5) WHERE report = 'projects' $$;
SELECT dashboard('summary');
SELECT dashboard('models');
SELECT dashboard('projects');
SELECT cost, total_tokens, avg_duration_ms::numeric(12, 6), round(success_rate, 4) AS success_rate FROM summary(:days);
SELECT day, executions, round(cost, 2) AS cost, total_tokens, change, round(change_percent, 2) AS change_percent, weekday_change FROM daily(:days);
SELECT count(*) AS days, sum(executions) AS executions, sum(cost) AS cost, sum(total_tokens) AS tokens FROM daily(:days);
SELECT error_class, executions, round(share, 1) AS share, round(cost, 4) AS cost FROM errors(:days);

-- the same when everything is folded, and now by views that are kept
CREATE TABLE before AS SELECT * FROM unnest(ARRAY['summary', 'models', 'projects']) AS report, dashboard(report) AS line;
SELECT refresh() > 0 AS refreshed;
SELECT * FROM before EXCEPT SELECT report, dashboard(report) FROM unnest(ARRAY['summary', 'models', 'projects']) AS report;
INSERT INTO execution_history (customer_id, created_at, provider, model) VALUES ('scalix', '2025-01-16 23:59:59.999999', 'Scalix', 'Scalix Coder');
SELECT dashboard('summary');
SELECT refresh();
SELECT dashboard('summary');
DELETE FROM execution_history WHERE created_at = '2025-01-16 23:59:59.999999';

-- ---- the calls that were made: action=summary&period=30d, daily&startDate&endDate, models&model, projects&projectId, filter

SELECT executions, cost FROM summary(period => '30d');
SELECT count(*) AS days, sum(executions) AS executions FROM daily(since => '2025-01-01', until => '2025-01-16'::date + 1);
SELECT provider, model, executions, round(cost, 2) AS cost, round(share, 1) AS share FROM models(:days, filter => '{"model": "Scalix Advanced"}');
SELECT value, executions, round(cost, 2) AS cost, round(share, 1) AS share FROM projects(:days, filter => '{"project_id": "Data Analysis Tool"}');
SELECT executions, round(cost, 2) AS cost
FROM summary(since => '2025-01-03', until => '2025-01-04', filter => '{"model": ["Scalix Analyst", "Scalix Coder"], "project_id": "Code Review Assistant"}');
SELECT executions, succeeded, failed FROM summary(:days, filter => '{"status": "failed"}');
SELECT executions FROM summary(:days, filter => '{"error_code": ["invalid_api_key", "E_1234"], "model": "Scalix Coder"}');

-- ---- hours

SELECT count(*) AS hours, sum(executions) AS executions, min(executions) AS least FROM hourly(:days);
SELECT count(*) AS cells, sum(executions) AS executions, round(sum(share), 6) AS share, min(executions) AS least FROM hourly_pattern(:days);
SELECT weekday, sum(executions) AS executions FROM hourly_pattern(:days) GROUP BY weekday ORDER BY weekday;
SELECT starts, executions, change FROM weekly(:days);
SELECT starts, executions FROM monthly(since => '2024-11-15', until => '2025-02-01');

-- ---- breakdowns by anything, and top

SELECT dimension, count(*) AS rows, sum(executions) AS executions, sum(cost) AS cost, round(sum(share), 6) AS share
FROM unnest(dimensions()) AS dimension, breakdown(dimension, :days) GROUP BY dimension ORDER BY dimension;
SELECT value, executions FROM top('model', 2, 'cost', :days);
SELECT value, errors.executions, failed, round(error_rate, 3) AS error_rate FROM breakdown('project_id', :days, "by" => 'error_rate', n => 2) AS errors;
SELECT * FROM breakdown('project_id', "by" => 'beauty');
SELECT * FROM breakdown('beauty');

-- ---- pages

SELECT count(*) FROM executions(:days, max_rows => 50, filter => '{"status": "success"}');
SELECT count(*) FROM executions(:days, max_rows => 2000);
UPDATE ledger SET max_page = 1000;
SELECT count(*) FROM executions(:days, max_rows => 2000);
\set VERBOSITY terse
UPDATE ledger SET max_page = 1001;
\set VERBOSITY default
WITH RECURSIVE page AS (
    SELECT 1 AS number, (SELECT array_agg(e ORDER BY e.created_at DESC, e.id DESC) FROM executions(:days, max_rows => 300, filter => '{"status": "failed"}') AS e) AS rows
    UNION ALL
    SELECT number + 1, (SELECT array_agg(e ORDER BY e.created_at DESC, e.id DESC)
                        FROM executions(:days, max_rows => 300, filter => '{"status": "failed"}',
                                        before_created_at => rows[cardinality(rows)].created_at, before_id => rows[cardinality(rows)].id) AS e)
    FROM page WHERE cardinality(rows) = 300
)
SELECT number, cardinality(rows) AS rows, (SELECT count(DISTINCT (row).id) FROM page AS p, unnest(p.rows) AS row) AS different FROM page ORDER BY number;
SELECT count(*) FROM executions('all', max_rows => -1);
SELECT e.created_at, e.provider FROM recent(2) AS e;
SELECT count(*) FROM search('e_1234', :days, max_rows => 500);
SELECT count(*) AS found FROM recent(1) AS r, search(upper(r.id::text), 'all') AS s WHERE s.id = r.id;
SELECT count(*) FROM search('%', :days);
INSERT INTO execution_payloads SELECT id, created_at, '{"prompt": "hello"}', '{"text": "world"}' FROM recent(1);
SELECT execution(id) ->> 'provider' AS provider, execution(id) -> 'input_data' AS input, execution(id) -> 'output_data' AS output FROM recent(1);
SELECT execution('00000000-0000-0000-0000-000000000000') AS nothing;

SET client_min_messages = warning;
DROP SCHEMA usage CASCADE;
