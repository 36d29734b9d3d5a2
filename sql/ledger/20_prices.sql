-- The price book: what a unit of usage cost, and when. A row of prices is one price list of one model for one period,
-- its rates are rows of price_rates. A price that changes closes its row and opens another, so that history keeps the
-- price that was true at its time.

CREATE TABLE prices (
    price_id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider       text        NOT NULL,
    model          text        NOT NULL,
    customer_id    text        NOT NULL DEFAULT '',
    customer_tier  text        NOT NULL DEFAULT '',
    valid_from     timestamptz NOT NULL DEFAULT now(),
    valid_to       timestamptz NOT NULL DEFAULT 'infinity',
    CONSTRAINT prices_valid_forward CHECK (valid_from <= valid_to),
    CONSTRAINT prices_do_not_overlap EXCLUDE USING gist (
        text_key(ARRAY[provider, model, customer_id, customer_tier], ARRAY[provider, model, customer_id, customer_tier], '[]') WITH &&,
        tstzrange(valid_from, valid_to) WITH &&)
);

CREATE INDEX prices_provider_model_idx ON prices (provider, model);

COMMENT ON TABLE prices IS 'Price lists: one row per provider, model, override and period of validity';
COMMENT ON COLUMN prices.price_id IS 'Identity, stamped on each execution that was priced by this row';
COMMENT ON COLUMN prices.provider IS 'Provider, as executions name it';
COMMENT ON COLUMN prices.model IS 'Model, as executions name it';
COMMENT ON COLUMN prices.customer_id IS 'The one customer this price is for, '''' for all; beats a price of the tier';
COMMENT ON COLUMN prices.customer_tier IS 'The one customer tier this price is for, '''' for all; beats the general price';
COMMENT ON COLUMN prices.valid_from IS 'First instant at which the price applies';
COMMENT ON COLUMN prices.valid_to IS 'First instant at which it applies no more; equal to valid_from in a row that was replaced before it ever applied';
COMMENT ON INDEX prices_pkey IS 'A price list by its identity';
COMMENT ON INDEX prices_do_not_overlap IS 'At any time, at most one list per provider, model and override';
COMMENT ON INDEX prices_provider_model_idx IS 'Look-up of a model''s prices by the price book cache';

CREATE TABLE price_rates (
    price_id  bigint  NOT NULL REFERENCES prices ON DELETE CASCADE,
    unit      text    NOT NULL,
    price     numeric NOT NULL,
    PRIMARY KEY (price_id, unit),
    CONSTRAINT price_rates_unit_known CHECK (unit IN ('input_token', 'cache_read_token', 'cache_write_token', 'output_token', 'reasoning_token', 'image')),
    CONSTRAINT price_rates_price_finite CHECK (price >= 0 AND price < 'Infinity')
);

COMMENT ON TABLE price_rates IS 'What one unit costs in a price list. A unit that is missing has no price of its own: cached input then costs as input, reasoning as output. Zero means free.';
COMMENT ON COLUMN price_rates.price_id IS 'The price list';
COMMENT ON COLUMN price_rates.unit IS 'What is counted';
COMMENT ON COLUMN price_rates.price IS 'Exact price of one unit in the currency of the ledger';
COMMENT ON INDEX price_rates_pkey IS 'The rates of a list, each unit once';

-- For each row, because a subscription that applies a change fires no statement triggers; it does fire those ENABLE ALWAYS.
CREATE TRIGGER forget_prices AFTER INSERT OR UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_all_prices AFTER TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_prices AFTER INSERT OR UPDATE OR DELETE ON price_rates
    FOR EACH ROW EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_all_prices AFTER TRUNCATE ON price_rates
    FOR EACH STATEMENT EXECUTE FUNCTION forget_prices();
ALTER TABLE prices ENABLE ALWAYS TRIGGER forget_prices;
ALTER TABLE prices ENABLE ALWAYS TRIGGER forget_all_prices;
ALTER TABLE price_rates ENABLE ALWAYS TRIGGER forget_prices;
ALTER TABLE price_rates ENABLE ALWAYS TRIGGER forget_all_prices;

COMMENT ON TRIGGER forget_prices ON prices IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_all_prices ON prices IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_prices ON price_rates IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_all_prices ON price_rates IS 'Sessions drop what they remember of the price book';

CREATE FUNCTION set_price(
    provider text, model text,
    input_per_million numeric DEFAULT NULL, output_per_million numeric DEFAULT NULL,
    cache_read_per_million numeric DEFAULT NULL, cache_write_per_million numeric DEFAULT NULL,
    reasoning_per_million numeric DEFAULT NULL,
    valid_from timestamptz DEFAULT now(),
    customer_id text DEFAULT '', customer_tier text DEFAULT ''
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $set_price$
#variable_conflict use_column
DECLARE
    valid_to timestamptz;
    price_id bigint;
BEGIN
    IF provider IS NULL OR model IS NULL OR valid_from IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'provider, model and valid_from of a price must not be null',
            HINT = 'Use valid_from => ''-infinity'' for a price that has always been true.';
    END IF;

    IF least(input_per_million, output_per_million, cache_read_per_million, cache_write_per_million, reasoning_per_million) < 0
       OR greatest(input_per_million, output_per_million, cache_read_per_million, cache_write_per_million, reasoning_per_million) >= 'Infinity'
    THEN
        RAISE numeric_value_out_of_range USING
            MESSAGE = 'a price is negative or not a finite number',
            HINT = 'Use null for a kind of token that has no price of its own, and 0 for one that is free.';
    END IF;

    -- the list that is valid at that instant ends there, and the new one ends where that one would have
    UPDATE prices AS p SET valid_to = set_price.valid_from
    FROM prices AS was
    WHERE p.price_id = was.price_id
      AND (p.provider, p.model, p.customer_id, p.customer_tier)
        = (set_price.provider, set_price.model, set_price.customer_id, set_price.customer_tier)
      AND p.valid_from <= set_price.valid_from AND p.valid_to > set_price.valid_from
    RETURNING was.valid_to INTO valid_to;

    IF NOT FOUND THEN
        SELECT coalesce(min(p.valid_from), 'infinity') INTO valid_to
        FROM prices AS p
        WHERE (p.provider, p.model, p.customer_id, p.customer_tier)
            = (set_price.provider, set_price.model, set_price.customer_id, set_price.customer_tier)
          AND p.valid_from > set_price.valid_from AND p.valid_to > p.valid_from;
    END IF;

    INSERT INTO prices AS p (provider, model, customer_id, customer_tier, valid_from, valid_to)
    VALUES (provider, model, customer_id, customer_tier, valid_from, valid_to)
    RETURNING p.price_id INTO price_id;

    INSERT INTO price_rates (price_id, unit, price)
    SELECT price_id, rate.unit, trim_scale(rate.per_million * 0.000001)
    FROM (VALUES ('input_token', input_per_million),
                 ('output_token', output_per_million),
                 ('cache_read_token', cache_read_per_million),
                 ('cache_write_token', cache_write_per_million),
                 ('reasoning_token', reasoning_per_million)) AS rate (unit, per_million)
    WHERE rate.per_million IS NOT NULL;

    RETURN price_id;
END
$set_price$;

COMMENT ON FUNCTION set_price(text, text, numeric, numeric, numeric, numeric, numeric, timestamptz, text, text) IS
'States the whole price list of a model from valid_from on, in units of the ledger''s currency per million tokens, and returns its price_id. The list that was valid at that instant ends there; a list that begins later stays. NULL means no price of its own (cached input costs as input, reasoning as output), 0 means free. customer_id or customer_tier make it an override. Executions that are already stamped keep their cost.';

-- Built-in lists, valid at any time unless a change is known. Sources: the list prices of the replaced systems, and the
-- public LiteLLM price map for gpt-4o, which cost 5 and 15 until the name moved to a cheaper snapshot.
SELECT set_price(provider, model, input, output, valid_from => valid_from)
FROM (VALUES
    ('openai',    'gpt-4',             30,   60,   '-infinity'::timestamptz),
    ('openai',    'gpt-4-turbo',       10,   30,   '-infinity'),
    ('openai',    'gpt-3.5-turbo',     0.5,  1.5,  '-infinity'),
    ('openai',    'gpt-4o',            5,    15,   '-infinity'),
    ('openai',    'gpt-4o',            2.5,  10,   '2024-11-12 00:00+00'),
    ('openai',    'gpt-4o-mini',       0.15, 0.6,  '-infinity'),
    ('anthropic', 'claude-3-opus',     15,   75,   '-infinity'),
    ('anthropic', 'claude-3-sonnet',   3,    15,   '-infinity'),
    ('anthropic', 'claude-3-haiku',    0.25, 1.25, '-infinity'),
    ('anthropic', 'claude-3-5-sonnet', 3,    15,   '-infinity'),
    ('anthropic', 'claude-sonnet-4',   3,    15,   '-infinity'),
    ('google',    'gemini-pro',        0.5,  1.5,  '-infinity'),
    ('google',    'gemini-pro-vision', 0.5,  1.5,  '-infinity')
) AS list (provider, model, input, output, valid_from)
ORDER BY list.provider, list.model, list.valid_from;

INSERT INTO price_rates (price_id, unit, price)
SELECT price_id, 'image', 0.0025
FROM prices
WHERE (provider, model) = ('google', 'gemini-pro-vision');
