-- How budgets stand.

CREATE FUNCTION budget_status(filter jsonb DEFAULT '{}', name text DEFAULT NULL, at timestamptz DEFAULT now())
RETURNS TABLE (
    budget_id bigint, budget text, scope jsonb, subject jsonb, measure text, is_hard boolean, period text,
    starts timestamptz, ends timestamptz, spent numeric, reserved numeric, amount numeric,
    percent numeric, remaining numeric, projected numeric, level text, bar text)
LANGUAGE sql STABLE
BEGIN ATOMIC
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
    FROM budgets AS b
    CROSS JOIN LATERAL budget_period(b.period, b.anchor, b.length, b.starts_at, b.ends_at, b.time_zone, budget_status.at) AS period
    CROSS JOIN LATERAL budget_spent(b.measure, period.starts, period.ends, b.scope, b.per) AS used
    CROSS JOIN LATERAL (
        SELECT coalesce(trim_scale(sum(r.amount)), 0) AS reserved FROM reservations AS r
        WHERE r.budget_id = b.budget_id AND r.subject = used.subject AND r.expires_at > now()) AS held
    CROSS JOIN LATERAL (SELECT 100 * used.spent / nullif(b.amount, 0) AS percent) AS share
    CROSS JOIN LATERAL (
        SELECT min(t.percent) AS percent FROM budget_thresholds AS t
        WHERE t.budget_id = b.budget_id) AS lowest
    WHERE b.is_active
      AND (budget_status.name IS NULL OR b.name = budget_status.name)
      AND b.scope || used.subject @> budget_status.filter
    ORDER BY b.budget_id, used.subject;
END;

COMMENT ON FUNCTION budget_status(jsonb, text, timestamptz) IS
'Every active budget, and every subject of it that has used anything, in the period that holds the instant: spent and reserved, percent of the amount, what remains of it, what the period comes to at the pace so far (NULL without a length), the level (ok, warning from the lowest threshold on, exceeded) and a bar. filter keeps those whose scope and subject contain it. starts and ends are NULL where they are infinite.';
