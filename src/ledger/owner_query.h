/*-------------------------------------------------------------------------
 *
 * owner_query.h
 *		Queries that a trigger runs on the ledger with the rights of its owner.
 *
 *-------------------------------------------------------------------------
 */
#ifndef USAGE_METER_LEDGER_OWNER_QUERY_H
#define USAGE_METER_LEDGER_OWNER_QUERY_H

#include "postgres.h"

#include "executor/spi.h"
#include "utils/rel.h"

#define OWNER_QUERY_PARAMETERS_MAX 8

/*
 * A query, and its plan for the ledger that it was last run on.  To be static:
 * text, types and their count are the caller's, the rest is ours.
 */
typedef struct OwnerQuery
{
	const char *text;			/* %1$s is the schema; all other names are qualified */
	int			parameters;
	Oid			types[OWNER_QUERY_PARAMETERS_MAX];
	Oid			schema;
	NameData	schema_name;
	SPIPlanPtr	plan;
} OwnerQuery;

/*
 * How many rows it found or changed.  It sees all that is committed by now and
 * all that this transaction has done, whatever its isolation level.  nulls is
 * that of SPI_execute_plan.
 */
extern uint64 owner_query_run(OwnerQuery *query, Relation history, Datum *values, const char *nulls);

#endif							/* USAGE_METER_LEDGER_OWNER_QUERY_H */
