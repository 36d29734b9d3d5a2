-- Alerts: a budget that reaches a threshold tells its recipients, once per threshold and period.

CREATE TABLE budget_alerts (
    alert_id      bigint       GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    budget_id     bigint       NOT NULL REFERENCES budgets ON DELETE CASCADE,
    subject       jsonb        NOT NULL,
    percent       numeric      NOT NULL,
    period_start  timestamptz  NOT NULL,
    fired_at      timestamptz  NOT NULL,
    recovered_at  timestamptz,
    spent         numeric      NOT NULL,
    amount        numeric      NOT NULL
);

CREATE UNIQUE INDEX budget_alerts_standing_idx ON budget_alerts (budget_id, subject, percent, period_start) WHERE recovered_at IS NULL;
CREATE INDEX budget_alerts_fired_idx ON budget_alerts (budget_id, subject, percent, period_start, fired_at);

COMMENT ON TABLE budget_alerts IS 'Alerts that have fired';
COMMENT ON COLUMN budget_alerts.alert_id IS 'Identity';
COMMENT ON COLUMN budget_alerts.budget_id IS 'The budget';
COMMENT ON COLUMN budget_alerts.subject IS 'Values of the dimensions per of the budget, {} if it has none';
COMMENT ON COLUMN budget_alerts.percent IS 'The threshold that was reached';
COMMENT ON COLUMN budget_alerts.period_start IS 'Start of the period; -infinity where a period has none or moves on all the time';
COMMENT ON COLUMN budget_alerts.fired_at IS 'When it fired';
COMMENT ON COLUMN budget_alerts.recovered_at IS 'When a check did not find the threshold reached any more, in the same period; after the cooldown the alert may fire again';
COMMENT ON COLUMN budget_alerts.spent IS 'What was spent then';
COMMENT ON COLUMN budget_alerts.amount IS 'Amount of the budget then';
COMMENT ON INDEX budget_alerts_pkey IS 'An alert by its identity';
COMMENT ON INDEX budget_alerts_standing_idx IS 'An alert stands once per threshold and period, whoever checks';
COMMENT ON INDEX budget_alerts_fired_idx IS 'When an alert fired last';

CREATE TABLE alert_templates (
    channel  text  PRIMARY KEY,
    subject  text,
    text     text  NOT NULL,
    html     text,
    CONSTRAINT alert_templates_channel_known CHECK (channel IN ('email', 'webhook', 'slack', 'discord', 'notify'))
);

COMMENT ON TABLE alert_templates IS 'How alerts are worded on each channel. {{name}} is replaced by a value: budget, scope, threshold, percent, spent, amount, unit, remaining, projected, level, starts, ends, recommendation, link. A line all of whose names have no value is left out.';
COMMENT ON COLUMN alert_templates.channel IS 'The channel';
COMMENT ON COLUMN alert_templates.subject IS 'Subject of an e-mail, one line';
COMMENT ON COLUMN alert_templates.text IS 'Plain text';
COMMENT ON COLUMN alert_templates.html IS 'HTML of an e-mail; values are escaped';
COMMENT ON INDEX alert_templates_pkey IS 'The template of a channel';

INSERT INTO alert_templates (channel, subject, text, html) VALUES
('email', 'Budget {{budget}}: {{percent}} % used',
'The budget {{budget}} ({{scope}}) has used {{percent}} % of its amount and reached its threshold of {{threshold}} %.

Spent:      {{spent}} {{unit}}
Budget:     {{amount}} {{unit}}
Remaining:  {{remaining}} {{unit}}
Projected:  {{projected}} {{unit}} by the end of the period
Period:     {{starts}} to {{ends}}

{{recommendation}}
{{link}}
',
'<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Budget {{budget}}</title></head>
<body style="font-family:sans-serif;color:#222;background:#fff;margin:1.5em">
<h1 style="font-size:1.2em">Budget {{budget}}: {{percent}} % used</h1>
<p>{{scope}}: the threshold of {{threshold}} % was reached.</p>
<table style="border-collapse:collapse">
<tr><td style="padding:.2em 1em .2em 0">Spent</td><td style="text-align:right"><b>{{spent}}</b> {{unit}}</td></tr>
<tr><td style="padding:.2em 1em .2em 0">Budget</td><td style="text-align:right">{{amount}} {{unit}}</td></tr>
<tr><td style="padding:.2em 1em .2em 0">Remaining</td><td style="text-align:right">{{remaining}} {{unit}}</td></tr>
<tr><td style="padding:.2em 1em .2em 0">Projected</td><td style="text-align:right">{{projected}} {{unit}}</td></tr>
<tr><td style="padding:.2em 1em .2em 0">Period</td><td style="text-align:right">{{starts}} to {{ends}}</td></tr>
</table>
<p>{{recommendation}}</p>
<p><a href="{{link}}">{{link}}</a></p>
</body></html>
'),
('slack', NULL, '*Budget {{budget}}*: {{percent}} % used, {{spent}} of {{amount}} {{unit}} ({{scope}}). {{recommendation}} {{link}}', NULL),
('discord', NULL, '**Budget {{budget}}**: {{percent}} % used, {{spent}} of {{amount}} {{unit}} ({{scope}}). {{recommendation}} {{link}}', NULL),
('webhook', NULL, 'Budget {{budget}}: {{percent}} % used, {{spent}} of {{amount}} {{unit}}. {{recommendation}}', NULL),
('notify', NULL, 'budget {{budget}}: {{percent}} % used, {{spent}} of {{amount}} {{unit}}', NULL);

CREATE FUNCTION escape_text(value text, form text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE form
        WHEN 'html' THEN replace(replace(replace(replace(replace(value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;')
        WHEN 'slack' THEN replace(replace(replace(value, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')
        WHEN 'discord' THEN regexp_replace(value, '([\\*_~`|>@<#\[\]])', '\\\1', 'g')
        WHEN 'line' THEN regexp_replace(value, '[[:cntrl:]]+', ' ', 'g')
        WHEN 'url' THEN (
            SELECT string_agg(CASE WHEN letter ~ '^[A-Za-z0-9_.~-]$' THEN letter
                              ELSE regexp_replace(upper(encode(convert_to(letter, 'UTF8'), 'hex')), '(..)', '%\1', 'g') END, '' ORDER BY place)
            FROM regexp_split_to_table(value, '') WITH ORDINALITY AS split (letter, place))
        ELSE value END;
END;

COMMENT ON FUNCTION escape_text(text, text) IS
'A value as it may stand in a template: html, slack (mrkdwn), discord (markdown), url (percent-encoded), line (one line, as in the header of an e-mail) or text (as it is)';

CREATE FUNCTION render_template(template text, facts jsonb, form text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE
SET search_path FROM CURRENT
AS $render_template$
DECLARE
    told text := (
        SELECT string_agg(split.line, E'\n' ORDER BY split.place)
        FROM regexp_split_to_table(template, E'\n') WITH ORDINALITY AS split (line, place)
        WHERE split.line !~ '\{\{[a-z_]+\}\}'
           OR EXISTS (SELECT FROM regexp_matches(split.line, '\{\{([a-z_]+)\}\}', 'g') AS name WHERE facts ->> name[1] <> ''));
BEGIN
    -- each part of the template is followed by the value of the name that ends it, so no value is looked through for names
    RETURN (
        SELECT string_agg(left(part, length(part) - coalesce(length(name) + 4, 0))
                          || coalesce(escape_text(facts ->> name, form), ''), '' ORDER BY place)
        FROM (
            SELECT split.part, split.place, substring(split.part FROM '\{\{([a-z_]+)\}\}$') AS name
            FROM regexp_matches(coalesce(told, ''), '(?:(?!\{\{[a-z_]+\}\}).)*(?:\{\{[a-z_]+\}\}|$)', 'g') WITH ORDINALITY AS found (match, place),
                 LATERAL (SELECT found.match[1] AS part, found.place AS place) AS split
        ) AS piece);
END
$render_template$;

COMMENT ON FUNCTION render_template(text, jsonb, text) IS
'Replaces each {{name}} of a template by the value of that name, escaped for the form (see escape_text); by nothing where there is none. Lines without any value for their names are left out.';

CREATE FUNCTION alert_payload(channel text, facts jsonb) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce((
        SELECT CASE alert_payload.channel
            WHEN 'email' THEN jsonb_build_object(
                'subject', escape_text(render_template(t.subject, facts, 'text'), 'line'),
                'text', render_template(t.text, facts, 'text'),
                'html', render_template(t.html, facts, 'html'))
            WHEN 'slack' THEN jsonb_build_object('text', render_template(t.text, facts, 'slack'))
            WHEN 'discord' THEN jsonb_build_object(
                'content', left(render_template(t.text, facts, 'discord'), 2000), 'allowed_mentions', jsonb_build_object('parse', '[]'::jsonb))
            ELSE facts || jsonb_build_object('type', 'usage_meter.budget_alert', 'text', render_template(t.text, facts, 'text')) END
        FROM alert_templates AS t
        WHERE t.channel = alert_payload.channel), facts);
END;

COMMENT ON FUNCTION alert_payload(text, jsonb) IS
'What an alert says on a channel: subject, text and html of an e-mail, the body that Slack and Discord expect, else all facts and the text. Without a template, the facts.';

CREATE FUNCTION deliver_notify() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $deliver_notify$
BEGIN
    -- a payload has less than 8000 bytes
    PERFORM pg_notify(NEW.address, left(NEW.payload ->> 'text', 1900));
    NEW.sent_at := NEW.created_at;
    RETURN NEW;
END
$deliver_notify$;

COMMENT ON FUNCTION deliver_notify() IS 'A notification by NOTIFY needs no sender: it goes out when the transaction commits, once to each session that listens';

CREATE TRIGGER deliver_notify BEFORE INSERT ON notifications
    FOR EACH ROW WHEN (NEW.channel = 'notify') EXECUTE FUNCTION deliver_notify();
COMMENT ON TRIGGER deliver_notify ON notifications IS 'Delivers by NOTIFY';

CREATE FUNCTION budget_advice(level text, is_hard boolean, ends timestamptz, projected numeric, amount numeric, most text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT concat_ws(' ',
        CASE WHEN level = 'exceeded' AND is_hard THEN 'Further calls are refused' || coalesce(' until ' || ends, '') || '. Raise the amount to let them through.'
             WHEN level = 'exceeded' THEN 'Calls go on beyond the budget. Raise the amount, or make the budget hard to stop them.'
             WHEN projected > amount THEN 'At this pace the budget does not last until the end of the period. Use a cheaper model, or raise the amount.'
             ELSE 'At this pace the budget lasts. Nothing needs to be done yet.' END,
        most);
END;

COMMENT ON FUNCTION budget_advice(text, boolean, timestamptz, numeric, numeric, text) IS 'What an alert recommends to do';

CREATE FUNCTION most_spent_model(measure text, since timestamptz, until timestamptz, filter jsonb)
RETURNS TABLE (model text, spent numeric)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $most_spent_model$
BEGIN
    RETURN QUERY
    SELECT used.subject ->> 'model', used.spent
    FROM budget_spent(measure, since, until, filter, '{model}') AS used
    WHERE used.subject ->> 'model' <> ''
    ORDER BY used.spent DESC, used.subject
    LIMIT 1;
EXCEPTION WHEN object_not_in_prerequisite_state THEN
    RETURN;
END
$most_spent_model$;

COMMENT ON FUNCTION most_spent_model(text, timestamptz, timestamptz, jsonb) IS
'The model on which most of a measure was spent. No row if none was named, or if it takes executions to tell that are not kept.';

CREATE FUNCTION alert_findings(at timestamptz)
RETURNS TABLE (budget_id bigint, budget text, subject jsonb, threshold numeric, period_start timestamptz, spent numeric, amount numeric,
               recipients text[], is_reached boolean, is_due boolean, facts jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.budget_id, b.budget, b.subject, t.percent, key.period_start, b.spent, b.amount, t.recipients,
           reached.is_reached, due.is_due,
           CASE WHEN due.is_due THEN jsonb_build_object(
               'budget', b.budget, 'scope', coalesce(nullif(shown.scope, ''), 'all usage'), 'threshold', trim_scale(t.percent),
               'percent', round(coalesce(b.percent, 100), 1), 'unit', shown.unit, 'level', b.level,
               'spent', round(b.spent, shown.digits), 'amount', round(b.amount, shown.digits),
               'remaining', round(b.amount - b.spent, shown.digits), 'projected', coalesce(round(b.projected, shown.digits)::text, 'unknown'),
               'starts', coalesce(b.starts::text, 'the beginning'), 'ends', coalesce(b.ends::text, 'no end'),
               'recommendation', budget_advice(b.level, b.is_hard, b.ends, b.projected, b.amount, (
                   SELECT format('%s %% of it went to %s.', round(100 * most.spent / b.spent), most.model)
                   FROM most_spent_model(b.measure, coalesce(b.starts, '-infinity'), coalesce(b.ends, 'infinity'), b.scope || b.subject) AS most)),
               'link', (SELECT render_template(c.link, jsonb_build_object('budget', b.budget) || b.scope || b.subject, 'url')
                        FROM budgets AS c WHERE c.budget_id = b.budget_id)) END
    FROM budget_status(at => alert_findings.at) AS b
    JOIN budget_thresholds AS t USING (budget_id)
    CROSS JOIN LATERAL (
        SELECT (SELECT string_agg(member.key || ' ' || (b.scope || b.subject ->> member.key), ', ' ORDER BY member.key)
                FROM jsonb_each(b.scope || b.subject) AS member) AS scope,
               CASE b.measure WHEN 'cost' THEN (SELECT l.currency FROM ledger AS l) ELSE b.measure END AS unit,
               -- three digits of a small amount
               CASE b.measure WHEN 'cost' THEN greatest(2, 2 - floor(log(coalesce(nullif(b.amount, 0), nullif(b.spent, 0)))))::integer ELSE 0 END AS digits) AS shown
    CROSS JOIN LATERAL (
        SELECT CASE WHEN b.period = 'rolling' THEN '-infinity' ELSE coalesce(b.starts, '-infinity') END AS period_start) AS key
    CROSS JOIN LATERAL (SELECT b.spent > 0 AND b.spent >= b.amount * t.percent / 100 AS is_reached) AS reached
    CROSS JOIN LATERAL (
        SELECT reached.is_reached AND NOT EXISTS (
            SELECT FROM budget_alerts AS a
            WHERE a.budget_id = b.budget_id AND a.subject = b.subject AND a.percent = t.percent AND a.period_start = key.period_start
              AND (a.recovered_at IS NULL OR a.fired_at > alert_findings.at - t.cooldown)) AS is_due) AS due
    WHERE b.amount IS NOT NULL;
END;

COMMENT ON FUNCTION alert_findings(timestamptz) IS
'Every threshold of every budget that has an amount: whether it is reached, whether an alert is due, and if so the facts that its recipients are told. Writes nothing.';

CREATE FUNCTION check_budgets(dry_run boolean DEFAULT false, at timestamptz DEFAULT now())
RETURNS TABLE (budget text, subject jsonb, threshold numeric, spent numeric, amount numeric, recipients text[], facts jsonb)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $check_budgets$
#variable_conflict use_column
BEGIN
    IF dry_run THEN
        RETURN QUERY
        SELECT f.budget, f.subject, f.threshold, f.spent, f.amount, f.recipients, f.facts
        FROM alert_findings(check_budgets.at) AS f
        WHERE f.is_due;
        RETURN;
    END IF;

    PERFORM expire_reservations(ARRAY(SELECT DISTINCT r.budget_id FROM reservations AS r));
    RETURN QUERY
    WITH finding AS MATERIALIZED (
        SELECT * FROM alert_findings(check_budgets.at)
    ), recovered AS (
        -- a subject that has drained, or a budget without an amount, is not found at all; what is not known does not recover
        UPDATE budget_alerts AS a SET recovered_at = check_budgets.at
        FROM budgets AS b, budget_period(b.period, b.anchor, b.length, b.starts_at, b.ends_at, b.time_zone, check_budgets.at) AS period
        WHERE a.budget_id = b.budget_id AND a.recovered_at IS NULL
          AND a.period_start = CASE b.period WHEN 'rolling' THEN '-infinity' ELSE period.starts END
          AND NOT EXISTS (
              SELECT FROM finding AS f
              WHERE f.budget_id = a.budget_id
                AND (f.is_reached IS NULL OR f.is_reached AND (f.subject, f.threshold) = (a.subject, a.percent)))
    ), fired AS (
        INSERT INTO budget_alerts (budget_id, subject, percent, period_start, fired_at, spent, amount)
        SELECT f.budget_id, f.subject, f.threshold, f.period_start, check_budgets.at, f.spent, f.amount
        FROM finding AS f
        WHERE f.is_due
        ON CONFLICT (budget_id, subject, percent, period_start) WHERE recovered_at IS NULL DO NOTHING
        RETURNING budget_id, subject, percent
    ), told AS (
        SELECT f.*
        FROM finding AS f JOIN fired AS a ON (a.budget_id, a.subject, a.percent) = (f.budget_id, f.subject, f.threshold)
    ), queued AS (
        INSERT INTO notifications (channel, address, payload)
        SELECT recipient.channel, recipient.address, alert_payload(recipient.channel, told.facts)
        FROM told,
             unnest(told.recipients) AS named,
             LATERAL (SELECT split_part(named, ':', 1) AS channel, substring(named FROM ':(.*)$') AS address) AS recipient
    )
    SELECT t.budget, t.subject, t.threshold, t.spent, t.amount, t.recipients, t.facts
    FROM told AS t
    ORDER BY t.budget_id, t.subject, t.threshold;
END
$check_budgets$;

COMMENT ON FUNCTION check_budgets(boolean, timestamptz) IS
'Fires the alerts that are due and returns them: notifications for all recipients go to the outbox in the same transaction. An alert fires once per budget, subject, threshold and period, however many check; one that has recovered fires again, after the cooldown of its threshold. A budget that cannot be evaluated is named in a warning, and the others are checked. Also removes reservations that have expired. With dry_run it writes nothing and returns what would fire.';
