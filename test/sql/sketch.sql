--
-- The quantile sketch
--
-- No random(): values come from a hash of their number.
CREATE FUNCTION sketch_uniform(i bigint) RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT ((hashint8extended(i, 42) >> 11) & 4503599627370495)::float8 / 4503599627370496 $$;

CREATE TABLE sketch_values AS
SELECT i, d.name, d.value
FROM generate_series(1, 5000) i,
	LATERAL (SELECT sketch_uniform(2 * i) u, sketch_uniform(2 * i + 1) v) r,
	LATERAL (SELECT sqrt(-2 * ln(1 - u)) * cos(2 * pi() * v) AS normal) n,
	LATERAL (VALUES
		('lognormal', exp(normal)),
		('pareto', (1 - u) ^ (-1 / 1.1)),
		('bimodal', CASE WHEN v < 0.9 THEN 1 + u ELSE 1e6 * (1 + u) END),
		('uniform', u),
		('signed', normal),
		('constant', 4.2),
		('integer', floor(100 * u)),
		('adversarial', 10.0::float8 ^ (600 * u - 300)),
		('subnormal', floor(50 * u) * '5e-324'::float8)) d(name, value);

-- Text form
SELECT quantile_sketch(x) FROM (VALUES (1.0), (2), (2), (0)) v(x);
SELECT quantile_sketch(x) FROM (VALUES (-1.5::float8), (-3), ('-Infinity'), ('Infinity'), (0), (-0.0)) v(x);
SELECT quantile_sketch(x, w) FROM (VALUES (5.0, 3), (7.0, -3), (NULL, 1), (1, NULL), (1, 0)) v(x, w);
SELECT quantile_sketch(x, w) FROM (VALUES (5.0, 3), (5.0, -3)) v(x, w);

-- Mapping: a power of two is the last value of its bucket, the next double the first of the next
SELECT lower < x AND x <= upper AS inside, count
FROM unnest(ARRAY[1, 2, 1024, 0.5, '2.2250738585072014e-308', '5e-324', '1.7976931348623157e308']::float8[]) x,
	LATERAL sketch_buckets((SELECT quantile_sketch(y) FROM unnest(ARRAY[x]) y));
SELECT x, quantile_sketch(x)
FROM unnest(ARRAY[1, '1.0000000000000002', '0.9999999999999999', 2, '2.0000000000000004', '1.9999999999999998']::float8[]) x
GROUP BY x ORDER BY x;
SELECT bool_and(lower < x AND x <= upper) AS inside, bool_and(upper = x) AS at_end, count(*)
FROM generate_series(-1022, 1023) e, LATERAL (SELECT 2.0::float8 ^ e AS x) p,
	LATERAL sketch_buckets((SELECT quantile_sketch(y) FROM unnest(ARRAY[x]) y));

-- Guarantee: within sketch_error() of what percentile_disc returns
SELECT name, count(*) AS fractions, round(min(sketch_error(s))::numeric, 5) AS error,
	bool_and(CASE name WHEN 'subnormal' THEN approx_percentile(s, f) = exact
		ELSE abs(approx_percentile(s, f) - exact) <= sketch_error(s) * abs(exact) END) AS guaranteed,
	bool_and(approx_percentile(s, f) BETWEEN sketch_min(s) AND sketch_max(s)) AS within
FROM (SELECT name, quantile_sketch(value) s FROM sketch_values GROUP BY name) a,
	unnest(ARRAY[0, 0.001, 0.5, 0.9, 0.95, 0.99, 0.999, 1]) f,
	LATERAL (SELECT percentile_disc(f) WITHIN GROUP (ORDER BY value) exact
		FROM sketch_values v WHERE v.name = a.name) e
GROUP BY name ORDER BY name;

-- Ranks, extremes, count, mean
SELECT name, sketch_count(s) = count(*) AS count, sketch_min(s) = min(value) AS min,
	sketch_max(s) = max(value) AS max,
	abs(sketch_mean(s) - avg(value)) <= 1.01 * sketch_error(s) * avg(abs(value)) AS mean,
	(SELECT sum(b.count) FROM sketch_buckets(s) b) = count(*) AS buckets
FROM sketch_values JOIN (SELECT name, quantile_sketch(value) s FROM sketch_values GROUP BY name) a USING (name)
WHERE name NOT IN ('subnormal', 'adversarial')
GROUP BY name, s ORDER BY name;
SELECT r, approx_percentile_rank(s, r)
FROM (SELECT quantile_sketch(x) s FROM generate_series(1, 100) x) a,
	unnest(ARRAY['-Infinity', -1, 0, 1, 50, 99.9, 100, 'Infinity']::float8[]) r;

-- One state serves them all; aggregates agree with accessors
SELECT name, p50(value) = approx_percentile(quantile_sketch(value), 0.5)
	AND p90(value) = approx_percentile(quantile_sketch(value), 0.9)
	AND p95(value) = approx_percentile(quantile_sketch(value), 0.95)
	AND p99(value) = approx_percentile(quantile_sketch(value), 0.99) AS agree
FROM sketch_values GROUP BY name ORDER BY name;
SELECT count(DISTINCT (aggtransfn, aggcombinefn, aggtranstype, agginitval IS NULL)) AS states,
	bool_and(aggfinalmodify = 'r') AS read_only
FROM pg_aggregate WHERE aggfnoid::regprocedure::text ~ '^p\d\d\(double precision\)$';

-- Canonical: order, partition and merge tree leave no trace
SELECT name,
	quantile_sketch(value ORDER BY value) = quantile_sketch(value ORDER BY value DESC)
	AND quantile_sketch(value ORDER BY value) = quantile_sketch(value ORDER BY hashint8(i)) AS permuted,
	quantile_sketch_send(quantile_sketch(value ORDER BY value)) =
	quantile_sketch_send(quantile_sketch(value ORDER BY i)) AS bytes
FROM sketch_values GROUP BY name ORDER BY name;
SELECT parts, bool_and(whole = flat AND whole = tree AND whole = reverse) AS same
FROM unnest(ARRAY[1, 2, 7, 100]) parts,
	LATERAL (SELECT name, merge(s) flat, merge(s ORDER BY part DESC) reverse
		FROM (SELECT name, i % parts AS part, quantile_sketch(value) s FROM sketch_values GROUP BY 1, 2) p
		GROUP BY name) f
	JOIN LATERAL (SELECT name, merge(s) tree
		FROM (SELECT name, part % 3, merge(s) s
			FROM (SELECT name, i % parts AS part, quantile_sketch(value) s FROM sketch_values GROUP BY 1, 2) p
			GROUP BY 1, 2) q
		GROUP BY name) t USING (name)
	JOIN (SELECT name, quantile_sketch(value) whole FROM sketch_values GROUP BY name) w USING (name)
GROUP BY parts ORDER BY parts;

-- Adding and subtracting: the counts come back, the extremes do not
WITH s AS (
	SELECT name, quantile_sketch(value) FILTER (WHERE i % 3 = 0) a, quantile_sketch(value) FILTER (WHERE i % 3 > 0) b,
		quantile_sketch(value) whole, quantile_sketch(value, -1) negated
	FROM sketch_values WHERE name <> 'adversarial' GROUP BY name)
SELECT name, a + b = whole AS sum, b + a = whole AS commutes,
	(a + b) - b <> a AS extremes_forgotten,
	quantile_sketch_send(((a + b) - b) - a)::text AS nothing,
	NOT EXISTS (SELECT * FROM sketch_buckets((a + b) - b) EXCEPT ALL SELECT * FROM sketch_buckets(a))
	AND NOT EXISTS (SELECT * FROM sketch_buckets(a) EXCEPT ALL SELECT * FROM sketch_buckets((a + b) - b)) AS same_counts,
	sketch_count(a - whole) = - sketch_count(b) AS negative_count,
	- b = a - whole AND - (- b) = whole - a AS opposite,
	whole + negated = whole - whole AS negated
FROM s ORDER BY name;
SELECT (a - b)::text AS difference, sketch_min(a - b), sketch_max(a - b), p
FROM (SELECT quantile_sketch(x) a, quantile_sketch(x) FILTER (WHERE x > 1) b FROM (VALUES (1), (3), (9)) v(x)) s,
	LATERAL approx_percentile(a - b, 0.5) p;
SELECT approx_percentile(b - a, 0.5)
FROM (SELECT quantile_sketch(x) a, quantile_sketch(x) FILTER (WHERE x > 1) b FROM (VALUES (1), (3), (9)) v(x)) s;

-- A sketch of one value is negated without more, any other as a whole
SELECT x, - value_sketch(x) = quantile_sketch(x, -1) AS single, - (- value_sketch(x)) = value_sketch(x) AS back,
	- (- value_sketch(x) - value_sketch(x)) = value_sketch(x) + value_sketch(x) AS twice
FROM unnest(ARRAY['-Infinity', -1e300, -1, 0, '5e-324', 0.1, 7, 1e300, 'Infinity', NULL]::float8[]) x GROUP BY x ORDER BY x;

-- Unpacked it is the same
SELECT count(*), bool_and(u = s) AS same, bool_and(approx_percentile(u, 0.9) = approx_percentile(s, 0.9) AND sketch_count(u) = sketch_count(s)
	AND sketch_min(u) IS NOT DISTINCT FROM sketch_min(s) AND - u = - s AND u + s = s + s AND u::text = s::text AND sketch_unpack(u) = s) AS alike
FROM (SELECT s, sketch_unpack(s) AS u FROM (SELECT quantile_sketch(value) AS s FROM sketch_values GROUP BY name, i % 50) s OFFSET 0) p;
SELECT sketch_unpack(quantile_sketch(x) - quantile_sketch(x)), sketch_unpack(NULL) FROM (VALUES (1)) v(x);

-- Values at the edge
SELECT p50(x), p99(x), sketch_min(quantile_sketch(x)), sketch_max(quantile_sketch(x)), sketch_mean(quantile_sketch(x))
FROM unnest(ARRAY['-Infinity', '-5e-324', 0, -0.0, '5e-324', 'Infinity', NULL]::float8[]) x;
SELECT * FROM sketch_buckets((SELECT quantile_sketch(x)
	FROM unnest(ARRAY['-Infinity', -1, 0, -0.0, 1, 'Infinity']::float8[]) x));
SELECT approx_percentile(quantile_sketch(x), ARRAY[0, 0.2, 0.5, 0.8, 1])
FROM unnest(ARRAY['-Infinity', -1, 0, 1, 'Infinity']::float8[]) x;
SELECT p50(x) FROM (VALUES (1::float8), ('NaN'), (2)) v(x);
SELECT quantile_sketch('NaN'::float8, 1::bigint);
SELECT quantile_sketch(1.0, w) FROM unnest(ARRAY[9223372036854775807, 1]) w;
SELECT approx_percentile_rank(quantile_sketch(1.0), 'NaN');

-- Nothing in, nothing out
SELECT quantile_sketch(NULL::float8) IS NULL AS a, p95(NULL::float8) IS NULL AS b, merge(NULL) IS NULL AS c;
SELECT quantile_sketch(value) IS NULL AS a, p95(value) IS NULL AS b FROM sketch_values WHERE false;
SELECT p95(x), quantile_sketch(x) FROM (VALUES (NULL::float8), (3), (NULL)) v(x);
SELECT approx_percentile(s, 0.5), approx_percentile(s, ARRAY[0.5]), approx_percentile_rank(s, 1), sketch_count(s),
	sketch_min(s), sketch_max(s), sketch_mean(s), round(sketch_error(s)::numeric, 6) AS error
FROM (SELECT 'scale=6'::quantile_sketch s) e;

-- Fractions
SELECT approx_percentile(quantile_sketch(x), ARRAY[[0.5, NULL], [0, 1]]), approx_percentile(quantile_sketch(x), '{}'::float8[])
FROM generate_series(1, 3) x;
SELECT approx_percentile(quantile_sketch(1.0), 1.01);
SELECT approx_percentile(quantile_sketch(1.0), 'NaN'::float8);
SELECT approx_percentile(quantile_sketch(1.0), ARRAY[0.5, -0.1]);

-- Round trips
SELECT bool_and(s::text::quantile_sketch = s) AS text, bool_and((s - t)::text::quantile_sketch = s - t) AS difference
FROM (SELECT quantile_sketch(value) s, quantile_sketch(value) FILTER (WHERE i % 2 = 0) t
	FROM sketch_values GROUP BY name) a;
SET extra_float_digits = -15;
SELECT bool_and(s::text::quantile_sketch = s) AS text FROM (SELECT quantile_sketch(value) s FROM sketch_values GROUP BY name) a;
RESET extra_float_digits;
CREATE TABLE sketch_stored AS SELECT name, quantile_sketch(value) AS sketch FROM sketch_values GROUP BY name;
CREATE TABLE sketch_loaded (LIKE sketch_stored);
\copy sketch_stored TO 'results/sketch.data' (FORMAT binary)
\copy sketch_loaded FROM 'results/sketch.data' (FORMAT binary)
SELECT count(*) AS loaded, bool_and(s.sketch = l.sketch) AS same FROM sketch_stored s JOIN sketch_loaded l USING (name);

-- Equality and hashing
SELECT count(*) AS groups, sum(n) AS n FROM (SELECT sketch, count(*) n
	FROM (TABLE sketch_stored UNION ALL TABLE sketch_loaded) u GROUP BY sketch) g;
SELECT count(DISTINCT sketch::text) FROM (SELECT DISTINCT sketch FROM sketch_loaded) d;
SELECT count(*) FROM sketch_stored s JOIN sketch_loaded l ON s.sketch = l.sketch;
SELECT quantile_sketch(1.0) <> quantile_sketch(2.0) AS different;
SELECT sketch FROM sketch_stored ORDER BY sketch;

-- Other scales: the coarser one holds
SELECT a + b AS sum, b + a = a + b AS commutes, sketch_error(a + b) = sketch_error(b) AS error
FROM (SELECT 'scale=20 pos=0:1,1'::quantile_sketch a, 'scale=2 pos=-3:1'::quantile_sketch b) s;
SELECT s + 'scale=6' = s AS neutral FROM (SELECT 'scale=20 pos=0:1,1'::quantile_sketch s) a;
SELECT lower, upper, count FROM sketch_buckets('scale=-10 neg=-2:1 pos=-2:1,2,3');
SELECT lower, upper, count FROM sketch_buckets('scale=20 pos=-1:1,2,3');

-- Malformed text
SELECT ''::quantile_sketch;
SELECT 'scale='::quantile_sketch;
SELECT 'scale=21'::quantile_sketch;
SELECT 'scale=6 pos'::quantile_sketch;
SELECT 'scale=6 pos=1'::quantile_sketch;
SELECT 'scale=6 pos=1:'::quantile_sketch;
SELECT 'scale=6 pos=1:1,'::quantile_sketch;
SELECT 'scale=6 pos=1:1,~-1,2'::quantile_sketch;
SELECT 'scale=6 pos=1:99999999999999999999'::quantile_sketch;
SELECT 'scale=6 pos=1:9223372036854775807,1'::quantile_sketch;
SELECT 'scale=6 pos=65535:1,1'::quantile_sketch;
SELECT 'scale=6 pos=99999999999:1'::quantile_sketch;
SELECT 'scale=6 pos=0:1,~4095,1'::quantile_sketch;
SELECT 'scale=6 pos=0:1,~9223372036854775807,1'::quantile_sketch;
SELECT 'scale=6 zero=1 neg=1:1'::quantile_sketch;
SELECT 'scale=6 min=1 pos=-1:1'::quantile_sketch;
SELECT 'scale=6 min=1 max=2 pos=-1:1'::quantile_sketch;
SELECT 'scale=6 min=NaN max=1 pos=-1:1'::quantile_sketch;
SELECT 'scale=6 min=1 max=1 pos=-1:-1'::quantile_sketch;
SELECT 'scale=6 min=0 max=0'::quantile_sketch;
SELECT 'scale=6 pos=-1:1 and so on and so on and so on'::quantile_sketch;

-- Malformed binary: bytea is sent as it is, so any bytes can be offered
SELECT quantile_sketch_send('scale=6'), quantile_sketch_send('scale=6 pos=0:1'),
	quantile_sketch_send('scale=6 min=1 max=1 pos=-1:1');
CREATE TABLE sketch_bytes (bytes bytea);
CREATE TABLE sketch_received (sketch quantile_sketch);
INSERT INTO sketch_bytes VALUES ('\x010006'), ('\x012006000002');
\copy (SELECT * FROM sketch_bytes) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
TABLE sketch_received;
\copy (SELECT '\x'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x020006'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x014006'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x010007'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x01000600'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x0120060000'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x012006000000'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x01200600008200'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x01200600804002'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x012006000302000200'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)
\copy (SELECT '\x012106000000000000f03f000000000000e03f010002'::bytea) TO 'results/sketch.data' (FORMAT binary)
\copy sketch_received FROM 'results/sketch.data' (FORMAT binary)

-- In a window each row sees its own frame, also of the sketch itself
SELECT bool_and(sketch_count(s) = i AND sketch_max(s) = i AND p = approx_percentile(s, 0.5)) AS own
FROM (SELECT i, quantile_sketch(i) OVER w s, p50(i) OVER w p
	FROM generate_series(1, 300) i WINDOW w AS (ORDER BY i)) f;
SELECT i, p50(i) OVER (ORDER BY i ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM generate_series(1, 4) i;

-- Support functions are for aggregates only
SELECT quantile_sketch_accumulate(NULL, 1.0);

DROP TABLE sketch_values, sketch_stored, sketch_loaded, sketch_bytes, sketch_received;
DROP FUNCTION sketch_uniform(bigint);
