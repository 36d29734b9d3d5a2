/*-------------------------------------------------------------------------
 *
 * usage_report.h
 *		What a provider's own report says was used.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_USAGE_REPORT_H
#define USAGE_METER_PRICING_USAGE_REPORT_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pricing/refusal.h"
#include "pricing/usage.h"

/*
 * A report in our terms.  What it does not tell is unknown: tokens_known is
 * false (and the count 0), a pointer is NULL.
 *
 * As soon as a report tells any count of tokens, the four disjoint kinds and
 * reasoning are known, since providers leave out what is zero; the other parts
 * are known only if told.  No count is negative, and the parts of a kind are
 * together not more than the whole.
 */
typedef struct UsageReport
{
	int64		tokens[TOKEN_KINDS];
	bool		tokens_known[TOKEN_KINDS];
	Numeric		units[USAGE_UNITS];

	/* the sender's own figure, in US dollars */
	Numeric		reported_cost;

	/* the call was made with the customer's own key at the upstream provider ... */
	bool		byok;
	bool		byok_known;
	/* ... who charges this for it, in US dollars */
	Numeric		upstream_cost;

	/* the report's total beyond all that is counted here; never priced */
	int64		unexplained_tokens;
	bool		unexplained_tokens_known;

	/* reports of what other models used, billed at their own prices: an array */
	Jsonb	   *other_usage;

	/* what was recognised */
	text	   *provider;		/* "openai", "google", "bedrock", ...; a name we
								 * do not know stays as it was given */
	text	   *api;			/* "chat.completions", "messages", ... */
	text	   *model;
	text	   *service_tier;	/* "standard", "priority", "flex", "batch", ... */
	text	   *region;
	text	   *response_id;
} UsageReport;

/*
 * Read a report: a usage object, a whole response that holds one, attributes of
 * a span, or an array of the events of one stream.  Provider and API flavour
 * may be NULL; they are recognised then.  Results are allocated in the current
 * context.  A count that is there but cannot be one is refused.
 */
extern void usage_report_read(Jsonb *report, const text *provider, const text *api,
							  Refusal *refusal, UsageReport *result);

#endif							/* USAGE_METER_PRICING_USAGE_REPORT_H */
