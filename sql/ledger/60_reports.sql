-- Reports. One function sums the cells that the read block composes; the reports choose its dimensions and its steps.

CREATE FUNCTION period_start(period text, time_zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN period = 'today' THEN date_trunc('day', now(), time_zone)
        WHEN period = 'week'  THEN date_trunc('week', now(), time_zone)
        WHEN period = 'month' THEN date_trunc('month', now(), time_zone)
        WHEN period = 'all'   THEN '-infinity'::timestamptz
        ELSE now() - period::interval END;
END;

COMMENT ON FUNCTION period_start(text, text) IS
'When a period up to now began: today, week (from Monday) or month in the time zone, all, or a length of time such as 24h or 30d.';

CREATE FUNCTION report_grain(step text, time_zone text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $report_grain$
BEGIN
    IF step NOT IN ('hour', 'day', 'week', 'month', 'quarter', 'year') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown step %L', step),
            HINT = 'The steps are hour, day, week, month, quarter and year.';
    END IF;
    RETURN CASE WHEN step <> 'hour' AND time_zone IN ('UTC', 'Etc/UTC', 'GMT') THEN 'day' ELSE 'quarter' END;
END
$report_grain$;

COMMENT ON FUNCTION report_grain(text, text) IS
'Grain of the cells that a report with such steps needs: whole UTC days where none is divided, else quarter hours. Raises 22023 for an unknown step.';

CREATE FUNCTION usage_report(
    dimensions text[] DEFAULT '{}', step text DEFAULT NULL,
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    starts timestamptz,
    customer_id text, project_id text, package_id text, section text, provider text, model text,
    environment text, customer_tier text, user_id text, api_key_id text,
    executions bigint, succeeded bigint, failed bigint, timed_out bigint, cancelled bigint, open bigint,
    success_rate numeric,
    input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
    reasoning_tokens bigint, total_tokens bigint,
    cost numeric, billed_cost numeric, shadow_cost numeric,
    unpriced bigint, unreported bigint, estimated bigint, byok bigint,
    avg_duration_ms numeric, min_duration_ms float8, max_duration_ms float8,
    p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8, avg_queue_time_ms numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT total.starts,
           total.customer_id, total.project_id, total.package_id, total.section, total.provider, total.model,
           total.environment, total.customer_tier, total.user_id, total.api_key_id,
           total.executions, total.succeeded, total.failed, total.timed_out, total.cancelled, total.open,
           100.0 * total.succeeded / nullif(total.executions - total.open, 0),
           total.input_tokens, total.cache_read_tokens, total.cache_write_tokens, total.output_tokens,
           total.reasoning_tokens,
           total.input_tokens + total.cache_read_tokens + total.cache_write_tokens + total.output_tokens,
           total.cost, total.billed_cost, total.shadow_cost,
           total.unpriced, total.unreported, total.estimated, total.byok,
           total.duration_us / 1000.0 / nullif(sketch_count(total.duration_sketch), 0),
           sketch_min(total.duration_sketch),
           sketch_max(total.duration_sketch),
           approx_percentile(total.duration_sketch, 0.5),
           approx_percentile(total.duration_sketch, 0.95),
           approx_percentile(total.duration_sketch, 0.99),
           total.queue_time_us / 1000.0 / nullif(sketch_count(total.queue_time_sketch), 0)
    FROM (
        SELECT CASE WHEN step IS NOT NULL THEN date_trunc(step, cell.bucket, time_zone) END AS starts,
               CASE WHEN 'customer_id'   = ANY (dimensions) THEN cell.customer_id   END AS customer_id,
               CASE WHEN 'project_id'    = ANY (dimensions) THEN cell.project_id    END AS project_id,
               CASE WHEN 'package_id'    = ANY (dimensions) THEN cell.package_id    END AS package_id,
               CASE WHEN 'section'       = ANY (dimensions) THEN cell.section       END AS section,
               CASE WHEN 'provider'      = ANY (dimensions) THEN cell.provider      END AS provider,
               CASE WHEN 'model'         = ANY (dimensions) THEN cell.model         END AS model,
               CASE WHEN 'environment'   = ANY (dimensions) THEN cell.environment   END AS environment,
               CASE WHEN 'customer_tier' = ANY (dimensions) THEN cell.customer_tier END AS customer_tier,
               CASE WHEN 'user_id'       = ANY (dimensions) THEN cell.user_id       END AS user_id,
               CASE WHEN 'api_key_id'    = ANY (dimensions) THEN cell.api_key_id    END AS api_key_id,
               coalesce(total(cell.executions), 0) AS executions, coalesce(total(cell.succeeded), 0) AS succeeded,
               coalesce(total(cell.failed), 0) AS failed, coalesce(total(cell.timed_out), 0) AS timed_out,
               coalesce(total(cell.cancelled), 0) AS cancelled, coalesce(total(cell.open), 0) AS open,
               coalesce(total(cell.unpriced), 0) AS unpriced, coalesce(total(cell.unreported), 0) AS unreported,
               coalesce(total(cell.estimated), 0) AS estimated, coalesce(total(cell.byok), 0) AS byok,
               coalesce(total(cell.input_tokens), 0) AS input_tokens, coalesce(total(cell.cache_read_tokens), 0) AS cache_read_tokens,
               coalesce(total(cell.cache_write_tokens), 0) AS cache_write_tokens, coalesce(total(cell.output_tokens), 0) AS output_tokens,
               coalesce(total(cell.reasoning_tokens), 0) AS reasoning_tokens,
               coalesce(trim_scale(total(cell.cost)), 0) AS cost, coalesce(trim_scale(total(cell.billed_cost)), 0) AS billed_cost,
               coalesce(trim_scale(total(cell.shadow_cost)), 0) AS shadow_cost,
               total(cell.duration_us) AS duration_us, total(cell.queue_time_us) AS queue_time_us,
               merge(cell.duration_sketch) AS duration_sketch, merge(cell.queue_time_sketch) AS queue_time_sketch
        FROM usage_read(
            coalesce(since, period_start(period, time_zone)), coalesce(until, 'infinity'), filter, dimensions,
            CASE WHEN step IS NULL THEN 'day' ELSE report_grain(step, time_zone) END) AS cell
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ) AS total
    WHERE total.executions <> 0 OR total.billed_cost <> 0;
END;

COMMENT ON FUNCTION usage_report(text[], text, text, timestamptz, timestamptz, jsonb, text) IS
'Usage grouped by any dimensions and, if step is given (hour, day, week, month, quarter, year), by time in the time zone. The range is [since, until), or the period up to now (today, week, month, all, or a length such as 24h or 30d), open at the end. Money in the currency of the ledger, rates in percent, NULL where nothing was finished or measured. Percentiles are within 0.54 % of a value that occurred.';

CREATE FUNCTION summary(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    executions bigint, succeeded bigint, failed bigint, timed_out bigint, cancelled bigint, open bigint,
    success_rate numeric,
    input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint,
    reasoning_tokens bigint, total_tokens bigint,
    cost numeric, billed_cost numeric, shadow_cost numeric,
    unpriced bigint, unreported bigint, estimated bigint, byok bigint,
    avg_duration_ms numeric, p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8,
    avg_queue_time_ms numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(r.executions, 0), coalesce(r.succeeded, 0), coalesce(r.failed, 0), coalesce(r.timed_out, 0),
           coalesce(r.cancelled, 0), coalesce(r.open, 0), r.success_rate,
           coalesce(r.input_tokens, 0), coalesce(r.cache_read_tokens, 0), coalesce(r.cache_write_tokens, 0),
           coalesce(r.output_tokens, 0), coalesce(r.reasoning_tokens, 0), coalesce(r.total_tokens, 0),
           coalesce(r.cost, 0), coalesce(r.billed_cost, 0), coalesce(r.shadow_cost, 0),
           coalesce(r.unpriced, 0), coalesce(r.unreported, 0), coalesce(r.estimated, 0), coalesce(r.byok, 0),
           r.avg_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms, r.avg_queue_time_ms
    FROM (SELECT) AS always
    LEFT JOIN usage_report('{}', NULL, period, since, until, filter, time_zone) AS r ON true;
END;

COMMENT ON FUNCTION summary(text, timestamptz, timestamptz, jsonb, text) IS
'Totals of a period: always one row, with zeros where nothing happened. See usage_report() for the arguments and the units.';

CREATE FUNCTION daily(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    day date, executions bigint, succeeded bigint, failed bigint, timed_out bigint, success_rate numeric,
    total_tokens bigint, cost numeric, unpriced bigint,
    avg_duration_ms numeric, p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH used AS (
        SELECT (r.starts AT TIME ZONE time_zone)::date AS day, r.*
        FROM usage_report('{}', 'day', period, since, until, filter, time_zone) AS r
    ), bounds AS (
        -- a range without a start has the days from the first to the last that was used
        SELECT nullif(range.since, '-infinity') AS since,
               nullif(coalesce(until, CASE WHEN range.since > '-infinity' THEN now() END), 'infinity') AS until
        FROM (SELECT coalesce(daily.since, period_start(period, time_zone)) AS since) AS range
    ), days AS (
        SELECT series::date AS day
        FROM bounds,
             generate_series(
                 least((bounds.since AT TIME ZONE time_zone)::date, (SELECT min(used.day) FROM used))::timestamp,
                 greatest(((bounds.until - interval '1 microsecond') AT TIME ZONE time_zone)::date, (SELECT max(used.day) FROM used))::timestamp,
                 interval '1 day') AS series
    )
    SELECT days.day, coalesce(used.executions, 0), coalesce(used.succeeded, 0), coalesce(used.failed, 0),
           coalesce(used.timed_out, 0), used.success_rate,
           coalesce(used.total_tokens, 0), coalesce(used.cost, 0), coalesce(used.unpriced, 0),
           used.avg_duration_ms, used.p50_duration_ms, used.p95_duration_ms, used.p99_duration_ms
    FROM days LEFT JOIN used USING (day)
    ORDER BY days.day;
END;

COMMENT ON FUNCTION daily(text, timestamptz, timestamptz, jsonb, text) IS
'One row per day of the time zone, days without usage included. See usage_report() for the arguments and the units.';

CREATE FUNCTION models(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    provider text, model text, executions bigint, share numeric, succeeded bigint, failed bigint, timed_out bigint,
    success_rate numeric, input_tokens bigint, output_tokens bigint, total_tokens bigint, cost numeric, unpriced bigint,
    avg_duration_ms numeric, p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT r.provider, r.model, r.executions,
           100.0 * r.executions / nullif(sum(r.executions) OVER (), 0),
           r.succeeded, r.failed, r.timed_out, r.success_rate,
           r.input_tokens, r.output_tokens, r.total_tokens, r.cost, r.unpriced,
           r.avg_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms
    FROM usage_report('{provider,model}', NULL, period, since, until, filter, time_zone) AS r
    ORDER BY r.executions DESC, r.provider, r.model;
END;

COMMENT ON FUNCTION models(text, timestamptz, timestamptz, jsonb, text) IS
'One row per model that was used, the most used first; share is its percentage of all executions of the range. See usage_report() for the arguments and the units.';

CREATE VIEW usage_aggregates WITH (security_invoker) AS
SELECT md5(jsonb_build_array(r.period_type, extract(epoch FROM r.starts), r.customer_id, r.package_id)::text)::uuid AS id,
       r.customer_id, r.package_id, r.period_type,
       r.starts AS period_start,
       (r.starts AT TIME ZONE 'UTC' + r.period_length) AT TIME ZONE 'UTC' AS period_end,
       r.executions AS total_executions,
       r.succeeded AS successful_executions,
       r.failed AS failed_executions,
       r.timed_out AS timeout_executions,
       r.unpriced AS unpriced_executions,
       r.total_tokens,
       r.cost AS total_cost,
       r.avg_duration_ms, r.min_duration_ms, r.max_duration_ms
FROM (
    SELECT 'daily' AS period_type, interval '1 day' AS period_length, day.*
    FROM usage_report('{customer_id,package_id}', 'day', 'all', time_zone => 'UTC') AS day
    UNION ALL
    SELECT 'weekly', interval '7 days', week.*
    FROM usage_report('{customer_id,package_id}', 'week', 'all', time_zone => 'UTC') AS week
    UNION ALL
    SELECT 'monthly', interval '1 month', month.*
    FROM usage_report('{customer_id,package_id}', 'month', 'all', time_zone => 'UTC') AS month
) AS r;

COMMENT ON VIEW usage_aggregates IS 'Totals per customer, package and UTC day, week (from Monday) and month, always current: stored days plus what is not folded yet';
COMMENT ON COLUMN usage_aggregates.id IS 'Identity made from the period, the customer and the package';
COMMENT ON COLUMN usage_aggregates.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN usage_aggregates.package_id IS 'Package, '''' for executions that name none';
COMMENT ON COLUMN usage_aggregates.period_type IS 'daily, weekly or monthly';
COMMENT ON COLUMN usage_aggregates.period_start IS 'First instant of the period';
COMMENT ON COLUMN usage_aggregates.period_end IS 'First instant after the period';
COMMENT ON COLUMN usage_aggregates.total_executions IS 'Executions, open ones included';
COMMENT ON COLUMN usage_aggregates.successful_executions IS 'Executions that succeeded';
COMMENT ON COLUMN usage_aggregates.failed_executions IS 'Executions that failed';
COMMENT ON COLUMN usage_aggregates.timeout_executions IS 'Executions that timed out';
COMMENT ON COLUMN usage_aggregates.unpriced_executions IS 'Executions whose cost is unknown and not in total_cost';
COMMENT ON COLUMN usage_aggregates.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN usage_aggregates.total_cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN usage_aggregates.avg_duration_ms IS 'Mean duration of the executions that have one, in milliseconds';
COMMENT ON COLUMN usage_aggregates.min_duration_ms IS 'Shortest duration, within 0.54 %';
COMMENT ON COLUMN usage_aggregates.max_duration_ms IS 'Longest duration, within 0.54 %';
