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
-- of 1, 2, 3, ... 100 tokens in turn, at a price that has a digit in its 8th and in its 22nd decimal
SELECT is(sum(token_cost(tokens, 0, input_per_million => 0.0750000000000001)), 37.87500000000005050, 'ten million tiny calls sum without a lost digit')
FROM generate_series(1, 100000) AS round, generate_series(1, 100) AS tokens;

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
SELECT is(cost(10, tier => 'provisioned_throughput'), NULL, 'but not for what was bought ahead');
SELECT set_price('p', 'prepaid', 3, 15, units => '{"input_tokens": {"price": 0, "service_tier": "provisioned_throughput"}, "output_tokens": {"price": 0, "service_tier": "provisioned_throughput"}}') \gset
SELECT results_eq($$SELECT execution_cost('p', 'prepaid', 10, 10, 10, service_tier => tier) FROM unnest('{provisioned_throughput,standard}'::text[]) AS tier$$, $$VALUES (0), (0.00021)$$, 'unless a list says what it costs');
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

-- ---- changes that providers have announced, as prices.md lists them

SELECT count(set_price(provider, model, input, output, read, write, valid_from => at::timestamptz, cache_write_1h_per_million => hour)) FROM (VALUES
    ('openai', 'o3', '2025-04-16', 10, 40, 2.5, NULL, NULL),
    ('openai', 'o3', '2025-06-10', 2, 8, 0.5, NULL, NULL),
    ('openai', 'gpt-5.6-terra', '-infinity', 2.5, 15, 0.25, 3.125, NULL),
    ('openai', 'gpt-5.6-terra', '2026-07-30', 2, 12, 0.2, 2.5, NULL),
    ('openai', 'gpt-5.6-luna', '-infinity', 1, 6, 0.1, 1.25, NULL),
    ('openai', 'gpt-5.6-luna', '2026-07-30', 0.2, 1.2, 0.02, 0.25, NULL),
    ('anthropic', 'claude-sonnet-5', '-infinity', 2, 10, 0.2, 2.5, 4),
    ('anthropic', 'claude-sonnet-5', '2026-09-01', 3, 15, 0.3, 3.75, 6),
    ('google', 'gemini-3.6-flash', '-infinity', 0.75, 3.75, NULL, NULL, NULL),
    ('google', 'gemini-3.6-flash', '2027-01-01', 1.5, 7.5, NULL, NULL, NULL),
    ('google', 'gemini-3.7-flash', '-infinity', 0.75, 3.75, NULL, NULL, NULL),
    ('google', 'gemini-3.7-flash', '2027-01-01', 1.5, 7.5, NULL, NULL, NULL),
    ('mistral', 'mistral-large-latest', '2024-02-26', 8, 24, NULL, NULL, NULL),
    ('mistral', 'mistral-large-latest', '2024-05-31', 4, 12, NULL, NULL, NULL),
    ('mistral', 'mistral-large-latest', '2024-07-24', 3, 9, NULL, NULL, NULL),
    ('mistral', 'mistral-large-latest', '2025-01-06', 2, 6, NULL, NULL, NULL),
    ('mistral', 'mistral-large-latest', '2026-03-02', 0.5, 1.5, NULL, NULL, NULL)) AS announced (provider, model, at, input, output, read, write, hour) \gset
SELECT set_price('anthropic', 'claude-opus-4-6', 5, 25, valid_from => '-infinity', per_units => 1000000,
    units => '{"input_tokens": {"price": 10, "above_input_tokens": 200000}, "output_tokens": {"price": 37.5, "above_input_tokens": 200000}}') \gset
SELECT set_price('anthropic', 'claude-opus-4-6', 5, 25, valid_from => '2026-03-13') \gset
-- 1,000 tokens of input, 10,000 from the cache, 3,000 written to it, a third of them for an hour, 500 of output: in the last microsecond before, and at the change
SELECT results_eq($$
    SELECT model, execution_cost(provider, model, 1000, 500, 10000, 3000, 0, 1000, at => at - interval '1 microsecond'), execution_cost(provider, model, 1000, 500, 10000, 3000, 0, 1000, at => at)
    FROM (SELECT DISTINCT provider, model, valid_from AS at FROM prices WHERE valid_from > '-infinity' AND (model ~ '^(o3|gpt-5.6-terra|gpt-5.6-luna|claude-sonnet-5|gemini-3.[67]-flash|mistral-large-latest|gpt-4o)$')) AS changes
    ORDER BY model, at
$$, $$VALUES
    ('claude-sonnet-5', 0.018, 0.027),
    ('gemini-3.6-flash', 0.012375, 0.02475),
    ('gemini-3.7-flash', 0.012375, 0.02475),
    ('gpt-4o', 0.0775, 0.04),
    ('gpt-5.6-luna', 0.00875, 0.00175),
    ('gpt-5.6-terra', 0.021875, 0.0175),
    ('mistral-large-latest', NULL, 0.124),
    ('mistral-large-latest', 0.124, 0.062),
    ('mistral-large-latest', 0.062, 0.0465),
    ('mistral-large-latest', 0.0465, 0.031),
    ('mistral-large-latest', 0.031, 0.00775),
    ('o3', NULL, 0.085),
    ('o3', 0.085, 0.017)
$$, 'announced changes, before and at the instant');
SELECT results_eq($$SELECT execution_cost('anthropic', 'claude-opus-4-6', tokens, 1000, at => at) FROM unnest('{200000,200001}'::bigint[]) AS tokens, unnest('{2026-03-12 23:59:59.999999,2026-03-13}'::timestamptz[]) AS at ORDER BY tokens, at$$,
    $$VALUES (1.025), (1.025), (2.03751), (1.025005)$$, 'a surcharge on long input that was dropped');

-- ---- stamped

SET timezone = 'Europe/Berlin';
SELECT set_price('p', 'm', input_per_million => 30, output_per_million => 150, valid_from => '2026-10-25 02:30+02') \gset
SELECT set_price('p', 'm', input_per_million => 1, output_per_million => 1, valid_from => '2026-01-01', customer_id => 'special') \gset
CREATE TEMP TABLE expected (customer_id text, created_at timestamptz, cache_read_tokens bigint, service_tier text, units jsonb, cost numeric);
INSERT INTO expected VALUES
    -- before the change, at and above the threshold; summer time begins at 02:00 of the first day and ends at 03:00 of the second
    ('a', '2026-03-29 01:59:59.999999+01', 50000, 'standard', NULL, 0.46525), ('a', '2026-03-29 03:00+02', 50000, 'standard', NULL, 0.46525),
    ('a', '2026-10-25 02:29:59.999999+02', 50000, 'standard', NULL, 0.46525), ('a', '2026-10-25 02:29:59.999999+02', 50000, 'standard', '{"output_audio_tokens": 5}', 0.465575),
    ('a', '2026-10-25 02:29:59.999999+02', 50000, 'batch', NULL, 0.24025), ('a', '2026-10-25 02:29:59.999999+02', 50001, 'batch', NULL, 0.9153253),
    ('a', '2026-10-25 02:29:59.999999+02', 50001, 'standard', NULL, 0.9153253), ('a', '2026-10-25 02:29:59.999999+02', 50001, 'standard', '{"output_audio_tokens": 5}', 0.9156128),
    -- at it and after, when the clock shows the same for the second time
    ('a', '2026-10-25 02:30+02', 50000, 'standard', NULL, 6.0015), ('a', '2026-10-25 02:29:59.999999+01', 50000, 'batch', NULL, 6.0015),
    ('a', '2026-10-25 02:30+01', 50001, 'standard', NULL, 6.00153), ('a', '2026-10-25 02:30+01', 50000, 'standard', '{"output_audio_tokens": 5}', 6.0015),
    -- whatever others pay
    ('special', '2026-10-25 02:29:59.999999+02', 50000, 'batch', NULL, 0.20001), ('special', '2026-10-25 02:30+01', 50001, 'standard', '{"output_audio_tokens": 5}', 0.200011);
INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens, output_tokens, cache_read_tokens, service_tier, units)
SELECT customer_id, 'p', 'm', created_at, 150000, 10, cache_read_tokens, service_tier, units FROM expected;
SELECT bag_eq('SELECT customer_id, created_at, cache_read_tokens, service_tier, units, cost FROM execution_history', 'TABLE expected',
    'a price before, at and after a change, across switches of daylight saving, at and above a threshold, and of a customer who has another');
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
-- whole responses, of which nothing else is said
SELECT count(set_price(provider, model, 1, 10, 0.1, 1.25, valid_from => '-infinity', cache_write_1h_per_million => 2, units => '{"searches": 0.01}')) FROM (VALUES
    ('anthropic', 'claude-opus-9'), ('google', 'gemini-9-pro'), ('openai', 'gpt-9'), ('deepseek', 'deepseek-9'), ('groq', 'llama-9')) AS list (provider, model) \gset
INSERT INTO execution_history (customer_id, usage) VALUES
    ('alone 1', '{"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-9", "content": [{"type": "text", "text": "input_tokens"}], "stop_reason": "end_turn", "usage": {"input_tokens": 6, "cache_creation_input_tokens": 574, "cache_read_input_tokens": 20443, "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 74}, "output_tokens": 489, "output_tokens_details": {"thinking_tokens": 77}, "server_tool_use": {"web_search_requests": 2}, "service_tier": "standard", "inference_geo": "global"}}'),
    ('alone 2', '{"candidates": [{"content": {"parts": [{"text": "hello"}], "role": "model"}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3520, "cachedContentTokenCount": 3512, "candidatesTokenCount": 2, "thoughtsTokenCount": 42, "totalTokenCount": 3564, "trafficType": "ON_DEMAND"}, "modelVersion": "gemini-9-pro", "responseId": "r-2"}'),
    ('alone 3', '{"gen_ai.provider.name": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-9", "gen_ai.response.id": "chatcmpl-3", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.cache_read.input_tokens": 60, "gen_ai.usage.output_tokens": 20}'),
    ('alone 4', '{"id": "ds-4", "object": "chat.completion", "model": "deepseek-9", "choices": [{"message": {"role": "assistant", "content": "hello"}}], "usage": {"prompt_tokens": 563, "completion_tokens": 116, "total_tokens": 679, "prompt_tokens_details": {"cached_tokens": 512}, "completion_tokens_details": {"reasoning_tokens": 60}, "prompt_cache_hit_tokens": 512, "prompt_cache_miss_tokens": 51}}'),
    ('alone 5', '{"id": "groq-5", "object": "chat.completion.chunk", "model": "llama-9", "choices": [], "x_groq": {"id": "req_1", "usage": {"queue_time": 0.1, "prompt_tokens": 84, "prompt_time": 0.003, "completion_tokens": 58, "completion_time": 0.12, "total_tokens": 142}}}'),
    ('alone 6', '{"output": {"message": {"role": "assistant", "content": [{"text": "hello"}]}}, "stopReason": "end_turn", "usage": {"inputTokens": 433, "outputTokens": 16, "totalTokens": 3201, "cacheReadInputTokens": 2752, "cacheWriteInputTokens": 0}, "metrics": {"latencyMs": 551}}'),
    ('alone 7', '{"id": "chatcmpl-7", "object": "chat.completion", "model": "gpt-9", "choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11}}');
SELECT results_eq($$SELECT provider, model, service_tier, response_id, input_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, units, cost, price_status
                    FROM execution_history WHERE customer_id LIKE 'alone _' ORDER BY customer_id$$,
    $$VALUES ('anthropic', 'claude-opus-9', 'standard', 'msg_1', 6::bigint, 20443::bigint, 574::bigint, 74::bigint, 489::bigint, 77::bigint, '{"searches": 2}'::jsonb, 0.0277133, 'priced'),
             ('google', 'gemini-9-pro', 'standard', 'r-2', 8, 3512, 0, NULL, 44, 42, NULL, 0.0007992, 'priced'),
             ('openai', 'gpt-9', NULL, 'chatcmpl-3', 40, 60, 0, NULL, 20, 0, NULL, 0.000246, 'priced'),
             ('deepseek', 'deepseek-9', NULL, 'ds-4', 51, 512, 0, NULL, 116, 60, NULL, 0.0012622, 'priced'),
             ('groq', 'llama-9', NULL, 'groq-5', 84, 0, 0, NULL, 58, 0, NULL, 0.000664, 'priced'),
             ('bedrock', NULL, NULL, NULL, 433, 2752, 0, NULL, 16, 0, NULL, NULL, 'unpriced'),
             (NULL, 'gpt-9', NULL, 'chatcmpl-7', 10, 0, 0, NULL, 1, 0, NULL, NULL, 'unpriced')$$,
    'a whole response fills the row, as far as it tells; a form that many providers share does not tell whose it is');

SELECT is(error_of($$INSERT INTO execution_history (customer_id, usage) VALUES ('bad', '"text"')$$), '22023 invalid usage report', 'what is no report is refused')
WHERE error_of($$INSERT INTO execution_history (customer_id, usage) VALUES ('bad', '"text"')$$) NOT LIKE '% invalid usage report';

INSERT INTO execution_history (customer_id, provider, model, created_at, usage) VALUES
    ('adviser', 'anthropic', 'claude-sonnet-4', '2026-02-01', '{"input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0, "iterations": [{"type": "message", "input_tokens": 10, "output_tokens": 5}, {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "output_tokens": 22}]}'),
    ('byok', 'openrouter', 'x/y', '2026-02-01', '{"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 0, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.5}}'),
    ('reported', 'openrouter', 'x/y', '2026-02-01', '{"prompt_tokens": 10, "completion_tokens": 1, "total_tokens": 11, "cost": 4.1400000000000003e-05}'),
    ('drift', 'openai', 'gpt-4', '2026-02-01', '{"prompt_tokens": 1500, "completion_tokens": 500, "total_tokens": 2000, "cost": 0.08}'),
    ('hidden', 'google', 'gemini-pro', '2026-02-01', '{"completion_tokens": 12, "prompt_tokens": 35, "total_tokens": 109}'),
    ('prepaid', 'google', 'gemini-pro', '2026-02-01', '{"usageMetadata": {"promptTokenCount": 35, "candidatesTokenCount": 12, "totalTokenCount": 47, "trafficType": "PROVISIONED_THROUGHPUT"}}'),
    ('seconds', 'openai', 'gpt-4', '2026-02-01', '{"prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3264, "prompt_audio_seconds": 203}');
SELECT results_eq($$SELECT customer_id, price_status, cost, shadow_cost, reported_cost FROM execution_history WHERE customer_id IN ('adviser', 'byok', 'reported', 'drift', 'hidden', 'prepaid', 'seconds') ORDER BY 1$$,
    $$VALUES ('adviser', 'unpriced', NULL, NULL, NULL), ('byok', 'byok', 0, 0.5, 0), ('drift', 'priced', 0.075, NULL, 0.08), ('hidden', 'unpriced', NULL, NULL, NULL), ('prepaid', 'unpriced', NULL, NULL, NULL),
             ('reported', 'reported', 0.000041400000000000003, NULL, 0.000041400000000000003), ('seconds', 'priced', 0.03822, NULL, NULL)$$,
    'what other models used, what only a total tells, and what was bought ahead is not priced in silence; the customer''s own key; the provider''s figure, alone and beside ours');
SELECT results_eq($$SELECT e.customer_id, l.unit, l.quantity FROM execution_history AS e, explain_cost(e.id) AS l WHERE e.customer_id IN ('adviser', 'hidden', 'prepaid') AND l.price IS NULL ORDER BY 1, 2$$,
    $$VALUES ('adviser', 'other_model_reports', 1::numeric), ('hidden', 'unexplained_tokens', 62), ('prepaid', 'input_tokens', 35), ('prepaid', 'output_tokens', 12)$$, 'explain_cost() says what has no price');
SELECT set_price('google', 'gemini-pro', 0.5, 1.5, valid_from => '2026-02-01', units => '{"unexplained_tokens": 0.0000015}') \gset
SELECT results_eq($$SELECT new_cost FROM rerate('2026-02-01', '2026-02-02', '{"customer_id": "hidden"}')$$, $$VALUES (0.0001285)$$, 'until a price for it is stated');
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

-- by what no cube holds, at dates that are far apart
INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens, request_id, status)
VALUES ('filtered', 'q', 'late', '1999-01-01', 1000, 'one', 'success'), ('filtered', 'q', 'late', '2099-06-01', 1000, 'two', 'failed');
SELECT set_price('q', 'late', input_per_million => 1, valid_from => '-infinity') \gset
SELECT results_eq(format($$SELECT day FROM rerate('-infinity', 'infinity', '{"customer_id": "filtered"}' || %L::jsonb) ORDER BY day$$, filter),
                  format($$SELECT unnest(%L::date[])$$, days), 'rerates what the filter admits: ' || filter)
FROM (VALUES ('{}', '{1999-01-01,2099-06-01}'), ('{"request_id": "one"}', '{1999-01-01}'), ('{"status": "failed"}', '{2099-06-01}'), ('{"price_status": "priced"}', '{}')) AS v (filter, days);
SET track_functions = 'all';
BEGIN;
SELECT is(sum(executions), 2::numeric, 'a century is rerated') FROM rerate('-infinity', 'infinity', '{"customer_id": "filtered"}', false);
SELECT is(calls, 4::bigint, 'by its days that have executions') FROM pg_stat_xact_user_functions WHERE funcname = 'allow_rerating';
COMMIT;
RESET track_functions;

-- ---- for a billing meter

INSERT INTO execution_history (customer_id, provider, model, created_at, input_tokens, output_tokens) VALUES
    ('metered', 'openai', 'gpt-4o-mini', '2026-02-03 23:59:59', 1, 1), ('metered', 'openai', 'gpt-4', '2026-02-04', 1000, 10), ('metered', 'openai', 'gpt-4', '2026-02-04 12:00', 1000, 0), ('metered', 'openai', 'gpt-4', '2026-02-05', 1, 0);
SELECT results_eq(format($$SELECT customer_id, day, quantity, exact_quantity FROM meter_quantities('2026-02-03', '2026-02-05', %L) WHERE customer_id = 'metered'$$, meter),
                  format($$VALUES ('metered', '2026-02-03'::date, %s::bigint, %L), ('metered', '2026-02-04', %s, %L)$$, q3, e3, q4, e4), 'what a meter of ' || meter || ' is told')
FROM (VALUES ('total_tokens', 2, '2', 2010, '2010'), ('executions', 1, '1', 2, '2'), ('cost_cents', 0, '0.000075', 6, '6.06')) AS v (meter, q3, e3, q4, e4);
SELECT is(error_of($$SELECT meter_quantities('2026-02-03', '2026-02-05', 'customer_id')$$), '22023 unknown meter ''customer_id''', 'a meter of something else');

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
