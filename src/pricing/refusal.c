/*-------------------------------------------------------------------------
 *
 * refusal.c
 *		Why something that was used is not accepted.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "pricing/refusal.h"

/* Of several refusals the first is noted. */
void
refuse(Refusal *room, Refusal refusal)
{
	if (room == NULL)
		ereport(ERROR,
				(errcode(refusal.sqlstate),
				 errmsg_internal("%s", refusal.message),
				 errdetail_internal("%s", refusal.detail),
				 errhint("%s", refusal.hint)));
	if (!is_refused(room))
		*room = refusal;
}
