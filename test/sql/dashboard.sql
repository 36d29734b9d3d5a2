-- The dashboard that a mock-up promised: 16 days, 125,430 requests. Every figure on it is a sum of executions here, and the
-- reports must give it to the digit.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset null '(null)'
\set SHOW_CONTEXT never

\getenv directory PG_ABS_SRCDIR
\set fixture :directory '/sql/data/dashboard.sql'
\i :fixture

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

-- the same by what can be exported, and as the text of the page
CREATE FUNCTION page_text(path text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT element.text
    FROM XMLTABLE(path PASSING xmlparse(DOCUMENT report_html(since => '2025-01-01', until => '2025-01-17')) COLUMNS text text PATH 'string(.)') AS element $$;
CREATE FUNCTION page_lines(section text) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s: %s, $%s, %s', replace(line[1], 'no project', 'other'), replace(line[3], ',', ''), replace(line[5], ',', ''), line[4])
    FROM (SELECT array_agg(cell ORDER BY number) AS line
          FROM page_text(format('//section[h2="%s"]//tbody/tr/*', section)) WITH ORDINALITY AS c (cell, number)
          GROUP BY (number - 1) / 8) AS lines $$;
CREATE VIEW surfaces (surface, line) AS
    SELECT 'function', dashboard(report) FROM unnest(ARRAY['summary', 'models', 'projects']) AS report
    UNION ALL
    SELECT 'export_summary', format('%s requests, $%s, %s tokens, %s s, %s %%', executions, round(cost, 2), total_tokens, round(avg_duration_ms / 1000, 1), round(success_rate, 1))
    FROM export_summary
    UNION ALL
    SELECT 'export_daily', format('%s requests, $%s, %s tokens, %s s, %s %%', sum(executions), round(sum(cost), 2), sum(total_tokens),
                                  round(sum(executions * avg_duration_ms) / sum(executions) / 1000, 1), round(100.0 * sum(succeeded) / sum(executions), 1))
    FROM export_daily
    UNION ALL
    SELECT 'export_models', format('%s: %s, $%s, %s %%', model, executions, round(cost, 2), round(share, 1)) FROM export_models
    UNION ALL
    SELECT 'export_projects', format('%s: %s, $%s, %s %%', coalesce(nullif(project_id, ''), 'other'), executions, round(cost, 2), round(share, 1)) FROM export_projects
    UNION ALL
    SELECT 'page', page_lines(section) FROM unnest(ARRAY['Models', 'Projects']) AS section;
SELECT line, string_agg(surface, ', ' ORDER BY surface) AS surfaces FROM surfaces GROUP BY line ORDER BY line COLLATE "C";
SELECT page_text('//ul[@class="totals"]/li') AS page;

-- the same when everything is folded, and now by views that are kept
CREATE TABLE before AS SELECT * FROM unnest(ARRAY['summary', 'models', 'projects']) AS report, dashboard(report) AS line;
SET client_min_messages = warning;
SELECT refresh() > 0 AS refreshed;
RESET client_min_messages;
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
SELECT count(*) AS cells, count(*) FILTER (WHERE executions = 0 AND share = 0 AND total_tokens = 0 AND cost = 0 AND success_rate IS NULL) AS empty
FROM hourly_pattern(since => '2025-01-01 10:00', until => '2025-01-01 12:00');
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
