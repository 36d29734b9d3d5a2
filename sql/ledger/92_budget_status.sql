-- How budgets stand.

-- A budget may ask for what cannot be answered any more. It must not keep the others from being looked at.
CREATE FUNCTION budget_status(filter jsonb DEFAULT '{}', name text DEFAULT NULL, at timestamptz DEFAULT now())
RETURNS TABLE (
    budget_id bigint, budget text, scope jsonb, subject jsonb, measure text, is_hard boolean, period text,
    starts timestamptz, ends timestamptz, spent numeric, reserved numeric, amount numeric,
    percent numeric, remaining numeric, projected numeric, level text, bar text)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $budget_status$
#variable_conflict use_column
DECLARE
    b budgets;
BEGIN
    IF budget_status.name IS NOT NULL AND NOT EXISTS (SELECT FROM budgets AS known WHERE known.name = budget_status.name) THEN
        RAISE no_data_found USING
            MESSAGE = format('budget "%s" does not exist', budget_status.name),
            HINT = 'The table budgets has those that do; set_budget() makes one.';
    END IF;

    FOR b IN
        SELECT * FROM budgets AS active
        WHERE active.is_active AND (budget_status.name IS NULL OR active.name = budget_status.name)
        ORDER BY active.budget_id
    LOOP
        BEGIN
            RETURN QUERY
            SELECT b.budget_id, b.name, b.scope, used.subject, b.measure, b.is_hard, b.period,
                   nullif(period.starts, '-infinity'), nullif(period.ends, 'infinity'), used.spent, held.reserved, b.amount,
                   share.percent, b.amount - used.spent - held.reserved,
                   -- at the pace so far, where the period has a length
                   CASE WHEN isfinite(period.starts) AND isfinite(period.ends) AND budget_status.at > period.starts
                        THEN used.spent * greatest(1, extract(epoch FROM period.ends - period.starts)
                                                      / extract(epoch FROM budget_status.at - period.starts)) END,
                   CASE WHEN used.spent >= b.amount AND used.spent > 0 THEN 'exceeded'
                        WHEN used.spent >= b.amount * lowest.percent / 100 AND used.spent > 0 THEN 'warning'
                        ELSE 'ok' END,
                   repeat('█', least(20, share.percent / 5)::integer) || repeat('░', 20 - least(20, share.percent / 5)::integer)
                   || ' ' || round(share.percent, 1) || ' %'
            FROM budget_period(b.period, b.anchor, b.length, b.starts_at, b.ends_at, b.time_zone, budget_status.at) AS period
            CROSS JOIN LATERAL budget_spent(b.measure, period.starts, period.ends, b.scope, b.per) AS used
            CROSS JOIN LATERAL (
                SELECT coalesce(trim_scale(sum(r.amount)), 0) AS reserved FROM reservations AS r
                WHERE r.budget_id = b.budget_id AND r.subject = used.subject AND r.expires_at > now()) AS held
            CROSS JOIN LATERAL (SELECT 100 * used.spent / nullif(b.amount, 0) AS percent) AS share
            CROSS JOIN LATERAL (
                SELECT min(t.percent) AS percent FROM budget_thresholds AS t
                WHERE t.budget_id = b.budget_id) AS lowest
            WHERE b.scope || used.subject @> budget_status.filter
            ORDER BY used.subject;
        EXCEPTION WHEN object_not_in_prerequisite_state OR data_exception THEN
            RAISE WARNING USING
                MESSAGE = format('budget "%s" cannot be evaluated: %s', b.name, SQLERRM),
                ERRCODE = SQLSTATE;
            RETURN QUERY
            SELECT b.budget_id, b.name, b.scope, '{}'::jsonb, b.measure, b.is_hard, b.period,
                   NULL::timestamptz, NULL::timestamptz, NULL::numeric, NULL::numeric, b.amount,
                   NULL::numeric, NULL::numeric, NULL::numeric, 'unknown', NULL
            WHERE b.scope @> budget_status.filter;
        END;
    END LOOP;
END
$budget_status$;

COMMENT ON FUNCTION budget_status(jsonb, text, timestamptz) IS
'Every active budget, and every subject of it that has used anything, in the period that holds the instant: spent and reserved, percent of the amount, what remains of it, what the period comes to at the pace so far (NULL without a length), the level (ok, warning from the lowest threshold on, exceeded) and a bar. filter keeps those whose scope and subject contain it. starts and ends are NULL where they are infinite. A budget that cannot be evaluated, because it needs executions that are not kept, has the level unknown and is named in a warning. Raises P0002 for a name that does not exist.';
