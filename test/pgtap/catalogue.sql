-- The LiteLLM price map as a whole: each model costs what it says, to the last digit.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET jit = off;

\getenv facts USAGE_METER_FACTS
\if :{?facts}
\else
\echo 1..0 # SKIP USAGE_METER_FACTS is not set
\q
\endif
\set file :facts '/litellm_prices.json'
SELECT coalesce((pg_stat_file(:'file', true)).size, 0) > 0 AS is_there \gset
\if :is_there
\else
\echo 1..0 # SKIP there is no price map
\q
\endif

SELECT plan(31);

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

CREATE TEMP TABLE maps (name text PRIMARY KEY, map jsonb);
INSERT INTO maps VALUES ('full', pg_read_file(:'file')::jsonb);
CREATE FUNCTION map(name text) RETURNS jsonb LANGUAGE sql STABLE AS $$ SELECT map FROM pg_temp.maps WHERE maps.name = map.name $$;
CREATE TEMP TABLE entries AS
SELECT key AS model, value ->> 'litellm_provider' AS provider, value AS entry
FROM jsonb_each(map('full')) WHERE value ? 'litellm_provider' AND key <> 'sample_spec';

CREATE TEMP TABLE imported AS SELECT * FROM import_prices(map('full'), '2026-08-01');
SELECT is(count(*), (SELECT count(*) FROM entries), 'every model is reported')
FROM imported WHERE (provider, model) IN (SELECT provider, model FROM entries) AND (outcome IN ('added', 'changed', 'unchanged') OR detail = 'no price');
SELECT set_eq($$SELECT model FROM imported WHERE outcome = 'ignored' AND provider IS NULL$$, $$VALUES ('sample_spec'), ('fallback_generalizations')$$, 'what is no model is told');
SELECT isnt_empty($$SELECT FROM imported WHERE outcome = 'warning' AND model = 'claude-3-opus-20240229' AND detail LIKE 'an hour%'$$, 'a known mistake is told');
SELECT is(count(*), 7::bigint, 'and what the book has beside it') FROM imported WHERE outcome = 'kept';
SELECT is_empty($$
    SELECT detail, count(*) FROM imported
    WHERE outcome = 'ignored' AND provider IS NOT NULL AND detail <> 'no price'
      AND regexp_replace(detail, '^not a price of this book: ', '') NOT IN ('input_cost_per_query', 'input_dbu_cost_per_token, output_dbu_cost_per_token')
    GROUP BY detail
$$, 'nothing is ignored but Databricks units and prices by number of results');

-- every number of the map that is a price, with the threshold, service tier or range that its name or place tells
CREATE TEMP TABLE stated AS
SELECT e.provider, e.model, price.field, price.from_quantity, price.value::text::numeric AS listed,
       regexp_replace(price.field, '(_above_[0-9]+k_tokens)?(_priority|_flex|_batches)?$', '') AS measure,
       substring(price.field FROM '_above_([0-9]+)k_tokens')::bigint * 1000 AS above,
       replace(substring(price.field FROM '_(priority|flex|batches)$'), 'batches', 'batch') AS service_tier
FROM entries AS e
CROSS JOIN LATERAL (
    SELECT key AS field, value, 0::bigint AS from_quantity FROM jsonb_each(e.entry) WHERE key LIKE '%cost%' AND jsonb_typeof(value) = 'number'
    UNION ALL
    SELECT key, value, 0 FROM jsonb_each(e.entry -> 'search_context_cost_per_query')
    UNION ALL
    SELECT range.key, range.value, trunc((tier -> 'range' ->> 0)::numeric)::bigint
    FROM jsonb_array_elements(e.entry -> 'tiered_pricing') AS tier, jsonb_each(tier) AS range
    WHERE tier ? 'range' AND range.key <> 'range') AS price;
-- a transcription is billed once, by the dearer of what is listed twice
UPDATE stated SET measure = 'input_cost_per_second', listed = (SELECT max(twin.listed) FROM stated AS twin WHERE (twin.provider, twin.model) = (stated.provider, stated.model) AND twin.measure ~ '^(input|output)_cost_per_second$')
FROM entries AS e
WHERE (e.provider, e.model) = (stated.provider, stated.model) AND e.entry ->> 'mode' = 'audio_transcription' AND measure ~ '^(input|output)_cost_per_second$';

-- from field to one of what it prices: arguments of execution_cost()
CREATE TEMP TABLE measures (measure text, input bigint, output bigint, cache_read bigint, cache_write bigint, reasoning bigint, cache_write_1h bigint, unit text);
INSERT INTO measures VALUES
    ('input_cost_per_token', 1, 0, 0, 0, 0, 0, NULL), ('output_cost_per_token', 0, 1, 0, 0, 0, 0, NULL), ('output_cost_per_reasoning_token', 0, 1, 0, 0, 1, 0, NULL),
    ('cache_read_input_token_cost', 0, 0, 1, 0, 0, 0, NULL), ('input_cost_per_token_cache_hit', 0, 0, 1, 0, 0, 0, NULL),
    ('cache_creation_input_token_cost', 0, 0, 0, 1, 0, 0, NULL), ('cache_creation_input_token_cost_above_1hr', 0, 0, 0, 1, 0, 1, NULL),
    ('input_cost_per_audio_token', 1, 0, 0, 0, 0, 0, 'input_audio_tokens'), ('output_cost_per_audio_token', 0, 1, 0, 0, 0, 0, 'output_audio_tokens'),
    ('input_cost_per_image_token', 1, 0, 0, 0, 0, 0, 'input_image_tokens'), ('output_cost_per_image_token', 0, 1, 0, 0, 0, 0, 'output_image_tokens'),
    ('output_cost_per_video_token', 0, 1, 0, 0, 0, 0, 'output_video_tokens'),
    ('cache_read_input_audio_token_cost', 0, 0, 1, 0, 0, 0, 'cache_read_audio_tokens'), ('cache_creation_input_audio_token_cost', 0, 0, 0, 1, 0, 0, 'cache_write_audio_tokens');
INSERT INTO measures
SELECT measure, 0, 0, 0, 0, 0, 0, unit
FROM (VALUES
    ('input_cost_per_second', 'input_seconds'), ('output_cost_per_second', 'output_seconds'), ('output_cost_per_second_1080p', 'output_1080p_seconds'),
    ('input_cost_per_audio_per_second', 'input_audio_seconds'), ('input_cost_per_video_per_second', 'input_video_seconds'), ('output_cost_per_video_per_second', 'output_video_seconds'),
    ('input_cost_per_video_per_second_above_8s_interval', 'input_video_above_8s_interval_seconds'), ('input_cost_per_video_per_second_above_15s_interval', 'input_video_above_15s_interval_seconds'),
    ('input_cost_per_image', 'input_images'), ('output_cost_per_image', 'output_images'), ('input_cost_per_pixel', 'input_pixels'), ('output_cost_per_pixel', 'output_pixels'),
    ('input_cost_per_character', 'input_characters'), ('output_cost_per_character', 'output_characters'),
    ('search_context_size_low', 'low_context_searches'), ('search_context_size_medium', 'searches'), ('search_context_size_high', 'high_context_searches'),
    ('input_cost_per_query', 'queries'), ('input_cost_per_request', 'requests'), ('ocr_cost_per_page', 'pages'), ('annotation_cost_per_page', 'annotated_pages'), ('ocr_cost_per_credit', 'credits'),
    ('code_interpreter_cost_per_session', 'code_interpreter_sessions'), ('citation_cost_per_token', 'citation_tokens')) AS other (measure, unit);

-- what some cost, and one more, as the last of a range or above a threshold
CREATE FUNCTION cost_of(s stated, m measures, number bigint) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT execution_cost(s.provider, s.model, number * m.input, number * m.output, number * m.cache_read + coalesce(s.above + 1, 0), number * m.cache_write,
                          number * m.reasoning, number * m.cache_write_1h, '{"requests": 0}' || CASE WHEN m.unit IS NULL THEN '{}' ELSE jsonb_build_object(m.unit, number) END,
                          at => '2026-08-01', service_tier => s.service_tier) $$;
CREATE TEMP TABLE costs AS
SELECT s.*, cost_of(s, m, s.from_quantity + 1) - cost_of(s, m, s.from_quantity) AS cost
FROM stated AS s JOIN measures AS m USING (measure);
SELECT is_empty($$SELECT DISTINCT measure FROM stated EXCEPT (SELECT measure FROM measures UNION VALUES ('input_dbu_cost_per_token'), ('output_dbu_cost_per_token'))$$, 'every priced field is compared, but for Databricks units');
SELECT cmp_ok(count(*), '>', 8500::bigint, 'there is something to compare') FROM costs;
SELECT is_empty($$SELECT * FROM costs WHERE cost IS DISTINCT FROM listed$$, 'one more of each kind, in each tier and range and above each threshold, costs what the map says');
SELECT is(max(scale(listed)) > 20, true, 'down to 20 decimals and more') FROM costs;
SELECT is_empty($$
    SELECT e.provider, e.model, factor.key
    FROM entries AS e
    CROSS JOIN LATERAL (
        SELECT replace(key, 'regional_processing_uplift_multiplier_', '') AS key, value FROM jsonb_each(e.entry) WHERE key LIKE 'regional%multiplier%'
        UNION ALL
        SELECT key, value FROM jsonb_each(e.entry -> 'provider_specific_entry') WHERE jsonb_typeof(value) = 'number') AS factor
    WHERE execution_cost(e.provider, e.model, 1, at => '2026-08-01', service_tier => CASE factor.key WHEN 'fast' THEN 'fast' END, region => nullif(factor.key, 'fast'))
          IS DISTINCT FROM (e.entry ->> 'input_cost_per_token')::numeric * factor.value::text::numeric
$$, 'a factor is one on the whole list');

-- a request at and above each threshold, of uncached input and of output
CREATE TEMP TABLE thresholds AS
SELECT e.provider, e.model, part[1]::bigint * 1000 AS above, (e.entry ->> field)::numeric AS price, (e.entry ->> regexp_replace(field, '_above_.*', ''))::numeric AS base
FROM entries AS e, jsonb_object_keys(e.entry) AS field, regexp_match(field, '^input_cost_per_token_above_([0-9]+)k_tokens$') AS part
WHERE part IS NOT NULL;
SELECT cmp_ok(count(*), '>', 100::bigint, 'there are thresholds') FROM thresholds;
SELECT is_empty($$
    SELECT * FROM thresholds AS t
    WHERE execution_cost(provider, model, 1, cache_read_tokens => 0, at => '2026-08-01') <> base
       OR execution_cost(provider, model, above, at => '2026-08-01') IS DISTINCT FROM above * coalesce(
           (SELECT max(u.price) FROM thresholds AS u WHERE (u.provider, u.model) = (t.provider, t.model) AND u.above < t.above), base)
       OR execution_cost(provider, model, above + 1, at => '2026-08-01') IS DISTINCT FROM (above + 1) * price
$$, 'a threshold is exceeded by more than itself, and then reprices the whole');
SELECT is_empty($$
    SELECT * FROM (SELECT DISTINCT provider, model FROM entries WHERE entry ? 'input_cost_per_token') AS e
    WHERE (SELECT CASE WHEN count(*) = count(amount) THEN sum(amount) END FROM explain_cost(provider, model, 1234, 567, 89, 10, at => '2026-08-01'))
          IS DISTINCT FROM execution_cost(provider, model, 1234, 567, 89, 10, at => '2026-08-01')
$$, 'explain_cost() adds up to execution_cost() for every model, or has a line without a price');

-- graduated prices: each range at its own price
SELECT is(execution_cost('dashscope', 'dashscope/qwen3-max', 130000, 0, at => '2026-08-01'), 32000 * 1.2e-6 + 96000 * 2.4e-6 + 2000 * 3e-6, 'three ranges of input');
SELECT is(execution_cost('dashscope', 'dashscope/qwen3-max', 32000, 0, at => '2026-08-01'), 32000 * 1.2e-6, 'the end of a range');
SELECT is(execution_cost('dashscope', 'dashscope/qwen3-max', 9000000, 0, at => '2026-08-01'), 32000 * 1.2e-6 + 96000 * 2.4e-6 + 8872000 * 3e-6, 'beyond the last');
-- alternatives and what is listed twice
SELECT is(execution_cost('openai', 'whisper-1', units => '{"input_seconds": 60}', at => '2026-08-01'), 0.006, 'audio is billed once');
SELECT is(execution_cost('azure', 'gpt-4o', 1000000, at => '2026-08-01'), 2.5, 'a name without its provider');
SELECT is(execution_cost('openai', 'gpt-4', 1500, 500, at => '2026-08-01'), 0.075, 'gpt-4');
SELECT is(execution_cost('anthropic', 'claude-sonnet-4-5', 200000, 1, 0, 1, at => '2026-08-01'), 200000 * 6e-6 + 7.5e-6 + 22.5e-6, 'cache writes count towards the threshold');
SELECT is(execution_cost('anthropic', 'claude-opus-4-6', 1, region => 'us', service_tier => 'fast', at => '2026-08-01') / execution_cost('anthropic', 'claude-opus-4-6', 1, at => '2026-08-01'),
    (SELECT (entry -> 'provider_specific_entry' ->> 'us')::numeric * (entry -> 'provider_specific_entry' ->> 'fast')::numeric FROM entries WHERE model = 'claude-opus-4-6'), 'a region and a speed multiply');

-- ---- golden costs, from a table of list prices that nobody here wrote: prices.md

-- three prices of the map are mistakes, which the table corrects
CREATE TEMP TABLE mended AS
SELECT * FROM import_prices(jsonb_set(jsonb_set(jsonb_set(map('full'), '{claude-3-opus-20240229,cache_creation_input_token_cost_above_1hr}', '0.00003'),
    '{claude-3-haiku-20240307,cache_creation_input_token_cost_above_1hr}', '0.0000005'), '{gemini/gemini-1.5-flash,output_cost_per_token}', '0.0000003'), '2026-08-01', correction => true);
SELECT set_eq($$SELECT model FROM mended WHERE outcome = 'corrected'$$, $$VALUES ('claude-3-opus-20240229'), ('claude-3-haiku-20240307'), ('gemini/gemini-1.5-flash')$$, 'mistakes are corrected');
-- 1,000 tokens of input, 10,000 from the cache, 3,000 written to it, a third of them for an hour, 500 of output; and 200,000, 100,000 from the cache, 1,000 of output
CREATE TEMP TABLE golden (provider text, model text, small numeric, large numeric);
INSERT INTO golden VALUES
    ('openai', 'gpt-4', 0.45, 9.06),
    ('openai', 'gpt-4-turbo', 0.155, 3.03),
    ('openai', 'gpt-3.5-turbo', 0.00775, 0.1515),
    ('openai', 'gpt-3.5-turbo-16k', 0.044, 0.904),
    ('openai', 'gpt-3.5-turbo-0125', 0.00775, 0.1515),
    ('openai', 'gpt-4o', 0.0275, 0.635),
    ('openai', 'gpt-4o-2024-05-13', 0.0775, 1.515),
    ('openai', 'gpt-4o-mini', 0.00165, 0.0381),
    ('openai', 'gpt-4.1', 0.017, 0.458),
    ('openai', 'gpt-4.1-mini', 0.0034, 0.0916),
    ('openai', 'gpt-4.1-nano', 0.00085, 0.0229),
    ('openai', 'o1', 0.165, 3.81),
    ('openai', 'o3', 0.017, 0.458),
    ('openai', 'o3-mini', 0.0121, 0.2794),
    ('openai', 'o3-pro', 0.32, 6.08),
    ('openai', 'o4-mini', 0.00935, 0.2519),
    ('openai', 'gpt-5', 0.01125, 0.2725),
    ('openai', 'gpt-5-mini', 0.00225, 0.0545),
    ('openai', 'gpt-5-nano', 0.00045, 0.0109),
    ('openai', 'gpt-5.1', 0.01125, 0.2725),
    ('openai', 'gpt-5.2', 0.01575, 0.3815),
    ('openai', 'gpt-5.4', 0.02, 1.0725),
    ('openai', 'gpt-5.4-mini', 0.006, 0.162),
    ('openai', 'gpt-5.4-nano', 0.001625, 0.04325),
    ('openai', 'gpt-5.5', 0.04, 2.145),
    ('openai', 'gpt-5.6-sol', 0.04375, 2.145),
    ('openai', 'gpt-5.6-terra', 0.0175, 0.858),
    ('openai', 'gpt-5.6-luna', 0.00175, 0.0858),
    ('openai', 'text-embedding-3-small', 0.00028, 0.006),
    ('openai', 'text-embedding-3-large', 0.00182, 0.039),
    ('openai', 'text-embedding-ada-002', 0.0014, 0.03),
    ('anthropic', 'claude-3-opus-20240229', 0.135, 3.225),
    ('anthropic', 'claude-3-sonnet-20240229', 0.0495, 0.915),
    ('anthropic', 'claude-3-haiku-20240307', 0.002275, 0.05425),
    ('anthropic', 'claude-3-7-sonnet-20250219', 0.027, 0.645),
    ('anthropic', 'claude-sonnet-4-20250514', 0.027, 1.2825),
    ('anthropic', 'claude-opus-4-20250514', 0.135, 3.225),
    ('anthropic', 'claude-opus-4-1', 0.135, 3.225),
    ('anthropic', 'claude-sonnet-4-5', 0.027, 1.2825),
    ('anthropic', 'claude-haiku-4-5', 0.009, 0.215),
    ('anthropic', 'claude-opus-4-5', 0.045, 1.075),
    ('anthropic', 'claude-opus-4-6', 0.045, 1.075),
    ('anthropic', 'claude-sonnet-4-6', 0.027, 0.645),
    ('anthropic', 'claude-opus-4-7', 0.045, 1.075),
    ('anthropic', 'claude-opus-4-8', 0.045, 1.075),
    ('anthropic', 'claude-sonnet-5', 0.018, 0.43),
    ('anthropic', 'claude-opus-5', 0.045, 1.075),
    ('anthropic', 'claude-fable-5', 0.09, 2.15),
    ('google', 'gemini-pro', 0.00775, 0.1515),
    ('google', 'gemini-pro-vision', 0.00775, 0.1515),
    ('gemini', 'gemini/gemini-1.5-flash', 0.0012, 0.0453),
    ('gemini', 'gemini/gemini-2.0-flash', 0.00085, 0.0229),
    ('gemini', 'gemini/gemini-2.0-flash-lite', 0.0006375, 0.017175),
    ('gemini', 'gemini/gemini-2.5-pro', 0.01125, 0.54),
    ('gemini', 'gemini/gemini-2.5-flash', 0.00275, 0.0655),
    ('gemini', 'gemini/gemini-2.5-flash-lite', 0.0007, 0.0214),
    ('gemini', 'gemini/gemini-3-pro-preview', 0.016, 0.858),
    ('gemini', 'gemini/gemini-3.1-pro-preview', 0.016, 0.858),
    ('gemini', 'gemini/gemini-3-flash-preview', 0.004, 0.108),
    ('gemini', 'gemini/gemini-3.5-flash', 0.012, 0.324),
    ('gemini', 'gemini/gemini-3.6-flash', 0.01125, 0.3225),
    ('gemini', 'gemini/gemini-embedding-001', 0.0021, 0.045),
    ('mistral', 'mistral/mistral-large-latest', 0.00775, 0.1515),
    ('mistral', 'mistral/mistral-large-2411', 0.031, 0.606),
    ('mistral', 'mistral/mistral-medium-latest', 0.02475, 0.4575),
    ('mistral', 'mistral/mistral-medium-2505', 0.0066, 0.122),
    ('mistral', 'mistral/mistral-small-latest', 0.00093, 0.01818),
    ('mistral', 'mistral/codestral-latest', 0.0155, 0.303),
    ('mistral', 'mistral/magistral-medium-latest', 0.0305, 0.605),
    ('mistral', 'mistral/ministral-8b-latest', 0.002175, 0.04515),
    ('mistral', 'mistral/open-mistral-nemo', 0.00435, 0.0903),
    ('mistral', 'mistral/mistral-embed', 0.0014, 0.03);
SELECT is_empty($$
    SELECT *
    FROM (SELECT g.*, execution_cost(provider, model, 1000, CASE WHEN model LIKE '%embed%' THEN 0 ELSE 500 END, 10000, 3000, 0, 1000, at => '2026-08-01'),
                 execution_cost(provider, model, 200000, CASE WHEN model LIKE '%embed%' THEN 0 ELSE 1000 END, 100000, at => '2026-08-01') FROM golden AS g) AS compared (provider, model, small, large, small_cost, large_cost)
    WHERE small_cost IS DISTINCT FROM small OR large_cost IS DISTINCT FROM large
$$, 'a small and a large call of each model in the table of list prices');
SELECT set_eq($$SELECT model FROM import_prices(map('full'), '2026-08-01', correction => true) WHERE outcome = 'corrected'$$, $$SELECT model FROM mended WHERE outcome = 'corrected'$$, 'and are brought back');

-- ---- again, changed, and back

SELECT set_eq($$SELECT DISTINCT outcome FROM import_prices(map('full'), '2026-08-15')$$, $$VALUES ('unchanged'), ('ignored'), ('warning'), ('kept')$$, 'the same map changes nothing');
INSERT INTO maps SELECT 'changed', jsonb_set(jsonb_set(map, '{gpt-4o,input_cost_per_token}', '"1.5e-06"'), '{o3,output_cost_per_token}', '0.00008') - 'gpt-4' FROM maps;
SELECT set_eq($$SELECT outcome, model FROM import_prices(map('changed'), '2026-09-01') WHERE outcome NOT IN ('unchanged', 'ignored') AND model IN ('gpt-4o', 'o3', 'gpt-4')$$,
    $$VALUES ('changed', 'gpt-4o'), ('changed', 'o3'), ('warning', 'o3'), ('kept', 'gpt-4')$$, 'a changed map changes what is changed');
SELECT set_eq($$SELECT model, valid_to FROM prices WHERE valid_to = '2026-09-01'$$, $$VALUES ('gpt-4o', '2026-09-01'::timestamptz), ('o3', '2026-09-01')$$, 'and closes nothing else');
SELECT set_eq($$SELECT provider, model, valid_to FROM prices WHERE valid_from = '2026-09-01'$$, $$VALUES ('openai', 'gpt-4o', 'infinity'::timestamptz), ('openai', 'o3', 'infinity')$$, 'opens what it has closed, and nothing else');
SELECT results_eq($$SELECT execution_cost('openai', 'gpt-4o', 1, at => at) FROM unnest('{2026-08-31 23:59:59.999999,2026-09-01,2024-06-01}'::timestamptz[]) AS at$$,
    $$VALUES (0.0000025), (0.0000015), (0.000005)$$, 'before, at and long before the change');
SELECT is(count(*), 0::bigint, 'what is exported is what was imported') FROM import_prices(export_prices('2026-09-02'), '2026-09-03') WHERE outcome NOT IN ('unchanged', 'warning');
SELECT is((SELECT valid_from FROM prices WHERE model = 'gpt-4o' AND price_id = (SELECT price_id FROM resolve_model('openai', 'gpt-4o', at => '2026-09-02'))
           AND EXISTS (SELECT FROM import_prices(map('full'), '2026-09-10', correction => true) WHERE outcome = 'corrected' AND model = 'gpt-4o')), '2026-09-01'::timestamptz,
    'a correction takes the period of what was never true');

SELECT * FROM finish();
