-- The price book.
SELECT create_usage_ledger();
SET search_path = usage, public;
SET timezone = 'UTC';
SET datestyle = 'ISO';

-- what a new ledger knows, per million tokens
SELECT provider, model, valid_from, valid_to,
       trim_scale(max(price) FILTER (WHERE unit = 'input_tokens') * 1000000) AS input,
       trim_scale(max(price) FILTER (WHERE unit = 'output_tokens') * 1000000) AS output,
       max(price) FILTER (WHERE unit = 'input_images') AS image
FROM prices JOIN price_rates USING (price_id)
GROUP BY price_id
ORDER BY provider, model, valid_from;

-- history keeps the price that was true at its time, from the first instant to before the next
INSERT INTO execution_history (customer_id, provider, model, input_tokens, output_tokens, created_at)
VALUES ('history', 'openai', 'gpt-4o', 1000000, 0, '2024-11-11 23:59:59.999999'),
       ('history', 'openai', 'gpt-4o', 1000000, 0, '2024-11-12 00:00:00'),
       ('history', 'openai', 'gpt-4o', 0, 1000000, '2024-05-13 00:00:00');
SELECT created_at, cost FROM execution_history WHERE customer_id = 'history' ORDER BY created_at;

-- a new list closes the one before and ends where the next begins
CREATE VIEW lists AS
SELECT valid_from, valid_to, trim_scale(price * 1000000) AS input
FROM prices LEFT JOIN price_rates USING (price_id)
WHERE (provider, model) = ('p', 'm') AND coalesce(unit, 'input_tokens') = 'input_tokens'
ORDER BY valid_from, valid_to;
SELECT set_price('p', 'm', input_per_million => 1, valid_from => '2026-01-01') IS NOT NULL AS set;
SELECT set_price('p', 'm', input_per_million => 3, valid_from => '2026-03-01') IS NOT NULL AS set;
SELECT * FROM lists;
SELECT set_price('p', 'm', input_per_million => 2, valid_from => '2026-02-01') IS NOT NULL AS set;
SELECT set_price('p', 'm', input_per_million => 0.5, valid_from => '-infinity') IS NOT NULL AS set;
SELECT * FROM lists;
-- the same instant again: the list that never applied stays for the record
SELECT set_price('p', 'm', input_per_million => 2.5, valid_from => '2026-02-01') IS NOT NULL AS set;
SELECT * FROM lists;
INSERT INTO execution_history (customer_id, provider, model, input_tokens, created_at)
SELECT 'lists', 'p', 'm', 1000000, at FROM unnest('{2025-12-31 23:59:59.999999,2026-01-01,2026-02-01,2026-02-28,2026-03-01,2030-01-01}'::timestamptz[]) AS at;
SELECT created_at, cost FROM execution_history WHERE customer_id = 'lists' ORDER BY created_at;

-- overrides: the customer's price beats that of the tier, which beats the general one
SELECT set_price('p', 'm', input_per_million => 20, customer_tier => 'gold', valid_from => '-infinity') IS NOT NULL AS set;
SELECT set_price('p', 'm', input_per_million => 10, customer_id => 'special', valid_from => '-infinity') IS NOT NULL AS set;
SELECT set_price('p', 'm', input_per_million => 30, customer_id => 'special', customer_tier => 'gold', valid_from => '-infinity') IS NOT NULL AS set;
INSERT INTO execution_history (customer_id, customer_tier, provider, model, input_tokens, created_at)
VALUES ('other', NULL, 'p', 'm', 1000000, '2026-01-15'), ('other', 'gold', 'p', 'm', 1000000, '2026-01-15'),
       ('special', NULL, 'p', 'm', 1000000, '2026-01-15'), ('special', 'silver', 'p', 'm', 1000000, '2026-01-15'),
       ('special', 'gold', 'p', 'm', 1000000, '2026-01-15')
RETURNING customer_id, customer_tier, cost;

-- every kind of token, zero is free, none of its own falls back
SELECT set_price('p', 'kinds', input_per_million => 1, output_per_million => 10, cache_read_per_million => 0.1, cache_write_per_million => 1.25, reasoning_per_million => 20, valid_from => '-infinity') IS NOT NULL AS set;
SELECT set_price('p', 'free', input_per_million => 0, output_per_million => 0, valid_from => '-infinity') IS NOT NULL AS set;
SELECT set_price('p', 'input only', input_per_million => 1, valid_from => '-infinity') IS NOT NULL AS set;
INSERT INTO execution_history (customer_id, provider, model, input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens)
VALUES ('kinds', 'p', 'kinds', 1, 10, 100, 1000, 400), ('kinds', 'p', 'free', 1, 10, 100, 1000, 400),
       ('kinds', 'p', 'input only', 1, 10, 100, NULL, NULL), ('kinds', 'p', 'input only', 1, 0, 0, 1, 0)
RETURNING model, cost, price_status;

-- 23 decimals, to the last
SELECT set_price('p', 'tiny', input_per_million => 0.00000000000000001, valid_from => '-infinity') IS NOT NULL AS set;
INSERT INTO execution_history (customer_id, provider, model, input_tokens) VALUES ('tiny', 'p', 'tiny', 3), ('tiny', 'p', 'tiny', 9999999999) RETURNING cost;

-- a session sees each change at once: update, delete, rollback, savepoint, truncate
CREATE FUNCTION cost_now() RETURNS numeric LANGUAGE sql AS
$$ INSERT INTO execution_history (customer_id, provider, model, input_tokens) VALUES ('now', 'p', 'changing', 1000000) RETURNING trim_scale(cost) $$;
SELECT cost_now() AS none;
SELECT set_price('p', 'changing', input_per_million => 1, valid_from => '-infinity') AS price_id \gset
SELECT cost_now() AS one;
UPDATE price_rates SET price = 0.000002 WHERE price_id = :price_id;
SELECT cost_now() AS two;
BEGIN;
UPDATE price_rates SET price = 0.000003 WHERE price_id = :price_id;
SELECT cost_now() AS three;
SAVEPOINT s;
UPDATE price_rates SET price = 0.000004 WHERE price_id = :price_id;
SELECT cost_now() AS four;
ROLLBACK TO s;
SELECT cost_now() AS three;
ROLLBACK;
SELECT cost_now() AS two;
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT cost_now() AS two;
COMMIT;
BEGIN;
TRUNCATE price_rates;
SELECT cost_now() AS none;
ROLLBACK;
SELECT cost_now() AS two;
DELETE FROM prices WHERE price_id = :price_id;
SELECT cost_now() AS none;

-- also when the statement that changed it fails before its triggers fire
SELECT set_price('p', 'failing', input_per_million => 1, valid_from => '-infinity') IS NOT NULL AS set;
DO $$
BEGIN
    WITH changed AS (UPDATE price_rates SET price = 999 WHERE price_id = (SELECT price_id FROM prices WHERE model = 'failing') RETURNING 1)
    INSERT INTO execution_history (customer_id, provider, model, input_tokens, status)
    SELECT 'failing', 'p', 'failing', 1000000, status FROM changed, (VALUES ('success'), ('bogus')) AS v (status);
EXCEPTION WHEN check_violation THEN
    NULL;
END $$;
INSERT INTO execution_history (customer_id, provider, model, input_tokens) VALUES ('failing', 'p', 'failing', 1000000) RETURNING cost;

-- a book that its owner has bent is refused, not believed
CREATE FUNCTION bent(change text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE hint text;
BEGIN
    EXECUTE change;
    INSERT INTO execution_history (customer_id, provider, model, input_tokens) VALUES ('bent', 'p', 'free', 1);
    RETURN 'ACCEPTED';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
    RETURN format('%s %s | %s', SQLSTATE, SQLERRM, hint);
END $$;
SELECT bent($$ ALTER TABLE prices DROP CONSTRAINT prices_do_not_overlap, ALTER customer_id DROP NOT NULL; UPDATE prices SET customer_id = NULL $$);
SELECT bent($$ ALTER TABLE model_aliases DROP CONSTRAINT model_aliases_both_models, ALTER priced_model DROP DEFAULT, ALTER priced_model TYPE bigint USING 4096 $$);
SELECT bent($$ ALTER TABLE price_rates RENAME TO hidden; CREATE VIEW price_rates AS SELECT * FROM hidden $$);
SELECT bent($$ ALTER TABLE price_rates RENAME TO hidden $$);

-- what cannot be
SELECT set_price(NULL, 'm', 1);
SELECT set_price('p', 'm', input_per_million => -1);
SELECT set_price('p', 'm', input_per_million => 'NaN');
SELECT set_price('p', 'm', input_per_million => 'Infinity');
INSERT INTO prices (provider, model, valid_from, valid_to) VALUES ('p', 'm', '2026-02-15', '2026-02-16');
INSERT INTO prices (provider, model, valid_from, valid_to) VALUES ('p', 'backwards', '2026-02-16', '2026-02-15');

SELECT * FROM reconcile();
SET client_min_messages = warning;
DROP SCHEMA usage CASCADE;
