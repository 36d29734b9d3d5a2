-- Costs: at given prices, and at those of a price book, which its table of prices names. In a ledger execution_cost(),
-- explain_cost() and resolve_model() call these for its own book.

CREATE FUNCTION token_cost(
    input_tokens bigint DEFAULT NULL, output_tokens bigint DEFAULT NULL,
    cache_read_tokens bigint DEFAULT NULL, cache_write_tokens bigint DEFAULT NULL,
    reasoning_tokens bigint DEFAULT NULL, cache_write_1h_tokens bigint DEFAULT NULL,
    input_per_million numeric DEFAULT NULL, output_per_million numeric DEFAULT NULL,
    cache_read_per_million numeric DEFAULT NULL, cache_write_per_million numeric DEFAULT NULL,
    reasoning_per_million numeric DEFAULT NULL, cache_write_1h_per_million numeric DEFAULT NULL
) RETURNS numeric
LANGUAGE C IMMUTABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'token_cost';

COMMENT ON FUNCTION token_cost(bigint, bigint, bigint, bigint, bigint, bigint, numeric, numeric, numeric, numeric, numeric, numeric) IS
'Exact cost of tokens at given prices per million. A price that is NULL: cached input costs as input, reasoning as output, an hour''s cache write as any; 0 means free. NULL when no count is given, or tokens have no price. Raises 22003 for a negative count or price, 23514 for a part larger than its whole.';

CREATE FUNCTION book_cost(
    prices regclass, provider text, model text,
    input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
    reasoning_tokens bigint, cache_write_1h_tokens bigint, units jsonb,
    at timestamptz, customer_id text, customer_tier text, service_tier text, region text
) RETURNS numeric
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'book_cost';

COMMENT ON FUNCTION book_cost(regclass, text, text, bigint, bigint, bigint, bigint, bigint, bigint, jsonb, timestamptz, text, text, text, text) IS
'Cost by the book whose prices these are; see execution_cost() of a ledger.';

CREATE FUNCTION book_cost_lines(
    prices regclass, provider text, model text,
    input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
    reasoning_tokens bigint, cache_write_1h_tokens bigint, units jsonb,
    at timestamptz, customer_id text, customer_tier text, service_tier text, region text
) RETURNS TABLE (unit text, quantity numeric, price numeric, condition text, amount numeric, price_id bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'book_cost_lines';

COMMENT ON FUNCTION book_cost_lines(regclass, text, text, bigint, bigint, bigint, bigint, bigint, bigint, jsonb, timestamptz, text, text, text, text) IS
'The lines that book_cost() adds up; see explain_cost() of a ledger.';

CREATE FUNCTION list_cost_lines(
    prices regclass, list bigint,
    input_tokens bigint, output_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
    reasoning_tokens bigint, cache_write_1h_tokens bigint, units jsonb, service_tier text, region text
) RETURNS TABLE (unit text, quantity numeric, price numeric, condition text, amount numeric, price_id bigint)
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'list_cost_lines';

COMMENT ON FUNCTION list_cost_lines(regclass, bigint, bigint, bigint, bigint, bigint, bigint, bigint, jsonb, text, text) IS
'The lines of a cost at the prices of one list, whenever it is valid; see explain_cost() of a ledger.';

CREATE FUNCTION book_names(prices regclass, asked_provider text, asked_model text, region text)
RETURNS TABLE (rank integer, provider text, model text, matched text)
LANGUAGE C STABLE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'book_names';

COMMENT ON FUNCTION book_names(regclass, text, text, text) IS
'The names under which the price of a model is looked for, in this order; see resolve_model() of a ledger.';

CREATE FUNCTION price_book_counts(OUT hits bigint, OUT loads bigint)
LANGUAGE C VOLATILE PARALLEL RESTRICTED
AS 'MODULE_PATHNAME', 'price_book_counts';

COMMENT ON FUNCTION price_book_counts() IS
'How often this session found the prices of a model in its cache, and how often it had to read them from tables.';

CREATE FUNCTION current_price(execution record, OUT cost numeric, OUT shadow_cost numeric, OUT price_id bigint, OUT price_status text)
LANGUAGE C STABLE STRICT PARALLEL RESTRICTED COST 100
AS 'MODULE_PATHNAME', 'current_price';

COMMENT ON FUNCTION current_price(record) IS
'What rerate() would stamp on a row of execution_history: its cost by the price book as it is now. Raises 42501 without the right to read prices.';

CREATE FUNCTION allow_rerating(history regclass, allowed boolean) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'allow_rerating';

COMMENT ON FUNCTION allow_rerating(regclass, boolean) IS
'Lets UPDATEs of a ledger''s history stamp the current price on settled executions until the end of the transaction, or ends that; part of rerate(). Raises 42501 for all but the owner of the history.';

CREATE FUNCTION allow_crediting(history regclass, allowed boolean) RETURNS void
LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'allow_crediting';

COMMENT ON FUNCTION allow_crediting(regclass, boolean) IS
'Lets UPDATEs of a ledger''s history change credited_cost until the end of the transaction, or ends that; part of credit(). Raises 42501 for all but the owner of the history.';
