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

CREATE INDEX prices_model_idx ON prices (model, provider);

COMMENT ON TABLE prices IS 'Price lists: one row per provider, model, override and period of validity';
COMMENT ON COLUMN prices.price_id IS 'Identity, stamped on each execution that was priced by this row';
COMMENT ON COLUMN prices.provider IS 'Provider, as executions or a catalogue name it; resolve_model() tells which list a name finds';
COMMENT ON COLUMN prices.model IS 'Model, as executions or a catalogue name it';
COMMENT ON COLUMN prices.customer_id IS 'The one customer this price is for, '''' for all; beats a price of the tier';
COMMENT ON COLUMN prices.customer_tier IS 'The one customer tier this price is for, '''' for all; beats the general price';
COMMENT ON COLUMN prices.valid_from IS 'First instant at which the price applies';
COMMENT ON COLUMN prices.valid_to IS 'First instant at which it applies no more; equal to valid_from in a row that was replaced before it ever applied';
COMMENT ON INDEX prices_pkey IS 'A price list by its identity';
COMMENT ON INDEX prices_do_not_overlap IS 'At any time, at most one list per provider, model and override';
COMMENT ON INDEX prices_model_idx IS 'Look-up of a model''s prices by the price book cache';

CREATE TABLE price_rates (
    price_id            bigint  NOT NULL REFERENCES prices ON DELETE CASCADE,
    unit                text    NOT NULL,
    service_tier        text    NOT NULL DEFAULT '',
    region              text    NOT NULL DEFAULT '',
    above_input_tokens  bigint  NOT NULL DEFAULT 0,
    from_quantity       bigint  NOT NULL DEFAULT 0,
    price               numeric NOT NULL,
    PRIMARY KEY (price_id, unit, service_tier, region, above_input_tokens, from_quantity),
    CONSTRAINT price_rates_unit_named CHECK (unit ~ '^[a-z][a-z0-9_]{0,62}$'),
    CONSTRAINT price_rates_conditions_not_negative CHECK (above_input_tokens >= 0 AND from_quantity >= 0),
    CONSTRAINT price_rates_price_finite CHECK (price >= 0 AND price < 'Infinity')
);

COMMENT ON TABLE price_rates IS 'What one unit costs in a price list, under conditions. Of the rates whose conditions hold the one with the highest threshold applies, then one of the service tier, then one of the region; not more than one of a unit. A unit that is missing has no price of its own: cached input then costs as input, reasoning as output. Zero means free.';
COMMENT ON COLUMN price_rates.price_id IS 'The price list';
COMMENT ON COLUMN price_rates.unit IS 'What is counted: a kind of token as in execution_history, or any unit of its column units';
COMMENT ON COLUMN price_rates.service_tier IS 'Applies to this service tier only, such as priority, flex or batch; '''' to all but provisioned_throughput, which is prepaid';
COMMENT ON COLUMN price_rates.region IS 'Applies to this region only; '''' to all';
COMMENT ON COLUMN price_rates.above_input_tokens IS 'Applies to all of the unit if the total input (uncached, cache read and cache write) is more than this; 0 always';
COMMENT ON COLUMN price_rates.from_quantity IS 'Applies to what goes beyond this quantity, up to the next rate with the same conditions; 0 unless prices are graduated';
COMMENT ON COLUMN price_rates.price IS 'Exact price of one unit in the currency of the ledger';
COMMENT ON INDEX price_rates_pkey IS 'The rates of a list, each unit once under each condition';

CREATE TABLE price_rules (
    only_row      boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    failed_calls  text    NOT NULL DEFAULT 'tokens' CHECK (failed_calls IN ('never', 'tokens', 'reported'))
);

COMMENT ON TABLE price_rules IS 'One row: how this ledger prices what a price list does not say';
COMMENT ON COLUMN price_rules.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN price_rules.failed_calls IS 'What an execution costs that failed, timed out or was cancelled: never anything, what its tokens cost if it has some, or what the provider reported';
COMMENT ON INDEX price_rules_pkey IS 'Keeps it at one row';

INSERT INTO price_rules DEFAULT VALUES;

-- For each row, because a subscription that applies a change fires no statement triggers; it does fire those ENABLE ALWAYS.
CREATE TRIGGER forget_prices AFTER INSERT OR UPDATE OR DELETE ON prices
    FOR EACH ROW EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_all_prices AFTER TRUNCATE ON prices
    FOR EACH STATEMENT EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_prices AFTER INSERT OR UPDATE OR DELETE ON price_rates
    FOR EACH ROW EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_all_prices AFTER TRUNCATE ON price_rates
    FOR EACH STATEMENT EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_prices AFTER INSERT OR UPDATE OR DELETE ON price_rules
    FOR EACH ROW EXECUTE FUNCTION forget_prices();
CREATE TRIGGER forget_all_prices AFTER TRUNCATE ON price_rules
    FOR EACH STATEMENT EXECUTE FUNCTION forget_prices();
ALTER TABLE prices ENABLE ALWAYS TRIGGER forget_prices;
ALTER TABLE prices ENABLE ALWAYS TRIGGER forget_all_prices;
ALTER TABLE price_rates ENABLE ALWAYS TRIGGER forget_prices;
ALTER TABLE price_rates ENABLE ALWAYS TRIGGER forget_all_prices;
ALTER TABLE price_rules ENABLE ALWAYS TRIGGER forget_prices;
ALTER TABLE price_rules ENABLE ALWAYS TRIGGER forget_all_prices;

COMMENT ON TRIGGER forget_prices ON prices IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_all_prices ON prices IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_prices ON price_rates IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_all_prices ON price_rates IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_prices ON price_rules IS 'Sessions drop what they remember of the price book';
COMMENT ON TRIGGER forget_all_prices ON price_rules IS 'Sessions drop what they remember of the price book';

-- {"searches": 0.01, "input_tokens": [{"price": 2}, {"price": 4, "above_input_tokens": 200000}]}
CREATE FUNCTION stated_rates(units jsonb, per_units numeric)
RETURNS TABLE (unit text, service_tier text, region text, above_input_tokens bigint, from_quantity bigint, price numeric)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $stated_rates$
DECLARE
    factor numeric := CASE per_units WHEN 1 THEN 1 WHEN 1000 THEN 0.001 WHEN 1000000 THEN 0.000001 END;
    named  record;
    rate   jsonb;
    bad    boolean;
BEGIN
    IF factor IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('per_units is %s', coalesce(per_units::text, 'null')),
            HINT = 'Prices are per 1, per 1000 or per 1000000 units.';
    END IF;
    IF jsonb_typeof(units) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'units is not a JSON object',
            HINT = 'For example ''{"searches": 0.01}''.';
    END IF;
    FOR named IN SELECT key, value FROM jsonb_each(units) LOOP
        FOR rate IN SELECT jsonb_array_elements(CASE jsonb_typeof(named.value) WHEN 'array' THEN named.value ELSE jsonb_build_array(named.value) END) LOOP
            IF jsonb_typeof(rate) = 'number' THEN
                rate := jsonb_build_object('price', rate);
            END IF;
            bad := jsonb_typeof(rate) <> 'object' OR NOT rate ? 'price';
            bad := bad OR EXISTS (
                SELECT FROM jsonb_each(rate) AS condition
                WHERE jsonb_typeof(condition.value) IS DISTINCT FROM
                      CASE WHEN condition.key IN ('price', 'above_input_tokens', 'from_quantity') THEN 'number'
                           WHEN condition.key IN ('service_tier', 'region') THEN 'string' END);
            IF bad THEN
                RAISE invalid_parameter_value USING
                    MESSAGE = format('cannot read the rate %s of unit %s', rate, named.key),
                    HINT = 'A rate is a price, or an object with price and any of above_input_tokens, service_tier, region and from_quantity.';
            END IF;
            unit := named.key;
            service_tier := coalesce(rate ->> 'service_tier', '');
            region := coalesce(rate ->> 'region', '');
            above_input_tokens := coalesce((rate ->> 'above_input_tokens')::bigint, 0);
            from_quantity := coalesce((rate ->> 'from_quantity')::bigint, 0);
            price := trim_scale((rate ->> 'price')::numeric * factor);
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$stated_rates$;

COMMENT ON FUNCTION stated_rates(jsonb, numeric) IS
'Rates stated as JSON, as rows of price_rates: an object from unit to a price, or to an array of objects with price and conditions. Prices are per so many units: 1, 1000 or 1000000. Raises 22023 for what it cannot read.';

CREATE FUNCTION set_price(
    provider text, model text,
    input_per_million numeric DEFAULT NULL, output_per_million numeric DEFAULT NULL,
    cache_read_per_million numeric DEFAULT NULL, cache_write_per_million numeric DEFAULT NULL,
    reasoning_per_million numeric DEFAULT NULL,
    valid_from timestamptz DEFAULT now(),
    customer_id text DEFAULT '', customer_tier text DEFAULT '',
    cache_write_1h_per_million numeric DEFAULT NULL,
    units jsonb DEFAULT '{}', per_units numeric DEFAULT 1
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

    IF least(input_per_million, output_per_million, cache_read_per_million, cache_write_per_million, reasoning_per_million, cache_write_1h_per_million) < 0
       OR greatest(input_per_million, output_per_million, cache_read_per_million, cache_write_per_million, reasoning_per_million, cache_write_1h_per_million) >= 'Infinity'
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
    FROM (VALUES ('input_tokens', input_per_million),
                 ('output_tokens', output_per_million),
                 ('cache_read_tokens', cache_read_per_million),
                 ('cache_write_tokens', cache_write_per_million),
                 ('cache_write_1h_tokens', cache_write_1h_per_million),
                 ('reasoning_tokens', reasoning_per_million)) AS rate (unit, per_million)
    WHERE rate.per_million IS NOT NULL;

    INSERT INTO price_rates (price_id, unit, service_tier, region, above_input_tokens, from_quantity, price)
    SELECT price_id, stated.* FROM stated_rates(set_price.units, per_units) AS stated;

    RETURN price_id;
END
$set_price$;

COMMENT ON FUNCTION set_price(text, text, numeric, numeric, numeric, numeric, numeric, timestamptz, text, text, numeric, jsonb, numeric) IS
'States the whole price list of a model from valid_from on, in units of the ledger''s currency per million tokens, and returns its price_id. units states the rest, per so many units (1, 1000 or 1000000): an object from unit to price, or to an array of objects with price and any of the conditions above_input_tokens, service_tier, region and from_quantity. The list that was valid at that instant ends there; a list that begins later stays. NULL means no price of its own (cached input costs as input, reasoning as output), 0 means free. customer_id or customer_tier make it an override. Stated for the very instant at which a list begins, it corrects that list, which then never applied. Executions that are already stamped keep their cost until rerate().';

-- Built-in lists, valid at any time unless a change is known. Sources: the list prices of the replaced systems, and the
-- public LiteLLM price map for gpt-4o, which cost 5 and 15 until the name moved to a cheaper snapshot.
SELECT set_price(provider, model, input, output, valid_from => valid_from)
FROM (VALUES
    ('openai',    'gpt-4',             30,   60,   '-infinity'::timestamptz),
    ('openai',    'gpt-4-turbo',       10,   30,   '-infinity'),
    ('openai',    'gpt-3.5-turbo',     0.5,  1.5,  '-infinity'),
    ('openai',    'gpt-4o',            5,    15,   '-infinity'),
    ('openai',    'gpt-4o',            2.5,  10,   '2024-11-12 00:00+00'),
    ('openai',    'gpt-4o-2024-05-13', 5, 15,   '-infinity'),
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
SELECT price_id, 'input_images', 0.0025
FROM prices
WHERE (provider, model) = ('google', 'gemini-pro-vision');
