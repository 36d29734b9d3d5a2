/*-------------------------------------------------------------------------
 *
 * report_reader.h
 *		Collects what a usage report says, in its own terms.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_REPORT_READER_H
#define USAGE_METER_PRICING_REPORT_READER_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pricing/refusal.h"
#include "pricing/report_names.h"

/* A string within the report. */
typedef struct ReportString
{
	const char *val;			/* NULL if there is none */
	int			len;
} ReportString;

/*
 * What a report says.  Counts and amounts that are not there are unknown.  All
 * pointers are into the report, but for other_usage.
 */
typedef struct ReportFacts
{
	Refusal    *refusal;		/* room for one */
	int64		counts[REPORT_COUNTS];
	bool		counts_known[REPORT_COUNTS];
	Numeric		amounts[REPORT_AMOUNTS];
	ReportString texts[REPORT_TEXTS];
	bool		byok;
	bool		byok_known;
	uint32		flavours;		/* bits of those that names tell of */
	const char *provider;		/* that a name tells of */

	/* passes that the counts leave out */
	bool		has_passes;
	int64		compaction[REPORT_COUNTS];
	Jsonb	   *other_usage;	/* an array of those of other models */
} ReportFacts;

static inline bool
report_has_counts(const ReportFacts *facts)
{
	return memchr(facts->counts_known, true, sizeof(facts->counts_known)) != NULL;
}

extern void report_read_facts(Jsonb *report, Refusal *refusal, ReportFacts *facts);

#endif							/* USAGE_METER_PRICING_REPORT_READER_H */
