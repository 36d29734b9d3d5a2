-- A request is recorded once. execution_history is partitioned by time, so that no unique index of its own could hold
-- request_id alone; an execution that has one claims it here, by C code in the stamping trigger.

CREATE TABLE request_claims (
    customer_id   text        COLLATE "C" NOT NULL,
    source        text        COLLATE "C" NOT NULL,
    request_id    text        COLLATE "C" NOT NULL,
    fingerprint   bigint      NOT NULL,
    execution_id  uuid        NOT NULL,
    created_at    timestamptz NOT NULL,
    claimed_at    timestamptz NOT NULL,
    CONSTRAINT request_claims_pkey PRIMARY KEY (customer_id, source, request_id)
);
CREATE INDEX request_claims_claimed_idx ON request_claims USING brin (claimed_at) WITH (pages_per_range = 32);

COMMENT ON TABLE request_claims IS 'Requests that are recorded. An execution that repeats one is not written: silently if it says the same, else it is refused (23505). Written by the trigger of execution_history alone.';
COMMENT ON COLUMN request_claims.customer_id IS 'Customer of the execution when it was inserted';
COMMENT ON COLUMN request_claims.source IS 'Its source, '''' if none';
COMMENT ON COLUMN request_claims.request_id IS 'Its request_id';
COMMENT ON COLUMN request_claims.fingerprint IS '64-bit hash of what the caller said: all columns but id, created_at and recorded_at, before anything was stamped';
COMMENT ON COLUMN request_claims.execution_id IS 'id of the execution. A claim whose execution is gone, because it was deleted or never came to be, is free; not if it is older than what retention has dropped.';
COMMENT ON COLUMN request_claims.created_at IS 'Its created_at when it was inserted';
COMMENT ON COLUMN request_claims.claimed_at IS 'When it was claimed: start of the transaction';
COMMENT ON INDEX request_claims_pkey IS 'Each request once';
COMMENT ON INDEX request_claims_claimed_idx IS 'Old claims, to be forgotten';

CREATE FUNCTION forget_requests(claims_max integer DEFAULT 100000) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $forget_requests$
DECLARE
    forgotten bigint;
BEGIN
    DELETE FROM request_claims
    WHERE ctid = ANY (ARRAY(
        SELECT c.ctid FROM request_claims AS c
        WHERE c.claimed_at < now() - (SELECT l.request_retention FROM ledger AS l)
        LIMIT claims_max));
    GET DIAGNOSTICS forgotten = ROW_COUNT;
    RETURN forgotten;
END
$forget_requests$;

COMMENT ON FUNCTION forget_requests(integer) IS
'Removes claims older than ledger.request_retention, at most so many, and returns how many. drop_expired() calls it until it returns 0.';
