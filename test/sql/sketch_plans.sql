--
-- The sketch aggregates under every kind of plan: the same bytes
--
-- No random(): values come from a hash of their number.
CREATE TABLE plan_values (i integer, part integer, g integer, x float8, w bigint, wait interval, s quantile_sketch)
	PARTITION BY LIST (part);
CREATE TABLE plan_values_0 PARTITION OF plan_values FOR VALUES IN (0);
CREATE TABLE plan_values_1 PARTITION OF plan_values FOR VALUES IN (1);
CREATE TABLE plan_values_2 PARTITION OF plan_values FOR VALUES IN (2);
INSERT INTO plan_values
SELECT i, i % 3, g, x, i % 4, make_interval(secs => exp(9 * u)), CASE WHEN i % 9 > 0 THEN value_sketch(x) END
FROM generate_series(1, 12000) i,
	LATERAL (SELECT ((hashint8extended(i, 31) >> 11) & 4503599627370495)::float8 / 4503599627370496 AS u,
		((hashint8extended(i, 32) & 1023)::integer + 1) % 1000 AS g) h,
	LATERAL (SELECT CASE i % 97 WHEN 1 THEN NULL WHEN 2 THEN 0 WHEN 3 THEN 'Infinity' WHEN 4 THEN '-Infinity' WHEN 5 THEN 1e300
		ELSE exp(10 * u) * (i % 5 - 1) END::float8 AS x) v;
ANALYZE plan_values;

-- Runs a query under some settings and keeps what it returns. The plan is that of
-- this same run: how it joins its parts together, whether workers and disk were used.
CREATE FUNCTION run_query(result name, query text, settings text[], OUT plan text, OUT workers boolean, OUT spilled boolean)
LANGUAGE plpgsql AS $$
DECLARE
	setting text;
	explained jsonb;
BEGIN
	FOREACH setting IN ARRAY settings LOOP
		PERFORM set_config(split_part(setting, '=', 1), split_part(setting, '=', 2), true);
	END LOOP;
	EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, FORMAT JSON) CREATE TABLE %I AS %s', result, query) INTO explained;
	SELECT string_agg(concat_ws(' ', nullif(node ->> 'Partial Mode', 'Simple'), node ->> 'Strategy', node ->> 'Node Type'), ' < ' ORDER BY n)
			FILTER (WHERE node ->> 'Node Type' <> 'Seq Scan'),
		coalesce(max((node ->> 'Workers Launched')::integer), 0) > 0,
		jsonb_path_exists(explained, 'lax $.**."HashAgg Batches" ? (@ > 1)')
	INTO plan, workers, spilled
	FROM jsonb_path_query(explained, 'strict $.**?(exists(@."Node Type"))') WITH ORDINALITY p(node, n);
	FOREACH setting IN ARRAY settings LOOP
		EXECUTE format('SET LOCAL %I TO DEFAULT', split_part(setting, '=', 1));
	END LOOP;
END
$$;

-- the settings that lead to a plan, and what is meant by it
CREATE TABLE plans (n integer GENERATED ALWAYS AS IDENTITY, name name, shape text, settings text[]);
INSERT INTO plans (name, shape, settings) VALUES
	('serial', '^(Hashed|Plain) Aggregate < Append$',
		'{max_parallel_workers_per_gather=0}'),
	('sorted', '^Sorted Aggregate < Sort < Append$',
		'{max_parallel_workers_per_gather=0,enable_hashagg=off}'),
	('spilled', '^Hashed Aggregate < Append$',
		'{max_parallel_workers_per_gather=0,enable_sort=off,work_mem=64kB,hash_mem_multiplier=1}'),
	('partition_wise', 'Append( < (Partial )?(Hashed|Plain) Aggregate){3}$',
		'{max_parallel_workers_per_gather=0,enable_partitionwise_aggregate=on,enable_sort=off,cpu_tuple_cost=10}'),
	('parallel', '^Finalize .* < Gather.* < Partial (Hashed|Plain) Aggregate < Append$',
		'{max_parallel_workers_per_gather=2,parallel_leader_participation=off,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0}'),
	('parallel_sorted', '^Finalize Sorted Aggregate < Gather Merge < Partial Sorted Aggregate < Sort < Append$',
		'{max_parallel_workers_per_gather=2,enable_hashagg=off,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0}'),
	('parallel_spilled', '^Finalize .* < Gather.* < Partial Hashed Aggregate < Append$',
		'{max_parallel_workers_per_gather=2,enable_sort=off,work_mem=64kB,hash_mem_multiplier=1,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0}'),
	('parallel_partition_wise', 'Gather.* < Append( < Partial (Hashed|Plain) Aggregate){3}$',
		'{max_parallel_workers_per_gather=2,enable_partitionwise_aggregate=on,parallel_setup_cost=0,parallel_tuple_cost=0,min_parallel_table_scan_size=0}');

-- In groups that lie across the partitions
SELECT name, CASE WHEN plan ~ shape THEN 'as meant' ELSE plan END AS plan, workers, spilled
FROM plans, LATERAL run_query('by_group_' || name,
	'SELECT g, quantile_sketch(x) AS sketch, quantile_sketch(x, w) AS weighted, merge(s) AS merged,
		p50(x), p90(x), p95(x), p99(x), p50(wait) AS median_wait, p99(wait) AS longest_wait
	FROM plan_values GROUP BY g', settings)
WHERE name <> 'parallel_partition_wise' ORDER BY n;
-- In groups that are partitions, and all in one
SELECT name, CASE WHEN plan ~ shape THEN 'as meant' ELSE plan END AS plan, workers, spilled
FROM plans, LATERAL run_query('by_part_' || name,
	'SELECT part, quantile_sketch(x) AS sketch, quantile_sketch(x, w) AS weighted, merge(s) AS merged, p50(x), p99(x), p95(wait)
	FROM plan_values GROUP BY part', settings)
WHERE name !~ 'spilled' ORDER BY n;
SELECT name, CASE WHEN plan ~ shape THEN 'as meant' ELSE plan END AS plan, workers, spilled
FROM plans, LATERAL run_query('whole_' || name,
	'SELECT quantile_sketch(x) AS sketch, quantile_sketch(x, w) AS weighted, merge(s) AS merged, p50(x), p99(x), p95(wait)
	FROM plan_values', settings)
WHERE name !~ 'spilled|sorted' ORDER BY n;

-- The same rows, their sketches byte by byte
CREATE FUNCTION same_rows(result name, expected name, OUT rows bigint, OUT same boolean) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SELECT count(*), NOT EXISTS (SELECT r::text FROM %1$I r EXCEPT ALL SELECT e::text FROM %2$I e)
			AND NOT EXISTS (SELECT e::text FROM %2$I e EXCEPT ALL SELECT r::text FROM %1$I r)
		FROM %1$I', result, expected) INTO rows, same;
END
$$;
SELECT kind || name AS result, s.* FROM plans, unnest(ARRAY['by_group_', 'by_part_', 'whole_']) kind, LATERAL same_rows(kind || name, kind || 'serial') s
WHERE to_regclass(kind || name) IS NOT NULL ORDER BY kind, n;
-- And they are those of grouping sets, of a sort within the aggregate, of a merge of the groups
CREATE TABLE by_sets AS
SELECT g, part, quantile_sketch(x) AS sketch, quantile_sketch(x ORDER BY i DESC) AS ordered FROM plan_values GROUP BY GROUPING SETS (g, part, ());
SELECT count(*), bool_and(s.sketch = s.ordered) AS ordered, bool_and(s.sketch = coalesce(g.sketch, p.sketch, w.sketch)) AS same
FROM by_sets s LEFT JOIN by_group_serial g USING (g) LEFT JOIN by_part_serial p ON p.part = s.part, whole_serial w;
SELECT merge(g.sketch) = w.sketch AS merged FROM by_group_parallel_spilled g, whole_serial w GROUP BY w.sketch;

-- Several percentiles of one column are one state: together they take as much memory
-- as one of them. Another column has a state of its own.
CREATE FUNCTION state_bytes() RETURNS bigint LANGUAGE sql VOLATILE
RETURN (SELECT sum(used_bytes) FROM pg_backend_memory_contexts WHERE name = 'quantile_sketch states');
SELECT p95(w), state_bytes() AS one FROM plan_values_0 \gset
SELECT p50(w), p95(w), p99(w), quantile_sketch(w), state_bytes() AS several FROM plan_values_0 \gset
SELECT p95(w), p95(w + 8) AS p95_of_other, state_bytes() AS others FROM plan_values_0 \gset
SELECT :one > 0 AS counted, :several = :one AS one_state, :others > :one AS another_state;

-- More groups than a core's cache holds, whose values take the way through a queue:
-- hashed, spilled, in workers, in several sets, again and again with other values
CREATE TABLE many_values AS
SELECT i, i * 7919 % 6007 AS g, CASE WHEN i % 97 = 0 THEN NULL ELSE exp(((hashint8extended(i, 31) >> 11) & 4503599627370495)::float8 / 450359962737049) END AS x
FROM generate_series(1, 120000) i;
ANALYZE many_values;
UPDATE plans SET settings = '{max_parallel_workers_per_gather=0,enable_sort=off,work_mem=3MB,hash_mem_multiplier=1}', shape = '^Hashed Aggregate$'
WHERE name = 'spilled';
UPDATE plans SET shape = replace(shape, ' < Append', ''), settings = settings || '{work_mem=64MB,enable_sort=off}'::text[] WHERE name IN ('serial', 'parallel');
UPDATE plans SET shape = replace(shape, ' < Append', '') WHERE name = 'sorted';
SELECT name, CASE WHEN plan ~ shape THEN 'as meant' ELSE plan END AS plan, workers, spilled
FROM plans, LATERAL run_query('many_' || name,
	'SELECT g, quantile_sketch(x) AS sketch, p99(x), quantile_sketch(x + 1) AS other, quantile_sketch(x, 3) AS weighted, p50(make_interval(secs => x))
	FROM many_values GROUP BY g', settings)
WHERE name IN ('serial', 'sorted', 'spilled', 'parallel') ORDER BY n;
SELECT name AS result, s.* FROM plans, LATERAL same_rows('many_' || name, 'many_sorted') s
WHERE name IN ('serial', 'spilled', 'parallel') ORDER BY n;
SET work_mem = '64MB';
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT g, g % 2, quantile_sketch(x) FROM many_values GROUP BY GROUPING SETS (g, g % 2);
SELECT count(*), bool_and(a.sketch = coalesce(s.sketch, h.sketch)) AS same
FROM (SELECT g, g % 2 AS odd, quantile_sketch(x) AS sketch FROM many_values GROUP BY GROUPING SETS (g, g % 2)) a
LEFT JOIN many_sorted s USING (g) LEFT JOIN (SELECT g % 2 AS odd, merge(sketch) AS sketch FROM many_sorted GROUP BY 1) h USING (odd);
SELECT factor, groups, sum = sum_sorted AS same FROM generate_series(1, 3) factor,
LATERAL (SELECT count(*) AS groups, sum(hash) FROM (SELECT quantile_sketch_hash(quantile_sketch(x * factor)) AS hash FROM many_values GROUP BY g) a) hashed,
LATERAL (SELECT sum(hash) AS sum_sorted FROM (SELECT quantile_sketch_hash(quantile_sketch(x * factor ORDER BY i)) AS hash FROM many_values GROUP BY g) a) sorted
ORDER BY factor;
-- an aggregate of somebody else's, whose states are not ours at first
CREATE AGGREGATE sketch_from_one(float8) (sfunc = quantile_sketch_accumulate, stype = quantile_sketch, initcond = 'scale=6 min=1 max=1 pos=-1:1');
SELECT count(*), bool_and(a.sketch = s.sketch + 'scale=6 min=1 max=1 pos=-1:1') AS same
FROM (SELECT g, sketch_from_one(x) AS sketch FROM many_values GROUP BY g) a JOIN many_sorted s USING (g);
DROP AGGREGATE sketch_from_one(float8);
-- what is wrong with a value is told, whenever it is counted
SELECT count(p) FROM (SELECT p95(CASE i WHEN 119000 THEN 'NaN' ELSE x END) AS p FROM many_values GROUP BY g) a;
RESET enable_sort;
RESET work_mem;

DO $$
DECLARE result regclass;
BEGIN
	FOR result IN SELECT oid::regclass FROM pg_class WHERE relname ~ '^(by_group|by_part|whole|many)_(serial|sorted|spilled|p)' LOOP
		EXECUTE format('DROP TABLE %s', result);
	END LOOP;
END
$$;
DROP TABLE by_sets, plan_values, many_values, plans;
DROP FUNCTION run_query(name, text, text[]);
DROP FUNCTION same_rows(name, name);
DROP FUNCTION state_bytes();
