-- A request is recorded once, bad rows are refused or kept, and functions tell what became of each record.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('acme', 'echo', input_per_million => 1000000, output_per_million => 2000000, valid_from => '-infinity') \gset
SELECT create_partition('2020-01-01') \gset
SELECT create_partition('2020-02-01') \gset

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    hint text; field text;
BEGIN
    EXECUTE statement;
    RETURN 'none';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT, field = COLUMN_NAME;
    RETURN concat_ws(' ', SQLSTATE, '[' || nullif(field, '') || ']', SQLERRM || CASE WHEN hint = '' THEN ' WITHOUT HINT' ELSE '' END);
END $$;
CREATE FUNCTION rows_of(statement text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    found bigint;
BEGIN
    EXECUTE statement;
    GET DIAGNOSTICS found = ROW_COUNT;
    RETURN found;
END $$;
CREATE FUNCTION insertion(request text, assignments text DEFAULT 'input_tokens = 1') RETURNS text LANGUAGE sql AS $$
    SELECT format('INSERT INTO execution_history (customer_id, request_id, created_at, %s) VALUES (''ann'', %L, ''2020-01-10'', %s)',
                  split_part(assignments, ' = ', 1), request, split_part(assignments, ' = ', 2)) $$;

-- ---- the same, and not the same

SELECT is(rows_of(insertion('r1')), 1::bigint, 'a request is recorded');
SELECT is(rows_of(insertion('r1')), 0::bigint, 'and not again');
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, request_id, input_tokens, created_at, recorded_at) VALUES ('ann', 'r1', 1, '2020-02-20', '2020-02-20')$$),
    0::bigint, 'nor at another time');
SELECT is(rows_of($$INSERT INTO execution_history (id, customer_id, request_id, input_tokens) VALUES (gen_random_uuid(), 'ann', 'r1', 1)$$), 0::bigint, 'nor under another id');
SELECT matches(error_of(insertion('r1', 'input_tokens = 2')), '^23505 \[request_id\] request_id "r1" is recorded with another payload$', 'another payload is refused');
SELECT matches(error_of(insertion('r1', assignments)), '^23505 ', 'also ' || assignments)
FROM unnest(ARRAY['input_tokens, output_tokens = 1, 0', 'input_tokens, status = 1, ''failed''', 'input_tokens, metadata = 1, ''{}''', 'input_tokens, duration_ms = 1, 0',
                  'input_tokens, cost = 1, 1', 'input_tokens, error_message = 1, ''''', 'input_tokens, environment = 1, ''sandbox''', 'metadata = ''{}''']) AS assignments;
SELECT is(rows_of(insertion('numbers', 'duration_ms = 2500.0')) + rows_of(insertion('numbers', 'duration_ms = 2500')), 1::bigint, 'zeros behind the point say nothing');
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, source, request_id, input_tokens) VALUES ('ann', 'other', 'r1', 9), ('bob', NULL, 'r1', 9)$$),
    2::bigint, 'another source and another customer have requests of their own');
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, request_id) VALUES ('ann', ''), ('ann', ''), ('ann', NULL), ('ann', NULL)$$), 4::bigint, 'no request_id is no request');
SELECT is(count(*), 4::bigint, 'four requests are recorded') FROM request_claims;
SELECT matches(error_of(insertion(repeat('x', 1001))), '^23514 \[request_id\] ', 'an endless request_id is refused');

-- unaffected rows of a batch
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, request_id, created_at, input_tokens)
    SELECT 'ann', 'r' || n % 5, '2020-01-10'::timestamptz + n * interval '1 day', 1 FROM generate_series(0, 99) AS n$$), 4::bigint, 'of a batch that repeats itself and others the rest is written');
COPY execution_history (customer_id, request_id, created_at, input_tokens) FROM stdin;
ann	r4	2020-01-10	1
ann	c1	2020-01-10	1
ann	c1	2020-02-10	1
ann	c2	2020-02-10	1
\.
SELECT results_eq($$SELECT request_id, count(*) FROM execution_history WHERE customer_id = 'ann' AND source IS NULL AND request_id ~ '^.\d$' GROUP BY 1 ORDER BY 1$$,
    $$VALUES ('c1', 1::bigint), ('c2', 1), ('r0', 1), ('r1', 1), ('r2', 1), ('r3', 1), ('r4', 1)$$, 'and of a COPY');
INSERT INTO execution_history_2020_02 (customer_id, request_id, created_at, input_tokens) VALUES ('ann', 'c2', '2020-02-03', 1);
SELECT is(count(*), 1::bigint, 'straight into a partition too') FROM execution_history WHERE request_id = 'c2';
SELECT is_empty('SELECT * FROM reconcile()', 'duplicates are counted nowhere');

-- ---- what happens to a claim

UPDATE execution_history SET status = 'success', output_tokens = 5, created_at = '2020-02-11', customer_id = 'zoe' WHERE request_id = 'r2';
SELECT is(rows_of(insertion('r2')), 0::bigint, 'an execution that was changed, moved and given away is still that of its request');
SELECT is(rows_of('DELETE FROM execution_history WHERE request_id = ''r2'''), 1::bigint, 'one that is deleted');
SELECT is(rows_of(insertion('r2', 'input_tokens = 77')), 1::bigint, 'frees it');
UPDATE execution_history SET deleted_at = now() WHERE request_id = 'r2';
SELECT is(rows_of(insertion('r2', 'input_tokens = 77')), 0::bigint, 'one that is softly deleted does not');

SELECT is(rows_of(insertion('upsert', 'id, status = ''00000000-0000-7000-8000-000000000001'', ''running''')), 1::bigint, 'an execution with an id begins');
SELECT is(rows_of(insertion('upsert', 'id, status, input_tokens = ''00000000-0000-7000-8000-000000000001'', ''success'', 3')
                  || ' ON CONFLICT (id, created_at) DO UPDATE SET status = excluded.status, input_tokens = excluded.input_tokens'), 1::bigint, 'and is finished by an upsert');
SELECT is(format('%s %s %s', count(*), min(status), min(input_tokens)), '1 success 3', 'which counts once') FROM execution_history WHERE request_id = 'upsert';
SELECT is(rows_of(insertion('nothing', 'id = ''00000000-0000-7000-8000-000000000001''') || ' ON CONFLICT DO NOTHING'), 0::bigint, 'ON CONFLICT DO NOTHING leaves a claim');
SELECT is(rows_of('DELETE FROM execution_history WHERE request_id = ''upsert''') + rows_of(insertion('nothing')) + rows_of(insertion('upsert')), 3::bigint, 'which is free without an execution');

CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.project_id = 'skip' THEN NULL ELSE NEW END; END $$;
CREATE TRIGGER zz_skip BEFORE INSERT ON execution_history FOR EACH ROW EXECUTE FUNCTION skip();
SELECT is(rows_of(insertion('skipped', 'project_id = ''skip''')), 0::bigint, 'a later trigger skips a row');
SELECT is(rows_of(insertion('skipped')), 1::bigint, 'its request is free');
DROP TRIGGER zz_skip ON execution_history;

SELECT is(error_of(insertion('failed', 'input_tokens = -1')) LIKE '23514 %' AND rows_of(insertion('failed')) = 1, true, 'a row that is refused claims nothing');
BEGIN;
SAVEPOINT s;
SELECT is(rows_of(insertion('undone')), 1::bigint, 'a request in a savepoint');
ROLLBACK TO s;
SELECT is(rows_of(insertion('undone', 'input_tokens = 2')), 1::bigint, 'that is rolled back is free');
COMMIT;

SELECT is(forget_requests(), 0::bigint, 'no request is old');
UPDATE request_claims SET claimed_at = now() - interval '91 days' WHERE request_id IN ('r0', 'r1');
SELECT is(forget_requests(3), 3::bigint, 'old ones are forgotten, so many at a time');
SELECT is(forget_requests(), 1::bigint, 'and then the rest');
SELECT is(rows_of(insertion('r1')), 1::bigint, 'what is forgotten is new');
UPDATE request_claims SET claimed_at = now() - interval '91 days' WHERE request_id IN ('r3', 'r4');
SELECT is(maintain(), 0::bigint, 'maintenance');
SELECT is(count(*), 0::bigint, 'forgets old ones too') FROM request_claims WHERE request_id IN ('r3', 'r4');
UPDATE ledger SET request_retention = '1 year';
UPDATE request_claims SET claimed_at = now() - interval '91 days';
SELECT is(forget_requests(), 0::bigint, 'the ledger says how long');
UPDATE request_claims SET claimed_at = now();

-- ---- a writer needs no right on the claims

CREATE ROLE usage_meter_recorder;
GRANT USAGE ON SCHEMA usage TO usage_meter_recorder;
GRANT INSERT ON execution_history TO usage_meter_recorder;
SET ROLE usage_meter_recorder;
INSERT INTO execution_history (customer_id, request_id, input_tokens) VALUES ('writer', 'w', 1), ('writer', 'w', 1);
INSERT INTO execution_history (customer_id, request_id, input_tokens) VALUES ('writer', 'w', 1);
SET usage_meter.on_bad_row = 'quarantine';
INSERT INTO execution_history (customer_id, request_id, input_tokens) VALUES ('writer', 'w', 2);
RESET usage_meter.on_bad_row;
RESET ROLE;
SELECT is(count(*), 1::bigint, 'one row of a writer who may only insert') FROM execution_history WHERE customer_id = 'writer';
SELECT is(count(*), 1::bigint, 'and one in quarantine') FROM quarantine WHERE record ->> 'customer_id' = 'writer';
ALTER TABLE request_claims OWNER TO usage_meter_recorder;
SELECT is(error_of(insertion('owner')), '55000 cannot claim a request in "request_claims"', 'claims of another owner are refused');
SELECT is(rows_of('INSERT INTO execution_history (customer_id) VALUES (''ann'')'), 1::bigint, 'but nobody needs them who has no request');
ALTER TABLE request_claims OWNER TO CURRENT_USER;
DROP OWNED BY usage_meter_recorder;
DROP ROLE usage_meter_recorder;
CREATE TRIGGER added BEFORE INSERT ON request_claims FOR EACH ROW EXECUTE FUNCTION skip();
SELECT is(error_of(insertion('trigger')), '55000 cannot claim a request in "request_claims"', 'and so are those with a trigger');
DROP TRIGGER added ON request_claims;
ALTER TABLE request_claims ADD CONSTRAINT added CHECK (request_id <> 'checked'), ADD COLUMN added text;
CREATE INDEX added ON request_claims (lower(request_id));
SELECT matches(error_of(insertion('checked')), '^23514 .*violates check constraint', 'a constraint of the owner holds');
SELECT is(rows_of(insertion('Index')), 1::bigint, 'with an index of the owner');
SET enable_seqscan = off;
SELECT is(count(*), 1::bigint, 'a claim is found by it') FROM request_claims WHERE lower(request_id) = 'index';
RESET enable_seqscan;
DELETE FROM quarantine;

-- a ledger that is renamed in between
SELECT is(rows_of(insertion('rename')), 1::bigint, 'before a rename');
ALTER SCHEMA usage RENAME TO renamed;
SET search_path = renamed, public;
SELECT is(rows_of(replace(insertion('rename'), 'INTO ', 'INTO renamed.')), 0::bigint, 'and after it');
ALTER SCHEMA renamed RENAME TO usage;
SET search_path = usage, public;

-- ---- quarantine

SET usage_meter.on_bad_row = 'quarantine';
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, request_id, project_id, input_tokens, created_at) VALUES
    ('bad', NULL, 'a', -1, '2020-01-05'), ('bad', 'q1', 'b', 1, '2020-01-05'), ('bad', 'q1', 'c', 2, '2020-01-05'), ('', NULL, 'd', 1, '2020-01-05'), ('bad', NULL, 'e', 1, 'infinity')$$),
    1::bigint, 'good rows are written');
SELECT results_eq($$SELECT record ->> 'project_id', sqlstate, field, reason, hint <> '' AND detail <> '' FROM quarantine ORDER BY 1$$,
    $$VALUES ('a', '23514', 'input_tokens', 'input_tokens of an execution is negative', true),
             ('c', '23505', 'request_id', 'request_id "q1" is recorded with another payload', true),
             ('d', '23514', 'customer_id', 'customer_id of an execution is missing', true),
             ('e', '23514', 'created_at', 'created_at of an execution is not finite', true)$$, 'bad ones are kept with the reason');
SELECT is(record - 'id', '{"byok": false, "status": "success", "created_at": "2020-01-05T00:00:00+00:00", "project_id": "a", "customer_id": "bad", "environment": "production", "input_tokens": -1}',
    'as they were sent') FROM quarantine WHERE record ->> 'project_id' = 'a';
COPY execution_history (customer_id, project_id, created_at, status) FROM stdin;
bad	f	2020-01-05	success
bad	g	2020-01-05	done
\.
SELECT is((SELECT count(*) FROM execution_history WHERE project_id = 'f') + (SELECT count(*) FROM quarantine WHERE record ->> 'project_id' = 'g'), 2::bigint, 'also of a COPY');
SELECT set_price('acme', 'parts', units => '{"reasoning_tokens": 1, "output_tokens": 1, "output_audio_tokens": 1}', valid_from => '-infinity') \gset
COPY execution_history (project_id, customer_id, created_at, provider, model, output_tokens, reasoning_tokens, usage, units) FROM stdin;
u1	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": 3, "completion_tokens": 1}}	{"pages": 2}
u2	bad	2020-01-05	\N	\N	\N	\N	"text"	\N
u3	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": -1}}	\N
u4	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": 1e30}}	\N
u5	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": "many"}}	\N
u6	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": [1]}}	\N
u7	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": 1.5}}	\N
u8	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": "11111111111111111111111111111111111111111111111111111111111111111"}}	\N
u9	bad	2020-01-05	\N	\N	\N	\N	[{"id": "a", "usage": {"prompt_tokens": 1}}, {"id": "b", "usage": {"prompt_tokens": 1}}]	\N
ua	bad	2020-01-05	\N	\N	\N	\N	{"promptTokenCount": 1, "promptTokensDetails": [5]}	\N
ub	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": 1, "is_byok": 1}}	\N
uc	bad	2020-01-05	\N	\N	\N	\N	{"usage": {"prompt_tokens": 1, "cost": -1}}	\N
v1	bad	2020-01-05	\N	\N	\N	\N	\N	[]
v2	bad	2020-01-05	\N	\N	\N	\N	\N	{"pages": -1}
v3	bad	2020-01-05	\N	\N	\N	\N	\N	{"pages": "1"}
v4	bad	2020-01-05	\N	\N	\N	\N	\N	{"input_audio_tokens": 1e300}
v5	bad	2020-01-05	\N	\N	\N	\N	\N	{"input_audio_tokens": 0.5}
v6	bad	2020-01-05	\N	\N	\N	\N	\N	{"input_audio_tokens": 5}
v7	bad	2020-01-05	\N	\N	\N	\N	\N	{"Two words": 5}
v8	bad	2020-01-05	\N	\N	\N	\N	\N	{"input_tokens": 5}
v9	bad	2020-01-05	acme	parts	10	8	\N	{"output_audio_tokens": 8}
va	bad	2020-01-05	acme	parts	10	8	\N	{"output_audio_tokens": 2}
\.
SELECT results_eq($$SELECT project_id, input_tokens, cost FROM execution_history WHERE project_id ~ '^[uv].$' ORDER BY 1$$,
    $$VALUES ('u1', 3::bigint, NULL::numeric), ('va', NULL, 10)$$, 'a bad report or bad units keep none of the others of a COPY out');
SELECT results_eq($$SELECT record ->> 'project_id', sqlstate, field, reason, detail FROM quarantine WHERE record ->> 'project_id' ~ '^[uv].$' ORDER BY 1$$,
    $$VALUES ('u2', '22023', 'usage', 'invalid usage report', 'It must be an object, or an array of the events of a stream.'),
             ('u3', '22003', 'usage', 'invalid usage report', 'Field "usage.prompt_tokens" is negative.'),
             ('u4', '22003', 'usage', 'invalid usage report', 'Field "usage.prompt_tokens" is more than 1000000000000.'),
             ('u5', '22P02', 'usage', 'invalid usage report', 'Field "usage.prompt_tokens" is not a number but "many".'),
             ('u6', '22023', 'usage', 'invalid usage report', 'Field "usage.prompt_tokens" must be a number.'),
             ('u7', '22023', 'usage', 'invalid usage report', 'Field "usage.prompt_tokens" is not a whole number.'),
             ('u8', '22P02', 'usage', 'invalid usage report', 'Field "usage.prompt_tokens" is not a number.'),
             ('u9', '22023', 'usage', 'usage report holds more than one response', 'Responses "a" and "b" both tell what they used.'),
             ('ua', '22023', 'usage', 'invalid usage report', 'Field "promptTokensDetails" must be an array of objects.'),
             ('ub', '22023', 'usage', 'invalid usage report', 'Field "usage.is_byok" must be true or false.'),
             ('uc', '22003', 'usage', 'invalid usage report', 'Field "usage.cost" is negative.'),
             ('v1', '23514', 'units', 'units of an execution are not an object', 'They are another kind of JSON.'),
             ('v2', '23514', 'units', '"pages" in units of an execution is negative', 'It is -1.'),
             ('v3', '23514', 'units', '"pages" in units of an execution is not a number', 'Each member of units is a quantity.'),
             ('v4', '23514', 'units', '"input_audio_tokens" in units of an execution is too large', 'At most 1000000000000 are allowed.'),
             ('v5', '23514', 'units', '"input_audio_tokens" in units of an execution has a fraction', 'It is 0.5.'),
             ('v6', '23514', 'units', 'input_audio_tokens of an execution is more than input_tokens', '5 cannot be a part of 0.'),
             ('v7', '23514', 'units', 'units of an execution have a member that cannot be a unit', 'It is "Two words".'),
             ('v8', '23514', 'units', '"input_tokens" does not belong into units of an execution', 'It has a column of its own.'),
             ('v9', '23514', 'units', 'parts of output_tokens of an execution are more than the whole', 'With 8 output_audio_tokens they exceed it by 6.')$$,
    'each is kept with its column and reason');
SELECT is(error_of($$INSERT INTO execution_history (customer_id, usage) VALUES ('bad', '"text"')$$), 'none', 'one alone is quarantined as well');
DELETE FROM quarantine WHERE record ->> 'project_id' ~ '^[uv].$' OR NOT record ? 'project_id';
SELECT matches(error_of('UPDATE execution_history SET usage = ''"text"'' WHERE project_id = ''f'''), '^22023 \[usage\] ', 'an UPDATE with a bad report is refused all the same');
SELECT matches(error_of('UPDATE execution_history SET input_tokens = -1 WHERE project_id = ''f'''), '^23514 ', 'an UPDATE is refused all the same');
SELECT matches(error_of('INSERT INTO execution_history (customer_id, input_tokens) SELECT ''bad'', 1 / n FROM generate_series(-1, 1) AS n'), '^22012 ', 'and what is no refusal is an error');
RESET usage_meter.on_bad_row;
SELECT is_empty('SELECT * FROM reconcile()', 'quarantine counts nowhere');
SELECT results_eq($$SELECT outcome, errors #>> '{0,field}' FROM replay_quarantine(ARRAY(SELECT quarantine_id FROM quarantine WHERE record ->> 'project_id' = 'a'))$$,
    $$VALUES ('rejected', 'input_tokens')$$, 'what is replayed unchanged is refused again');
SELECT results_eq($$SELECT outcome FROM replay_quarantine(ARRAY(SELECT quarantine_id FROM quarantine WHERE record ->> 'project_id' IN ('a', 'g')), '{"input_tokens": 3, "status": "failed"}')$$,
    $$VALUES ('accepted'), ('accepted')$$, 'with changes it is accepted');
SELECT results_eq($$SELECT project_id, created_at, input_tokens FROM execution_history WHERE status = 'failed' AND project_id IN ('a', 'g') ORDER BY 1$$,
    $$VALUES ('a', '2020-01-05'::timestamptz, 3::bigint), ('g', '2020-01-05', 3)$$, 'at its own time');
SELECT results_eq($$SELECT outcome FROM replay_quarantine(changes => '{"customer_id": "bad", "project_id": "b", "input_tokens": 1, "created_at": null}')$$,
    $$VALUES ('duplicate'), ('accepted'), ('accepted')$$, 'what turns out to repeat a request is a duplicate');
SELECT is(count(*), 0::bigint, 'and all leave quarantine') FROM quarantine;

-- ---- log_execution and log_usage

SELECT results_eq($$SELECT outcome, execution_id IS NOT NULL, total_tokens, cost, price_status FROM log_execution(
        customer_id => 'globex', package_id => 'ticket-resolver', package_name => 'Ticket Resolver', status => 'success',
        input_data => '{"ticket": 7}', output_data => '{"answer": "yes"}', duration_ms => 2500, customer_tier => 'premium',
        provider => 'acme', model => 'echo', input_tokens => 10, output_tokens => 5, request_id => 'l1')$$,
    $$VALUES ('accepted', true, 15::bigint, 20::numeric, 'priced')$$, 'log_execution() records and prices');
SELECT results_eq($$SELECT l.outcome, l.execution_id = e.id, l.total_tokens, l.cost, l.price_status FROM execution_history AS e, log_execution(
        'globex', 'ticket-resolver', 'Ticket Resolver', 'success', '{"ticket": 8}', NULL, 2500, 'premium',
        provider => 'acme', model => 'echo', input_tokens => 10, output_tokens => 5, request_id => 'l1') AS l WHERE e.request_id = 'l1'$$,
    $$VALUES ('duplicate', true, 15::bigint, 20::numeric, 'priced')$$, 'and tells of the first if it is repeated');
SELECT results_eq($$SELECT p.input_data, p.output_data FROM execution_payloads AS p JOIN execution_history AS e ON (e.id, e.created_at) = (p.execution_id, p.created_at) WHERE e.request_id = 'l1'$$,
    $$VALUES ('{"ticket": 7}'::jsonb, '{"answer": "yes"}'::jsonb)$$, 'the payload is that of the first');
SELECT matches(error_of($$SELECT log_execution('globex', input_tokens => 11, request_id => 'l1')$$), '^23505 ', 'another payload is refused');
SELECT matches(error_of($$SELECT log_execution('')$$), '^23514 \[customer_id\]', 'and so is a bad value');
SET usage_meter.on_bad_row = 'quarantine';
SELECT results_eq($$SELECT outcome, execution_id FROM log_execution('globex', input_tokens => 11, request_id => 'l1')$$, $$VALUES ('quarantined', NULL::uuid)$$, 'or it is quarantined');
SELECT results_eq($$SELECT outcome, execution_id FROM log_execution('globex', duration_ms => -1)$$, $$VALUES ('quarantined', NULL::uuid)$$, 'by setting');
RESET usage_meter.on_bad_row;
SELECT set_budget('globex', '{"customer_id": "globex"}', 1000000, is_hard => true) \gset
SELECT reservation_id FROM reserve('globex', cost => 5) \gset
SELECT is(count(*), 1::bigint, 'what is reserved') FROM reservations;
SELECT is(outcome, 'accepted', 'and used') FROM log_execution('globex', reservation_id => :'reservation_id');
SELECT is(count(*), 0::bigint, 'is settled') FROM reservations;
-- the examples of the systems that are replaced
SELECT log_usage(section => 'chat', prompt_tokens => 10, completion_tokens => 5) \gset
SELECT results_eq($$SELECT section, input_tokens, output_tokens, total_tokens, user_id, customer_id, status FROM execution_history WHERE section = 'chat'$$,
    $$SELECT 'chat', 10::bigint, 5::bigint, 15::bigint, current_user::text COLLATE "default", current_user::text COLLATE "default", 'success'$$, 'log_usage() needs a section and counts');
SELECT log_usage('rag', 150, 80, 1200, true, 'user-1', metadata => '{"conversation_id": "c", "chunks_retrieved": 5}'),
       log_usage('workflow', 150, 80, 1200, false, 'user-1', error_message => 'boom', metadata => '{"workflow_id": "w"}', customer_id => 'team') \gset
SELECT results_eq($$SELECT section, customer_id, status, duration_ms, error_message, metadata FROM execution_history WHERE user_id = 'user-1' ORDER BY 1$$,
    $$VALUES ('rag', 'user-1', 'success', 1200::numeric, NULL, '{"conversation_id": "c", "chunks_retrieved": 5}'::jsonb), ('workflow', 'team', 'failed', 1200, 'boom', '{"workflow_id": "w"}')$$,
    'and takes the rest');

-- ---- ingest

PREPARE ingested (jsonb) AS SELECT record, outcome, execution_id IS NOT NULL, (SELECT string_agg(error ->> 'field', ',' ORDER BY error ->> 'field') FROM jsonb_array_elements(errors) AS error) FROM ingest($1);
SELECT results_eq($$EXECUTE ingested ('{"customer_id": "json", "provider": "acme", "model": "echo", "input_tokens": 4}')$$, $$VALUES (1, 'accepted', true, NULL)$$, 'one record');
SELECT results_eq($$EXECUTE ingested ('[]')$$, $$SELECT 1, '', true, '' WHERE false$$, 'none');
SELECT results_eq($$EXECUTE ingested ('[{"customer_id": "json", "request_id": "j1"}, {"customer_id": "json", "request_id": "j1"}, {"customer_id": "json", "request_id": "j1", "metadata": null}]')$$,
    $$VALUES (1, 'accepted', true, NULL), (2, 'duplicate', true, NULL), (3, 'duplicate', true, NULL)$$, 'null is as if left out');
SELECT results_eq($$EXECUTE ingested ('[{"customer_id": "json"}, {"customer_id": "json", "input_tokens": -1}, {"input_tokens": 1}, 5, null, "x", [],
        {"customer_id": "json", "input_tokens": "many", "duration_ms": "long", "output_tokens": 1}, {"customer_id": "json", "input_tokens": 1.5}, {"customer_id": "json", "model": {"name": "echo"}},
        {"customer_id": "json", "unknown": 1, "metadata": 7}, {"customer_id": "json", "created_at": "yesterday-ish"}, {"customer_id": "json", "id": "no-uuid"},
        {"customer_id": "json", "request_id": "j1", "input_tokens": 5}, {"customer_id": "json", "status": "done"}, {"customer_id": "json", "section": "last"}]')$$,
    $$VALUES (1, 'accepted', true, NULL), (2, 'rejected', false, 'input_tokens'), (3, 'rejected', false, 'customer_id'), (4, 'rejected', false, NULL), (5, 'rejected', false, NULL),
             (6, 'rejected', false, NULL), (7, 'rejected', false, NULL), (8, 'rejected', false, 'duration_ms,input_tokens'), (9, 'rejected', false, 'input_tokens'), (10, 'rejected', false, 'model'),
             (11, 'rejected', false, 'metadata'), (12, 'rejected', false, 'created_at'), (13, 'rejected', false, 'id'), (14, 'rejected', false, 'request_id'), (15, 'rejected', false, 'status'),
             (16, 'accepted', true, NULL)$$, 'bad records are told by field, and keep no other out');
SELECT results_eq($$SELECT errors - 'x' FROM ingest('{"customer_id": "json", "input_tokens": -1}')$$,
    $$VALUES ('[{"sqlstate": "23514", "field": "input_tokens", "reason": "input_tokens of an execution is negative", "detail": "It is -1.", "hint": "Counts are disjoint and not negative; null means not reported."}]'::jsonb)$$,
    'with reason and hint');
SET usage_meter.on_bad_row = 'quarantine';
DELETE FROM quarantine;
SELECT results_eq($$EXECUTE ingested ('[{"customer_id": "json"}, {"customer_id": "json", "input_tokens": -1}, {"customer_id": "json", "input_tokens": "x"}]')$$,
    $$VALUES (1, 'accepted', true, NULL), (2, 'quarantined', false, 'input_tokens'), (3, 'quarantined', false, 'input_tokens')$$, 'or are quarantined');
SELECT results_eq($$SELECT sqlstate, field, record -> 'input_tokens' FROM quarantine ORDER BY 1$$, $$VALUES ('22P02', 'input_tokens', '"x"'::jsonb), ('23514', 'input_tokens', '-1')$$, 'whatever is wrong with them');
RESET usage_meter.on_bad_row;
SELECT results_eq($$SELECT outcome FROM replay_quarantine(changes => '{"input_tokens": 6}')$$, $$VALUES ('accepted'), ('accepted')$$, 'and can be replayed');

-- unknown members, payloads, added columns with defaults
ALTER TABLE execution_history ADD COLUMN team text DEFAULT 'none';
SELECT results_eq($$EXECUTE ingested ('[{"customer_id": "json", "project_id": "kept", "colour": "red", "metadata": {"size": 1, "colour": "blue"}, "input_data": {"q": 1}}, {"customer_id": "json", "project_id": "kept", "team": "a"}]')$$,
    $$VALUES (1, 'accepted', true, NULL), (2, 'accepted', true, NULL)$$, 'unknown members are accepted');
SELECT results_eq($$SELECT team, metadata, status, environment, (SELECT input_data FROM execution_payloads WHERE execution_id = id) FROM execution_history WHERE project_id = 'kept' ORDER BY 1 DESC$$,
    $$VALUES ('none', '{"size": 1, "colour": "blue"}'::jsonb, 'success', 'production', '{"q": 1}'::jsonb), ('a', NULL, 'success', 'production', NULL)$$,
    'and kept in metadata, where the caller''s own come first; columns that were added have their default');
SELECT is(outcome, 'accepted', 'a megabyte') FROM ingest(jsonb_build_object('customer_id', 'json', 'metadata', jsonb_build_object('text', repeat('é', 524288))));
SELECT is(string_agg(DISTINCT outcome, ','), 'accepted', 'ten thousand at once')
FROM ingest((SELECT jsonb_agg(jsonb_build_object('customer_id', 'many', 'request_id', n, 'input_tokens', n)) FROM generate_series(1, 10000) AS n));
SELECT is(string_agg(DISTINCT outcome, ','), 'duplicate', 'and once more')
FROM ingest((SELECT jsonb_agg(jsonb_build_object('customer_id', 'many', 'request_id', n, 'input_tokens', n)) FROM generate_series(1, 1000) AS n));

-- CloudEvents 1.0
SELECT results_eq($$EXECUTE ingested ('{"specversion": "1.0", "type": "llm.call", "source": "/gateway", "id": "e1", "time": "2020-01-20T10:00:00Z", "subject": "cloud", "datacontenttype": "application/json",
        "traceparent": "00-ab", "data": {"provider": "acme", "model": "echo", "input_tokens": 2}}')$$, $$VALUES (1, 'accepted', true, NULL)$$, 'an event');
SELECT results_eq($$SELECT customer_id, source, request_id, created_at, cost, metadata FROM execution_history WHERE request_id = 'e1'$$,
    $$VALUES ('cloud', '/gateway', 'e1', '2020-01-20 10:00'::timestamptz, 2::numeric, '{"type": "llm.call", "traceparent": "00-ab"}'::jsonb)$$, 'says who, when and what');
SELECT results_eq($$EXECUTE ingested ('[{"specversion": "1.0", "type": "llm.call", "source": "/gateway", "id": "e1", "time": "2020-01-20T10:00:00Z", "subject": "cloud", "traceparent": "00-ab", "data": {"provider": "acme", "model": "echo", "input_tokens": 2}},
        {"specversion": "1.0", "type": "llm.call", "source": "/gateway", "id": "e2", "subject": "model/echo", "data": {"customer_id": "own", "created_at": "2020-01-21T10:00:00Z"}},
        {"specversion": "0.3", "type": "t", "source": "/g", "id": "e3", "data": {"customer_id": "x"}}, {"specversion": "1.0", "type": "t", "source": "/g", "data": {"customer_id": "x"}},
        {"specversion": "1.0", "type": "t", "source": "/g", "id": "e4"}, {"specversion": "1.0", "type": "t", "source": "/g", "id": "e5", "subject": "cloud", "data": {"input_tokens": "x"}}]')$$,
    $$VALUES (1, 'duplicate', true, NULL), (2, 'accepted', true, NULL), (3, 'rejected', false, 'specversion'), (4, 'rejected', false, 'id'), (5, 'rejected', false, 'data'), (6, 'rejected', false, 'input_tokens')$$,
    'a batch of events');
SELECT is(customer_id, 'own', 'data says whose it is before subject does') FROM execution_history WHERE request_id = 'e2';

SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');
SELECT is(fold() > 0, true, 'fold');
SELECT is_empty('SELECT * FROM reconcile()', 'nor after a fold');

-- ---- requests whose executions are too old to be kept

SELECT is(rows_of(insertion('old', 'id, input_tokens = ''00000000-0000-7000-8000-0000000000ff'', 7')) + rows_of(insertion('gone')), 2::bigint, 'two requests');
DELETE FROM execution_history WHERE request_id = 'gone';
CREATE TABLE before AS SELECT executions, input_tokens FROM summary('all');
SELECT set_retention('execution_history', '1 year') \gset
SELECT is(maintain() > 0, true, 'their partitions are dropped');
SELECT is(count(*), 0::bigint, 'with the executions') FROM execution_history WHERE request_id IN ('old', 'gone');
SELECT is(rows_of(insertion('old', 'id, input_tokens = ''00000000-0000-7000-8000-0000000000ff'', 7')), 0::bigint, 'a request that was recorded is still recorded');
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, request_id, input_tokens) VALUES ('ann', 'old', 7)$$), 0::bigint, 'at any time');
SELECT matches(error_of(insertion('old', 'id, input_tokens = ''00000000-0000-7000-8000-0000000000ff'', 8')), '^23505 \[request_id\] ', 'another payload is refused, be it of the same id');
SELECT is(rows_of(insertion('gone')), 0::bigint, 'nobody can tell any more whether one was deleted before');
SELECT results_eq('SELECT executions, input_tokens FROM summary(''all'')', 'TABLE before', 'none is counted twice');
SELECT is(rows_of($$INSERT INTO execution_history (customer_id, request_id) VALUES ('ann', 'new')$$) + rows_of('DELETE FROM execution_history WHERE request_id = ''new''')
          + rows_of($$INSERT INTO execution_history (customer_id, request_id) VALUES ('ann', 'new')$$), 3::bigint, 'a later one that is deleted is free');
SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');

SELECT * FROM finish();
