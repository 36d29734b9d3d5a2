-- Identifiers that sort by time of creation.

CREATE FUNCTION uuid_v7() RETURNS uuid
LANGUAGE C VOLATILE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'uuid_v7';

COMMENT ON FUNCTION uuid_v7() IS
'A new version 7 UUID (RFC 9562): 48 bits of Unix milliseconds, 12 bits of the fraction of the millisecond, 62 random bits. Values made by one process strictly increase.';

CREATE FUNCTION value_sketch(value float8) RETURNS quantile_sketch
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sketch_value';

COMMENT ON FUNCTION value_sketch(float8) IS
'The sketch of one value, without minimum and maximum, as sums from which values are taken away again must be. NULL gives the empty sketch.';
