-- Usage reports of providers: a case of every flavour, and of what is unusual in each.
\pset format unaligned
\pset tuples_only on

-- what is told; the four disjoint kinds and reasoning as [input, read, write, output, reasoning]
CREATE FUNCTION told(report jsonb, provider text DEFAULT NULL, api text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT format('[%s, %s, %s, %s, %s] %s', input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
                  jsonb_strip_nulls(to_jsonb(usage))
                  - '{input_tokens,cache_read_tokens,cache_write_tokens,output_tokens,reasoning_tokens}'::text[])
    FROM normalize_usage(report, provider, api) AS usage
$$;

\echo # OpenAI
SELECT told('{"prompt_tokens": 4020, "completion_tokens": 4, "total_tokens": 4024, "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4000, "audio_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 3, "accepted_prediction_tokens": 1, "audio_tokens": 1}}');
SELECT told('{"id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-audio", "service_tier": "flex", "choices": [], "usage": {"prompt_tokens": 64, "completion_tokens": 9, "total_tokens": 73, "prompt_tokens_details": {"audio_tokens": 44, "cached_tokens": 30, "text_tokens": 20}, "completion_tokens_details": {"audio_tokens": 9}}}');
SELECT told('{"object": "list", "data": [{"embedding": [0.1]}], "model": "text-embedding-3-small", "usage": {"prompt_tokens": 2, "total_tokens": 2}}');
SELECT told('{"id": "resp_1", "object": "response", "model": "gpt-5", "service_tier": "default", "metadata": {"usage": "mine", "model": "mine"}, "usage": {"input_tokens": 142, "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 27}, "output_tokens": 33, "output_tokens_details": {"reasoning_tokens": 11}, "total_tokens": 175}}');
SELECT told('{"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 10, "audio_tokens": 4}, "output_tokens": 101, "total_tokens": 115}');
SELECT told('{"text": "hello", "usage": {"type": "duration", "seconds": 27}}');
SELECT told('{"id": "video_1", "object": "video", "model": "sora-2", "seconds": "8"}', 'openai');
SELECT told('{"type": "response.done", "event_id": "event_1", "response": {"id": "resp_2", "usage": {"total_tokens": 253, "input_tokens": 132, "output_tokens": 121, "input_token_details": {"text_tokens": 119, "audio_tokens": 13, "cached_tokens": 64, "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4}}, "output_token_details": {"text_tokens": 30, "audio_tokens": 91}}}}');
SELECT told('{"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "request_id": "req_1", "body": {"id": "chatcmpl-2", "model": "gpt-4o-mini", "service_tier": "default", "usage": {"prompt_tokens": 22, "completion_tokens": 2, "total_tokens": 24}}}, "error": null}');
SELECT told('{"created": 1, "data": [{"b64_json": ""}], "usage": {"input_tokens": 50, "input_tokens_details": {"image_tokens": 40, "text_tokens": 10}, "output_tokens": 4160, "total_tokens": 4210}}');
SELECT told('{"usage": {"prompt_tokens": 19, "completion_tokens": 1969, "total_tokens": 1988}, "prompt_filter_results": []}', 'azure.ai.openai');

\echo # Anthropic
SELECT told('{"id": "msg_1", "type": "message", "model": "claude-sonnet-4-5", "usage": {"input_tokens": 6, "cache_creation_input_tokens": 574, "cache_read_input_tokens": 20443, "cache_creation": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 74}, "output_tokens": 489, "output_tokens_details": {"thinking_tokens": 77}, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 5}, "service_tier": "priority", "inference_geo": "us"}}');
-- no breakdown: not known how long it is kept
SELECT told('{"input_tokens": 6, "cache_creation_input_tokens": 3337, "cache_read_input_tokens": 6289, "output_tokens": 198, "inference_geo": "not_available"}');
SELECT told('{"input_tokens": 10, "output_tokens": 20}', 'AWS Bedrock', 'invoke_model');
-- a pass of compaction is billed besides
SELECT told('{"input_tokens": 180, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 8, "iterations": [{"type": "compaction", "input_tokens": 100, "output_tokens": 82, "cache_creation_input_tokens": 55096, "cache_creation": {"ephemeral_1h_input_tokens": 96, "ephemeral_5m_input_tokens": 55000}}, {"type": "message", "input_tokens": 180, "output_tokens": 8}]}');
-- an advisor is billed at the price of its own model, and comes out as a report of its own
SELECT told('{"input_tokens": 2390, "output_tokens": 121, "iterations": [{"type": "message", "input_tokens": 1128, "output_tokens": 110}, {"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "cache_read_input_tokens": 5, "output_tokens": 22}, {"type": "message", "input_tokens": 1262, "output_tokens": 11}]}');
SELECT told(advice)
FROM normalize_usage('{"input_tokens": 9, "output_tokens": 1, "iterations": [{"type": "advisor_message", "model": "claude-opus-4-8", "input_tokens": 2518, "cache_read_input_tokens": 5, "output_tokens": 22}]}'),
     jsonb_array_elements(other_usage) AS advice;
-- a fallback answered: only what it used is billed
SELECT told('{"input_tokens": 412, "output_tokens": 264, "iterations": [{"type": "message", "model": "claude-fable-5", "input_tokens": 408, "output_tokens": 0}, {"type": "fallback_message", "model": "claude-opus-4-8", "input_tokens": 412, "output_tokens": 264}]}');
SELECT told('[{"type": "message_start", "message": {"id": "msg_2", "model": "claude-x", "usage": {"input_tokens": 25, "cache_read_input_tokens": 7, "output_tokens": 1}}}, {"type": "ping"}, {"type": "message_delta", "usage": {"output_tokens": 15}}, {"type": "message_delta", "usage": {"input_tokens": 25, "output_tokens": 88}}, "[DONE]"]');
SELECT told('{"custom_id": "a", "result": {"type": "succeeded", "message": {"id": "msg_3", "usage": {"input_tokens": 11, "output_tokens": 36, "service_tier": "batch"}}}}', 'anthropic');

\echo # Bedrock
SELECT told('{"output": {}, "serviceTier": {"type": "flex"}, "usage": {"inputTokens": 3, "outputTokens": 227, "totalTokens": 1942, "cacheReadInputTokenCount": 0, "cacheReadInputTokens": 0, "cacheWriteInputTokenCount": 1712, "cacheWriteInputTokens": 1712, "cacheDetails": [{"ttl": "5m", "inputTokens": 700}, {"ttl": "1h", "inputTokens": 1012}]}}');
SELECT told('[{"contentBlockDelta": {"delta": {"text": "usage"}}}, {"metadata": {"usage": {"inputTokens": 22, "outputTokens": 13, "cacheReadInputTokens": 2492, "totalTokens": 2527}, "metrics": {"latencyMs": 5}}}]');

\echo # Google
SELECT told('{"candidates": [], "modelVersion": "gemini-2.5-pro", "responseId": "r1", "usageMetadata": {"promptTokenCount": 15, "candidatesTokenCount": 40, "thoughtsTokenCount": 257, "toolUsePromptTokenCount": 288, "toolUsePromptTokensDetails": [{"modality": "AUDIO", "tokenCount": 8}], "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 15}], "totalTokenCount": 600, "trafficType": "ON_DEMAND_FLEX"}}');
SELECT told('{"promptTokenCount": 3297, "cachedContentTokenCount": 2918, "candidatesTokenCount": 55, "thoughtsTokenCount": 95, "totalTokenCount": 3447, "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 284}, {"modality": "TEXT", "tokenCount": 73}, {"modality": "VIDEO", "tokenCount": 2561}], "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 83}, {"modality": "VIDEO", "tokenCount": 2893}, {"modality": "AUDIO", "tokenCount": 321}], "trafficType": "ON_DEMAND"}');
SELECT told('{"prompt_token_count": 33, "prompt_tokens_details": [{"modality": "IMAGE", "token_count": 20}], "candidates_token_count": 1780, "candidates_tokens_details": [{"modality": "IMAGE", "token_count": 1120}], "thoughts_token_count": 529, "total_token_count": 2342, "traffic_type": "PROVISIONED_THROUGHPUT"}', 'gcp.vertex_ai');
SELECT told('{"usageMetadata": {"promptTokenCount": 50, "responseTokenCount": 80, "totalTokenCount": 130, "responseTokensDetails": [{"modality": "AUDIO", "tokenCount": 80}]}}');
SELECT told('[{"usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}, "responseId": "a"}, {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 3, "totalTokenCount": 12}, "responseId": "a"}, {"usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 7, "totalTokenCount": 16}, "responseId": "a"}]');
SELECT told('{"total_tokens": 1983, "total_input_tokens": 22, "input_tokens_by_modality": [{"modality": "text", "tokens": 22}], "total_cached_tokens": 0, "total_output_tokens": 590, "total_tool_use_tokens": 198, "total_thought_tokens": 1173}');
SELECT told('{"promptTokenCount": 11, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 11}]}');
-- thinking that only the total knows of
SELECT told('{"completion_tokens": 12, "prompt_tokens": 35, "total_tokens": 109}', 'gemini');

\echo # others
SELECT told('{"prompt_tokens": 273, "completion_tokens": 104, "total_tokens": 377, "num_cached_tokens": 32, "prompt_audio_seconds": 36}');
SELECT told('{"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, "prompt_token_details": {"cached_tokens": 4}, "prompt_audio_seconds": {}}', 'mistral_ai');
SELECT told('{"id": "c1", "usage": {"billed_units": {"input_tokens": 41.0, "output_tokens": 25.0}, "cached_tokens": 144, "tokens": {"input_tokens": 1441, "output_tokens": 54}}}');
SELECT told('{"type": "message-end", "delta": {"usage": {"billed_units": {"input_tokens": 41, "output_tokens": 25}}}}');
SELECT told('{"results": [], "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}}}');
SELECT told('{"meta": {"billed_units": {"input_tokens": 4, "image_tokens": 500, "images": 2}}}');
SELECT told('{"provider": "Anthropic", "usage": {"prompt_tokens": 2572, "completion_tokens": 63, "total_tokens": 2635, "cost": 0.01058775, "is_byok": false, "cost_details": {"upstream_inference_cost": 0.01058775}, "prompt_tokens_details": {"cache_write_tokens": 2569, "video_tokens": 0}}}');
SELECT told('{"prompt_tokens": 31, "completion_tokens": 80, "total_tokens": 111, "cost": 4.1400000000000003e-05, "is_byok": true, "cost_details": {"upstream_inference_cost": "0.00216775"}}');
SELECT told('{"prompt_tokens": 12, "completion_tokens": 1, "total_tokens": 241, "prompt_tokens_details": {"cached_tokens": 2}, "completion_tokens_details": {"reasoning_tokens": 228}, "num_sources_used": 0, "cost_in_usd_ticks": 1176500}');
SELECT told('{"prompt_tokens": 12, "completion_tokens": 300, "completion_tokens_details": {"reasoning_tokens": 228}}', 'x_ai');
SELECT told('{"prompt_tokens": 4142, "completion_tokens": 254, "total_tokens": 8724, "prompt_tokens_details": {"cached_tokens": 4328}}');
SELECT told('{"input_tokens": 100, "input_tokens_details": {"cached_tokens": 20}, "output_tokens": 50, "output_tokens_details": {"reasoning_tokens": 30}, "total_tokens": 150, "cost_in_usd_ticks": 123456, "server_side_tool_usage_details": {"web_search_calls": 2, "x_search_calls": 3}}');
SELECT told('{"prompt_tokens": 495, "completion_tokens": 144, "total_tokens": 639, "prompt_tokens_details": {"cached_tokens": 320}, "completion_tokens_details": {"reasoning_tokens": 118}, "prompt_cache_hit_tokens": 320, "prompt_cache_miss_tokens": 175}');
SELECT told('{"prompt_cache_hit_tokens": 320, "prompt_cache_miss_tokens": 175, "completion_tokens": 1}');
SELECT told('[{"id": "chatcmpl-3", "x_groq": {"id": "req_1"}, "choices": []}, {"id": "chatcmpl-3", "model": "openai/gpt-oss-120b", "x_groq": {"id": "req_1", "usage": {"queue_time": 0.1, "prompt_time": 0.003, "prompt_tokens": 84, "completion_tokens": 58, "total_tokens": 142}}}]');
SELECT told('{"model": "gemma4", "response": "usage", "done": true, "total_duration": 174560334, "prompt_eval_count": 11, "eval_count": 18, "eval_duration": 5043500667}');
-- a count of 0 is left out
SELECT told('{"model": "gemma4", "message": {"role": "assistant"}, "done": true, "eval_count": 18}');
SELECT told('{"prompt_tokens": 25, "total_tokens": 1049, "completion_tokens": 1024, "prompt_tokens_details": null, "completion_tokens_details": {"reasoning_tokens": 428}}', 'vllm');
SELECT told('{"prompt_tokens": 3019, "completion_tokens": 104, "total_tokens": 3123, "prompt_tokens_details": {"cached_tokens": 2048, "cache_creation_input_tokens": 900, "cache_creation": {"ephemeral_5m_input_tokens": 900}, "cache_type": "ephemeral"}}', 'dashscope');
SELECT told('{"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42, "cached_tokens": 9}', 'moonshotai');
SELECT told('{"object": "list", "data": [], "model": "voyage-3-large", "usage": {"total_tokens": 10}}');
SELECT told('{"total_tokens": 10}', 'voyage');
SELECT told('{"prompt_tokens": 33, "completion_tokens": 7163, "total_tokens": 7196, "citation_tokens": 20016, "num_search_queries": 18, "reasoning_tokens": 3000, "cost": {"input_tokens_cost": 0.1, "total_cost": 0.5}}');

\echo # OpenTelemetry
SELECT told('{"gen_ai.operation.name": "chat", "gen_ai.provider.name": "aws.bedrock", "gen_ai.request.model": "asked", "gen_ai.response.model": "served", "gen_ai.response.id": "r1", "gen_ai.usage.input_tokens": 9632, "gen_ai.usage.cache_read.input_tokens": 6289, "gen_ai.usage.cache_creation.input_tokens": 3337, "gen_ai.usage.output_tokens": 198, "gen_ai.usage.reasoning.output_tokens": 50, "openai.response.service_tier": "default"}');
SELECT told('{"gen_ai": {"system": "openai", "request": {"model": "asked"}, "usage": {"input_tokens": 100, "cache_read": {"input_tokens": 60}, "output_tokens": 20, "reasoning": {"output_tokens": 5}}}}');
SELECT told('{"name": "chat", "attributes": [{"key": "gen_ai.system", "value": {"stringValue": "mistral_ai"}}, {"key": "gen_ai.usage.prompt_tokens", "value": {"intValue": "100"}}, {"key": "gen_ai.usage.completion_tokens", "value": {"intValue": 7}}]}');

\echo # libraries and applications
SELECT told('{"input_tokens": 350, "output_tokens": 240, "total_tokens": 590, "input_token_details": {"audio": 10, "cache_creation": 200, "cache_read": 100}, "output_token_details": {"audio": 10, "reasoning": 200}}');
SELECT told('{"inputTokens": 1000, "cachedInputTokens": 900, "outputTokens": 50, "reasoningTokens": 30, "totalTokens": 1050}');
SELECT told('{"input_tokens": 10, "cache_read_tokens": 900, "cache_write_tokens": 50, "cache_write_1h_tokens": 40, "output_tokens": 5, "input_characters": 120, "output_characters": 7.5, "output_seconds": 8, "input_images": 1, "output_images": 2, "requests": 1, "searches": 0, "reported_cost": 0.25}');
-- a provider that nobody knows stays as it was named
SELECT told('{"prompt_tokens": 1, "completion_tokens": 2}', 'Acme AI', '/v1/chat');

\echo # what tells how to read what two flavours share
-- with the names of both, the caller knows; and so does the total
SELECT told('{"input_tokens": 100, "cache_read_input_tokens": 60, "output_tokens": 5}'),
       told('{"input_tokens": 100, "cache_read_input_tokens": 60, "output_tokens": 5}', api => 'responses'),
       told('{"input_tokens": 100, "cache_read_input_tokens": 60, "output_tokens": 5, "total_tokens": 165}', api => 'responses');
-- what cannot be a part was none
SELECT told('{"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}, "completion_tokens_details": {"reasoning_tokens": 7}}');
-- nor are there more parts than the whole has room for, text first
SELECT told('{"promptTokenCount": 100, "cachedContentTokenCount": 70, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}, {"modality": "AUDIO", "tokenCount": 20}, {"modality": "VIDEO", "tokenCount": 70}], "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 90}]}');

\echo # nothing to read
SELECT told(report) FROM unnest(ARRAY[NULL, 'null', '{}', '[]', '[1, "a", null, [{"prompt_tokens": 1}]]', '{"usage": null}', '{"usage": {}}',
    '{"usage": {"prompt_tokens": null, "completion_tokens": {}, "prompt_tokens_details": []}}', '{"error": {"message": "prompt_tokens"}}',
    '{"total_tokens": 10}']::jsonb[]) AS report;
SELECT told('{"a": {"a": {"a": {"a": {"usage": {"prompt_tokens": 1}}}}}}');
SELECT told(('{"x": "' || repeat('x', 1000000) || '", "choices": [' || rtrim(repeat('{"usage": 5},', 10000), ',') || '], "usage": {"prompt_tokens": 1, "x": ' || repeat('[', 5000) || repeat(']', 5000) || '}}')::jsonb);

\echo # what cannot be
CREATE FUNCTION refusal(report jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint text;
BEGIN
    RETURN told(report);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN format('%s: %s. %s %s', SQLSTATE, SQLERRM, detail, hint);
END
$$;
SELECT refusal(report) FROM unnest(ARRAY['5', '"prompt_tokens"', 'true',
    '{"usage": 5}', '{"usage": [{"prompt_tokens": 1}]}', '{"usage": {"prompt_tokens": true}}', '{"prompt_tokens": [1]}', '{"prompt_tokens": {"a": 1}}',
    '{"usage": {"prompt_tokens_details": {"cached_tokens": -1}}}', '{"prompt_tokens": -0.4}', '{"prompt_tokens": 5.5}', '{"prompt_tokens": "5.5"}',
    '{"prompt_tokens": 1000000000001}', '{"prompt_tokens": 1e300}', '{"prompt_tokens": "1e99"}', '{"prompt_tokens": "1e100"}',
    '{"prompt_tokens": "many"}', '{"prompt_tokens": ""}', '{"prompt_tokens": " 5"}', '{"prompt_tokens": "0x10"}', '{"prompt_tokens": "NaN"}', '{"prompt_tokens": "Infinity"}',
    '{"promptTokensDetails": {"modality": "AUDIO", "tokenCount": 5}}', '{"promptTokensDetails": [5]}', '{"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": "x"}]}',
    '{"promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 1e12}, {"modality": "AUDIO", "tokenCount": 1}]}',
    '{"iterations": [{"type": "compaction", "input_tokens": -5}]}',
    '{"cost": -0.5}', '{"cost": "free"}', '{"cost": {"total_cost": []}}', '{"cost": {"total_cost": [0.5]}}', '{"seconds": 1e13}', '{"is_byok": "yes"}',
    '{"attributes": [{"key": "gen_ai.usage.input_tokens", "value": {"intValue": "x"}}]}',
    '[{"id": "a", "usage": {"prompt_tokens": 1}}, {"id": "b", "usage": {"prompt_tokens": 2}}]']::jsonb[]) AS report;
SELECT refusal(jsonb_build_object('prompt_tokens', repeat('9', 1000)));

-- what comes out goes in again, and comes out the same
SELECT count(*) FILTER (WHERE again.* IS DISTINCT FROM once.*) AS differ
FROM (VALUES ('{"input_tokens": 6, "cache_creation": {"ephemeral_1h_input_tokens": 7}, "cache_read_input_tokens": 5, "output_tokens": 9, "server_tool_use": {"web_search_requests": 3}}'::jsonb),
             ('{"promptTokenCount": 20, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 12}], "cachedContentTokenCount": 8, "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}], "thoughtsTokenCount": 3}')) AS reports (report),
     normalize_usage(report, 'acme', 'normalized') AS once, normalize_usage(to_jsonb(once), 'acme', 'normalized') AS again;
