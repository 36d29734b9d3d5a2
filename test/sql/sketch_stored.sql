--
-- Stored sketches: the format as it was first released, and bytes that are no sketch
--
-- These bytes were written by version 1 of the format. They must be read, for ever,
-- as what stands beside them. Never write them anew: add a table for a new version.
CREATE TABLE stored_v1 (name text, bytes bytea, content text);
INSERT INTO stored_v1 VALUES
	('both signs', '\x0135020000000000000cc00000000080842e41020111020702a53ec53f02951f0200024a02', 'scale=2 min=-3.5 max=1000000 neg=-1:1,~7,1 zero=1 pos=-3987:1,~3989,1,1,~74,1'),
	('coarse', '\x0121000100000000000000ffffffffffffef7fe510e52002b10802ff0702', 'scale=0 min=5e-324 max=1.7976931348623157e+308 pos=-1075:1,~1073,1,~1023,1'),
	('dense', '\x012106000000000000f03f5b9e53dcb076184001d102240814080c08120818081e0724081c0814080c08120718081e0824081c0814070c08120818081e', 'scale=6 min=1 max=6.115909044841454 pos=-1:18,~8,10,~8,6,~8,9,~8,12,~8,15,~7,18,~8,14,~8,10,~8,6,~8,9,~7,12,~8,15,~8,18,~8,14,~8,10,~7,6,~8,9,~8,12,~8,15'),
	('empty', '\x010006', 'scale=6'),
	('lognormal', '\x012106f904f8d6e163ab3f02487c21040733409d04bf08020502040219020c020302010202020802060200020a020102050201020202090206040202000200020102020200040002010202020102000205020302020205020202030a090201020002050202020104050205020802050205020e0409021104010200020304030400020504000200020c0203020c02030200020102010205021602020200020204020203020102000a00020302040200021c020402070201020002080200020b020402000201020102220200020202050209020702010405040102010208020202', 'scale=6 min=0.05349641560679603 max=19.027406781046018 pos=-271:1,~5,1,~4,1,~25,1,~12,1,~3,1,~1,1,~2,1,~8,1,~6,1,1,~10,1,~1,1,~5,1,~1,1,~2,1,~9,1,~6,2,~2,1,1,1,~1,1,~2,1,2,1,~1,1,~2,1,~1,1,1,~5,1,~3,1,~2,1,~5,1,~2,1,~3,5,~9,1,~1,1,1,~5,1,~2,1,~1,2,~5,1,~5,1,~8,1,~5,1,~5,1,~14,2,~9,1,~17,2,~1,1,1,~3,2,~3,2,1,~5,2,1,1,~12,1,~3,1,~12,1,~3,1,1,~1,1,~1,1,~5,1,~22,1,~2,1,1,~2,2,~2,1,~3,1,~1,1,5,1,~3,1,~4,1,1,~28,1,~4,1,~7,1,~1,1,1,~8,1,1,~11,1,~4,1,1,~1,1,~1,1,~34,1,1,~2,1,~5,1,~9,1,~7,1,~1,2,~5,2,~1,1,~1,1,~8,1,~2,1'),
	('negative counts', '\x013406070602010600150a09ffffffffffffffffff01', 'scale=6 neg=3:-1,2 zero=-4 pos=0:5,~9,-9223372036854775808'),
	('one', '\x012106000000000000f03f000000000000f03f010002', 'scale=6 min=1 max=1 pos=-1:1'),
	('scale -10', '\x0121f6000000000000d03f9c7500883ce4377e010202faffffffffffffffff01', 'scale=-10 min=0.25 max=1e+300 pos=-1:1,9223372036854775806'),
	('scale 20', '\x0130140100d80480897a120200020204060a101a2a', 'scale=20 neg=-1:300 pos=1000000:1,1,2,3,5,8,13,21,34,55'),
	('sparse', '\x012106000000000000f03f000000000040bf4001fd0c02bf010270024e023d0232022a02230220021c021a021702150214021202100210020f020e020d02', 'scale=6 min=1 max=8000 pos=-1:1,~191,1,~112,1,~78,1,~61,1,~50,1,~42,1,~35,1,~32,1,~28,1,~26,1,~23,1,~21,1,~20,1,~18,1,~16,1,~16,1,~15,1,~14,1,~13,1'),
	('zero and infinities', '\x010f06000000000000f0ff000000000000f07f020402', 'scale=6 min=-Infinity max=Infinity neginf=1 zero=2 posinf=1');

CREATE TABLE stored (name text, sketch quantile_sketch);
\copy (SELECT name, bytes FROM stored_v1 ORDER BY name) TO 'results/sketch_stored.data' (FORMAT binary)
\copy stored FROM 'results/sketch_stored.data' (FORMAT binary)
SELECT name, sketch::text = content AS content, sketch = content::quantile_sketch AS equal,
	quantile_sketch_send(sketch) = bytes AS bytes, sketch_count(sketch) AS count
FROM stored JOIN stored_v1 USING (name) ORDER BY name;
-- from disk: compressed, out of line, beside what is written today
UPDATE stored SET sketch = sketch + 'scale=6';
SELECT name, sketch::text = content AS content FROM stored JOIN stored_v1 USING (name) ORDER BY name;
SELECT merge(sketch) = (SELECT merge(content::quantile_sketch) FROM stored_v1) AS merged FROM stored;

-- A table on disk can hold whatever a broken disk makes of it. There is no cast from
-- bytea to the type: the values are put there by the back door, and read back
-- through every function. Each must end in an answer, or in a clear error.
CREATE TABLE damaged (i integer, kept bytea, sketch quantile_sketch);
CREATE CAST (bytea AS quantile_sketch) WITHOUT FUNCTION;

-- one change for each number: a byte replaced, a bit flipped, an end cut off, a byte put in
CREATE FUNCTION damage(bytes bytea, number integer) RETURNS bytea LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE h & 3
		WHEN 0 THEN set_byte(bytes, place, (h >> 40)::integer & 255)
		WHEN 1 THEN set_bit(bytes, place * 8 + ((h >> 40)::integer & 7), 1 - get_bit(bytes, place * 8 + ((h >> 40)::integer & 7)))
		WHEN 2 THEN substring(bytes FOR place)
		ELSE overlay(bytes PLACING set_byte('\x00', 0, (h >> 40)::integer & 255) FROM place + 1 FOR 0) END
	FROM (SELECT hashint8extended(number, 23) AS h) a,
		LATERAL (SELECT ((h >> 8) & 65535)::integer % length(bytes) AS place) p;
END;

-- the ways in which a stored sketch is read; each looks at it on its own
CREATE TABLE ways (way text, reading text);
INSERT INTO ways VALUES
	('text', 'SELECT $1::text::quantile_sketch'),
	('counts', 'SELECT sketch_count($1), sketch_error($1), (SELECT count(*) FROM sketch_buckets($1))'),
	('answers', 'SELECT approx_percentile($1, 0.5), approx_percentile($1, ARRAY[0, 1]), approx_percentile_rank($1, 1), sketch_min($1), sketch_max($1), sketch_mean($1)'),
	('operators', $$SELECT $1 + 'scale=3 pos=0:1', 'scale=3 pos=0:1' - $1$$),
	('merge', $$SELECT merge(s) FROM (VALUES ('scale=6 zero=1'::quantile_sketch), ($1)) v(s)$$),
	('frame', $$SELECT merge(s) OVER (ORDER BY i ROWS 1 PRECEDING) FROM (VALUES (1, 'scale=6 zero=1'::quantile_sketch), (2, $1), (3, NULL), (4, NULL)) v(i, s)$$),
	('histogram', 'SELECT count(*) FROM sketch_histogram($1)'),
	('otel', 'SELECT sketch_to_otel($1)');

-- an overflow or a negative count is an answer too; whatever else is in other
CREATE FUNCTION read_damaged(reading text, OUT valid bigint, OUT corrupted bigint, OUT other text) LANGUAGE plpgsql AS $$
DECLARE
	damaged record;
	state text;
BEGIN
	valid := 0;
	corrupted := 0;
	FOR damaged IN SELECT i, sketch FROM damaged
	LOOP
		BEGIN
			EXECUTE reading USING damaged.sketch;
			valid := valid + 1;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE;
			IF state = 'XX001' THEN
				corrupted := corrupted + 1;
			ELSIF state IN ('22003', '22023') THEN
				valid := valid + 1;
			ELSE
				other := concat_ws(' ', other, damaged.i::text, state, SQLERRM);
			END IF;
		END;
	END LOOP;
END
$$;

-- twice 1,000; \set changes to more for a longer run
\if :{?changes}
\else
	\set changes 1000
\endif
INSERT INTO damaged
SELECT i, bytes, bytes::quantile_sketch
FROM generate_series(1, :changes) i,
	LATERAL (SELECT damage(v.bytes, i) AS bytes FROM stored_v1 v ORDER BY hashint8extended(i, length(v.bytes)) LIMIT 1) d;
INSERT INTO damaged
SELECT i + :changes, d.bytes, d.bytes::quantile_sketch
FROM damaged, LATERAL (SELECT CASE WHEN length(kept) > 0 THEN damage(kept, i + :changes) ELSE '\x01' END AS bytes) d;
SELECT count(*) = 2 * :changes AS damaged FROM damaged;
SELECT way, valid + corrupted = 2 * :changes AS all_read, valid > 0 AS some_valid, corrupted > valid AS most_corrupted, other
FROM ways, LATERAL read_damaged(reading) ORDER BY way;
-- what is accepted is canonical: it comes back as the same bytes
CREATE FUNCTION accepted(sketch quantile_sketch) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	RETURN sketch_count(sketch) IS NOT NULL;
EXCEPTION WHEN data_corrupted OR numeric_value_out_of_range THEN
	RETURN false;
END
$$;
SELECT count(*) > 0 AS some, bool_and(quantile_sketch_send(sketch::text::quantile_sketch) = kept) AS canonical
FROM damaged WHERE accepted(sketch);
-- reading again leaves nothing behind in memory
CREATE FUNCTION used_bytes() RETURNS bigint LANGUAGE sql VOLATILE
RETURN (SELECT sum(used_bytes) FROM pg_backend_memory_contexts);
SELECT used_bytes() AS used_before \gset
SELECT sum(valid + corrupted) > 0 AS read_again FROM ways, LATERAL read_damaged(reading);
SELECT used_bytes() - :used_before < 65536 AS no_leak;

SELECT approx_percentile('\x02'::bytea::quantile_sketch, 0.5);
SELECT merge(s) FROM (VALUES ('scale=6'::quantile_sketch), ('\x012006'::bytea::quantile_sketch)) v(s);
SELECT ''::bytea::quantile_sketch + 'scale=6';

DROP CAST (bytea AS quantile_sketch);
DROP FUNCTION damage(bytea, integer);
DROP FUNCTION read_damaged(text);
DROP FUNCTION accepted(quantile_sketch);
DROP FUNCTION used_bytes();
DROP TABLE stored_v1, stored, damaged, ways;
