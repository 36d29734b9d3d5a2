--
-- The sketch aggregates of intervals
--
SET intervalstyle = postgres;

-- No random(): values come from a hash of their number.
CREATE TABLE waits AS
SELECT i, d.name, d.wait
FROM generate_series(1, 2000) i,
	LATERAL (SELECT ((hashint8extended(i, 11) >> 11) & 4503599627370495)::float8 / 4503599627370496 AS u) h,
	LATERAL (VALUES
		('hours', make_interval(secs => exp(4 * u) * 3600)),
		('microseconds', floor(1000 * u) * interval '1 microsecond'),
		('months', make_interval(months => floor(100 * u)::integer, days => i % 40)),
		('signed', make_interval(secs => 1000 * (u - 0.4))),
		('years', make_interval(years => floor(170000 * u)::integer)),
		('null', CASE WHEN i % 2 = 0 THEN make_interval(secs => u) END)) d(name, wait);

-- A percentile is within the error of what percentile_disc returns, and half a
-- microsecond; an interval is as long as its order says
SELECT name, bool_and(abs(p - exact) <= error * abs(exact) + 5e-7) AS guaranteed, bool_and(months = 0) AS no_months,
	bool_and(justified) AS justified
FROM (SELECT name, sketch_error(quantile_sketch(wait)) AS error,
		ARRAY[p50(wait), p90(wait), p95(wait), p99(wait)] AS estimates,
		percentile_disc(ARRAY[0.5, 0.9, 0.95, 0.99]) WITHIN GROUP (ORDER BY wait) AS exacts
	FROM waits GROUP BY name) a,
	unnest(estimates, exacts) WITH ORDINALITY e(estimate, truth, n),
	LATERAL (SELECT extract(day FROM estimate) * 86400 + (extract(epoch FROM estimate - extract(day FROM estimate)::integer * interval '1 day')) AS p,
		((extract(year FROM truth) * 12 + extract(month FROM truth)) * 30 + extract(day FROM truth)) * 86400
		+ extract(hour FROM truth) * 3600 + extract(minute FROM truth) * 60 + extract(second FROM truth) AS exact,
		extract(year FROM estimate) * 12 + extract(month FROM estimate) AS months,
		justify_hours(estimate)::text = estimate::text AS justified) x
GROUP BY name ORDER BY name;

-- Single values come back to the microsecond, months as days
SELECT given, p50(given) FROM unnest(ARRAY['0', '1 microsecond', '-1 microsecond', '36:00:00', '-36:00:00.5', '1 mon', '1 year -1 day',
	'1 day -01:00', '285 years', '-285 years', '178000000 years', '-178000000 years']::interval[]) given GROUP BY given ORDER BY given;

-- The sketch holds seconds, and agrees with that of seconds
SELECT quantile_sketch(wait) FROM unnest(ARRAY['1 second', '00:02', '1 day', '1 mon']::interval[]) wait;
SELECT bool_and(sketch = of_seconds) AS seconds, bool_and(median = approx_percentile(sketch, 0.5) * interval '1 second') AS median
FROM (SELECT quantile_sketch(wait) AS sketch, quantile_sketch(extract(epoch FROM wait)::float8) AS of_seconds, p50(wait) AS median
	FROM waits WHERE name IN ('hours', 'microseconds', 'signed') GROUP BY name) s;
SELECT quantile_sketch(wait, n) FROM (VALUES (interval '1 second', 3), ('00:02', 2), ('1 day', NULL), (NULL, 1)) v(wait, n);
SELECT p95(NULL::interval) IS NULL AS nothing, p95(wait) IS NULL AS no_rows FROM waits WHERE false;

-- One state for all of them
EXPLAIN (COSTS OFF) SELECT p50(wait), p95(wait), p99(wait) FROM waits;
SELECT count(DISTINCT (aggtransfn, aggcombinefn, aggtranstype, agginitval IS NULL)) AS states
FROM pg_aggregate WHERE aggfnoid::regprocedure::text ~ '^(p\d\d|quantile_sketch)\(interval\)$';

-- Moving frames: the mid-point of the bucket, and no trace of what has left
SELECT count(*), bool_and(p IS NOT DISTINCT FROM q) AS agree
FROM (SELECT p90(wait) OVER w AS p, quantile_sketch(wait) OVER w AS s
	FROM waits WHERE name IN ('null', 'years') WINDOW w AS (PARTITION BY name ORDER BY i ROWS 9 PRECEDING)) f,
	LATERAL (SELECT make_interval(days => (approx_percentile(s, 0.9) / 86400)::integer) AS rough) r,
	LATERAL (SELECT CASE WHEN rough < '1 day' THEN approx_percentile(s, 0.9) * interval '1 second' ELSE p END AS q) e;
SELECT i, p50(x) OVER w, quantile_sketch(x, 2) OVER w
FROM (VALUES (1, NULL::interval), (2, '1 day'), (3, NULL), (4, NULL), (5, '08:00')) v(i, x) WINDOW w AS (ORDER BY i ROWS 1 PRECEDING);

DROP TABLE waits;
