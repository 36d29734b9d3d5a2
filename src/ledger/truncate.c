/*-------------------------------------------------------------------------
 *
 * truncate.c
 *		Refuse TRUNCATE of a table whose rows are counted elsewhere.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(refuse_truncate);

Datum
refuse_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BY_TRUNCATE(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("refuse_truncate must be a BEFORE TRUNCATE trigger")));

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("cannot truncate \"%s\"", RelationGetRelationName(trigdata->tg_relation)),
			 errdetail("Its executions are counted in the rollups, which TRUNCATE would not tell what it removed."),
			 errhint("Use DELETE, which tells.")));
}
