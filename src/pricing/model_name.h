/*-------------------------------------------------------------------------
 *
 * model_name.h
 *		The names under which the price of a model may be listed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_PRICING_MODEL_NAME_H
#define USAGE_METER_PRICING_MODEL_NAME_H

#include "postgres.h"

#include "nodes/pg_list.h"

/* How a name was found. */
typedef enum NameMatch
{
	NAME_EXACT,
	NAME_ALIAS,
	NAME_NORMALISED
} NameMatch;

extern const char *const name_match_names[NAME_NORMALISED + 1];

typedef struct ModelName
{
	const char *provider;
	const char *model;
	NameMatch	match;
} ModelName;

extern List *model_names(List *names, List *providers, const char *model, const char *region, NameMatch match);

#endif							/* USAGE_METER_PRICING_MODEL_NAME_H */
