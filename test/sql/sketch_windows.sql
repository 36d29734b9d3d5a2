--
-- The sketch aggregates over window frames
--
-- Over each frame the sketch must have the scale and the counts of the sketch of
-- the same rows, gathered by array_agg; only minimum and maximum are unknown. A
-- percentile must be that of the sketch, within its error of percentile_disc.
--
-- No random(): values come from a hash of their number.
CREATE TABLE frames AS
SELECT i, i / 3 AS g, i % 2 AS part,
	CASE
		WHEN i % 11 = 0 THEN NULL
		WHEN i % 101 = 7 THEN 1e300
		WHEN i % 103 = 9 THEN -1e-300
		WHEN i % 53 = 3 THEN 0
		WHEN i % 107 = 5 THEN 'Infinity'
		WHEN i % 109 = 5 THEN '-Infinity'
		WHEN i BETWEEN 300 AND 330 THEN 4.2
		WHEN u < 0.2 THEN -exp(4 * u)
		ELSE exp(8 * u)
	END::float8 AS x
FROM generate_series(1, 400) i,
	LATERAL (SELECT ((hashint8extended(i, 7) >> 11) & 4503599627370495)::float8 / 4503599627370496 AS u) h;

CREATE FUNCTION without_extremes(quantile_sketch) RETURNS text LANGUAGE sql IMMUTABLE
RETURN regexp_replace($1::text, ' min=\S+ max=\S+', '');

-- the order statistic that a percentile stands for
CREATE FUNCTION is_near(estimate float8, sample float8[], fraction float8, error float8) RETURNS boolean LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE WHEN exact IS NULL OR estimate = exact THEN estimate IS NOT DISTINCT FROM exact
		ELSE abs(estimate - exact) <= error * abs(exact) END
	FROM (SELECT percentile_disc(fraction) WITHIN GROUP (ORDER BY y) AS exact FROM unnest(sample) y) e;
END;

CREATE FUNCTION check_frame(frame text, source text DEFAULT 'frames', OUT rows bigint, OUT empty bigint, OUT scales text,
	OUT same boolean, OUT agree boolean, OUT guaranteed boolean)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($query$
		SELECT count(*), count(*) FILTER (WHERE s IS NULL), string_agg(DISTINCT substring(s::text, '-?\d+'), ' '),
			bool_and(without_extremes(s) IS NOT DISTINCT FROM without_extremes(t)),
			bool_and((a, b, c, d) IS NOT DISTINCT FROM (q[1], q[2], q[3], q[4])),
			bool_and(is_near(a, sample, 0.5, error) AND is_near(b, sample, 0.9, error)
				AND is_near(c, sample, 0.95, error) AND is_near(d, sample, 0.99, error))
		FROM (SELECT quantile_sketch(x) OVER w AS s, p50(x) OVER w AS a, p90(x) OVER w AS b, p95(x) OVER w AS c,
				p99(x) OVER w AS d, array_agg(x) OVER w AS sample
			FROM %s WINDOW w AS (%s)) f,
			LATERAL (SELECT quantile_sketch(y) AS t FROM unnest(sample) y) e,
			LATERAL (SELECT approx_percentile(s, ARRAY[0.5, 0.9, 0.95, 0.99]) AS q, coalesce(sketch_error(s), 0) AS error) p
		$query$, source, frame)
	INTO rows, empty, scales, same, agree, guaranteed;
END
$$;

SELECT frame, c.*
FROM unnest(ARRAY[
	'ORDER BY i ROWS 10 PRECEDING',
	'ORDER BY i ROWS 99 PRECEDING',
	'ORDER BY i DESC ROWS 20 PRECEDING',
	'ORDER BY x ROWS 20 PRECEDING',
	'ORDER BY x DESC ROWS 20 PRECEDING',
	'ORDER BY i ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING',
	'ORDER BY i ROWS BETWEEN 20 PRECEDING AND 10 PRECEDING',
	'ORDER BY i ROWS BETWEEN 3 FOLLOWING AND 10 FOLLOWING',
	'ORDER BY i ROWS BETWEEN 3 FOLLOWING AND 1 FOLLOWING',
	'ORDER BY i ROWS BETWEEN CURRENT ROW AND CURRENT ROW',
	'ORDER BY i ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING',
	'PARTITION BY part ORDER BY i ROWS BETWEEN 4 PRECEDING AND 1 FOLLOWING',
	'PARTITION BY g ORDER BY i ROWS 1 PRECEDING',
	'ORDER BY i RANGE BETWEEN 7 PRECEDING AND 3 FOLLOWING',
	'ORDER BY i DESC RANGE BETWEEN 7 PRECEDING AND 3 PRECEDING',
	'ORDER BY g RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING',
	'ORDER BY g RANGE BETWEEN CURRENT ROW AND CURRENT ROW',
	'ORDER BY x RANGE BETWEEN 1 PRECEDING AND 1 FOLLOWING',
	'ORDER BY g GROUPS 2 PRECEDING',
	'ORDER BY g GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING',
	'ORDER BY g GROUPS BETWEEN 2 FOLLOWING AND 5 FOLLOWING',
	'ORDER BY i ROWS 10 PRECEDING EXCLUDE CURRENT ROW',
	'ORDER BY g ROWS BETWEEN 10 PRECEDING AND 2 FOLLOWING EXCLUDE GROUP',
	'ORDER BY g ROWS BETWEEN 10 PRECEDING AND 2 FOLLOWING EXCLUDE TIES',
	'ORDER BY g GROUPS BETWEEN 2 PRECEDING AND 1 FOLLOWING EXCLUDE TIES',
	'ORDER BY g GROUPS 4 PRECEDING EXCLUDE NO OTHERS',
	'ORDER BY i RANGE BETWEEN 7 PRECEDING AND 3 FOLLOWING EXCLUDE GROUP']) WITH ORDINALITY f(frame, n),
	LATERAL check_frame(frame) c
ORDER BY n;

-- Every shape: each mode, each pair of bounds that may stand together, each exclusion
CREATE TABLE frames_few AS SELECT i, g, x FROM frames WHERE i BETWEEN 281 AND 340;
WITH bounds(place, bound) AS (
	VALUES (1, 'UNBOUNDED PRECEDING'), (2, '4 PRECEDING'), (3, 'CURRENT ROW'), (4, '3 FOLLOWING'), (5, 'UNBOUNDED FOLLOWING')),
exclusions(exclusion) AS (VALUES ('NO OTHERS'), ('CURRENT ROW'), ('GROUP'), ('TIES'))
SELECT mode, exclusion, count(*) AS shapes, sum(rows) AS rows, bool_and(same) AS same, bool_and(agree) AS agree, bool_and(guaranteed) AS guaranteed
FROM unnest(ARRAY['ROWS', 'RANGE', 'GROUPS']) mode, exclusions,
	bounds s JOIN bounds e ON s.place < 5 AND e.place > 1 AND s.place <= e.place,
	LATERAL check_frame(format('ORDER BY g %s BETWEEN %s AND %s EXCLUDE %s', mode, s.bound, e.bound, exclusion), 'frames_few') c
GROUP BY mode, exclusion ORDER BY mode, exclusion;

-- Without a moving start the extremes are known, and clamp
SELECT bool_and(a = 4.2) AS start_fixed, bool_and(b = 4.2) AS start_moves, bool_and(is_near(b, ARRAY[4.2], 0.5, 0.0055)) AS near
FROM (SELECT p50(x) OVER (ORDER BY i) a, p50(x) OVER (ORDER BY i ROWS 1 PRECEDING) b
	FROM frames WHERE x = 4.2) f;

-- The whole range of doubles passes through a frame: scales go down and come back
CREATE TABLE frames_wide AS
SELECT i, ('1e' || CASE WHEN i % 40 < 20 THEN i % 40 * 30 - 300 ELSE (i - 200) / 10 END)::float8 AS x FROM generate_series(1, 400) i;
SELECT frame, c.*
FROM unnest(ARRAY['ORDER BY i ROWS 5 PRECEDING', 'ORDER BY i ROWS 30 PRECEDING', 'ORDER BY x ROWS 50 PRECEDING',
	'ORDER BY x DESC ROWS BETWEEN 50 PRECEDING AND 20 PRECEDING']) f(frame), LATERAL check_frame(frame, 'frames_wide') c;

-- Only NULLs, no rows, a filter
SELECT i, quantile_sketch(x) OVER w, p50(x) OVER w
FROM (VALUES (1, NULL::float8), (2, NULL), (3, 8), (4, NULL), (5, NULL)) v(i, x) WINDOW w AS (ORDER BY i ROWS 1 PRECEDING);
SELECT i, quantile_sketch(i) FILTER (WHERE i % 2 = 0) OVER w AS even
FROM generate_series(1, 6) i WINDOW w AS (ORDER BY i ROWS 1 PRECEDING);
SELECT i, p50(x) OVER (ORDER BY i ROWS 1 PRECEDING) FROM (VALUES (1, 1::float8), (2, 'NaN')) v(i, x);

-- Weights: what was added is what is removed
SELECT bool_and(without_extremes(s) IS NOT DISTINCT FROM without_extremes(t)) AS same, count(s), count(DISTINCT s::text) AS different
FROM (SELECT quantile_sketch(x, i % 5) OVER w AS s, array_agg(i) OVER w AS sample FROM frames WINDOW w AS (ORDER BY i ROWS 7 PRECEDING)) f,
	LATERAL (SELECT quantile_sketch(x, i % 5) AS t FROM frames WHERE i = ANY (sample)) e;
SELECT i, quantile_sketch(x, w) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (VALUES (1, 2.0, 3), (2, 2.0, -3), (3, 4.0, NULL), (4, 2.0, -9223372036854775808), (5, 5.0, 1), (6, 5.0, 2)) v(i, x, w);
SELECT i, approx_percentile(quantile_sketch(x, w) OVER (ORDER BY i ROWS 1 PRECEDING), 0.5)
FROM (VALUES (1, 2.0, 3), (2, 2.5, -1)) v(i, x, w);

-- merge() of sketches of every scale; finer ones than ours, alone or among others
CREATE TABLE frames_stored AS
SELECT i, CASE
	WHEN i % 13 = 0 THEN NULL
	WHEN i % 17 = 0 THEN 'scale=6'
	WHEN i BETWEEN 60 AND 80 THEN format('scale=%s min=1.5 max=1.5 pos=%s:1', 7 + i % 14, floor(log(2.0, 1.5) * 2 ^ (7 + i % 14)))
	WHEN i % 19 = 0 THEN format('scale=%s neg=-2:1,%s zero=2 pos=-1:%s,1', i % 31 - 10, i, i % 7 + 1)
	ELSE quantile_sketch(i ^ 2)::text END::quantile_sketch AS s
FROM generate_series(1, 300) i GROUP BY i;
CREATE FUNCTION check_merge(frame text, OUT rows bigint, OUT empty bigint, OUT scales bigint, OUT same boolean)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format($query$
		SELECT count(*), count(*) FILTER (WHERE s IS NULL), count(DISTINCT substring(s::text, '-?\d+')),
			bool_and(without_extremes(s) IS NOT DISTINCT FROM without_extremes(t))
		FROM (SELECT merge(s) OVER w AS s, array_agg(s) OVER w AS sample FROM frames_stored WINDOW w AS (%s)) f,
			LATERAL (SELECT merge(y) AS t FROM unnest(sample) y) e
		$query$, frame)
	INTO rows, empty, scales, same;
END
$$;
SELECT frame, c.*
FROM unnest(ARRAY['ORDER BY i ROWS 1 PRECEDING', 'ORDER BY i ROWS 5 PRECEDING', 'ORDER BY i ROWS 40 PRECEDING',
	'ORDER BY i DESC ROWS BETWEEN 10 PRECEDING AND 5 PRECEDING', 'ORDER BY i ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING',
	'ORDER BY i / 4 GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW']) f(frame), LATERAL check_merge(frame) c;

-- Each aggregate that can move does so in the same way
SELECT aggfnoid::regprocedure, aggmtransfn::regprocedure, aggminvtransfn::regprocedure, aggmfinalfn::regproc, aggmfinalmodify
FROM pg_aggregate a JOIN pg_depend d ON d.objid = aggfnoid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
WHERE aggminvtransfn <> 0 ORDER BY aggfnoid::regprocedure::text COLLATE "C";
SELECT count(*) FILTER (WHERE t.proisstrict OR i.proisstrict) AS strict
FROM pg_aggregate JOIN pg_proc t ON t.oid = aggmtransfn JOIN pg_proc i ON i.oid = aggminvtransfn
WHERE t.proname = 'quantile_sketch_enter';

DROP FUNCTION check_frame(text, text);
DROP FUNCTION check_merge(text);
DROP FUNCTION is_near(float8, float8[], float8, float8);
DROP FUNCTION without_extremes(quantile_sketch);
DROP TABLE frames, frames_few, frames_wide, frames_stored;
