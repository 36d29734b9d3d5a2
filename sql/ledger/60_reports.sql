-- Totals of usage. One function sums the cells that the read block composes, by any dimensions and steps of time; all
-- other reports stand on it.

CREATE FUNCTION period_start(period text, time_zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $period_start$
BEGIN
    RETURN CASE
        WHEN period = 'today' THEN date_trunc('day', now(), time_zone)
        WHEN period = 'week'  THEN date_trunc('week', now(), time_zone)
        WHEN period = 'month' THEN date_trunc('month', now(), time_zone)
        WHEN period = 'all'   THEN '-infinity'
        ELSE now() - period::interval END;
EXCEPTION WHEN invalid_datetime_format OR datetime_field_overflow OR interval_field_overflow THEN
    RAISE invalid_parameter_value USING
        MESSAGE = format('unknown period %L', period),
        HINT = 'A period is today, week, month, all, or a length such as 24h or 30d.';
END
$period_start$;

COMMENT ON FUNCTION period_start(text, text) IS
'When a period up to now began: today, week (from Monday) or month in the time zone, all, or a length of time such as 24h or 30d. Raises 22023 for anything else.';

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
    p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8, avg_queue_time_ms numeric,
    total_duration_ms numeric, duration_sketch quantile_sketch)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $usage_report$
#variable_conflict use_variable
DECLARE
    needed text[] := needed_dimensions(filter, dimensions);
    grain  text := CASE WHEN step IS NULL THEN 'day' ELSE report_grain(step, time_zone) END;
    edges  timestamptz[] := read_edges(coalesce(since, period_start(period, time_zone)), coalesce(until, 'infinity'), needed, grain);
    starts text := CASE WHEN step IS NULL THEN 'NULL::timestamptz' ELSE 'date_trunc($3, bucket, $4)' END;
    groups text := array_to_string(dimensions || CASE WHEN step IS NOT NULL THEN starts END, ', ');
    shown  text := (
        SELECT string_agg(CASE WHEN name = ANY (dimensions) THEN name ELSE 'NULL::text' END || ' AS ' || name, ', ' ORDER BY number)
        FROM unnest(dimensions()) WITH ORDINALITY AS dimension (name, number));
BEGIN
    RETURN QUERY EXECUTE $$
        SELECT starts, customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id,
               executions, succeeded, failed, timed_out, cancelled, open,
               100.0 * succeeded / nullif(executions - open, 0),
               input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
               input_tokens + cache_read_tokens + cache_write_tokens + output_tokens,
               trim_scale(cost), trim_scale(billed_cost), trim_scale(shadow_cost),
               unpriced, unreported, estimated, byok,
               duration_us / 1000.0 / nullif(@extschema@.sketch_count(duration_sketch), 0),
               @extschema@.sketch_min(duration_sketch),
               @extschema@.sketch_max(duration_sketch),
               @extschema@.approx_percentile(duration_sketch, 0.5),
               @extschema@.approx_percentile(duration_sketch, 0.95),
               @extschema@.approx_percentile(duration_sketch, 0.99),
               queue_time_us / 1000.0 / nullif(@extschema@.sketch_count(queue_time_sketch), 0),
               coalesce(duration_us, 0) / 1000.0, duration_sketch
        FROM (
            SELECT $$ || starts || ' AS starts, ' || shown || $$,
                   coalesce(@extschema@.total(executions), 0) AS executions,
                   coalesce(@extschema@.total(succeeded), 0) AS succeeded,
                   coalesce(@extschema@.total(failed), 0) AS failed,
                   coalesce(@extschema@.total(timed_out), 0) AS timed_out,
                   coalesce(@extschema@.total(cancelled), 0) AS cancelled,
                   coalesce(@extschema@.total(open), 0) AS open,
                   coalesce(@extschema@.total(unpriced), 0) AS unpriced,
                   coalesce(@extschema@.total(unreported), 0) AS unreported,
                   coalesce(@extschema@.total(estimated), 0) AS estimated,
                   coalesce(@extschema@.total(byok), 0) AS byok,
                   coalesce(@extschema@.total(input_tokens), 0) AS input_tokens,
                   coalesce(@extschema@.total(cache_read_tokens), 0) AS cache_read_tokens,
                   coalesce(@extschema@.total(cache_write_tokens), 0) AS cache_write_tokens,
                   coalesce(@extschema@.total(output_tokens), 0) AS output_tokens,
                   coalesce(@extschema@.total(reasoning_tokens), 0) AS reasoning_tokens,
                   coalesce(@extschema@.total(cost), 0) AS cost,
                   coalesce(@extschema@.total(billed_cost), 0) AS billed_cost,
                   coalesce(@extschema@.total(shadow_cost), 0) AS shadow_cost,
                   @extschema@.total(duration_us) AS duration_us,
                   @extschema@.total(queue_time_us) AS queue_time_us,
                   @extschema@.merge(duration_sketch) AS duration_sketch,
                   @extschema@.merge(queue_time_sketch) AS queue_time_sketch
            FROM ($$ || read_query(edges, needed, filter) || $$) AS cell
            GROUP BY $$ || coalesce(nullif(groups, ''), '()') || $$
        ) AS total
        WHERE executions <> 0 OR billed_cost <> 0$$
    USING edges, filter, step, time_zone;
END
$usage_report$;

COMMENT ON FUNCTION usage_report(text[], text, text, timestamptz, timestamptz, jsonb, text) IS
'Usage grouped by any dimensions and, if step is given (hour, day, week, month, quarter, year), by time in the time zone. The range is [since, until), or the period up to now (today, week, month, all, or a length such as 24h or 30d), open at the end. Money in the currency of the ledger, rates in percent, NULL where nothing was finished or measured. Percentiles are within 0.54 % of a value that occurred; duration_sketch may be merged for those of several rows. The most general of the reports: others choose its dimensions and steps.';

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
