-- Answers in one piece, as applications ask for them: of a user, of the whole system, of a customer's month.

-- Whole days up to and with today, in the time zone
CREATE FUNCTION days_start(days integer, time_zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $days_start$
BEGIN
    IF days IS NULL OR days NOT BETWEEN 1 AND 366 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('a number of days from 1 to 366 is needed, not %s', coalesce(days::text, 'null')),
            HINT = 'Today is the last of them; 1 is today alone. For longer ranges give since and until to usage_report().';
    END IF;
    RETURN (date_trunc('day', now() AT TIME ZONE time_zone) - (days - 1) * interval '1 day') AT TIME ZONE time_zone;
END
$days_start$;

COMMENT ON FUNCTION days_start(integer, text) IS
'When the first of so many days of the time zone began, of which today is the last. Raises 22023 for a number that is not from 1 to 366.';

CREATE FUNCTION user_stats(
    user_id text, days integer DEFAULT 30, filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH range AS (
        SELECT days_start(days, time_zone) AS since, filter || jsonb_build_object('user_id', user_id) AS filter
    )
    SELECT jsonb_build_object(
        'user_id', user_id,
        'days', days,
        'summary', (SELECT to_jsonb(s) FROM summary(NULL, range.since, NULL, range.filter, time_zone) AS s),
        'sections', (SELECT coalesce(jsonb_agg(b), '[]') FROM breakdown('section', NULL, range.since, NULL, range.filter, time_zone) AS b),
        'daily', (SELECT coalesce(jsonb_agg(d), '[]') FROM daily(NULL, range.since, NULL, range.filter, time_zone) AS d),
        'recent', (SELECT coalesce(jsonb_agg(page.e), '[]') FROM (SELECT executions(NULL, range.since, NULL, range.filter, time_zone, 10) AS e) AS page))
    FROM range;
END;

COMMENT ON FUNCTION user_stats(text, integer, jsonb, text) IS
'What a user did in so many days up to today: summary(), breakdown() by section, daily() and the ten latest executions, as one JSON object. Raises 22023 for a number of days that is not from 1 to 366.';

CREATE FUNCTION global_stats(
    days integer DEFAULT 30, filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH range AS (
        SELECT days_start(days, time_zone) AS since
    )
    SELECT jsonb_build_object(
        'days', days,
        'summary', (SELECT to_jsonb(s) FROM summary(NULL, range.since, NULL, filter, time_zone) AS s),
        'sections', (SELECT coalesce(jsonb_agg(b), '[]') FROM breakdown('section', NULL, range.since, NULL, filter, time_zone) AS b),
        'models', (SELECT coalesce(jsonb_agg(m), '[]') FROM models(NULL, range.since, NULL, filter, time_zone) AS m),
        'top_users', (SELECT coalesce(jsonb_agg(t), '[]') FROM top('user_id', 10, 'executions', NULL, range.since, NULL, filter, time_zone) AS t))
    FROM range;
END;

COMMENT ON FUNCTION global_stats(integer, jsonb, text) IS
'What everybody whom the caller may see did in so many days up to today: summary(), breakdown() by section, models() and the ten users with most executions, as one JSON object. Raises 22023 for a number of days that is not from 1 to 366.';

CREATE FUNCTION current_month_cost(
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'), as_of timestamptz DEFAULT now())
RETURNS TABLE (current_month_cost numeric, daily_average numeric, projected_month_end_cost numeric, days_elapsed numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.cost,
           s.cost / nullif(month.days_elapsed, 0),
           s.cost / nullif(month.days_elapsed, 0) * month.days,
           month.days_elapsed
    FROM (SELECT bounds.starts,
                 extract(epoch FROM as_of - bounds.starts) / 86400 AS days_elapsed,
                 extract(epoch FROM bounds.ends - bounds.starts) / 86400 AS days
          FROM (SELECT date_trunc('month', as_of, time_zone) AS starts,
                       (date_trunc('month', as_of AT TIME ZONE time_zone) + interval '1 month') AT TIME ZONE time_zone AS ends) AS bounds) AS month,
         summary(NULL, month.starts, as_of + interval '1 microsecond', filter, time_zone) AS s;
END;

COMMENT ON FUNCTION current_month_cost(jsonb, text, timestamptz) IS
'Cost of the month of the time zone so far, the mean per day, and what the month will have cost if it goes on like that. days_elapsed counts the part of today that has passed, so that the figures are the same just before and just after midnight. NULL at the first instant of a month.';

-- Usage of a customer or of all, in the words of the trackers that this replaces

CREATE FUNCTION get_usage_stats(
    customer_id text, start_date date, end_date date, time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    total_executions bigint, successful_executions bigint, failed_executions bigint, timeout_executions bigint,
    success_rate numeric, total_tokens bigint, total_cost numeric, avg_duration_ms numeric, status_breakdown jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.executions, s.succeeded, s.failed, s.timed_out, s.success_rate, s.total_tokens, s.cost, s.avg_duration_ms,
           jsonb_build_object('success', s.succeeded, 'failed', s.failed, 'timeout', s.timed_out, 'cancelled', s.cancelled, 'open', s.open)
    FROM summary(NULL, start_date::timestamp AT TIME ZONE time_zone, (end_date + 1)::timestamp AT TIME ZONE time_zone,
                 jsonb_strip_nulls(jsonb_build_object('customer_id', customer_id)), time_zone) AS s;
END;

CREATE FUNCTION get_top_packages(
    customer_id text DEFAULT NULL, max_packages bigint DEFAULT 10, days integer DEFAULT 30,
    time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    package_id text, execution_count bigint, total_tokens bigint, total_cost numeric, cost_per_execution numeric,
    success_rate numeric, error_rate numeric, avg_duration_ms numeric, p95_duration_ms float8)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT t.value, t.executions, t.total_tokens, t.cost, t.cost_per_execution, t.success_rate, t.error_rate,
           t.avg_duration_ms, t.p95_duration_ms
    FROM top('package_id', max_packages, 'executions', NULL, days_start(days, time_zone), NULL,
             jsonb_strip_nulls(jsonb_build_object('customer_id', customer_id)), time_zone) AS t;
END;

CREATE FUNCTION get_daily_usage(
    customer_id text DEFAULT NULL, days integer DEFAULT 30, time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    date date, total_executions bigint, successful_executions bigint, failed_executions bigint, timeout_executions bigint,
    total_tokens bigint, total_cost numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT d.day, d.executions, d.succeeded, d.failed, d.timed_out, d.total_tokens, d.cost
    FROM daily(NULL, days_start(days, time_zone), NULL, jsonb_strip_nulls(jsonb_build_object('customer_id', customer_id)), time_zone) AS d;
END;

COMMENT ON FUNCTION get_usage_stats(text, date, date, text) IS
'Totals of a customer, or of all if it is NULL, from the start date to the end date, both included, in the time zone. status_breakdown is a JSON object from outcome to number of executions. success_rate in percent; rounded nowhere.';
COMMENT ON FUNCTION get_top_packages(text, bigint, integer, text) IS
'The packages with most executions of a customer, or of all if it is NULL, in so many days up to today. Raises 22023 for a number of days that is not from 1 to 366.';
COMMENT ON FUNCTION get_daily_usage(text, integer, text) IS
'One row per day, of a customer or of all if it is NULL, for so many days up to today. Raises 22023 for a number of days that is not from 1 to 366.';
