-- Identifiers that sort by time of creation.

CREATE FUNCTION uuid_v7() RETURNS uuid
LANGUAGE C VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'uuid_v7';

COMMENT ON FUNCTION uuid_v7() IS
'A new version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, 12 bits of the fraction of the millisecond, 62 random bits. Values made by one process strictly increase.';
