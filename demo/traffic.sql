-- 30 days of plausible traffic in the table demo_traffic, the same every time but for the dates: a pseudo-random number
-- is a hash of the row's number.

CREATE FUNCTION demo_uniform(number bigint, what text) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((hashint8extended(number, hashtext(what)) & 4503599627370495) + 0.5) / 4503599627370496;

-- Box and Muller's transform of two uniform variates into a normal one
CREATE FUNCTION demo_normal(number bigint, what text) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sqrt(-2 * ln(demo_uniform(number, what))) * cos(2 * pi() * demo_uniform(number, what || ' angle'));

-- which of the weights (cumulative, the last one 1) a variate falls to, counted from 1
CREATE FUNCTION demo_pick(variate float8, weights float8[]) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN width_bucket(variate, weights) + 1;

CREATE TABLE demo_models (number integer PRIMARY KEY, provider text, model text, base_ms float8, ms_per_token float8);
INSERT INTO demo_models VALUES
    (1, 'openai',    'gpt-4o-mini',       320, 6),
    (2, 'openai',    'gpt-4o',            450, 11),
    (3, 'anthropic', 'claude-sonnet-4',   700, 14),
    (4, 'anthropic', 'claude-3-5-sonnet', 600, 13),
    (5, 'anthropic', 'claude-3-haiku',    280, 7),
    (6, 'google',    'gemini-pro',        500, 9),
    (7, 'openai',    'gpt-4-turbo',       900, 22),
    (8, 'mistral',   'mistral-large',     520, 12);

-- offices are busy on weekdays from 8 to 18 o'clock: cumulative weights of the 720 hours up to now
CREATE TABLE demo_hours AS
SELECT array_agg(weight_so_far / total ORDER BY hour) AS weights
FROM (SELECT hour,
             sum(weight) OVER (ORDER BY hour) AS weight_so_far,
             sum(weight) OVER () AS total
      FROM (SELECT hour,
                   CASE WHEN extract(isodow FROM at) >= 6 THEN 0.35 ELSE 1 END
                   * (0.25 + exp(-((extract(hour FROM at) - 13) / 4.0) ^ 2))::float8 AS weight
            FROM generate_series(0, 719) AS hour,
                 LATERAL (SELECT now() - (720 - hour) * interval '1 hour' AS at) AS clock) AS hours) AS sums;

CREATE UNLOGGED TABLE demo_traffic AS
SELECT n AS shuffle,
       now() - interval '30 days' + (demo_pick(demo_uniform(n, 'hour'), hours.weights) - 1 + demo_uniform(n, 'minute'))
               * interval '1 hour' AS created_at,
       (ARRAY['acme', 'globex', 'initech', 'umbrella', 'hooli', 'stark', 'wayne', 'wonka'])[customer.number] AS customer_id,
       (ARRAY['enterprise', 'pro', 'pro', 'enterprise', 'free', 'pro', 'free', 'free'])[customer.number] AS customer_tier,
       (ARRAY['support-bot', 'search', 'code-review', 'reports'])[demo_pick(demo_uniform(n, 'project'), '{0.45,0.72,0.9,1}')] AS project_id,
       (ARRAY['chat', 'rag_pipeline', 'embedding', 'intent_detection', 'other'])[demo_pick(demo_uniform(n, 'section'), '{0.5,0.75,0.85,0.95,1}')] AS section,
       customer.number || '-' || floor(demo_uniform(n, 'user') ^ 2 * 40) AS user_id,
       CASE WHEN demo_uniform(n, 'environment') < 0.93 THEN 'production' ELSE 'sandbox' END AS environment,
       model.provider, model.model,
       outcome.status,
       outcome.error_code,
       round(exp(6.2 + 1.1 * demo_normal(n, 'input')))::bigint AS input_tokens,
       CASE WHEN demo_uniform(n, 'cached') < 0.3 THEN round(exp(7 + demo_normal(n, 'cache')))::bigint ELSE 0 END AS cache_read_tokens,
       CASE WHEN outcome.status = 'success' THEN size.output_tokens ELSE 0 END AS output_tokens,
       round((CASE WHEN outcome.status = 'timeout' THEN 60000
                   ELSE (model.base_ms + model.ms_per_token * size.output_tokens) * exp(0.25 * demo_normal(n, 'latency'))
                        * CASE WHEN demo_uniform(n, 'tail') < 0.01 THEN 8 ELSE 1 END END)::numeric, 3) AS duration_ms,
       round(exp(2 + 0.8 * demo_normal(n, 'queue'))::numeric, 3) AS queue_time_ms
FROM generate_series(1::bigint, 240000) AS n
CROSS JOIN demo_hours AS hours
CROSS JOIN LATERAL (SELECT demo_pick(demo_uniform(n, 'customer'), '{0.36,0.58,0.72,0.82,0.9,0.95,0.98,1}') AS number) AS customer
JOIN demo_models AS model ON model.number = demo_pick(demo_uniform(n, 'model'), '{0.36,0.58,0.72,0.82,0.9,0.95,0.99,1}')
CROSS JOIN LATERAL (
    SELECT CASE WHEN u < 0.974 THEN 'success' WHEN u < 0.99 THEN 'failed' WHEN u < 0.998 THEN 'timeout' ELSE 'cancelled' END AS status,
           CASE WHEN u < 0.974 THEN NULL WHEN u < 0.984 THEN 'rate_limit_exceeded' WHEN u < 0.99 THEN 'invalid_api_key'
                WHEN u < 0.998 THEN 'model_timeout' END AS error_code
    FROM demo_uniform(n, 'outcome') AS u) AS outcome
CROSS JOIN LATERAL (SELECT greatest(1, round(exp(4.8 + 0.9 * demo_normal(n, 'output'))))::bigint AS output_tokens) AS size;
