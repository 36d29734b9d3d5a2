-- Budgets: their periods, which usage they cover, how they are set, and how they stand.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

-- ---- periods: what a calendar says

SELECT is(format('%s - %s', p.starts, p.ends), expected, what)
FROM (VALUES
    ('month from day 31 in February',       'month',    '2024-01-31', NULL, 'UTC', '2026-02-10 00:00+00', '2026-01-31 00:00:00+00 - 2026-02-28 00:00:00+00'),
    ('month from day 31, on the last day',  'month',    '2024-01-31', NULL, 'UTC', '2026-02-28 00:00+00', '2026-02-28 00:00:00+00 - 2026-03-31 00:00:00+00'),
    ('month from day 31, leap year',        'month',    '2024-01-31', NULL, 'UTC', '2028-02-29 00:00+00', '2028-02-29 00:00:00+00 - 2028-03-31 00:00:00+00'),
    ('month from day 31 in April',          'month',    '2024-05-31', NULL, 'UTC', '2026-04-30 12:00+00', '2026-04-30 00:00:00+00 - 2026-05-31 00:00:00+00'),
    ('month before the anchor',             'month',    '2030-01-15', NULL, 'UTC', '2026-01-14 23:59:59.999999+00', '2025-12-15 00:00:00+00 - 2026-01-15 00:00:00+00'),
    ('first instant of a month',            'month',    '2030-01-15', NULL, 'UTC', '2026-01-15 00:00+00', '2026-01-15 00:00:00+00 - 2026-02-15 00:00:00+00'),
    ('day of 23 hours',                     'day',      '2024-01-01', NULL, 'America/New_York', '2026-03-08 12:00+00', '2026-03-08 05:00:00+00 - 2026-03-09 04:00:00+00'),
    ('day of 25 hours',                     'day',      '2024-01-01', NULL, 'America/New_York', '2026-11-01 12:00+00', '2026-11-01 04:00:00+00 - 2026-11-02 05:00:00+00'),
    ('day without a midnight',              'day',      '2024-01-01', NULL, 'America/Sao_Paulo', '2018-11-04 12:00+00', '2018-11-04 03:00:00+00 - 2018-11-05 02:00:00+00'),
    ('day at +05:45',                       'day',      '2024-01-01', NULL, 'Asia/Kathmandu', '2026-01-01 18:14:59+00', '2025-12-31 18:15:00+00 - 2026-01-01 18:15:00+00'),
    ('hour at +05:45',                      'hour',     '2024-01-01', NULL, 'Asia/Kathmandu', '2026-01-01 10:20+00', '2026-01-01 10:15:00+00 - 2026-01-01 11:15:00+00'),
    ('the first of two hours',              'hour',     '2024-01-01', NULL, 'America/New_York', '2026-11-01 05:30+00', '2026-11-01 05:00:00+00 - 2026-11-01 06:00:00+00'),
    ('the second of two hours',             'hour',     '2024-01-01', NULL, 'America/New_York', '2026-11-01 06:30+00', '2026-11-01 06:00:00+00 - 2026-11-01 07:00:00+00'),
    ('week from Monday',                    'week',     '2024-01-01', NULL, 'UTC', '2026-03-11 00:00+00', '2026-03-09 00:00:00+00 - 2026-03-16 00:00:00+00'),
    ('week from Sunday, with a short day',  'week',     '2024-01-07', NULL, 'America/New_York', '2026-03-11 00:00+00', '2026-03-08 05:00:00+00 - 2026-03-15 04:00:00+00'),
    ('week before the anchor',              'week',     '2030-01-06', NULL, 'UTC', '2026-03-08 00:00+00', '2026-03-08 00:00:00+00 - 2026-03-15 00:00:00+00'),
    ('quarter',                             'quarter',  '2024-01-01', NULL, 'UTC', '2026-03-31 23:59+00', '2026-01-01 00:00:00+00 - 2026-04-01 00:00:00+00'),
    ('quarter from February',               'quarter',  '2024-02-01', NULL, 'UTC', '2026-01-15 00:00+00', '2025-11-01 00:00:00+00 - 2026-02-01 00:00:00+00'),
    ('year',                                'year',     '2024-01-01', NULL, 'Asia/Kathmandu', '2026-12-31 18:14+00', '2025-12-31 18:15:00+00 - 2026-12-31 18:15:00+00'),
    ('year from July',                      'year',     '2024-07-01', NULL, 'UTC', '2026-03-01 00:00+00', '2025-07-01 00:00:00+00 - 2026-07-01 00:00:00+00'),
    ('year from 29 February',               'year',     '2020-02-29', NULL, 'UTC', '2028-02-28 12:00+00', '2027-02-28 00:00:00+00 - 2028-02-29 00:00:00+00'),
    ('rolling days by the wall clock',      'rolling',  '2024-01-01', '1 day', 'America/New_York', '2026-03-08 16:00+00', '2026-03-07 17:00:00+00 - infinity'),
    ('rolling hours by time that passes',   'rolling',  '2024-01-01', '24 hours', 'America/New_York', '2026-03-08 16:00+00', '2026-03-07 16:00:00+00 - infinity'),
    ('rolling month and hours',             'rolling',  '2024-01-01', '1 month 2 hours', 'America/New_York', '2026-03-31 16:00+00', '2026-02-28 15:00:00+00 - infinity'),
    ('lifetime',                            'lifetime', '2024-01-01', NULL, 'UTC', '2026-03-31 16:00+00', '-infinity - infinity')
) AS row (what, period, anchor, length, time_zone, at, expected),
LATERAL budget_period(period, anchor::date, length::interval, NULL, NULL, time_zone, at::timestamptz) AS p;

-- The same by rules about what a period is, in many zones over three years: it holds the instant, begins where the one before
-- ends, at midnight on the weekday or day of the month of its anchor.
CREATE TEMP TABLE periods AS
SELECT period, anchor, zone, at, p.starts, p.ends, previous.ends AS previous_ends,
       p.starts AT TIME ZONE zone AS local_start
FROM unnest(ARRAY['hour', 'day', 'week', 'month', 'quarter', 'year']) AS period,
     unnest(ARRAY['2024-01-01', '2025-08-31', '2023-06-18']::date[]) AS anchor,
     unnest(ARRAY['UTC', 'America/New_York', 'Asia/Kathmandu', 'Australia/Adelaide', 'Pacific/Apia', 'America/St_Johns']) AS zone,
     generate_series('2025-01-01 00:07:03+00', '2027-12-31', interval '29 hours 41 minutes') AS at,
     budget_period(period, anchor, NULL, NULL, NULL, zone, at) AS p,
     budget_period(period, anchor, NULL, NULL, NULL, zone, p.starts - interval '1 microsecond') AS previous;
SELECT cmp_ok(count(*), '>', 90000::bigint, 'there are periods') FROM periods;
SELECT is_empty('SELECT * FROM periods WHERE NOT (at >= starts AND at < ends)', 'a period holds its instant');
SELECT is_empty('SELECT * FROM periods WHERE previous_ends <> starts', 'it begins where the one before ends');
SELECT is_empty($$SELECT * FROM periods WHERE period <> 'hour' AND local_start::time <> '00:00'$$, 'at midnight');
SELECT is_empty($$SELECT * FROM periods WHERE period = 'hour' AND (extract(minute FROM local_start) <> 0 OR ends - starts <> '1 hour')$$, 'or on the hour');
SELECT is_empty($$SELECT * FROM periods WHERE period = 'week' AND extract(dow FROM local_start) <> extract(dow FROM anchor)$$, 'on its weekday');
SELECT is_empty($$SELECT * FROM periods WHERE period IN ('month', 'quarter', 'year')
    AND extract(day FROM local_start) <> least(extract(day FROM anchor), extract(day FROM date_trunc('month', local_start) + interval '1 month - 1 day'))$$, 'on its day of the month');
SELECT is_empty($$SELECT * FROM periods WHERE period = 'quarter' AND (extract(month FROM local_start) - extract(month FROM anchor))::integer % 3 <> 0$$, 'in its month of the quarter');
SELECT is_empty($$SELECT * FROM periods WHERE period = 'year' AND extract(month FROM local_start) <> extract(month FROM anchor)$$, 'in its month of the year');
SELECT is_empty($$SELECT period FROM periods GROUP BY period, zone, anchor
    HAVING abs(extract(epoch FROM avg(ends - starts)) / CASE period WHEN 'hour' THEN 3600 WHEN 'day' THEN 86400 WHEN 'week' THEN 604800 WHEN 'month' THEN 2629746 WHEN 'quarter' THEN 7889238 ELSE 31556952 END - 1) > 0.02$$, 'and is as long as its name says');

-- ---- setting

SELECT is(set_budget('p', '{"project_id": "p"}', 100.00), 1::bigint, 'a budget is made');
SELECT is(get_budget('p'), '{"budget_id": 1, "name": "p", "scope": {"project_id": "p"}, "per": [], "measure": "cost", "amount": 100.00, "period": "month",
    "anchor": "2024-01-01", "length": null, "starts_at": null, "ends_at": null, "time_zone": "UTC", "is_hard": false, "on_unpriced": "deny", "link": null,
    "is_active": true, "thresholds": {"80": [], "100": []}}'::jsonb, 'with defaults');
SELECT is(set_budget('p', thresholds => '{"50.5": ["email:a@example.com", "notify:x"], "100": []}'), 1::bigint, 'and changed');
SELECT is(get_budget('p') -> 'thresholds', '{"50.5": ["email:a@example.com", "notify:x"], "100": []}'::jsonb, 'where something is given');
SELECT is(get_budget('p') ->> 'amount', '100.00', 'and left where nothing is');
SELECT set_budget('p', amount => 'infinity') \gset
SELECT is(get_budget('p') ->> 'amount', NULL, 'infinity is no limit');
SELECT set_budget('p', period => 'rolling', length => '7 days') \gset
SELECT set_budget('p', amount => 50) \gset
SELECT is(get_budget('p') ->> 'length', '7 days', 'a length stays');
SELECT set_budget('p', period => 'month') \gset
SELECT is(get_budget('p') ->> 'length', NULL, 'and goes with its period');
SELECT set_budget('p', cooldown => '1 hour') \gset
SELECT is(array_agg(DISTINCT cooldown), '{01:00:00}', 'the cooldown of all thresholds') FROM budget_thresholds;
SELECT set_budget('p', link => 'https://example.com') \gset
SELECT set_budget('p', amount => 60) \gset
SELECT is(get_budget('p') ->> 'link', 'https://example.com', 'a link stays');
SELECT set_budget('p', link => '') \gset
SELECT is(get_budget('p') -> 'link', 'null', 'until it is taken away');
SELECT is(get_budget('nobody'), NULL, 'there is none of that name');

SELECT throws_ok(statement, code, NULL, statement)
FROM (VALUES
    ($$SELECT set_budget('x', '{"planet": "mars"}')$$, '22023'),
    ($$SELECT set_budget('x', '{"customer_id": {"a": 1}}')$$, '22023'),
    ($$SELECT set_budget('x', per => '{planet}')$$, '22023'),
    ($$SELECT set_budget('x', time_zone => 'Mars/Olympus')$$, '22023'),
    ($$SELECT set_budget('x', amount => -1)$$, '23514'),
    ($$SELECT set_budget('x', amount => 'NaN')$$, '23514'),
    ($$SELECT set_budget('x', period => 'decade')$$, '23514'),
    ($$SELECT set_budget('x', period => 'rolling')$$, '23514'),
    ($$SELECT set_budget('x', period => 'rolling', length => '-1 day')$$, '23514'),
    ($$SELECT set_budget('x', length => '1 day')$$, '23514'),
    ($$SELECT set_budget('x', period => 'range', starts_at => '2026-01-01')$$, '23514'),
    ($$SELECT set_budget('x', period => 'range', starts_at => '2026-01-01', ends_at => '2026-01-01')$$, '23514'),
    ($$SELECT set_budget('x', measure => 'happiness')$$, '23514'),
    ($$SELECT set_budget('x', on_unpriced => 'panic')$$, '23514'),
    ($$SELECT set_budget('x', anchor => 'infinity')$$, '23514'),
    ($$SELECT set_budget('x', anchor => '10000-01-01')$$, '23514'),
    ($$SELECT set_budget('x', period => 'rolling', length => '1001 years')$$, '23514'),
    ($$SELECT budget_status(name => 'x')$$, 'P0002'),
    ($$SELECT set_budget('')$$, '23514'),
    ($$SELECT set_budget(NULL)$$, '23502'),
    ($$SELECT set_budget('x', thresholds => '{"0": []}')$$, '23514'),
    ($$SELECT set_budget('x', thresholds => '{"80": ["pigeon:x"]}')$$, '23514'),
    ($$SELECT set_budget('x', thresholds => '{"80": ["email:"]}')$$, '23514'),
    ($$SELECT set_budget('x', thresholds => '{"80": [null]}')$$, '23514'),
    ($$SELECT set_budget('x', thresholds => '{"80": ["email:a@b\nBcc: c@d"]}')$$, '23514'),
    ($$SELECT set_budget('x', thresholds => '{"eighty": []}')$$, '22P02')
) AS wrong (statement, code);
SELECT is(get_budget('x'), NULL, 'what is wrong makes nothing');
DELETE FROM budgets;
SELECT is(count(*), 0::bigint, 'thresholds go with their budget') FROM budget_thresholds;

-- ---- how they stand, at an instant of the past

SELECT set_price('acme', 'echo', input_per_million => 1000000, valid_from => '-infinity') \gset
INSERT INTO execution_history (created_at, customer_id, project_id, customer_tier, section, user_id, api_key_id, environment, provider, model, input_tokens, status) VALUES
    ('2026-03-01 04:59:59.999999+00', 'a', 'p', 'free', 'chat', 'u', 'k', 'production', 'acme', 'echo', 1, 'success'),
    ('2026-03-01 05:00+00',           'a', 'p', 'free', 'chat', 'u', 'k', 'production', 'acme', 'echo', 2, 'success'),
    ('2026-03-15 00:00+00',           'a', 'q', 'free', 'edit', 'v', 'k', 'production', 'acme', 'echo', 4, 'success'),
    ('2026-03-15 00:00+00',           'b', 'q', 'paid', 'edit', 'v', 'l', 'sandbox',    'acme', 'echo', 8, 'timeout'),
    ('2026-04-01 03:59:59.999999+00', 'b', 'q', 'paid', NULL,   'v', 'l', 'production', 'acme', 'echo', 16, 'failed'),
    ('2026-04-01 04:00+00',           'b', 'q', 'paid', 'edit', 'v', 'l', 'production', 'acme', 'echo', 32, 'success');
-- money that was spent stays spent when an execution is deleted
UPDATE execution_history SET deleted_at = '2026-05-01' WHERE input_tokens = 4;

SELECT set_budget(name, scope::jsonb, 20, 'month', measure, time_zone => 'America/New_York', per => per::text[])
FROM (VALUES
    (1, 'all', '{}', 'cost', '{}'),
    (2, 'tokens', '{}', 'tokens', '{}'),
    (3, 'executions', '{}', 'executions', '{}'),
    (4, 'failures', '{}', 'failures', '{}'),
    (5, 'customer', '{"customer_id": "a"}', 'cost', '{}'),
    (6, 'customers', '{"customer_id": ["a", "b"]}', 'cost', '{}'),
    (7, 'project and tier', '{"project_id": "q", "customer_tier": "paid"}', 'cost', '{}'),
    (8, 'no section', '{"section": null}', 'cost', '{}'),
    (9, 'seat', '{"api_key_id": "k"}', 'cost', '{}'),
    (10, 'user', '{"user_id": "v"}', 'cost', '{}'),
    (11, 'environment', '{"environment": "sandbox"}', 'cost', '{}'),
    (12, 'provider and model', '{"provider": "acme", "model": "echo"}', 'cost', '{}'),
    (13, 'each customer', '{}', 'cost', '{customer_id}'),
    (14, 'nobody', '{"customer_id": "nobody"}', 'cost', '{}')
) AS budget (number, name, scope, measure, per)
ORDER BY number \g /dev/null

SELECT is(string_agg(concat_ws(' ', budget, subject ->> 'customer_id', trim_scale(spent)), ', ' ORDER BY budget_id, subject),
    'all 30, tokens 26, executions 3, failures 2, customer 6, customers 30, project and tier 24, no section 16, seat 6, user 28, environment 8, provider and model 30, each customer a 6, each customer b 24, nobody 0',
    'every scope and measure, in March of New York')
FROM budget_status(at => '2026-03-20');
SELECT fold() \gset
SELECT is(string_agg(concat_ws(' ', budget, trim_scale(spent)), ', ' ORDER BY budget_id), 'all 30, tokens 26, executions 3, failures 2',
    'the same after a fold')
FROM budget_status(at => '2026-03-20') WHERE budget_id <= (SELECT budget_id FROM budgets WHERE name = 'failures');
SELECT is(string_agg(concat_ws(' ', budget, subject ->> 'customer_id', level), ', ' ORDER BY budget_id, subject), 'customer ok, each customer a ok', 'those that a filter names')
FROM budget_status('{"customer_id": "a"}', at => '2026-03-20');
SELECT is(string_agg(concat_ws(' ', budget, level), ', '), 'each customer exceeded', 'one subject of one budget') FROM budget_status('{"customer_id": "b"}', 'each customer', '2026-03-20');
SELECT is((starts, ends, spent, reserved, amount, percent, remaining, level, bar)::text,
    ('2026-03-01 05:00+00'::timestamptz, '2026-04-01 04:00+00'::timestamptz, 16::numeric, 0::numeric, 20::numeric, 80::numeric, 4::numeric, 'warning'::text, '████████████████░░░░ 80.0 %'::text)::text,
    'a budget in full')
FROM (SELECT starts, ends, spent, reserved, amount, round(percent) AS percent, remaining, level, bar FROM budget_status(name => 'no section', at => '2026-03-20')) AS status;
SELECT is(round(projected, 6), round(16 * (31 * 24 - 1) / (10 * 24 - 5.0), 6), 'projected at the pace so far')
FROM budget_status(name => 'no section', at => '2026-03-11 00:00+00');
SELECT set_budget('no section', amount => 'infinity') \gset
SELECT is((amount, percent, remaining, level, bar)::text, (NULL::numeric, NULL::numeric, NULL::numeric, 'ok'::text, NULL::text)::text, 'without an amount nothing is exceeded')
FROM budget_status(name => 'no section', at => '2026-03-20');
SELECT set_budget('no section', amount => 0) \gset
SELECT is(level, 'exceeded', 'an amount of 0 is exceeded by anything') FROM budget_status(name => 'no section', at => '2026-03-20');
SELECT is(level, 'ok', 'but not by nothing') FROM budget_status(name => 'no section', at => '2026-05-20');

-- changed in mid-period: the same usage, seen by the new period
SELECT set_budget('all', period => 'week', anchor => '2024-01-07') \gset
SELECT is(spent, 12::numeric, 'as a week') FROM budget_status(name => 'all', at => '2026-03-15 03:00+00');
SELECT set_budget('all', period => 'range', starts_at => '2026-03-01 05:00+00', ends_at => '2026-04-01 04:00:00.000001+00') \gset
SELECT is(spent, 62::numeric, 'as a range') FROM budget_status(name => 'all', at => '2030-01-01');
SELECT set_budget('all', period => 'lifetime') \gset
SELECT is((spent, starts, ends, projected)::text, (63::numeric, NULL::timestamptz, NULL::timestamptz, NULL::numeric)::text, 'as a lifetime') FROM budget_status(name => 'all');
SELECT set_budget('all', time_zone => 'UTC', period => 'month', anchor => '2024-01-01') \gset
SELECT is(spent, 15::numeric, 'in another zone') FROM budget_status(name => 'all', at => '2026-03-20');
SELECT set_budget('all', is_active => false) \gset
SELECT is_empty($$SELECT * FROM budget_status(name => 'all')$$, 'not active');

SELECT * FROM finish();
