-- What an execution costs, why, and how that is put right.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE statement;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- ---- given prices

SELECT is(token_cost(1500, 500, input_per_million => 30, output_per_million => 60), 0.075, 'gpt-4, 1500 and 500');
SELECT is(token_cost(1, 1000, 10, 100, 400, 40, 1, 10, 0.1, 1.25, 20, 2), (1 + 0.1 * 10 + 1.25 * 60 + 2 * 40 + 10 * 600 + 20 * 400) / 1000000.0, 'every kind');
SELECT is(token_cost(1, 0), NULL, 'no price');
SELECT is(token_cost(NULL, NULL, input_per_million => 1), NULL, 'no count');
SELECT is(token_cost(0, 0), 0::numeric, 'nothing costs nothing');
SELECT is(token_cost(9000000000, 0, input_per_million => 0.00000000000000001), 0.00000000000009, 'a price of 23 decimals');
SELECT is(error_of('SELECT token_cost(-1, 0)'), '22003 input_tokens is out of range', 'a negative count');
SELECT is(error_of('SELECT token_cost(1, 1, reasoning_tokens => 2)'), '23514 reasoning_tokens of an execution is more than output_tokens', 'a part of too much');
SELECT is(error_of('SELECT token_cost(1, 0, input_per_million => ''NaN'')'), '22003 a price is negative or not a finite number', 'no price at all');
-- ten million calls of 7 tokens at 0.000000075, of which none may lose a digit
SELECT is(sum(token_cost(7, 0, input_per_million => 0.075) * 10000), 5.25, 'ten million tiny calls') FROM generate_series(1, 1000);

-- ---- conditions

SELECT set_price('p', 'm', input_per_million => 3, output_per_million => 15, cache_read_per_million => 0.3, cache_write_per_million => 3.75, cache_write_1h_per_million => 6, valid_from => '2026-01-01',
    per_units => 1000000, units => '{"input_tokens": [{"price": 6, "above_input_tokens": 200000}, {"price": 9, "above_input_tokens": 1000000}, {"price": 1.5, "service_tier": "batch"}, {"price": 3.3, "region": "eu"}],
                                     "output_tokens": [{"price": 22.5, "above_input_tokens": 200000}],
                                     "output_audio_tokens": 80, "output_image_tokens": 40, "output_images": 20000, "searches": 10000, "requests": 100}') \gset
CREATE FUNCTION cost(input bigint DEFAULT NULL, output bigint DEFAULT NULL, read bigint DEFAULT NULL, write bigint DEFAULT NULL, hour bigint DEFAULT NULL,
                     units jsonb DEFAULT NULL, tier text DEFAULT NULL, region text DEFAULT NULL) RETURNS numeric LANGUAGE sql AS $$
    -- in millionths, without the request
    SELECT trim_scale(execution_cost('p', 'm', input, output, read, write, NULL, hour, units, '2026-02-01', service_tier => tier, region => region) * 1000000 - 100) $$;
SELECT is(cost(100000, read => 100000), 330000::numeric, 'at the threshold');
SELECT is(cost(100000, 1, 100000, 1), 600022.5 + 30000 + 3.75, 'above it, where what has no price of its own there keeps the plain one');
SELECT is(cost(1000001), 9000009::numeric, 'the highest that is crossed');
SELECT is(cost(10, 10, tier => 'batch'), 165::numeric, 'a tier, and the plain price where it has none');
SELECT is(cost(10, tier => 'standard'), 30::numeric, 'a tier without prices');
SELECT is(cost(10, region => 'eu'), 33::numeric, 'a region');
SELECT is(cost(10, region => 'eu', tier => 'batch'), 15::numeric, 'the tier comes before the region');
SELECT is(cost(write => 100, hour => 40), 3.75 * 60 + 6 * 40, 'five minutes and an hour');
SELECT is(cost(0, 100, units => '{"output_audio_tokens": 30}'), 15 * 70 + 80.0 * 30, 'a part with a price of its own');
SELECT is(cost(0, 100, units => '{"output_image_tokens": 100, "output_images": 1}'), 4000::numeric, 'images or their tokens, not both');
SELECT is(cost(units => '{"output_images": 2}'), 40000::numeric, 'images alone');
SELECT is(cost(units => '{"searches": 2.5}'), 25000::numeric, 'a fraction of a unit');
SELECT is(cost(units => '{"requests": 3}'), 200::numeric, 'more than one request');
SELECT is(cost(10, units => '{"input_images": 3, "input_seconds": 2}'), 30::numeric, 'other measures of what tokens count');
SELECT is(cost(10, units => '{"pages": 1}'), NULL, 'a unit without a price');
SELECT is(error_of(format('SELECT cost(1, 1, units => %L)', units)), error, error) FROM (VALUES
    ('{"output_audio_tokens": 2}', '23514 output_audio_tokens of an execution is more than output_tokens'),
    ('[]', '23514 units of an execution are not an object'),
    ('{"pages": -1}', '23514 "pages" in units of an execution is negative'),
    ('{"pages": "1"}', '23514 "pages" in units of an execution is not a number'),
    ('{"pages": 1e300}', '23514 "pages" in units of an execution is too large'),
    ('{"input_audio_tokens": 0.5}', '23514 "input_audio_tokens" in units of an execution has a fraction'),
    ('{"input_tokens": 1}', '23514 "input_tokens" does not belong into units of an execution'),
    ('{"Two words": 1}', '23514 units of an execution have a member that cannot be a unit')) AS bad (units, error);
SELECT is(error_of(format('SELECT set_price(''p'', ''x'', units => %L, per_units => %s)', units, per)), error, error) FROM (VALUES
    ('{"searches": "free"}', 1, '22023 cannot read the rate "free" of unit searches'),
    ('{"searches": {"price": 1, "when": "night"}}', 1, '22023 cannot read the rate {"when": "night", "price": 1} of unit searches'),
    ('[1]', 1, '22023 units is not a JSON object'),
    ('{"searches": 1}', 7, '22023 per_units is 7'),
    ('{"searches": -1}', 1, '23514 new row for relation "price_rates" violates check constraint "price_rates_price_finite"')) AS bad (units, per, error);

-- ---- names

SELECT results_eq($$SELECT priced_provider, priced_model, matched FROM (VALUES
        (1, 'openai', 'gpt-4'), (2, 'OpenAI', 'gpt-4'), (3, 'openai', 'openai/gpt-4'), (4, 'anthropic', 'claude-sonnet-4-20250514'), (5, 'anthropic', 'claude-3-haiku@20240307'),
        (6, 'openai', 'gpt-4o-2024-08-06'), (7, 'openai', 'gpt-4o-2024-05-13'), (8, 'gcp.gemini', 'models/gemini-pro-001'), (9, 'openai', 'gpt-4-9999'), (10, 'openai', 'gpt'), (11, 'azure', 'gpt-4')) AS asked (number, provider, model)
    LEFT JOIN LATERAL resolve_model(provider, model) ON true ORDER BY number$$,
    $$VALUES ('openai', 'gpt-4', 'exact'), ('openai', 'gpt-4', 'alias'), ('openai', 'gpt-4', 'normalised'), ('anthropic', 'claude-sonnet-4', 'normalised'), ('anthropic', 'claude-3-haiku', 'normalised'),
             ('openai', 'gpt-4o', 'normalised'), ('openai', 'gpt-4o-2024-05-13', 'exact'), ('google', 'gemini-pro', 'normalised'), (NULL, NULL, NULL), (NULL, NULL, NULL), (NULL, NULL, NULL)$$,
    'exact, alias, normalised, and never a guess');
INSERT INTO model_aliases (provider, model, priced_provider, priced_model) VALUES ('azure', 'our-deployment', 'openai', 'gpt-4');
SELECT is(execution_cost('azure', 'our-deployment', 1500, 500), 0.075, 'a deployment by its alias');

-- ---- stamped

SET timezone = 'Europe/Berlin';
SELECT set_price('p', 'm', input_per_million => 30, output_per_million => 150, valid_from => '2026-10-25 02:30+02') \gset
SELECT set_price('p', 'm', input_per_million => 1, output_per_million => 1, valid_from => '2026-01-01', customer_id => 'special') \gset
INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens, output_tokens, cache_read_tokens, service_tier, units)
SELECT customer, 'p', 'm', at, 150000, 10, read, service, units::jsonb
FROM unnest('{a,special}'::text[]) AS customer,
     unnest('{2026-10-25 02:29:59.999999+02,2026-10-25 02:30+02,2026-10-25 02:30+01,2026-03-29 03:00+02}'::timestamptz[]) AS at,
     unnest('{50000,50001}'::bigint[]) AS read, unnest('{batch,standard}'::text[]) AS service,
     (VALUES (NULL), ('{"output_audio_tokens": 5}')) AS v (units);
SELECT is(count(DISTINCT cost) >= 6, true, 'prices before, at and after a change across a switch of daylight saving, with an override, at and above a threshold') FROM execution_history WHERE customer_id IN ('a', 'special');
SELECT is_empty($$SELECT e.id FROM execution_history AS e WHERE e.cost IS DISTINCT FROM (SELECT sum(amount) FROM explain_cost(e.id))$$, 'each equals explain_cost() of the execution');
SELECT is_empty($$SELECT e.id FROM execution_history AS e
    WHERE e.cost IS DISTINCT FROM execution_cost(provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cache_write_1h_tokens, units, created_at, customer_id, customer_tier, service_tier, region)$$,
    'and a cost computed anew');
SET timezone = 'UTC';

-- a report alone
INSERT INTO execution_history (customer_id, provider, created_at, usage)
VALUES ('report', 'openai', '2026-02-01', '{"model": "gpt-4o", "service_tier": "default", "id": "chatcmpl-1", "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100, "prompt_tokens_details": {"cached_tokens": 600}, "completion_tokens_details": {"reasoning_tokens": 40}}}');
SELECT is(format('%s %s %s %s %s %s', input_tokens, cache_read_tokens, output_tokens, reasoning_tokens, cost, response_id), '400 600 100 40 0.0035 chatcmpl-1', 'a report fills the row') FROM execution_history WHERE customer_id = 'report';
UPDATE execution_history SET usage = '{"model": "gpt-4o", "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}}', output_tokens = 2 WHERE customer_id = 'report';
SELECT is(format('%s %s %s %s', input_tokens, cache_read_tokens, output_tokens, cost), '10 0 2 0.000045', 'a later report replaces it, but not what the caller says') FROM execution_history WHERE customer_id = 'report';
INSERT INTO execution_history (customer_id, usage) VALUES ('unreadable', '{"what": {"is": ["this"]}}'), ('unreadable', '{}');
SELECT is(count(*), 2::bigint, 'a report that tells nothing is kept, unreported and unpriced') FROM execution_history WHERE customer_id = 'unreadable' AND token_source = 'unreported' AND price_status = 'unpriced';
SELECT is(error_of($$INSERT INTO execution_history (customer_id, usage) VALUES ('bad', '"text"')$$), '22023 invalid usage report', 'what is no report is refused')
WHERE error_of($$INSERT INTO execution_history (customer_id, usage) VALUES ('bad', '"text"')$$) NOT LIKE '% invalid usage report';

INSERT INTO execution_history (customer_id, provider, model, created_at, usage) VALUES
    ('adviser', 'anthropic', 'claude-sonnet-4', '2026-02-01', '{"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "iterations": [{"type": "message", "input_tokens": 10, "output_tokens": 5}, {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22}]}'),
    ('byok', 'openrouter', 'x/y', '2026-02-01', '{"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 0, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.5}}'),
    ('reported', 'openrouter', 'x/y', '2026-02-01', '{"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 4.1400000000000003e-05}'),
    ('drift', 'openai', 'gpt-4', '2026-02-01', '{"prompt_tokens": 1500, "completion_tokens": 500, "total_tokens": 2000, "cost": 0.08}');
SELECT results_eq($$SELECT customer_id, price_status, cost, shadow_cost, reported_cost FROM execution_history WHERE customer_id IN ('adviser', 'byok', 'reported', 'drift') ORDER BY 1$$,
    $$VALUES ('adviser', 'unpriced', NULL, NULL, NULL), ('byok', 'byok', 0, 0.5, 0), ('drift', 'priced', 0.075, NULL, 0.08), ('reported', 'reported', 0.000041400000000000003, NULL, 0.000041400000000000003)$$,
    'what other models used is not priced in silence; the customer''s own key; the provider''s figure, alone and beside ours');
SELECT results_eq($$SELECT l.unit FROM execution_history AS e, explain_cost(e.id) AS l WHERE e.customer_id = 'adviser' AND l.price IS NULL$$, $$VALUES ('other_model_reports')$$, 'explain_cost() says what has no price');
SELECT results_eq($$SELECT model, executions, drift FROM price_drift$$, $$VALUES ('gpt-4', 1::bigint, 0.005)$$, 'the drift is kept');
INSERT INTO execution_history (customer_id, provider, model, created_at, usage)
SELECT 'large', 'openai', 'gpt-4', '2026-02-01', jsonb_build_object('usage', '{"prompt_tokens": 1500, "completion_tokens": 500, "total_tokens": 2000}'::jsonb, 'choices', repeat('x', 1000000), 'deep', (repeat('[', 5000) || repeat(']', 5000))::jsonb);
SELECT is(cost, 0.075, 'a megabyte around it') FROM execution_history WHERE customer_id = 'large';
SELECT matches(error_of(format($$INSERT INTO execution_history (customer_id, provider, model, usage) VALUES ('bad', 'openai', 'gpt-4', %L)$$, usage)), '^(22|23)... .*(prompt_tokens|completion_tokens|usage)', usage || ' is refused, and says why')
FROM unnest('{"{\"prompt_tokens\": -1, \"completion_tokens\": 1}","{\"prompt_tokens\": 1e30, \"completion_tokens\": 1}","{\"prompt_tokens\": \"many\", \"completion_tokens\": 1}"}'::text[]) AS usage;

-- ---- failed calls

CREATE FUNCTION failed_rule(rule text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    told text;
BEGIN
    UPDATE price_rules SET failed_calls = rule;
    INSERT INTO execution_history (customer_id, provider, model, created_at, status, input_tokens, reported_cost)
    VALUES ('failed', 'openai', 'gpt-4', '2026-02-01', 'failed', 1000, NULL), ('failed', 'openai', 'gpt-4', '2026-02-01', 'timeout', 1000, 0.5), ('failed', 'openai', 'gpt-4', '2026-02-01', 'cancelled', NULL, NULL);
    SELECT string_agg(cost || ' ' || price_status, ', ' ORDER BY status DESC) INTO told FROM execution_history WHERE customer_id = 'failed';
    DELETE FROM execution_history WHERE customer_id = 'failed';
    RETURN told;
END $$;
SELECT is(failed_rule('tokens'), '0.03 priced, 0.03 priced, 0 priced', 'by tokens');
SELECT is(failed_rule('never'), '0 priced, 0 priced, 0 priced', 'never');
SELECT is(failed_rule('reported'), '0.5 reported, 0 priced, 0 priced', 'as reported');
SELECT is(failed_rule('tokens'), '0.03 priced, 0.03 priced, 0 priced', 'and by tokens again');

-- ---- the cache: one load per change, not per row

SELECT loads AS before FROM price_book_counts() \gset
INSERT INTO execution_history (customer_id, provider, model, input_tokens) SELECT 'cache', 'openai', 'gpt-4', 1 FROM generate_series(1, 1000);
SELECT is(loads - :before, 1::bigint, 'a thousand rows after a change load once') FROM price_book_counts();
INSERT INTO execution_history (customer_id, provider, model, input_tokens) SELECT 'cache', 'openai', 'gpt-4', 1 FROM generate_series(1, 1000);
SELECT is(loads - :before, 1::bigint, 'a thousand more do not load') FROM price_book_counts();
SELECT set_price('p', 'other', input_per_million => 1) \gset
INSERT INTO execution_history (customer_id, provider, model, input_tokens) SELECT 'cache', 'openai', 'gpt-4', 1 FROM generate_series(1, 1000);
SELECT is(loads - :before, 2::bigint, 'another change, another load') FROM price_book_counts();

-- ---- rerate

INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens)
SELECT 'rerated', 'q', model, at, 1000 FROM unnest('{known,unknown}'::text[]) AS model, unnest('{2026-05-01 23:59,2026-05-02 00:00}'::timestamptz[]) AS at;
SELECT results_eq($$SELECT provider, model, executions, input_tokens FROM unpriced() WHERE provider = 'q'$$, $$VALUES ('q', 'known', 2::bigint, 2000::bigint), ('q', 'unknown', 2, 2000)$$, 'unpriced() lists what has no price');
SELECT set_price('q', 'known', input_per_million => 1, valid_from => '-infinity') \gset
CREATE TEMP TABLE dry AS SELECT * FROM rerate('2026-05-01', '2026-06-01', '{"customer_id": "rerated"}');
SELECT results_eq($$SELECT day, model, executions, newly_priced, old_cost, new_cost FROM dry ORDER BY day$$, $$VALUES ('2026-05-01'::date, 'known', 1::bigint, 1::bigint, 0::numeric, 0.001), ('2026-05-02', 'known', 1, 1, 0, 0.001)$$, 'a dry run tells');
SELECT is(count(*), 4::bigint, 'and changes nothing') FROM execution_history WHERE customer_id = 'rerated' AND cost IS NULL;
SELECT results_eq($$SELECT * FROM rerate('2026-05-01', '2026-06-01', '{"customer_id": "rerated"}', false) ORDER BY day$$, $$SELECT * FROM dry ORDER BY day$$, 'a real one does what was told');
SELECT is(sum(cost), 0.002, 'rows are priced') FROM execution_history WHERE customer_id = 'rerated';
SELECT is_empty($$SELECT * FROM rerate('2026-05-01', '2026-06-01', '{"customer_id": "rerated"}', false)$$, 'once');
SELECT results_eq($$SELECT executions, cost_change, filter FROM rerates ORDER BY rerate_id$$, $$VALUES (2::bigint, 0.002, '{"customer_id": "rerated"}'::jsonb), (0, 0, '{"customer_id": "rerated"}')$$, 'each run is audited');
SELECT is_empty('SELECT * FROM reconcile()', 'and the rollups follow');
SELECT is(cost, 0.002, 'as reports do') FROM summary('all', filter => '{"customer_id": "rerated"}');
UPDATE execution_history SET cost = 7 WHERE customer_id = 'rerated';
SELECT is(sum(cost), 0.002, 'afterwards a settled cost is settled again') FROM execution_history WHERE customer_id = 'rerated' AND model = 'known';
CREATE ROLE usage_meter_writer;
GRANT USAGE ON SCHEMA usage TO usage_meter_writer;
GRANT ALL ON ALL TABLES IN SCHEMA usage TO usage_meter_writer;
SET ROLE usage_meter_writer;
SELECT is(error_of($$SELECT allow_rerating('usage.execution_history', true)$$), '42501 must be owner of table execution_history', 'only the owner rerates');
RESET ROLE;
REVOKE ALL ON prices FROM usage_meter_writer;
SET ROLE usage_meter_writer;
SELECT is(error_of($$SELECT execution_cost('openai', 'gpt-4', 1)$$), '42501 permission denied for table prices', 'who may not read prices learns none');
RESET ROLE;
DROP OWNED BY usage_meter_writer;
DROP ROLE usage_meter_writer;

SELECT * FROM finish();
