--
-- Queries that are made as text, and plans that are kept of them
--
CREATE TYPE pair AS (word text, number integer);
CREATE TABLE words (word text, number integer);
INSERT INTO words VALUES ('one', 1), ('two', 2), ('two', 22);
CREATE FUNCTION of_word(word text, keeps_plan boolean) RETURNS SETOF pair LANGUAGE plpgsql STABLE AS
$$BEGIN RETURN QUERY SELECT * FROM run_query(NULL::pair, 'SELECT word, number FROM words WHERE word = $1 ORDER BY number', keeps_plan, word); END$$;

-- with any values, with and without a kept plan
SELECT keeps_plan, asked, p.* FROM (VALUES (true), (false), (NULL)) AS k (keeps_plan), unnest(ARRAY['one', 'two', 'three', NULL]) AS asked, of_word(asked, keeps_plan) AS p;
SELECT count(*) AS kept FROM pg_backend_memory_contexts WHERE name = 'plans of usage_meter';
-- whose types are a part of what it means
SELECT * FROM run_query(NULL::pair, 'SELECT $1::text, 0', true, 12);
SELECT * FROM run_query(NULL::pair, 'SELECT $1::text, 0', true, 'twelve'::text);
SELECT * FROM run_query(NULL::pair, 'SELECT $1 || $3, $2 + 1', true, 'a'::text, 1, 'b'::text);

-- what a kept plan stands on may change
CREATE INDEX ON words (word);
ALTER TABLE words ADD COLUMN note text;
UPDATE words SET number = number + 100;
SELECT * FROM of_word('two', true);
ALTER TABLE words DROP COLUMN number;
SELECT * FROM of_word('two', true);
ALTER TABLE words ADD COLUMN number integer DEFAULT 7;
SELECT * FROM of_word('two', true);
CREATE SCHEMA other;
CREATE TABLE other.words AS SELECT 'two' AS word, 2000 AS number;
SET search_path = other, public;
SELECT * FROM of_word('two', true);
RESET search_path;
SELECT * FROM of_word('two', true);
CREATE ROLE regress_reader;
GRANT SELECT ON words TO regress_reader;
ALTER TABLE words ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON words TO regress_reader USING (word = 'one');
SET ROLE regress_reader;
SELECT * FROM of_word('two', true);
SELECT * FROM of_word('one', true);
RESET ROLE;
SELECT * FROM of_word('two', true);

-- many texts: the later ones are planned each time
SELECT count(*), sum(number) FROM generate_series(1, 250) AS i, run_query(NULL::pair, format('SELECT ''text %s'', $1', i), true, i) AS p;

-- what is no such query
SELECT * FROM run_query(NULL::pair, NULL, true, 0);
SELECT * FROM run_query(NULL::pair, 'SELECT 1', true, 0);
SELECT * FROM run_query(NULL::pair, 'SELECT ''a'', ''b''::text', false, 0);
SELECT * FROM run_query(NULL::pair, 'DELETE FROM words RETURNING word, number', true, 0);
SELECT * FROM run_query(NULL::pair, 'CREATE TABLE never ()', false, 0);
SELECT * FROM run_query(NULL::pair, 'SELECT ''a'', $2', false, 1);
SELECT * FROM run_query(NULL::pair, 'SELECT $1, 1', false, 'of no type');
SELECT * FROM run_query(NULL::pair, 'SELEC', false, 0);
SELECT * FROM of_word('two', true);

DROP SCHEMA other CASCADE;
DROP FUNCTION of_word(text, boolean);
DROP TABLE words;
DROP TYPE pair;
DROP ROLE regress_reader;
