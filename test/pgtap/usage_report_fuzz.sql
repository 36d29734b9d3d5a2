-- Damaged usage reports: each is either refused with a documented error or read into consistent counts; and as the usage or
-- the units of an execution, refused by the name of a field, or kept with the right cost or none.
--
-- USAGE_METER_FUZZ_SECONDS makes it last; USAGE_METER_FUZZ_SEED, a number from -1 to 1, begins elsewhere.
SET client_min_messages = warning;

\set seconds 0
\set seed 0.5
\getenv seconds USAGE_METER_FUZZ_SECONDS
\getenv seed USAGE_METER_FUZZ_SEED

SELECT plan(7);

SELECT create_usage_ledger() \gset
SELECT usage.set_price('acme', 'm', 1, 1000, 10, 100, valid_from => '-infinity', cache_write_1h_per_million => 200, units => '{"pages": 0.01, "input_audio_tokens": 0.000005}') \gset

CREATE TEMP TABLE reports AS
SELECT row_number() OVER () AS n, report FROM (VALUES
    ('{"id": "a", "model": "m", "service_tier": "flex", "usage": {"prompt_tokens": 4020, "completion_tokens": 40, "total_tokens": 4060, "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4000, "audio_tokens": 9}, "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 5}}}'::jsonb),
    ('{"input_tokens": 142, "input_tokens_details": {"cached_tokens": 20, "cached_tokens_details": {"audio_tokens": 7}, "audio_tokens": 19, "image_tokens": 12}, "output_tokens": 33, "output_tokens_details": {"reasoning_tokens": 11}, "total_tokens": 175}'),
    ('{"input_tokens": 6, "cache_creation_input_tokens": 574, "cache_read_input_tokens": 20443, "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 74}, "output_tokens": 489, "output_tokens_details": {"thinking_tokens": 77}, "server_tool_use": {"web_search_requests": 2}}'),
    ('{"input_tokens": 180, "output_tokens": 8, "iterations": [{"type": "compaction", "input_tokens": 100, "output_tokens": 82, "cache_creation_input_tokens": 55096}, {"type": "advisor_message", "model": "b", "input_tokens": 5}, {"type": "message", "input_tokens": 180}]}'),
    ('[{"message": {"id": "a", "usage": {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 1}}}, {"usage": {"output_tokens": 15}}]'),
    ('{"usage": {"inputTokens": 3, "outputTokens": 227, "totalTokens": 1942, "cacheReadInputTokens": 10, "cacheWriteInputTokens": 1712, "cacheDetails": [{"ttl": "5m", "inputTokens": 700}, {"ttl": "1h", "inputTokens": 1012}]}, "serviceTier": {"type": "flex"}}'),
    ('{"usageMetadata": {"promptTokenCount": 3297, "cachedContentTokenCount": 2918, "candidatesTokenCount": 55, "thoughtsTokenCount": 95, "toolUsePromptTokenCount": 8, "totalTokenCount": 3455, "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 284}, {"modality": "VIDEO", "tokenCount": 2561}], "promptTokensDetails": [{"modality": "VIDEO", "tokenCount": 2893}, {"modality": "AUDIO", "tokenCount": 321}]}}'),
    ('{"total_tokens": 1983, "total_input_tokens": 22, "total_cached_tokens": 5, "total_output_tokens": 590, "total_tool_use_tokens": 198, "total_thought_tokens": 1173}'),
    ('{"usage": {"billed_units": {"input_tokens": 41, "output_tokens": 25, "image_tokens": 4, "search_units": 1}, "cached_tokens": 144}}'),
    ('{"prompt_tokens": 31, "completion_tokens": 80, "total_tokens": 111, "cost": 4.14e-05, "is_byok": true, "cost_details": {"upstream_inference_cost": "0.00216775"}, "num_search_queries": 3, "cost_in_usd_ticks": 12, "seconds": 1.5}'),
    ('{"prompt_eval_count": 11, "eval_count": 18, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 7}'),
    ('{"attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "100"}}, {"key": "gen_ai.usage.cache_read.input_tokens", "value": {"intValue": 60}}]}'),
    ('{"gen_ai": {"usage": {"input_tokens": 100, "cache_read": {"input_tokens": 60}, "output_tokens": 20, "reasoning": {"output_tokens": 5}}}}'),
    ('{"input_tokens": 10, "cache_read_tokens": 900, "cache_write_tokens": 50, "cache_write_1h_tokens": 40, "output_tokens": 50, "reasoning_tokens": 5, "input_audio_tokens": 2, "output_video_tokens": 4}')) AS v (report);

CREATE FUNCTION pick(choices anyarray) RETURNS anyelement LANGUAGE sql AS
$$ SELECT choices[1 + floor(random() * cardinality(choices))::int] $$;

-- one place of a report gone or replaced
CREATE FUNCTION damage(report jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    place text;
BEGIN
    WITH RECURSIVE places (path, value) AS (
        SELECT '{}'::text[], report
        UNION ALL
        SELECT path || inner_value.key, inner_value.value
        FROM places,
             LATERAL (SELECT key, e.value FROM jsonb_each(CASE jsonb_typeof(places.value) WHEN 'object' THEN places.value END) AS e
                      UNION ALL
                      SELECT (n - 1)::text, e.value
                      FROM jsonb_array_elements(CASE jsonb_typeof(places.value) WHEN 'array' THEN places.value END) WITH ORDINALITY AS e (value, n)
             ) AS inner_value)
    SELECT pick(array_agg(path::text)) INTO place FROM places WHERE path <> '{}';

    IF place IS NULL OR random() < 0.2 THEN
        RETURN report #- coalesce(place, '{}')::text[];
    END IF;
    RETURN jsonb_set(report, place::text[], coalesce(pick(ARRAY[
        'null', 'true', '{}', '[]', '""', '"x"', '"12"', '"5.0"', '"1e99"', '"-1"', '0', '1', '-1', '-0.4', '5.0', '5.5', '1e12', '999999999999', '1e300', '1e-300', '[{}]',
        '[{"modality": "AUDIO", "tokenCount": 77}]', '[{"type": "compaction", "input_tokens": 1}]']::jsonb[]
        || ARRAY[report, report #> place::text[], to_jsonb(floor(random() * 5000))]), 'null'));
END
$$;

-- NULL if all is well, else what is not
CREATE FUNCTION inconsistency(usage jsonb) RETURNS text LANGUAGE sql AS $$
    SELECT CASE
        WHEN num_nulls(u.input_tokens, u.cache_read_tokens, u.cache_write_tokens, u.output_tokens, u.reasoning_tokens) NOT IN (0, 5) THEN 'some are not known'
        WHEN least(u.input_tokens, u.cache_read_tokens, u.cache_write_tokens, u.output_tokens, u.cache_write_1h_tokens, u.reasoning_tokens,
                   u.input_audio_tokens, u.input_image_tokens, u.input_video_tokens, u.cache_read_audio_tokens, u.cache_write_audio_tokens,
                   u.output_audio_tokens, u.output_image_tokens, u.output_video_tokens, u.unexplained_tokens) < 0
          OR least(u.searches, u.input_seconds, u.output_seconds, u.input_images, u.reported_cost, u.upstream_cost) < 0 THEN 'negative'
        WHEN coalesce(u.input_audio_tokens, 0) + coalesce(u.input_image_tokens, 0) + coalesce(u.input_video_tokens, 0) > coalesce(u.input_tokens, 0) THEN 'parts of input'
        WHEN coalesce(u.cache_read_audio_tokens, 0) > coalesce(u.cache_read_tokens, 0) THEN 'parts of cache reads'
        WHEN greatest(u.cache_write_1h_tokens, u.cache_write_audio_tokens, 0) > coalesce(u.cache_write_tokens, 0) THEN 'parts of cache writes'
        WHEN coalesce(u.reasoning_tokens, 0) + coalesce(u.output_audio_tokens, 0) + coalesce(u.output_image_tokens, 0) + coalesce(u.output_video_tokens, 0)
             > coalesce(u.output_tokens, 0) THEN 'parts of output'
    END
    FROM jsonb_to_record(usage) AS u (
        input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint, output_tokens bigint, cache_write_1h_tokens bigint, reasoning_tokens bigint,
        input_audio_tokens bigint, input_image_tokens bigint, input_video_tokens bigint, cache_read_audio_tokens bigint, cache_write_audio_tokens bigint,
        output_audio_tokens bigint, output_image_tokens bigint, output_video_tokens bigint, unexplained_tokens bigint,
        searches numeric, input_seconds numeric, output_seconds numeric, input_images numeric, reported_cost numeric, upstream_cost numeric)
$$;

CREATE TEMP TABLE outcomes (outcome text, report jsonb);

CREATE FUNCTION try(report jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    usage record;
    again record;
BEGIN
    usage := normalize_usage(report, pick(ARRAY[NULL, 'xai', 'anthropic', 'perplexity', 'acme']), pick(ARRAY[NULL, 'messages', 'responses', 'embeddings']));
    INSERT INTO outcomes VALUES (coalesce(inconsistency(to_jsonb(usage)), 'read'), report);
    -- and what comes out goes in again, unless it has grown too large to be believed
    IF usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens + usage.output_tokens <= 1e12
       AND coalesce(usage.searches, 0) <= 1e12 THEN
        again := normalize_usage(to_jsonb(usage), usage.provider);
        IF (again.input_tokens, again.cache_read_tokens, again.cache_write_tokens, again.output_tokens, again.reasoning_tokens)
           IS DISTINCT FROM (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens, usage.output_tokens, usage.reasoning_tokens) THEN
            INSERT INTO outcomes VALUES ('not the same again', report);
        END IF;
    END IF;
EXCEPTION WHEN OTHERS THEN
    INSERT INTO outcomes VALUES (SQLSTATE, report);
END
$$;

-- NULL if an execution costs what was counted, else what is wrong
CREATE FUNCTION mispricing(e usage.execution_history, told record) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    pages numeric := coalesce((e.units ->> 'pages')::numeric, 0);
    audio numeric := coalesce((e.units ->> 'input_audio_tokens')::numeric, 0);
    lasting numeric := coalesce(e.cache_write_1h_tokens, 0);
    book_cost numeric := pages * 0.01 + 0.000001 * (coalesce(e.input_tokens, 0) + 4 * audio + 10 * coalesce(e.cache_read_tokens, 0)
        + 100 * coalesce(e.cache_write_tokens, 0) + 100 * lasting + 1000 * coalesce(e.output_tokens, 0));
BEGIN
    RETURN CASE
        WHEN (e.input_tokens, e.cache_read_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens)
             IS DISTINCT FROM (told.input_tokens, told.cache_read_tokens, told.cache_write_tokens, told.output_tokens, told.reasoning_tokens) THEN 'other counts'
        WHEN e.price_status = 'priced' AND ((e.units ->> 'searches')::numeric > 0 OR told.searches > 0 OR told.other_usage IS NOT NULL
             OR (told.unexplained_tokens > 0 AND told.input_tokens IS NOT NULL AND told.input_seconds IS NULL)) THEN 'too cheap'
        WHEN e.price_status = 'priced' AND e.cost IS DISTINCT FROM book_cost THEN 'not as counted'
        WHEN e.price_status = 'byok' AND (e.cost <> 0 OR (e.shadow_cost IS DISTINCT FROM book_cost AND e.shadow_cost IS DISTINCT FROM told.upstream_cost)) THEN 'not as counted or told'
        WHEN e.price_status = 'reported' AND e.cost IS DISTINCT FROM told.reported_cost THEN 'not as told'
        WHEN e.price_status = 'unpriced' AND e.cost IS NOT NULL THEN 'not unpriced'
        ELSE NULL END;
END
$$;

CREATE TEMP TABLE executed (outcome text, input jsonb);

-- an execution of which the report tells all, or one with units
CREATE FUNCTION try_execution(report jsonb, units jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    e usage.execution_history;
    told record;
    message text;
    detail text;
BEGIN
    IF units IS NULL THEN
        INSERT INTO usage.execution_history (customer_id, provider, model, created_at, usage) VALUES ('fuzz', 'acme', 'm', '2026-02-01', report) RETURNING * INTO e;
        told := normalize_usage(report, 'acme');
    ELSE
        INSERT INTO usage.execution_history (customer_id, provider, model, created_at, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, units)
        VALUES ('fuzz', 'acme', 'm', '2026-02-01', 10, 0, 0, 10, 0, units) RETURNING * INTO e;
        told := normalize_usage('{"input_tokens": 10, "cache_read_tokens": 0, "output_tokens": 10}');
    END IF;
    INSERT INTO executed VALUES (coalesce(mispricing(e, told), 'kept ' || e.price_status), coalesce(units, report));
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
    INSERT INTO executed VALUES ('refused ' || CASE WHEN message || ' ' || detail ~ '(Field "|units|_tokens |_cost )' THEN SQLSTATE ELSE SQLSTATE || ' ' || message || ' ' || detail END, coalesce(units, report));
END
$$;

CREATE PROCEDURE try_for(seconds float8, rounds int) LANGUAGE plpgsql AS $$
DECLARE
    until timestamptz := clock_timestamp() + seconds * interval '1 second';
    damaged jsonb;
    round int := 0;
BEGIN
    WHILE round < rounds OR clock_timestamp() < until LOOP
        round := round + 1;
        SELECT report INTO damaged FROM reports WHERE n = 1 + round % (SELECT count(*) FROM reports);
        FOR i IN 1 .. 1 + floor(random() * 4)::int LOOP
            damaged := damage(damaged);
        END LOOP;
        PERFORM try(damaged);
        PERFORM try_execution(damaged, NULL);
        PERFORM try_execution(NULL, damage(damage('{"pages": 2.5, "input_audio_tokens": 3, "output_images": 1, "searches": 2}')));
        IF round % 10000 = 0 THEN
            DELETE FROM outcomes WHERE outcome IN ('read', '22023', '22003', '22P02') AND random() < 0.9;
            DELETE FROM executed WHERE outcome ~ '^(kept \w+|refused \w{5})$' AND random() < 0.9;
            COMMIT;
        END IF;
    END LOOP;
END
$$;

SELECT setseed(:seed) \gset
CALL try_for(:seconds, 3000);

SELECT is_empty($$ SELECT outcome, report FROM outcomes WHERE outcome NOT IN ('read', '22023', '22003', '22P02') $$,
    'every damaged report is read consistently or refused as documented');
SELECT ok(count(*) > 100, 'many are read') FROM outcomes WHERE outcome = 'read';
SELECT ok(count(*) > 100, 'many are refused') FROM outcomes WHERE outcome <> 'read';
SELECT is(count(DISTINCT outcome), 3::bigint, 'for each of the documented reasons') FROM outcomes WHERE outcome <> 'read';
SELECT is_empty($$ SELECT outcome, input FROM executed WHERE outcome !~ '^(kept (priced|unpriced|reported|byok)|refused (22023|22003|22P02|23514))$' $$,
    'every execution with damaged usage or units is kept with its cost or none, or refused by the name of a field');
SELECT is(count(DISTINCT outcome), 8::bigint, 'each of these happens') FROM executed;
SELECT is_empty('SELECT * FROM usage.reconcile()', 'and nothing else has counted');

SELECT * FROM finish();
