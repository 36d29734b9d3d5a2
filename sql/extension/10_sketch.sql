-- The quantile sketch: type, operators, aggregates, accessors.
--
-- A quantile_sketch summarises any number of double precision values in about a
-- kilobyte, such that every percentile can be told within sketch_error() of a
-- value that is really there. Sketches can be stored, merged and subtracted.

-- Type

CREATE TYPE quantile_sketch;

CREATE FUNCTION quantile_sketch_in(cstring) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_in' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_in(cstring) IS 'text input of quantile_sketch';

CREATE FUNCTION quantile_sketch_out(quantile_sketch) RETURNS cstring
AS 'MODULE_PATHNAME', 'sketch_out' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_out(quantile_sketch) IS 'text output of quantile_sketch';

CREATE FUNCTION quantile_sketch_recv(internal) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_recv' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_recv(internal) IS 'binary input of quantile_sketch';

CREATE FUNCTION quantile_sketch_send(quantile_sketch) RETURNS bytea
AS 'MODULE_PATHNAME', 'sketch_send' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_send(quantile_sketch) IS
	'binary output of quantile_sketch: its canonical bytes';

CREATE TYPE quantile_sketch (
	INPUT = quantile_sketch_in,
	OUTPUT = quantile_sketch_out,
	RECEIVE = quantile_sketch_recv,
	SEND = quantile_sketch_send,
	INTERNALLENGTH = VARIABLE,
	ALIGNMENT = int4,
	STORAGE = extended
);
COMMENT ON TYPE quantile_sketch IS
	'summary of a distribution: percentiles with a guaranteed relative error, mergeable and subtractable';

-- Comparison: of content, which is that of canonical bytes. There is no order.

CREATE FUNCTION quantile_sketch_eq(quantile_sketch, quantile_sketch) RETURNS boolean
AS 'MODULE_PATHNAME', 'sketch_eq' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_eq(quantile_sketch, quantile_sketch) IS 'implementation of = operator';

CREATE FUNCTION quantile_sketch_ne(quantile_sketch, quantile_sketch) RETURNS boolean
AS 'MODULE_PATHNAME', 'sketch_ne' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_ne(quantile_sketch, quantile_sketch) IS 'implementation of <> operator';

CREATE FUNCTION quantile_sketch_hash(quantile_sketch) RETURNS integer
AS 'MODULE_PATHNAME', 'sketch_hash' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_hash(quantile_sketch) IS 'hash';

CREATE FUNCTION quantile_sketch_hash_extended(quantile_sketch, bigint) RETURNS bigint
AS 'MODULE_PATHNAME', 'sketch_hash_extended' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_hash_extended(quantile_sketch, bigint) IS 'hash with a seed';

CREATE OPERATOR = (
	LEFTARG = quantile_sketch,
	RIGHTARG = quantile_sketch,
	FUNCTION = quantile_sketch_eq,
	COMMUTATOR = =,
	NEGATOR = <>,
	RESTRICT = eqsel,
	JOIN = eqjoinsel,
	HASHES
);
COMMENT ON OPERATOR = (quantile_sketch, quantile_sketch) IS 'same content';

CREATE OPERATOR <> (
	LEFTARG = quantile_sketch,
	RIGHTARG = quantile_sketch,
	FUNCTION = quantile_sketch_ne,
	COMMUTATOR = <>,
	NEGATOR = =,
	RESTRICT = neqsel,
	JOIN = neqjoinsel
);
COMMENT ON OPERATOR <> (quantile_sketch, quantile_sketch) IS 'different content';

CREATE OPERATOR CLASS quantile_sketch_hash_ops DEFAULT FOR TYPE quantile_sketch USING hash AS
	OPERATOR 1 =,
	FUNCTION 1 quantile_sketch_hash(quantile_sketch),
	FUNCTION 2 quantile_sketch_hash_extended(quantile_sketch, bigint);
COMMENT ON OPERATOR CLASS quantile_sketch_hash_ops USING hash IS
	'hashing of sketches, for GROUP BY, DISTINCT and hash joins';
COMMENT ON OPERATOR FAMILY quantile_sketch_hash_ops USING hash IS
	'hashing of sketches, for GROUP BY, DISTINCT and hash joins';

-- Merging and subtracting

CREATE FUNCTION quantile_sketch_add(quantile_sketch, quantile_sketch) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_add' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_add(quantile_sketch, quantile_sketch) IS 'implementation of + operator';

CREATE FUNCTION quantile_sketch_subtract(quantile_sketch, quantile_sketch) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_subtract' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_subtract(quantile_sketch, quantile_sketch) IS 'implementation of - operator';

CREATE OPERATOR + (
	LEFTARG = quantile_sketch,
	RIGHTARG = quantile_sketch,
	FUNCTION = quantile_sketch_add,
	COMMUTATOR = +
);
COMMENT ON OPERATOR + (quantile_sketch, quantile_sketch) IS 'sketch of all values of both';

CREATE OPERATOR - (
	LEFTARG = quantile_sketch,
	RIGHTARG = quantile_sketch,
	FUNCTION = quantile_sketch_subtract
);
COMMENT ON OPERATOR - (quantile_sketch, quantile_sketch) IS
	'sketch of the values of the first without those of the second; minimum and maximum are unknown from then on';

-- Support functions of the aggregates. The state is the type itself, so that an
-- executor may ship it between processes and nodes.

CREATE FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_accumulate' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision) IS
	'transition function of the sketch aggregates';

CREATE FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision, bigint) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_accumulate_weighted' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision, bigint) IS
	'transition function of the sketch aggregate of weighted values';

CREATE FUNCTION quantile_sketch_combine(quantile_sketch, quantile_sketch) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_combine' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_combine(quantile_sketch, quantile_sketch) IS
	'combine function of the sketch aggregates';

CREATE FUNCTION quantile_sketch_p50(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p50' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p50(quantile_sketch) IS 'final function of p50';

CREATE FUNCTION quantile_sketch_p90(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p90' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p90(quantile_sketch) IS 'final function of p90';

CREATE FUNCTION quantile_sketch_p95(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p95' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p95(quantile_sketch) IS 'final function of p95';

CREATE FUNCTION quantile_sketch_p99(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p99' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p99(quantile_sketch) IS 'final function of p99';

-- Aggregates. Those of one column share one state, whatever they ask of it:
-- same transition function, no initial value, final functions that only read.
-- SSPACE is the object and the first counts, as a hundred lognormal values need them.

CREATE AGGREGATE quantile_sketch(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_sketch(double precision) IS 'sketch of the values; NULLs are left out';

CREATE AGGREGATE quantile_sketch(value double precision, weight bigint) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_sketch(double precision, bigint) IS
	'sketch of the values, each counted weight times; a negative weight takes values out';

CREATE AGGREGATE merge(quantile_sketch) (
	SFUNC = quantile_sketch_combine,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE merge(quantile_sketch) IS 'sketch of all values of all sketches';

CREATE AGGREGATE p50(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p50,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p50(double precision) IS 'median, within 0.54 % of a value that is really there';

CREATE AGGREGATE p90(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p90,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p90(double precision) IS '90th percentile, within 0.54 % of a value that is really there';

CREATE AGGREGATE p95(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p95,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p95(double precision) IS '95th percentile, within 0.54 % of a value that is really there';

CREATE AGGREGATE p99(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p99,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p99(double precision) IS '99th percentile, within 0.54 % of a value that is really there';

-- Accessors

CREATE FUNCTION approx_percentile(sketch quantile_sketch, fraction double precision) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_percentile' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION approx_percentile(quantile_sketch, double precision) IS
	'percentile at a fraction between 0 and 1, within sketch_error() of what percentile_disc returns';

CREATE FUNCTION approx_percentile(sketch quantile_sketch, fractions double precision[]) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sketch_percentiles' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION approx_percentile(quantile_sketch, double precision[]) IS
	'percentiles at several fractions, in an array of the same shape';

CREATE FUNCTION approx_percentile_rank(sketch quantile_sketch, value double precision) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_rank' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION approx_percentile_rank(quantile_sketch, double precision) IS
	'fraction of the values at or below the given one; its bucket counts as a whole';

CREATE FUNCTION sketch_count(sketch quantile_sketch) RETURNS bigint
AS 'MODULE_PATHNAME', 'sketch_count' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_count(quantile_sketch) IS 'number of values; exact, and negative if more was subtracted than added';

CREATE FUNCTION sketch_min(sketch quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_min' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_min(quantile_sketch) IS
	'smallest value: exact while known, else the mid-point of the lowest bucket';

CREATE FUNCTION sketch_max(sketch quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_max' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_max(quantile_sketch) IS
	'largest value: exact while known, else the mid-point of the highest bucket';

CREATE FUNCTION sketch_mean(sketch quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_mean' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_mean(quantile_sketch) IS 'mean of the mid-points of the buckets';

CREATE FUNCTION sketch_error(sketch quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_error' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_error(quantile_sketch) IS 'largest relative error of a percentile of this sketch';

CREATE FUNCTION sketch_buckets(
	sketch quantile_sketch,
	OUT lower double precision,
	OUT upper double precision,
	OUT count bigint
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sketch_buckets' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 500;
COMMENT ON FUNCTION sketch_buckets(quantile_sketch) IS
	'buckets that are not empty, in the order of values; the boundary nearer to zero is exclusive';
