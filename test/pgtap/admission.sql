-- Admission: what reserve() allows and denies, and how reservations end.
SET client_min_messages = error;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('acme', 'echo', input_per_million => 1000000, valid_from => '-infinity') \gset

-- What a reservation holds, by the names of the budgets.
CREATE FUNCTION pg_temp.held(reservation uuid) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', b.name, r.subject ->> 'customer_id', r.amount), ', ' ORDER BY b.name)
    FROM usage.reservations AS r JOIN usage.budgets AS b USING (budget_id) WHERE r.reservation_id = reservation
$$;

-- ---- which budgets a call concerns

SELECT set_budget(name, scope::jsonb, 1000, measure => measure, per => per::text[], is_hard => true)
FROM (VALUES
    ('all', '{}', 'cost', '{}'),
    ('one', '{"customer_id": "a"}', 'tokens', '{}'),
    ('two', '{"customer_id": ["a", "b"], "project_id": "p"}', 'executions', '{}'),
    ('none', '{"project_id": null}', 'failures', '{}'),
    ('many', '{"section": ["chat", null], "customer_tier": "free"}', 'executions', '{}'),
    ('number', '{"user_id": 7}', 'executions', '{}'),
    ('numbers', '{"user_id": [6, 7.5, "x"]}', 'executions', '{}'),
    ('each', '{"customer_tier": "free"}', 'executions', '{customer_id}'),
    ('sandbox', '{"environment": "sandbox"}', 'executions', '{}'),
    ('model', '{"provider": "acme", "model": "echo"}', 'executions', '{}'),
    ('seat', '{"api_key_id": "k", "package_id": "g"}', 'executions', '{}')
) AS budget (name, scope, measure, per) \g /dev/null

SELECT is(pg_temp.held(reservation_id), 'all 2.5, none 1, one 30', 'a customer') FROM reserve('a', cost => 2.5, input_tokens => 10, output_tokens => 20);
SELECT is(pg_temp.held(reservation_id), 'all 0.1, none 1', 'another') FROM reserve('z', cost => 0.1);
SELECT is(pg_temp.held(reservation_id), 'all 0, two 1', 'two members') FROM reserve('b', 'p', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0', 'of which one differs') FROM reserve('b', 'q', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, each z 1, many 1', 'a tier and no section') FROM reserve('z', 'q', customer_tier => 'free', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, each y 1, many 1', 'a tier and a section') FROM reserve('y', 'q', customer_tier => 'free', section => 'chat', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, each z 1', 'another section') FROM reserve('z', 'q', customer_tier => 'free', section => 'edit', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, number 1', 'a number') FROM reserve('z', 'q', user_id => '7', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, numbers 1', 'a number among others') FROM reserve('z', 'q', user_id => '7.5', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, numbers 1', 'a text among numbers') FROM reserve('z', 'q', user_id => 'x', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, sandbox 1', 'an environment') FROM reserve('z', 'q', environment => 'sandbox', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, model 1', 'a model') FROM reserve('z', 'q', provider => 'acme', model => 'echo', cost => 0);
SELECT is(pg_temp.held(reservation_id), 'all 0, seat 1', 'a seat') FROM reserve('z', 'q', api_key_id => 'k', package_id => 'g', cost => 0);
SELECT is(reserved, 2.6, 'they are reserved') FROM budget_status(name => 'all');

-- The same answer as usage_read(), for every scope and call.
SELECT is_empty($$
    WITH call AS (
        SELECT jsonb_build_object('customer_id', c, 'project_id', p, 'customer_tier', t, 'section', s, 'user_id', u) AS members, number
        FROM unnest(ARRAY['a', 'b', 'z']) AS c, unnest(ARRAY['p', NULL]) AS p, unnest(ARRAY['free', NULL]) AS t, unnest(ARRAY['chat', 'edit', NULL]) AS s,
             unnest(ARRAY['7', '7.5', NULL]) WITH ORDINALITY AS numbered (u, number)
    )
    SELECT b.name, call.members FROM budgets AS b, call
    WHERE scope_covers(b.scope, call.members) <> NOT EXISTS (
        SELECT FROM jsonb_each(b.scope) AS m (dimension, choice) WHERE coalesce(call.members ->> m.dimension, '') <> ALL (filter_values(m.choice)))
$$, 'scope_covers() says what filter_values() says');
SELECT throws_ok($$SELECT scope_covers('[]', '{}')$$, '22023', NULL, 'a scope is an object');
SELECT throws_ok($$SELECT scope_covers('{}', '3')$$, '22023', NULL, 'a call is one');

DELETE FROM budgets;
SELECT expire_reservations(ARRAY(SELECT budget_id FROM reservations)) \gset
UPDATE reservations SET expires_at = '-infinity';
SELECT check_budgets() \g /dev/null
SELECT is(count(*), 0::bigint, 'reservations of budgets that are gone go') FROM reservations;

-- ---- allowed and denied

SELECT set_budget('b', '{"customer_id": "a"}', 10, is_hard => true) \gset
SELECT reservation_id AS first FROM reserve('a', cost => 4) \gset
SELECT is(allowed, true, 'up to the amount') FROM reserve('a', cost => 6);
SELECT is((allowed, reservation_id, budget, scope, measure, requested, spent, reserved, amount, resets_at)::text,
    (false, NULL::uuid, 'b'::text, '{"customer_id": "a"}'::jsonb, 'cost'::text, 0.01, 0::numeric, 10::numeric, 10::numeric, (date_trunc('month', now()) + '1 month'))::text, 'and no further')
FROM reserve('a', cost => 0.01);
SELECT is(count(*), 2::bigint, 'what is denied is not reserved') FROM reservations;
SELECT is(allowed, true, 'nothing is within it') FROM reserve('a', cost => 0);
SELECT is(allowed, true, 'nor does it concern others') FROM reserve('z', cost => 100);

SELECT is(release(:'first'), true, 'released');
SELECT is(release(:'first'), false, 'once');
SELECT is(allowed, true, 'there is room again') FROM reserve('a', cost => 4);

-- a change of the budget is seen at once, whatever was looked at within the second
SELECT set_budget('b', amount => 20) \gset
SELECT is(allowed, true, 'a higher amount') FROM reserve('a', cost => 10);
SELECT set_budget('b', amount => 12) \gset
SELECT is(allowed, false, 'a lower amount') FROM reserve('a', cost => 0.01);
SELECT set_budget('b', amount => 30) \gset
SELECT is(allowed, true, 'is over') FROM reserve('a', cost => 0.01);
SELECT set_budget('b', amount => 20.01, period => 'day') \gset
SELECT is((allowed, spent, reserved)::text, (false, 0::numeric, 20.01)::text, 'reservations count in whichever period') FROM reserve('a', cost => 0.01);
SELECT set_budget('b', is_hard => false) \gset
SELECT is(allowed, true, 'a soft budget denies nothing') FROM reserve('a', cost => 1000);
SELECT is(pg_temp.held(reservation_id), 'b 1', 'and knows of it') FROM reserve('a', cost => 1);
SELECT set_budget('b', is_hard => true, amount => 'infinity') \gset
SELECT is(allowed, true, 'nor does one without an amount') FROM reserve('a', cost => 1000);
SELECT set_budget('b', is_active => false) \gset
SELECT is(pg_temp.held(reservation_id), NULL, 'nor one that is not active') FROM reserve('a', cost => 1000);
DELETE FROM reservations; DELETE FROM budgets;

-- of several, one is enough to deny, and leaves nothing behind
SELECT set_budget('wide', '{}', 100, is_hard => true) \gset
SELECT set_budget('narrow', '{"customer_id": "a"}', 1, is_hard => true) \gset
SELECT is((allowed, budget)::text, '(f,narrow)', 'the narrow one') FROM reserve('a', cost => 2);
SELECT is(count(*), 0::bigint, 'nothing is reserved of the wide one') FROM reservations;
SELECT is((allowed, budget)::text, '(f,wide)', 'the wide one') FROM reserve('z', cost => 101);
SELECT is(allowed, true, 'both have room') FROM reserve('a', cost => 1);
DELETE FROM reservations; DELETE FROM budgets;

-- what nobody knows
SELECT set_budget('strict', '{"customer_id": "a"}', 10, is_hard => true) \gset
SELECT set_budget('lax', '{"customer_id": "b"}', 10, is_hard => true, on_unpriced => 'allow') \gset
SELECT is((allowed, requested, reason ~ 'what is asked for is not known')::text, '(f,,t)', 'an unpriced call is denied') FROM reserve('a', output_tokens => 5);
SELECT is(pg_temp.held(reservation_id), 'lax 0', 'or allowed, by the rule of the budget') FROM reserve('b', output_tokens => 5);
SELECT is((allowed, requested)::text, '(f,)', 'a model without a price is one') FROM reserve('a', provider => 'acme', model => 'unheard of', input_tokens => 5);
SELECT is(pg_temp.held(reservation_id), 'strict 5', 'one with a price is priced') FROM reserve('a', provider => 'acme', model => 'echo', input_tokens => 5);
SELECT is(allowed, false, 'and denied for it') FROM reserve('a', provider => 'acme', model => 'echo', input_tokens => 6);
SELECT set_budget('lax', amount => 0) \gset
INSERT INTO execution_history (customer_id, reported_cost) VALUES ('b', 1);
SELECT is(allowed, false, 'but not beyond it') FROM reserve('b', output_tokens => 5);
DELETE FROM reservations; DELETE FROM budgets;

-- the other measures, and a subject each
SELECT set_budget('tokens', '{"customer_id": "a"}', 100, measure => 'tokens', is_hard => true) \gset
SELECT set_budget('calls', '{"customer_tier": "free"}', 2, measure => 'executions', is_hard => true, per => '{customer_id,project_id}') \gset
SELECT set_budget('breaker', '{"provider": "acme"}', 2, 'hour', 'failures', is_hard => true) \gset
SELECT is((allowed, budget)::text, '(f,tokens)', 'tokens') FROM reserve('a', input_tokens => 101);
SELECT is(string_agg(allowed::text, ' '), 'true true false', 'executions') FROM generate_series(1, 3) AS n, reserve('c', customer_tier => 'free', cost => n);
SELECT is((allowed, scope)::text, (true, NULL::jsonb)::text, 'each subject has its own') FROM reserve('c', 'p', customer_tier => 'free');
SELECT is((allowed, scope)::text, (false, '{"customer_id": "c", "customer_tier": "free", "project_id": ""}'::jsonb)::text, 'and is named') FROM reserve('c', customer_tier => 'free');
INSERT INTO execution_history (customer_id, provider, status) VALUES ('a', 'acme', 'failed'), ('a', 'acme', 'timeout'), ('a', 'acme', 'success');
SELECT is((allowed, budget, spent)::text, '(f,breaker,2)', 'failures') FROM reserve('d', provider => 'acme');
DELETE FROM reservations; DELETE FROM budgets;

-- a range denies from its start to its end
SELECT set_budget(name, jsonb_build_object('customer_id', name), 10, 'range', is_hard => true, starts_at => now() + since, ends_at => now() + until)
FROM (VALUES ('past', interval '-2 hours', interval '-1 hour'), ('present', '-1 hour', '1 hour'), ('future', '1 hour', '2 hours')) AS range (name, since, until) \g /dev/null
SELECT is(string_agg(name || ' ' || allowed, ', '), 'past true, present false, future true', 'a range')
FROM unnest(ARRAY['past', 'present', 'future']) AS name, reserve(name, cost => 10.01);
SELECT is((allowed, resets_at = ends_at)::text, '(f,t)', 'resets at its end') FROM reserve('present', cost => 10.01), budgets WHERE name = 'present';
SELECT is(allowed, true, 'and admits what is within it') FROM reserve('present', cost => 10);
SELECT set_budget('present', ends_at => now()) \gset
SELECT set_budget('future', starts_at => now()) \gset
SELECT is(string_agg(name || ' ' || allowed, ', '), 'present true, future false', 'one has ended, one has begun')
FROM unnest(ARRAY['present', 'future']) AS name, reserve(name, cost => 10.01);
DELETE FROM reservations; DELETE FROM budgets;

-- all that its execution will be priced by
SELECT set_price('acme', 'rates', input_per_million => 1000000, cache_read_per_million => 10000000, cache_write_per_million => 100000000, valid_from => '-infinity',
                 units => '{"input_tokens": [{"price": 3, "service_tier": "batch"}, {"price": 5, "region": "eu"}]}') \gset
SELECT set_budget('f cost', '{"customer_id": "f"}', 1000, is_hard => true) \gset
SELECT set_budget('f tokens', '{"customer_id": "f"}', 1000, measure => 'tokens', is_hard => true) \gset
SELECT is(pg_temp.held(reservation_id), 'f cost 421, f tokens 7', 'cached tokens') FROM reserve('f', provider => 'acme', model => 'rates', input_tokens => 1, cache_read_tokens => 2, cache_write_tokens => 4);
SELECT is(pg_temp.held(reservation_id), 'f cost 30, f tokens 3', 'nothing else') FROM reserve('f', provider => 'acme', model => 'rates', cache_read_tokens => 3);
SELECT is(pg_temp.held(reservation_id), 'f cost 3, f tokens 1', 'a service tier') FROM reserve('f', provider => 'acme', model => 'rates', input_tokens => 1, service_tier => 'batch');
SELECT is(pg_temp.held(reservation_id), 'f cost 5, f tokens 1', 'a region') FROM reserve('f', provider => 'acme', model => 'rates', input_tokens => 1, region => 'eu');
SELECT is(pg_temp.held(reservation_id), 'f cost 0, f tokens 1', 'the customer''s own key') FROM reserve('f', provider => 'acme', model => 'unheard of', input_tokens => 1, byok => true);
DELETE FROM reservations; DELETE FROM budgets;

-- The exact query runs when the bound does not suffice, and only then.
SELECT set_budget('bounded', '{"customer_id": "a"}', 10, is_hard => true) \gset
CREATE FUNCTION pg_temp.looks(cost numeric) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    trusted timestamptz;
    found   timestamptz;
BEGIN
    LOOP
        trusted := clock_timestamp() + interval '0.9 seconds';
        UPDATE usage.budget_admission SET valid_until = trusted;
        PERFORM usage.reserve('a', cost => looks.cost);
        SELECT valid_until INTO STRICT found FROM usage.budget_admission;
        -- else it took so long that it had to look
        EXIT WHEN clock_timestamp() < trusted;
    END LOOP;
    RETURN found <> trusted;
END $$;
SELECT is(allowed, true, 'a first look') FROM reserve('a', cost => 1);
SELECT is(pg_temp.looks(0.01), false, 'none while the bound suffices');
SELECT is(pg_temp.looks(9.5), true, 'another when it would pass the amount');
UPDATE budget_admission SET valid_until = clock_timestamp();
SELECT is(allowed, true, 'or is old') FROM reserve('a', cost => 0.01);
SELECT cmp_ok(valid_until, '>', clock_timestamp(), 'and is trusted again') FROM budget_admission;
DELETE FROM reservations; DELETE FROM budgets;

-- ---- how a reservation ends

SELECT set_budget('b', '{"customer_id": "e"}', 10, is_hard => true) \gset
CREATE FUNCTION pg_temp.stands() RETURNS text LANGUAGE sql AS $$ SELECT concat_ws(' ', trim_scale(spent), reserved) FROM usage.budget_status(name => 'b') $$;

SELECT set_budget('n', '{"customer_id": "e"}', 10, 'lifetime', 'executions', is_hard => true) \gset
SELECT reservation_id AS r FROM reserve('e', cost => 3) \gset
INSERT INTO execution_history (id, created_at, customer_id, status, reservation_id) VALUES ('00000000-0000-0000-0000-000000000001', '2020-01-01', 'e', 'running', :'r');
SELECT is(pg_temp.stands(), '0 3', 'an execution that is open keeps it');
SELECT is((spent, reserved)::text, '(1,0)', 'but in a budget of executions, which counts it already') FROM budget_status(name => 'n');
UPDATE execution_history SET status = 'success', input_tokens = 2, provider = 'acme', model = 'echo', created_at = now() WHERE id = '00000000-0000-0000-0000-000000000001';
SELECT is(pg_temp.stands(), '2 0', 'and ends it when it is final, also in another partition');
DELETE FROM budgets WHERE name = 'n';

SELECT reservation_id AS r FROM reserve('e', cost => 3) \gset
BEGIN;
INSERT INTO execution_history (customer_id, cost, reservation_id) VALUES ('e', 3, :'r');
SELECT is(pg_temp.stands(), '5 0', 'recorded');
ROLLBACK;
SELECT is(pg_temp.stands(), '2 3', 'and rolled back');
COPY execution_history (customer_id, reported_cost, reservation_id) FROM PROGRAM 'true';
INSERT INTO execution_history (customer_id, status, reservation_id) VALUES ('e', 'cancelled', :'r');
SELECT is(pg_temp.stands(), '2 0', 'a cancelled call ends it too');

SELECT reservation_id AS r FROM reserve('e', cost => 3) \gset
SELECT is(settle(:'r'), true, 'settled by hand');
SELECT is(settle(:'r'), false, 'once');

SELECT is(count(*), 3::bigint, 'three reservations') FROM generate_series(1, 3) AS n, reserve('e', cost => least(n, 2) * 0 + 2) WHERE allowed;
SELECT min(reservation_id::text) AS r FROM reservations \gset
INSERT INTO execution_history (customer_id, cost, reservation_id) VALUES ('e', 100, :'r');
SELECT is(pg_temp.stands(), '102 4', 'a call that cost more than it reserved is recorded');
SELECT set_budget('b', amount => 10) \gset
SELECT is((allowed, spent, reserved)::text, '(f,102,4)', 'and the next is denied') FROM (SELECT allowed, trim_scale(spent) AS spent, reserved FROM reserve('e', cost => 0.01)) AS answer;
SELECT set_budget('b', amount => 200) \gset

UPDATE reservations SET expires_at = clock_timestamp() - interval '1 second';
SELECT is(pg_temp.stands(), '102 0', 'those that have expired are not reserved');
SELECT is(allowed, true, 'nor in the way') FROM reserve('e', cost => 98);
SELECT is(count(*), 1::bigint, 'and are removed by who looks') FROM reservations;
SELECT reservation_id AS r FROM reservations \gset
SELECT release(:'r') \gset
INSERT INTO execution_history (customer_id, cost, reservation_id) VALUES ('e', 1, :'r');
SELECT is(pg_temp.stands(), '103 0', 'a call that comes after its reservation is gone is recorded');

-- ---- what is refused

SELECT throws_ok(statement, '22023', NULL, statement)
FROM (VALUES
    ('SELECT reserve(NULL)'), ($$SELECT reserve('a', cost => -1)$$), ($$SELECT reserve('a', cost => 'NaN')$$), ($$SELECT reserve('a', cost => 'Infinity')$$),
    ($$SELECT reserve('a', input_tokens => 1, output_tokens => -1)$$), ($$SELECT reserve('a', cache_read_tokens => -1)$$), ($$SELECT reserve('a', cache_write_tokens => -1)$$),
    ($$SELECT reserve('a', ttl => '0')$$), ($$SELECT reserve('a', ttl => NULL)$$), ($$SELECT reserve('a', ttl => '-1 hour')$$)
) AS wrong (statement);

-- A role that may only insert settles what others have reserved; it may not reserve unless it is let.
CREATE ROLE usage_meter_test_writer;
GRANT USAGE ON SCHEMA usage TO usage_meter_test_writer;
GRANT INSERT ON execution_history TO usage_meter_test_writer;
SELECT reservation_id AS r FROM reserve('e', cost => 3) \gset
SET ROLE usage_meter_test_writer;
INSERT INTO usage.execution_history (customer_id, cost, reservation_id) VALUES ('e', 3, :'r');
SELECT public.throws_ok($$SELECT usage.reserve('e', cost => 1)$$, '42501', NULL, 'a writer may not reserve');
SELECT public.throws_ok($$SELECT usage.settle('00000000-0000-0000-0000-000000000001')$$, '42501', NULL, 'nor settle by hand');
SELECT public.throws_ok($$SELECT usage.release('00000000-0000-0000-0000-000000000001')$$, '42501', NULL, 'nor release');
RESET ROLE;
SELECT is(pg_temp.stands(), '106 0', 'its execution has settled');
GRANT EXECUTE ON FUNCTION reserve TO usage_meter_test_writer;
SET ROLE usage_meter_test_writer;
SELECT public.is(allowed, true, 'with the right to') FROM usage.reserve('e', cost => 1);
RESET ROLE;
DROP OWNED BY usage_meter_test_writer;
DROP ROLE usage_meter_test_writer;

SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');
SELECT * FROM finish();
