-- The part of reserve() that lets go of a hot budget.

CREATE FUNCTION release_locks_early() RETURNS void
LANGUAGE C VOLATILE
AS 'MODULE_PATHNAME', 'release_locks_early';

COMMENT ON FUNCTION release_locks_early() IS
'The transaction will release its locks when its commit is written to the log, and wait for the disk afterwards: sessions that wait for each other can then share a write to disk. Whoever is told of the commit can rely on it as ever; others may see it slightly before it is durable. Does nothing if synchronous_commit is off already, or if standbys must confirm commits.';
