-- What was stamped, why, and how it is put right when the price book changes behind it.

CREATE FUNCTION explain_cost(execution_id uuid)
RETURNS TABLE (unit text, quantity numeric, price numeric, condition text, amount numeric, price_id bigint)
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT line.unit, line.quantity, line.price, line.condition, line.amount, line.price_id
    FROM execution_history AS e
    CROSS JOIN LATERAL list_cost_lines(
        'prices'::regclass, e.price_id, e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens,
        e.reasoning_tokens, e.cache_write_1h_tokens, e.units, e.service_tier, e.region) AS line
    WHERE e.id = execution_id AND e.price_id IS NOT NULL
    UNION ALL
    SELECT 'reported_cost', 1, e.reported_cost, 'as reported', e.reported_cost, NULL::bigint AS int8
    FROM execution_history AS e
    WHERE e.id = execution_id AND e.price_status = 'reported'
    UNION ALL
    SELECT line.unit, line.quantity, line.price, line.condition, line.amount, line.price_id
    FROM execution_history AS e
    CROSS JOIN LATERAL book_cost_lines(
        'prices'::regclass, e.provider, e.model, e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens,
        e.reasoning_tokens, e.cache_write_1h_tokens, e.units, e.created_at, e.customer_id, e.customer_tier, e.service_tier, e.region) AS line
    WHERE e.id = execution_id AND e.price_status = 'unpriced';
END;

COMMENT ON FUNCTION explain_cost(uuid) IS
'The arithmetic of a stamped execution, by the price list that was stamped, whatever the book says now: the amounts add up to its cost, or with the customer''s own key to its shadow_cost. Of an unpriced one, the lines by the book as it is now: one without a price is what is missing. No row for an execution that is open, that costs nothing, or whose model has no list.';

CREATE FUNCTION unpriced(since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity')
RETURNS TABLE (provider text, model text, executions bigint, input_tokens bigint, cache_read_tokens bigint, cache_write_tokens bigint,
               output_tokens bigint, first_at timestamptz, last_at timestamptz)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.provider, e.model, count(*),
           coalesce(total(e.input_tokens), 0), coalesce(total(e.cache_read_tokens), 0), coalesce(total(e.cache_write_tokens), 0),
           coalesce(total(e.output_tokens), 0), min(e.created_at), max(e.created_at)
    FROM execution_history AS e
    WHERE e.price_status = 'unpriced' AND e.created_at >= since AND e.created_at < until
    GROUP BY e.provider, e.model
    ORDER BY 3 DESC, 1, 2;
END;

COMMENT ON FUNCTION unpriced(timestamptz, timestamptz) IS
'Executions created in [since, until) whose cost is not known, by provider and model, with their tokens. State the price with set_price() or import_prices(), then rerate().';

CREATE VIEW price_drift WITH (security_invoker) AS
SELECT e.provider, e.model, (e.created_at AT TIME ZONE 'UTC')::date AS day,
       count(*) AS executions,
       trim_scale(sum(e.cost)) AS cost,
       trim_scale(sum(e.reported_cost)) AS reported_cost,
       trim_scale(sum(e.reported_cost - e.cost)) AS drift
FROM execution_history AS e
WHERE e.reported_cost IS NOT NULL AND e.price_status = 'priced'
GROUP BY 1, 2, 3;

COMMENT ON VIEW price_drift IS 'Where the provider or the caller reported a cost beside the one of the price book: how far they are apart';
COMMENT ON COLUMN price_drift.provider IS 'Provider';
COMMENT ON COLUMN price_drift.model IS 'Model';
COMMENT ON COLUMN price_drift.day IS 'UTC day';
COMMENT ON COLUMN price_drift.executions IS 'Executions that have both costs';
COMMENT ON COLUMN price_drift.cost IS 'Their cost by the price book';
COMMENT ON COLUMN price_drift.reported_cost IS 'Their cost as reported';
COMMENT ON COLUMN price_drift.drift IS 'reported_cost - cost';

CREATE TABLE rerates (
    rerate_id    bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rerated_at   timestamptz NOT NULL DEFAULT now(),
    rerated_by   text        NOT NULL DEFAULT CURRENT_USER,
    since        timestamptz NOT NULL,
    until        timestamptz NOT NULL,
    filter       jsonb       NOT NULL,
    executions   bigint      NOT NULL DEFAULT 0,
    cost_change  numeric     NOT NULL DEFAULT 0
);

COMMENT ON TABLE rerates IS 'Runs of rerate(), for audit';
COMMENT ON COLUMN rerates.rerate_id IS 'Identity';
COMMENT ON COLUMN rerates.rerated_at IS 'When';
COMMENT ON COLUMN rerates.rerated_by IS 'Role that called it';
COMMENT ON COLUMN rerates.since IS 'Start of the range of created_at';
COMMENT ON COLUMN rerates.until IS 'End of the range, not part of it';
COMMENT ON COLUMN rerates.filter IS 'Filter of the run';
COMMENT ON COLUMN rerates.executions IS 'Executions that were stamped anew';
COMMENT ON COLUMN rerates.cost_change IS 'By how much their cost has changed';
COMMENT ON INDEX rerates_pkey IS 'A run by its identity';

CREATE TABLE rerate_adjustments (
    rerate_id    bigint  NOT NULL REFERENCES rerates,
    day          date    NOT NULL,
    customer_id  text    NOT NULL,
    provider     text    NOT NULL,
    model        text    NOT NULL,
    executions   bigint  NOT NULL,
    newly_priced bigint  NOT NULL,
    old_cost     numeric NOT NULL,
    new_cost     numeric NOT NULL,
    PRIMARY KEY (rerate_id, day, customer_id, provider, model)
);

COMMENT ON TABLE rerate_adjustments IS 'What a run of rerate() changed, by UTC day, customer and model';
COMMENT ON COLUMN rerate_adjustments.rerate_id IS 'The run';
COMMENT ON COLUMN rerate_adjustments.day IS 'UTC day of created_at';
COMMENT ON COLUMN rerate_adjustments.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN rerate_adjustments.provider IS 'Provider, '''' if none';
COMMENT ON COLUMN rerate_adjustments.model IS 'Model, '''' if none';
COMMENT ON COLUMN rerate_adjustments.executions IS 'Executions that were stamped anew';
COMMENT ON COLUMN rerate_adjustments.newly_priced IS 'Those among them that had no cost before';
COMMENT ON COLUMN rerate_adjustments.old_cost IS 'What they had cost; nothing if not known';
COMMENT ON COLUMN rerate_adjustments.new_cost IS 'What they cost now';
COMMENT ON INDEX rerate_adjustments_pkey IS 'The adjustments of a run';

CREATE FUNCTION is_mispriced(e execution_history) RETURNS boolean
LANGUAGE sql STABLE PARALLEL RESTRICTED
BEGIN ATOMIC
    SELECT current_price(e) IS DISTINCT FROM ROW(e.cost, e.shadow_cost, e.price_id, e.price_status);
END;

COMMENT ON FUNCTION is_mispriced(execution_history) IS
'Would the price book stamp the execution otherwise now? Part of rerate().';

-- A day at a time, so that each statement is small. Each execution is locked first, for another transaction may be changing
-- it: then it is told what it had cost, and stamped by the trigger as when it came.
CREATE FUNCTION rerate(since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', dry_run boolean DEFAULT true)
RETURNS TABLE (day date, customer_id text, provider text, model text, executions bigint, newly_priced bigint,
               old_cost numeric, new_cost numeric, difference numeric)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET timezone = 'UTC'
AS $rerate$
#variable_conflict use_column
DECLARE
    run_id  bigint;
    starts  timestamptz;
    ends    timestamptz;
BEGIN
    IF since IS NULL OR until IS NULL OR filter IS NULL OR dry_run IS NULL OR since > until THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('cannot rerate from %s to %s', coalesce(since::text, 'null'), coalesce(until::text, 'null')),
            HINT = 'since must not be later than until, and no argument be null. A range holds its start and not its end.';
    END IF;
    PERFORM needed_dimensions(filter, '{}');
    IF NOT dry_run THEN
        INSERT INTO rerates (since, until, filter) VALUES (since, until, filter) RETURNING rerate_id INTO run_id;
    END IF;

    FOR starts, ends IN
        SELECT greatest(since, used.day), least(until, used.day + interval '1 day')
        FROM (SELECT DISTINCT floor_day(e.created_at) AS day
              FROM execution_history AS e
              WHERE e.created_at >= since AND e.created_at < until AND is_admitted(e, filter)) AS used
        ORDER BY used.day
    LOOP
        IF dry_run THEN
            RETURN QUERY
            SELECT starts::date, e.customer_id, coalesce(e.provider, ''), coalesce(e.model, ''),
                   count(*), count(*) FILTER (WHERE e.cost IS NULL AND p.cost IS NOT NULL),
                   trim_scale(coalesce(sum(e.cost), 0)), trim_scale(coalesce(sum(p.cost), 0)),
                   trim_scale(coalesce(sum(p.cost), 0) - coalesce(sum(e.cost), 0))
            FROM execution_history AS e CROSS JOIN LATERAL @extschema@.current_price(e) AS p
            WHERE e.created_at >= starts AND e.created_at < ends AND is_admitted(e, filter) AND is_mispriced(e)
            GROUP BY 2, 3, 4;
        ELSE
            PERFORM @extschema@.allow_rerating('execution_history', true);
            WITH due AS MATERIALIZED (
                SELECT e.id, e.created_at, e.cost AS old_cost
                FROM execution_history AS e
                WHERE e.created_at >= starts AND e.created_at < ends AND is_admitted(e, filter) AND is_mispriced(e)
                FOR NO KEY UPDATE
            ), stamped AS (
                UPDATE execution_history AS e SET price_status = e.price_status
                FROM due
                WHERE (e.id, e.created_at) = (due.id, due.created_at) AND e.created_at >= starts AND e.created_at < ends
                RETURNING e.customer_id, coalesce(e.provider, '') AS provider, coalesce(e.model, '') AS model, due.old_cost, e.cost AS new_cost
            )
            INSERT INTO rerate_adjustments
            SELECT run_id, starts::date, s.customer_id, s.provider, s.model, count(*), count(*) FILTER (WHERE s.old_cost IS NULL AND s.new_cost IS NOT NULL),
                   trim_scale(coalesce(sum(s.old_cost), 0)), trim_scale(coalesce(sum(s.new_cost), 0))
            FROM stamped AS s
            GROUP BY 3, 4, 5;
            PERFORM @extschema@.allow_rerating('execution_history', false);
        END IF;
    END LOOP;

    IF NOT dry_run THEN
        UPDATE rerates AS r SET executions = changed.executions, cost_change = changed.cost
        FROM (SELECT coalesce(sum(a.executions), 0) AS executions, coalesce(sum(a.new_cost - a.old_cost), 0) AS cost
              FROM rerate_adjustments AS a WHERE a.rerate_id = run_id) AS changed
        WHERE r.rerate_id = run_id;
        RETURN QUERY
        SELECT a.day, a.customer_id, a.provider, a.model, a.executions, a.newly_priced, a.old_cost, a.new_cost, trim_scale(a.new_cost - a.old_cost)
        FROM rerate_adjustments AS a WHERE a.rerate_id = run_id;
    END IF;
END
$rerate$;

COMMENT ON FUNCTION rerate(timestamptz, timestamptz, jsonb, boolean) IS
'Prices the executions created in [since, until) again by the book as it is now, and returns what changes by UTC day, customer and model. A dry run, the default, only tells. Else executions, rollups and reports follow, and rerates and rerate_adjustments keep what was done; a second run finds nothing left. filter as in usage_read(). The only way besides a change of usage in which a settled cost changes; for the owner of the ledger (42501).';
