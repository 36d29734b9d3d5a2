/*-------------------------------------------------------------------------
 *
 * correction.c
 *		Who may change the money of settled executions, and when.
 *
 * An UPDATE changes neither a settled cost nor what was credited, unless the
 * owner of the ledger has called allow_rerating() or allow_crediting() in the
 * same transaction, as rerate() and credit() do around their UPDATEs.  The first
 * has the price book asked again, whatever the statement says; the second lets
 * the statement say credited_cost.  A transaction or savepoint that ends in an
 * error takes the permission away.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "compat.h"
#include "ledger/correction.h"

PG_FUNCTION_INFO_V1(allow_rerating);
PG_FUNCTION_INFO_V1(allow_crediting);

/* The schemas of the ledgers in which this transaction may do so. */
static Oid	rerated_ledger = InvalidOid;
static Oid	credited_ledger = InvalidOid;

static void
forbid(void)
{
	rerated_ledger = InvalidOid;
	credited_ledger = InvalidOid;
}

static void
note_transaction_end(XactEvent event, void *argument)
{
	forbid();
}

static void
note_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forbid();
}

void
correction_init(void)
{
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_subtransaction_end, NULL);
}

bool
is_rerating(Relation history)
{
	return OidIsValid(rerated_ledger) && rerated_ledger == RelationGetNamespace(history);
}

bool
is_crediting(Relation history)
{
	return OidIsValid(credited_ledger) && credited_ledger == RelationGetNamespace(history);
}

/* The schema of a history that is the caller's own. */
static Oid
own_ledger(Oid history)
{
	char	   *name = get_rel_name(history);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("there is no such history"),
				 errhint("Name the table execution_history of a ledger.")));
	if (!relation_ownercheck(history, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, name);
	return get_rel_namespace(history);
}

/*
 * allow_rerating(history regclass, allowed boolean) returns void
 */
Datum
allow_rerating(PG_FUNCTION_ARGS)
{
	Oid			ledger = own_ledger(PG_GETARG_OID(0));

	rerated_ledger = PG_GETARG_BOOL(1) ? ledger : InvalidOid;
	PG_RETURN_VOID();
}

/*
 * allow_crediting(history regclass, allowed boolean) returns void
 */
Datum
allow_crediting(PG_FUNCTION_ARGS)
{
	Oid			ledger = own_ledger(PG_GETARG_OID(0));

	credited_ledger = PG_GETARG_BOOL(1) ? ledger : InvalidOid;
	PG_RETURN_VOID();
}
