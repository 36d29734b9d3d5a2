-- Reports against their definition: many ranges, filters, dimensions, steps and time zones, chosen by a hash so that they
-- are the same every time, over executions that are partly folded, deleted, open, unpriced or in the default partition.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('acme', 'echo', input_per_million => 0.123456789, output_per_million => 7, valid_from => '-infinity') \gset
SELECT set_price('acme', 'echo', input_per_million => 0.2, output_per_million => 8, valid_from => '2024-03-20 12:34') \gset
SELECT set_price('other', 'echo', input_per_million => 3, cache_read_per_million => 1.1, valid_from => '-infinity') \gset

-- ---- executions

-- the same number for the same arguments, from 0 to below
CREATE FUNCTION choice(number bigint, what text, below bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
$$ SELECT (('x' || substr(md5(number || ' ' || what), 1, 12))::bit(48)::bigint) % below $$;

-- Around changes of the clocks: New York on 2023-11-05 and 2024-03-10, Lord Howe (by half an hour) on 2023-10-01 and
-- 2024-04-07. Some times are exactly those at which an hour, a day or a quarter hour begins somewhere.
CREATE FUNCTION instant(number bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE choice(number, 'kind of time', 8)
        WHEN 0 THEN day AT TIME ZONE 'UTC'
        WHEN 1 THEN day AT TIME ZONE (ARRAY['Asia/Kathmandu', 'Australia/Lord_Howe', 'America/New_York'])[1 + choice(number, 'zone', 3)]
        WHEN 2 THEN day AT TIME ZONE 'UTC' + choice(number, 'quarter', 96) * interval '15 minutes'
        WHEN 3 THEN day AT TIME ZONE 'UTC' + choice(number, 'quarter', 96) * interval '15 minutes' - interval '1 microsecond'
        ELSE day AT TIME ZONE 'UTC' + choice(number, 'time', 86400000000) * interval '1 microsecond' END
    FROM (SELECT (ARRAY['2023-09-28', '2023-11-02', '2024-03-07', '2024-04-04'])[1 + choice(number, 'season', 4)]::timestamp
                 + choice(number, 'day', 7) * interval '1 day' AS day) AS days $$;

CREATE FUNCTION add_executions(first integer, last integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO execution_history (customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id,
        created_at, status, byok, token_source, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
        duration_ms, queue_time_ms)
    SELECT 'customer ' || choice(n, 'customer', 4),
           nullif('project ' || choice(n, 'project', 4), 'project 0'),
           nullif('package ' || choice(n, 'package', 3), 'package 0'),
           (ARRAY['chat', '', NULL])[1 + choice(n, 'section', 3)],
           (ARRAY['acme', 'acme', 'other', NULL])[1 + choice(n, 'provider', 4)],
           (ARRAY['echo', 'echo', 'foxtrot', NULL])[1 + choice(n, 'model', 4)],
           (ARRAY['production', 'production', 'sandbox'])[1 + choice(n, 'environment', 3)],
           (ARRAY['gold', NULL])[1 + choice(n, 'tier', 2)],
           nullif('user ' || choice(n, 'user', 5), 'user 0'),
           nullif('key ' || choice(n, 'key', 3), 'key 0'),
           instant(n),
           (ARRAY['success', 'success', 'success', 'failed', 'timeout', 'cancelled', 'pending', 'running'])[1 + choice(n, 'status', 8)],
           choice(n, 'byok', 9) = 0,
           (ARRAY['estimated', 'counted', NULL, NULL])[1 + choice(n, 'source', 4)],
           tells * choice(n, 'input', 1000), tells * nullif(choice(n, 'read', 4), 0), tells * nullif(choice(n, 'write', 3), 0),
           tells * (choice(n, 'output', 500) + 5), tells * nullif(choice(n, 'reasoning', 5), 0),
           nullif(choice(n, 'duration', 100000), 0) / 7.0, nullif(choice(n, 'queue', 3), 0) * 1.5
    FROM generate_series(first, last) AS n, LATERAL (SELECT CASE WHEN choice(n, 'tells', 8) > 0 THEN 1 END AS tells) AS silence $$;

CREATE FUNCTION change_executions(what text) RETURNS void LANGUAGE sql AS $$
    UPDATE execution_history SET deleted_at = '2024-06-01' WHERE choice(('x' || substr(md5(id::text || created_at), 1, 8))::bit(32)::bigint, what || 'delete', 12) = 0;
    UPDATE execution_history SET deleted_at = NULL WHERE choice(input_tokens, what || 'undelete', 9) = 0;
    UPDATE execution_history SET status = 'success', output_tokens = 11 WHERE status = 'running' AND choice(input_tokens, what || 'finish', 2) = 0;
    UPDATE execution_history SET project_id = 'project 3', user_id = NULL WHERE choice(input_tokens, what || 'reassign', 10) = 0;
    DELETE FROM execution_history WHERE choice(input_tokens, what || 'destroy', 40) = 0;
    UPDATE execution_history SET created_at = created_at + interval '1 day 00:10:00.000001' WHERE choice(input_tokens, what || 'move', 25) = 0 $$;

-- folded and in partitions; then folded, in the default partition where a month has none; then pending
SELECT add_executions(1, 1500) \gset
SELECT change_executions('first') \gset
DELETE FROM execution_history WHERE created_at < '2023-11-01' \gset
SELECT adopt_default_rows() \gset
SELECT fold() \gset
SELECT add_executions(1501, 3000) \gset
SELECT change_executions('second') \gset
SELECT fold() \gset
SELECT add_executions(3001, 3600) \gset
SELECT change_executions('third') \gset
ANALYZE;

SELECT cmp_ok(count(*), '>', 2500::bigint, 'executions') FROM execution_history;
SELECT cmp_ok(count(*), '>', 500::bigint, 'some of them in the default partition') FROM execution_history_default;
SELECT cmp_ok(count(DISTINCT tableoid), '>=', 4::bigint, 'others in several') FROM execution_history;
SELECT cmp_ok(count(*), '>', 500::bigint, 'some of it pending') FROM usage_deltas;
SELECT cmp_ok(count(*), '>', 500::bigint, 'some of it folded') FROM workload_day;
SELECT cmp_ok(least(executions, succeeded, failed, timed_out, cancelled, open, unpriced, unreported, estimated, byok, input_tokens,
                    cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens), '>', 20::bigint, 'of everything something') FROM summary('all');
SELECT cmp_ok(billed_cost, '>', cost, 'deleted ones stay billed') FROM summary('all');
SELECT cmp_ok(shadow_cost, '>', 0::numeric, 'shadow costs') FROM summary('all');
SELECT is_empty('SELECT * FROM reconcile() LIMIT 20', 'nothing to reconcile');

-- ---- the definition

CREATE TYPE usage_row AS (
    starts timestamptz, groups text[],
    executions bigint, succeeded bigint, failed bigint, timed_out bigint, cancelled bigint, open bigint,
    input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint, total_tokens bigint,
    cost numeric, billed_cost numeric, shadow_cost numeric, unpriced bigint, unreported bigint, estimated bigint, byok bigint,
    success_rate numeric, avg_duration_ms numeric, avg_queue_time_ms numeric);

-- Dimensions are '' where the execution names none, and null in groups where they are not asked for.
CREATE FUNCTION defined(dimensions text[], step text, since timestamptz, until timestamptz, filter jsonb, time_zone text)
RETURNS SETOF usage_row LANGUAGE sql STABLE AS $$
    WITH named AS (
        SELECT e.*, deleted_at IS NULL AS counts,
               jsonb_build_object('customer_id', customer_id, 'project_id', coalesce(project_id, ''), 'package_id', coalesce(package_id, ''),
                   'section', coalesce(section, ''), 'provider', coalesce(provider, ''), 'model', coalesce(model, ''), 'environment', environment,
                   'customer_tier', coalesce(customer_tier, ''), 'user_id', coalesce(user_id, ''), 'api_key_id', coalesce(api_key_id, '')) AS names
        FROM execution_history AS e
        WHERE created_at >= since AND created_at < until
    ), wanted AS (
        SELECT * FROM named
        WHERE NOT EXISTS (
            SELECT FROM jsonb_each(filter) AS f
            WHERE NOT (names -> f.key) <@ (SELECT coalesce(jsonb_agg(CASE WHEN v = 'null' THEN '""' ELSE v END), '[]')
                                           FROM jsonb_array_elements(CASE jsonb_typeof(f.value) WHEN 'array' THEN f.value ELSE jsonb_build_array(f.value) END) AS v))
    )
    SELECT date_trunc(step, created_at, time_zone),
           (SELECT array_agg(CASE WHEN d = ANY (dimensions) THEN names ->> d END ORDER BY o)
            FROM unnest(ARRAY['customer_id', 'project_id', 'package_id', 'section', 'provider', 'model', 'environment', 'customer_tier', 'user_id', 'api_key_id'])
                 WITH ORDINALITY AS all_dimensions (d, o)) AS groups,
           count(*) FILTER (WHERE counts),
           count(*) FILTER (WHERE counts AND status = 'success'),
           count(*) FILTER (WHERE counts AND status = 'failed'),
           count(*) FILTER (WHERE counts AND status = 'timeout'),
           count(*) FILTER (WHERE counts AND status = 'cancelled'),
           count(*) FILTER (WHERE counts AND status IN ('pending', 'running')),
           coalesce(sum(input_tokens) FILTER (WHERE counts), 0),
           coalesce(sum(cache_read_tokens) FILTER (WHERE counts), 0),
           coalesce(sum(cache_write_tokens) FILTER (WHERE counts), 0),
           coalesce(sum(output_tokens) FILTER (WHERE counts), 0),
           coalesce(sum(reasoning_tokens) FILTER (WHERE counts), 0),
           coalesce(sum(total_tokens) FILTER (WHERE counts), 0),
           coalesce(sum(cost) FILTER (WHERE counts), 0),
           coalesce(sum(cost), 0),
           coalesce(sum(shadow_cost) FILTER (WHERE counts), 0),
           count(*) FILTER (WHERE counts AND price_status = 'unpriced'),
           count(*) FILTER (WHERE counts AND token_source = 'unreported'),
           count(*) FILTER (WHERE counts AND token_source = 'estimated'),
           count(*) FILTER (WHERE counts AND byok),
           round(100.0 * count(*) FILTER (WHERE counts AND status = 'success')
                 / nullif(count(*) FILTER (WHERE counts AND status NOT IN ('pending', 'running')), 0), 9),
           round(avg(round(duration_ms, 3)) FILTER (WHERE counts), 9),
           round(avg(round(queue_time_ms, 3)) FILTER (WHERE counts), 9)
    FROM wanted
    GROUP BY 1, 2
    -- groups in which nothing is left are not shown
    HAVING count(*) FILTER (WHERE counts) > 0 OR sum(cost) <> 0 $$;

CREATE FUNCTION reported(dimensions text[], step text, since timestamptz, until timestamptz, filter jsonb, time_zone text)
RETURNS SETOF usage_row LANGUAGE sql STABLE AS $$
    SELECT starts, ARRAY[customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id],
           executions, succeeded, failed, timed_out, cancelled, open,
           input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, total_tokens,
           cost, billed_cost, shadow_cost, unpriced, unreported, estimated, byok,
           round(success_rate, 9), round(avg_duration_ms, 9), round(avg_queue_time_ms, 9)
    FROM usage_report(dimensions, step, NULL, since, until, filter, time_zone) $$;

-- ---- cases

CREATE TABLE cases (
    number integer PRIMARY KEY, dimensions text[], step text, since timestamptz, until timestamptz, middle timestamptz[], filter jsonb, time_zone text);

-- An instant within the times there are, of any fineness
CREATE FUNCTION edge(number bigint, what text, time_zone text) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE choice(number, what || 'kind', 7)
        WHEN 0 THEN date_trunc('day', at, 'UTC')
        WHEN 1 THEN date_trunc('day', at, time_zone)
        WHEN 2 THEN date_trunc('day', at, time_zone)
        WHEN 3 THEN date_trunc('hour', at, time_zone)
        WHEN 4 THEN date_bin('15 minutes', at, '2000-01-01')
        WHEN 5 THEN date_bin('15 minutes', at, '2000-01-01') + interval '1 microsecond'
        ELSE at END
    FROM (SELECT instant(choice(number, what, 1000000)) AS at) AS any_time $$;

INSERT INTO cases
SELECT number,
       ARRAY(SELECT d FROM unnest(ARRAY['customer_id', 'project_id', 'package_id', 'section', 'provider', 'model', 'environment', 'customer_tier', 'user_id', 'api_key_id']) AS d
             WHERE choice(number, 'by ' || d, CASE WHEN choice(number, 'few', 2) = 0 THEN 9 ELSE 4 END) = 0),
       (ARRAY[NULL, NULL, 'day', 'day', 'hour', 'week', 'month'])[1 + choice(number, 'step', 7)],
       CASE WHEN choice(number, 'since ever', 15) = 0 THEN '-infinity' ELSE edges[1] END,
       CASE WHEN choice(number, 'for ever', 15) = 0 THEN 'infinity' ELSE edges[4] END,
       edges[2:3],
       (SELECT coalesce(jsonb_object_agg(d, CASE choice(number, 'how ' || d, 4)
                    WHEN 0 THEN jsonb_build_array(v[1], v[2])
                    WHEN 1 THEN jsonb_build_array(v[2])
                    WHEN 2 THEN CASE WHEN d IN ('customer_id', 'environment') THEN to_jsonb(v[1]) ELSE 'null' END
                    ELSE to_jsonb(v[1]) END), '{}')
        FROM (VALUES ('customer_id', ARRAY['customer 1', 'customer 3']), ('project_id', ARRAY['project 1', NULL]), ('package_id', ARRAY['package 2', '']),
                     ('section', ARRAY['chat', NULL]), ('provider', ARRAY['acme', 'other']), ('model', ARRAY['echo', NULL]),
                     ('environment', ARRAY['sandbox', 'nowhere']), ('customer_tier', ARRAY['gold', 'silver']), ('user_id', ARRAY['user 1', 'user 4']),
                     ('api_key_id', ARRAY['key 1', NULL])) AS filterable (d, v)
        WHERE choice(number, 'filter ' || d, CASE d WHEN 'customer_id' THEN 3 ELSE 12 END) = 0),
       zone
FROM generate_series(1, 200) AS number,
     LATERAL (SELECT (ARRAY['UTC', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/New_York', 'Europe/Berlin', 'Pacific/Chatham', 'Asia/Kolkata'])[1 + choice(number, 'zone', 7)]) AS zones (zone),
     LATERAL (SELECT array_agg(e ORDER BY e) FROM unnest(ARRAY[
         edge(number, 'a', zone), edge(number, 'b', zone), edge(number, 'c', zone), edge(number, 'd', zone)]) AS e) AS ranges (edges);

-- the days on which the clocks change, whole and by the hour; and ranges that are short, empty, or inside a quarter hour
INSERT INTO cases
SELECT 1000 + row_number() OVER (), dimensions, step, day::timestamp AT TIME ZONE zone, (day + 1)::timestamp AT TIME ZONE zone,
       ARRAY[day::timestamp AT TIME ZONE zone + interval '2 hours', day::timestamp AT TIME ZONE zone + interval '13 hours 1 second'], filter, zone
FROM (VALUES ('2023-11-05'::date, 'America/New_York'), ('2024-03-10', 'America/New_York'), ('2023-10-01', 'Australia/Lord_Howe'),
             ('2024-04-07', 'Australia/Lord_Howe'), ('2024-04-07', 'Pacific/Chatham')) AS change (day, zone),
     (VALUES ('{}'::text[], 'hour', '{}'::jsonb), ('{customer_id}', 'hour', '{}'), ('{model}', 'day', '{"customer_id": "customer 1"}'),
             ('{}', NULL, '{"project_id": null}'), ('{user_id}', 'hour', '{}')) AS asked (dimensions, step, filter);
INSERT INTO cases VALUES
    (2001, '{}', NULL, '2024-03-10 12:00', '2024-03-10 12:00', '{2024-03-10 12:00,2024-03-10 12:00}', '{}', 'UTC'),
    (2002, '{customer_id}', 'hour', '2024-03-10 12:01', '2024-03-10 12:02', '{2024-03-10 12:01:30,2024-03-10 12:01:40}', '{}', 'UTC'),
    (2003, '{}', 'day', '2024-03-10 23:59', '2024-03-11 00:01', '{2024-03-11 00:00,2024-03-11 00:00}', '{}', 'UTC'),
    (2004, '{model}', 'day', '2024-03-09 23:59:59.999999', '2024-03-12 00:00:00.000001', '{2024-03-10 00:00,2024-03-11 07:15}', '{}', 'UTC'),
    (2005, '{}', NULL, '-infinity', 'infinity', '{2024-03-10 00:00,2024-03-11 07:15}', '{}', 'UTC'),
    (2006, '{customer_id,project_id,package_id,section,provider,model,environment,customer_tier,user_id,api_key_id}', 'hour', '-infinity', 'infinity', '{2024-03-10 00:00,2024-03-11 07:15}', '{}', 'UTC'),
    (2007, '{}', NULL, '-infinity', '2024-03-10 05:05:05', '{2023-11-05 05:30,2023-11-05 07:07:07}', '{"customer_id": ["customer 2", null]}', 'UTC'),
    (2008, '{}', 'day', '2024-03-10 05:05:05', 'infinity', '{2024-03-11,2024-04-07}', '{"customer_id": []}', 'UTC');

-- ---- comparison

CREATE FUNCTION differences(c cases) RETURNS TABLE (side text, found usage_row) LANGUAGE sql STABLE AS $$
    WITH r AS MATERIALIZED (SELECT r FROM reported((c).dimensions, (c).step, (c).since, (c).until, (c).filter, (c).time_zone) AS r),
         d AS MATERIALIZED (SELECT d FROM defined((c).dimensions, (c).step, (c).since, (c).until, (c).filter, (c).time_zone) AS d)
    SELECT 'reported', q.r FROM (SELECT * FROM r EXCEPT ALL SELECT * FROM d) AS q
    UNION ALL
    SELECT 'defined', q.d FROM (SELECT * FROM d EXCEPT ALL SELECT * FROM r) AS q $$;

-- What usage_read() gives may be summed by the dimensions asked for.
CREATE FUNCTION read_sums(c cases) RETURNS TABLE (executions numeric, duration_us numeric, queue_time_us numeric, durations bigint) LANGUAGE sql STABLE AS $$
    SELECT coalesce(sum(executions), 0), coalesce(sum(duration_us), 0), coalesce(sum(queue_time_us), 0), coalesce(sketch_count(merge(duration_sketch)), 0)
    FROM usage_read((c).since, (c).until, (c).filter, (c).dimensions, (ARRAY['day', 'hour', 'quarter'])[choice((c).number, 'grain', 3) + 1]) $$;
CREATE FUNCTION defined_sums(c cases) RETURNS TABLE (executions numeric, duration_us numeric, queue_time_us numeric, durations bigint) LANGUAGE sql STABLE AS $$
    SELECT count(*), coalesce(sum(round(duration_ms * 1000)), 0), coalesce(sum(round(queue_time_ms * 1000)), 0), count(duration_ms)
    FROM execution_history AS e
    WHERE created_at >= (c).since AND created_at < (c).until AND deleted_at IS NULL
      AND NOT EXISTS (
          SELECT FROM jsonb_each((c).filter) AS f
          WHERE NOT coalesce(to_jsonb(e) ->> f.key, '') = ANY (
              SELECT coalesce(v #>> '{}', '') FROM jsonb_array_elements(CASE jsonb_typeof(f.value) WHEN 'array' THEN f.value ELSE jsonb_build_array(f.value) END) AS v)) $$;

-- Σ of disjoint sub-ranges = the range
CREATE FUNCTION sums(dimensions text[], since timestamptz, until timestamptz, filter jsonb)
RETURNS TABLE (groups text[], executions bigint, succeeded bigint, failed bigint, timed_out bigint, cancelled bigint, open bigint,
               input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint, total_tokens bigint,
               cost numeric, billed_cost numeric, shadow_cost numeric, unpriced bigint, unreported bigint, estimated bigint, byok bigint)
LANGUAGE sql STABLE AS $$
    SELECT ARRAY[customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id],
           executions, succeeded, failed, timed_out, cancelled, open,
           input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, total_tokens,
           cost, billed_cost, shadow_cost, unpriced, unreported, estimated, byok
    FROM usage_report(dimensions, NULL, NULL, since, until, filter, 'UTC') $$;
CREATE FUNCTION is_additive(c cases) RETURNS boolean LANGUAGE sql STABLE AS $$
    WITH part AS (
        SELECT * FROM sums((c).dimensions, (c).since, (c).middle[1], (c).filter) WHERE (c).since <= (c).middle[1]
        UNION ALL
        SELECT * FROM sums((c).dimensions, (c).middle[1], (c).middle[2], (c).filter)
        UNION ALL
        SELECT * FROM sums((c).dimensions, (c).middle[2], (c).until, (c).filter) WHERE (c).middle[2] <= (c).until
    ), parts AS MATERIALIZED (
        SELECT groups, sum(executions), sum(succeeded), sum(failed), sum(timed_out), sum(cancelled), sum(open),
               sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(total_tokens),
               sum(cost), sum(billed_cost), sum(shadow_cost), sum(unpriced), sum(unreported), sum(estimated), sum(byok)
        FROM part GROUP BY groups
    ), whole AS MATERIALIZED (
        SELECT * FROM sums((c).dimensions, (c).since, (c).until, (c).filter)
    )
    SELECT NOT EXISTS (SELECT * FROM parts EXCEPT ALL SELECT * FROM whole) AND NOT EXISTS (SELECT * FROM whole EXCEPT ALL SELECT * FROM parts) $$;

CREATE FUNCTION check_case(c cases) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    what text := format('%s: by %s, step %s, from %s to %s, %s, %s', c.number, c.dimensions, coalesce(c.step, 'none'), c.since, c.until, c.filter, c.time_zone);
    different text := (SELECT string_agg(format('%s %s', d.side, d.found), E'\n') FROM (SELECT * FROM differences(c) LIMIT 6) AS d);
BEGIN
    RETURN NEXT ok(different IS NULL, what);
    IF different IS NOT NULL THEN
        RETURN NEXT diag(different);
    END IF;
    RETURN NEXT is((SELECT format('%s', s) FROM read_sums(c) AS s), (SELECT format('%s', s) FROM defined_sums(c) AS s), c.number || ': sums of usage_read()');
    IF c.number % 2 = 0 THEN
        RETURN NEXT ok(is_additive(c), c.number || ': the parts add up');
    END IF;
END $$;

SELECT cmp_ok(count(*), '>=', 200::bigint, 'cases') FROM cases;
SELECT cmp_ok(sum(least(1, (SELECT count(*) FROM defined(dimensions, step, since, until, filter, time_zone)))), '>', 150::numeric, 'most of which find something') FROM cases;
SELECT check_case(c) FROM cases AS c ORDER BY number;

-- ---- each named report adds up to the same: days, hours, weeks and months to the range, shares to the whole

CREATE FUNCTION named_wrong(c cases) RETURNS TABLE (number integer, report text, reported text, expected text) LANGUAGE sql STABLE AS $$
    WITH whole AS MATERIALIZED (
        SELECT coalesce(sum(executions), 0) AS executions, coalesce(sum(cost), 0) AS cost, coalesce(sum(total_tokens), 0) AS tokens,
               coalesce(sum(failed + timed_out + cancelled), 0) AS unsuccessful
        FROM defined('{}', NULL, (c).since, (c).until, (c).filter, (c).time_zone)
    ), found (report, executions, cost, tokens) AS (
        SELECT 'summary', executions, cost, total_tokens FROM summary(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'daily', sum(executions), sum(cost), sum(total_tokens) FROM daily(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'hourly', sum(executions), sum(cost), sum(total_tokens) FROM hourly(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'weekly', sum(executions), sum(cost), sum(total_tokens) FROM weekly(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'monthly', sum(executions), sum(cost), sum(total_tokens) FROM monthly(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'hourly_pattern', sum(executions), sum(cost), sum(total_tokens) FROM hourly_pattern(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'models', sum(executions), sum(cost), sum(total_tokens) FROM models(NULL, (c).since, (c).until, (c).filter, (c).time_zone)
        UNION ALL
        SELECT 'breakdown by ' || dimension, sum(b.executions), sum(b.cost), sum(b.total_tokens)
        FROM unnest(ARRAY['project_id', 'user_id', 'customer_id']) AS dimension,
             breakdown(dimension, NULL, (c).since, (c).until, (c).filter, (c).time_zone, choice((c).number, 'n', 3)) AS b
        GROUP BY dimension
        UNION ALL
        SELECT 'executions', count(*), NULL, NULL
        FROM executions(NULL, (c).since, (c).until, (c).filter, (c).time_zone, 1000)
    )
    SELECT (c).number, found.report, format('%s %s %s', found.executions, trim_scale(found.cost), found.tokens), format('%s %s %s', whole.executions, trim_scale(whole.cost), whole.tokens)
    FROM found, whole
    WHERE (coalesce(found.executions, 0), coalesce(found.cost, whole.cost), coalesce(found.tokens, whole.tokens))
       <> (CASE found.report WHEN 'executions' THEN least(whole.executions, 1000) ELSE whole.executions END, whole.cost, whole.tokens)
    UNION ALL
    SELECT (c).number, 'errors', sum(e.executions)::text, min(whole.unsuccessful)::text
    FROM whole LEFT JOIN errors(NULL, (c).since, (c).until, (c).filter, (c).time_zone) AS e ON true
    HAVING coalesce(sum(e.executions), 0) <> min(whole.unsuccessful) $$;
UPDATE ledger SET max_page = 1000;
SELECT is_empty('SELECT w.* FROM cases AS c, named_wrong(c) AS w ORDER BY 1, 2 LIMIT 20', 'named reports');

-- one row for each day, hour, … that the range touches
CREATE FUNCTION steps_wrong(c cases) RETURNS TABLE (number integer, step text, reported bigint, expected bigint) LANGUAGE sql STABLE AS $$
    SELECT (c).number, s.step, r.count, d.count
    FROM unnest(ARRAY['hour', 'day', 'week', 'month']) AS s (step),
         LATERAL (SELECT count(*) FROM timeline(s.step, NULL, (c).since, (c).until, '{}', (c).time_zone)) AS r,
         LATERAL (SELECT count(DISTINCT date_trunc(s.step, at, (c).time_zone))
                  FROM (SELECT generate_series((c).since, (c).until - interval '1 microsecond', '15 minutes') UNION ALL SELECT (c).until - interval '1 microsecond' WHERE (c).since < (c).until) AS any_time (at)) AS d
    WHERE r.count <> d.count $$;
SELECT is_empty($$SELECT w.* FROM cases AS c, steps_wrong(c) AS w WHERE c.since > '-infinity' AND c.until < 'infinity' AND c.number % 3 = 0$$, 'steps without usage have a row');

-- ---- the same after a fold, and with every month in a partition of its own

CREATE FUNCTION all_wrong() RETURNS bigint LANGUAGE sql STABLE AS $$ SELECT count(*) FROM cases AS c, differences(c) WHERE number % 4 = 0 $$;
SELECT fold() \gset
SELECT is(all_wrong(), 0::bigint, 'a quarter of the cases after a fold');
SELECT adopt_default_rows() \gset
SELECT is(all_wrong(), 0::bigint, 'and after adopt_default_rows()');
SELECT fold() \gset
SELECT is(all_wrong(), 0::bigint, 'and after another fold');
SELECT is_empty('SELECT * FROM reconcile() LIMIT 20', 'nothing to reconcile');

-- ---- percentiles: within 0.54 % of a value that occurred

SELECT is_empty($$
    SELECT r.customer_id, r.starts, p.fraction, p.approximate, p.exact
    FROM usage_report('{customer_id}', 'day', NULL, '2024-03-08 03:03', '2024-03-12 01:01', '{}', 'America/New_York') AS r,
         LATERAL (SELECT (percentile_disc(ARRAY[0, 0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY round(e.duration_ms, 3)))::float8[] AS exact
                  FROM execution_history AS e
                  WHERE e.customer_id = r.customer_id AND e.deleted_at IS NULL AND e.created_at >= '2024-03-08 03:03' AND e.created_at < '2024-03-12 01:01'
                    AND date_trunc('day', e.created_at, 'America/New_York') = r.starts) AS raw,
         LATERAL unnest(ARRAY[0, 0.5, 0.95, 0.99, 1],
                        ARRAY[r.min_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms, r.max_duration_ms], raw.exact) AS p (fraction, approximate, exact)
    WHERE abs(p.approximate - p.exact) > 0.00542 * p.exact OR (p.approximate IS NULL) <> (p.exact IS NULL)
$$, 'percentiles by customer and day');

-- ---- wrong questions

SELECT throws_ok($$SELECT * FROM usage_report('{colour}')$$, '22023', NULL, 'an unknown dimension');
SELECT throws_ok($$SELECT * FROM usage_report(filter => '{"colour": "red"}')$$, '22023', NULL, 'an unknown filter');
SELECT throws_ok($$SELECT * FROM summary(since => '2024-03-11', until => '2024-03-10')$$, '22023', NULL, 'an inverted range');
SELECT throws_ok($$SELECT * FROM usage_report(filter => '["customer_id"]')$$, '22023', NULL, 'a filter that is no object');

SELECT * FROM finish();
