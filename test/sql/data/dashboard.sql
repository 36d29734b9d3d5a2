-- The dashboard that a mock-up promised, as executions of a ledger that the search_path names: 16 days, 125,430 requests. Loaded
-- by every test that shows it through another surface.

SET timezone = 'UTC';

-- Requests and cost of each model in each project. The mock-up gives the sums of the rows and of the columns.
CREATE TABLE promised (model text, project_id text, requests integer, cost numeric);
INSERT INTO promised VALUES
    ('Scalix Standard', 'Customer Support Chatbot', 5532, 12.58), ('Scalix Standard', 'Content Generation API', 4592, 10.49), ('Scalix Standard', 'Data Analysis Tool', 4018, 9.20),
    ('Scalix Standard', 'Code Review Assistant', 3516, 8.07), ('Scalix Standard', 'Marketing Copy Generator', 3050, 7.00), ('Scalix Standard', NULL, 24292, 20.16),
    ('Scalix Advanced', 'Customer Support Chatbot', 4672, 17.70), ('Scalix Advanced', 'Content Generation API', 3878, 14.76), ('Scalix Advanced', 'Data Analysis Tool', 3393, 12.95),
    ('Scalix Advanced', 'Code Review Assistant', 2969, 11.36), ('Scalix Advanced', 'Marketing Copy Generator', 2575, 9.86), ('Scalix Advanced', NULL, 20513, 28.37),
    ('Scalix Analyst', 'Customer Support Chatbot', 3073, 9.32), ('Scalix Analyst', 'Content Generation API', 2551, 7.77), ('Scalix Analyst', 'Data Analysis Tool', 2232, 6.81),
    ('Scalix Analyst', 'Code Review Assistant', 1953, 5.98), ('Scalix Analyst', 'Marketing Copy Generator', 1694, 5.19), ('Scalix Analyst', NULL, 13497, 14.93),
    ('Scalix Coder', 'Customer Support Chatbot', 2143, 6.20), ('Scalix Coder', 'Content Generation API', 1779, 5.18), ('Scalix Coder', 'Data Analysis Tool', 1557, 4.54),
    ('Scalix Coder', 'Code Review Assistant', 1362, 3.99), ('Scalix Coder', 'Marketing Copy Generator', 1181, 3.45), ('Scalix Coder', NULL, 9408, 9.94);
SELECT sum(requests) AS requests, sum(cost) AS cost FROM promised;

-- Costs in millionths, tokens and days are dealt out so that the sums are exact.
SELECT create_partition('2025-01-01');
INSERT INTO execution_history (customer_id, created_at, project_id, provider, model, status, error_code, input_tokens, reported_cost, duration_ms)
SELECT 'scalix',
       '2025-01-01 00:00'::timestamptz + n % 16 * interval '1 day' + n * 7919 % 86400 * interval '1 second',
       project_id, 'Scalix', model,
       CASE WHEN n % 125 = 0 THEN 'failed' ELSE 'success' END,
       CASE WHEN n % 125 = 0 THEN (ARRAY['rate_limit_exceeded', 'invalid_api_key', 'model_timeout', 'E_1234'])[1 + n / 125 % 4] END,
       2847392 / 125430 + CASE WHEN n <= 2847392 % 125430 THEN 1 ELSE 0 END,
       ((cost * 1000000)::bigint / requests + CASE WHEN i <= (cost * 1000000)::bigint % requests THEN 1 ELSE 0 END) * 0.000001,
       CASE WHEN n % 2 = 0 THEN 1000 ELSE 1400 END
FROM (SELECT row_number() OVER (ORDER BY model, project_id, i) AS n, p.*, i
      FROM promised AS p, generate_series(1, requests) AS i) AS request;
