-- Usage by customer, project, package, section, provider, model, environment, tier, user or seat, with shares of the whole.

CREATE TYPE usage_share AS (
    value               text,
    executions          bigint,
    share               numeric,
    succeeded           bigint,
    failed              bigint,
    timed_out           bigint,
    success_rate        numeric,
    error_rate          numeric,
    total_tokens        bigint,
    cost                numeric,
    cost_share          numeric,
    cost_per_execution  numeric,
    unpriced            bigint,
    avg_duration_ms     numeric,
    p50_duration_ms     float8,
    p95_duration_ms     float8,
    p99_duration_ms     float8
);

COMMENT ON TYPE usage_share IS 'What one value of a dimension used, and its share of the whole';
COMMENT ON COLUMN usage_share.value IS 'Value of the dimension; '''' for executions that name none; NULL for all that are not among the first n';
COMMENT ON COLUMN usage_share.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN usage_share.share IS 'Percentage of all executions';
COMMENT ON COLUMN usage_share.succeeded IS 'Executions with status success';
COMMENT ON COLUMN usage_share.failed IS 'Executions with status failed';
COMMENT ON COLUMN usage_share.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN usage_share.success_rate IS 'Percentage of the finished executions that succeeded; NULL if none was finished';
COMMENT ON COLUMN usage_share.error_rate IS 'Percentage of the finished executions that failed or timed out; NULL if none was finished';
COMMENT ON COLUMN usage_share.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN usage_share.cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN usage_share.cost_share IS 'Percentage of the whole cost';
COMMENT ON COLUMN usage_share.cost_per_execution IS 'Mean cost of an execution';
COMMENT ON COLUMN usage_share.unpriced IS 'Executions whose cost is unknown and not in cost';
COMMENT ON COLUMN usage_share.avg_duration_ms IS 'Mean duration of the executions that have one, in milliseconds';
COMMENT ON COLUMN usage_share.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_share.p95_duration_ms IS 'Duration that 95 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON COLUMN usage_share.p99_duration_ms IS 'Duration that 99 % do not exceed, in milliseconds, within 0.54 %';

CREATE FUNCTION breakdown_measure("by" text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $breakdown_measure$
DECLARE
    known text[] := ARRAY['executions', 'cost', 'total_tokens', 'errors', 'error_rate', 'avg_duration_ms', 'p95_duration_ms'];
BEGIN
    IF "by" IS NULL OR "by" <> ALL (known) THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('a breakdown cannot be ordered by %L', "by"),
            HINT = format('It can be ordered by %s.', array_to_string(known, ', '));
    END IF;
    RETURN "by";
END
$breakdown_measure$;

COMMENT ON FUNCTION breakdown_measure(text) IS
'The measure by which a breakdown is ordered. Raises 22023 for one that does not exist.';

CREATE FUNCTION breakdown(
    dimension text,
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'),
    n bigint DEFAULT NULL, "by" text DEFAULT 'executions')
RETURNS SETOF usage_share
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $breakdown$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH used AS (
        SELECT coalesce(r.customer_id, r.project_id, r.package_id, r.section, r.provider, r.model, r.environment,
                        r.customer_tier, r.user_id, r.api_key_id) AS value,
               r.executions, r.succeeded, r.failed, r.timed_out, r.executions - r.open AS finished, r.total_tokens, r.cost,
               r.unpriced, r.total_duration_ms, r.duration_sketch,
               sum(r.executions) OVER () AS all_executions,
               sum(r.cost) OVER () AS all_cost,
               CASE breakdown_measure("by")
                   WHEN 'executions' THEN r.executions
                   WHEN 'cost' THEN r.cost
                   WHEN 'total_tokens' THEN r.total_tokens
                   WHEN 'errors' THEN r.failed + r.timed_out
                   WHEN 'error_rate' THEN (r.failed + r.timed_out)::numeric / nullif(r.executions - r.open, 0)
                   WHEN 'avg_duration_ms' THEN r.avg_duration_ms
                   ELSE r.p95_duration_ms::numeric END AS measure
        FROM report_rows('{executions,succeeded,failed,timed_out,open,total_tokens,cost,unpriced,avg_duration_ms,p95_duration_ms,'
                         'total_duration_ms,duration_sketch}',
                         ARRAY[dimension], NULL, period, since, until,
                         CASE dimension WHEN 'customer_id' THEN filter ELSE filter - dimension END, time_zone) AS r
    ), placed AS (
        SELECT used.*, row_number() OVER (ORDER BY n IS NOT NULL AND used.value = '', used.measure DESC NULLS LAST, used.value) AS place
        FROM used
        WHERE filter -> dimension IS NULL OR is_one_of(used.value, filter -> dimension)
    )
    SELECT CASE WHEN least(placed.place, n + 1) <= n OR n IS NULL THEN min(placed.value) END,
           @extschema@.total(placed.executions),
           100.0 * @extschema@.total(placed.executions) / nullif(min(placed.all_executions), 0),
           @extschema@.total(placed.succeeded), @extschema@.total(placed.failed), @extschema@.total(placed.timed_out),
           100.0 * @extschema@.total(placed.succeeded) / nullif(@extschema@.total(placed.finished), 0),
           100.0 * @extschema@.total(placed.failed + placed.timed_out) / nullif(@extschema@.total(placed.finished), 0),
           @extschema@.total(placed.total_tokens),
           @extschema@.total(placed.cost),
           100.0 * @extschema@.total(placed.cost) / nullif(min(placed.all_cost), 0),
           @extschema@.total(placed.cost) / nullif(@extschema@.total(placed.executions), 0),
           @extschema@.total(placed.unpriced),
           @extschema@.total(placed.total_duration_ms) / nullif(@extschema@.sketch_count(@extschema@.merge(placed.duration_sketch)), 0),
           @extschema@.approx_percentile(@extschema@.merge(placed.duration_sketch), 0.5),
           @extschema@.approx_percentile(@extschema@.merge(placed.duration_sketch), 0.95),
           @extschema@.approx_percentile(@extschema@.merge(placed.duration_sketch), 0.99)
    FROM placed
    GROUP BY least(placed.place, n + 1)
    ORDER BY least(placed.place, n + 1);
END
$breakdown$;

COMMENT ON FUNCTION breakdown(text, text, timestamptz, timestamptz, jsonb, text, bigint, text) IS
'One row per value of a dimension, the largest first by executions, cost, total_tokens, errors, error_rate, avg_duration_ms or p95_duration_ms. With n, only the first n values have a row, and a last row, whose value is NULL, holds all others and, if there are more than n, the executions that name none. share is the percentage of all executions of the range that the rest of the filter admits: a filter by the dimension itself chooses rows and not the whole, unless it is by customer. See usage_report() for the arguments and the units.';

CREATE FUNCTION projects(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'), n bigint DEFAULT NULL)
RETURNS SETOF usage_share
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM breakdown('project_id', period, since, until, filter, time_zone, n);
END;

COMMENT ON FUNCTION projects(text, timestamptz, timestamptz, jsonb, text, bigint) IS 'breakdown() by project';

CREATE FUNCTION top(
    dimension text, n bigint DEFAULT 10, "by" text DEFAULT 'executions',
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS SETOF usage_share
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT * FROM breakdown(dimension, period, since, until, filter, time_zone, n, "by") AS b WHERE b.value <> '';
END;

COMMENT ON FUNCTION top(text, bigint, text, text, timestamptz, timestamptz, jsonb, text) IS
'The first n values of a breakdown(), without those who name none and without the row of all others';

CREATE FUNCTION models(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    provider text, model text, executions bigint, share numeric, succeeded bigint, failed bigint, timed_out bigint,
    success_rate numeric, error_rate numeric, input_tokens bigint, output_tokens bigint, total_tokens bigint,
    cost numeric, cost_share numeric, cost_per_execution numeric, unpriced bigint,
    avg_duration_ms numeric, p50_duration_ms float8, p95_duration_ms float8, p99_duration_ms float8)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $models$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT r.provider, r.model, r.executions,
           100.0 * r.executions / nullif(r.all_executions, 0),
           r.succeeded, r.failed, r.timed_out, r.success_rate,
           100.0 * (r.failed + r.timed_out) / nullif(r.executions - r.open, 0),
           r.input_tokens, r.output_tokens, r.total_tokens,
           r.cost, 100.0 * r.cost / nullif(r.all_cost, 0), r.cost / nullif(r.executions, 0), r.unpriced,
           r.avg_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms
    FROM (
        SELECT used.*, sum(used.executions) OVER () AS all_executions, sum(used.cost) OVER () AS all_cost
        FROM report_rows('{executions,succeeded,failed,timed_out,open,success_rate,input_tokens,output_tokens,total_tokens,cost,unpriced,'
                         'avg_duration_ms,p50_duration_ms,p95_duration_ms,p99_duration_ms}',
                         '{provider,model}', NULL, period, since, until, filter - 'model', time_zone) AS used
    ) AS r
    WHERE filter -> 'model' IS NULL OR is_one_of(r.model, filter -> 'model')
    ORDER BY r.executions DESC, r.provider, r.model;
END
$models$;

COMMENT ON FUNCTION models(text, timestamptz, timestamptz, jsonb, text) IS
'One row per provider and model that was used, the most used first. share is its percentage of all executions of the range that the rest of the filter admits: a filter by model chooses rows and not the whole. See usage_report() for the arguments and the units.';
