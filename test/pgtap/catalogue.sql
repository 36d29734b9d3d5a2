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

SELECT plan(25);

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

-- from field to what one token of it is: arguments of execution_cost()
CREATE TEMP TABLE tokens (field text, input bigint, output bigint, cache_read bigint, cache_write bigint, reasoning bigint, cache_write_1h bigint, units jsonb);
INSERT INTO tokens VALUES
    ('input_cost_per_token', 1, 0, 0, 0, 0, 0, NULL), ('output_cost_per_token', 0, 1, 0, 0, 0, 0, NULL),
    ('cache_read_input_token_cost', 0, 0, 1, 0, 0, 0, NULL), ('cache_creation_input_token_cost', 0, 0, 0, 1, 0, 0, NULL),
    ('output_cost_per_reasoning_token', 0, 1, 0, 0, 1, 0, NULL), ('cache_creation_input_token_cost_above_1hr', 0, 0, 0, 1, 0, 1, NULL),
    ('input_cost_per_audio_token', 1, 0, 0, 0, 0, 0, '{"input_audio_tokens": 1}'), ('output_cost_per_audio_token', 0, 1, 0, 0, 0, 0, '{"output_audio_tokens": 1}'),
    ('input_cost_per_image_token', 1, 0, 0, 0, 0, 0, '{"input_image_tokens": 1}'), ('output_cost_per_image_token', 0, 1, 0, 0, 0, 0, '{"output_image_tokens": 1}'),
    ('output_cost_per_video_token', 0, 1, 0, 0, 0, 0, '{"output_video_tokens": 1}'),
    ('cache_read_input_audio_token_cost', 0, 0, 1, 0, 0, 0, '{"cache_read_audio_tokens": 1}'), ('cache_creation_input_audio_token_cost', 0, 0, 0, 1, 0, 0, '{"cache_write_audio_tokens": 1}');

-- a request is charged beside its tokens
CREATE TEMP TABLE costs AS
SELECT e.provider, e.model, t.field || suffix.text AS field,
       (coalesce(e.entry ->> (t.field || suffix.text), CASE suffix.text WHEN '' THEN e.entry -> 'tiered_pricing' -> 0 ->> t.field END))::numeric
       + coalesce((e.entry ->> 'input_cost_per_request')::numeric, 0) AS listed,
       execution_cost(e.provider, e.model, t.input, t.output, t.cache_read, t.cache_write, t.reasoning, t.cache_write_1h, t.units,
                      at => '2026-08-01', service_tier => suffix.tier) AS cost
FROM entries AS e
CROSS JOIN tokens AS t
CROSS JOIN (VALUES ('', NULL), ('_priority', 'priority'), ('_flex', 'flex'), ('_batches', 'batch')) AS suffix (text, tier)
WHERE e.entry ? (t.field || suffix.text) OR (suffix.text = '' AND e.entry -> 'tiered_pricing' -> 0 ? t.field);
SELECT cmp_ok(count(*), '>', 6500::bigint, 'there is something to compare') FROM costs;
SELECT is_empty($$SELECT * FROM costs WHERE cost IS DISTINCT FROM listed$$, 'one token of each kind, in each tier, costs what the map says');
SELECT is(max(scale(listed)) > 20, true, 'down to 20 decimals and more') FROM costs;

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

-- ---- again, changed, and back

SELECT set_eq($$SELECT DISTINCT outcome FROM import_prices(map('full'), '2026-08-15')$$, $$VALUES ('unchanged'), ('ignored'), ('warning'), ('kept')$$, 'the same map changes nothing');
INSERT INTO maps SELECT 'changed', jsonb_set(jsonb_set(map, '{gpt-4o,input_cost_per_token}', '"1.5e-06"'), '{o3,output_cost_per_token}', '0.00008') - 'gpt-4' FROM maps;
SELECT set_eq($$SELECT outcome, model FROM import_prices(map('changed'), '2026-09-01') WHERE outcome NOT IN ('unchanged', 'ignored') AND model IN ('gpt-4o', 'o3', 'gpt-4')$$,
    $$VALUES ('changed', 'gpt-4o'), ('changed', 'o3'), ('warning', 'o3'), ('kept', 'gpt-4')$$, 'a changed map changes what is changed');
SELECT set_eq($$SELECT model, valid_to FROM prices WHERE valid_to = '2026-09-01'$$, $$VALUES ('gpt-4o', '2026-09-01'::timestamptz), ('o3', '2026-09-01')$$, 'and closes nothing else');
SELECT results_eq($$SELECT execution_cost('openai', 'gpt-4o', 1, at => at) FROM unnest('{2026-08-31 23:59:59.999999,2026-09-01,2024-06-01}'::timestamptz[]) AS at$$,
    $$VALUES (0.0000025), (0.0000015), (0.000005)$$, 'before, at and long before the change');
SELECT is(count(*), 0::bigint, 'what is exported is what was imported') FROM import_prices(export_prices('2026-09-02'), '2026-09-03') WHERE outcome NOT IN ('unchanged', 'warning');
SELECT is((SELECT valid_from FROM prices WHERE model = 'gpt-4o' AND price_id = (SELECT price_id FROM resolve_model('openai', 'gpt-4o', at => '2026-09-02'))
           AND EXISTS (SELECT FROM import_prices(map('full'), '2026-09-10', correction => true) WHERE outcome = 'corrected' AND model = 'gpt-4o')), '2026-09-01'::timestamptz,
    'a correction takes the period of what was never true');

SELECT * FROM finish();
