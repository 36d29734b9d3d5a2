/*-------------------------------------------------------------------------
 *
 * report_field.h
 *		One field of a usage report: its number, or why it has none.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_REPORT_FIELD_H
#define USAGE_METER_PRICING_REPORT_FIELD_H

#include "postgres.h"

#include "utils/jsonb.h"
#include "utils/numeric.h"

#include "pricing/refusal.h"

/* No count or amount of one execution is larger; sums of some fit in int64. */
#define REPORT_NUMBER_MAX	INT64CONST(1000000000000)

/* Where a field is, for messages. */
typedef struct ReportPath
{
	const struct ReportPath *parent;	/* NULL at the top */
	const char *name;
	int			length;
} ReportPath;

/* What a field says, "is negative", and what to do about it. */
extern void report_refuse(Refusal *room, const ReportPath *path, int sqlstate, const char *what, const char *hint);
extern void report_refuse_type(Refusal *room, const ReportPath *path, const char *expected);

/* Is it null, {} or []? */
extern bool report_is_absent(const JsonbValue *value);

/* A number that is a JSON number or string, 0 if refused.  May be within the report. */
extern Numeric report_read_number(Refusal *room, const JsonbValue *value, const ReportPath *path);
extern int64 report_read_count(Refusal *room, const JsonbValue *value, const ReportPath *path);

/* Refuse what is negative, or more than REPORT_NUMBER_MAX: then returns false. */
extern bool report_check_range(Refusal *room, Numeric number, const ReportPath *path);

#endif							/* USAGE_METER_PRICING_REPORT_FIELD_H */
