-- Usage over time: one row per hour, day, week or month of a time zone, those without usage included.

CREATE TYPE usage_period AS (
    starts           timestamptz,
    executions       bigint,
    succeeded        bigint,
    failed           bigint,
    timed_out        bigint,
    success_rate     numeric,
    input_tokens     bigint,
    output_tokens    bigint,
    total_tokens     bigint,
    cost             numeric,
    unpriced         bigint,
    avg_duration_ms  numeric,
    p50_duration_ms  float8,
    p95_duration_ms  float8,
    p99_duration_ms  float8,
    change           bigint,
    change_percent   numeric
);

COMMENT ON TYPE usage_period IS 'What was used in one hour, day, week or month';
COMMENT ON COLUMN usage_period.starts IS 'When the period begins';
COMMENT ON COLUMN usage_period.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN usage_period.succeeded IS 'Executions with status success';
COMMENT ON COLUMN usage_period.failed IS 'Executions with status failed';
COMMENT ON COLUMN usage_period.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN usage_period.success_rate IS 'Percentage of the finished executions that succeeded; NULL if none was finished';
COMMENT ON COLUMN usage_period.input_tokens IS 'Uncached input tokens';
COMMENT ON COLUMN usage_period.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN usage_period.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN usage_period.cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN usage_period.unpriced IS 'Executions whose cost is unknown and not in cost';
COMMENT ON COLUMN usage_period.avg_duration_ms IS 'Mean duration of the executions that have one, in milliseconds';
COMMENT ON COLUMN usage_period.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_period.p95_duration_ms IS 'Duration that 95 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_period.p99_duration_ms IS 'Duration that 99 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_period.change IS 'Executions more than in the period before; NULL in the first of the report';
COMMENT ON COLUMN usage_period.change_percent IS 'The same in percent of the period before; NULL if that had none';

-- Hours are steps of real time, which a change of the clocks may begin at half past; longer steps are those of the calendar.
CREATE FUNCTION report_steps(step text, first timestamptz, last timestamptz, time_zone text) RETURNS SETOF timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $report_steps$
BEGIN
    IF first IS NULL OR last IS NULL THEN
        RETURN;
    ELSIF step <> 'hour' THEN
        RETURN QUERY
        SELECT local AT TIME ZONE time_zone
        FROM generate_series(date_trunc(step, first AT TIME ZONE time_zone), last AT TIME ZONE time_zone,
                             CASE step WHEN 'quarter' THEN '3 months' ELSE '1 ' || step END::interval) AS local;
    ELSIF report_grain(step, time_zone, first, last) = 'hour' THEN
        RETURN QUERY SELECT generate_series(floor_hour(first), last, '1 hour');
    ELSE
        RETURN QUERY
        SELECT DISTINCT date_trunc('hour', half, time_zone)
        FROM generate_series(first, last, '30 minutes') AS half;
    END IF;
END
$report_steps$;

COMMENT ON FUNCTION report_steps(text, timestamptz, timestamptz, text) IS
'When each hour, day, week, month, quarter or year of the time zone begins, from that which begins at first to that which begins at last';

CREATE FUNCTION timeline(
    step text,
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS SETOF usage_period
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $timeline$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH used AS (
        SELECT *
        FROM report_rows('{executions,succeeded,failed,timed_out,success_rate,input_tokens,output_tokens,total_tokens,cost,unpriced,'
                         'avg_duration_ms,p50_duration_ms,p95_duration_ms,p99_duration_ms}',
                         '{}', step, period, since, until, filter, time_zone)
    ), range AS (
        SELECT nullif(coalesce(timeline.since, period_start(period, time_zone)), '-infinity') AS since,
               nullif(coalesce(timeline.until, CASE WHEN coalesce(timeline.since, period_start(period, time_zone)) > '-infinity' THEN now() END), 'infinity') AS until
    ), bounds AS (
        -- a range without an end has the steps up to the last that was used, an empty one has none
        SELECT least(date_trunc(step, range.since, time_zone), min(used.starts)) AS first,
               greatest(date_trunc(step, range.until - interval '1 microsecond', time_zone), max(used.starts)) AS last
        FROM range LEFT JOIN used ON true
        GROUP BY range.since, range.until
        HAVING range.since < range.until OR range.since IS NULL OR range.until IS NULL
    )
    SELECT steps.starts,
           coalesce(used.executions, 0), coalesce(used.succeeded, 0), coalesce(used.failed, 0), coalesce(used.timed_out, 0),
           used.success_rate,
           coalesce(used.input_tokens, 0), coalesce(used.output_tokens, 0), coalesce(used.total_tokens, 0),
           coalesce(used.cost, 0), coalesce(used.unpriced, 0),
           used.avg_duration_ms, used.p50_duration_ms, used.p95_duration_ms, used.p99_duration_ms,
           coalesce(used.executions, 0) - lag(coalesce(used.executions, 0)) OVER before,
           100.0 * (coalesce(used.executions, 0) - lag(coalesce(used.executions, 0)) OVER before)
               / nullif(lag(coalesce(used.executions, 0)) OVER before, 0)
    FROM bounds
    CROSS JOIN LATERAL report_steps(step, bounds.first, bounds.last, time_zone) AS steps (starts)
    LEFT JOIN used ON used.starts = steps.starts
    WINDOW before AS (ORDER BY steps.starts)
    ORDER BY steps.starts;
END
$timeline$;

COMMENT ON FUNCTION timeline(text, text, timestamptz, timestamptz, jsonb, text) IS
'One row per step (hour, day, week, month, quarter or year) of the time zone, from the first to the last that the range touches, those without usage included. See usage_report() for the arguments and the units.';

CREATE FUNCTION hourly(
    period text DEFAULT '24h', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS SETOF usage_period
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM timeline('hour', period, since, until, filter, time_zone);
END;

CREATE FUNCTION weekly(
    period text DEFAULT '90d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS SETOF usage_period
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM timeline('week', period, since, until, filter, time_zone);
END;

CREATE FUNCTION monthly(
    period text DEFAULT '1 year', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS SETOF usage_period
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM timeline('month', period, since, until, filter, time_zone);
END;

COMMENT ON FUNCTION hourly(text, timestamptz, timestamptz, jsonb, text) IS 'timeline() by hours';
COMMENT ON FUNCTION weekly(text, timestamptz, timestamptz, jsonb, text) IS 'timeline() by weeks, which begin on Monday';
COMMENT ON FUNCTION monthly(text, timestamptz, timestamptz, jsonb, text) IS 'timeline() by months';

CREATE FUNCTION daily(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    day date, executions bigint, succeeded bigint, failed bigint, timed_out bigint, success_rate numeric,
    total_tokens bigint, cost numeric, unpriced bigint,
    avg_duration_ms numeric, p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8,
    change bigint, change_percent numeric, weekday_change bigint, weekday_change_percent numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT (t.starts AT TIME ZONE time_zone)::date, t.executions, t.succeeded, t.failed, t.timed_out, t.success_rate,
           t.total_tokens, t.cost, t.unpriced,
           t.avg_duration_ms, t.p50_duration_ms, t.p95_duration_ms, t.p99_duration_ms,
           t.change, t.change_percent,
           t.executions - lag(t.executions, 7) OVER before,
           100.0 * (t.executions - lag(t.executions, 7) OVER before) / nullif(lag(t.executions, 7) OVER before, 0)
    FROM timeline('day', period, since, until, filter, time_zone) AS t
    WINDOW before AS (ORDER BY t.starts)
    ORDER BY t.starts;
END;

COMMENT ON FUNCTION daily(text, timestamptz, timestamptz, jsonb, text) IS
'One row per day of the time zone, days without usage included. change is against the day before, weekday_change against the same weekday of the week before; NULL where that day lies before the range. See usage_report() for the arguments and the units.';

CREATE FUNCTION hourly_pattern(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    weekday integer, hour integer, executions bigint, share numeric, success_rate numeric, total_tokens bigint, cost numeric,
    avg_duration_ms numeric, p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT weekdays.weekday, hours.hour, coalesce(pattern.executions, 0),
           100.0 * coalesce(pattern.executions, 0) / nullif(sum(pattern.executions) OVER (), 0),
           100.0 * pattern.succeeded / nullif(pattern.finished, 0),
           coalesce(pattern.total_tokens, 0), coalesce(pattern.cost, 0),
           pattern.total_duration_ms / nullif(sketch_count(pattern.duration_sketch), 0),
           approx_percentile(pattern.duration_sketch, 0.5),
           approx_percentile(pattern.duration_sketch, 0.95),
           approx_percentile(pattern.duration_sketch, 0.99)
    FROM generate_series(1, 7) AS weekdays (weekday)
    CROSS JOIN generate_series(0, 23) AS hours (hour)
    LEFT JOIN (
        SELECT extract(isodow FROM r.starts AT TIME ZONE time_zone)::integer AS weekday,
               extract(hour FROM r.starts AT TIME ZONE time_zone)::integer AS hour,
               total(r.executions) AS executions, total(r.succeeded) AS succeeded, total(r.executions - r.open) AS finished,
               total(r.total_tokens) AS total_tokens, total(r.cost) AS cost,
               total(r.total_duration_ms) AS total_duration_ms, merge(r.duration_sketch) AS duration_sketch
        FROM usage_report('{}', 'hour', period, since, until, filter, time_zone) AS r
        GROUP BY 1, 2
    ) AS pattern ON pattern.weekday = weekdays.weekday AND pattern.hour = hours.hour
    ORDER BY weekdays.weekday, hours.hour;
END;

COMMENT ON FUNCTION hourly_pattern(text, timestamptz, timestamptz, jsonb, text) IS
'When in the week usage happens: 168 rows, one per weekday (1 is Monday) and hour (0 to 23) of the time zone, summed over the range; share is its percentage of all executions. See usage_report() for the arguments and the units.';
