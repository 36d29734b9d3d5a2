-- Indexes and statistics of execution_history: those that reports need, and no more, since each makes writes slower.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT create_partition('2020-01-01') \gset

CREATE FUNCTION definitions(history regclass) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT regexp_replace(pg_get_indexdef(i.indexrelid), '^CREATE (UNIQUE )?INDEX \S+ ON (ONLY )?\S+ ', '\1') FROM pg_index AS i WHERE i.indrelid = history $$;
CREATE VIEW wanted (definition) AS VALUES
    ('UNIQUE USING btree (id, created_at)'),
    ('USING btree (customer_id, created_at)'),
    ('USING btree (customer_id, created_at, status, error_code) INCLUDE (total_tokens, cost, credited_cost, deleted_at) WHERE (status <> ''success''::text)'),
    ('USING brin (created_at)'),
    ('USING brin (recorded_at)');
SELECT set_eq(format('SELECT definitions(%L)', history), 'TABLE wanted', 'the indexes of ' || history)
FROM unnest(ARRAY['execution_history', 'execution_history_2020_01', 'execution_history_default']) AS history;

-- ---- metadata

CREATE FUNCTION plan_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || query; END $$;
INSERT INTO execution_history (customer_id, created_at, metadata)
SELECT 'ann', '2020-01-10', jsonb_build_object('conversation_id', n) FROM generate_series(1, 1000) AS n;
ANALYZE execution_history_2020_01;
SET enable_seqscan = off;
SELECT enable_metadata_index() \gset
SELECT set_eq('SELECT definitions(''execution_history_2020_01'')', 'TABLE wanted UNION ALL VALUES (''USING gin (metadata jsonb_path_ops)'')', 'one more for metadata, where it is asked for');
SELECT is(count(*), 1::bigint, 'it is used') FROM plan_of($$SELECT FROM execution_history_2020_01 WHERE metadata @> '{"conversation_id": 7}'$$) AS line WHERE line LIKE '%metadata_idx%';
SELECT create_partition('2020-02-01') \gset
SELECT enable_metadata_index() \gset
SELECT set_eq('SELECT definitions(''execution_history_2020_02'')', 'SELECT definitions(''execution_history_2020_01'')', 'also for new partitions');
SELECT enable_metadata_index(false) \gset
SELECT set_eq('SELECT definitions(''execution_history_2020_01'')', 'TABLE wanted', 'and gone when it is not');
SELECT enable_metadata_index(false) \gset

-- ---- statistics

SELECT is(string_agg(statistics, '; ' ORDER BY statistics), 'customer_id, package_id; provider, model', 'columns that go together have statistics of their pairs in ' || history)
FROM unnest(ARRAY['execution_history', 'execution_history_2020_01', 'execution_history_default']) AS history,
     LATERAL (SELECT pg_get_statisticsobjdef_columns(s.oid) FROM pg_statistic_ext AS s WHERE s.stxrelid = history::regclass) AS s (statistics)
GROUP BY history;

SELECT * FROM finish();
