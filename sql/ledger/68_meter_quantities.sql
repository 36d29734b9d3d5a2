-- What a billing system is told of each customer: quantities for its meters.

CREATE FUNCTION meter_quantities(since timestamptz, until timestamptz, meter text DEFAULT 'total_tokens')
RETURNS TABLE (customer_id text, day date, quantity bigint, exact_quantity text)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $meter_quantities$
DECLARE
    column_name text := regexp_replace(meter, '_cents$', '');
    per_unit    integer := CASE WHEN meter LIKE '%\_cents' THEN 100 ELSE 1 END;
BEGIN
    IF meter IS NULL OR meter NOT IN ('executions', 'input_tokens', 'cache_read_tokens', 'cache_write_tokens', 'output_tokens', 'reasoning_tokens',
                                      'total_tokens', 'cost_cents', 'billed_cost_cents') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown meter %L', meter),
            HINT = 'The meters are executions, the kinds of tokens and total_tokens, cost_cents and billed_cost_cents.';
    END IF;
    RETURN QUERY
    SELECT r.customer_id, (r.starts AT TIME ZONE 'UTC')::date, round(metered.quantity)::bigint, trim_scale(metered.quantity)::text
    FROM usage_report('{customer_id}', 'day', since => meter_quantities.since, until => meter_quantities.until, time_zone => 'UTC') AS r
    CROSS JOIN LATERAL (SELECT (to_jsonb(r) ->> column_name)::numeric * per_unit AS quantity) AS metered
    ORDER BY 1, 2;
END
$meter_quantities$;

COMMENT ON FUNCTION meter_quantities(timestamptz, timestamptz, text) IS
'The usage of [since, until) by customer and UTC day, as a billing meter takes it: exact_quantity is a decimal without exponent, quantity the whole number next to it. meter is a column of usage_report() that counts executions or tokens, or cost_cents or billed_cost_cents: that many hundredths of the currency of the ledger. Raises 22023 for another meter.';
