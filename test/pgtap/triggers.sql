-- Other triggers beside ours: whatever fires before or after the stamp, and however a row arrives, what is written has the
-- stamp, and what the others made of the row.
SET client_min_messages = warning;
SET timezone = 'UTC';
SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('acme', 'echo', input_per_million => 2000000, output_per_million => 3000000, valid_from => '-infinity') \gset
SELECT create_partition('2026-01-01') AS made \gset

CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.metadata := coalesce(NEW.metadata, '[]') || to_jsonb(TG_NAME || ' saw ' || coalesce(NEW.cost::text, 'no cost'));
    RETURN NEW;
END $$;
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.cost <> 13 THEN
        RAISE EXCEPTION '% saw %', TG_NAME, NEW.cost;
    END IF;
    RETURN NEW;
END $$;
CREATE FUNCTION twice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.input_tokens := 2 * NEW.input_tokens;
    RETURN NEW;
END $$;

CREATE FUNCTION pg_temp.arrived() RETURNS TABLE (how text, cost numeric, total_tokens bigint, price_status text, metadata jsonb) LANGUAGE sql AS $$
    WITH gone AS (DELETE FROM usage.execution_history RETURNING *)
    SELECT user_id, cost, total_tokens, price_status, metadata FROM gone ORDER BY 1
$$;

-- every way in, 4 or twice 2 input tokens and 3 others
CREATE FUNCTION pg_temp.insert_all(input bigint) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    columns text := '(user_id, input_tokens, created_at, customer_id, provider, model, output_tokens)';
    rest    text := input || ', ''2026-01-05''::timestamptz, ''c'', ''acme'', ''echo'', 3';
    file    text := current_setting('data_directory') || '/arrivals';
    found   numeric;
BEGIN
    EXECUTE 'INSERT INTO usage.execution_history ' || columns || ' VALUES (''insert'', ' || rest || ')';
    EXECUTE 'INSERT INTO usage.execution_history ' || columns || ' SELECT ''select'' || n, ' || rest || ' FROM generate_series(1, 2) AS n';
    EXECUTE 'INSERT INTO usage.execution_history ' || columns || ' VALUES (''conflict'', ' || rest || ') ON CONFLICT DO NOTHING';
    EXECUTE 'INSERT INTO usage.execution_history_2026_01 ' || columns || ' VALUES (''partition'', ' || rest || ')';
    EXECUTE 'MERGE INTO usage.execution_history AS e USING (SELECT 1) AS s ON false WHEN NOT MATCHED THEN INSERT ' || columns || ' VALUES (''merge'', ' || rest || ')';
    EXECUTE 'WITH made AS (INSERT INTO usage.execution_history ' || columns || ' VALUES (''returning'', ' || rest || ') RETURNING *) SELECT cost FROM made' INTO found;
    RETURN NEXT found::text;
    EXECUTE format('COPY (SELECT ''copy'' || n, %s FROM generate_series(1, 2) AS n) TO %L', rest, file);
    EXECUTE format('COPY usage.execution_history %s FROM %L', columns, file);
    EXECUTE format('COPY usage.execution_history_2026_01 %s FROM %L', columns, file);
END $$;
CREATE FUNCTION pg_temp.expected(metadata jsonb) RETURNS SETOF record LANGUAGE sql AS $$
    SELECT how, 17::numeric, 7::bigint, 'priced', metadata
    FROM unnest(ARRAY['conflict', 'copy1', 'copy1', 'copy2', 'copy2', 'insert', 'merge', 'partition', 'returning', 'select1', 'select2']) AS how
$$;
CREATE FUNCTION pg_temp.is_right(input bigint, metadata jsonb, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN NEXT is(pg_temp.insert_all(input), '17', what || ': what is returned');
    RETURN NEXT results_eq('SELECT * FROM pg_temp.arrived()',
        format('SELECT * FROM pg_temp.expected(%L) AS (how text, cost numeric, total bigint, status text, metadata jsonb)', metadata), what || ': what is written');
END $$;

SELECT pg_temp.is_right(4, NULL, 'ours alone');
CREATE TRIGGER aa_twice BEFORE INSERT ON execution_history FOR EACH ROW EXECUTE FUNCTION twice();
SELECT pg_temp.is_right(2, NULL, 'one before that changes what is priced');
CREATE TRIGGER aa_note BEFORE INSERT ON execution_history FOR EACH ROW EXECUTE FUNCTION note();
SELECT pg_temp.is_right(2, '["aa_note saw no cost"]', 'two before');
CREATE TRIGGER zz_note BEFORE INSERT ON execution_history FOR EACH ROW EXECUTE FUNCTION note();
SELECT pg_temp.is_right(2, '["aa_note saw no cost", "zz_note saw 17"]', 'and one after');
ALTER TABLE execution_history DISABLE TRIGGER zz_note;
SELECT pg_temp.is_right(2, '["aa_note saw no cost"]', 'which is disabled');
ALTER TABLE execution_history ENABLE TRIGGER zz_note;
DROP TRIGGER aa_note ON execution_history;
DROP TRIGGER aa_twice ON execution_history;
SELECT pg_temp.is_right(4, '["zz_note saw 17"]', 'one after alone');
DROP TRIGGER zz_note ON execution_history;

-- One that may refuse the row by what is stamped, and changes nothing.
CREATE TRIGGER zz_look BEFORE INSERT ON execution_history FOR EACH ROW WHEN (NEW.total_tokens = 5) EXECUTE FUNCTION look();
SELECT lives_ok($$ INSERT INTO execution_history (user_id, customer_id, provider, model, input_tokens, output_tokens) VALUES ('a', 'c', 'acme', 'echo', 2, 3) $$,
    'a condition sees the stamp, and so does the function');
SELECT throws_ok($$ INSERT INTO execution_history (customer_id, provider, model, input_tokens, output_tokens) VALUES ('c', 'acme', 'echo', 1, 4) $$,
    'P0001', 'zz_look saw 14', 'which is another');
SELECT results_eq('SELECT * FROM pg_temp.arrived()', $$ VALUES ('a', 13::numeric, 5::bigint, 'priced', NULL::jsonb) $$, 'it is written as it was seen');
DROP TRIGGER zz_look ON execution_history;

SELECT is_empty('SELECT * FROM reconcile()', 'nothing to reconcile');
SELECT * FROM finish();
