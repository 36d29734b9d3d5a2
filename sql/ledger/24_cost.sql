-- What something costs by the price book, and how that is added up.

CREATE FUNCTION execution_cost(
    provider text, model text,
    input_tokens bigint DEFAULT NULL, output_tokens bigint DEFAULT NULL,
    cache_read_tokens bigint DEFAULT NULL, cache_write_tokens bigint DEFAULT NULL,
    reasoning_tokens bigint DEFAULT NULL, cache_write_1h_tokens bigint DEFAULT NULL,
    units jsonb DEFAULT NULL, at timestamptz DEFAULT now(),
    customer_id text DEFAULT NULL, customer_tier text DEFAULT NULL,
    service_tier text DEFAULT NULL, region text DEFAULT NULL
) RETURNS numeric
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT book_cost('prices'::regclass, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
                     reasoning_tokens, cache_write_1h_tokens, units, at, customer_id, customer_tier, service_tier, region);
END;

COMMENT ON FUNCTION execution_cost(text, text, bigint, bigint, bigint, bigint, bigint, bigint, jsonb, timestamptz, text, text, text, text) IS
'Exact cost of such an execution by the price book at that time, in the currency of the ledger; NULL when nothing is counted or a price is missing. The same routine stamps executions. Counts and units as in execution_history. Raises 22003 or 23514 for counts that cannot be.';

CREATE FUNCTION explain_cost(
    provider text, model text,
    input_tokens bigint DEFAULT NULL, output_tokens bigint DEFAULT NULL,
    cache_read_tokens bigint DEFAULT NULL, cache_write_tokens bigint DEFAULT NULL,
    reasoning_tokens bigint DEFAULT NULL, cache_write_1h_tokens bigint DEFAULT NULL,
    units jsonb DEFAULT NULL, at timestamptz DEFAULT now(),
    customer_id text DEFAULT NULL, customer_tier text DEFAULT NULL,
    service_tier text DEFAULT NULL, region text DEFAULT NULL
) RETURNS TABLE (unit text, quantity numeric, price numeric, condition text, amount numeric, price_id bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT line.unit, line.quantity, line.price, line.condition, line.amount, line.price_id
    FROM book_cost_lines('prices'::regclass, provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
                         reasoning_tokens, cache_write_1h_tokens, units, at, customer_id, customer_tier, service_tier, region) AS line;
END;

COMMENT ON FUNCTION explain_cost(text, text, bigint, bigint, bigint, bigint, bigint, bigint, jsonb, timestamptz, text, text, text, text) IS
'The arithmetic of execution_cost(): one row per line with its unit, quantity, price, the conditions of that price and the amount. The amounts add up to the cost. A line without a price is why a cost is not known.';
