-- A dashboard that asks one endpoint for actions: GET /api/usage?action=daily&startDate=2025-01-01&endDate=2025-01-16.
-- Names of arguments and members are as it writes them, so that a gateway such as PostgREST passes its queries on as they are.

CREATE FUNCTION usage(
    action text DEFAULT 'summary', period text DEFAULT '30d', "startDate" date DEFAULT NULL, "endDate" date DEFAULT NULL,
    model text DEFAULT NULL, "projectId" text DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $usage$
DECLARE
    zone   text := current_setting('TimeZone');
    since  timestamptz := "startDate"::timestamp AT TIME ZONE zone;
    until  timestamptz := ("endDate" + 1)::timestamp AT TIME ZONE zone;
    filter jsonb := jsonb_strip_nulls(jsonb_build_object('model', usage.model, 'project_id', "projectId"));
BEGIN
    RETURN CASE action
        WHEN 'summary' THEN (
            SELECT jsonb_build_object(
                'totalRequests', s.executions, 'totalCost', s.cost, 'totalTokens', s.total_tokens,
                'averageResponseTime', s.avg_duration_ms / 1000, 'successRate', s.success_rate, 'period', period)
            FROM @ledger@.summary(period, since, until, filter, zone) AS s)
        WHEN 'daily' THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'date', d.day, 'requests', d.executions, 'cost', d.cost, 'tokens', d.total_tokens,
                'averageResponseTime', d.avg_duration_ms / 1000, 'change', d.change, 'changePercent', d.change_percent))
            FROM @ledger@.daily(period, since, until, filter, zone) AS d)
        WHEN 'models' THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'model', m.model, 'requests', m.executions, 'cost', m.cost, 'tokens', m.total_tokens, 'percentage', m.share))
            FROM @ledger@.models(period, since, until, filter, zone) AS m)
        WHEN 'projects' THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'projectId', p.value, 'name', coalesce(known.name, p.value), 'requests', p.executions, 'cost', p.cost,
                'tokens', p.total_tokens, 'percentage', p.share) ORDER BY p.executions DESC, p.value)
            FROM @ledger@.projects(period, since, until, filter, zone) AS p
            LEFT JOIN @ledger@.projects AS known ON known.project_id = p.value)
        WHEN 'hourly' THEN (
            SELECT jsonb_agg(jsonb_build_object('hour', h.hour, 'requests', h.requests, 'cost', h.cost) ORDER BY h.hour)
            FROM (SELECT hour, coalesce(sum(executions), 0) AS requests, coalesce(sum(cost), 0) AS cost
                  FROM @ledger@.hourly_pattern(period, since, until, filter, zone) GROUP BY hour) AS h)
        WHEN 'errors' THEN (
            SELECT jsonb_agg(jsonb_build_object(
                'type', e.error_class, 'requests', e.executions, 'cost', e.cost, 'timestamp', e.last_at))
            FROM @ledger@.errors(period, since, until, filter, zone) AS e)
        WHEN 'export' THEN (
            SELECT jsonb_object_agg(part, @schema@.usage(part, period, "startDate", "endDate", usage.model, "projectId"))
            FROM unnest('{summary,daily,models,projects}'::text[]) AS part)
        ELSE @schema@.refuse_action(action)
        END;
END
$usage$;

CREATE FUNCTION refuse_action(action text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $refuse_action$
BEGIN
    RAISE invalid_parameter_value USING
        MESSAGE = format('unknown action %L', action),
        HINT = 'The actions are summary, daily, models, projects, hourly, errors and export; and, to post, refresh and filter.';
END
$refuse_action$;

CREATE FUNCTION post_usage(action text, body jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $post_usage$
BEGIN
    IF action = 'refresh' THEN
        PERFORM @ledger@.refresh();
        RETURN '{"success": true, "message": "Usage data refreshed successfully!"}';
    ELSIF action = 'filter' THEN
        RETURN (
            SELECT jsonb_object_agg(part, @schema@.usage(
                       part, coalesce(body ->> 'period', '30d'), (body ->> 'startDate')::date, (body ->> 'endDate')::date,
                       body ->> 'model', body ->> 'projectId'))
            FROM unnest('{summary,daily,models,projects,hourly,errors}'::text[]) AS part);
    END IF;
    RETURN @schema@.refuse_action(action);
END
$post_usage$;

COMMENT ON FUNCTION usage(text, text, date, date, text, text) IS
'Answer to GET /api/usage: summary (an object); daily, models, projects, hourly or errors (an array, null where there is nothing); or export, the first four in one object. From startDate to endDate, both included, in the time zone of the session; or a period up to now. Costs in the currency of the ledger, times in seconds, rates in percent, rounded nowhere. Raises 22023 for an unknown action.';
COMMENT ON FUNCTION refuse_action(text) IS 'Raises 22023: there is no such action';
COMMENT ON FUNCTION post_usage(text, jsonb) IS
'Answer to POST /api/usage: refresh, which folds and computes the materialized views anew; or filter, whose body may have period, startDate, endDate, model and projectId, and which answers all that usage() can. Raises 22023 for an unknown action.';
