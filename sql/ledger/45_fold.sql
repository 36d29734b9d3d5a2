-- Folding: committed deltas move into the cubes, by fold() or by itself.

CREATE TABLE fold_state (
    only_row          boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    folds             bigint      NOT NULL DEFAULT 0,
    folded            bigint      NOT NULL DEFAULT 0,
    last_at           timestamptz,
    last_folded       bigint,
    last_seconds      numeric,
    refused_launches  bigint      NOT NULL DEFAULT 0,
    maintained_at     timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE fold_state IS 'One row: what folding has done. A fold locks it, so that there is one at a time.';
COMMENT ON COLUMN fold_state.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN fold_state.folds IS 'Folds that found something';
COMMENT ON COLUMN fold_state.folded IS 'Deltas folded by all of them';
COMMENT ON COLUMN fold_state.last_at IS 'When the last of them began';
COMMENT ON COLUMN fold_state.last_folded IS 'Deltas that it folded';
COMMENT ON COLUMN fold_state.last_seconds IS 'How long it took, in seconds';
COMMENT ON COLUMN fold_state.refused_launches IS 'Background workers that the server had no slot for, as far as sessions could tell later';
COMMENT ON COLUMN fold_state.maintained_at IS 'When background maintenance was last done; at first, when the ledger was made';
COMMENT ON INDEX fold_state_pkey IS 'Keeps it at one row';

INSERT INTO fold_state DEFAULT VALUES;

CREATE FUNCTION partitions_are_due(manager text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $partitions_are_due$
BEGIN
    IF manager <> (SELECT l.partition_manager FROM ledger AS l) OR NOT EXISTS (SELECT FROM missing_partitions()) THEN
        RETURN false;
    END IF;
    LOCK TABLE ONLY execution_history IN SHARE UPDATE EXCLUSIVE MODE NOWAIT;
    LOCK TABLE execution_history_default IN ACCESS EXCLUSIVE MODE NOWAIT;
    RETURN NOT EXISTS (SELECT FROM execution_history_default
                       WHERE created_at >= date_trunc((SELECT partition_step FROM ledger), now(), 'UTC'));
EXCEPTION WHEN lock_not_available THEN
    RETURN false;
END
$partitions_are_due$;

COMMENT ON FUNCTION partitions_are_due(text) IS
'Has that manager to make partitions of the coming months (weeks or days), and can it without waiting? Not if one of them has rows to move or somebody uses the default partition at this moment; else locks it.';

CREATE FUNCTION create_partitions_unless_busy() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $create_partitions_unless_busy$
BEGIN
    IF partitions_are_due('usage_meter') THEN
        PERFORM create_partitions();
    END IF;
END
$create_partitions_unless_busy$;

COMMENT ON FUNCTION create_partitions_unless_busy() IS
'Makes the partitions of the coming months (weeks or days) where nobody has to wait for it; else another fold will. Part of fold().';

-- The row of fold_state is what one fold holds against another.
CREATE FUNCTION fold(max_deltas bigint DEFAULT 1000000) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET work_mem = '256MB'
SET jit = off
AS $fold$
<<fold>>
DECLARE
    began       timestamptz := clock_timestamp();
    folded      bigint := 0;
    taken       bigint;
    emptied     tid[];
BEGIN
    PERFORM FROM fold_state FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;

    -- each round takes what it has memory for; what comes meanwhile can wait
    max_deltas := least(max_deltas, (SELECT count(*) FROM usage_deltas));
    LOOP
        WITH change AS MATERIALIZED (
            SELECT * FROM @extschema@.take_deltas('usage_deltas', max_deltas - folded)
        ), upserted AS (
            INSERT INTO usage_cubes AS cell
            SELECT change.bucket, change.customer_id, change.project_id, change.package_id, change.section, change.provider,
                   change.model, change.environment, change.customer_tier, change.user_id, change.api_key_id,
                   change.executions, change.succeeded, change.failed, change.timed_out, change.cancelled, change.open,
                   change.unpriced, change.unreported, change.estimated, change.byok,
                   change.input_tokens, change.cache_read_tokens, change.cache_write_tokens, change.output_tokens,
                   change.reasoning_tokens, change.cost, change.billed_cost, change.shadow_cost,
                   change.duration_us, change.queue_time_us, change.duration_sketch, change.queue_time_sketch, change.cube
            FROM change
            ON CONFLICT (customer_id, bucket, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id, cube)
            DO UPDATE SET
                executions         = cell.executions         + excluded.executions,
                succeeded          = cell.succeeded          + excluded.succeeded,
                failed             = cell.failed             + excluded.failed,
                timed_out          = cell.timed_out          + excluded.timed_out,
                cancelled          = cell.cancelled          + excluded.cancelled,
                open               = cell.open               + excluded.open,
                unpriced           = cell.unpriced           + excluded.unpriced,
                unreported         = cell.unreported         + excluded.unreported,
                estimated          = cell.estimated          + excluded.estimated,
                byok               = cell.byok               + excluded.byok,
                input_tokens       = cell.input_tokens       + excluded.input_tokens,
                cache_read_tokens  = cell.cache_read_tokens  + excluded.cache_read_tokens,
                cache_write_tokens = cell.cache_write_tokens + excluded.cache_write_tokens,
                output_tokens      = cell.output_tokens      + excluded.output_tokens,
                reasoning_tokens   = cell.reasoning_tokens   + excluded.reasoning_tokens,
                cost               = cell.cost               + excluded.cost,
                billed_cost        = cell.billed_cost        + excluded.billed_cost,
                shadow_cost        = cell.shadow_cost        + excluded.shadow_cost,
                duration_us        = cell.duration_us        + excluded.duration_us,
                queue_time_us      = cell.queue_time_us      + excluded.queue_time_us,
                duration_sketch    = cell.duration_sketch    OPERATOR(@extschema@.+) excluded.duration_sketch,
                queue_time_sketch  = cell.queue_time_sketch  OPERATOR(@extschema@.+) excluded.queue_time_sketch
            RETURNING ctid, executions
        )
        SELECT (SELECT coalesce(sum(change.deltas_taken), 0) FROM change WHERE change.cube = 'total_quarter'),
               array_agg(ctid) FILTER (WHERE executions = 0)
        INTO taken, emptied
        FROM upserted;

        -- Not all that adds up to nothing yet is nothing: what is taken away may be folded before what it is taken from. A ctid
        -- says nothing of its partition; the conditions hold for no cell that anybody could miss.
        IF emptied IS NOT NULL THEN
            DELETE FROM usage_cubes
            WHERE ctid = ANY (emptied)
              AND executions = 0 AND succeeded = 0 AND failed = 0 AND timed_out = 0 AND cancelled = 0 AND open = 0
              AND unpriced = 0 AND unreported = 0 AND estimated = 0 AND byok = 0
              AND input_tokens = 0 AND cache_read_tokens = 0 AND cache_write_tokens = 0 AND output_tokens = 0 AND reasoning_tokens = 0
              AND cost = 0 AND billed_cost = 0 AND shadow_cost = 0 AND duration_us = 0 AND queue_time_us = 0
              AND duration_sketch OPERATOR(@extschema@.=) @extschema@.value_sketch(NULL)
              AND queue_time_sketch OPERATOR(@extschema@.=) @extschema@.value_sketch(NULL);
        END IF;

        folded := folded + taken;
        EXIT WHEN taken = 0 OR folded >= max_deltas;
    END LOOP;

    UPDATE fold_state SET
        folds = folds + 1,
        folded = fold_state.folded + fold.folded,
        last_at = began,
        last_folded = fold.folded,
        last_seconds = extract(epoch FROM clock_timestamp() - began)
    WHERE fold.folded > 0;
    PERFORM create_partitions_unless_busy();
    RETURN folded;
END
$fold$;

COMMENT ON FUNCTION fold(bigint) IS
'Moves the committed deltas, max_deltas at most, into the cubes and returns how many there were. Happens by itself too, unless usage_meter.fold_threshold is 0. One fold at a time: while another runs, returns 0 at once. Readers and writers never wait for it, and every report is the same before, during and after. Also makes the partitions of the coming months (weeks or days), three ahead. In REPEATABLE READ it may raise 40001 after a concurrent fold: try again.';

CREATE FUNCTION maintain_after_fold(refused bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $maintain_after_fold$
BEGIN
    -- another fold has begun: its worker will do
    PERFORM FROM fold_state FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE fold_state SET refused_launches = refused_launches + refused WHERE refused > 0;
    UPDATE fold_state SET maintained_at = now() WHERE maintained_at < now() - interval '1 hour';
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    RETURN maintain();
END
$maintain_after_fold$;

COMMENT ON FUNCTION maintain_after_fold(bigint) IS
'What the background worker does after it has folded: notes how many launches were refused, and calls maintain() once an hour; nothing while another fold is running.';

CREATE VIEW fold_status WITH (security_invoker = true) AS
SELECT pending.deltas AS backlog,
       pending.oldest_bucket,
       CASE WHEN pending.deltas > 0 THEN now() - s.last_at ELSE interval '0' END AS lag,
       s.folds, s.folded,
       s.last_at, s.last_folded, s.last_seconds,
       round(s.last_folded / nullif(s.last_seconds, 0)) AS last_per_second,
       s.refused_launches,
       size.pages AS delta_pages,
       -- a scalar query, so that each page is looked up by itself, and no further than its first delta
       (SELECT count(*) FROM generate_series(0, size.pages - 1) AS page (number)
        WHERE (SELECT true FROM usage_deltas AS d
               WHERE d.ctid >= format('(%s,0)', page.number)::tid AND d.ctid < format('(%s,0)', page.number + 1)::tid
               LIMIT 1) IS NULL) AS dead_pages,
       pg_stat_get_dead_tuples('usage_deltas'::regclass) AS dead_deltas,
       (SELECT now() - min(a.xact_start) FROM pg_stat_activity AS a
        WHERE a.datname = current_database() AND a.backend_xmin IS NOT NULL) AS oldest_snapshot,
       s.maintained_at
FROM fold_state AS s
CROSS JOIN (SELECT count(*) AS deltas, min(d.bucket) AS oldest_bucket FROM usage_deltas AS d) AS pending
CROSS JOIN (SELECT pg_relation_size('usage_deltas') / current_setting('block_size')::bigint AS pages) AS size;

COMMENT ON VIEW fold_status IS 'How folding gets on: one row';
COMMENT ON COLUMN fold_status.backlog IS 'Deltas that are committed and not folded';
COMMENT ON COLUMN fold_status.oldest_bucket IS 'The earliest quarter hour that they are about';
COMMENT ON COLUMN fold_status.lag IS 'Time since the last fold that found something, zero where nothing waits; NULL before the first';
COMMENT ON COLUMN fold_status.folds IS 'Folds that found something';
COMMENT ON COLUMN fold_status.folded IS 'Deltas folded by all of them';
COMMENT ON COLUMN fold_status.last_at IS 'When the last of them began';
COMMENT ON COLUMN fold_status.last_folded IS 'Deltas that it folded';
COMMENT ON COLUMN fold_status.last_seconds IS 'How long it took, in seconds';
COMMENT ON COLUMN fold_status.last_per_second IS 'Its rate, in deltas a second';
COMMENT ON COLUMN fold_status.refused_launches IS 'Background workers that the server had no slot for';
COMMENT ON COLUMN fold_status.delta_pages IS 'Size of usage_deltas in pages, dead ones included';
COMMENT ON COLUMN fold_status.dead_pages IS 'Those of them without a delta that waits: they hold folded ones, or are free for writers to fill again';
COMMENT ON COLUMN fold_status.dead_deltas IS 'Folded deltas that vacuum has not removed, as the statistics have it';
COMMENT ON COLUMN fold_status.oldest_snapshot IS 'Age of the oldest transaction with a snapshot, which keeps vacuum from removing what was folded since; of the caller''s own role only, unless it may read all statistics';
COMMENT ON COLUMN fold_status.maintained_at IS 'When background maintenance was last done; at first, when the ledger was made';

CREATE FUNCTION usage_version() RETURNS bigint
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT s.folded + (SELECT count(*) FROM usage_deltas) FROM fold_state AS s;
END;

COMMENT ON FUNCTION usage_version() IS
'How many deltas there ever were, folded or not: a number that grows with every change of the usage and with nothing else. While it is the same, so is every report of a fixed range: clients may keep what they have read.';
