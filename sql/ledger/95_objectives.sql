-- Service level objectives: which share of the executions of a scope must go well, and how that stands.

CREATE TABLE objectives (
    objective_id  bigint            GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text              NOT NULL CONSTRAINT objectives_name_key UNIQUE,
    kind          text              NOT NULL,
    threshold     interval,
    target        double precision  NOT NULL,
    period        interval          NOT NULL DEFAULT '30 days',
    scope         jsonb             NOT NULL DEFAULT '{}',
    CONSTRAINT objectives_kind_known CHECK (kind IN ('latency', 'success', 'deadline')),
    CONSTRAINT objectives_threshold_given CHECK ((kind = 'success') = (threshold IS NULL) AND threshold > interval '0'),
    CONSTRAINT objectives_target_share CHECK (target > 0 AND target <= 1),
    CONSTRAINT objectives_period_positive CHECK (period > interval '0'),
    CONSTRAINT objectives_scope_known CHECK (needed_dimensions(scope, '{}') IS NOT NULL)
);

COMMENT ON TABLE objectives IS 'What is promised of executions, one objective a row';
COMMENT ON COLUMN objectives.objective_id IS 'Identity';
COMMENT ON COLUMN objectives.name IS 'Its name';
COMMENT ON COLUMN objectives.kind IS 'When an execution is good. latency: its duration is within the threshold. success: it did not fail or time out. deadline: it succeeded within the threshold after it was created, waiting included';
COMMENT ON COLUMN objectives.threshold IS 'Longest good duration, or the deadline, such as 24 hours; NULL for success';
COMMENT ON COLUMN objectives.target IS 'Share of executions that must be good, such as 0.99';
COMMENT ON COLUMN objectives.period IS 'How far back the objective looks';
COMMENT ON COLUMN objectives.scope IS 'Which executions count: a filter as usage_read() takes it; {} is all';
COMMENT ON INDEX objectives_pkey IS 'An objective by its identity';
COMMENT ON INDEX objectives_name_key IS 'An objective by its name';

CREATE TABLE objective_credits (
    objective_id  bigint            NOT NULL REFERENCES objectives ON DELETE CASCADE,
    below         double precision  NOT NULL,
    percent       numeric           NOT NULL,
    PRIMARY KEY (objective_id, below),
    CONSTRAINT objective_credits_percent_share CHECK (percent > 0 AND percent <= 100)
);

COMMENT ON TABLE objective_credits IS 'What the customer gets back when an objective is missed';
COMMENT ON COLUMN objective_credits.objective_id IS 'The objective';
COMMENT ON COLUMN objective_credits.below IS 'Given when compliance is lower than this share';
COMMENT ON COLUMN objective_credits.percent IS 'Percentage of the bill; the highest that applies is given';
COMMENT ON INDEX objective_credits_pkey IS 'The credits of an objective, each once';

CREATE FUNCTION set_objective(
    name text, kind text, target double precision, threshold interval DEFAULT NULL, scope jsonb DEFAULT '{}',
    period interval DEFAULT '30 days', credits jsonb DEFAULT '{}')
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $set_objective$
#variable_conflict use_column
DECLARE
    id bigint;
BEGIN
    INSERT INTO objectives AS o (name, kind, target, threshold, scope, period)
    VALUES (set_objective.name, set_objective.kind, set_objective.target, set_objective.threshold, set_objective.scope, set_objective.period)
    ON CONFLICT (name) DO UPDATE SET
        kind = excluded.kind, target = excluded.target, threshold = excluded.threshold, scope = excluded.scope, period = excluded.period
    RETURNING o.objective_id INTO id;
    DELETE FROM objective_credits WHERE objective_id = id;
    INSERT INTO objective_credits (objective_id, below, percent)
    SELECT id, below::double precision, percent::numeric FROM jsonb_each_text(credits) AS credit (below, percent);
    RETURN id;
END
$set_objective$;

COMMENT ON FUNCTION set_objective(text, text, double precision, interval, jsonb, interval, jsonb) IS
'Makes the objective of that name, or replaces it. credits, as {"0.99": 10, "0.95": 25}, are percentages of the bill below a compliance. See objectives for the rest. Returns objective_id. Raises 23514 for what contradicts itself.';

CREATE FUNCTION named_objectives(name text) RETURNS SETOF objectives
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $named_objectives$
BEGIN
    RETURN QUERY SELECT * FROM objectives AS o WHERE named_objectives.name IS NULL OR o.name = named_objectives.name;
    IF NOT FOUND AND named_objectives.name IS NOT NULL THEN
        RAISE no_data_found USING
            MESSAGE = format('objective "%s" does not exist', named_objectives.name),
            HINT = 'The table objectives has those that do; set_objective() makes one.';
    END IF;
END
$named_objectives$;

COMMENT ON FUNCTION named_objectives(text) IS 'The objective of that name, all if it is NULL. Raises P0002 for a name that does not exist.';

CREATE FUNCTION execution_outcomes(
    scope jsonb, kind text, threshold interval, since timestamptz, until timestamptz, as_of timestamptz DEFAULT now())
RETURNS TABLE ("time" timestamptz, ok boolean)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $execution_outcomes$
#variable_conflict use_variable
DECLARE
    first timestamptz := since - CASE WHEN kind = 'deadline' THEN threshold ELSE interval '0' END;
BEGIN
    PERFORM read_edges(since, until, needed_dimensions(scope, '{}'), 'day');
    PERFORM has_raw(first, until, ARRAY['duration_ms']);
    RETURN QUERY
    SELECT decided."time", decided.ok
    FROM execution_history AS e
    CROSS JOIN LATERAL (
        SELECT e.status IN ('pending', 'running') AS is_open, extract(epoch FROM threshold) * 1000 AS threshold_ms,
               coalesce(e.completed_at,
                        e.created_at + (coalesce(e.queue_time_ms, 0) + coalesce(e.duration_ms, 0)) * interval '1 millisecond') AS completed_at
    ) AS run
    CROSS JOIN LATERAL (
        SELECT outcome."time", outcome.ok
        FROM @extschema@.sla_outcome(e.created_at, CASE WHEN e.status = 'success' THEN run.completed_at END, threshold, as_of) AS outcome
        WHERE kind = 'deadline' AND e.status NOT IN ('failed', 'timeout')
        UNION ALL
        SELECT least(run.completed_at, e.created_at + threshold), false
        WHERE kind = 'deadline' AND e.status IN ('failed', 'timeout')
        UNION ALL
        SELECT e.created_at,
               CASE WHEN kind = 'success' THEN CASE WHEN NOT run.is_open THEN e.status = 'success' END
                    WHEN NOT run.is_open THEN e.duration_ms <= run.threshold_ms
                    WHEN coalesce(e.started_at, e.created_at) + threshold < as_of THEN false END
        WHERE kind <> 'deadline'
    ) AS decided
    WHERE e.created_at >= first AND e.created_at < until
      AND decided."time" >= since AND decided."time" < until AND decided.ok IS NOT NULL
      AND e.status <> 'cancelled' AND e.deleted_at IS NULL
      AND (scope -> 'customer_id' IS NULL OR e.customer_id = ANY (filter_values(scope -> 'customer_id')))
      AND (scope = '{}' OR @extschema@.scope_covers(scope, jsonb_build_object(
              'customer_id', e.customer_id, 'project_id', e.project_id, 'package_id', e.package_id, 'section', e.section,
              'provider', e.provider, 'model', e.model, 'environment', e.environment, 'customer_tier', e.customer_tier,
              'user_id', e.user_id, 'api_key_id', e.api_key_id)));
END
$execution_outcomes$;

COMMENT ON FUNCTION execution_outcomes(jsonb, text, interval, timestamptz, timestamptz, timestamptz) IS
'The executions of a scope that were decided in [since, until), and how, by the kinds of objectives. One that is still open is decided as soon as it is later than the threshold; cancelled and deleted ones do not count, nor those without a duration for latency. Read from the raw executions; raises 55000 where they are not kept.';

CREATE FUNCTION objective_status(name text DEFAULT NULL, at timestamptz DEFAULT now())
RETURNS TABLE (
    objective text, kind text, threshold interval, target double precision, starts timestamptz, ends timestamptz,
    events bigint, failures bigint, compliance double precision, is_met boolean,
    failures_allowed double precision, budget_consumed double precision, budget_remaining double precision,
    burn_rate double precision, burn_rate_1h double precision, burn_rate_6h double precision, burn_rate_3d double precision,
    credit_percent numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT o.name, o.kind, o.threshold, o.target, objective_status.at - o.period, objective_status.at,
           coalesce((tally.whole).events, 0), coalesce((tally.whole).failures, 0), (tally.whole).compliance,
           coalesce((tally.whole).compliance >= o.target, true),
           (tally.whole).budget, coalesce((tally.whole).consumed, 0), coalesce((tally.whole).remaining, 1),
           (tally.whole).burn_rate, (tally.hour).burn_rate, (tally.six_hours).burn_rate, (tally.three_days).burn_rate,
           coalesce((SELECT max(c.percent) FROM objective_credits AS c
                     WHERE c.objective_id = o.objective_id AND (tally.whole).compliance < c.below), 0)
    FROM named_objectives(objective_status.name) AS o
    CROSS JOIN LATERAL (
        SELECT error_budget(e.ok, o.target) AS whole,
               error_budget(e.ok, o.target) FILTER (WHERE e."time" >= objective_status.at - interval '1 hour') AS hour,
               error_budget(e.ok, o.target) FILTER (WHERE e."time" >= objective_status.at - interval '6 hours') AS six_hours,
               error_budget(e.ok, o.target) FILTER (WHERE e."time" >= objective_status.at - interval '3 days') AS three_days
        FROM execution_outcomes(o.scope, o.kind, o.threshold, objective_status.at - o.period, objective_status.at, objective_status.at) AS e
    ) AS tally
    ORDER BY o.objective_id;
END;

COMMENT ON FUNCTION objective_status(text, timestamptz) IS
'How objectives stand over their period up to an instant: events that are decided, failures, compliance, the error budget (failures_allowed; consumed and remaining as shares of it), how fast it burns (1: it lasts exactly the period) in the whole period and in its last hour, six hours and three days, and the credit that is due. Without events an objective is met. Raises P0002 for a name that does not exist, 55000 where its period reaches further back than executions are kept.';

CREATE FUNCTION objective_breaches(name text, since timestamptz, until timestamptz DEFAULT now(), width interval DEFAULT '1 hour')
RETURNS TABLE (starts timestamptz, ends timestamptz, events bigint, failures bigint, worst_compliance double precision)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH judged AS (
        SELECT e."time", e.ok,
               (error_budget(e.ok, o.target) OVER (
                   ORDER BY e."time" RANGE BETWEEN width - interval '1 microsecond' PRECEDING AND CURRENT ROW)).compliance AS compliance,
               o.target
        FROM named_objectives(coalesce(objective_breaches.name, '')) AS o
        CROSS JOIN LATERAL execution_outcomes(o.scope, o.kind, o.threshold, since, until, until) AS e
    ), instant AS (
        SELECT j."time", j.compliance < j.target AS is_breach, j.compliance, count(*) AS events, count(*) FILTER (WHERE NOT j.ok) AS failures
        FROM judged AS j
        GROUP BY j."time", j.compliance, j.target
    ), run AS (
        SELECT i.*, lead(i."time") OVER (ORDER BY i."time") AS next_time,
               row_number() OVER (ORDER BY i."time") - row_number() OVER (PARTITION BY i.is_breach ORDER BY i."time") AS number
        FROM instant AS i
    )
    SELECT min(r."time"), CASE WHEN count(*) = count(r.next_time) THEN max(r.next_time) END,
           sum(r.events)::bigint, sum(r.failures)::bigint, min(r.compliance)
    FROM run AS r
    WHERE r.is_breach
    GROUP BY r.number
    ORDER BY 1;
END;

COMMENT ON FUNCTION objective_breaches(text, timestamptz, timestamptz, interval) IS
'Intervals of [since, until) in which the compliance of an objective over the trailing width was below its target: from the first execution that made it so to the one that ended it (NULL: it goes on), with the executions decided meanwhile. Raises P0002 for a name that does not exist.';
