-- Exports: pinned columns, and the same figures as everywhere else.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT plan(16);

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

INSERT INTO execution_history (customer_id, project_id, section, provider, model, status, input_tokens, output_tokens, duration_ms, error_code, error_message, created_at) VALUES
    ('acme',   'bot', 'chat', 'openai', 'gpt-4o',  'success', 1000000, 100000, 1000, NULL,         NULL,                               '2025-01-01 12:00'),
    ('acme',   'bot', 'chat', 'openai', 'gpt-4o',  'success',  500000,  50000, 3000, NULL,         NULL,                               '2025-01-31 23:59:59.999999'),
    ('acme',   NULL,  NULL,   'openai', 'gpt-4',   'failed',     NULL,   NULL,  100, 'rate_limit', E'a "quote", a \\ and\n a line',    '2025-01-02 00:00'),
    ('globex', NULL,  NULL,   NULL,     NULL,      'success',      10,     20,  200, NULL,         NULL,                               '2025-01-04 03:00');

CREATE FUNCTION pg_temp.columns(view regclass) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 $$;

SELECT is(pg_temp.columns('export_executions'),
    'id created_at recorded_at started_at completed_at duration_ms queue_time_ms customer_id customer_tier project_id package_id package_name section user_id api_key_id environment source request_id reservation_id status error_code error_message provider model api service_tier region response_id usage input_tokens cache_read_tokens cache_write_tokens cache_write_1h_tokens output_tokens reasoning_tokens units total_tokens token_source pricing_model byok cost reported_cost shadow_cost price_id price_status credited_cost metadata deleted_at deleted_reason',
    'columns of executions');
SELECT is(pg_temp.columns('export_executions'), pg_temp.columns('execution_history'), 'which are all that there are');
SELECT is(pg_temp.columns('export_daily'),
    'day executions succeeded failed timed_out success_rate total_tokens cost unpriced avg_duration_ms p50_duration_ms p95_duration_ms p99_duration_ms', 'columns of days');
SELECT is(pg_temp.columns('export_models'),
    'provider model executions share succeeded failed timed_out success_rate input_tokens output_tokens total_tokens cost unpriced avg_duration_ms p50_duration_ms p95_duration_ms p99_duration_ms', 'columns of models');

-- the columns that FOCUS 1.2 makes mandatory, and those of them that may be null
SELECT is(pg_temp.columns('export_focus'), string_agg(attname, ' ' ORDER BY attname COLLATE "C"), 'FOCUS is in the order of the alphabet')
FROM pg_attribute WHERE attrelid = 'export_focus'::regclass AND attnum > 0;
CREATE TEMPORARY TABLE mandatory AS
SELECT name, name IN ('BillingAccountName', 'ChargeClass', 'ChargeDescription') AS may_be_null
FROM unnest('{BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,ContractedCost,EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,ServiceCategory,ServiceName}'::text[]) AS name;
SELECT is_empty($$ SELECT name FROM mandatory EXCEPT SELECT attname FROM pg_attribute WHERE attrelid = 'export_focus'::regclass $$, 'FOCUS has what is mandatory');
SELECT is_empty($$ SELECT name FROM mandatory, export_focus AS f WHERE NOT may_be_null AND to_jsonb(f) ->> name IS NULL $$, 'FOCUS has no null where none may be');
SELECT results_eq($$ SELECT "ChargePeriodStart", "ChargePeriodEnd", "BillingPeriodStart", "BillingPeriodEnd" FROM export_focus ORDER BY 1 DESC LIMIT 1 $$,
    $$ VALUES ('2025-01-31T00:00:00Z', '2025-02-01T00:00:00Z', '2025-01-01T00:00:00Z', '2025-02-01T00:00:00Z') $$, 'FOCUS tells times in its own format');

-- the same figures
SELECT results_eq('SELECT executions, cost, total_tokens FROM export_summary', 'SELECT executions, cost, total_tokens FROM summary(''all'')', 'the summary is summary()');
SELECT results_eq('SELECT * FROM export_daily', format('SELECT %s FROM daily(''all'')', replace(pg_temp.columns('export_daily'), ' ', ', ')), 'days are daily()');
SELECT set_eq('SELECT * FROM export_models', format('SELECT %s FROM models(''all'')', replace(pg_temp.columns('export_models'), ' ', ', ')), 'models are models()');
SELECT results_eq($$
    SELECT sum(cost), sum(executions)::bigint FROM export_daily UNION ALL SELECT sum(cost), sum(executions)::bigint FROM export_hourly
    UNION ALL SELECT sum(cost), sum(executions)::bigint FROM export_projects UNION ALL SELECT sum("BilledCost"), sum("x_Executions")::bigint FROM export_focus
$$, $$ SELECT billed_cost, executions FROM summary('all'), generate_series(1, 4) $$, 'every export adds up to the same');
SELECT results_eq('SELECT provider, model, status, error_code, executions FROM export_errors',
    $$ VALUES ('openai', 'gpt-4', 'failed', 'rate_limit', 1::bigint) $$, 'what did not succeed');

-- everything can be copied out, and executions in again
SELECT lives_ok(format('COPY (SELECT * FROM %s) TO PROGRAM ''cat >/dev/null'' (FORMAT csv, HEADER)', string_agg(oid::regclass::text, ') TO PROGRAM ''cat >/dev/null'' (FORMAT csv, HEADER); COPY (SELECT * FROM ')),
    'every table and view can be copied out')
FROM pg_class WHERE relnamespace = 'usage'::regnamespace AND relkind IN ('r', 'p', 'v', 'm');
CREATE TEMPORARY TABLE copied (LIKE execution_history);
SELECT format('COPY (SELECT * FROM export_executions) TO %L (FORMAT csv, HEADER)', current_setting('data_directory') || '/executions.csv') AS copy_out,
       format('COPY copied FROM %L (FORMAT csv, HEADER)', current_setting('data_directory') || '/executions.csv') AS copy_in \gset
:copy_out;
:copy_in;
SELECT set_eq('SELECT * FROM copied', 'SELECT * FROM execution_history', 'what was copied out is what was there');

SELECT is(count(DISTINCT relname), 8::bigint, 'a view for each file') FROM pg_class
WHERE relnamespace = 'usage'::regnamespace AND relkind = 'v' AND relname LIKE 'export\_%';

SELECT * FROM finish();
