-- From executions to rollups: what a statement changed is appended to usage_deltas by trigger, fold() moves it into the
-- cubes. At every instant cubes + deltas = raw, for every dimension and measure; reconcile() proves it.

CREATE TABLE usage_deltas (LIKE usage_cell INCLUDING COMMENTS)
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 10000,
      autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 100000,
      autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 50000,
      autovacuum_vacuum_cost_delay = 0, vacuum_truncate = off);
ALTER TABLE usage_deltas REPLICA IDENTITY FULL;

COMMENT ON TABLE usage_deltas IS 'Changes of usage that are committed and not folded yet, one signed cell per quarter hour and combination of dimensions that a statement touched. A measure that did not change is NULL. Append only and without index, so that writers never wait for each other.';

CREATE TABLE usage_cubes (
    LIKE usage_cell INCLUDING COMMENTS,
    cube text COLLATE "C" NOT NULL,
    -- cube is last, since it is the same in all of a partition, and what comes first is compared most
    CONSTRAINT usage_cubes_pkey PRIMARY KEY (
        customer_id, bucket, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id, cube)
) PARTITION BY LIST (cube);
CREATE INDEX usage_cubes_bucket_idx ON usage_cubes USING brin (bucket);

CREATE TABLE workload_day     PARTITION OF usage_cubes FOR VALUES IN ('workload_day')     WITH (fillfactor = 70);
CREATE TABLE actor_day        PARTITION OF usage_cubes FOR VALUES IN ('actor_day')        WITH (fillfactor = 70);
CREATE TABLE system_day       PARTITION OF usage_cubes FOR VALUES IN ('system_day')       WITH (fillfactor = 70);
CREATE TABLE project_day      PARTITION OF usage_cubes FOR VALUES IN ('project_day')      WITH (fillfactor = 70);
CREATE TABLE timeline_quarter PARTITION OF usage_cubes FOR VALUES IN ('timeline_quarter') WITH (fillfactor = 70);
CREATE TABLE timeline_hour    PARTITION OF usage_cubes FOR VALUES IN ('timeline_hour')    WITH (fillfactor = 70);
CREATE TABLE system_quarter   PARTITION OF usage_cubes FOR VALUES IN ('system_quarter')   WITH (fillfactor = 70);
CREATE TABLE total_quarter    PARTITION OF usage_cubes FOR VALUES IN ('total_quarter')    WITH (fillfactor = 70);

COMMENT ON TABLE usage_cubes IS 'Folded usage. Each cube holds all executions by some of the dimensions; the others are '''' in its cells.';
COMMENT ON COLUMN usage_cubes.cube IS 'The cube that the cell belongs to, and the name of its partition';
COMMENT ON TABLE workload_day IS 'UTC days by customer, project, package, section, provider, model, environment and tier';
COMMENT ON TABLE actor_day IS 'UTC days by customer, user and API key';
COMMENT ON TABLE system_day IS 'UTC days by section, provider, model and environment, over all customers';
COMMENT ON TABLE project_day IS 'UTC days by customer, project and environment';
COMMENT ON TABLE timeline_quarter IS 'Quarter hours by customer and environment';
COMMENT ON TABLE timeline_hour IS 'Hours by customer and environment';
COMMENT ON TABLE system_quarter IS 'Quarter hours by section, provider, model and environment, over all customers';
COMMENT ON TABLE total_quarter IS 'Quarter hours by environment, over all customers';
COMMENT ON INDEX usage_cubes_pkey IS 'A cell; and the cells of a customer, or of all customers together, by time';
COMMENT ON INDEX usage_cubes_bucket_idx IS 'Ranges of time over all customers';

CREATE FUNCTION floor_quarter(instant timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT date_bin('15 minutes', instant, '2000-01-01 00:00+00'::timestamptz);
END;

CREATE FUNCTION floor_hour(instant timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT date_bin('1 hour', instant, '2000-01-01 00:00+00'::timestamptz);
END;

CREATE FUNCTION floor_day(instant timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT date_bin('1 day', instant, '2000-01-01 00:00+00'::timestamptz);
END;

COMMENT ON FUNCTION floor_quarter(timestamptz) IS 'Start of the quarter hour that holds the instant; the same in every time zone in use';
COMMENT ON FUNCTION floor_hour(timestamptz) IS 'Start of the UTC hour that holds the instant';
COMMENT ON FUNCTION floor_day(timestamptz) IS 'Start of the UTC day that holds the instant';

-- The definition, in SQL, of how an execution counts. append_deltas() says the same in C; reconcile() compares the two.
CREATE FUNCTION execution_cells(since timestamptz, until timestamptz, filter jsonb DEFAULT NULL) RETURNS SETOF usage_cell
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT floor_quarter(e.created_at),
           e.customer_id,
           coalesce(e.project_id, ''),
           coalesce(e.package_id, ''),
           coalesce(e.section, ''),
           coalesce(e.provider, ''),
           coalesce(e.model, ''),
           e.environment,
           coalesce(e.customer_tier, ''),
           coalesce(e.user_id, ''),
           coalesce(e.api_key_id, ''),
           counts.one,
           CASE WHEN e.status = 'success' THEN counts.one ELSE 0 END,
           CASE WHEN e.status = 'failed' THEN counts.one ELSE 0 END,
           CASE WHEN e.status = 'timeout' THEN counts.one ELSE 0 END,
           CASE WHEN e.status = 'cancelled' THEN counts.one ELSE 0 END,
           CASE WHEN e.status IN ('pending', 'running') THEN counts.one ELSE 0 END,
           CASE WHEN e.price_status = 'unpriced' THEN counts.one ELSE 0 END,
           CASE WHEN e.token_source = 'unreported' THEN counts.one ELSE 0 END,
           CASE WHEN e.token_source = 'estimated' THEN counts.one ELSE 0 END,
           CASE WHEN e.byok THEN counts.one ELSE 0 END,
           counts.one * coalesce(e.input_tokens, 0),
           counts.one * coalesce(e.cache_read_tokens, 0),
           counts.one * coalesce(e.cache_write_tokens, 0),
           counts.one * coalesce(e.output_tokens, 0),
           counts.one * coalesce(e.reasoning_tokens, 0),
           CASE counts.one WHEN 1 THEN counts.billed_cost ELSE 0 END,
           counts.billed_cost,
           CASE counts.one WHEN 1 THEN coalesce(e.shadow_cost, 0) ELSE 0 END,
           counts.one * coalesce(counts.duration_us, 0),
           counts.one * coalesce(counts.queue_time_us, 0),
           value_sketch(CASE WHEN counts.one = 1 THEN counts.duration_us END / 1000::float8),
           value_sketch(CASE WHEN counts.one = 1 THEN counts.queue_time_us END / 1000::float8)
    FROM execution_history AS e
    CROSS JOIN LATERAL (SELECT CASE WHEN e.deleted_at IS NULL THEN 1::bigint ELSE 0 END AS one,
                               CASE WHEN e.credited_cost IS NULL THEN coalesce(e.cost, 0) ELSE coalesce(e.cost, 0) - e.credited_cost END AS billed_cost,
                               round(e.duration_ms * 1000)::bigint AS duration_us,
                               round(e.queue_time_ms * 1000)::bigint AS queue_time_us) AS counts
    WHERE e.created_at >= since AND e.created_at < until AND (filter IS NULL OR is_admitted(e, filter));
END;

COMMENT ON FUNCTION execution_cells(timestamptz, timestamptz, jsonb) IS
'The executions created in [since, until) that the filter admits, each as the cell it adds to usage. A deleted execution counts only in billed_cost. What was credited counts in no cost.';

-- The definition, in SQL, of the cubes: cells of the deltas or of raw executions, grouped. take_deltas() says the same in C;
-- reconcile() compares the two. Inlined, so that only one source is read.
-- The coarse cubes are made of the cells of fine ones, which are far fewer.
CREATE FUNCTION rolled_up(source text, since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
RETURNS TABLE (
    bucket timestamptz, customer_id text, project_id text, package_id text, section text, provider text, model text,
    environment text, customer_tier text, user_id text, api_key_id text,
    executions bigint, succeeded bigint, failed bigint, timed_out bigint, cancelled bigint, open bigint,
    unpriced bigint, unreported bigint, estimated bigint, byok bigint,
    input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, reasoning_tokens bigint,
    cost numeric, billed_cost numeric, shadow_cost numeric,
    duration_us bigint, queue_time_us bigint, duration_sketch quantile_sketch, queue_time_sketch quantile_sketch,
    cube text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH fine (
        bucket, customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id,
        executions, succeeded, failed, timed_out, cancelled, open, unpriced, unreported, estimated, byok,
        input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
        cost, billed_cost, shadow_cost, duration_us, queue_time_us, duration_sketch, queue_time_sketch, cube
    ) AS (
        SELECT coalesce(cell.quarter, cell.day),
               coalesce(cell.customer_id, ''), coalesce(cell.project_id, ''), coalesce(cell.package_id, ''),
               coalesce(cell.section, ''), coalesce(cell.provider, ''), coalesce(cell.model, ''),
               coalesce(cell.environment, ''), coalesce(cell.customer_tier, ''), coalesce(cell.user_id, ''),
               coalesce(cell.api_key_id, ''),
               coalesce(total(cell.executions), 0), coalesce(total(cell.succeeded), 0),
               coalesce(total(cell.failed), 0), coalesce(total(cell.timed_out), 0),
               coalesce(total(cell.cancelled), 0), coalesce(total(cell.open), 0),
               coalesce(total(cell.unpriced), 0), coalesce(total(cell.unreported), 0),
               coalesce(total(cell.estimated), 0), coalesce(total(cell.byok), 0),
               coalesce(total(cell.input_tokens), 0), coalesce(total(cell.cache_read_tokens), 0),
               coalesce(total(cell.cache_write_tokens), 0), coalesce(total(cell.output_tokens), 0),
               coalesce(total(cell.reasoning_tokens), 0),
               coalesce(total(cell.cost), 0), coalesce(total(cell.billed_cost), 0), coalesce(total(cell.shadow_cost), 0),
               coalesce(total(cell.duration_us), 0), coalesce(total(cell.queue_time_us), 0),
               coalesce(merge(cell.duration_sketch), value_sketch(NULL)), coalesce(merge(cell.queue_time_sketch), value_sketch(NULL)),
               CASE WHEN GROUPING(cell.project_id) = 0 THEN 'workload_day'
                    WHEN GROUPING(cell.user_id) = 0 THEN 'actor_day'
                    WHEN GROUPING(cell.customer_id) = 0 THEN 'timeline_quarter'
                    ELSE 'system_quarter' END
        FROM (SELECT floor_day(d.bucket) AS day, d.bucket AS quarter, d.*
              FROM usage_deltas AS d
              WHERE source = 'deltas' AND d.bucket >= since AND d.bucket < until
              UNION ALL
              SELECT floor_day(e.bucket), e.bucket, e.*
              FROM execution_cells(since, until) AS e
              WHERE source = 'history') AS cell
        GROUP BY GROUPING SETS (
            (cell.day, cell.customer_id, cell.project_id, cell.package_id, cell.section, cell.provider, cell.model,
             cell.environment, cell.customer_tier),
            (cell.day, cell.customer_id, cell.user_id, cell.api_key_id),
            (cell.quarter, cell.customer_id, cell.environment),
            (cell.quarter, cell.section, cell.provider, cell.model, cell.environment))
    )
    SELECT * FROM fine
    UNION ALL
    SELECT coalesce(cell.quarter, cell.hour, cell.day),
           coalesce(cell.customer_id, ''), coalesce(cell.project_id, ''), '',
           coalesce(cell.section, ''), coalesce(cell.provider, ''), coalesce(cell.model, ''),
           coalesce(cell.environment, ''), '', '', '',
           total(cell.executions), total(cell.succeeded), total(cell.failed), total(cell.timed_out),
           total(cell.cancelled), total(cell.open),
           total(cell.unpriced), total(cell.unreported), total(cell.estimated), total(cell.byok),
           total(cell.input_tokens), total(cell.cache_read_tokens), total(cell.cache_write_tokens),
           total(cell.output_tokens), total(cell.reasoning_tokens),
           total(cell.cost), total(cell.billed_cost), total(cell.shadow_cost),
           total(cell.duration_us), total(cell.queue_time_us),
           merge(cell.duration_sketch), merge(cell.queue_time_sketch),
           CASE WHEN GROUPING(cell.project_id) = 0 THEN 'project_day'
                WHEN GROUPING(cell.hour) = 0 THEN 'timeline_hour'
                WHEN GROUPING(cell.model) = 0 THEN 'system_day'
                ELSE 'total_quarter' END
    FROM (SELECT floor_day(f.bucket) AS day, floor_hour(f.bucket) AS hour, f.bucket AS quarter, f.*
          FROM fine AS f
          WHERE f.cube IN ('workload_day', 'timeline_quarter', 'system_quarter')) AS cell
    GROUP BY GROUPING SETS (
        (cell.cube, cell.day, cell.customer_id, cell.project_id, cell.environment),
        (cell.cube, cell.hour, cell.customer_id, cell.environment),
        (cell.cube, cell.day, cell.section, cell.provider, cell.model, cell.environment),
        (cell.cube, cell.quarter, cell.environment))
    HAVING cell.cube = CASE WHEN GROUPING(cell.project_id) = 0 THEN 'workload_day'
                            WHEN GROUPING(cell.hour) = 0 THEN 'timeline_quarter'
                            ELSE 'system_quarter' END;
END;

COMMENT ON FUNCTION rolled_up(text, timestamptz, timestamptz) IS
'What source (''deltas'': usage_deltas, or ''history'': the raw executions) of [since, until) adds to each cell of each cube.';
