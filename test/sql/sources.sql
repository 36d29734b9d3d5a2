-- The five systems that are replaced: what their applications write, and what becomes of it.
SELECT create_usage_ledger();
SET timezone = 'UTC';
SET datestyle = 'ISO';
\pset null '(null)'
\set SHOW_CONTEXT never
SELECT create_source_views(source, source) FROM unnest('{partner_sla,dashboard,ai_usage_log,execution_history,api_usage}'::text[]) AS source;

-- errors
SELECT create_source_views('other', 'stripe');
SELECT create_source_views('other', 'api_usage', 'nowhere');
SELECT create_source_views('api_usage', 'api_usage');
SELECT count(*) FROM pg_namespace WHERE nspname = 'other';

-- ---- ai_usage_log

SET search_path = ai_usage_log;
SELECT name, display_name FROM sections ORDER BY place;
INSERT INTO users VALUES ('u1', 'ada', 'ada@example.com');
INSERT INTO ai_usage_log (user_id, section, prompt_tokens, completion_tokens, created_at) VALUES ('u1', 'chat', 10, 5, '2026-01-01')
RETURNING user_id, section, prompt_tokens, completion_tokens, total_tokens, success, metadata, cost;
INSERT INTO ai_usage_log (user_id, section, prompt_tokens, completion_tokens, total_tokens, response_time_ms, model_name, created_at)
VALUES ('u1', 'rag_pipeline', 900, 120, 1020, 2400, 'gpt-4', '2026-01-02') RETURNING total_tokens, cost;
INSERT INTO ai_usage_log (user_id, prompt_tokens, completion_tokens, total_tokens) VALUES ('u1', 1, 1, 3);
INSERT INTO ai_usage_log (user_id, total_tokens, success, error_message, created_at) VALUES ('u2', 7, false, 'rate limit', '2026-01-03')
RETURNING section, prompt_tokens, total_tokens;
INSERT INTO ai_usage_log (prompt_tokens, created_at) VALUES (3, '2026-01-04') RETURNING user_id = current_user AS is_me;
UPDATE ai_usage_log SET prompt_tokens = 1;
\copy ai_usage_log (user_id, section, prompt_tokens, completion_tokens, created_at) FROM STDIN
u3	chat	1	2	2026-01-05
u3	chat	3	4	2026-01-06
\.
SELECT created_at, username, section_display, tokens, response_time_band, status_badge FROM ai_usage_log_list WHERE user_id LIKE 'u_' ORDER BY created_at;
SELECT latency_band(ms) FROM unnest('{999.9, 1000, 2999, 3000, NULL}'::numeric[]) AS ms;
DELETE FROM ai_usage_log WHERE user_id = 'u3' AND prompt_tokens = 3;
SELECT count(*) FROM ai_usage_log WHERE user_id = 'u3';
SELECT deleted_reason ~ '^deleted from ai_usage_log by ' AS is_told FROM usage.execution_history WHERE deleted_at IS NOT NULL;

-- a model that one provider lists is his; more than one is nobody's
SELECT model, usage.model_provider(model) FROM unnest('{gpt-4,gpt-4o-2024-05-13,claude-3-opus-20240229,claude-3-opus@20240229,unheard-of}'::text[]) AS model;
SELECT usage.set_price('reseller', 'gpt-4', 1, 1) > 0 AS listed;
SELECT usage.model_provider('gpt-4');
DELETE FROM usage.prices WHERE provider = 'reseller';

-- ---- execution_history

SET search_path = execution_history;
INSERT INTO execution_history (id, customer_id, package_id, package_name, status, input_data, model_used, created_at, started_at)
VALUES ('00000000-0000-7000-8000-000000000001', 'acme', 'ticket-resolver', 'Ticket Resolver', 'running', '{"ticket": 1}', 'claude-sonnet-4-20250514', '2026-02-01 10:00', '2026-02-01 10:00')
RETURNING status, cost;
UPDATE execution_history SET status = 'success', output_data = '{"solved": true}', input_tokens = 1000, output_tokens = 100, completed_at = '2026-02-01 10:00:02.5'
WHERE customer_id = 'acme' RETURNING status, input_data, output_data, total_tokens, cost, duration_ms;
-- cached tokens that another application recorded stay when a column beside them changes
UPDATE usage.execution_history SET cache_read_tokens = 400, input_tokens = 600 WHERE customer_id = 'acme';
UPDATE execution_history SET customer_tier = 'premium' WHERE customer_id = 'acme' RETURNING input_tokens, total_tokens, customer_tier;
SELECT input_tokens, cache_read_tokens, cost FROM usage.execution_history WHERE customer_id = 'acme';
INSERT INTO execution_history (customer_id, cost, created_at) VALUES ('acme', 0.5, '2026-02-02') RETURNING cost, status, api_key_used;
INSERT INTO execution_history (customer_id, model_used, input_tokens, api_key_used, created_at) VALUES ('acme', 'gpt-4', 1000, true, '2026-02-03') RETURNING cost;
INSERT INTO execution_history (customer_id, status) VALUES ('acme', 'exploded');
UPDATE execution_history SET metadata = '{"deleted": true, "why": "test"}' WHERE cost = 0.5;
SELECT metadata - 'deleted_at' AS metadata FROM execution_history WHERE cost = 0.5;
SELECT metadata, deleted_reason FROM usage.execution_history WHERE cost = 0.5;
SELECT total_executions, total_cost FROM usage_aggregates WHERE customer_id = 'acme' AND period_type = 'monthly' ORDER BY total_cost, package_id;
UPDATE execution_history SET metadata = '{"why": "test"}' WHERE cost = 0.5;
SELECT total_executions, total_cost FROM usage_aggregates WHERE customer_id = 'acme' AND period_type = 'monthly' ORDER BY total_cost, package_id;
DELETE FROM execution_history WHERE cost = 0.5;
SELECT update_usage_aggregates() > 0 AS folded;
SELECT total_executions, total_cost FROM usage_aggregates WHERE customer_id = 'acme' AND period_type = 'monthly' ORDER BY total_cost, package_id;

-- ---- api_usage

SET search_path = api_usage;
INSERT INTO projects (id, name, client_name, budget_threshold_usd) VALUES ('p1', 'Support bot', 'Globex', 50), ('p2', 'No budget', NULL, NULL);
INSERT INTO projects (name) VALUES ('without an id') RETURNING id <> '' AS has_id;
SELECT id, name, client_name, budget_threshold_usd, budget_alert_threshold_percent, last_budget_alert_sent FROM projects WHERE id LIKE 'p_' ORDER BY id;
SELECT name, amount, period, scope FROM usage.budgets;
INSERT INTO api_usage (id, project_id, provider, model, input_tokens, output_tokens) VALUES ('call-1', 'p1', 'openai', 'gpt-4', 1500, 500)
RETURNING id, total_tokens, cost_usd;
INSERT INTO api_usage (id, project_id, provider, model, input_tokens, output_tokens) VALUES ('call-1', 'p1', 'openai', 'gpt-4', 1500, 500) RETURNING id;
\set VERBOSITY terse
INSERT INTO api_usage (id, project_id, provider, model, input_tokens, output_tokens) VALUES ('call-1', 'p1', 'openai', 'gpt-4', 1, 1);
\set VERBOSITY default
INSERT INTO api_usage (project_id, provider, model, cost_usd) VALUES ('p2', 'acme', 'unheard-of', 41) RETURNING id <> '' AS has_id, total_tokens, cost_usd;
-- a project without a customer is one; with one, the customer's
SELECT customer_id, project_id FROM usage.execution_history WHERE source = 'api_usage' ORDER BY project_id;
SELECT project_id, provider, model, input_tokens, cost_usd FROM api_usage WHERE project_id LIKE 'p_' ORDER BY project_id;
UPDATE projects SET budget_threshold_usd = 0.08 WHERE id = 'p1';
SELECT usage.set_budget('project p1', thresholds => '{"80": ["email:ops@example.com"], "100": []}') > 0 AS told;
SELECT count(*) FROM usage.check_budgets();
UPDATE projects SET budget_alert_threshold_percent = 90 WHERE id = 'p1';
SELECT percent, recipients FROM usage.budget_thresholds ORDER BY percent;
SELECT id, budget_threshold_usd, budget_alert_threshold_percent, last_budget_alert_sent IS NOT NULL AS was_sent FROM projects WHERE id = 'p1';
SELECT project_id, client_name, request_count, total_cost, budget, budget_level FROM project_usage WHERE project_id LIKE 'p_' ORDER BY project_id;
UPDATE projects SET budget_threshold_usd = NULL WHERE id = 'p1';
SELECT amount FROM usage.budgets;
DELETE FROM projects WHERE id = 'p1';
SELECT count(*) FROM projects WHERE id = 'p1';
SELECT count(*) FROM api_usage WHERE project_id = 'p1';
SELECT is_active FROM usage.budgets;

-- ---- partner_sla

SET search_path = partner_sla;
SELECT name, grade_level, subject FROM manifest_templates ORDER BY grade_level, name;
INSERT INTO partners (id, partner_code, name, lms_integration) VALUES ('incept', 'INCEPT', 'Incept', '{"canvas": true}');
INSERT INTO partners (partner_code) VALUES ('INCEPT');
\set VERBOSITY terse
INSERT INTO partners (name) VALUES ('without a code');
\set VERBOSITY default
UPDATE partners SET is_active = false WHERE partner_code = 'INCEPT' RETURNING id, is_active;
INSERT INTO api_keys (id, partner_code, seat_name, environment, request_count) VALUES ('k1', 'INCEPT', 'Teacher 1', 'sandbox', 7), ('k2', 'INCEPT', 'Teacher 1', 'production', 0);
INSERT INTO api_keys (partner_code, seat_name) VALUES ('NOBODY', 'Teacher 1');
INSERT INTO api_requests (request_id, api_key_id, method, endpoint, http_status, processing_ms, created_at)
VALUES ('r1', 'k1', 'POST', '/v1/videos', 202, 41.5, '2026-03-01'), ('r2', 'k2', 'GET', '/v1/videos/1', 404, 2, '2026-03-01'),
       ('r2', 'k2', 'GET', '/v1/videos/1', 404, 2, '2026-03-01'), ('r3', 'lost key', 'GET', '/v1/videos', 200, 1, '2026-03-01')
RETURNING request_id, partner_id, environment, seat_name, status;
UPDATE api_keys SET request_count = request_count + 1, is_active = false WHERE id = 'k1';
SELECT id, partner_code, seat_name, environment, is_active, request_count, revoked_at IS NOT NULL AS is_revoked FROM api_keys ORDER BY id;
SELECT request_id, method, endpoint, http_status, processing_ms, status FROM api_requests ORDER BY request_id;

INSERT INTO video_generations (request_id, api_key_id, template_id, render_status, submitted_at)
VALUES ('j1', 'k2', 'geometry_angles', 'queued', '2026-03-01 08:00'), ('j2', 'k2', NULL, NULL, '2026-03-01 09:00')
RETURNING request_id, environment, template_id, grade_level, subject, render_status, render_success;
INSERT INTO video_generations (request_id, partner_id, environment, render_success, manifest_to_mp4_minutes, submitted_at, grade_level)
VALUES ('j3', 'incept', 'production', true, 2000, '2026-03-01 10:00', 3), ('j4', 'incept', 'production', false, 5, '2026-03-01 11:00', 3);
UPDATE video_generations SET render_status = 'rendering', started_at = '2026-03-01 08:01' WHERE request_id = 'j1' RETURNING render_status, render_success;
UPDATE video_generations SET render_status = 'completed', completed_at = '2026-03-01 08:30' WHERE request_id = 'j1'
RETURNING render_status, render_success, manifest_to_mp4_minutes::numeric(10, 2);
UPDATE video_generations SET render_status = 'failed', error_message = 'corrupt' WHERE request_id = 'j1' RETURNING render_status, render_success;
UPDATE video_generations SET render_success = true WHERE request_id = 'j1' RETURNING render_status, render_success;
INSERT INTO video_generations (partner_id, render_status) VALUES ('incept', 'exploded');
SELECT request_id, render_status, render_success, completed_at, manifest_to_mp4_minutes::numeric(10, 2) AS minutes, grade_level, subject FROM video_generations ORDER BY request_id;
SET client_min_messages = warning;
SELECT usage.refresh() > 0 AS refreshed;
SELECT partner_code, date, total_jobs, round(success_rate, 1) AS success_rate, p50_manifest_to_mp4_minutes::numeric(10, 1) AS p50, jobs_within_24h, jobs_beyond_24h,
       round(sla_24h_compliance_rate, 1) AS compliance, active_seats
FROM sla_metrics WHERE partner_id = 'incept';
SELECT * FROM export_partners_and_api_keys;
SELECT request_id, seat_name, endpoint FROM export_api_requests;
SELECT request_id, round(success_rate, 1) AS success_rate FROM export_video_generations;
SELECT count(*) FROM export_manifest_templates;

-- ---- dashboard

SET search_path = dashboard;
SELECT usage('summary', 'all', "startDate" => '2026-01-01', "endDate" => '2026-02-28');
SELECT jsonb_array_length(usage('daily', "startDate" => '2026-01-01', "endDate" => '2026-01-16')) AS days;
SELECT usage('models', 'all', model => 'gpt-4', "startDate" => '2026-01-01', "endDate" => '2026-01-31');
SELECT usage('projects', 'all', "projectId" => 'p2');
SELECT jsonb_array_length(usage('hourly', 'all')) AS hours;
SELECT usage('errors', "startDate" => '2026-01-01', "endDate" => '2026-01-31');
SELECT array_agg(part ORDER BY part) FROM jsonb_object_keys(usage('export', 'all')) AS part;
SELECT usage('delete');
SELECT usage('summary', "startDate" => '2026-01-02', "endDate" => '2025-01-01');
SELECT post_usage('refresh');
SELECT filtered -> 'summary' ->> 'totalRequests' AS requests FROM post_usage('filter', '{"startDate": "2026-01-01", "endDate": "2026-01-31", "model": "gpt-4"}') AS filtered;

-- every surface shows what the others wrote, and nothing differs
SELECT (SELECT count(*) FROM ai_usage_log.ai_usage_log) AS ai_usage_log, (SELECT count(*) FROM execution_history.execution_history) AS execution_history,
       (SELECT count(*) FROM api_usage.api_usage) AS api_usage, (SELECT count(*) FROM usage.execution_history) AS executions;
SELECT * FROM usage.reconcile();

DROP SCHEMA partner_sla, dashboard, ai_usage_log, execution_history, api_usage, usage CASCADE;
