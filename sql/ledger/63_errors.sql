-- What went wrong: classes of errors, how often they happen and what they cost.

CREATE FUNCTION error_class(status text, error_code text, error_message text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce(
        (SELECT class.name
         FROM (VALUES (1, error_code), (2, CASE status WHEN 'failed' THEN error_message END)) AS said (number, words),
              (VALUES (1, 'rate_limit_exceeded',     'rate.?limit|too.?many.?requests|throttl|^429'),
                      (2, 'quota_exceeded',          'quota|insufficient.?(funds|credit|balance)|billing|^402'),
                      (3, 'invalid_api_key',         'api.?key|unauthori[sz]ed|authenticat|permission|forbidden|^40[13]'),
                      (4, 'context_length_exceeded', 'context.?length|context.?window|maximum.?context|too.?long|max.?tokens'),
                      (5, 'content_filtered',        'content.?(filter|policy)|safety|moderation'),
                      (6, 'model_timeout',           'time.?out|timed.?out|deadline|^(408|504)'),
                      (7, 'model_overloaded',        'overload|unavailable|capacity|^(503|529)'),
                      (8, 'model_not_found',         'not.?found|unknown.?model|^404'),
                      (9, 'invalid_request',         'invalid|bad.?request|malformed|^4(00|22)'),
                      (10, 'provider_error',         'internal|server.?error|^50[02]')) AS class (number, name, pattern)
         WHERE said.words ~* class.pattern
         ORDER BY said.number, class.number
         LIMIT 1),
        CASE status WHEN 'timeout' THEN 'model_timeout' WHEN 'cancelled' THEN 'cancelled' END,
        'other');
END;

COMMENT ON FUNCTION error_class(text, text, text) IS
'Class of an error, by what its code says, else the message of one that failed, else the status of the execution: rate_limit_exceeded, quota_exceeded, invalid_api_key, context_length_exceeded, content_filtered, model_timeout, model_overloaded, model_not_found, invalid_request, provider_error, cancelled or other';

CREATE TYPE error_count AS (
    status       text,
    said         text,
    executions   bigint,
    total_tokens numeric,
    cost         numeric,
    last_at      timestamptz
);

COMMENT ON TYPE error_count IS 'Executions that did not succeed, with the same status and the same words';
COMMENT ON COLUMN error_count.status IS 'Their status';
COMMENT ON COLUMN error_count.said IS 'Their error code, or the message of those that failed without one; NULL for other statuses without one';
COMMENT ON COLUMN error_count.executions IS 'How many there are';
COMMENT ON COLUMN error_count.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN error_count.cost IS 'What they cost all the same, in the currency of the ledger';
COMMENT ON COLUMN error_count.last_at IS 'When the last of them was created';

CREATE FUNCTION errors(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'))
RETURNS TABLE (
    error_class text, executions bigint, share numeric, failed bigint, timed_out bigint, cancelled bigint,
    total_tokens bigint, cost numeric, last_at timestamptz)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $errors$
#variable_conflict use_column
DECLARE
    first timestamptz := coalesce(since, period_start(period, time_zone));
    last  timestamptz := coalesce(until, 'infinity');
    -- few codes there are, so far fewer texts than errors are classified, and those that need no message are told by the
    -- index alone
    query text := format(
        $$SELECT e.status, e.error_code, count(*), sum(e.total_tokens), sum(CASE WHEN e.credited_cost IS NULL THEN e.cost ELSE e.cost - e.credited_cost END), max(e.created_at)
        FROM execution_history AS e
        WHERE e.created_at >= $1 AND e.created_at < $2 AND %1$s
          AND e.status <> 'success' AND e.status NOT IN ('pending', 'running') AND e.deleted_at IS NULL
          AND (e.error_code IS NOT NULL OR e.status <> 'failed')
        GROUP BY 1, 2
        UNION ALL
        SELECT e.status, e.error_message, count(*), sum(e.total_tokens), sum(CASE WHEN e.credited_cost IS NULL THEN e.cost ELSE e.cost - e.credited_cost END), max(e.created_at)
        FROM execution_history AS e
        WHERE e.created_at >= $1 AND e.created_at < $2 AND %1$s
          AND e.status = 'failed' AND e.error_code IS NULL AND e.deleted_at IS NULL
        GROUP BY 1, 2$$,
        CASE WHEN is_one_customer(filter) THEN $$e.customer_id = ($3 ->> 'customer_id')$$ ELSE 'is_admitted(e, $3)' END);
BEGIN
    PERFORM read_edges(first, last, needed_dimensions(filter, '{}'), 'day');
    PERFORM has_raw(first, last, ARRAY['error_code']);
    RETURN QUERY
    SELECT error_class(a.status, a.said, NULL),
           sum(a.executions)::bigint,
           100.0 * sum(a.executions) / sum(sum(a.executions)) OVER (),
           coalesce(sum(a.executions) FILTER (WHERE a.status = 'failed'), 0)::bigint,
           coalesce(sum(a.executions) FILTER (WHERE a.status = 'timeout'), 0)::bigint,
           coalesce(sum(a.executions) FILTER (WHERE a.status = 'cancelled'), 0)::bigint,
           coalesce(sum(a.total_tokens), 0)::bigint,
           coalesce(trim_scale(sum(a.cost)), 0),
           max(a.last_at)
    FROM @extschema@.run_query(NULL::error_count, query, is_one_customer(filter), first, last, filter) AS a
    GROUP BY 1
    ORDER BY 2 DESC, 1;
END
$errors$;

COMMENT ON FUNCTION errors(text, timestamptz, timestamptz, jsonb, text) IS
'One row per class of error (see error_class(); a message is looked at where there is no code) among the executions that failed, timed out or were cancelled, the most frequent first; share is its percentage of them. cost is what they cost all the same. Read from raw executions; raises 55000 where they are not kept. See usage_report() for the arguments and the units.';
