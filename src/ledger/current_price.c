/*-------------------------------------------------------------------------
 *
 * current_price.c
 *		What an execution would cost by the price book as it is now.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "ledger/execution_price.h"

PG_FUNCTION_INFO_V1(current_price);

/* Who may not read the price book must not learn it from here. */
static void
check_readable(Relation history)
{
	Oid			prices = get_relname_relid("prices", RelationGetNamespace(history));

	if (!OidIsValid(prices) || pg_class_aclcheck(prices, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		aclcheck_error(ACLCHECK_NO_PRIV, OBJECT_TABLE, "prices");
}

/*
 * current_price(execution record) returns (cost, shadow_cost, price_id,
 * price_status)
 *
 * What rerate() would stamp: the same routine on a copy of the row.
 */
Datum
current_price(PG_FUNCTION_ARGS)
{
	static const HistoryColumn columns[] = {HISTORY_COST, HISTORY_SHADOW_COST, HISTORY_PRICE_ID, HISTORY_PRICE_STATUS};
	HeapTupleHeader header = PG_GETARG_HEAPTUPLEHEADER(0);
	Oid			relid = get_typ_typrelid(HeapTupleHeaderGetTypeId(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header), .t_data = header};
	AttrNumber	attnums[HISTORY_COLUMNS];
	Relation	history;
	Execution	row;
	Usage		usage;
	TupleDesc	desc;
	Datum		values[lengthof(columns)];
	bool		nulls[lengthof(columns)];
	HeapTuple	result;
	int			i;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("current_price() needs a row of execution_history"),
				 errhint("Call it as current_price(e) FROM execution_history AS e.")));
	history = table_open(relid, AccessShareLock);
	check_readable(history);
	history_columns_resolve(history, attnums);
	row = execution_of_tuple(history, attnums, &tuple);
	usage = execution_usage(&row);
	execution_price(&row, &usage);
	for (i = 0; i < (int) lengthof(columns); i++)
	{
		nulls[i] = execution_is_null(&row, columns[i]);
		values[i] = execution_value(&row, columns[i]);
	}
	result = heap_form_tuple(BlessTupleDesc(desc), values, nulls);
	table_close(history, NoLock);
	PG_RETURN_DATUM(HeapTupleGetDatum(result));
}
