/*-------------------------------------------------------------------------
 *
 * report_names.h
 *		The names that providers use in their usage reports, and what they mean.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_REPORT_NAMES_H
#define USAGE_METER_PRICING_REPORT_NAMES_H

#include "postgres.h"

#include "pricing/usage.h"

/*
 * API flavours.  Where a report has names of several, the first one decides what
 * its numbers mean; the names of the last are the same for some of the others,
 * and used where nothing tells which.
 */
typedef enum ReportFlavour
{
	FLAVOUR_NONE,
	FLAVOUR_OPENTELEMETRY,
	FLAVOUR_COHERE,
	FLAVOUR_GEMINI,
	FLAVOUR_INTERACTIONS,
	FLAVOUR_AI_SDK,
	FLAVOUR_CONVERSE,
	FLAVOUR_OLLAMA,
	FLAVOUR_CHAT,
	FLAVOUR_RESPONSES,
	FLAVOUR_MESSAGES,
	FLAVOUR_NORMALIZED,
	FLAVOUR_PLAIN
} ReportFlavour;

#define REPORT_FLAVOURS (FLAVOUR_PLAIN + 1)

/* What the numbers of a flavour mean. */
typedef struct FlavourTraits
{
	const char *api;			/* what users call it; NULL if it has no name */
	const char *provider;		/* whose it is, NULL if many send it */
	bool		has_cache;		/* cache counts are of what is billed */
	bool		cache_in_input; /* input includes cache reads and writes */
	bool		reasoning_in_output;	/* output includes reasoning */
	bool		total_decides;	/* unless the total proves otherwise */
} FlavourTraits;

extern const FlavourTraits flavour_traits[REPORT_FLAVOURS];

/*
 * Counts that reports tell.  Modalities follow each other in the same order in
 * each group.
 */
typedef enum ReportCount
{
	COUNT_INPUT,				/* with or without the cache: see flavour */
	COUNT_UNCACHED,				/* input without the cache */
	COUNT_EXTRA_INPUT,			/* billed as input, but outside of it */
	COUNT_CACHE_READ,
	COUNT_CACHE_WRITE,
	COUNT_CACHE_WRITE_5M,		/* parts of the writes by time to live */
	COUNT_CACHE_WRITE_1H,
	COUNT_OUTPUT,				/* with or without reasoning: see flavour */
	COUNT_REASONING,
	COUNT_TOTAL,
	COUNT_INPUT_AUDIO,			/* with the cached ones if input is */
	COUNT_INPUT_IMAGE,
	COUNT_INPUT_VIDEO,
	COUNT_EXTRA_AUDIO,
	COUNT_EXTRA_IMAGE,
	COUNT_EXTRA_VIDEO,
	COUNT_CACHE_READ_AUDIO,
	COUNT_CACHE_READ_IMAGE,
	COUNT_CACHE_READ_VIDEO,
	COUNT_CACHE_WRITE_AUDIO,
	COUNT_OUTPUT_AUDIO,
	COUNT_OUTPUT_IMAGE,
	COUNT_OUTPUT_VIDEO
} ReportCount;

#define REPORT_COUNTS (COUNT_OUTPUT_VIDEO + 1)

/* Amounts that reports tell: first those of UsageUnit, then others. */
typedef enum ReportAmount
{
	AMOUNT_X_SEARCHES = USAGE_UNITS,	/* searches of another index */
	AMOUNT_COST,				/* US dollars */
	AMOUNT_COST_TICKS,			/* 1e-10 US dollars */
	AMOUNT_UPSTREAM_COST		/* US dollars */
} ReportAmount;

#define REPORT_AMOUNTS (AMOUNT_UPSTREAM_COST + 1)

typedef enum ReportText
{
	TEXT_PROVIDER,
	TEXT_MODEL,
	TEXT_REQUEST_MODEL,
	TEXT_SERVICE_TIER,
	TEXT_REGION,
	TEXT_RESPONSE_ID,
	TEXT_OBJECT,				/* what kind of thing was returned */
	TEXT_CUSTOM_ID				/* identity within a batch */
} ReportText;

#define REPORT_TEXTS (TEXT_CUSTOM_ID + 1)

/* Objects whose names are known. */
typedef enum ReportPlace
{
	PLACE_NONE,
	PLACE_REPORT,				/* a usage object, or what holds one */
	PLACE_STREAM_METADATA,
	PLACE_INPUT_DETAILS,
	PLACE_OUTPUT_DETAILS,
	PLACE_CACHED_DETAILS,
	PLACE_CACHE_CREATION,
	PLACE_BILLED_UNITS,
	PLACE_SERVER_TOOLS,
	PLACE_COST,
	PLACE_TIER,
	PLACE_GEN_AI,
	PLACE_GEN_AI_PROVIDER,
	PLACE_GEN_AI_REQUEST,
	PLACE_GEN_AI_RESPONSE,
	PLACE_GEN_AI_USAGE,
	PLACE_GEN_AI_CACHE_READ,
	PLACE_GEN_AI_CACHE_CREATION,
	PLACE_GEN_AI_REASONING
} ReportPlace;

#define REPORT_PLACES (PLACE_GEN_AI_REASONING + 1)

/* What a value is if it is a scalar. */
typedef enum ScalarMeaning
{
	SCALAR_IGNORED,
	SCALAR_COUNT,				/* a ReportCount */
	SCALAR_AMOUNT,				/* a ReportAmount */
	SCALAR_TEXT,				/* a ReportText */
	SCALAR_BYOK
} ScalarMeaning;

/* What a value is if it is an array. */
typedef enum ListMeaning
{
	LIST_IGNORED,
	LIST_MODALITIES,			/* counts by modality; of the ReportCount of audio */
	LIST_LIFETIMES,				/* cache writes by time to live */
	LIST_ITERATIONS,			/* passes, each with counts of its own */
	LIST_ATTRIBUTES				/* pairs of key and value */
} ListMeaning;

/* A name in a place. */
typedef struct ReportName
{
	const char *name;
	uint8		length;
	uint8		flavour;		/* that it tells of */
	uint8		scalar;
	uint8		list;
	uint8		target;			/* which count, amount or text it is */
	uint8		place;			/* what it is if it is an object */
	bool		is_envelope;	/* look into the object only if there is no report
								 * beside it */
	const char *provider;		/* who alone uses the name */
} ReportName;

extern const ReportName *report_name_find(ReportPlace place, const char *name, size_t length);

/* A provider as we name it, and how its reports differ. */
typedef struct ReportProvider
{
	const char *name;
	const char *aliases[6];
	ReportFlavour plain_flavour;	/* what FLAVOUR_PLAIN is */
	/* in chat completions, reasoning is not in output ... */
	bool		chat_reasoning_beside;	/* unless the total proves it */
	bool		chat_reasoning_extra;	/* whatever the total says */
	bool		total_is_input; /* a total alone is input */
} ReportProvider;

/* A provider by any of its names, in any spelling; NULL if we do not know it. */
extern const ReportProvider *report_provider_find(const char *name, size_t length);

/* A flavour by what users call it; FLAVOUR_NONE if we do not know it. */
extern ReportFlavour report_flavour_find(const char *api, size_t length);

#endif							/* USAGE_METER_PRICING_REPORT_NAMES_H */
