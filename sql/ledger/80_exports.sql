-- Exports: views whose columns and rows have a pinned order, so that two exports of the same data are the same bytes, and a
-- workbook of a period. COPY takes a view as (SELECT * FROM export_daily). The script usage_meter_export.sql writes every
-- view named export_… to a file of its own: a view added here is a file added there.

CREATE VIEW export_executions WITH (security_invoker) AS
SELECT e.id, e.created_at, e.recorded_at, e.started_at, e.completed_at, e.duration_ms, e.queue_time_ms,
       e.customer_id, e.customer_tier, e.project_id, e.package_id, e.package_name, e.section, e.user_id,
       e.api_key_id, e.environment, e.source, e.request_id, e.reservation_id, e.status, e.error_code,
       e.error_message, e.provider, e.model, e.api, e.service_tier, e.region, e.response_id, e.usage, e.input_tokens,
       e.cache_read_tokens, e.cache_write_tokens, e.cache_write_1h_tokens, e.output_tokens, e.reasoning_tokens,
       e.units, e.total_tokens, e.token_source, e.pricing_model, e.byok, e.cost, e.reported_cost, e.shadow_cost,
       e.price_id, e.price_status, e.credited_cost, e.metadata, e.deleted_at, e.deleted_reason
FROM execution_history AS e
ORDER BY e.created_at, e.id;

COMMENT ON VIEW export_executions IS 'Every execution, deleted ones included, by time';
COMMENT ON COLUMN export_executions.id IS 'Identity, a version 7 UUID unless the caller gives one';
COMMENT ON COLUMN export_executions.created_at IS 'Event time: decides the price, the partition and every report';
COMMENT ON COLUMN export_executions.recorded_at IS 'Arrival: when the row was written';
COMMENT ON COLUMN export_executions.started_at IS 'When the work began';
COMMENT ON COLUMN export_executions.completed_at IS 'When the work ended, not before started_at';
COMMENT ON COLUMN export_executions.duration_ms IS 'Duration in milliseconds; completed_at - started_at where the caller gives none';
COMMENT ON COLUMN export_executions.queue_time_ms IS 'Time spent waiting before the start, in milliseconds';
COMMENT ON COLUMN export_executions.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN export_executions.customer_tier IS 'Tier of the customer at that time; may select a price';
COMMENT ON COLUMN export_executions.project_id IS 'Project of the customer';
COMMENT ON COLUMN export_executions.package_id IS 'Package (agent, workflow) that ran';
COMMENT ON COLUMN export_executions.package_name IS 'Its name for people';
COMMENT ON COLUMN export_executions.section IS 'Section (feature of the application) that asked';
COMMENT ON COLUMN export_executions.user_id IS 'User on whose behalf it ran';
COMMENT ON COLUMN export_executions.api_key_id IS 'API key (seat) that was used; never its secret';
COMMENT ON COLUMN export_executions.environment IS 'production, sandbox or another environment of the application';
COMMENT ON COLUMN export_executions.source IS 'System that recorded the execution; request_id is unique within it';
COMMENT ON COLUMN export_executions.request_id IS 'The caller''s own identity of the request: an execution that repeats one of the same customer and source is not written again; NULL or '''' for none';
COMMENT ON COLUMN export_executions.reservation_id IS 'Reservation that was made for it; it ends when the execution is final';
COMMENT ON COLUMN export_executions.status IS 'pending, running, success, failed, timeout or cancelled';
COMMENT ON COLUMN export_executions.error_code IS 'Code of the failure';
COMMENT ON COLUMN export_executions.error_message IS 'Text of the failure';
COMMENT ON COLUMN export_executions.provider IS 'Provider of the model';
COMMENT ON COLUMN export_executions.model IS 'Model that was used';
COMMENT ON COLUMN export_executions.api IS 'Flavour of the provider''s API, such as chat.completions or messages';
COMMENT ON COLUMN export_executions.service_tier IS 'Service tier that was charged, such as priority, flex or batch; may select a price';
COMMENT ON COLUMN export_executions.region IS 'Region in which the provider worked; may select a price';
COMMENT ON COLUMN export_executions.response_id IS 'The provider''s own identity of the response';
COMMENT ON COLUMN export_executions.usage IS 'The provider''s own report, as it came: a usage object or the response that holds one. It fills what the caller leaves out';
COMMENT ON COLUMN export_executions.input_tokens IS 'Uncached input tokens; NULL means not reported';
COMMENT ON COLUMN export_executions.cache_read_tokens IS 'Input tokens read from a cache, not part of input_tokens';
COMMENT ON COLUMN export_executions.cache_write_tokens IS 'Input tokens written to a cache, not part of input_tokens';
COMMENT ON COLUMN export_executions.cache_write_1h_tokens IS 'Those kept for an hour, a part of cache_write_tokens';
COMMENT ON COLUMN export_executions.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN export_executions.reasoning_tokens IS 'Reasoning tokens, a part of output_tokens';
COMMENT ON COLUMN export_executions.units IS 'What else was counted, as an object from unit to quantity: searches, output_images, input_seconds and any other, and parts of tokens such as output_audio_tokens';
COMMENT ON COLUMN export_executions.total_tokens IS 'input + cache read + cache write + output, stamped; NULL where none is reported';
COMMENT ON COLUMN export_executions.token_source IS 'Where the counts came from: reported, counted, estimated or unreported';
COMMENT ON COLUMN export_executions.pricing_model IS 'How the execution is charged, as the application names it';
COMMENT ON COLUMN export_executions.byok IS 'Paid with the customer''s own key at the provider: cost 0, the price goes to shadow_cost';
COMMENT ON COLUMN export_executions.cost IS 'Exact cost in the currency of the ledger, stamped from the price book; NULL while open or unpriced';
COMMENT ON COLUMN export_executions.reported_cost IS 'Cost that the caller gave';
COMMENT ON COLUMN export_executions.shadow_cost IS 'What it would have cost without the customer''s own key';
COMMENT ON COLUMN export_executions.price_id IS 'Price list that was applied';
COMMENT ON COLUMN export_executions.price_status IS 'pending, priced, unpriced, byok or reported';
COMMENT ON COLUMN export_executions.credited_cost IS 'Part of the cost that was given back by credit(); what counts in reports and bills is cost - credited_cost';
COMMENT ON COLUMN export_executions.metadata IS 'Anything else the application wants to keep';
COMMENT ON COLUMN export_executions.deleted_at IS 'When set, the execution has left analytics; it stays for audit and in billed_cost; set by delete_execution()';
COMMENT ON COLUMN export_executions.deleted_reason IS 'Why it was deleted';

CREATE VIEW export_summary WITH (security_invoker) AS
SELECT s.executions, s.succeeded, s.failed, s.timed_out, s.cancelled, s.open, s.success_rate, s.input_tokens,
       s.cache_read_tokens, s.cache_write_tokens, s.output_tokens, s.reasoning_tokens, s.total_tokens, s.cost,
       s.billed_cost, s.shadow_cost, s.unpriced, s.unreported, s.estimated, s.byok, s.avg_duration_ms,
       s.p50_duration_ms, s.p95_duration_ms, s.p99_duration_ms, s.avg_queue_time_ms
FROM summary('all') AS s;

COMMENT ON VIEW export_summary IS 'Totals of the whole ledger, one row';
COMMENT ON COLUMN export_summary.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN export_summary.succeeded IS 'Executions with status success';
COMMENT ON COLUMN export_summary.failed IS 'Executions with status failed';
COMMENT ON COLUMN export_summary.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN export_summary.cancelled IS 'Executions with status cancelled';
COMMENT ON COLUMN export_summary.open IS 'Executions with status pending or running';
COMMENT ON COLUMN export_summary.success_rate IS 'Succeeded executions in percent of the finished ones, NULL where none is finished';
COMMENT ON COLUMN export_summary.input_tokens IS 'Uncached input tokens';
COMMENT ON COLUMN export_summary.cache_read_tokens IS 'Input tokens read from a cache';
COMMENT ON COLUMN export_summary.cache_write_tokens IS 'Input tokens written to a cache';
COMMENT ON COLUMN export_summary.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN export_summary.reasoning_tokens IS 'Reasoning tokens, a part of output_tokens';
COMMENT ON COLUMN export_summary.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN export_summary.cost IS 'Cost of the executions that are not deleted, in the currency of the ledger';
COMMENT ON COLUMN export_summary.billed_cost IS 'Cost that stays billed: deleting an execution does not reduce it';
COMMENT ON COLUMN export_summary.shadow_cost IS 'What executions with the customer''s own key would have cost';
COMMENT ON COLUMN export_summary.unpriced IS 'Finished executions for which no price was known: their cost is not in cost';
COMMENT ON COLUMN export_summary.unreported IS 'Finished executions without any token count';
COMMENT ON COLUMN export_summary.estimated IS 'Executions whose token counts are estimates';
COMMENT ON COLUMN export_summary.byok IS 'Executions paid with the customer''s own key at the provider';
COMMENT ON COLUMN export_summary.avg_duration_ms IS 'Mean duration in milliseconds';
COMMENT ON COLUMN export_summary.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_summary.p95_duration_ms IS '95th percentile of the duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_summary.p99_duration_ms IS '99th percentile of the duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_summary.avg_queue_time_ms IS 'Mean queue time in milliseconds';

CREATE VIEW export_daily WITH (security_invoker) AS
SELECT d.day, d.executions, d.succeeded, d.failed, d.timed_out, d.success_rate, d.total_tokens, d.cost, d.unpriced,
       d.avg_duration_ms, d.p50_duration_ms, d.p95_duration_ms, d.p99_duration_ms
FROM daily('all') AS d
ORDER BY d.day;

COMMENT ON VIEW export_daily IS 'One row per day of the sessions time zone, from the first to the last that was used';
COMMENT ON COLUMN export_daily.day IS 'Day of the session''s time zone';
COMMENT ON COLUMN export_daily.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN export_daily.succeeded IS 'Executions with status success';
COMMENT ON COLUMN export_daily.failed IS 'Executions with status failed';
COMMENT ON COLUMN export_daily.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN export_daily.success_rate IS 'Succeeded executions in percent of the finished ones, NULL where none is finished';
COMMENT ON COLUMN export_daily.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN export_daily.cost IS 'Cost of the executions that are not deleted, in the currency of the ledger';
COMMENT ON COLUMN export_daily.unpriced IS 'Finished executions for which no price was known: their cost is not in cost';
COMMENT ON COLUMN export_daily.avg_duration_ms IS 'Mean duration in milliseconds';
COMMENT ON COLUMN export_daily.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_daily.p95_duration_ms IS '95th percentile of the duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_daily.p99_duration_ms IS '99th percentile of the duration in milliseconds, within 0.54 %';

CREATE VIEW export_hourly WITH (security_invoker) AS
SELECT r.starts, r.executions, r.succeeded, r.failed, r.timed_out, r.success_rate, r.total_tokens, r.cost, r.unpriced,
       r.avg_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms
FROM usage_report(step => 'hour', period => 'all') AS r
ORDER BY r.starts;

COMMENT ON VIEW export_hourly IS 'One row per hour that was used';
COMMENT ON COLUMN export_hourly.starts IS 'First instant of the hour';
COMMENT ON COLUMN export_hourly.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN export_hourly.succeeded IS 'Executions with status success';
COMMENT ON COLUMN export_hourly.failed IS 'Executions with status failed';
COMMENT ON COLUMN export_hourly.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN export_hourly.success_rate IS 'Succeeded executions in percent of the finished ones, NULL where none is finished';
COMMENT ON COLUMN export_hourly.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN export_hourly.cost IS 'Cost of the executions that are not deleted, in the currency of the ledger';
COMMENT ON COLUMN export_hourly.unpriced IS 'Finished executions for which no price was known: their cost is not in cost';
COMMENT ON COLUMN export_hourly.avg_duration_ms IS 'Mean duration in milliseconds';
COMMENT ON COLUMN export_hourly.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_hourly.p95_duration_ms IS '95th percentile of the duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_hourly.p99_duration_ms IS '99th percentile of the duration in milliseconds, within 0.54 %';

CREATE VIEW export_models WITH (security_invoker) AS
SELECT m.provider, m.model, m.executions, m.share, m.succeeded, m.failed, m.timed_out, m.success_rate, m.input_tokens,
       m.output_tokens, m.total_tokens, m.cost, m.unpriced, m.avg_duration_ms, m.p50_duration_ms, m.p95_duration_ms,
       m.p99_duration_ms
FROM models('all') AS m
ORDER BY m.provider COLLATE "C", m.model COLLATE "C";

COMMENT ON VIEW export_models IS 'One row per model that was used';
COMMENT ON COLUMN export_models.provider IS 'Provider, '''' if none';
COMMENT ON COLUMN export_models.model IS 'Model, '''' if none';
COMMENT ON COLUMN export_models.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN export_models.share IS 'Executions in percent of all executions';
COMMENT ON COLUMN export_models.succeeded IS 'Executions with status success';
COMMENT ON COLUMN export_models.failed IS 'Executions with status failed';
COMMENT ON COLUMN export_models.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN export_models.success_rate IS 'Succeeded executions in percent of the finished ones, NULL where none is finished';
COMMENT ON COLUMN export_models.input_tokens IS 'Uncached input tokens';
COMMENT ON COLUMN export_models.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN export_models.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN export_models.cost IS 'Cost of the executions that are not deleted, in the currency of the ledger';
COMMENT ON COLUMN export_models.unpriced IS 'Finished executions for which no price was known: their cost is not in cost';
COMMENT ON COLUMN export_models.avg_duration_ms IS 'Mean duration in milliseconds';
COMMENT ON COLUMN export_models.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_models.p95_duration_ms IS '95th percentile of the duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_models.p99_duration_ms IS '99th percentile of the duration in milliseconds, within 0.54 %';

CREATE VIEW export_projects WITH (security_invoker) AS
SELECT r.customer_id, r.project_id, r.executions, 100.0 * r.executions / nullif(sum(r.executions) OVER (), 0) AS share, r.succeeded, r.failed, r.timed_out, r.success_rate,
       r.input_tokens, r.output_tokens, r.total_tokens, r.cost, r.unpriced, r.avg_duration_ms, r.p50_duration_ms,
       r.p95_duration_ms, r.p99_duration_ms
FROM usage_report('{customer_id,project_id}', period => 'all') AS r
ORDER BY r.customer_id COLLATE "C", r.project_id COLLATE "C";

COMMENT ON VIEW export_projects IS 'One row per project of a customer that was used';
COMMENT ON COLUMN export_projects.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN export_projects.project_id IS 'Project, '''' if none';
COMMENT ON COLUMN export_projects.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN export_projects.share IS 'Executions in percent of all executions';
COMMENT ON COLUMN export_projects.succeeded IS 'Executions with status success';
COMMENT ON COLUMN export_projects.failed IS 'Executions with status failed';
COMMENT ON COLUMN export_projects.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN export_projects.success_rate IS 'Succeeded executions in percent of the finished ones, NULL where none is finished';
COMMENT ON COLUMN export_projects.input_tokens IS 'Uncached input tokens';
COMMENT ON COLUMN export_projects.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN export_projects.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN export_projects.cost IS 'Cost of the executions that are not deleted, in the currency of the ledger';
COMMENT ON COLUMN export_projects.unpriced IS 'Finished executions for which no price was known: their cost is not in cost';
COMMENT ON COLUMN export_projects.avg_duration_ms IS 'Mean duration in milliseconds';
COMMENT ON COLUMN export_projects.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_projects.p95_duration_ms IS '95th percentile of the duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN export_projects.p99_duration_ms IS '99th percentile of the duration in milliseconds, within 0.54 %';

CREATE VIEW export_errors WITH (security_invoker) AS
SELECT e.provider, e.model, e.status, e.error_code, count(*) AS executions,
       coalesce(trim_scale(sum(e.cost - coalesce(e.credited_cost, 0))), 0) AS cost,
       min(e.created_at) AS first_at, max(e.created_at) AS last_at, nullif(kept.dropped_until, '-infinity') AS counted_since
FROM retention AS kept, execution_history AS e
WHERE kept.table_name = 'execution_history' AND e.created_at >= kept.dropped_until
  AND e.status IN ('failed', 'timeout', 'cancelled') AND e.deleted_at IS NULL
GROUP BY e.provider, e.model, e.status, e.error_code, kept.dropped_until
ORDER BY e.provider COLLATE "C", e.model COLLATE "C", e.status COLLATE "C", e.error_code COLLATE "C";

COMMENT ON VIEW export_errors IS 'Executions that did not succeed, by model and code, of the time since which all are kept';
COMMENT ON COLUMN export_errors.provider IS 'Provider of the model';
COMMENT ON COLUMN export_errors.model IS 'Model that was used';
COMMENT ON COLUMN export_errors.status IS 'failed, timeout or cancelled';
COMMENT ON COLUMN export_errors.error_code IS 'Code of the failure, NULL if none was recorded';
COMMENT ON COLUMN export_errors.executions IS 'Executions that are not deleted';
COMMENT ON COLUMN export_errors.cost IS 'What they cost all the same, in the currency of the ledger, credits subtracted';
COMMENT ON COLUMN export_errors.first_at IS 'created_at of the first';
COMMENT ON COLUMN export_errors.last_at IS 'created_at of the last';
COMMENT ON COLUMN export_errors.counted_since IS 'Executions created before are not kept one by one and not counted here; NULL if all are kept';

-- FOCUS, the FinOps Open Cost and Usage Specification, version 1.2: every mandatory column and those conditional ones that
-- apply, in the order of the alphabet; columns of our own begin with x_ as it demands.
CREATE FUNCTION focus_time(instant timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');
END;

COMMENT ON FUNCTION focus_time(timestamptz) IS
'An instant in the date and time format of FOCUS: ISO 8601 in UTC, to the second';

CREATE VIEW export_focus WITH (security_invoker) AS
SELECT r.billed_cost AS "BilledCost",
       r.customer_id AS "BillingAccountId",
       NULL::text AS "BillingAccountName",
       'Customer' AS "BillingAccountType",
       ledger.currency AS "BillingCurrency",
       focus_time(date_trunc('month', r.starts, 'UTC') + interval '1 month') AS "BillingPeriodEnd",
       focus_time(date_trunc('month', r.starts, 'UTC')) AS "BillingPeriodStart",
       'Usage' AS "ChargeCategory",
       NULL::text AS "ChargeClass",
       format('%s executions of %s', r.executions, concat_ws(' ', nullif(r.provider, ''), coalesce(nullif(r.model, ''), 'no model'))) AS "ChargeDescription",
       'Usage-Based' AS "ChargeFrequency",
       focus_time(r.starts + interval '24 hours') AS "ChargePeriodEnd",
       focus_time(r.starts) AS "ChargePeriodStart",
       r.total_tokens AS "ConsumedQuantity",
       'Tokens' AS "ConsumedUnit",
       r.billed_cost AS "ContractedCost",
       r.billed_cost AS "EffectiveCost",
       coalesce(nullif(r.provider, ''), 'Unknown') AS "InvoiceIssuerName",
       r.billed_cost AS "ListCost",
       'Standard' AS "PricingCategory",
       r.total_tokens AS "PricingQuantity",
       'Tokens' AS "PricingUnit",
       coalesce(nullif(r.provider, ''), 'Unknown') AS "ProviderName",
       coalesce(nullif(r.provider, ''), 'Unknown') AS "PublisherName",
       'AI and Machine Learning' AS "ServiceCategory",
       coalesce(nullif(r.model, ''), 'Unknown') AS "ServiceName",
       'Generative AI' AS "ServiceSubcategory",
       concat_ws('/', coalesce(nullif(r.provider, ''), 'Unknown'), coalesce(nullif(r.model, ''), 'Unknown')) AS "SkuId",
       nullif(r.project_id, '') AS "SubAccountId",
       NULL::text AS "SubAccountName",
       CASE WHEN r.project_id <> '' THEN 'Project' END AS "SubAccountType",
       jsonb_build_object('environment', r.environment, 'section', r.section) AS "Tags",
       r.cache_read_tokens AS "x_CacheReadTokens",
       r.cache_write_tokens AS "x_CacheWriteTokens",
       r.executions AS "x_Executions",
       r.input_tokens AS "x_InputTokens",
       r.output_tokens AS "x_OutputTokens",
       r.unpriced AS "x_UnpricedExecutions"
FROM usage_report('{customer_id,project_id,section,provider,model,environment}', 'day', 'all', time_zone => 'UTC') AS r
CROSS JOIN ledger
ORDER BY r.starts, r.customer_id COLLATE "C", r.project_id COLLATE "C", r.section COLLATE "C", r.provider COLLATE "C",
         r.model COLLATE "C", r.environment COLLATE "C";

COMMENT ON VIEW export_focus IS 'Charges in the columns of FOCUS 1.2, one per UTC day, customer, project, section, model and environment';
COMMENT ON COLUMN export_focus."BilledCost" IS 'Cost that is billed. Executions without a known price add nothing: they are counted in x_UnpricedExecutions';
COMMENT ON COLUMN export_focus."BillingAccountId" IS 'Customer (tenant)';
COMMENT ON COLUMN export_focus."BillingAccountName" IS 'Not known here';
COMMENT ON COLUMN export_focus."BillingAccountType" IS 'What BillingAccountId names';
COMMENT ON COLUMN export_focus."BillingCurrency" IS 'Currency of the ledger';
COMMENT ON COLUMN export_focus."BillingPeriodEnd" IS 'First instant after the month, in UTC';
COMMENT ON COLUMN export_focus."BillingPeriodStart" IS 'First instant of the month, in UTC';
COMMENT ON COLUMN export_focus."ChargeCategory" IS 'All charges are for usage';
COMMENT ON COLUMN export_focus."ChargeClass" IS 'NULL: no charge corrects one of an earlier period';
COMMENT ON COLUMN export_focus."ChargeDescription" IS 'The charge in words';
COMMENT ON COLUMN export_focus."ChargeFrequency" IS 'All charges follow usage';
COMMENT ON COLUMN export_focus."ChargePeriodEnd" IS 'First instant after the day, in UTC';
COMMENT ON COLUMN export_focus."ChargePeriodStart" IS 'First instant of the day, in UTC';
COMMENT ON COLUMN export_focus."ConsumedQuantity" IS 'Tokens of all kinds';
COMMENT ON COLUMN export_focus."ConsumedUnit" IS 'Unit of ConsumedQuantity';
COMMENT ON COLUMN export_focus."ContractedCost" IS 'The same as BilledCost: no other price is known';
COMMENT ON COLUMN export_focus."EffectiveCost" IS 'The same as BilledCost: nothing is amortised';
COMMENT ON COLUMN export_focus."InvoiceIssuerName" IS 'Provider of the model';
COMMENT ON COLUMN export_focus."ListCost" IS 'The same as BilledCost: no other price is known';
COMMENT ON COLUMN export_focus."PricingCategory" IS 'All prices are agreed rates';
COMMENT ON COLUMN export_focus."PricingQuantity" IS 'Tokens of all kinds';
COMMENT ON COLUMN export_focus."PricingUnit" IS 'Unit of PricingQuantity';
COMMENT ON COLUMN export_focus."ProviderName" IS 'Provider of the model';
COMMENT ON COLUMN export_focus."PublisherName" IS 'Provider of the model';
COMMENT ON COLUMN export_focus."ServiceCategory" IS 'Category that the specification has for models';
COMMENT ON COLUMN export_focus."ServiceName" IS 'Model';
COMMENT ON COLUMN export_focus."ServiceSubcategory" IS 'Subcategory that the specification has for models';
COMMENT ON COLUMN export_focus."SkuId" IS 'Provider and model';
COMMENT ON COLUMN export_focus."SubAccountId" IS 'Project, NULL if none';
COMMENT ON COLUMN export_focus."SubAccountName" IS 'Not known here';
COMMENT ON COLUMN export_focus."SubAccountType" IS 'What SubAccountId names';
COMMENT ON COLUMN export_focus."Tags" IS 'Environment and section as a JSON object';
COMMENT ON COLUMN export_focus."x_CacheReadTokens" IS 'Input tokens read from a cache';
COMMENT ON COLUMN export_focus."x_CacheWriteTokens" IS 'Input tokens written to a cache';
COMMENT ON COLUMN export_focus."x_Executions" IS 'Executions';
COMMENT ON COLUMN export_focus."x_InputTokens" IS 'Uncached input tokens';
COMMENT ON COLUMN export_focus."x_OutputTokens" IS 'Output tokens, reasoning included';
COMMENT ON COLUMN export_focus."x_UnpricedExecutions" IS 'Executions whose price is not known and whose cost is in none of the columns';

CREATE FUNCTION report_xlsx(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS bytea
LANGUAGE sql STABLE
SET search_path FROM CURRENT
BEGIN ATOMIC
    SELECT to_xlsx(array_agg(ARRAY[sheet.name, format(sheet.query, args.report)] ORDER BY sheet.number), time_zone)
    FROM (SELECT format('period => %L, since => %L, until => %L, filter => %L, time_zone => %L',
                        period, since, until, filter, time_zone) AS report) AS args
    CROSS JOIN (VALUES
        (1, 'Summary',  'SELECT * FROM summary(%s)'),
        (2, 'Daily',    'SELECT * FROM daily(%s)'),
        (3, 'Models',   'SELECT * FROM models(%s)'),
        (4, 'Projects', 'SELECT value AS project_id, executions, share, succeeded, failed, timed_out, success_rate, error_rate, total_tokens,
                                cost, cost_share, cost_per_execution, unpriced, avg_duration_ms, p50_duration_ms, p95_duration_ms, p99_duration_ms
                         FROM projects(%s)'),
        (5, 'Hourly',   'SELECT starts, executions, succeeded, failed, timed_out, success_rate, total_tokens, cost, unpriced,
                                avg_duration_ms, p50_duration_ms, p95_duration_ms, p99_duration_ms
                         FROM usage_report(''{}'', ''hour'', %s) ORDER BY starts'),
        (6, 'Errors',   'SELECT * FROM errors(%s)')) AS sheet (number, name, query)
    -- their codes and messages are in no cube
    WHERE sheet.name <> 'Errors'
       OR coalesce(since, period_start(period, time_zone)) >= (SELECT kept.dropped_until FROM retention AS kept WHERE kept.table_name = 'execution_history');
END;

COMMENT ON FUNCTION report_xlsx(text, timestamptz, timestamptz, jsonb, text) IS
'A workbook (.xlsx) of a period, with the sheets Summary, Daily, Models, Projects, Hourly and, where all executions of the period are kept, Errors, all of one snapshot. See usage_report() for the arguments and the units, and to_xlsx() for what becomes of the values.';
