/*-------------------------------------------------------------------------
 *
 * report_names.c
 *		The names that providers use in their usage reports, and what they mean.
 *
 * These tables are all that is known of single providers, as their documentation
 * and recorded responses have it.  A name means the same count wherever it
 * occurs; what the count includes is a matter of the flavour.  Several names of
 * one count in the same report are the same number told twice.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pricing/report_names.h"

const FlavourTraits flavour_traits[REPORT_FLAVOURS] = {
	[FLAVOUR_OPENTELEMETRY] = {
		.api = "opentelemetry",
		.has_cache = true, .cache_in_input = true, .reasoning_in_output = true
	},
	[FLAVOUR_COHERE] = {
		.api = "cohere", .provider = "cohere",
		.reasoning_in_output = true
	},
	[FLAVOUR_GEMINI] = {
		.api = "generateContent", .provider = "google",
		.has_cache = true, .cache_in_input = true
	},
	[FLAVOUR_INTERACTIONS] = {
		.api = "interactions", .provider = "google",
		.has_cache = true, .cache_in_input = true
	},
	[FLAVOUR_AI_SDK] = {
		.api = "ai-sdk",
		.has_cache = true, .cache_in_input = true, .reasoning_in_output = true
	},
	[FLAVOUR_CONVERSE] = {
		.api = "converse", .provider = "bedrock",
		.has_cache = true, .reasoning_in_output = true
	},
	[FLAVOUR_OLLAMA] = {
		.api = "ollama", .provider = "ollama",
		.reasoning_in_output = true
	},
	[FLAVOUR_CHAT] = {
		.api = "chat.completions",
		.has_cache = true, .cache_in_input = true, .reasoning_in_output = true, .total_decides = true
	},
	[FLAVOUR_RESPONSES] = {
		.api = "responses",
		.has_cache = true, .cache_in_input = true, .reasoning_in_output = true, .total_decides = true
	},
	[FLAVOUR_MESSAGES] = {
		.api = "messages", .provider = "anthropic",
		.has_cache = true, .reasoning_in_output = true
	},
	[FLAVOUR_NORMALIZED] = {
		.api = "normalized",
		.has_cache = true, .reasoning_in_output = true
	},
	[FLAVOUR_PLAIN] = {
		.has_cache = true, .cache_in_input = true, .reasoning_in_output = true, .total_decides = true
	},
};

/* ----------------------------------------------------------------
 * Names
 * ----------------------------------------------------------------
 */

#define NAME(text) \
	.name = (text), .length = sizeof(text) - 1
#define COUNT(text, its_flavour, count) \
	{NAME(text), .flavour = (its_flavour), .scalar = SCALAR_COUNT, .target = (count)}
#define COUNT_OF(text, its_flavour, count, its_provider) \
	{NAME(text), .flavour = (its_flavour), .scalar = SCALAR_COUNT, .target = (count), .provider = (its_provider)}
#define AMOUNT(text, amount, its_provider) \
	{NAME(text), .scalar = SCALAR_AMOUNT, .target = (amount), .provider = (its_provider)}
#define TEXT(text, its_text) \
	{NAME(text), .scalar = SCALAR_TEXT, .target = (its_text)}
#define MARK(text, its_provider) \
	{NAME(text), .provider = (its_provider)}
#define OBJECT(text, its_flavour, its_place) \
	{NAME(text), .flavour = (its_flavour), .place = (its_place)}
#define ENVELOPE(text, its_place) \
	{NAME(text), .place = (its_place), .is_envelope = true}
#define MODALITIES(text, its_flavour, audio_count) \
	{NAME(text), .flavour = (its_flavour), .list = LIST_MODALITIES, .target = (audio_count)}

static const ReportName report_names[] = {
	/* where the report is */
	OBJECT("usage", FLAVOUR_NONE, PLACE_REPORT),
	OBJECT("usageMetadata", FLAVOUR_NONE, PLACE_REPORT),
	OBJECT("usage_metadata", FLAVOUR_NONE, PLACE_REPORT),
	ENVELOPE("message", PLACE_REPORT),
	ENVELOPE("response", PLACE_REPORT),
	ENVELOPE("body", PLACE_REPORT),
	ENVELOPE("result", PLACE_REPORT),
	ENVELOPE("interaction", PLACE_REPORT),
	ENVELOPE("delta", PLACE_REPORT),
	ENVELOPE("data", PLACE_REPORT),
	ENVELOPE("meta", PLACE_REPORT),
	ENVELOPE("metadata", PLACE_STREAM_METADATA),
	{NAME("x_groq"), .place = PLACE_STREAM_METADATA, .is_envelope = true, .provider = "groq"},
	{NAME("attributes"), .place = PLACE_REPORT, .is_envelope = true, .list = LIST_ATTRIBUTES},

	/* what was asked and who answered */
	TEXT("model", TEXT_MODEL),
	TEXT("modelVersion", TEXT_MODEL),
	TEXT("model_version", TEXT_MODEL),
	TEXT("id", TEXT_RESPONSE_ID),
	TEXT("responseId", TEXT_RESPONSE_ID),
	TEXT("response_id", TEXT_RESPONSE_ID),
	TEXT("service_tier", TEXT_SERVICE_TIER),
	{NAME("serviceTier"), .scalar = SCALAR_TEXT, .target = TEXT_SERVICE_TIER, .place = PLACE_TIER},
	TEXT("trafficType", TEXT_SERVICE_TIER),
	TEXT("traffic_type", TEXT_SERVICE_TIER),
	{NAME("inference_geo"), .scalar = SCALAR_TEXT, .target = TEXT_REGION, .flavour = FLAVOUR_MESSAGES},
	TEXT("object", TEXT_OBJECT),
	TEXT("custom_id", TEXT_CUSTOM_ID),

	/* chat completions, completions, embeddings of OpenAI and those alike */
	COUNT("prompt_tokens", FLAVOUR_CHAT, COUNT_INPUT),
	COUNT("completion_tokens", FLAVOUR_CHAT, COUNT_OUTPUT),
	COUNT("total_tokens", FLAVOUR_NONE, COUNT_TOTAL),
	/* an array in Gemini's other spelling */
	{NAME("prompt_tokens_details"), .flavour = FLAVOUR_CHAT, .place = PLACE_INPUT_DETAILS,
	.list = LIST_MODALITIES, .target = COUNT_INPUT_AUDIO},
	OBJECT("prompt_token_details", FLAVOUR_CHAT, PLACE_INPUT_DETAILS),
	OBJECT("completion_tokens_details", FLAVOUR_CHAT, PLACE_OUTPUT_DETAILS),
	COUNT("cached_tokens", FLAVOUR_NONE, COUNT_CACHE_READ),
	COUNT("reasoning_tokens", FLAVOUR_NONE, COUNT_REASONING),
	COUNT("audio_prompt_tokens", FLAVOUR_CHAT, COUNT_INPUT_AUDIO),
	COUNT_OF("num_cached_tokens", FLAVOUR_CHAT, COUNT_CACHE_READ, "mistral"),
	AMOUNT("prompt_audio_seconds", INPUT_SECONDS, "mistral"),
	COUNT_OF("prompt_cache_hit_tokens", FLAVOUR_CHAT, COUNT_CACHE_READ, "deepseek"),
	COUNT_OF("prompt_cache_miss_tokens", FLAVOUR_CHAT, COUNT_UNCACHED, "deepseek"),
	COUNT_OF("citation_tokens", FLAVOUR_CHAT, COUNT_EXTRA_INPUT, "perplexity"),
	AMOUNT("num_search_queries", SEARCHES, "perplexity"),
	MARK("search_context_size", "perplexity"),
	MARK("prompt_time", "groq"),
	{NAME("cost"), .scalar = SCALAR_AMOUNT, .target = AMOUNT_COST, .place = PLACE_COST},
	{NAME("cost_details"), .place = PLACE_COST, .provider = "openrouter"},
	{NAME("is_byok"), .scalar = SCALAR_BYOK, .provider = "openrouter"},
	AMOUNT("cost_in_usd_ticks", AMOUNT_COST_TICKS, "xai"),
	MARK("num_sources_used", "xai"),
	OBJECT("server_side_tool_usage_details", FLAVOUR_NONE, PLACE_SERVER_TOOLS),

	/* responses, transcriptions, images, realtime of OpenAI and those alike */
	COUNT("input_tokens", FLAVOUR_PLAIN, COUNT_INPUT),
	COUNT("output_tokens", FLAVOUR_PLAIN, COUNT_OUTPUT),
	OBJECT("input_tokens_details", FLAVOUR_RESPONSES, PLACE_INPUT_DETAILS),
	OBJECT("input_token_details", FLAVOUR_RESPONSES, PLACE_INPUT_DETAILS),
	OBJECT("output_tokens_details", FLAVOUR_NONE, PLACE_OUTPUT_DETAILS),
	OBJECT("output_token_details", FLAVOUR_NONE, PLACE_OUTPUT_DETAILS),
	AMOUNT("seconds", INPUT_SECONDS, NULL),

	/* messages of Anthropic */
	COUNT("cache_read_input_tokens", FLAVOUR_MESSAGES, COUNT_CACHE_READ),
	COUNT("cache_creation_input_tokens", FLAVOUR_MESSAGES, COUNT_CACHE_WRITE),
	OBJECT("cache_creation", FLAVOUR_MESSAGES, PLACE_CACHE_CREATION),
	OBJECT("server_tool_use", FLAVOUR_MESSAGES, PLACE_SERVER_TOOLS),
	{NAME("iterations"), .flavour = FLAVOUR_MESSAGES, .list = LIST_ITERATIONS},

	/* Converse of Amazon Bedrock */
	COUNT("inputTokens", FLAVOUR_CONVERSE, COUNT_INPUT),
	COUNT("outputTokens", FLAVOUR_CONVERSE, COUNT_OUTPUT),
	COUNT("totalTokens", FLAVOUR_NONE, COUNT_TOTAL),
	COUNT("cacheReadInputTokens", FLAVOUR_CONVERSE, COUNT_CACHE_READ),
	COUNT("cacheReadInputTokenCount", FLAVOUR_CONVERSE, COUNT_CACHE_READ),
	COUNT("cacheWriteInputTokens", FLAVOUR_CONVERSE, COUNT_CACHE_WRITE),
	COUNT("cacheWriteInputTokenCount", FLAVOUR_CONVERSE, COUNT_CACHE_WRITE),
	{NAME("cacheDetails"), .flavour = FLAVOUR_CONVERSE, .list = LIST_LIFETIMES},

	/* what the AI SDK of Vercel makes of any report */
	COUNT("cachedInputTokens", FLAVOUR_AI_SDK, COUNT_CACHE_READ),
	COUNT("reasoningTokens", FLAVOUR_AI_SDK, COUNT_REASONING),
	OBJECT("inputTokenDetails", FLAVOUR_AI_SDK, PLACE_INPUT_DETAILS),
	OBJECT("outputTokenDetails", FLAVOUR_AI_SDK, PLACE_OUTPUT_DETAILS),

	/* generateContent, Live and embedContent of Google Gemini */
	COUNT("promptTokenCount", FLAVOUR_GEMINI, COUNT_INPUT),
	COUNT("prompt_token_count", FLAVOUR_GEMINI, COUNT_INPUT),
	COUNT("cachedContentTokenCount", FLAVOUR_GEMINI, COUNT_CACHE_READ),
	COUNT("cached_content_token_count", FLAVOUR_GEMINI, COUNT_CACHE_READ),
	COUNT("toolUsePromptTokenCount", FLAVOUR_GEMINI, COUNT_EXTRA_INPUT),
	COUNT("tool_use_prompt_token_count", FLAVOUR_GEMINI, COUNT_EXTRA_INPUT),
	COUNT("candidatesTokenCount", FLAVOUR_GEMINI, COUNT_OUTPUT),
	COUNT("candidates_token_count", FLAVOUR_GEMINI, COUNT_OUTPUT),
	COUNT("responseTokenCount", FLAVOUR_GEMINI, COUNT_OUTPUT),
	COUNT("response_token_count", FLAVOUR_GEMINI, COUNT_OUTPUT),
	COUNT("thoughtsTokenCount", FLAVOUR_GEMINI, COUNT_REASONING),
	COUNT("thoughts_token_count", FLAVOUR_GEMINI, COUNT_REASONING),
	COUNT("totalTokenCount", FLAVOUR_NONE, COUNT_TOTAL),
	COUNT("total_token_count", FLAVOUR_NONE, COUNT_TOTAL),
	MODALITIES("promptTokensDetails", FLAVOUR_GEMINI, COUNT_INPUT_AUDIO),
	MODALITIES("promptTokenDetails", FLAVOUR_GEMINI, COUNT_INPUT_AUDIO),
	MODALITIES("cacheTokensDetails", FLAVOUR_GEMINI, COUNT_CACHE_READ_AUDIO),
	MODALITIES("cache_tokens_details", FLAVOUR_GEMINI, COUNT_CACHE_READ_AUDIO),
	MODALITIES("toolUsePromptTokensDetails", FLAVOUR_GEMINI, COUNT_EXTRA_AUDIO),
	MODALITIES("tool_use_prompt_tokens_details", FLAVOUR_GEMINI, COUNT_EXTRA_AUDIO),
	MODALITIES("candidatesTokensDetails", FLAVOUR_GEMINI, COUNT_OUTPUT_AUDIO),
	MODALITIES("candidates_tokens_details", FLAVOUR_GEMINI, COUNT_OUTPUT_AUDIO),
	MODALITIES("responseTokensDetails", FLAVOUR_GEMINI, COUNT_OUTPUT_AUDIO),
	MODALITIES("response_tokens_details", FLAVOUR_GEMINI, COUNT_OUTPUT_AUDIO),

	/* Interactions of Google Gemini */
	COUNT("total_input_tokens", FLAVOUR_INTERACTIONS, COUNT_INPUT),
	COUNT("total_cached_tokens", FLAVOUR_INTERACTIONS, COUNT_CACHE_READ),
	COUNT("total_tool_use_tokens", FLAVOUR_INTERACTIONS, COUNT_EXTRA_INPUT),
	COUNT("total_output_tokens", FLAVOUR_INTERACTIONS, COUNT_OUTPUT),
	COUNT("total_thought_tokens", FLAVOUR_INTERACTIONS, COUNT_REASONING),
	MODALITIES("input_tokens_by_modality", FLAVOUR_INTERACTIONS, COUNT_INPUT_AUDIO),
	MODALITIES("cached_tokens_by_modality", FLAVOUR_INTERACTIONS, COUNT_CACHE_READ_AUDIO),
	MODALITIES("tool_use_tokens_by_modality", FLAVOUR_INTERACTIONS, COUNT_EXTRA_AUDIO),
	MODALITIES("output_tokens_by_modality", FLAVOUR_INTERACTIONS, COUNT_OUTPUT_AUDIO),

	/* Cohere: tokens and cached_tokens beside it are not billed */
	OBJECT("billed_units", FLAVOUR_COHERE, PLACE_BILLED_UNITS),

	/* Ollama's own API */
	COUNT("prompt_eval_count", FLAVOUR_OLLAMA, COUNT_INPUT),
	COUNT("eval_count", FLAVOUR_OLLAMA, COUNT_OUTPUT),

	/* attributes of OpenTelemetry, flat */
	COUNT("gen_ai.usage.input_tokens", FLAVOUR_OPENTELEMETRY, COUNT_INPUT),
	COUNT("gen_ai.usage.prompt_tokens", FLAVOUR_OPENTELEMETRY, COUNT_INPUT),
	COUNT("gen_ai.usage.output_tokens", FLAVOUR_OPENTELEMETRY, COUNT_OUTPUT),
	COUNT("gen_ai.usage.completion_tokens", FLAVOUR_OPENTELEMETRY, COUNT_OUTPUT),
	COUNT("gen_ai.usage.cache_read.input_tokens", FLAVOUR_OPENTELEMETRY, COUNT_CACHE_READ),
	COUNT("gen_ai.usage.cache_creation.input_tokens", FLAVOUR_OPENTELEMETRY, COUNT_CACHE_WRITE),
	COUNT("gen_ai.usage.reasoning.output_tokens", FLAVOUR_OPENTELEMETRY, COUNT_REASONING),
	TEXT("gen_ai.provider.name", TEXT_PROVIDER),
	TEXT("gen_ai.system", TEXT_PROVIDER),
	TEXT("gen_ai.request.model", TEXT_REQUEST_MODEL),
	TEXT("gen_ai.response.model", TEXT_MODEL),
	TEXT("gen_ai.response.id", TEXT_RESPONSE_ID),
	TEXT("openai.response.service_tier", TEXT_SERVICE_TIER),
	TEXT("gen_ai.openai.response.service_tier", TEXT_SERVICE_TIER),
	OBJECT("gen_ai", FLAVOUR_NONE, PLACE_GEN_AI),

	/* our own, for what an application counts itself */
	COUNT("cache_read_tokens", FLAVOUR_NORMALIZED, COUNT_CACHE_READ),
	COUNT("cache_write_tokens", FLAVOUR_NORMALIZED, COUNT_CACHE_WRITE),
	COUNT("cache_write_1h_tokens", FLAVOUR_NORMALIZED, COUNT_CACHE_WRITE_1H),
	COUNT("input_audio_tokens", FLAVOUR_NORMALIZED, COUNT_INPUT_AUDIO),
	COUNT("input_image_tokens", FLAVOUR_NORMALIZED, COUNT_INPUT_IMAGE),
	COUNT("input_video_tokens", FLAVOUR_NORMALIZED, COUNT_INPUT_VIDEO),
	COUNT("cache_read_audio_tokens", FLAVOUR_NORMALIZED, COUNT_CACHE_READ_AUDIO),
	COUNT("cache_write_audio_tokens", FLAVOUR_NORMALIZED, COUNT_CACHE_WRITE_AUDIO),
	COUNT("output_audio_tokens", FLAVOUR_NORMALIZED, COUNT_OUTPUT_AUDIO),
	COUNT("output_image_tokens", FLAVOUR_NORMALIZED, COUNT_OUTPUT_IMAGE),
	COUNT("output_video_tokens", FLAVOUR_NORMALIZED, COUNT_OUTPUT_VIDEO),
	AMOUNT("searches", SEARCHES, NULL),
	AMOUNT("input_seconds", INPUT_SECONDS, NULL),
	AMOUNT("output_seconds", OUTPUT_SECONDS, NULL),
	AMOUNT("input_characters", INPUT_CHARACTERS, NULL),
	AMOUNT("output_characters", OUTPUT_CHARACTERS, NULL),
	AMOUNT("input_images", INPUT_IMAGES, NULL),
	AMOUNT("output_images", OUTPUT_IMAGES, NULL),
	AMOUNT("requests", REQUESTS, NULL),
	AMOUNT("reported_cost", AMOUNT_COST, NULL),
};

static const ReportName stream_metadata_names[] = {
	OBJECT("usage", FLAVOUR_NONE, PLACE_REPORT),
	OBJECT("serviceTier", FLAVOUR_NONE, PLACE_TIER),
};

static const ReportName input_details_names[] = {
	COUNT("cached_tokens", FLAVOUR_NONE, COUNT_CACHE_READ),
	COUNT("cache_write_tokens", FLAVOUR_NONE, COUNT_CACHE_WRITE),
	COUNT("audio_tokens", FLAVOUR_NONE, COUNT_INPUT_AUDIO),
	COUNT("image_tokens", FLAVOUR_NONE, COUNT_INPUT_IMAGE),
	COUNT("video_tokens", FLAVOUR_NONE, COUNT_INPUT_VIDEO),
	OBJECT("cached_tokens_details", FLAVOUR_NONE, PLACE_CACHED_DETAILS),
	/* Alibaba */
	COUNT("cache_creation_input_tokens", FLAVOUR_NONE, COUNT_CACHE_WRITE),
	/* LangChain; to Alibaba it is an object */
	COUNT("cache_read", FLAVOUR_NONE, COUNT_CACHE_READ),
	{NAME("cache_creation"), .scalar = SCALAR_COUNT, .target = COUNT_CACHE_WRITE, .place = PLACE_CACHE_CREATION},
	COUNT("audio", FLAVOUR_NONE, COUNT_INPUT_AUDIO),
	/* the AI SDK */
	COUNT("noCacheTokens", FLAVOUR_NONE, COUNT_UNCACHED),
	COUNT("cacheReadTokens", FLAVOUR_NONE, COUNT_CACHE_READ),
	COUNT("cacheWriteTokens", FLAVOUR_NONE, COUNT_CACHE_WRITE),
};

static const ReportName output_details_names[] = {
	COUNT("reasoning_tokens", FLAVOUR_RESPONSES, COUNT_REASONING),
	COUNT("thinking_tokens", FLAVOUR_MESSAGES, COUNT_REASONING),
	COUNT("audio_tokens", FLAVOUR_NONE, COUNT_OUTPUT_AUDIO),
	COUNT("image_tokens", FLAVOUR_NONE, COUNT_OUTPUT_IMAGE),
	COUNT("video_tokens", FLAVOUR_NONE, COUNT_OUTPUT_VIDEO),
	/* LangChain */
	COUNT("reasoning", FLAVOUR_RESPONSES, COUNT_REASONING),
	COUNT("audio", FLAVOUR_NONE, COUNT_OUTPUT_AUDIO),
	/* the AI SDK */
	COUNT("reasoningTokens", FLAVOUR_NONE, COUNT_REASONING),
};

static const ReportName cached_details_names[] = {
	COUNT("audio_tokens", FLAVOUR_NONE, COUNT_CACHE_READ_AUDIO),
	COUNT("image_tokens", FLAVOUR_NONE, COUNT_CACHE_READ_IMAGE),
	COUNT("video_tokens", FLAVOUR_NONE, COUNT_CACHE_READ_VIDEO),
};

static const ReportName cache_creation_names[] = {
	COUNT("ephemeral_5m_input_tokens", FLAVOUR_NONE, COUNT_CACHE_WRITE_5M),
	COUNT("ephemeral_1h_input_tokens", FLAVOUR_NONE, COUNT_CACHE_WRITE_1H),
};

static const ReportName billed_units_names[] = {
	COUNT("input_tokens", FLAVOUR_COHERE, COUNT_INPUT),
	COUNT("output_tokens", FLAVOUR_COHERE, COUNT_OUTPUT),
	COUNT("image_tokens", FLAVOUR_COHERE, COUNT_EXTRA_IMAGE),
	AMOUNT("images", INPUT_IMAGES, NULL),
	AMOUNT("search_units", SEARCHES, NULL),
};

/* web_fetch_requests are not billed */
static const ReportName server_tools_names[] = {
	AMOUNT("web_search_requests", SEARCHES, NULL),
	AMOUNT("web_search_calls", SEARCHES, "xai"),
	AMOUNT("x_search_calls", AMOUNT_X_SEARCHES, "xai"),
};

static const ReportName cost_names[] = {
	AMOUNT("total_cost", AMOUNT_COST, "perplexity"),
	AMOUNT("upstream_inference_cost", AMOUNT_UPSTREAM_COST, "openrouter"),
};

static const ReportName tier_names[] = {
	TEXT("type", TEXT_SERVICE_TIER),
};

/* attributes of OpenTelemetry, nested */
static const ReportName gen_ai_names[] = {
	OBJECT("usage", FLAVOUR_NONE, PLACE_GEN_AI_USAGE),
	OBJECT("provider", FLAVOUR_NONE, PLACE_GEN_AI_PROVIDER),
	OBJECT("request", FLAVOUR_NONE, PLACE_GEN_AI_REQUEST),
	OBJECT("response", FLAVOUR_NONE, PLACE_GEN_AI_RESPONSE),
	TEXT("system", TEXT_PROVIDER),
};

static const ReportName gen_ai_provider_names[] = {
	TEXT("name", TEXT_PROVIDER),
};

static const ReportName gen_ai_request_names[] = {
	TEXT("model", TEXT_REQUEST_MODEL),
};

static const ReportName gen_ai_response_names[] = {
	TEXT("model", TEXT_MODEL),
	TEXT("id", TEXT_RESPONSE_ID),
};

static const ReportName gen_ai_usage_names[] = {
	COUNT("input_tokens", FLAVOUR_OPENTELEMETRY, COUNT_INPUT),
	COUNT("prompt_tokens", FLAVOUR_OPENTELEMETRY, COUNT_INPUT),
	COUNT("output_tokens", FLAVOUR_OPENTELEMETRY, COUNT_OUTPUT),
	COUNT("completion_tokens", FLAVOUR_OPENTELEMETRY, COUNT_OUTPUT),
	OBJECT("cache_read", FLAVOUR_NONE, PLACE_GEN_AI_CACHE_READ),
	OBJECT("cache_creation", FLAVOUR_NONE, PLACE_GEN_AI_CACHE_CREATION),
	OBJECT("reasoning", FLAVOUR_NONE, PLACE_GEN_AI_REASONING),
};

static const ReportName gen_ai_cache_read_names[] = {
	COUNT("input_tokens", FLAVOUR_OPENTELEMETRY, COUNT_CACHE_READ),
};

static const ReportName gen_ai_cache_creation_names[] = {
	COUNT("input_tokens", FLAVOUR_OPENTELEMETRY, COUNT_CACHE_WRITE),
};

static const ReportName gen_ai_reasoning_names[] = {
	COUNT("output_tokens", FLAVOUR_OPENTELEMETRY, COUNT_REASONING),
};

#define PLACE(names)	{(names), lengthof(names)}

static const struct
{
	const ReportName *names;
	int			count;
}			places[REPORT_PLACES] = {
	[PLACE_REPORT] = PLACE(report_names),
	[PLACE_STREAM_METADATA] = PLACE(stream_metadata_names),
	[PLACE_INPUT_DETAILS] = PLACE(input_details_names),
	[PLACE_OUTPUT_DETAILS] = PLACE(output_details_names),
	[PLACE_CACHED_DETAILS] = PLACE(cached_details_names),
	[PLACE_CACHE_CREATION] = PLACE(cache_creation_names),
	[PLACE_BILLED_UNITS] = PLACE(billed_units_names),
	[PLACE_SERVER_TOOLS] = PLACE(server_tools_names),
	[PLACE_COST] = PLACE(cost_names),
	[PLACE_TIER] = PLACE(tier_names),
	[PLACE_GEN_AI] = PLACE(gen_ai_names),
	[PLACE_GEN_AI_PROVIDER] = PLACE(gen_ai_provider_names),
	[PLACE_GEN_AI_REQUEST] = PLACE(gen_ai_request_names),
	[PLACE_GEN_AI_RESPONSE] = PLACE(gen_ai_response_names),
	[PLACE_GEN_AI_USAGE] = PLACE(gen_ai_usage_names),
	[PLACE_GEN_AI_CACHE_READ] = PLACE(gen_ai_cache_read_names),
	[PLACE_GEN_AI_CACHE_CREATION] = PLACE(gen_ai_cache_creation_names),
	[PLACE_GEN_AI_REASONING] = PLACE(gen_ai_reasoning_names),
};

/* No name is longer, and no place has more names. */
#define NAME_LENGTH_MAX		48
#define PLACE_NAMES_MAX		160

/*
 * Names by length: the number of the first one of a length in a place, and of the
 * next one of the same length, counted from 1; 0 ends.  Made at first use.
 */
static uint8 first_of_length[REPORT_PLACES][NAME_LENGTH_MAX + 1];
static uint8 next_of_length[REPORT_PLACES][PLACE_NAMES_MAX + 1];
static bool names_are_indexed = false;

static void
index_names(void)
{
	int			place;
	int			number;

	for (place = 0; place < REPORT_PLACES; place++)
	{
		Assert(places[place].count <= PLACE_NAMES_MAX);
		for (number = places[place].count; number > 0; number--)
		{
			uint8	   *first = &first_of_length[place][places[place].names[number - 1].length];

			Assert(places[place].names[number - 1].length <= NAME_LENGTH_MAX);
			next_of_length[place][number] = *first;
			*first = number;
		}
	}
	names_are_indexed = true;
}

const ReportName *
report_name_find(ReportPlace place, const char *name, size_t length)
{
	int			number;

	if (!names_are_indexed)
		index_names();
	if (length > NAME_LENGTH_MAX)
		return NULL;
	for (number = first_of_length[place][length]; number != 0; number = next_of_length[place][number])
	{
		if (memcmp(places[place].names[number - 1].name, name, length) == 0)
			return &places[place].names[number - 1];
	}
	return NULL;
}

/* ----------------------------------------------------------------
 * Providers and flavours by name
 * ----------------------------------------------------------------
 */

/* Aliases are folded: lower case, letters and digits only. */
static const ReportProvider providers[] = {
	{.name = "openai", .aliases = {"openai"}},
	{.name = "azure", .aliases = {"azure", "azureopenai", "azureaiopenai", "azopenai"}},
	{.name = "azure_ai", .aliases = {"azureai", "azureaiinference", "azureaifoundry"}},
	{.name = "anthropic", .aliases = {"anthropic", "claude"}, .plain_flavour = FLAVOUR_MESSAGES},
	{.name = "bedrock", .aliases = {"bedrock", "awsbedrock", "amazonbedrock", "bedrockconverse"}, .plain_flavour = FLAVOUR_MESSAGES},
	{.name = "google", .aliases = {"google", "gemini", "gcpgemini", "gcpgenai", "googlegenai", "googlegemini"}},
	{.name = "vertex_ai", .aliases = {"vertexai", "gcpvertexai", "googlevertexai", "vertex", "googlevertex"}, .plain_flavour = FLAVOUR_MESSAGES},
	{.name = "mistral", .aliases = {"mistral", "mistralai"}},
	{.name = "cohere", .aliases = {"cohere", "cohereai"}},
	{.name = "xai", .aliases = {"xai", "grok"}, .chat_reasoning_beside = true},
	{.name = "deepseek", .aliases = {"deepseek"}},
	{.name = "groq", .aliases = {"groq"}},
	{.name = "openrouter", .aliases = {"openrouter"}},
	{.name = "perplexity", .aliases = {"perplexity", "perplexityai"}, .chat_reasoning_extra = true},
	{.name = "ollama", .aliases = {"ollama"}},
	{.name = "vllm", .aliases = {"vllm", "hostedvllm"}},
	{.name = "alibaba", .aliases = {"alibaba", "alibabacloud", "dashscope", "qwen"}},
	{.name = "moonshot", .aliases = {"moonshot", "moonshotai", "kimi"}},
	{.name = "huggingface", .aliases = {"huggingface", "hf"}},
	{.name = "voyage", .aliases = {"voyage", "voyageai"}, .total_is_input = true},
	{.name = "jina", .aliases = {"jina", "jinaai"}, .total_is_input = true},
	{.name = "cerebras", .aliases = {"cerebras"}},
	{.name = "together_ai", .aliases = {"togetherai", "together"}},
	{.name = "fireworks_ai", .aliases = {"fireworksai", "fireworks"}},
	{.name = "zai", .aliases = {"zai", "zhipu", "zhipuai"}},
	{.name = "watsonx", .aliases = {"watsonx", "ibmwatsonxai", "watsonxai"}},
};

#define FOLDED_SIZE 64

/* Lower case, letters and digits only; false if that does not fit. */
static bool
fold(const char *name, size_t length, char *folded)
{
	size_t		used = 0;
	size_t		i;

	for (i = 0; i < length; i++)
	{
		char		c = pg_ascii_tolower((unsigned char) name[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')))
			continue;
		if (used == FOLDED_SIZE - 1)
			return false;
		folded[used++] = c;
	}
	folded[used] = '\0';
	return true;
}

const ReportProvider *
report_provider_find(const char *name, size_t length)
{
	char		folded[FOLDED_SIZE];
	int			i;
	int			j;

	if (!fold(name, length, folded))
		return NULL;
	for (i = 0; i < (int) lengthof(providers); i++)
	{
		for (j = 0; j < (int) lengthof(providers[i].aliases) && providers[i].aliases[j] != NULL; j++)
		{
			if (strcmp(folded, providers[i].aliases[j]) == 0)
				return &providers[i];
		}
	}
	return NULL;
}

/* Users write more than the name: "v1/messages", "gemini.generateContent". */
ReportFlavour
report_flavour_find(const char *api, size_t length)
{
	char		folded[FOLDED_SIZE];
	char		name[FOLDED_SIZE];
	int			i;

	if (!fold(api, length, folded))
		return FLAVOUR_NONE;
	for (i = 0; i < REPORT_FLAVOURS; i++)
	{
		if (flavour_traits[i].api != NULL &&
			fold(flavour_traits[i].api, strlen(flavour_traits[i].api), name) &&
			strstr(folded, name) != NULL)
			return i;
	}
	return FLAVOUR_NONE;
}
