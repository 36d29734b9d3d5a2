--
-- Exchange with OpenTelemetry, and looking at a distribution
--
-- No random(): values come from a hash of their number.
CREATE TABLE points AS
SELECT i, d.name, d.value
FROM generate_series(1, 3000) i,
	LATERAL (SELECT ((hashint8extended(i, 13) >> 11) & 4503599627370495)::float8 / 4503599627370496 AS u) h,
	LATERAL (VALUES
		('exponential', -ln(1 - u)),
		('signed', (u - 0.3) ^ 3),
		('wide', 10.0::float8 ^ (600 * u - 300)),
		('integer', floor(50 * u)),
		('subnormal', floor(50 * u) * '5e-324'::float8)) d(name, value);
CREATE TABLE point_sketches AS SELECT name, quantile_sketch(value) AS sketch FROM points GROUP BY name;

-- There and back
SELECT sketch_to_otel(quantile_sketch(x)) FROM unnest(ARRAY[-3, 0, 0, 1, 1.01, 2]) x;
SELECT sketch_to_otel(quantile_sketch(x)) FROM unnest(ARRAY['5e-324', 1.7976931348623157e308]::float8[]) x;
SELECT sketch_to_otel('scale=6'), sketch_from_otel(sketch_to_otel('scale=6'));
SELECT name, sketch_from_otel(sketch_to_otel(sketch)) = sketch AS lossless,
	sketch_from_otel(sketch_to_otel(sketch - 'scale=6 pos=0:1' + 'scale=6 pos=0:1'))
		= sketch - 'scale=6 pos=0:1' + 'scale=6 pos=0:1' AS without_extremes
FROM point_sketches ORDER BY name;
SELECT count(*), bool_and(sketch_from_otel(sketch_to_otel(s)) = s) AS lossless
FROM generate_series(-10, 20) scale, LATERAL (SELECT format('scale=%s neg=-2:1,2 zero=3 pos=-1:1,9223372036854775800', scale)::quantile_sketch AS s) p;
SELECT sketch_to_otel(sketch) = sketch_to_otel(merge) AS merged
FROM point_sketches, LATERAL (SELECT merge(s) AS merge
	FROM (SELECT sketch_from_otel(sketch_to_otel(quantile_sketch(value))) AS s FROM points p
		WHERE p.name = point_sketches.name GROUP BY i % 7) parts) m
WHERE name = 'signed';

-- The published rule: bucket i holds values above base^i and up to base^(i+1), base = 2^(2^-scale)
SELECT count(*), bool_and(b.count = 1) AS one,
	bool_and(abs(lower - exact_lower) <= 1e-15 * exact_lower) AS lower, bool_and(abs(upper - exact_upper) <= 1e-15 * exact_upper) AS upper
FROM generate_series(-10, 20) scale, unnest(ARRAY[0, 1, 5, 1000, 1000000]) n,
	LATERAL (SELECT floor(n % (1024 * 2.0 ^ scale)::numeric)::bigint AS i, 2::numeric(60, 40) ^ -scale AS step) p,
	LATERAL sketch_buckets(sketch_from_otel(jsonb_build_object('scale', scale, 'positive',
		jsonb_build_object('offset', i, 'bucketCounts', '[1]'::jsonb)))) b,
	LATERAL (SELECT least((2::numeric(60, 40) ^ (i * step))::float8, 1.7976931348623157e308) AS exact_lower,
		CASE WHEN (i + 1) * step >= 1024 THEN 1.7976931348623157e308 ELSE (2::numeric(60, 40) ^ ((i + 1) * step))::float8 END AS exact_upper) e;
SELECT scale, sketch_from_otel(jsonb_build_object('scale', scale, 'positive', '{"offset": -1, "bucketCounts": [1, 1]}'::jsonb)) AS sketch, lower, upper, count
FROM unnest(ARRAY[-10, -1, 0, 1, 20]) scale,
	LATERAL sketch_buckets(sketch_from_otel(jsonb_build_object('scale', scale, 'positive', '{"offset": -1, "bucketCounts": [1, 1]}'::jsonb))) b;

-- Different scales: the histogram of the union at the coarser one. The data point of
-- some values by a logarithm, which is good enough away from boundaries.
CREATE FUNCTION data_point(scale integer, magnitudes numeric[]) RETURNS jsonb LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	WITH indexes AS (SELECT ceil(log(2, m) * 2::numeric ^ scale)::integer - 1 AS i FROM unnest(magnitudes) m),
	counts AS (
		SELECT min(first) AS first, jsonb_agg((SELECT count(*) FROM indexes WHERE indexes.i = n) ORDER BY n) AS counts
		FROM (SELECT min(i) AS first, max(i) AS last FROM indexes) span, generate_series(first, last) n)
	SELECT jsonb_build_object('scale', scale, 'positive', side, 'negative', side)
	FROM counts, LATERAL (SELECT jsonb_build_object('offset', first, 'bucketCounts', counts) AS side) b;
END;
SELECT count(*), bool_and(a + b = b + a) AS commutes, bool_and(a + b = whole) AS union, count(DISTINCT substring(whole::text, 'scale=\S+')) AS scales,
	max((SELECT count(*) FROM sketch_buckets(whole))) AS buckets
FROM generate_series(-10, 20) s, generate_series(-10, 20) t,
	(VALUES (ARRAY[0.7, 3, 100, 1e-5, 3.1], ARRAY[0.7, 7e10, 5, 5.5]),
		(ARRAY[1.5, 1.5001, 1.5001], ARRAY[1.5003, 1.501])) v(left_values, right_values),
	LATERAL (SELECT sketch_from_otel(data_point(s, left_values)) AS a, sketch_from_otel(data_point(t, right_values)) AS b,
		sketch_from_otel(data_point(least(s, t), left_values || right_values)) AS whole) p
WHERE s <= 6 AND t <= 6 OR left_values[1] = 1.5;

-- What exporters write
SELECT sketch_from_otel('{"attributes": [], "startTimeUnixNano": "1", "timeUnixNano": "2", "count": "6", "sum": 12.5, "scale": 1,
	"zeroCount": "1", "positive": {"offset": 1, "bucketCounts": ["0", "2", "0", "1"]}, "negative": {"bucketCounts": [2, 0]},
	"flags": 0, "min": -1.3, "max": 5.1, "zeroThreshold": 0}');
SELECT sketch_from_otel('{"zero_count": 4, "positive": {"offset": 3, "bucket_counts": [1.0, 2e3]}, "negative": null, "min": null}');
SELECT sketch_from_otel('{"scale": 20, "count": 0, "min": 0, "max": 0}'), sketch_from_otel('{"zeroCount": 2, "min": 0, "max": -0.0}'),
	sketch_from_otel('{"zeroCount": 0, "zeroThreshold": 1e-6}');
-- a logarithm put 4 into the wrong bucket: the extremes are left out
SELECT sketch_from_otel('{"scale": 3, "positive": {"offset": 16, "bucketCounts": [1]}, "min": 4, "max": 4}');
-- more buckets than a sketch may span
SELECT count(*), min(lower) AS lower, max(upper) AS upper, sum(count) AS sum, min(sketch_error(s)) AS error
FROM (SELECT sketch_from_otel(jsonb_build_object('scale', 10, 'positive', jsonb_build_object('offset', -3000,
	'bucketCounts', (SELECT jsonb_agg(1) FROM generate_series(1, 6000)))))) p(s), LATERAL sketch_buckets(s);

-- What is refused
SELECT sketch_from_otel('[]');
SELECT sketch_from_otel('1');
SELECT sketch_from_otel('{}');
SELECT sketch_from_otel('{"dataPoints": []}');
SELECT sketch_from_otel('{"scale": 21}');
SELECT sketch_from_otel('{"scale": 1.5}');
SELECT sketch_from_otel('{"scale": "x"}');
SELECT sketch_from_otel('{"scale": {}}');
SELECT sketch_from_otel('{"zeroCount": -1}');
SELECT sketch_from_otel('{"zeroCount": "18446744073709551615"}');
SELECT sketch_from_otel('{"zeroCount": "9223372036854775807", "positive": {"bucketCounts": [1]}}');
SELECT sketch_from_otel('{"zeroCount": 1, "zeroThreshold": 0.001}');
SELECT sketch_from_otel('{"positive": []}');
SELECT sketch_from_otel('{"positive": {"offset": 3000000000, "bucketCounts": [1]}}');
SELECT sketch_from_otel('{"positive": {"offset": 1024, "bucketCounts": [1]}}');
SELECT sketch_from_otel('{"positive": {"offset": -1076, "bucketCounts": [1]}}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": 7}}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": [1, [2]]}}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": [true]}}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": [" 1"]}}');
SELECT sketch_from_otel('{"count": 2, "positive": {"bucketCounts": [1]}}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": [1]}, "min": 1.5, "max": 4}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": [1]}, "min": "NaN", "max": 2}');
SELECT sketch_from_otel('{"positive": {"bucketCounts": [1]}, "min": "low", "max": 2}');
SELECT sketch_to_otel(quantile_sketch('Infinity'::float8));
SELECT sketch_to_otel(quantile_sketch(1.0, -1::bigint));

-- A distribution in rows
SELECT round(lower::numeric, 3) AS lower, round(upper::numeric, 3) AS upper, count, round(share::numeric, 3) AS share, bar
FROM point_sketches, LATERAL sketch_histogram(sketch, 12) WHERE name = 'exponential';
SELECT * FROM sketch_histogram((SELECT quantile_sketch(x) FROM unnest(ARRAY['-Infinity', -8, -1, 0, 0, 0, 1, 1, 2, 'Infinity']::float8[]) x), 1);
SELECT count(*), sum(count) FROM point_sketches, LATERAL sketch_histogram(sketch) WHERE name = 'integer';
SELECT name, n, count(*) <= greatest(n, 5) AS few, sum(count) = 3000 AS complete, bool_and(lower <= upper) AS ascending,
	bool_and(coalesce(before <= lower, true)) AS disjoint, round(sum(share)::numeric, 6) AS share
FROM point_sketches, unnest(ARRAY[1, 2, 7, 20, 1000]) n,
	LATERAL (SELECT *, lag(upper) OVER () AS before FROM sketch_histogram(sketch, n)) h
GROUP BY name, n ORDER BY name, n;
SELECT * FROM sketch_histogram('scale=6');
SELECT * FROM sketch_histogram('scale=6 zero=1', 0);
SELECT * FROM sketch_histogram('scale=6 zero=1', 1001);
SELECT * FROM sketch_histogram('scale=6 zero=-1');

DROP FUNCTION data_point(integer, numeric[]);
DROP TABLE points, point_sketches;
