-- Partitions of execution_history.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- the current month and three ahead, and a default so that no row is refused
SELECT count(*) AS partitions, count(*) FILTER (WHERE relid = 'execution_history_default'::regclass) AS of_which_default
FROM pg_partition_tree('execution_history') WHERE isleaf;
SELECT bool_and(to_regclass('execution_history_' || to_char(date_trunc('month', now()) + n * interval '1 month', 'YYYY_MM')) IS NOT NULL) AS there
FROM generate_series(0, 3) AS n;
SELECT * FROM create_partitions();
SELECT count(*) AS made FROM create_partitions(5);

INSERT INTO execution_history (customer_id, created_at, duration_ms)
SELECT 'past', '2019-11-15'::timestamptz + n * interval '10 days', n FROM generate_series(1, 10) AS n;
INSERT INTO execution_history (customer_id, created_at) VALUES ('future', '2099-12-31 23:59:59.999999');
SELECT count(*) AS in_default FROM execution_history_default;
SELECT count(*) AS deltas FROM usage_deltas;
SELECT * FROM reconcile();
SELECT fold();

-- they find a home, keep all they had, and are counted once
CREATE TABLE before AS SELECT * FROM execution_history;
SELECT adopt_default_rows();
SELECT count(*) AS in_default FROM execution_history_default;
SELECT DISTINCT tableoid::regclass::text AS partition FROM execution_history ORDER BY 1;
SELECT count(*) AS changed FROM ((TABLE before EXCEPT ALL SELECT * FROM execution_history) UNION ALL (SELECT * FROM execution_history EXCEPT ALL TABLE before)) AS difference;
SELECT * FROM reconcile();
SELECT executions, p50_duration_ms FROM summary('all');
SELECT adopt_default_rows();

-- an adopted partition is as good as any other
INSERT INTO execution_history (customer_id, created_at) VALUES ('past', '2019-12-24');
INSERT INTO execution_history_2019_12 (customer_id, created_at) VALUES ('past', '2019-12-24');
UPDATE execution_history_2019_12 SET duration_ms = 5 WHERE duration_ms IS NULL;
SELECT * FROM reconcile();
SELECT * FROM health() WHERE finding LIKE 'triggers%' OR finding LIKE '%default%';
DROP TRIGGER append_deltas_of_delete ON execution_history_2019_12;
SELECT level, detail FROM health() WHERE finding LIKE 'triggers%';

-- TRUNCATE would tell nobody what it removed
TRUNCATE execution_history;
TRUNCATE execution_history_2019_11;
TRUNCATE execution_history_default;

-- columns that the owner adds come along
ALTER TABLE execution_history ADD COLUMN zone text DEFAULT 'eu';
ALTER TABLE execution_history DROP COLUMN error_code;
INSERT INTO execution_history (customer_id, created_at, zone) VALUES ('past', '2018-01-01', 'us');
SELECT adopt_default_rows();
SELECT zone, tableoid::regclass FROM execution_history WHERE zone <> 'eu';
SELECT * FROM reconcile();

-- rows that something refers to stay where they are
CREATE TABLE feedback (id uuid, created_at timestamptz, FOREIGN KEY (id, created_at) REFERENCES execution_history ON DELETE CASCADE);
INSERT INTO execution_history (customer_id, created_at) VALUES ('referred', '2017-01-01');
INSERT INTO feedback SELECT id, created_at FROM execution_history WHERE customer_id = 'referred';
SELECT adopt_default_rows();
SELECT fold() > 0 AS folds;
SELECT count(*) AS feedback FROM feedback;
DROP TABLE feedback;
SELECT adopt_default_rows();

-- what is written to a table that is no partition any more is not counted
ALTER TABLE execution_history DETACH PARTITION execution_history_2017_01;
INSERT INTO execution_history_2017_01 (id, customer_id, created_at, input_tokens) VALUES (uuid_v7(), 'detached', '2017-01-01', -5);
-- and one that has the name of a partition is in the way
INSERT INTO execution_history (customer_id, created_at) VALUES ('again', '2017-01-02');
SELECT adopt_default_rows();

-- a delta table that is no plain table any more is refused
CREATE FUNCTION bent(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
    EXECUTE change;
    INSERT INTO execution_history (customer_id) VALUES ('bent');
    RETURN 'ACCEPTED';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
    RETURN format('%s %s | %s', SQLSTATE, SQLERRM, detail);
END $$;
SELECT bent(change) FROM unnest(ARRAY[
    'CREATE INDEX ON usage_deltas (bucket)',
    'ALTER TABLE usage_deltas ADD CHECK (cost > 0)',
    'CREATE TRIGGER t BEFORE INSERT ON usage_deltas FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    'ALTER TABLE usage_deltas ALTER duration_sketch TYPE jsonb USING NULL',
    'TRUNCATE usage_deltas; ALTER TABLE usage_deltas ALTER shadow_cost SET NOT NULL',
    'ALTER TABLE usage_deltas DROP COLUMN cost CASCADE',
    'TRUNCATE usage_deltas; ALTER TABLE usage_deltas ADD note text NOT NULL',
    'ALTER TABLE usage_deltas RENAME TO elsewhere']) AS change;
ALTER TABLE usage_deltas ADD note text;
INSERT INTO execution_history (customer_id, created_at) VALUES ('noted', '2019-12-24');
SELECT count(*) FROM usage_deltas WHERE customer_id = 'noted';

-- a column that the ledger needs
ALTER TABLE execution_history RENAME COLUMN queue_time_ms TO waited_ms;
INSERT INTO execution_history (customer_id, created_at) VALUES ('c', '2019-12-24');

SET client_min_messages = warning;
DROP SCHEMA usage CASCADE;
