-- What the benchmarks need in a database. P2 gives this file to postgres --single too, which ends a statement at a
-- semicolon before an empty line, and nowhere else.

CREATE EXTENSION usage_meter;

CREATE SCHEMA bench;

-- the clock, and the CPU time of this backend, in milliseconds
CREATE FUNCTION bench.wall_ms() RETURNS float8
LANGUAGE sql VOLATILE
RETURN extract(epoch FROM clock_timestamp())::float8 * 1e3;

CREATE FUNCTION bench.cpu_ms() RETURNS float8
LANGUAGE sql VOLATILE
RETURN split_part(pg_read_file('/proc/self/schedstat'), ' ', 1)::float8 / 1e6;

-- a ledger that has a partition for bench.traffic()
CREATE FUNCTION bench.create_ledger(schema name) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $create_ledger$
BEGIN
    PERFORM create_usage_ledger(schema);
    EXECUTE format('SELECT %I.create_partition(''2026-01-01'')', schema);
END
$create_ledger$;

-- the baseline of writing: the same tables, partitions, indexes and defaults, but no triggers on the history
CREATE FUNCTION bench.create_bare_ledger(schema name) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $create_bare_ledger$
DECLARE
    made record;
BEGIN
    PERFORM bench.create_ledger(schema);
    FOR made IN
        SELECT tgname, tgrelid::regclass AS history FROM pg_trigger
        WHERE tgrelid::regclass IN (SELECT relid FROM pg_partition_tree(format('%I.execution_history', schema))) AND tgparentid = 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', made.tgname, made.history);
    END LOOP;
END
$create_bare_ledger$;

-- Traffic in no order: executions of so many customers, of whom the largest has a tenth of 1,000 customers' traffic,
-- within so many days. The same whenever setseed() was called before.
CREATE FUNCTION bench.traffic(executions bigint, customers integer, days integer)
RETURNS TABLE (
    created_at timestamptz, customer_id text, project_id text, section text, user_id text, provider text, model text,
    input_tokens bigint, output_tokens bigint, duration_ms numeric, queue_time_ms numeric)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT '2026-01-01 00:00+00'::timestamptz + random() * days * interval '24 hours',
           'customer-' || floor(customers * random() ^ 3),
           'project-' || project,
           (ARRAY['chat', 'search', 'review', 'report'])[project % 4 + 1],
           'user-' || floor(20 * random()),
           (ARRAY['openai', 'openai', 'openai', 'openai', 'anthropic', 'anthropic', 'anthropic', 'google'])[model],
           (ARRAY['gpt-4o', 'gpt-4o-mini', 'gpt-4', 'gpt-4-turbo', 'claude-3-5-sonnet', 'claude-sonnet-4', 'claude-3-haiku', 'gemini-pro'])[model],
           floor(exp(6.2 + 1.1 * normal))::bigint,
           floor(exp(4.8 + 0.9 * normal))::bigint,
           round(exp(6.5 + 0.8 * normal + random())::numeric, 3),
           round(exp(2 + random())::numeric, 3)
    FROM (SELECT floor(5 * random())::integer AS project,
                 floor(8 * random() ^ 2)::integer + 1 AS model,
                 sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()) AS normal
          FROM generate_series(1, executions)
          OFFSET 0) AS drawn;
END;
