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

CREATE FUNCTION quantile_sketch_negate(quantile_sketch) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_negate' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_negate(quantile_sketch) IS 'implementation of prefix operator -';

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

CREATE OPERATOR - (
	RIGHTARG = quantile_sketch,
	FUNCTION = quantile_sketch_negate
);
COMMENT ON OPERATOR - (NONE, quantile_sketch) IS 'each count negated: to take values away from a sum by merge()';

-- Support functions of the aggregates. The state is the type itself, so that an
-- executor may ship it between processes and nodes. An interval is held as its
-- seconds, a month counting as 30 days and a day as 24 hours.

CREATE FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_accumulate' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision) IS
	'transition function of the sketch aggregates';

CREATE FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision, bigint) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_accumulate_weighted' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_accumulate(quantile_sketch, double precision, bigint) IS
	'transition function of the sketch aggregate of weighted values';

CREATE FUNCTION quantile_sketch_accumulate(quantile_sketch, interval) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_accumulate_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_accumulate(quantile_sketch, interval) IS
	'transition function of the sketch aggregates of intervals';

CREATE FUNCTION quantile_sketch_accumulate(quantile_sketch, interval, bigint) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_accumulate_weighted_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_accumulate(quantile_sketch, interval, bigint) IS
	'transition function of the sketch aggregate of weighted intervals';

CREATE FUNCTION quantile_sketch_combine(quantile_sketch, quantile_sketch) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_combine' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_combine(quantile_sketch, quantile_sketch) IS
	'combine function of the sketch aggregates';

CREATE FUNCTION quantile_sketch_p50(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p50' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p50(quantile_sketch) IS
	'final function of p50';

CREATE FUNCTION quantile_sketch_p90(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p90' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p90(quantile_sketch) IS
	'final function of p90';

CREATE FUNCTION quantile_sketch_p95(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p95' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p95(quantile_sketch) IS
	'final function of p95';

CREATE FUNCTION quantile_sketch_p99(quantile_sketch) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_final_p99' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p99(quantile_sketch) IS
	'final function of p99';

CREATE FUNCTION quantile_sketch_p50_interval(quantile_sketch) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_final_p50_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p50_interval(quantile_sketch) IS
	'final function of p50 of intervals';

CREATE FUNCTION quantile_sketch_p90_interval(quantile_sketch) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_final_p90_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p90_interval(quantile_sketch) IS
	'final function of p90 of intervals';

CREATE FUNCTION quantile_sketch_p95_interval(quantile_sketch) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_final_p95_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p95_interval(quantile_sketch) IS
	'final function of p95 of intervals';

CREATE FUNCTION quantile_sketch_p99_interval(quantile_sketch) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_final_p99_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_p99_interval(quantile_sketch) IS
	'final function of p99 of intervals';

-- Support functions for window frames that move: each row that enters the frame is
-- added, each that leaves is taken out again, in a bounded number of steps. The
-- state never leaves its process.

CREATE FUNCTION quantile_sketch_enter(internal, double precision) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_enter' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_enter(internal, double precision) IS
	'adds the value of a row that enters a window frame';

CREATE FUNCTION quantile_sketch_leave(internal, double precision) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_leave' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_leave(internal, double precision) IS
	'removes the value of a row that leaves a window frame';

CREATE FUNCTION quantile_sketch_enter(internal, double precision, bigint) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_enter_weighted' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_enter(internal, double precision, bigint) IS
	'adds the weighted value of a row that enters a window frame';

CREATE FUNCTION quantile_sketch_leave(internal, double precision, bigint) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_leave_weighted' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_leave(internal, double precision, bigint) IS
	'removes the weighted value of a row that leaves a window frame';

CREATE FUNCTION quantile_sketch_enter(internal, interval) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_enter_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_enter(internal, interval) IS
	'adds the interval of a row that enters a window frame';

CREATE FUNCTION quantile_sketch_leave(internal, interval) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_leave_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_leave(internal, interval) IS
	'removes the interval of a row that leaves a window frame';

CREATE FUNCTION quantile_sketch_enter(internal, interval, bigint) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_enter_weighted_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_enter(internal, interval, bigint) IS
	'adds the weighted interval of a row that enters a window frame';

CREATE FUNCTION quantile_sketch_leave(internal, interval, bigint) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_leave_weighted_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_leave(internal, interval, bigint) IS
	'removes the weighted interval of a row that leaves a window frame';

CREATE FUNCTION quantile_sketch_enter(internal, quantile_sketch) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_enter_sketch' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_enter(internal, quantile_sketch) IS
	'adds the sketch of a row that enters a window frame';

CREATE FUNCTION quantile_sketch_leave(internal, quantile_sketch) RETURNS internal
AS 'MODULE_PATHNAME', 'sketch_leave_sketch' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_leave(internal, quantile_sketch) IS
	'removes the sketch of a row that leaves a window frame';

CREATE FUNCTION quantile_sketch_frame(internal) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_frame_sketch' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame(internal) IS
	'final function of quantile_sketch and merge over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p50(internal) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_frame_p50' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p50(internal) IS
	'final function of p50 over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p90(internal) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_frame_p90' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p90(internal) IS
	'final function of p90 over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p95(internal) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_frame_p95' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p95(internal) IS
	'final function of p95 over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p99(internal) RETURNS double precision
AS 'MODULE_PATHNAME', 'sketch_frame_p99' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p99(internal) IS
	'final function of p99 over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p50_interval(internal) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_frame_p50_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p50_interval(internal) IS
	'final function of p50 of intervals over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p90_interval(internal) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_frame_p90_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p90_interval(internal) IS
	'final function of p90 of intervals over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p95_interval(internal) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_frame_p95_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p95_interval(internal) IS
	'final function of p95 of intervals over a moving window frame';

CREATE FUNCTION quantile_sketch_frame_p99_interval(internal) RETURNS interval
AS 'MODULE_PATHNAME', 'sketch_frame_p99_interval' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION quantile_sketch_frame_p99_interval(internal) IS
	'final function of p99 of intervals over a moving window frame';

-- Aggregates. Those of one column share one state, whatever they ask of it:
-- same transition function, no initial value, final functions that only read.
-- SSPACE is the object and the first counts, as a hundred lognormal values need
-- them; MSSPACE is a frame with 12 of its pages, as a thousand need them.
--
-- Over a frame whose start moves, minimum and maximum are unknown: a percentile
-- is then the mid-point of its bucket, not clamped to them.

CREATE AGGREGATE quantile_sketch(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_sketch(double precision) IS
	'sketch of the values; NULLs are left out';

CREATE AGGREGATE quantile_sketch(value double precision, weight bigint) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_sketch(double precision, bigint) IS
	'sketch of the values, each counted weight times; a negative weight takes values out, but then scale, minimum and maximum depend on the order of rows';

CREATE AGGREGATE quantile_sketch(value interval) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_sketch(interval) IS
	'sketch of the intervals, in seconds; NULLs are left out';

CREATE AGGREGATE quantile_sketch(value interval, weight bigint) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE quantile_sketch(interval, bigint) IS
	'sketch of the intervals, in seconds, each counted weight times; a negative weight takes values out, but then scale, minimum and maximum depend on the order of rows';

CREATE AGGREGATE merge(quantile_sketch) (
	SFUNC = quantile_sketch_combine,
	STYPE = quantile_sketch,
	SSPACE = 896,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE merge(quantile_sketch) IS
	'sketch of all values of all sketches';

CREATE AGGREGATE p50(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p50,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p50,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p50(double precision) IS
	'median, within 0.54 % of a value that is really there';

CREATE AGGREGATE p90(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p90,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p90,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p90(double precision) IS
	'90th percentile, within 0.54 % of a value that is really there';

CREATE AGGREGATE p95(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p95,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p95,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p95(double precision) IS
	'95th percentile, within 0.54 % of a value that is really there';

CREATE AGGREGATE p99(value double precision) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p99,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p99,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p99(double precision) IS
	'99th percentile, within 0.54 % of a value that is really there';

CREATE AGGREGATE p50(value interval) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p50_interval,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p50_interval,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p50(interval) IS
	'median of intervals, within 0.54 % of one that is really there; days and time, a month counting as 30 days';

CREATE AGGREGATE p90(value interval) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p90_interval,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p90_interval,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p90(interval) IS
	'90th percentile of intervals, within 0.54 % of one that is really there; days and time, a month counting as 30 days';

CREATE AGGREGATE p95(value interval) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p95_interval,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p95_interval,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p95(interval) IS
	'95th percentile of intervals, within 0.54 % of one that is really there; days and time, a month counting as 30 days';

CREATE AGGREGATE p99(value interval) (
	SFUNC = quantile_sketch_accumulate,
	STYPE = quantile_sketch,
	SSPACE = 896,
	FINALFUNC = quantile_sketch_p99_interval,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = quantile_sketch_combine,
	MSFUNC = quantile_sketch_enter,
	MINVFUNC = quantile_sketch_leave,
	MSTYPE = internal,
	MSSPACE = 10240,
	MFINALFUNC = quantile_sketch_frame_p99_interval,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE p99(interval) IS
	'99th percentile of intervals, within 0.54 % of one that is really there; days and time, a month counting as 30 days';

-- Accessors

CREATE FUNCTION sketch_unpack(sketch quantile_sketch) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_unpack' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_unpack(quantile_sketch) IS
	'the same sketch, decoded: for a query that asks several questions about it, in a subquery around it';

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

-- Looking at a distribution

CREATE FUNCTION sketch_histogram(
	sketch quantile_sketch,
	buckets integer DEFAULT 20,
	OUT lower double precision,
	OUT upper double precision,
	OUT count bigint,
	OUT share double precision,
	OUT bar text
) RETURNS SETOF record
AS 'MODULE_PATHNAME', 'sketch_histogram' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION sketch_histogram(quantile_sketch, integer) IS
	'the distribution in at most so many rows, each with a bar, to look at in psql; rows are unions of neighbouring buckets';

-- Exchange with OpenTelemetry

CREATE FUNCTION sketch_to_otel(sketch quantile_sketch) RETURNS jsonb
AS 'MODULE_PATHNAME', 'sketch_to_otel' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_to_otel(quantile_sketch) IS
	'the sketch as an ExponentialHistogramDataPoint in the JSON of OTLP; lossless, but infinities and negative counts are refused';

CREATE FUNCTION sketch_from_otel(data_point jsonb) RETURNS quantile_sketch
AS 'MODULE_PATHNAME', 'sketch_from_otel' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sketch_from_otel(jsonb) IS
	'the sketch of an ExponentialHistogramDataPoint in the JSON of OTLP, of any scale from -10 to 20';

CREATE FUNCTION value_sketch(value float8) RETURNS quantile_sketch
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'sketch_value';

COMMENT ON FUNCTION value_sketch(float8) IS
'The sketch of one value, without minimum and maximum, as sums from which values are taken away again must be. NULL gives the empty sketch.';
