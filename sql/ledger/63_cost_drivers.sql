-- What made the cost change: a period beside the one before it.

CREATE FUNCTION cost_drivers(
    dimension text DEFAULT 'model',
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    value text, cost numeric, cost_before numeric, change numeric, change_percent numeric,
    executions bigint, executions_before bigint, cost_per_execution numeric, cost_per_execution_before numeric)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $cost_drivers$
#variable_conflict use_column
DECLARE
    first timestamptz := coalesce(cost_drivers.since, period_start(cost_drivers.period, cost_drivers.time_zone));
    last  timestamptz := coalesce(cost_drivers.until, now());
BEGIN
    IF NOT isfinite(first) OR NOT isfinite(last) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'a period without a start or an end has none before it',
            HINT = 'Use a length such as 30d, or since and until.';
    END IF;
    RETURN QUERY
    WITH used AS (
        SELECT 0 AS age, r.* FROM usage_report(ARRAY[cost_drivers.dimension], NULL, NULL, first, last, cost_drivers.filter, cost_drivers.time_zone) AS r
        UNION ALL
        SELECT 1, r.* FROM usage_report(ARRAY[cost_drivers.dimension], NULL, NULL, first - (last - first), first, cost_drivers.filter, cost_drivers.time_zone) AS r
    ), compared AS (
        SELECT coalesce(used.customer_id, used.project_id, used.package_id, used.section, used.provider, used.model, used.environment,
                        used.customer_tier, used.user_id, used.api_key_id) AS value,
               coalesce(sum(used.cost) FILTER (WHERE used.age = 0), 0) AS cost,
               coalesce(sum(used.cost) FILTER (WHERE used.age = 1), 0) AS cost_before,
               coalesce(sum(used.executions) FILTER (WHERE used.age = 0), 0)::bigint AS executions,
               coalesce(sum(used.executions) FILTER (WHERE used.age = 1), 0)::bigint AS executions_before
        FROM used
        GROUP BY 1
    )
    SELECT c.value, c.cost, c.cost_before, c.cost - c.cost_before, 100.0 * (c.cost - c.cost_before) / nullif(c.cost_before, 0),
           c.executions, c.executions_before, c.cost / nullif(c.executions, 0), c.cost_before / nullif(c.executions_before, 0)
    FROM compared AS c
    ORDER BY abs(c.cost - c.cost_before) DESC, c.value;
END
$cost_drivers$;

COMMENT ON FUNCTION cost_drivers(text, text, timestamptz, timestamptz, jsonb, text) IS
'One row per value of a dimension, what its cost was in the range and in the range of the same length before it, the largest change first; executions and cost per execution tell whether more was used or it became dearer. change_percent is NULL where there was no cost before. Raises 22023 for a range that is not finite. See usage_report() for the arguments and the units.';
