-- pg_partman makes the partitions where it is asked to: set_partitioning(step, 'pg_partman'). It is told of the history as it
-- is, not by create_parent(), which would make a default partition of its own. Only maintenance runs it, in UTC and with our
-- triggers in the same transaction; hence its automatic maintenance is off. Retention stays with set_retention().

CREATE FUNCTION partman_schema() RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT quote_ident(n.nspname)
    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace
    WHERE e.extname = 'pg_partman' AND e.extversion LIKE '4.%';
END;

COMMENT ON FUNCTION partman_schema() IS 'Schema of the extension pg_partman, quoted; NULL if its version 4 is not installed';

CREATE FUNCTION partman_parent() RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT n.nspname || '.execution_history'
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = 'execution_history'::regclass;
END;

COMMENT ON FUNCTION partman_parent() IS 'Name of the history as pg_partman has it: qualified, and without quotes';

CREATE FUNCTION register_with_partman() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET timezone = 'UTC'
AS $register_with_partman$
DECLARE
    manager text     := (SELECT partition_manager FROM ledger);
    step    text     := (SELECT partition_step FROM ledger);
    length  interval := '1 ' || step;
    made    record;
    last    record;
BEGIN
    IF partman_schema() IS NULL AND manager = 'pg_partman' THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'pg_partman is not installed in this database',
            DETAIL = 'Its version 4 is needed.',
            HINT = 'CREATE EXTENSION pg_partman, or let usage_meter make the partitions.';
    END IF;
    IF partman_schema() IS NOT NULL THEN
        EXECUTE format('DELETE FROM %s.part_config WHERE parent_table = $1', partman_schema()) USING partman_parent();
    END IF;
    IF manager <> 'pg_partman' THEN
        RETURN;
    END IF;

    -- it goes on from the last, which must be a whole one
    LOOP
        SELECT p.since, p.until INTO last FROM history_partitions AS p ORDER BY p.until DESC LIMIT 1;
        EXIT WHEN last.since = date_trunc(step, last.since) AND last.until = last.since + length;
        PERFORM create_partition(last.until::date);
    END LOOP;
    FOR made IN
        SELECT p.partition, partition_name(p.since) AS name
        FROM history_partitions AS p JOIN pg_class AS c ON c.oid = p.partition
        WHERE p.since = date_trunc(step, p.since) AND p.until = p.since + length AND c.relname <> partition_name(p.since)
    LOOP
        EXECUTE format('ALTER TABLE %s RENAME TO %I', made.partition, made.name);
    END LOOP;
    EXECUTE format($$
        INSERT INTO %s.part_config (parent_table, control, partition_type, partition_interval, premake, datetime_string,
                                    automatic_maintenance, infinite_time_partitions, ignore_default_data, inherit_privileges, jobmon)
        VALUES ($1, 'created_at', 'native', $2, 3, $3, 'off', true, true, false, false)$$, partman_schema())
    USING partman_parent(), length::text, CASE step WHEN 'month' THEN 'YYYY_MM' ELSE 'YYYY_MM_DD' END;
END
$register_with_partman$;

COMMENT ON FUNCTION register_with_partman() IS
'Tells pg_partman of the history, with all its partitions under the names that it looks for, or takes that back, by the setting of the ledger. Part of set_partitioning(). Raises 55000 where pg_partman is wanted and not installed.';

-- Not pinned to a search_path: pg_partman sets that of the session to what it finds.
CREATE FUNCTION run_partman(partman_schema text, parent text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET timezone = 'UTC'
AS $run_partman$
BEGIN
    EXECUTE pg_catalog.format('SELECT %s.run_maintenance(%L, false, false)', partman_schema, parent);
END
$run_partman$;

COMMENT ON FUNCTION run_partman(text, text) IS
'Has pg_partman make the partitions of the coming months (weeks or days). Part of maintain().';

CREATE FUNCTION complete_partitions() RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT add_history_triggers(p.partition)
    FROM history_partitions AS p
    WHERE NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = p.partition AND t.tgname = 'append_deltas_of_insert');
END;

COMMENT ON FUNCTION complete_partitions() IS
'Gives partitions that pg_partman has made the triggers that keep the rollups exact. Part of maintain().';
