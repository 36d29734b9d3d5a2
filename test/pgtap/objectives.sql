-- Service level objectives: what counts as good, the error budget, breaches and credits.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

SELECT set_objective('fast', 'latency', 0.9, '1 second', credits => '{"0.9": 10, "0.6": 25}') \gset
SELECT set_objective('sound', 'success', 0.99, scope => '{"customer_id": ["a", "b"]}') \gset
SELECT set_objective('a day', 'deadline', 0.5, '24 hours', '{"section": "render"}', '2 days') \gset

-- ---- what counts

INSERT INTO execution_history (created_at, started_at, completed_at, customer_id, section, status, duration_ms, deleted_at) VALUES
    ('2026-03-01 00:00', NULL, '2026-03-02 00:00',        'a', 'render', 'success',   NULL, NULL),
    ('2026-03-01 00:00', NULL, '2026-03-02 00:00:00.001', 'b', 'render', 'success',   NULL, NULL),
    ('2026-03-01 01:00', NULL, NULL,                      'a', 'render', 'running',   NULL, NULL),
    ('2026-03-01 13:00', NULL, NULL,                      'a', 'render', 'pending',   NULL, NULL),
    ('2026-03-01 02:00', NULL, '2026-03-01 03:00',        'a', 'render', 'failed',    NULL, NULL),
    ('2026-03-01 02:00', NULL, '2026-03-01 03:00',        'a', 'render', 'cancelled', NULL, NULL),
    ('2026-03-01 02:00', NULL, '2026-03-01 03:00',        'a', 'render', 'success',   NULL, '2026-03-01 04:00'),
    ('2026-03-01 04:00', NULL, NULL,                      'c', 'chat',   'success',   1000, NULL),
    ('2026-03-01 04:00', NULL, NULL,                      'c', 'chat',   'success',   1001, NULL),
    ('2026-03-01 04:00', NULL, NULL,                      'c', 'chat',   'failed',    10,   NULL),
    ('2026-03-01 04:00', NULL, NULL,                      'c', 'chat',   'success',   NULL, NULL);

CREATE FUNCTION pg_temp.outcomes(objective text, as_of timestamptz) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(to_char(x."time", 'DD HH24:MI') || CASE WHEN x.ok THEN '+' ELSE '-' END, ' ' ORDER BY x."time", x.ok)
    FROM usage.objectives AS o, usage.execution_outcomes(o.scope, o.kind, o.threshold, '2026-03-01', as_of, as_of) AS x
    WHERE o.name = objective
$$;
SELECT is(pg_temp.outcomes('a day', '2026-03-01 12:00'), '01 03:00-', 'a job that failed is decided');
SELECT is(pg_temp.outcomes('a day', '2026-03-02 00:00:00.002'), '01 03:00- 02 00:00- 02 00:00+', 'those that came in time and too late');
SELECT is(pg_temp.outcomes('a day', '2026-03-02 02:00'), '01 03:00- 02 00:00- 02 00:00+ 02 01:00-', 'a job still open past its deadline counts');
SELECT is(pg_temp.outcomes('a day', '2026-03-03 02:00'), '01 03:00- 02 00:00- 02 00:00+ 02 01:00- 02 13:00-', 'and the other, a day after it was created');
SELECT is(pg_temp.outcomes('sound', '2026-03-03 02:00'), '01 00:00+ 01 00:00+ 01 02:00-', 'successes of two customers');
SELECT is(pg_temp.outcomes('fast', '2026-03-01 12:00'), '01 01:00- 01 04:00- 01 04:00+ 01 04:00+', 'durations, where there is one or it is too late for one');

SELECT is((events, failures, compliance, is_met, credit_percent)::text, (5::bigint, 4::bigint, 0.2::float8, false, 0::numeric)::text, 'the standing of a deadline')
FROM objective_status('a day', '2026-03-03 02:00');
SELECT is((failures_allowed, budget_consumed, budget_remaining, burn_rate, burn_rate_1h, burn_rate_6h, burn_rate_3d)::text,
    (2.5::float8, 1.6::float8, (-0.6000000000000001)::float8, 1.6::float8, NULL::float8, NULL::float8, 1.6::float8)::text, 'and its error budget')
FROM objective_status('a day', '2026-03-03 02:00');
SELECT is((events, is_met, budget_remaining)::text, (0::bigint, true, 1::float8)::text, 'without events it is met') FROM objective_status('a day', '2020-01-01');
SELECT is(credit_percent, 25::numeric, 'the highest credit that applies') FROM objective_status('fast', '2026-03-01 12:00');
SELECT set_objective('fast', 'latency', 0.9, '1 second', credits => '{"0.9": 10}') \gset
SELECT is(credit_percent, 10::numeric, 'set again, it is another') FROM objective_status('fast', '2026-03-01 12:00');

-- ---- breaches

SELECT set_objective('calls', 'success', 0.5, scope => '{"customer_id": "z"}') \gset
INSERT INTO execution_history (created_at, customer_id, status) VALUES
    ('2026-04-01 00:00', 'z', 'success'), ('2026-04-01 00:10', 'z', 'failed'), ('2026-04-01 00:20', 'z', 'failed'), ('2026-04-01 00:30', 'z', 'timeout'),
    ('2026-04-01 01:00', 'z', 'success'), ('2026-04-01 01:10', 'z', 'success'), ('2026-04-01 01:20', 'z', 'success'), ('2026-04-01 05:00', 'z', 'failed');
SELECT results_eq($$SELECT * FROM objective_breaches('calls', '2026-04-01', '2026-04-02')$$,
    $$VALUES ('2026-04-01 00:20+00'::timestamptz, '2026-04-01 01:10+00'::timestamptz, 3::bigint, 2::bigint, 0.25::float8),
             ('2026-04-01 05:00+00', NULL, 1, 1, 0)$$, 'intervals below the target');
SELECT is_empty($$SELECT * FROM objective_breaches('calls', '2026-04-01', '2026-04-01 00:20')$$, 'none yet');
SELECT is(w.breached_at, '2026-04-01 00:20+00'::timestamptz, 'the first is that of sla_windows()')
FROM (SELECT (sla_windows(x."time", x.ok, '1 hour', 0.5 ORDER BY x."time")).*
      FROM execution_outcomes('{"customer_id": "z"}', 'success', NULL, '2026-04-01', '2026-04-02') AS x) AS w;

SELECT throws_ok(statement, code, NULL, statement)
FROM (VALUES
    ($$SELECT set_objective('x', 'latency', 0.9)$$, '23514'), ($$SELECT set_objective('x', 'success', 0.9, '1 second')$$, '23514'),
    ($$SELECT set_objective('x', 'success', 1.1)$$, '23514'), ($$SELECT set_objective('x', 'success', 0)$$, '23514'),
    ($$SELECT set_objective('x', 'luck', 0.9)$$, '23514'), ($$SELECT set_objective('x', 'success', 0.9, scope => '{"planet": 1}')$$, '22023'),
    ($$SELECT set_objective('x', 'latency', 0.9, '-1 second')$$, '23514'), ($$SELECT set_objective('x', 'success', 0.9, period => '0')$$, '23514'),
    ($$SELECT objective_status('nobody')$$, 'P0002'), ($$SELECT objective_breaches('nobody', '2026-04-01')$$, 'P0002'),
    ($$SELECT objective_breaches(NULL, '2026-04-01')$$, 'P0002')
) AS wrong (statement, code);

SELECT * FROM finish();
