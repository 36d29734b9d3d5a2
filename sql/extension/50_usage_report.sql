-- Usage reports: what providers send with a response, as disjoint counts.

CREATE FUNCTION normalize_usage(
	report jsonb,
	INOUT provider text DEFAULT NULL,
	INOUT api text DEFAULT NULL,
	OUT input_tokens bigint,
	OUT cache_read_tokens bigint,
	OUT cache_write_tokens bigint,
	OUT output_tokens bigint,
	OUT cache_write_1h_tokens bigint,
	OUT reasoning_tokens bigint,
	OUT input_audio_tokens bigint,
	OUT input_image_tokens bigint,
	OUT input_video_tokens bigint,
	OUT cache_read_audio_tokens bigint,
	OUT cache_write_audio_tokens bigint,
	OUT output_audio_tokens bigint,
	OUT output_image_tokens bigint,
	OUT output_video_tokens bigint,
	OUT searches numeric,
	OUT input_seconds numeric,
	OUT output_seconds numeric,
	OUT input_characters numeric,
	OUT output_characters numeric,
	OUT input_images numeric,
	OUT output_images numeric,
	OUT requests numeric,
	OUT reported_cost numeric,
	OUT byok boolean,
	OUT upstream_cost numeric,
	OUT unexplained_tokens bigint,
	OUT other_usage jsonb,
	OUT model text,
	OUT service_tier text,
	OUT region text,
	OUT response_id text
) RETURNS record
AS 'MODULE_PATHNAME' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION normalize_usage(jsonb, text, text) IS
'What a provider''s own report says was used, always one row. report is the usage object, the whole response or an event that holds it, the attributes of an OpenTelemetry span, or an array of the events of one stream, in which later counts replace earlier ones. provider and api, in any spelling, decide what the report leaves open; they are recognised where it tells.

Tokens: input (uncached), cache_read, cache_write and output (with reasoning) are disjoint and together all that was used; the others are parts of these, and together never more. Once a report tells any count of tokens, these four and reasoning are known, and 0 if left out; everything else is NULL unless told. A report without usage gives NULLs. A total is never counted but where it is all that an embedding or reranking tells; unexplained_tokens is what the total has beyond the counts, such as hidden reasoning.

Other units: searches, input_seconds and so on; an application may add them, and counts of its own, under these names. reported_cost is the sender''s own figure in US dollars; with byok, upstream_cost is what the customer''s own key was charged. other_usage is an array of reports of what other models used (Anthropic''s advisor), each of which is a usage report of its own, to be billed at the price of its model. service_tier is standard, flex, priority, batch or as told.

Errors: 22023 for a value of the wrong type, a fraction of a token, or events of several responses; 22P02 for a string that holds no number; 22003 for a number that is negative or beyond 10^12. Each names the field.';
