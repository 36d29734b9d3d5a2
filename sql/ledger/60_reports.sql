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

-- Most zones are whole hours from UTC. No zone is anything else for less than a week, and what holds for two years to come
-- holds for ever, as far as is known now.
CREATE FUNCTION report_grain(step text, time_zone text, since timestamptz, until timestamptz) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $report_grain$
DECLARE
    last timestamptz := CASE WHEN isfinite(until) THEN until ELSE now() + interval '2 years' END;
BEGIN
    IF step NOT IN ('hour', 'day', 'week', 'month', 'quarter', 'year') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown step %L', step),
            HINT = 'The steps are hour, day, week, month, quarter and year.';
    END IF;
    IF step <> 'hour' AND time_zone IN ('UTC', 'Etc/UTC', 'GMT') THEN
        RETURN 'day';
    ELSIF NOT isfinite(since) OR EXISTS (
        SELECT FROM generate_series(since, last + interval '7 days', '7 days') AS week
        WHERE date_trunc('hour', least(week, last), time_zone) <> floor_hour(least(week, last))) THEN
        RETURN 'quarter';
    END IF;
    RETURN 'hour';
END
$report_grain$;

COMMENT ON FUNCTION report_grain(text, text, timestamptz, timestamptz) IS
'Grain of the cells that a report of [since, until) with such steps needs: whole UTC days or hours where none is divided, else quarter hours. Raises 22023 for an unknown step.';

CREATE TYPE usage_totals AS (
    starts             timestamptz,
    customer_id        text,
    project_id         text,
    package_id         text,
    section            text,
    provider           text,
    model              text,
    environment        text,
    customer_tier      text,
    user_id            text,
    api_key_id         text,
    executions         bigint,
    succeeded          bigint,
    failed             bigint,
    timed_out          bigint,
    cancelled          bigint,
    open               bigint,
    success_rate       numeric,
    input_tokens       bigint,
    cache_read_tokens  bigint,
    cache_write_tokens bigint,
    output_tokens      bigint,
    reasoning_tokens   bigint,
    total_tokens       bigint,
    cost               numeric,
    billed_cost        numeric,
    shadow_cost        numeric,
    unpriced           bigint,
    unreported         bigint,
    estimated          bigint,
    byok               bigint,
    avg_duration_ms    numeric,
    min_duration_ms    float8,
    max_duration_ms    float8,
    p50_duration_ms    float8,
    p95_duration_ms    float8,
    p99_duration_ms    float8,
    avg_queue_time_ms  numeric,
    total_duration_ms  numeric,
    duration_sketch    quantile_sketch
);

COMMENT ON TYPE usage_totals IS 'What was used in one step of time by one combination of dimensions';
COMMENT ON COLUMN usage_totals.starts IS 'When the step of time begins; NULL without steps';
COMMENT ON COLUMN usage_totals.customer_id IS 'Customer (tenant), NULL if usage is not grouped by it; so for all dimensions, which are '''' for executions that name none';
COMMENT ON COLUMN usage_totals.project_id IS 'Project';
COMMENT ON COLUMN usage_totals.package_id IS 'Package';
COMMENT ON COLUMN usage_totals.section IS 'Section (feature of the application)';
COMMENT ON COLUMN usage_totals.provider IS 'Provider';
COMMENT ON COLUMN usage_totals.model IS 'Model';
COMMENT ON COLUMN usage_totals.environment IS 'Environment, such as production or sandbox';
COMMENT ON COLUMN usage_totals.customer_tier IS 'Tier of the customer at that time';
COMMENT ON COLUMN usage_totals.user_id IS 'User';
COMMENT ON COLUMN usage_totals.api_key_id IS 'API key (seat)';
COMMENT ON COLUMN usage_totals.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN usage_totals.succeeded IS 'Executions with status success';
COMMENT ON COLUMN usage_totals.failed IS 'Executions with status failed';
COMMENT ON COLUMN usage_totals.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN usage_totals.cancelled IS 'Executions with status cancelled';
COMMENT ON COLUMN usage_totals.open IS 'Executions with status pending or running';
COMMENT ON COLUMN usage_totals.success_rate IS 'Percentage of the finished executions that succeeded; NULL if none was finished';
COMMENT ON COLUMN usage_totals.input_tokens IS 'Uncached input tokens';
COMMENT ON COLUMN usage_totals.cache_read_tokens IS 'Input tokens read from a cache';
COMMENT ON COLUMN usage_totals.cache_write_tokens IS 'Input tokens written to a cache';
COMMENT ON COLUMN usage_totals.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN usage_totals.reasoning_tokens IS 'Reasoning tokens, a part of output_tokens';
COMMENT ON COLUMN usage_totals.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN usage_totals.cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN usage_totals.billed_cost IS 'Cost that stays billed: deleting an execution does not reduce it, only a credit does';
COMMENT ON COLUMN usage_totals.shadow_cost IS 'What executions with the customer''s own key would have cost';
COMMENT ON COLUMN usage_totals.unpriced IS 'Executions whose cost is unknown and not in cost';
COMMENT ON COLUMN usage_totals.unreported IS 'Finished executions without any token count';
COMMENT ON COLUMN usage_totals.estimated IS 'Executions whose token counts are estimates';
COMMENT ON COLUMN usage_totals.byok IS 'Executions paid with the customer''s own key at the provider';
COMMENT ON COLUMN usage_totals.avg_duration_ms IS 'Mean duration of the executions that have one, in milliseconds';
COMMENT ON COLUMN usage_totals.min_duration_ms IS 'Shortest duration in milliseconds; NULL if it is not known';
COMMENT ON COLUMN usage_totals.max_duration_ms IS 'Longest duration in milliseconds; NULL if it is not known';
COMMENT ON COLUMN usage_totals.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_totals.p95_duration_ms IS 'Duration that 95 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_totals.p99_duration_ms IS 'Duration that 99 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_totals.avg_queue_time_ms IS 'Mean queue time of the executions that have one, in milliseconds';
COMMENT ON COLUMN usage_totals.total_duration_ms IS 'Sum of durations in milliseconds';
COMMENT ON COLUMN usage_totals.duration_sketch IS 'Distribution of durations in milliseconds, to be merged for percentiles of several rows';

CREATE FUNCTION measure_expression(name text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE name
    WHEN 'success_rate' THEN '100.0 * succeeded / nullif(executions - open, 0)'
    WHEN 'total_tokens' THEN 'input_tokens + cache_read_tokens + cache_write_tokens + output_tokens'
    WHEN 'cost' THEN 'trim_scale(cost)'
    WHEN 'billed_cost' THEN 'trim_scale(billed_cost)'
    WHEN 'shadow_cost' THEN 'trim_scale(shadow_cost)'
    WHEN 'avg_duration_ms' THEN 'duration_us / 1000.0 / nullif(@extschema@.sketch_count(duration_sketch), 0)'
    WHEN 'min_duration_ms' THEN '@extschema@.sketch_min(duration_sketch)'
    WHEN 'max_duration_ms' THEN '@extschema@.sketch_max(duration_sketch)'
    WHEN 'p50_duration_ms' THEN '@extschema@.approx_percentile(duration_sketch, 0.5)'
    WHEN 'p95_duration_ms' THEN '@extschema@.approx_percentile(duration_sketch, 0.95)'
    WHEN 'p99_duration_ms' THEN '@extschema@.approx_percentile(duration_sketch, 0.99)'
    WHEN 'avg_queue_time_ms' THEN 'queue_time_us / 1000.0 / nullif(@extschema@.sketch_count(queue_time_sketch), 0)'
    WHEN 'total_duration_ms' THEN 'coalesce(duration_us, 0) / 1000.0'
    ELSE name END;

COMMENT ON FUNCTION measure_expression(text) IS 'How a column of usage_totals is computed from the sums of cells';

CREATE FUNCTION report_query(measures text[], dimensions text[], step text, grain text, source text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $report_query$
DECLARE
    starts  text := CASE
        WHEN step IS NULL THEN 'NULL::timestamptz'
        WHEN step = 'hour' AND grain = 'hour' THEN 'floor_hour(bucket)'
        ELSE 'date_trunc($3, bucket, $4)' END;
    groups  text := array_to_string(dimensions || CASE WHEN step IS NOT NULL THEN starts END, ', ');
    grouped text;
    shown   text;
BEGIN
    SELECT string_agg(CASE WHEN name = ANY (dimensions) THEN name ELSE 'NULL::text' END || ' AS ' || name, ', ' ORDER BY number)
    INTO grouped
    FROM unnest(dimensions()) WITH ORDINALITY AS dimension (name, number);
    SELECT string_agg(CASE WHEN a.attname = 'starts' OR a.attname = ANY (dimensions() || measures) THEN measure_expression(a.attname)
                           ELSE 'NULL::' || format_type(a.atttypid, NULL) END, ', ' ORDER BY a.attnum)
    INTO shown
    FROM pg_attribute AS a
    WHERE a.attrelid = 'usage_totals'::regclass AND NOT a.attisdropped;

    RETURN 'SELECT ' || shown || ' FROM (SELECT ' || starts || ' AS starts, ' || grouped || $$,
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
                   @extschema@.sketch_unpack(@extschema@.merge(duration_sketch)) AS duration_sketch,
                   @extschema@.merge(queue_time_sketch) AS queue_time_sketch
            FROM ($$ || source || $$) AS cell
            GROUP BY $$ || coalesce(nullif(groups, ''), '()') || $$
        ) AS total
        WHERE executions <> 0 OR billed_cost <> 0$$;
END
$report_query$;

COMMENT ON FUNCTION report_query(text[], text[], text, text, text) IS
'The query that sums the cells of source, a query of cells of the grain, as usage_totals. Its parameters: those of source, $3 the step, $4 the time zone. Part of report_rows().';

CREATE FUNCTION report_rows(measures text[], dimensions text[], step text, period text, since timestamptz, until timestamptz, filter jsonb, time_zone text)
RETURNS SETOF usage_totals
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
-- a plan that is kept knows nothing of how many executions there are, and to sort them is the worse mistake
SET enable_sort = off
AS $report_rows$
DECLARE
    needed text[] := needed_dimensions(filter, dimensions);
    first  timestamptz := coalesce(since, period_start(period, time_zone));
    last   timestamptz := coalesce(until, 'infinity');
    grain  text := CASE WHEN step IS NULL THEN 'day' ELSE report_grain(step, time_zone, first, last) END;
    edges  timestamptz[] := read_edges(first, last, needed, grain);
    query  text := report_query(measures, dimensions, step, grain, read_query(edges, needed, filter, grain));
BEGIN
    RETURN QUERY SELECT * FROM @extschema@.run_query(NULL::usage_totals, query, is_one_customer(filter), edges, filter, step, time_zone);
END
$report_rows$;

COMMENT ON FUNCTION report_rows(text[], text[], text, text, timestamptz, timestamptz, jsonb, text) IS
'usage_report() with only those measures; the others are NULL, and cost nothing';

CREATE FUNCTION usage_report(
    dimensions text[] DEFAULT '{}', step text DEFAULT NULL,
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS SETOF usage_totals
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT *
    FROM report_rows('{executions,succeeded,failed,timed_out,cancelled,open,success_rate,'
                     'input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens,total_tokens,'
                     'cost,billed_cost,shadow_cost,unpriced,unreported,estimated,byok,'
                     'avg_duration_ms,min_duration_ms,max_duration_ms,p50_duration_ms,p95_duration_ms,p99_duration_ms,'
                     'avg_queue_time_ms,total_duration_ms,duration_sketch}',
                     dimensions, step, period, since, until, filter, time_zone);
END;

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
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $summary$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT coalesce(r.executions, 0), coalesce(r.succeeded, 0), coalesce(r.failed, 0), coalesce(r.timed_out, 0),
           coalesce(r.cancelled, 0), coalesce(r.open, 0), r.success_rate,
           coalesce(r.input_tokens, 0), coalesce(r.cache_read_tokens, 0), coalesce(r.cache_write_tokens, 0),
           coalesce(r.output_tokens, 0), coalesce(r.reasoning_tokens, 0), coalesce(r.total_tokens, 0),
           coalesce(r.cost, 0), coalesce(r.billed_cost, 0), coalesce(r.shadow_cost, 0),
           coalesce(r.unpriced, 0), coalesce(r.unreported, 0), coalesce(r.estimated, 0), coalesce(r.byok, 0),
           r.avg_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms, r.avg_queue_time_ms
    FROM (SELECT) AS always
    LEFT JOIN report_rows('{executions,succeeded,failed,timed_out,cancelled,open,success_rate,'
                          'input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens,total_tokens,'
                          'cost,billed_cost,shadow_cost,unpriced,unreported,estimated,byok,'
                          'avg_duration_ms,p50_duration_ms,p95_duration_ms,p99_duration_ms,avg_queue_time_ms}',
                          '{}', NULL, period, since, until, filter, time_zone) AS r ON true;
END
$summary$;

COMMENT ON FUNCTION summary(text, timestamptz, timestamptz, jsonb, text) IS
'Totals of a period: always one row, with zeros where nothing happened. See usage_report() for the arguments and the units.';
