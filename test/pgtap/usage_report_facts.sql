-- Recorded usage reports of providers, with the counts that were billed.
SET client_min_messages = warning;

\getenv facts USAGE_METER_FACTS
\if :{?facts}
\else
\echo 1..0 # SKIP USAGE_METER_FACTS is not set
\q
\endif
\set examples_file :facts '/usage_shapes_examples.jsonl'
SELECT (pg_stat_file(:'examples_file', true)).size IS NOT NULL AS is_there \gset
\if :is_there
\else
\echo 1..0 # SKIP there are no recorded usage reports
\q
\endif

SELECT no_plan();

CREATE TEMP TABLE examples AS
SELECT n, line::jsonb AS example, line::jsonb -> 'usage' AS usage
FROM regexp_split_to_table(rtrim(pg_read_file(:'examples_file'), E'\n'), E'\n') WITH ORDINALITY AS lines (line, n);

SELECT is(count(*), 122::bigint, 'all examples are there') FROM examples;

-- the ways in which a report may arrive, and whether provider and API are named
CREATE TEMP TABLE ways (way text, is_named boolean, envelope text);
INSERT INTO ways VALUES
    ('named', true, '%s'),
    ('not named', false, '%s'),
    ('in a response', false, '{"id": "r1", "choices": [{"message": {"content": "prompt_tokens"}}], "usage": %s}'),
    ('in an event', false, '{"type": "done", "response": {"id": "r1", "metadata": {"team": "a"}, "usage": %s}}'),
    ('at the end of a stream', false, '[{"id": "r1", "usage": null}, {"id": "r1", "usage": %1$s}, {"id": "r1", "usage": %1$s}]');

-- What is null in the facts is not asserted.
CREATE TEMP VIEW results AS
SELECT n, way, example,
       jsonb_build_object('input_tokens_uncached', input_tokens, 'cache_read_tokens', cache_read_tokens,
           'cache_write_tokens', cache_write_tokens, 'output_tokens_total', output_tokens,
           'reasoning_tokens', reasoning_tokens) AS actual,
       jsonb_strip_nulls(example -> 'expected') AS expected
FROM examples, ways,
     normalize_usage(format(envelope, usage)::jsonb,
         CASE WHEN is_named THEN example ->> 'provider' END, CASE WHEN is_named THEN example ->> 'api' END);

SELECT ok(actual @> expected, format('%s %s %s, %s', n, example ->> 'provider', example ->> 'api', way))
       || CASE WHEN actual @> expected THEN '' ELSE format(E'\n# %s\n# gives    %s\n# expected %s', example -> 'usage', actual, expected) END
FROM results ORDER BY n, way;

SELECT * FROM finish();
