-- Proof and health of a ledger.

CREATE FUNCTION reconcile(since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
RETURNS TABLE (cube text, bucket timestamptz, dimensions jsonb, measure text, difference text)
LANGUAGE sql STABLE
SET work_mem = '256MB'
SET jit = off
BEGIN ATOMIC
    WITH days AS (
        SELECT greatest(floor_day(edges[1]), (SELECT r.dropped_until FROM retention AS r WHERE r.table_name = 'execution_history')) AS since,
               CASE WHEN floor_day(edges[6]) < edges[6] THEN floor_day(edges[6]) + interval '24 hours' ELSE edges[6] END AS until
        FROM read_edges(reconcile.since, reconcile.until, '{}', 'day') AS edges
    ), cell AS (
        SELECT 1 AS sign, stored.* FROM days, usage_cubes AS stored
        WHERE stored.bucket >= days.since AND stored.bucket < days.until
        UNION ALL
        SELECT 1, pending.* FROM days, rolled_up('deltas', days.since, days.until) AS pending
        UNION ALL
        SELECT -1, raw.* FROM days, rolled_up('history', days.since, days.until) AS raw
    ), difference AS (
        SELECT cell.cube, cell.bucket, cell.customer_id, cell.project_id, cell.package_id, cell.section, cell.provider,
               cell.model, cell.environment, cell.customer_tier, cell.user_id, cell.api_key_id,
               total(cell.sign * cell.executions) AS executions, total(cell.sign * cell.succeeded) AS succeeded,
               total(cell.sign * cell.failed) AS failed, total(cell.sign * cell.timed_out) AS timed_out,
               total(cell.sign * cell.cancelled) AS cancelled, total(cell.sign * cell.open) AS open,
               total(cell.sign * cell.unpriced) AS unpriced, total(cell.sign * cell.unreported) AS unreported,
               total(cell.sign * cell.estimated) AS estimated, total(cell.sign * cell.byok) AS byok,
               total(cell.sign * cell.input_tokens) AS input_tokens,
               total(cell.sign * cell.cache_read_tokens) AS cache_read_tokens,
               total(cell.sign * cell.cache_write_tokens) AS cache_write_tokens,
               total(cell.sign * cell.output_tokens) AS output_tokens,
               total(cell.sign * cell.reasoning_tokens) AS reasoning_tokens,
               total(cell.sign * cell.cost) AS cost, total(cell.sign * cell.billed_cost) AS billed_cost,
               total(cell.sign * cell.shadow_cost) AS shadow_cost,
               total(cell.sign * cell.duration_us) AS duration_us, total(cell.sign * cell.queue_time_us) AS queue_time_us,
               coalesce(merge(cell.duration_sketch) FILTER (WHERE cell.sign = 1), value_sketch(NULL))
               - coalesce(merge(cell.duration_sketch) FILTER (WHERE cell.sign = -1), value_sketch(NULL)) AS duration_sketch,
               coalesce(merge(cell.queue_time_sketch) FILTER (WHERE cell.sign = 1), value_sketch(NULL))
               - coalesce(merge(cell.queue_time_sketch) FILTER (WHERE cell.sign = -1), value_sketch(NULL)) AS queue_time_sketch
        FROM cell
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
    )
    SELECT d.cube, d.bucket,
           jsonb_strip_nulls(jsonb_build_object(
               'customer_id', nullif(d.customer_id, ''), 'project_id', nullif(d.project_id, ''),
               'package_id', nullif(d.package_id, ''), 'section', nullif(d.section, ''),
               'provider', nullif(d.provider, ''), 'model', nullif(d.model, ''),
               'environment', nullif(d.environment, ''), 'customer_tier', nullif(d.customer_tier, ''),
               'user_id', nullif(d.user_id, ''), 'api_key_id', nullif(d.api_key_id, ''))),
           found.measure, found.difference
    FROM difference AS d
    CROSS JOIN LATERAL (VALUES
        ('executions', nullif(d.executions, 0)::text),
        ('succeeded', nullif(d.succeeded, 0)::text),
        ('failed', nullif(d.failed, 0)::text),
        ('timed_out', nullif(d.timed_out, 0)::text),
        ('cancelled', nullif(d.cancelled, 0)::text),
        ('open', nullif(d.open, 0)::text),
        ('unpriced', nullif(d.unpriced, 0)::text),
        ('unreported', nullif(d.unreported, 0)::text),
        ('estimated', nullif(d.estimated, 0)::text),
        ('byok', nullif(d.byok, 0)::text),
        ('input_tokens', nullif(d.input_tokens, 0)::text),
        ('cache_read_tokens', nullif(d.cache_read_tokens, 0)::text),
        ('cache_write_tokens', nullif(d.cache_write_tokens, 0)::text),
        ('output_tokens', nullif(d.output_tokens, 0)::text),
        ('reasoning_tokens', nullif(d.reasoning_tokens, 0)::text),
        ('cost', nullif(d.cost, 0)::text),
        ('billed_cost', nullif(d.billed_cost, 0)::text),
        ('shadow_cost', nullif(d.shadow_cost, 0)::text),
        ('duration_us', nullif(d.duration_us, 0)::text),
        ('queue_time_us', nullif(d.queue_time_us, 0)::text),
        ('duration_sketch', CASE WHEN d.duration_sketch <> value_sketch(NULL) THEN d.duration_sketch::text END),
        ('queue_time_sketch', CASE WHEN d.queue_time_sketch <> value_sketch(NULL) THEN d.queue_time_sketch::text END)) AS found (measure, difference)
    WHERE found.difference IS NOT NULL;
END;

COMMENT ON FUNCTION reconcile(timestamptz, timestamptz) IS
'Compares every measure of every cell of every cube (what is folded plus what is pending) with the raw executions of [since, until), widened to whole UTC days and without those of which retention has dropped executions, and returns only differences: stored minus raw. No row is the proof that every report is exact.';

-- A day at a time, so that it can be stopped and gone on with, and takes the memory of a day.
CREATE TABLE reconciled_days (
    day          timestamptz PRIMARY KEY,
    checked_at   timestamptz NOT NULL,
    differences  bigint      NOT NULL
);

COMMENT ON TABLE reconciled_days IS 'When each UTC day was last reconciled by reconcile_days()';
COMMENT ON COLUMN reconciled_days.day IS 'Start of the UTC day';
COMMENT ON COLUMN reconciled_days.checked_at IS 'When it was last compared';
COMMENT ON COLUMN reconciled_days.differences IS 'How many differences there were: reconcile(day, day + ''24 hours'') lists them';
COMMENT ON INDEX reconciled_days_pkey IS 'A day';

CREATE FUNCTION reconcile_days(max_days integer DEFAULT 1) RETURNS SETOF reconciled_days
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO reconciled_days
    SELECT next.day, clock_timestamp(),
           (SELECT count(*) FROM reconcile(next.day, next.day + interval '24 hours'))
    FROM (
        SELECT day
        FROM (SELECT min(c.bucket) AS first FROM usage_cubes AS c WHERE c.cube = 'system_day') AS folded,
             (SELECT min(floor_day(e.created_at)) AS first FROM execution_history_default AS e) AS stray,
             (SELECT min(p.since) AS first FROM history_partitions AS p WHERE p.since > '-infinity') AS partitioned,
             (SELECT max(c.bucket) AS last FROM usage_cubes AS c WHERE c.cube = 'system_day' AND c.bucket > now()) AS to_come,
             (SELECT max(e.created_at) AS last FROM execution_history AS e WHERE e.created_at > now()) AS dated_ahead,
             retention AS r,
             generate_series(greatest(least(folded.first, stray.first, partitioned.first), r.dropped_until),
                             greatest(now(), to_come.last, dated_ahead.last), interval '24 hours') AS day
        LEFT JOIN reconciled_days AS known USING (day)
        WHERE r.table_name = 'execution_history'
        ORDER BY known.checked_at NULLS FIRST, day
        LIMIT max_days) AS next
    ON CONFLICT (day) DO UPDATE SET checked_at = excluded.checked_at, differences = excluded.differences
    RETURNING *;
END;

COMMENT ON FUNCTION reconcile_days(integer) IS
'Reconciles so many UTC days: first those never looked at, then those longest ago. Called in a loop it goes round all days, a transaction each, and goes on where it was stopped; days to come for which there are executions are among them. Returns the days with their number of differences.';

-- A day in one statement, hence in one snapshot: what a writer commits meanwhile stays a delta.
CREATE FUNCTION rebuild_rollups(since timestamptz, until timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET work_mem = '256MB'
SET jit = off
AS $rebuild_rollups$
DECLARE
    dropped_until timestamptz := (SELECT r.dropped_until FROM retention AS r WHERE r.table_name = 'execution_history');
    starts        timestamptz;
    deltas        bigint;
    cells         bigint;
    total_cells   bigint := 0;
BEGIN
    IF since IS NULL OR until IS NULL OR NOT isfinite(since) OR NOT isfinite(until) OR since > until THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid range of time from %s to %s', coalesce(since::text, 'null'), coalesce(until::text, 'null')),
            HINT = 'Both ends must be given. A range holds its start and not its end.';
    END IF;
    IF floor_day(since) < dropped_until THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = format('executions before %s are not kept', dropped_until),
            DETAIL = 'The rollups are all that is left of them.',
            HINT = format('Rebuild from %s on.', dropped_until);
    END IF;

    PERFORM FROM fold_state FOR UPDATE;
    FOR starts IN SELECT generate_series(floor_day(since), until - interval '1 microsecond', interval '24 hours') LOOP
        WITH rebuilt AS MATERIALIZED (
            SELECT * FROM rolled_up('history', starts, starts + interval '24 hours')
        ), taken AS (
            DELETE FROM usage_deltas WHERE bucket >= starts AND bucket < starts + interval '24 hours' RETURNING 1
        ), removed AS (
            DELETE FROM usage_cubes AS cell
            WHERE cell.bucket >= starts AND cell.bucket < starts + interval '24 hours'
              AND NOT EXISTS (
                  SELECT FROM rebuilt AS r
                  WHERE (r.cube, r.customer_id, r.bucket, r.project_id, r.package_id, r.section, r.provider, r.model, r.environment, r.customer_tier, r.user_id, r.api_key_id)
                      = (cell.cube, cell.customer_id, cell.bucket, cell.project_id, cell.package_id, cell.section, cell.provider, cell.model, cell.environment, cell.customer_tier, cell.user_id, cell.api_key_id))
        ), upserted AS (
            INSERT INTO usage_cubes
            SELECT * FROM rebuilt
            ON CONFLICT (customer_id, bucket, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id, cube)
            DO UPDATE SET
                (executions, succeeded, failed, timed_out, cancelled, open, unpriced, unreported, estimated, byok,
                 input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                 cost, billed_cost, shadow_cost, duration_us, queue_time_us, duration_sketch, queue_time_sketch)
                = (excluded.executions, excluded.succeeded, excluded.failed, excluded.timed_out, excluded.cancelled, excluded.open, excluded.unpriced, excluded.unreported, excluded.estimated, excluded.byok,
                   excluded.input_tokens, excluded.cache_read_tokens, excluded.cache_write_tokens, excluded.output_tokens, excluded.reasoning_tokens,
                   excluded.cost, excluded.billed_cost, excluded.shadow_cost, excluded.duration_us, excluded.queue_time_us, excluded.duration_sketch, excluded.queue_time_sketch)
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM taken), (SELECT count(*) FROM upserted) INTO deltas, cells;
        total_cells := total_cells + cells;
        -- what was wrong and is right now is a change too
        UPDATE fold_state SET folded = folded + deltas + 1;
    END LOOP;
    RETURN total_cells;
END
$rebuild_rollups$;

COMMENT ON FUNCTION rebuild_rollups(timestamptz, timestamptz) IS
'Makes the rollups of [since, until), widened to whole UTC days, anew from the raw executions, and returns the number of cells. Waits for a fold that runs; readers and writers go on. Raises 22023 for a range without ends, 55000 where retention has dropped executions.';

CREATE FUNCTION health() RETURNS TABLE (finding text, level text, count bigint, detail text, hint text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH unpriced AS (
        SELECT sum(r.unpriced)::bigint AS count,
               string_agg(format('%s %s: %s', r.provider, r.model, r.unpriced), ', ' ORDER BY r.unpriced DESC) AS detail
        FROM usage_report('{provider,model}', NULL, 'all') AS r
        WHERE r.unpriced > 0
    ), pending AS (
        SELECT count(*) AS count, 'oldest bucket ' || min(d.bucket) AS detail
        FROM usage_deltas AS d
    ), stray AS (
        SELECT count(*) AS count, min(e.created_at) || ' to ' || max(e.created_at) AS detail
        FROM execution_history_default AS e
    ), late AS (
        SELECT count(*) AS count, 'created as early as ' || min(e.created_at) AS detail
        FROM execution_history AS e
        WHERE e.recorded_at >= now() - interval '1 day' AND e.created_at < e.recorded_at - interval '1 day'
    ), untriggered AS (
        SELECT count(*) AS count, string_agg(lacking.relid::text || ' lacks ' || lacking.tgname, ', ') AS detail
        FROM (
            SELECT tree.relid, parent.tgname
            FROM pg_partition_tree('execution_history') AS tree
            JOIN pg_trigger AS parent ON parent.tgrelid = 'execution_history'::regclass AND NOT parent.tgisinternal
            WHERE parent.tgname IN ('stamp_execution', 'append_deltas_of_insert', 'append_deltas_of_update', 'append_deltas_of_delete', 'refuse_truncate')
            EXCEPT
            SELECT t.tgrelid, t.tgname FROM pg_trigger AS t WHERE t.tgenabled IN ('O', 'A')
        ) AS lacking
    ), ahead AS (
        SELECT count(*) AS count, string_agg(missing.day::text, ', ') AS detail
        FROM missing_partitions(1) AS missing (day)
    )
    SELECT 'executions without a price', CASE WHEN count > 0 THEN 'warning' ELSE 'ok' END, coalesce(count, 0), detail,
           'State the price with set_price().' FROM unpriced
    UNION ALL
    SELECT 'deltas to fold', CASE WHEN count > 1000000 THEN 'warning' ELSE 'ok' END, count, detail,
           'Call fold(). Reports are exact without it, and faster with it.' FROM pending
    UNION ALL
    SELECT 'executions in the default partition', CASE WHEN count > 0 THEN 'warning' ELSE 'ok' END, count, detail,
           'Call adopt_default_rows() to give their months partitions.' FROM stray
    UNION ALL
    SELECT 'executions recorded a day late or more, since yesterday', CASE WHEN count > 0 THEN 'notice' ELSE 'ok' END, count, detail,
           'They are counted in the period in which they were created.' FROM late
    UNION ALL
    SELECT 'triggers missing or disabled', CASE WHEN count > 0 THEN 'critical' ELSE 'ok' END, count, detail,
           'Rollups do not follow what is written without them. Call add_history_triggers() for the table.' FROM untriggered
    UNION ALL
    SELECT 'periods without a partition, up to the next', CASE WHEN count > 0 THEN 'warning' ELSE 'ok' END, count, detail,
           'Call create_partitions().' FROM ahead;
END;

COMMENT ON FUNCTION health() IS
'What needs attention in this ledger, one row per finding with its level: ok, notice, warning or critical.';
