-- The one table that test/bench/run prints.

CREATE FUNCTION bench.figure(value float8) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN abs(value) < 100 AND value <> floor(value) THEN to_char(value, 'FM90.00') ELSE to_char(value, 'FM999,999,999,990') END;

\pset format aligned
\pset tuples_only off
\pset footer off

SELECT bar AS "bar",
       what AS "what",
       coalesce(bench.figure(baseline) || ' ' || unit, '-') AS "baseline",
       bench.figure(ours) || ' ' || unit AS "ours",
       coalesce(to_char(ours / nullif(baseline, 0), 'FM990.000'), '-') AS "ratio",
       coalesce(relation || ' ' || bench.figure(bound), '-') AS "required",
       CASE WHEN relation IS NULL THEN ''
            WHEN relation = '<=' AND coalesce(ours / nullif(baseline, 0), ours) <= bound THEN 'met'
            WHEN relation = '>=' AND coalesce(ours / nullif(baseline, 0), ours) >= bound THEN 'met'
            ELSE 'missed' END AS "result"
FROM bench.results
ORDER BY line;

\pset format unaligned
\pset tuples_only on
SELECT note FROM bench.notes;
SELECT format('%s on %s cores, %s.', split_part(version(), ' on ', 1), :'cores',
              string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name))
FROM pg_settings
WHERE name IN ('autovacuum', 'fsync', 'jit', 'max_parallel_workers_per_gather', 'shared_buffers', 'synchronous_commit', 'work_mem');
