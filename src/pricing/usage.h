/*-------------------------------------------------------------------------
 *
 * usage.h
 *		What an execution used: counts of tokens and of other units.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_USAGE_H
#define USAGE_METER_PRICING_USAGE_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pricing/refusal.h"

/*
 * Kinds of tokens.  The first four are disjoint and together all that was used;
 * each other kind is a part of one of them.
 */
typedef enum TokenKind
{
	INPUT_TOKENS,				/* uncached */
	CACHE_READ_TOKENS,
	CACHE_WRITE_TOKENS,			/* whatever the time to live */
	OUTPUT_TOKENS,				/* with reasoning */
	/* part of cache write */
	CACHE_WRITE_1H_TOKENS,		/* kept for an hour, not five minutes */
	/* part of output */
	REASONING_TOKENS,
	/* parts of input by modality */
	INPUT_AUDIO_TOKENS,
	INPUT_IMAGE_TOKENS,
	INPUT_VIDEO_TOKENS,
	/* parts of cache read and cache write */
	CACHE_READ_AUDIO_TOKENS,
	CACHE_WRITE_AUDIO_TOKENS,
	/* parts of output by modality */
	OUTPUT_AUDIO_TOKENS,
	OUTPUT_IMAGE_TOKENS,
	OUTPUT_VIDEO_TOKENS
} TokenKind;

#define TOKEN_KINDS (OUTPUT_VIDEO_TOKENS + 1)

/* "input_tokens" and so on, as in SQL. */
extern const char *const token_kind_names[TOKEN_KINDS];

/* The kind that this one is a part of; itself for the first four. */
extern const TokenKind token_kind_wholes[TOKEN_KINDS];

/* What is counted besides tokens; may have fractions. */
typedef enum UsageUnit
{
	SEARCHES,
	INPUT_SECONDS,				/* of audio or video */
	OUTPUT_SECONDS,
	INPUT_CHARACTERS,
	OUTPUT_CHARACTERS,
	INPUT_IMAGES,
	OUTPUT_IMAGES,
	REQUESTS
} UsageUnit;

#define USAGE_UNITS (REQUESTS + 1)

/* "searches" and so on, as in SQL. */
extern const char *const usage_unit_names[USAGE_UNITS];

/* The most of one unit that one execution can have used. */
#define USAGE_QUANTITY_MAX	INT64CONST(1000000000000)

/* So much of another unit than tokens: one of those above, or of any name. */
typedef struct UnitCount
{
	const char *unit;
	Numeric		quantity;
} UnitCount;

/*
 * All that one execution used, and under which conditions.  No count is
 * negative.  Service tier and region are NULL if not known.
 */
typedef struct Usage
{
	int64		tokens[TOKEN_KINDS];
	int			unit_count;
	UnitCount  *units;
	text	   *service_tier;
	text	   *region;
} Usage;

extern int	token_kind_find(const char *name);
extern void usage_add_units(Usage *usage, Jsonb *units, Refusal *refusal);
extern void usage_check_parts(const Usage *usage, Refusal *refusal);

#endif							/* USAGE_METER_PRICING_USAGE_H */
