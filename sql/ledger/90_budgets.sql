-- Budgets: how much of a measure a part of the usage may come to in a period. What was spent is always read from the usage
-- itself; a period that begins has nothing spent because nothing was used in it yet, and nothing is ever reset.

CREATE FUNCTION budget_scope_key(scope jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT coalesce((
        SELECT dimension || '=' || (scope ->> dimension)
        FROM unnest(ARRAY['api_key_id', 'user_id', 'project_id', 'customer_id', 'package_id', 'model', 'section',
                          'customer_tier', 'provider', 'environment']) WITH ORDINALITY AS known (dimension, rank)
        WHERE jsonb_typeof(scope -> dimension) IN ('string', 'number')
        ORDER BY rank
        LIMIT 1), '');
END;

COMMENT ON FUNCTION budget_scope_key(jsonb) IS
'The most selective member of a scope that names one value, as dimension=value; '''' if there is none. An execution can only concern budgets whose key is '''' or one of its own members, which is what makes them fast to find among many.';

CREATE TABLE budgets (
    budget_id    bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text         NOT NULL CONSTRAINT budgets_name_key UNIQUE,
    scope        jsonb        NOT NULL DEFAULT '{}',
    per          text[]       NOT NULL DEFAULT '{}',
    measure      text         NOT NULL DEFAULT 'cost',
    amount       numeric,
    period       text         NOT NULL DEFAULT 'month',
    anchor       date         NOT NULL DEFAULT '2024-01-01',
    length       interval,
    starts_at    timestamptz,
    ends_at      timestamptz,
    time_zone    text         NOT NULL DEFAULT 'UTC',
    is_hard      boolean      NOT NULL DEFAULT false,
    on_unpriced  text         NOT NULL DEFAULT 'deny',
    link         text,
    is_active    boolean      NOT NULL DEFAULT true,
    scope_key    text         GENERATED ALWAYS AS (budget_scope_key(scope)) STORED,
    CONSTRAINT budgets_name_given CHECK (name <> ''),
    CONSTRAINT budgets_scope_known CHECK (needed_dimensions(scope, per) IS NOT NULL),
    CONSTRAINT budgets_measure_known CHECK (measure IN ('cost', 'tokens', 'executions', 'failures')),
    CONSTRAINT budgets_amount_finite CHECK (amount >= 0 AND amount < 'Infinity'),
    CONSTRAINT budgets_period_known CHECK (
        period IN ('hour', 'day', 'week', 'month', 'quarter', 'year', 'rolling', 'range', 'lifetime')),
    CONSTRAINT budgets_anchor_range CHECK (anchor BETWEEN '0001-01-01' AND '9999-12-31'),
    CONSTRAINT budgets_rolling_length CHECK (
        (period = 'rolling') = (length IS NOT NULL) AND length > interval '0' AND length <= interval '1000 years'),
    CONSTRAINT budgets_range_bounds CHECK (
        (period = 'range') = (starts_at IS NOT NULL AND ends_at IS NOT NULL) AND starts_at < ends_at),
    CONSTRAINT budgets_time_zone_known CHECK (timestamp '2000-01-01' AT TIME ZONE time_zone IS NOT NULL),
    CONSTRAINT budgets_on_unpriced_known CHECK (on_unpriced IN ('allow', 'deny'))
);

CREATE INDEX budgets_scope_key_idx ON budgets (scope_key);

COMMENT ON TABLE budgets IS 'Limits of usage. One row limits one measure of one scope per period; any number of budgets may cover the same execution.';
COMMENT ON COLUMN budgets.budget_id IS 'Identity; also the order in which admission locks budgets';
COMMENT ON COLUMN budgets.name IS 'Its name for people and for set_budget()';
COMMENT ON COLUMN budgets.scope IS 'Which usage counts: a filter from dimension to a value or an array of values, as usage_read() takes it; {} is all';
COMMENT ON COLUMN budgets.per IS 'Dimensions that each have the amount for themselves: {customer_id} gives it to every customer of the scope';
COMMENT ON COLUMN budgets.measure IS 'What is limited: cost (billed cost, in the currency of the ledger), tokens of all kinds, executions, or failures (failed and timed out)';
COMMENT ON COLUMN budgets.amount IS 'How much of it per period; NULL is no limit, 0 allows nothing';
COMMENT ON COLUMN budgets.period IS 'hour, day, week, month, quarter or year by the time zone; rolling: the last length; range: from starts_at to ends_at; lifetime';
COMMENT ON COLUMN budgets.anchor IS 'A day on which a period begins: its weekday for weeks, its day of the month for months (the last day of months that are shorter), its month too for quarters and years';
COMMENT ON COLUMN budgets.length IS 'How far a rolling period reaches back, at most 1000 years';
COMMENT ON COLUMN budgets.starts_at IS 'First instant of a range; before it, reserve() refuses nothing';
COMMENT ON COLUMN budgets.ends_at IS 'First instant after a range; from it on, reserve() refuses nothing';
COMMENT ON COLUMN budgets.time_zone IS 'Time zone in which its days begin, UTC unless given. It is that of the budget, not of a customer: with per {customer_id} all customers share it. Customers of another time zone need a budget of their own, with them as its scope.';
COMMENT ON COLUMN budgets.is_hard IS 'Does reserve() refuse what would go beyond it? A soft budget only alerts';
COMMENT ON COLUMN budgets.on_unpriced IS 'What a hard budget does with a reservation whose amount nobody knows, as for a model without a price: allow or deny';
COMMENT ON COLUMN budgets.link IS 'Address that alerts point to; {{budget}} and the other values of a template are filled in';
COMMENT ON COLUMN budgets.is_active IS 'Does it count and alert at all?';
COMMENT ON COLUMN budgets.scope_key IS 'The member of the scope by which it is found';
COMMENT ON INDEX budgets_pkey IS 'A budget by its identity';
COMMENT ON INDEX budgets_name_key IS 'A budget by its name';
COMMENT ON INDEX budgets_scope_key_idx IS 'Budgets that may concern an execution';

CREATE TABLE budget_thresholds (
    budget_id   bigint    NOT NULL REFERENCES budgets ON DELETE CASCADE,
    percent     numeric   NOT NULL,
    recipients  text[]    NOT NULL DEFAULT '{}',
    cooldown    interval  NOT NULL DEFAULT '24 hours',
    PRIMARY KEY (budget_id, percent),
    CONSTRAINT budget_thresholds_percent_positive CHECK (percent > 0 AND percent < 'Infinity'),
    CONSTRAINT budget_thresholds_recipients_known CHECK (
        array_position(recipients, NULL) IS NULL
        AND array_to_string(recipients, E'\n') || E'\n' ~ '^(((email|webhook|slack|discord):[^[:cntrl:]]+|notify:[ -~]{1,63})\n)*\n?$'),
    CONSTRAINT budget_thresholds_cooldown_positive CHECK (cooldown >= interval '0')
);

COMMENT ON TABLE budget_thresholds IS 'At which shares of its amount a budget alerts, and whom';
COMMENT ON COLUMN budget_thresholds.budget_id IS 'The budget';
COMMENT ON COLUMN budget_thresholds.percent IS 'Percentage of the amount; may be above 100';
COMMENT ON COLUMN budget_thresholds.recipients IS 'Who is told, each as channel:address: email, webhook, slack, discord or notify';
COMMENT ON COLUMN budget_thresholds.cooldown IS 'Within one period, an alert that has recovered does not fire again before this time has passed since it fired';
COMMENT ON INDEX budget_thresholds_pkey IS 'The thresholds of a budget, each once';

CREATE FUNCTION budget_period(
    period text, anchor date, length interval, starts_at timestamptz, ends_at timestamptz, time_zone text, at timestamptz)
RETURNS TABLE (starts timestamptz, ends timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH wall AS (
        SELECT at AT TIME ZONE time_zone AS clock, (at AT TIME ZONE time_zone)::date AS today,
               CASE period WHEN 'month' THEN 1 WHEN 'quarter' THEN 3 WHEN 'year' THEN 12 END AS months,
               CASE period WHEN 'day' THEN 1 WHEN 'week' THEN 7 END AS days
    ), count AS (
        -- how many periods lie between the anchor's and the one of today, by the calendar; one less before the day of the month
        SELECT wall.*, floor((12 * (extract(year FROM wall.today) - extract(year FROM anchor))
                              + extract(month FROM wall.today) - extract(month FROM anchor)) / wall.months)::integer AS by_month
        FROM wall
    ), step AS (
        SELECT count.*,
               CASE WHEN count.months IS NULL
                    THEN floor((count.today - anchor) / count.days::numeric)::integer
                    WHEN anchor + make_interval(months => count.by_month * count.months) > count.today
                    THEN count.by_month - 1
                    ELSE count.by_month END AS number,
               CASE WHEN count.months IS NULL THEN make_interval(days => count.days)
                    ELSE make_interval(months => count.months) END AS one
        FROM count
    )
    SELECT CASE period
               WHEN 'lifetime' THEN '-infinity'
               WHEN 'range'    THEN starts_at
               -- days and months by the wall clock, hours by time that passes
               WHEN 'rolling'  THEN (step.clock - date_trunc('day', length)) AT TIME ZONE time_zone - (length - date_trunc('day', length))
               WHEN 'hour'     THEN at - (step.clock - date_trunc('hour', step.clock))
               ELSE (anchor + step.number * step.one) AT TIME ZONE time_zone END,
           CASE period
               WHEN 'lifetime' THEN 'infinity'
               WHEN 'range'    THEN ends_at
               WHEN 'rolling'  THEN 'infinity'
               WHEN 'hour'     THEN at - (step.clock - date_trunc('hour', step.clock)) + interval '1 hour'
               ELSE (anchor + (step.number + 1) * step.one) AT TIME ZONE time_zone END
    FROM step;
END;

COMMENT ON FUNCTION budget_period(text, date, interval, timestamptz, timestamptz, text, timestamptz) IS
'The period [starts, ends) of a budget that holds an instant; of a range, the range itself. See budgets for the arguments. A rolling period and a lifetime have no end: what is dated ahead counts too.';

-- In plpgsql, because it keeps its plan for as long as the session lives.
CREATE FUNCTION budget_spent(measure text, since timestamptz, until timestamptz, filter jsonb, per text[] DEFAULT '{}')
RETURNS TABLE (subject jsonb, spent numeric)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $budget_spent$
#variable_conflict use_variable
BEGIN
    RETURN QUERY
    SELECT used.subject, trim_scale(sum(used.spent))
    FROM (
        SELECT CASE WHEN per = '{}' THEN '{}' ELSE jsonb_strip_nulls(jsonb_build_object(
                   'customer_id',   CASE WHEN 'customer_id'   = ANY (per) THEN cell.customer_id   END,
                   'project_id',    CASE WHEN 'project_id'    = ANY (per) THEN cell.project_id    END,
                   'package_id',    CASE WHEN 'package_id'    = ANY (per) THEN cell.package_id    END,
                   'section',       CASE WHEN 'section'       = ANY (per) THEN cell.section       END,
                   'provider',      CASE WHEN 'provider'      = ANY (per) THEN cell.provider      END,
                   'model',         CASE WHEN 'model'         = ANY (per) THEN cell.model         END,
                   'environment',   CASE WHEN 'environment'   = ANY (per) THEN cell.environment   END,
                   'customer_tier', CASE WHEN 'customer_tier' = ANY (per) THEN cell.customer_tier END,
                   'user_id',       CASE WHEN 'user_id'       = ANY (per) THEN cell.user_id       END,
                   'api_key_id',    CASE WHEN 'api_key_id'    = ANY (per) THEN cell.api_key_id    END)) END AS subject,
               CASE measure
                   WHEN 'cost'       THEN coalesce(cell.billed_cost, 0)
                   WHEN 'tokens'     THEN coalesce(cell.input_tokens, 0) + coalesce(cell.cache_read_tokens, 0)
                                          + coalesce(cell.cache_write_tokens, 0) + coalesce(cell.output_tokens, 0)
                   WHEN 'executions' THEN coalesce(cell.executions, 0)
                   WHEN 'failures'   THEN coalesce(cell.failed, 0) + coalesce(cell.timed_out, 0) END AS spent
        FROM usage_read(since, until, filter, per) AS cell
        UNION ALL
        SELECT '{}', 0 WHERE per = '{}'
    ) AS used
    GROUP BY 1;
END
$budget_spent$;

COMMENT ON FUNCTION budget_spent(text, timestamptz, timestamptz, jsonb, text[]) IS
'How much of a measure the usage of [since, until) within a filter comes to, for each combination of values of the dimensions per, exact at the snapshot of the caller. Without per always one row, with the subject {}.';

CREATE FUNCTION set_budget(
    name text, scope jsonb DEFAULT NULL, amount numeric DEFAULT NULL, period text DEFAULT NULL, measure text DEFAULT NULL,
    is_hard boolean DEFAULT NULL, thresholds jsonb DEFAULT NULL, per text[] DEFAULT NULL, time_zone text DEFAULT NULL,
    anchor date DEFAULT NULL, length interval DEFAULT NULL, starts_at timestamptz DEFAULT NULL, ends_at timestamptz DEFAULT NULL,
    on_unpriced text DEFAULT NULL, cooldown interval DEFAULT NULL, link text DEFAULT NULL, is_active boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $set_budget$
#variable_conflict use_column
DECLARE
    id     bigint;
    is_new boolean;
BEGIN
    INSERT INTO budgets (name) VALUES (set_budget.name) ON CONFLICT (name) DO NOTHING;
    is_new := FOUND;

    UPDATE budgets AS b SET
        scope       = coalesce(set_budget.scope, b.scope),
        amount      = CASE WHEN set_budget.amount = 'Infinity' THEN NULL ELSE coalesce(set_budget.amount, b.amount) END,
        period      = coalesce(set_budget.period, b.period),
        measure     = coalesce(set_budget.measure, b.measure),
        is_hard     = coalesce(set_budget.is_hard, b.is_hard),
        per         = coalesce(set_budget.per, b.per),
        time_zone   = coalesce(set_budget.time_zone, b.time_zone),
        anchor      = coalesce(set_budget.anchor, b.anchor),
        -- what belongs to one kind of period goes with it
        length      = coalesce(set_budget.length, CASE WHEN coalesce(set_budget.period, b.period) = b.period THEN b.length END),
        starts_at   = coalesce(set_budget.starts_at, CASE WHEN coalesce(set_budget.period, b.period) = b.period THEN b.starts_at END),
        ends_at     = coalesce(set_budget.ends_at, CASE WHEN coalesce(set_budget.period, b.period) = b.period THEN b.ends_at END),
        on_unpriced = coalesce(set_budget.on_unpriced, b.on_unpriced),
        link        = nullif(coalesce(set_budget.link, b.link), ''),
        is_active   = coalesce(set_budget.is_active, b.is_active)
    WHERE b.name = set_budget.name
    RETURNING b.budget_id INTO STRICT id;

    IF is_new THEN
        thresholds := coalesce(thresholds, '{"80": [], "100": []}');
    END IF;
    DELETE FROM budget_thresholds AS t
    WHERE t.budget_id = id
      AND t.percent NOT IN (SELECT percent::numeric FROM jsonb_object_keys(thresholds) AS percent)
      AND thresholds IS NOT NULL;
    INSERT INTO budget_thresholds (budget_id, percent, recipients)
    SELECT id, percent::numeric, ARRAY(SELECT jsonb_array_elements_text(told))
    FROM jsonb_each(thresholds) AS threshold (percent, told)
    ON CONFLICT (budget_id, percent) DO UPDATE SET recipients = excluded.recipients;
    UPDATE budget_thresholds AS t SET cooldown = set_budget.cooldown
    WHERE t.budget_id = id AND set_budget.cooldown IS NOT NULL;
    RETURN id;
END
$set_budget$;

COMMENT ON FUNCTION set_budget(text, jsonb, numeric, text, text, boolean, jsonb, text[], text, date, interval, timestamptz, timestamptz, text, interval, text, boolean) IS
'Makes the budget of that name, or changes it: an argument that is NULL leaves things as they are. See budgets for what each means. An amount of infinity is no limit, a link of '''' is none. thresholds, as {"80": ["email:ops@example.com"], "100": []}, replaces all thresholds; a new budget has 80 and 100 percent; cooldown is that of all of them. Returns budget_id. Raises 23514 for a period without what it needs, 22023 for an unknown dimension or time zone.';

CREATE FUNCTION get_budget(name text) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT to_jsonb(b) - 'scope_key' || jsonb_build_object('thresholds', coalesce((
               SELECT jsonb_object_agg(trim_scale(t.percent)::text, to_jsonb(t.recipients)) FROM budget_thresholds AS t
               WHERE t.budget_id = b.budget_id), '{}'))
    FROM budgets AS b
    WHERE b.name = get_budget.name;
END;

COMMENT ON FUNCTION get_budget(text) IS 'The configuration of a budget, thresholds and recipients included; NULL if there is none of that name';
