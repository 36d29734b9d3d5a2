/*-------------------------------------------------------------------------
 *
 * usage.c
 *		What an execution used: counts of tokens and of other units.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pricing/usage.h"

const char *const token_kind_names[TOKEN_KINDS] = {
	[INPUT_TOKENS] = "input_tokens",
	[CACHE_READ_TOKENS] = "cache_read_tokens",
	[CACHE_WRITE_TOKENS] = "cache_write_tokens",
	[OUTPUT_TOKENS] = "output_tokens",
	[CACHE_WRITE_1H_TOKENS] = "cache_write_1h_tokens",
	[REASONING_TOKENS] = "reasoning_tokens",
	[INPUT_AUDIO_TOKENS] = "input_audio_tokens",
	[INPUT_IMAGE_TOKENS] = "input_image_tokens",
	[INPUT_VIDEO_TOKENS] = "input_video_tokens",
	[CACHE_READ_AUDIO_TOKENS] = "cache_read_audio_tokens",
	[CACHE_WRITE_AUDIO_TOKENS] = "cache_write_audio_tokens",
	[OUTPUT_AUDIO_TOKENS] = "output_audio_tokens",
	[OUTPUT_IMAGE_TOKENS] = "output_image_tokens",
	[OUTPUT_VIDEO_TOKENS] = "output_video_tokens",
};

const TokenKind token_kind_wholes[TOKEN_KINDS] = {
	[INPUT_TOKENS] = INPUT_TOKENS,
	[CACHE_READ_TOKENS] = CACHE_READ_TOKENS,
	[CACHE_WRITE_TOKENS] = CACHE_WRITE_TOKENS,
	[OUTPUT_TOKENS] = OUTPUT_TOKENS,
	[CACHE_WRITE_1H_TOKENS] = CACHE_WRITE_TOKENS,
	[REASONING_TOKENS] = OUTPUT_TOKENS,
	[INPUT_AUDIO_TOKENS] = INPUT_TOKENS,
	[INPUT_IMAGE_TOKENS] = INPUT_TOKENS,
	[INPUT_VIDEO_TOKENS] = INPUT_TOKENS,
	[CACHE_READ_AUDIO_TOKENS] = CACHE_READ_TOKENS,
	[CACHE_WRITE_AUDIO_TOKENS] = CACHE_WRITE_TOKENS,
	[OUTPUT_AUDIO_TOKENS] = OUTPUT_TOKENS,
	[OUTPUT_IMAGE_TOKENS] = OUTPUT_TOKENS,
	[OUTPUT_VIDEO_TOKENS] = OUTPUT_TOKENS,
};

const char *const usage_unit_names[USAGE_UNITS] = {
	[SEARCHES] = "searches",
	[INPUT_SECONDS] = "input_seconds",
	[OUTPUT_SECONDS] = "output_seconds",
	[INPUT_CHARACTERS] = "input_characters",
	[OUTPUT_CHARACTERS] = "output_characters",
	[INPUT_IMAGES] = "input_images",
	[OUTPUT_IMAGES] = "output_images",
	[REQUESTS] = "requests",
};
