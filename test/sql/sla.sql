--
-- Service levels
--
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET intervalstyle = postgres;

-- No random(): values come from a hash of their number.
CREATE TABLE jobs AS
SELECT i, i % 3 AS service, started_at, CASE WHEN i % 40 > 0 THEN started_at + took END AS finished_at, took
FROM generate_series(1, 1500) i,
	LATERAL (SELECT ((hashint8extended(i, 17) >> 11) & 4503599627370495)::float8 / 4503599627370496 AS u,
		((hashint8extended(i, 18) >> 11) & 4503599627370495)::float8 / 4503599627370496 AS v) h,
	LATERAL (SELECT '2026-03-01 00:00'::timestamptz + floor(i + 20 * u) * interval '1 minute' AS started_at,
		make_interval(secs => round((30 * exp(3 * v * CASE WHEN i BETWEEN 700 AND 760 THEN 3 ELSE 1 END))::numeric, 3)::float8) AS took) t;

-- Compliance
SELECT sla_compliance(x, 3) FROM generate_series(1, 4) x;
SELECT sla_compliance(x, t) FROM (VALUES (1, 2), (3, NULL), (NULL, 2), (2, 2), (5, 4)) v(x, t);
SELECT sla_compliance(x, 1.0), sla_compliance(NULL::float8, 1) IS NULL AS nothing FROM unnest(ARRAY['-Infinity', 'Infinity']::float8[]) x;
SELECT sla_compliance(x, '1 day') FROM unnest(ARRAY['24:00', '25:00', '1 mon', '-1 year']::interval[]) x;
SELECT sla_compliance(x, 1.0) FROM unnest(ARRAY[1, 'NaN']::float8[]) x;
-- a job that is not finished: a breach once it is late
SELECT age, sla_compliance(x, 10, age) FROM unnest(ARRAY[9, 10, 10.1]) age, unnest(ARRAY[1, NULL, 3, 4, 12]) x GROUP BY age ORDER BY age;
SELECT service, sla_compliance(finished_at - started_at, '5 minutes', as_of - started_at) = (
		SELECT avg(CASE WHEN finished_at IS NULL THEN 0 ELSE (finished_at - started_at <= '5 minutes')::integer END)::float8
		FROM jobs j WHERE j.service = o.service AND (finished_at IS NOT NULL OR as_of - started_at > '5 minutes')) AS same
FROM jobs o, (VALUES ('2026-03-01 20:00'::timestamptz)) n(as_of) GROUP BY service, as_of ORDER BY service;
-- over windows
SELECT bool_and(c IS NOT DISTINCT FROM (SELECT avg((y <= '2 minutes')::integer)::float8 FROM unnest(sample) y)) AS same
FROM (SELECT sla_compliance(finished_at - started_at, '2 minutes') OVER w AS c, array_agg(finished_at - started_at) OVER w AS sample
	FROM jobs WINDOW w AS (PARTITION BY service ORDER BY i ROWS BETWEEN 7 PRECEDING AND 2 PRECEDING)) f;

-- Error budget
SELECT (error_budget(i > 3, 0.99)).* FROM generate_series(1, 1000) i;
-- 14.4 times too fast for an hour takes 2 % of the budget of 30 days
SELECT events, failures, compliance, budget, round(consumed::numeric, 6) AS consumed, round(remaining::numeric, 6) AS remaining,
	round(burn_rate::numeric, 6) AS burn_rate
FROM (SELECT (error_budget(i > 144, 0.999, 1.0 / 720)).* FROM generate_series(1, 10000) i) b;
SELECT (error_budget(true, 1)).*;
SELECT (error_budget(false, 1)).*;
SELECT (error_budget(ok, 0.5)).* FROM unnest(ARRAY[true, NULL, false]) ok;
SELECT error_budget(NULL, 0.5) IS NULL AS nothing;
SELECT error_budget(true, 1.5);
SELECT error_budget(true, 'NaN');
SELECT error_budget(true, NULL);
SELECT error_budget(true, 0.5, 0);
SELECT error_budget(true, t) FROM unnest(ARRAY[0.5, 0.6]) t;
SELECT bool_and((b).burn_rate IS NOT DISTINCT FROM (SELECT (error_budget(y, 0.9)).burn_rate FROM unnest(sample) y)) AS same
FROM (SELECT error_budget(i % 7 > 0, 0.9) OVER w AS b, array_agg(i % 7 > 0) OVER w AS sample
	FROM generate_series(1, 100) i WINDOW w AS (ORDER BY i ROWS 9 PRECEDING)) f;

-- Outcomes: in time, late, running, late and running, finished after the time of asking
SELECT name, o.*
FROM (VALUES
	('in time', '2026-03-01 10:00'::timestamptz, '2026-03-01 10:04'::timestamptz),
	('at the threshold', '2026-03-01 10:00', '2026-03-01 10:05'),
	('late', '2026-03-01 10:00', '2026-03-01 10:30'),
	('running', '2026-03-01 11:57', NULL),
	('running at the threshold', '2026-03-01 11:55', NULL),
	('running and late', '2026-03-01 10:00', NULL),
	('finished later', '2026-03-01 11:58', '2026-03-01 12:02'),
	('not started', NULL, NULL)) j(name, started_at, finished_at),
	LATERAL sla_outcome(started_at, finished_at, '5 minutes', '2026-03-01 12:00') o;

-- Windows, beside the query that defines them
CREATE TABLE events AS
SELECT i, service, o.* FROM jobs, LATERAL sla_outcome(started_at, finished_at, '5 minutes', '2026-03-02') o;
CREATE FUNCTION windows_by_query(of_service integer, width interval, objective float8) RETURNS sla_windows_report LANGUAGE sql STABLE
BEGIN ATOMIC
	WITH windows AS (
		SELECT t.time AS window_end, count(*) FILTER (WHERE e.ok)::float8 / count(*) AS compliance, count(*) AS events
		FROM (SELECT DISTINCT "time" FROM events WHERE service = of_service) t
			JOIN events e ON e.service = of_service AND e.time > t.time - width AND e.time <= t.time
		GROUP BY t.time)
	SELECT count(*), count(*) FILTER (WHERE compliance >= objective), count(*) FILTER (WHERE compliance >= objective)::float8 / count(*),
		(array_agg(window_end - width ORDER BY compliance, window_end))[1],
		(array_agg(window_end ORDER BY compliance, window_end))[1],
		min(compliance), (array_agg(events ORDER BY compliance, window_end))[1],
		min(window_end) FILTER (WHERE compliance < objective)
	FROM windows
	HAVING count(*) > 0;
END;
SELECT service, r.*
FROM (SELECT service, sla_windows("time", ok, '1 hour', 0.8 ORDER BY "time") AS report FROM events GROUP BY service) w,
	LATERAL (SELECT (report).*) r ORDER BY service;
SELECT count(*), bool_and(by_c IS NOT DISTINCT FROM by_query) AS same
FROM generate_series(0, 2) of_service, unnest(ARRAY['1 microsecond', '1 minute', '00:17', '1 hour', '1 day', '90 days']::interval[]) width,
	unnest(ARRAY[0, 0.5, 0.9, 1]) objective,
	LATERAL (SELECT sla_windows("time", ok, width, objective ORDER BY "time") AS by_c FROM events WHERE service = of_service) c,
	LATERAL windows_by_query(of_service, width, objective) by_query;
-- 99 of 100 meet a target of 0.99
SELECT (sla_windows(t, ok, '1 day', 0.99 ORDER BY t)).*
FROM (SELECT '2026-03-01'::timestamptz + i * interval '1 minute' AS t, i <> 50 AS ok FROM generate_series(1, 100) i
	UNION ALL SELECT '2026-03-01', true FROM generate_series(1, 99)) e;
-- not in a window frame
SELECT i, (w).windows, (w).met, (w).worst_compliance
FROM (SELECT i, sla_windows('2026-03-01'::timestamptz + i * interval '1 minute', i <> 3, '2 minutes', 0.6) OVER (ORDER BY i) AS w
	FROM generate_series(1, 5) i) f;
-- more than fits into work_mem
CREATE TABLE many_events AS
SELECT '2026-03-01'::timestamptz + i * interval '1 second' AS t, i % 100 <> 7 AS ok FROM generate_series(1, 30000) i;
SET work_mem = '64kB';
CREATE TABLE reports AS
SELECT width, sla_windows(t, ok, width, 0.95 ORDER BY t) AS report
FROM many_events, unnest(ARRAY['1 minute', '1 hour', '1 day']::interval[]) width GROUP BY width;
RESET work_mem;
SELECT count(*), bool_and(report = again) AS same
FROM reports r, LATERAL (SELECT sla_windows(t, ok, width, 0.95 ORDER BY t) AS again FROM many_events) a;
SELECT width, (report).* FROM reports ORDER BY width;

SELECT (sla_windows(t, true, '1 mon', 1)).worst_start FROM (VALUES ('2026-03-01'::timestamptz)) v(t);

-- Nothing to judge, and what is refused
SELECT sla_windows(NULL, true, '1 hour', 0.9) IS NULL AS no_time, sla_windows(now(), NULL, '1 hour', 0.9) IS NULL AS no_outcome;
SELECT sla_windows(t, true, '1 hour', 0.9) FROM unnest(ARRAY['2026-03-02', '2026-03-01']::timestamptz[]) t;
SELECT sla_windows('infinity', true, '1 hour', 0.9);
SELECT sla_windows(now(), true, '0', 0.9);
SELECT sla_windows(now(), true, '-1 day', 0.9);
SELECT sla_windows(now(), true, NULL, 0.9);
SELECT sla_windows(now(), true, '1 hour', 90);
SELECT sla_windows('2026-03-01', true, '1 hour', x) FROM unnest(ARRAY[0.9, 0.95]) x;
SELECT sla_windows('2026-03-01', true, x, 0.9) FROM unnest(ARRAY['1 hour', '61 minutes']::interval[]) x;
SELECT (sla_windows('4714-11-24 00:00 BC', true, '1 hour', 0.9)).worst_start IS NULL AS before_time;

SELECT sla_count(NULL::float8[], 1::float8, 1::float8);
SELECT error_budget_count('{1,2}', true, 0.5);

-- Parallel and serial agree
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
ALTER TABLE many_events SET (parallel_workers = 2);
EXPLAIN (COSTS OFF) SELECT error_budget(ok, 0.9), sla_compliance(extract(second FROM t)::float8, 30) FROM many_events;
CREATE TABLE in_parallel AS SELECT error_budget(ok, 0.9), sla_compliance(extract(second FROM t)::float8, 30) FROM many_events;
SET max_parallel_workers_per_gather = 0;
SELECT error_budget(ok, 0.9) = p.error_budget AND sla_compliance(extract(second FROM t)::float8, 30) = p.sla_compliance AS same
FROM many_events, in_parallel p GROUP BY p.error_budget, p.sla_compliance;

RESET ALL;
DROP TABLE events CASCADE;
DROP TABLE jobs, many_events, reports, in_parallel;
