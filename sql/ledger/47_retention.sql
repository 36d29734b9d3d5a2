-- Retention: raw executions and payloads are dropped when they are older than is wanted. What is folded or waits to be
-- stays, so every report goes on to be exact; one that would need the dropped executions raises an error.

CREATE TABLE retention (
    table_name     text        PRIMARY KEY CHECK (table_name IN ('execution_history', 'execution_payloads')),
    keep           interval    CHECK (keep >= interval '1 day'),
    dropped_until  timestamptz NOT NULL DEFAULT '-infinity'
);

COMMENT ON TABLE retention IS 'How long rows are kept; set_retention() changes it';
COMMENT ON COLUMN retention.table_name IS 'execution_history or execution_payloads';
COMMENT ON COLUMN retention.keep IS 'Age of created_at up to which they are kept, NULL for ever';
COMMENT ON COLUMN retention.dropped_until IS 'Rows created before may have been dropped';
COMMENT ON INDEX retention_pkey IS 'The retention of a table';

INSERT INTO retention (table_name) VALUES ('execution_history'), ('execution_payloads');

CREATE FUNCTION set_retention(table_name text, keep interval) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $set_retention$
BEGIN
    UPDATE retention AS r SET keep = set_retention.keep WHERE r.table_name = set_retention.table_name;
    IF NOT FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('no retention for %L', table_name),
            HINT = format('It can be set for %s.', (SELECT string_agg(r.table_name, ' and ' ORDER BY r.table_name) FROM retention AS r));
    END IF;
END
$set_retention$;

COMMENT ON FUNCTION set_retention(text, interval) IS
'How long rows of execution_history or execution_payloads are kept: at least a day, NULL for ever. Executions go by whole partitions, payloads by the row, both with the next maintenance. Raises 22023 for another table, 23514 for less than a day.';

-- Dropping a partition locks the whole history, and DETACH CONCURRENTLY is not to be had beside a default partition. The lock
-- is held for the catalogue changes only, and asked for without waiting: while anybody uses the history, another run will do.
CREATE FUNCTION drop_expired_executions() RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET timezone = 'UTC'
AS $drop_expired_executions$
DECLARE
    kept_since timestamptz := (SELECT floor_day(now() - r.keep) FROM retention AS r WHERE r.table_name = 'execution_history');
    expired    regclass[] := ARRAY(SELECT p.partition FROM history_partitions AS p WHERE p.until <= kept_since ORDER BY p.since);
    last       timestamptz := (SELECT max(p.until) FROM history_partitions AS p WHERE p.until <= kept_since);
    old        regclass;
BEGIN
    -- executions without a partition go with those around them, unseen by the rollups
    IF EXISTS (SELECT FROM execution_history_default WHERE created_at < kept_since) THEN
        last := kept_since;
    END IF;
    IF last IS NULL THEN
        RETURN 0;
    END IF;
    LOCK TABLE execution_history IN ACCESS EXCLUSIVE MODE NOWAIT;
    FOREACH old IN ARRAY expired LOOP
        EXECUTE format('DROP TABLE %s', old);
    END LOOP;
    ALTER TABLE execution_history_default DISABLE TRIGGER append_deltas_of_delete;
    DELETE FROM execution_history_default WHERE created_at < last;
    ALTER TABLE execution_history_default ENABLE TRIGGER append_deltas_of_delete;
    UPDATE retention SET dropped_until = greatest(dropped_until, last) WHERE table_name = 'execution_history';
    RETURN cardinality(expired);
EXCEPTION WHEN lock_not_available THEN
    RETURN 0;
END
$drop_expired_executions$;

COMMENT ON FUNCTION drop_expired_executions() IS
'Drops the partitions of which every execution is older than is kept, and such executions in the default partition, and returns how many partitions went. Rollups and pending deltas stay. Does nothing while anybody uses the history. A transaction in REPEATABLE READ that began before may miss what was dropped. Raises 2BP01 where a foreign key references a partition.';

CREATE FUNCTION drop_expired_payloads() RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $drop_expired_payloads$
DECLARE
    kept_since timestamptz := (SELECT now() - r.keep FROM retention AS r WHERE r.table_name = 'execution_payloads');
    dropped    bigint;
BEGIN
    DELETE FROM execution_payloads WHERE created_at < kept_since;
    GET DIAGNOSTICS dropped = ROW_COUNT;
    UPDATE retention SET dropped_until = kept_since WHERE table_name = 'execution_payloads' AND dropped > 0;
    RETURN dropped;
END
$drop_expired_payloads$;

COMMENT ON FUNCTION drop_expired_payloads() IS
'Deletes the payloads that are older than is kept, and returns how many';

CREATE FUNCTION drop_expired() RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $drop_expired$
BEGIN
    WHILE forget_requests() > 0 LOOP
    END LOOP;
    RETURN drop_expired_executions() + drop_expired_payloads();
END
$drop_expired$;

COMMENT ON FUNCTION drop_expired() IS
'Forgets old requests, and drops expired executions and payloads. Returns how many partitions and payloads. Part of maintain().';

CREATE FUNCTION maintain() RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT create_partitions_unless_busy();
    SELECT CASE WHEN partitions_are_due('pg_partman') THEN run_partman(partman_schema(), partman_parent()) END;
    SELECT complete_partitions();
    SELECT drop_expired();
END;

COMMENT ON FUNCTION maintain() IS
'What has to be done now and then: makes partitions ahead, forgets old requests, and drops expired executions and payloads. Waits for nobody. Happens by itself within an hour of a write, unless usage_meter.fold_threshold is 0. Returns how many partitions and payloads it dropped.';

-- Asked by read_query() where it is about to look at raw executions of [since, until), a part of the range it was asked for.
CREATE FUNCTION has_raw(since timestamptz, until timestamptz, needed text[]) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $has_raw$
DECLARE
    kept_since timestamptz := (SELECT r.dropped_until FROM retention AS r WHERE r.table_name = 'execution_history');
BEGIN
    IF since >= kept_since OR since >= until THEN
        RETURN true;
    END IF;
    RAISE object_not_in_prerequisite_state USING
        MESSAGE = format('executions before %s are not kept one by one', kept_since),
        DETAIL = format('The answer needs those from %s to %s.', since, least(until, kept_since)),
        HINT = CASE
            WHEN cube_for(needed, 'quarter') IS NOT NULL THEN 'Ranges of whole quarter hours can be answered.'
            WHEN cube_for(needed, 'day') IS NOT NULL THEN 'Ranges of whole UTC days can be answered, not divided into less.'
            ELSE format('By these dimensions, ranges since %s can be answered.', kept_since) END;
END
$has_raw$;

COMMENT ON FUNCTION has_raw(timestamptz, timestamptz, text[]) IS
'True if the raw executions of [since, until) are all kept. Raises 55000 if not, with the finest range that can be answered by the dimensions.';
