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
extern void report_refuse(const ReportPath *path, int sqlstate, const char *what,
						  const char *hint) pg_attribute_noreturn();
extern void report_refuse_type(const ReportPath *path, const char *expected) pg_attribute_noreturn();

/* Is it null, {} or []? */
extern bool report_is_absent(const JsonbValue *value);

/* A number that is a JSON number or string.  May be within the report. */
extern Numeric report_read_number(const JsonbValue *value, const ReportPath *path);
extern int64 report_read_count(const JsonbValue *value, const ReportPath *path);

/* Refuse what is negative, or more than REPORT_NUMBER_MAX. */
extern void report_check_range(Numeric number, const ReportPath *path);

#endif							/* USAGE_METER_PRICING_REPORT_FIELD_H */
