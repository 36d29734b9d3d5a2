/*-------------------------------------------------------------------------
 *
 * early_release.c
 *		release_locks_early(): locks are held until the commit is written, not
 *		until it is on disk.
 *
 * Who admits a call holds the row of a hot budget until he has committed.  Nearly
 * all of that time is the wait for the disk, and all others wait in a queue for
 * it, one disk write each.  So the transaction commits asynchronously, which
 * releases its locks as soon as its commit record is in the log, and waits for
 * the disk afterwards, when many can wait for the same write.  The client learns
 * of the commit when it is durable, as ever.
 *
 * That is safe because the log is written in order: whoever has seen the row
 * commits behind us, and is durable, and acknowledged, only if we are.  A crash
 * takes the ends of all of them that nobody was told of.  The technique is known as
 * early lock release (DeWitt et al., Implementation techniques for main memory
 * database systems, 1984; Johnson et al., Aether: a scalable approach to
 * logging, 2010).
 *
 * Where standbys must confirm a commit, it waits for them with its locks, as
 * usual: that wait can be cancelled, which is more than can be done here.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "replication/syncrep.h"
#include "replication/walsender.h"
#include "utils/guc.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(release_locks_early);

/*
 * Runs when the memory of the transaction is freed, which is the last thing that
 * a transaction does and after its locks are gone.  As in a commit, what cannot
 * be flushed must not be acknowledged.  An aborted one has nothing to wait for.
 */
static void
flush_last_commit(void *arg)
{
	START_CRIT_SECTION();
	XLogFlush(XactLastCommitEnd);
	END_CRIT_SECTION();
}

/*
 * release_locks_early() returns void
 */
Datum
release_locks_early(PG_FUNCTION_ARGS)
{
	MemoryContextCallback *callback;

	if (synchronous_commit == SYNCHRONOUS_COMMIT_OFF || RecoveryInProgress() ||
		(SyncRepRequested() && SyncRepStandbyNames != NULL && SyncRepStandbyNames[0] != '\0'))
		PG_RETURN_VOID();

	callback = MemoryContextAllocZero(TopTransactionContext, sizeof(MemoryContextCallback));
	callback->func = flush_last_commit;
	MemoryContextRegisterResetCallback(TopTransactionContext, callback);
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	PG_RETURN_VOID();
}
