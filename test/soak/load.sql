-- A ledger for the load, and the choice of its executions: 500 customers, of whom some have much more traffic than others.

CREATE EXTENSION usage_meter;
SELECT create_usage_ledger();
SELECT usage.set_price('acme', 'echo', input_per_million => 3, output_per_million => 15, valid_from => '-infinity');
SELECT usage.set_price('acme', 'forte', input_per_million => 0.1234567891, output_per_million => 1, valid_from => '-infinity');

CREATE FUNCTION executions(rows integer)
RETURNS TABLE (customer_id text, project_id text, section text, user_id text, provider text, model text, status text,
               input_tokens bigint, output_tokens bigint, duration_ms numeric, queue_time_ms numeric)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT 'customer-' || floor(500 * random() ^ 2), 'project-' || floor(5 * random()), (ARRAY['chat', 'search'])[1 + number % 2],
           'user-' || floor(20 * random()), 'acme', (ARRAY['echo', 'forte', 'unknown'])[1 + floor(2.1 * random())::integer],
           (ARRAY['success', 'success', 'success', 'failed', 'running'])[1 + floor(5 * random())::integer],
           floor(2000 * random())::bigint, floor(500 * random())::bigint,
           round((20 / (random() + 0.001))::numeric, 3), round((10 * random())::numeric, 3)
    FROM generate_series(1, rows) AS number;
END;

-- what is seen once a second
CREATE TABLE seen (
    at           timestamptz NOT NULL DEFAULT clock_timestamp(),
    backlog      bigint NOT NULL,
    delta_pages  bigint NOT NULL,
    folded       bigint NOT NULL,
    refused      bigint NOT NULL
);
