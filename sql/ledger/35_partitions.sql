-- Partitions of execution_history: by UTC month, week or day of created_at, made ahead of time. What none is for goes to the
-- default partition.

-- Bounds are written and read in the same DateStyle, with the offset of the zone. A partition that the owner has made
-- himself counts as any other.
CREATE VIEW history_partitions WITH (security_invoker = true) AS
SELECT c.oid::regclass AS partition,
       coalesce(substring(bound.expression FROM $$FROM \('([^']+)'\)$$)::timestamptz, '-infinity') AS since,
       coalesce(substring(bound.expression FROM $$TO \('([^']+)'\)$$)::timestamptz, 'infinity') AS until
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
CROSS JOIN LATERAL pg_get_expr(c.relpartbound, c.oid) AS bound (expression)
WHERE i.inhparent = 'execution_history'::regclass AND bound.expression <> 'DEFAULT';

COMMENT ON VIEW history_partitions IS 'Partitions of execution_history and the range of created_at that each holds, without the default partition';
COMMENT ON COLUMN history_partitions.partition IS 'The partition';
COMMENT ON COLUMN history_partitions.since IS 'First instant that it holds';
COMMENT ON COLUMN history_partitions.until IS 'First instant after it';

CREATE FUNCTION has_partition(day date) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT EXISTS (
        SELECT FROM history_partitions AS p
        WHERE p.since <= has_partition.day::timestamp AT TIME ZONE 'UTC' AND p.until > has_partition.day::timestamp AT TIME ZONE 'UTC');
END;

COMMENT ON FUNCTION has_partition(date) IS 'Is the beginning of that UTC day in a partition other than the default one?';

CREATE FUNCTION partition_name(starts timestamptz) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT concat('execution_history_', CASE l.partition_manager WHEN 'pg_partman' THEN 'p' END,
                  to_char(starts AT TIME ZONE 'UTC', CASE l.partition_step WHEN 'month' THEN 'YYYY_MM' ELSE 'YYYY_MM_DD' END))
    FROM ledger AS l;
END;

COMMENT ON FUNCTION partition_name(timestamptz) IS 'Name of the partition that begins then, as pg_partman would name it where it manages them';

-- Locks. Attaching a partition locks the default partition against everyone, because its rows are looked through and its
-- constraint changes. Where rows are moved out of it, the whole history is locked, and before anything else: a statement
-- that is planned already knows nothing of the new partition, and would miss the moved rows or be refused. Rows may come
-- while we wait for the smaller locks; then these are given back, by the end of the inner block, for the larger one.
CREATE FUNCTION create_partition(day date) RETURNS regclass
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET timezone = 'UTC'
AS $create_partition$
DECLARE
    step      text := (SELECT partition_step FROM ledger);
    starts    timestamptz := date_trunc(step, day::timestamptz);
    ends      timestamptz := starts + ('1 ' || step)::interval;
    partition text;
BEGIN
    BEGIN
        LOCK TABLE ONLY execution_history IN SHARE UPDATE EXCLUSIVE MODE;
        LOCK TABLE execution_history_default IN ACCESS EXCLUSIVE MODE;
        IF EXISTS (SELECT FROM execution_history_default WHERE created_at >= starts AND created_at < ends) THEN
            RAISE object_in_use;
        END IF;
    EXCEPTION WHEN object_in_use THEN
        LOCK TABLE execution_history IN ACCESS EXCLUSIVE MODE;
    END;
    -- where the step was another before, what its partitions leave
    SELECT greatest(starts, max(p.until) FILTER (WHERE p.since <= day)),
           least(ends, min(p.since) FILTER (WHERE p.since > day))
    INTO starts, ends
    FROM history_partitions AS p;
    IF starts > day THEN
        RETURN NULL;
    END IF;

    partition := quote_ident(partition_name(starts));
    EXECUTE format('CREATE TABLE %s (LIKE execution_history INCLUDING ALL)', partition);
    PERFORM move_default_rows(partition::regclass, starts, ends);
    PERFORM add_history_triggers(partition::regclass);
    EXECUTE format('ALTER TABLE execution_history ATTACH PARTITION %s FOR VALUES FROM (%L) TO (%L)', partition, starts, ends);
    EXECUTE format('COMMENT ON TABLE %s IS %L', partition,
                   format('Executions from %s to before %s (UTC)', to_char(starts, 'YYYY-MM-DD'), to_char(ends, 'YYYY-MM-DD')));
    RETURN partition::regclass;
END
$create_partition$;

COMMENT ON FUNCTION create_partition(date) IS
'Makes the partition of execution_history for the UTC month (week or day, by the setting of the ledger) that holds that day, and moves its rows out of the default partition. Returns it, or NULL if it exists. Waits for transactions that use the default partition, and if there are rows to move for all that use the history; others wait for it until it commits.';

-- Named columns, because a partition may have them in another order; generated ones make themselves. The rows stay in the
-- history, so no trigger may tell the rollups that they go: the delete trigger is off, and the new table has none yet.
CREATE FUNCTION move_default_rows(partition regclass, since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $move_default_rows$
DECLARE
    columns text := (
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
        FROM pg_attribute
        WHERE attrelid = partition AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
BEGIN
    IF NOT EXISTS (SELECT FROM execution_history_default WHERE created_at >= since AND created_at < until) THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_constraint WHERE contype = 'f' AND confrelid = 'execution_history'::regclass) THEN
        RAISE object_not_in_prerequisite_state USING
            MESSAGE = 'cannot move rows that a foreign key may refer to',
            DETAIL = 'Rows leave the default partition by DELETE before they are part of the history again, which the foreign key would follow.',
            HINT = 'Drop the foreign keys that reference execution_history, move the rows, and add them again.';
    END IF;

    ALTER TABLE execution_history_default DISABLE TRIGGER append_deltas_of_delete;
    EXECUTE format($$
        WITH moved AS (
            DELETE FROM execution_history_default WHERE created_at >= %2$L AND created_at < %3$L
            RETURNING %4$s)
        INSERT INTO %1$s (%4$s) SELECT %4$s FROM moved$$, partition, since, until, columns);
    ALTER TABLE execution_history_default ENABLE TRIGGER append_deltas_of_delete;
END
$move_default_rows$;

COMMENT ON FUNCTION move_default_rows(regclass, timestamptz, timestamptz) IS
'Moves a range of created_at from the default partition to a table that is about to become a partition. Rows keep all their columns, and the rollups do not notice.';

CREATE FUNCTION adopt_default_rows() RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET timezone = 'UTC'
AS $adopt_default_rows$
DECLARE
    before bigint;
    days   date[];
BEGIN
    LOCK TABLE execution_history IN ACCESS EXCLUSIVE MODE;
    SELECT count(*), array_agg(DISTINCT created_at::date) INTO before, days
    FROM execution_history_default;
    PERFORM create_partition(day) FROM unnest(days) AS day ORDER BY day;
    RETURN before - (SELECT count(*) FROM execution_history_default);
END
$adopt_default_rows$;

COMMENT ON FUNCTION adopt_default_rows() IS
'Gives every month (week or day) that has rows in the default partition a partition of its own and moves the rows there. Returns how many were moved. Waits for all transactions that use the history, and others wait for it until it commits. A transaction in REPEATABLE READ that began before may miss the moved rows in ranges that leave out the default partition. Raises 55000 where a foreign key references the history.';

-- A week may begin in a month that has a partition, and end in one that has none.
CREATE FUNCTION missing_partitions(ahead integer DEFAULT 3) RETURNS SETOF date
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT missing.day
    FROM (SELECT date_trunc(l.partition_step, now() AT TIME ZONE 'UTC') AS first, ('1 ' || l.partition_step)::interval AS step FROM ledger AS l) AS present,
         generate_series(present.first, present.first + ahead * present.step, present.step) AS coming (starts),
         LATERAL (SELECT min(day) FROM (VALUES (coming.starts::date), ((coming.starts + present.step)::date - 1)) AS edges (day) WHERE NOT has_partition(day)) AS missing (day)
    WHERE missing.day IS NOT NULL;
END;

COMMENT ON FUNCTION missing_partitions(integer) IS
'The current UTC month (week or day) and so many ahead, where they have no partition yet: a day of each';

CREATE FUNCTION create_partitions(ahead integer DEFAULT 3) RETURNS SETOF regclass
LANGUAGE sql VOLATILE
SET search_path FROM CURRENT
AS $create_partitions$
    SELECT made.partition
    FROM missing_partitions(ahead) AS missing (day),
         create_partition(missing.day) AS made (partition)
    WHERE made.partition IS NOT NULL
$create_partitions$;

COMMENT ON FUNCTION create_partitions(integer) IS
'Makes the partitions of the current UTC month (week or day) and of so many ahead that do not exist yet, and returns them. fold() does the same when nobody has to wait for it.';

CREATE FUNCTION set_partitioning(step text, manager text DEFAULT 'usage_meter') RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $set_partitioning$
DECLARE
    coming  regclass;
    is_used boolean;
BEGIN
    IF step IS NULL OR step NOT IN ('month', 'week', 'day') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown step %L', step),
            HINT = 'Partitions hold a month, a week or a day.';
    END IF;
    IF manager IS NULL OR manager NOT IN ('usage_meter', 'pg_partman') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown manager of partitions %L', manager),
            HINT = 'Partitions are made by usage_meter or pg_partman.';
    END IF;
    LOCK TABLE execution_history IN ACCESS EXCLUSIVE MODE;
    UPDATE ledger SET partition_step = step, partition_manager = manager;
    FOR coming IN SELECT p.partition FROM history_partitions AS p WHERE p.since > now() LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s)', coming) INTO is_used;
        IF NOT is_used THEN
            EXECUTE format('DROP TABLE %s', coming);
        END IF;
    END LOOP;
    PERFORM create_partitions();
    PERFORM register_with_partman();
END
$set_partitioning$;

COMMENT ON FUNCTION set_partitioning(text, text) IS
'Says whether the partitions to come hold a UTC month (the default), a week from Monday, or a day, and whether usage_meter makes them ahead or pg_partman, which must be installed for that. Those there are stay, but for empty ones of the future; for pg_partman they get the names that it looks for. Waits for all transactions that use the history. Raises 22023 for another step or manager, 55000 without pg_partman.';

CREATE TABLE execution_history_default (LIKE execution_history INCLUDING ALL);
SELECT add_history_triggers('execution_history_default');
ALTER TABLE execution_history ATTACH PARTITION execution_history_default DEFAULT;

COMMENT ON TABLE execution_history_default IS 'Executions of months that have no partition, so that none is ever refused; adopt_default_rows() moves them on';

SELECT create_partitions();
