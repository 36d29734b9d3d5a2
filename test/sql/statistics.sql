-- Answers in one piece: of a customer, a user, the month, errors by class, jobs and seats, and charts of text.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset null '(null)'
\set SHOW_CONTEXT never

-- ---- a customer's October, as a tracker's manual shows it

INSERT INTO execution_history (customer_id, package_id, package_name, status, duration_ms, customer_tier, provider, model, input_tokens, output_tokens, created_at) VALUES
    ('cust-1', 'ticket-resolver', 'Ticket Resolver', 'success', 2500, 'premium', 'anthropic', 'claude-sonnet-4', 1500, 500, '2025-10-01 00:00'),
    ('cust-1', 'ticket-resolver', 'Ticket Resolver', 'success', 1500, 'premium', 'anthropic', 'claude-sonnet-4', 1500, 501, '2025-10-31 23:59:59.999999'),
    ('cust-1', 'ticket-resolver', 'Ticket Resolver', 'timeout', NULL, 'premium', 'anthropic', 'claude-sonnet-4', NULL, NULL, '2025-10-15 12:00'),
    ('cust-1', 'summariser',      'Summariser',      'success', 500,  'premium', 'anthropic', 'claude-sonnet-4', 100,  20,  '2025-11-01 00:00'),
    ('cust-2', 'ticket-resolver', 'Ticket Resolver', 'failed',  100,  'free',    'openai',    'gpt-4-turbo',     10,   0,   '2025-10-31 20:00');
SELECT total_executions, successful_executions, failed_executions, timeout_executions, success_rate, total_tokens, total_cost, avg_duration_ms, status_breakdown
FROM get_usage_stats('cust-1', '2025-10-01', '2025-10-31');
SELECT format('Total cost: $%s, success rate: %s%%', to_char(total_cost, 'FM990.00'), to_char(success_rate, 'FM990.0')) FROM get_usage_stats('cust-1', '2025-10-01', '2025-10-31');
SELECT total_executions FROM get_usage_stats(NULL, '2025-10-01', '2025-10-31');
SELECT total_executions FROM get_usage_stats('cust-1', '2025-10-31', '2025-10-31', 'America/New_York');

-- ---- a month until now: 31 days of which 10.5 have passed

SELECT * FROM current_month_cost('{"customer_id": "cust-1"}', 'UTC', '2025-10-11 12:00');
SELECT * FROM current_month_cost('{"customer_id": "cust-1"}', 'UTC', '2025-11-01 00:00');
SELECT round(days_elapsed, 6) AS days_elapsed FROM current_month_cost('{}', 'Asia/Kathmandu', '2025-11-01 00:00');
-- the clocks of Berlin change in October: it has 31 days and an hour
SELECT round(projected_month_end_cost / daily_average, 6) AS days FROM current_month_cost('{}', 'Europe/Berlin', '2025-10-11 12:00');

-- ---- up to today

INSERT INTO execution_history (customer_id, package_id, user_id, section, status, error_code, provider, model, input_tokens, reported_cost, created_at)
SELECT 'cust-' || c, 'package-' || n % 3, 'user-' || n % 12, CASE n % 4 WHEN 0 THEN 'chat' WHEN 1 THEN 'rag_pipeline' END,
       CASE n % 10 WHEN 0 THEN 'failed' ELSE 'success' END, CASE n % 10 WHEN 0 THEN 'rate_limit_exceeded' END, 'acme', 'echo', 10, 0.25,
       date_trunc('day', now()) - (n % 5) * interval '1 day'
FROM generate_series(1, 60) AS n, generate_series(1, 2) AS c;
SELECT package_id, execution_count, total_tokens, total_cost, cost_per_execution, round(error_rate, 2) AS error_rate FROM get_top_packages('cust-1', "max_packages" => 2, days => 30);
SELECT execution_count, total_cost FROM get_top_packages(days => 5);
SELECT count(*) AS days, sum(total_executions) AS executions, sum(failed_executions) AS failed, max(date) = current_date AS until_today FROM get_daily_usage('cust-1', 365);
SELECT count(*) AS days, sum(total_executions) AS executions FROM get_daily_usage(days => 5);
SELECT * FROM get_daily_usage('cust-1', 367);
SELECT jsonb_object_keys(stats) AS key FROM user_stats('user-1') AS stats ORDER BY 1;
SELECT stats -> 'summary' ->> 'executions' AS executions, stats -> 'summary' ->> 'cost' AS cost, jsonb_array_length(stats -> 'daily') AS days, jsonb_array_length(stats -> 'recent') AS recent
FROM user_stats('user-1') AS stats;
SELECT section ->> 'value' AS section, section ->> 'executions' AS executions, (section ->> 'share')::numeric(5, 2) AS share
FROM user_stats('user-1', 7) AS stats, jsonb_array_elements(stats -> 'sections') AS section;
SELECT stats -> 'summary' ->> 'executions' AS executions, jsonb_array_length(stats -> 'top_users') AS users, stats -> 'top_users' -> 0 ->> 'executions' AS first
FROM global_stats() AS stats;
SELECT user_stats('user-1', 0);

-- ---- errors

SELECT error_class(status, code, message), status, code, message
FROM (VALUES ('failed', 'rate_limit_exceeded', NULL), ('failed', NULL, 'Rate limit reached for requests'), ('failed', '429', 'Too Many Requests'),
             ('failed', 'insufficient_quota', 'You exceeded your current quota'), ('failed', 'invalid_api_key', 'Incorrect API key provided'),
             ('failed', '401', NULL), ('failed', 'authentication_error', NULL), ('failed', 'context_length_exceeded', 'This model''s maximum context length is 8192 tokens'),
             ('failed', 'invalid_request_error', 'prompt is too long'), ('failed', 'content_filter', NULL), ('timeout', NULL, NULL), ('failed', NULL, 'Request timed out.'),
             ('failed', 'overloaded_error', 'Overloaded'), ('failed', '503', NULL), ('failed', 'model_not_found', NULL), ('failed', '500', NULL),
             ('cancelled', NULL, NULL), ('failed', 'E1234', 'something else'), ('failed', NULL, NULL)) AS said (status, code, message);
SELECT error_class, executions, failed, timed_out, total_tokens, cost, last_at FROM errors(since => '2025-10-01', until => '2025-11-01');
SELECT error_class, executions, cost FROM errors('7d', filter => '{"customer_id": "cust-2"}');
SELECT * FROM errors(filter => '{"colour": "red"}');

-- ---- jobs and seats

INSERT INTO execution_history (customer_id, api_key_id, status, created_at, completed_at) VALUES
    ('incept', 'seat-1', 'success', '2025-09-01 10:00', '2025-09-01 10:10'),
    ('incept', 'seat-2', 'success', '2025-09-01 11:00', '2025-09-02 11:00'),
    ('incept', 'seat-2', 'failed',  '2025-09-01 12:00', '2025-09-02 12:00:01'),
    ('incept', 'seat-3', 'running', '2025-09-01 13:00', NULL),
    ('incept', 'seat-3', 'cancelled', '2025-09-01 13:00', NULL),
    ('incept', 'seat-1', 'success', '2025-09-02 10:00', '2025-09-02 10:20'),
    ('incept', NULL,     'running', now() + interval '1 second', NULL);
-- how many changes it tells of depends on the time of day
SET client_min_messages = warning;
SELECT refresh() > 0 AS refreshed;
RESET client_min_messages;
SELECT customer_id, day, jobs, round(success_rate, 2) AS success_rate, jobs_within_24h, jobs_beyond_24h, sla_24h_compliance_rate,
       round(p50_minutes::numeric, 0) AS p50_minutes, round(p99_minutes::numeric, 0) AS p99_minutes, active_seats
FROM sla_metrics WHERE customer_id = 'incept' AND day < '2025-10-01' ORDER BY day;
SELECT jobs, jobs_within_24h, jobs_beyond_24h, sla_24h_compliance_rate, active_seats FROM sla_metrics WHERE customer_id = 'incept' AND day >= '2025-10-01';
SELECT dimension, place, value, executions, cost FROM leaderboards WHERE place <= 2 AND dimension IN ('customer_id', 'package_id') ORDER BY dimension, place;

-- ---- charts

SELECT bar(value, 10, 5) || '|' AS bar FROM (VALUES (10), (5), (0.2), (0), (-3), (99), (NULL)) AS v (value);
SELECT bar(1, 0, 5) || '|' AS nothing;
SELECT sparkline('{1,2,3,8,NULL,0,-1}'), sparkline('{0,0}') AS zeros, sparkline('{}') AS nothing;

SET client_min_messages = warning;
DROP SCHEMA usage CASCADE;
