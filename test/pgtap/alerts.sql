-- Alerts: once per threshold and period; a dry run writes nothing; what recipients are told.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

-- All tables of the ledger with a digest of their rows, sequences too.
CREATE FUNCTION pg_temp.portrait() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(c.relname || ' ' || (xpath('//row/row/text()', query_to_xml(format(
               CASE c.relkind WHEN 'S' THEN 'SELECT concat(last_value, is_called) AS row FROM %s'
               ELSE 'SELECT concat(count(*), md5(string_agg(t::text, chr(10) ORDER BY t::text COLLATE "C"))) AS row FROM %s AS t' END, c.oid::regclass),
               false, true, '')))[1], ', ' ORDER BY c.relname)
    FROM pg_class AS c WHERE c.relnamespace = 'usage'::regnamespace AND c.relkind IN ('r', 'p', 'S')
$$;

-- What a check at an instant fires.
CREATE FUNCTION pg_temp.fired(at timestamptz, dry_run boolean DEFAULT false) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', budget, subject ->> 'customer_id', threshold, trim_scale(spent)), ', ') FROM usage.check_budgets(dry_run, at)
$$;

-- ---- $100.00, 80 %

SELECT set_budget('project', '{"project_id": "p"}', 100.00) \gset
INSERT INTO execution_history (created_at, customer_id, project_id, model, reported_cost) VALUES ('2026-03-02', 'c', 'p', 'echo', 79.999999);
SELECT is(pg_temp.fired('2026-03-02 12:00+00'), NULL, '79.999999 is not 80.00');
INSERT INTO execution_history (created_at, customer_id, project_id, model, reported_cost) VALUES ('2026-03-02', 'c', 'p', 'foxtrot', 0.000001);
SELECT pg_temp.portrait() AS before \gset
SELECT is(pg_temp.fired('2026-03-02 12:00+00', true), 'project 80 80', 'a dry run tells what would fire');
SELECT is(pg_temp.fired('2026-03-02 12:00+00', true), 'project 80 80', 'each time');
SELECT is(pg_temp.portrait(), :'before', 'and writes nothing');
SELECT is(pg_temp.fired('2026-03-02 12:00+00'), 'project 80 80', '80.00 fires');
SELECT isnt(pg_temp.portrait(), :'before', 'which is written');
SELECT is(pg_temp.fired('2026-03-02 12:01+00'), NULL, 'once');
SELECT is(pg_temp.fired('2026-03-03 11:59+00'), NULL, 'not again within a day');
INSERT INTO execution_history (created_at, customer_id, project_id, model, reported_cost) VALUES ('2026-03-02', 'c', 'p', 'foxtrot', 20);
SELECT is(pg_temp.fired('2026-03-02 12:02+00'), 'project 100 100', '100 % fires at once');
SELECT is(pg_temp.fired('2026-03-20 12:00+00'), NULL, 'nor later in the period');
INSERT INTO execution_history (created_at, customer_id, project_id, model, reported_cost) VALUES ('2026-04-01', 'c', 'p', 'foxtrot', 90);
SELECT is(pg_temp.fired('2026-03-31 23:59+00'), NULL, 'of which what is dated ahead is no part');
SELECT is(pg_temp.fired('2026-04-01 00:00+00'), 'project 80 90', 'again in the next');

-- recovery and the cooldown
SELECT set_budget('project', amount => 200) \gset
SELECT is(pg_temp.fired('2026-04-01 01:00+00'), NULL, 'a raised amount');
SELECT is(count(*), 1::bigint, 'lets the alert recover') FROM budget_alerts WHERE recovered_at = '2026-04-01 01:00+00' AND percent = 80;
SELECT set_budget('project', amount => 100) \gset
SELECT is(pg_temp.fired('2026-04-01 23:59:59+00'), NULL, 'it does not fire again within a day');
SELECT is(pg_temp.fired('2026-04-02 00:00:00+00'), 'project 80 90', 'but after it');
SELECT is(pg_temp.fired('2026-04-05 00:00:00+00'), NULL, 'once');

-- ---- every subject, and periods that move on

SELECT set_budget('each', '{"section": "chat"}', 2, 'rolling', 'executions', per => '{customer_id}', length => '1 hour', thresholds => '{"100": []}', cooldown => '0') \gset
INSERT INTO execution_history (created_at, customer_id, section) VALUES
    ('2026-05-01 00:00+00', 'a', 'chat'), ('2026-05-01 00:10+00', 'a', 'chat'), ('2026-05-01 00:10+00', 'b', 'chat'), ('2026-05-01 00:20+00', 'b', 'edit');
SELECT is(pg_temp.fired('2026-05-01 00:30+00'), 'each a 100 2', 'the subject that has reached it');
INSERT INTO execution_history (created_at, customer_id, section) VALUES ('2026-05-01 00:40+00', 'b', 'chat');
SELECT is(pg_temp.fired('2026-05-01 00:40+00'), 'each b 100 2', 'then the other');
SELECT is(pg_temp.fired('2026-05-01 01:05+00'), NULL, 'one has left the window');
INSERT INTO execution_history (created_at, customer_id, section) VALUES ('2026-05-01 01:06+00', 'a', 'chat');
SELECT is(pg_temp.fired('2026-05-01 01:07+00'), 'each a 100 2', 'and reaches it again');

-- an alert recovers too where nothing is found: the subject has drained, or the budget has no amount
CREATE FUNCTION pg_temp.standing() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', b.name, a.subject ->> 'customer_id', a.percent), ', ' ORDER BY a.alert_id)
    FROM usage.budget_alerts AS a JOIN usage.budgets AS b USING (budget_id) WHERE a.recovered_at IS NULL AND b.name = 'each'
$$;
SELECT is(pg_temp.standing(), 'each b 100, each a 100', 'two alerts stand');
SELECT is(pg_temp.fired('2026-05-01 03:00+00'), NULL, 'all have left the window');
SELECT is(pg_temp.standing(), NULL, 'none stands');
INSERT INTO execution_history (created_at, customer_id, section) VALUES ('2026-05-01 03:10+00', 'a', 'chat'), ('2026-05-01 03:10+00', 'a', 'chat');
SELECT is(pg_temp.fired('2026-05-01 03:10+00'), 'each a 100 2', 'so it fires again');
SELECT set_budget('each', amount => 'infinity') \gset
SELECT is(pg_temp.fired('2026-05-01 03:11+00'), NULL, 'no limit');
SELECT is(pg_temp.standing(), NULL, 'is not reached');
SELECT set_budget('each', amount => 2) \gset
SELECT is(pg_temp.fired('2026-05-01 03:12+00'), 'each a 100 2', 'a limit is');
SELECT is(count(*), 2::bigint, 'alerts of other periods are left as they were') FROM budget_alerts AS a JOIN budgets AS b USING (budget_id)
WHERE b.name = 'project' AND a.period_start = '2026-03-01' AND a.recovered_at IS NULL;
SELECT set_budget('each', is_active => false) \gset

-- ---- who is told, and how

SELECT set_budget('<b> & "q"', '{"project_id": "p"}', 100, link => 'https://example.com/?b={{budget}}&p={{project_id}}', thresholds => jsonb_build_object(
    '10', '[]'::jsonb,
    '80', '["email:ops@example.com", "webhook:https://example.com/hook", "notify:alerts"]'::jsonb,
    '90', '["slack:https://hooks.example.com/1", "discord:https://hooks.example.com/2"]'::jsonb)) \gset
UPDATE budgets SET is_active = name = '<b> & "q"';
SELECT is(pg_temp.fired('2026-04-10 00:00+00'), '<b> & "q" 10 90, <b> & "q" 80 90, <b> & "q" 90 90', 'three thresholds at once');
SELECT is(string_agg(channel || ' ' || address, ', ' ORDER BY channel), 'discord https://hooks.example.com/2, email ops@example.com, notify alerts, slack https://hooks.example.com/1, webhook https://example.com/hook',
    'each told where its threshold says')
FROM notifications;
SELECT is(array_agg(channel), '{notify}', 'NOTIFY is sent with the transaction') FROM notifications WHERE sent_at IS NOT NULL;

SELECT is(payload - 'text', '{"type": "usage_meter.budget_alert", "budget": "<b> & \"q\"", "scope": "project_id p", "threshold": 80, "percent": 90.0, "unit": "USD", "level": "warning",
    "spent": 90.00, "amount": 100.00, "remaining": 10.00, "projected": "300.00", "starts": "2026-04-01 00:00:00+00", "ends": "2026-05-01 00:00:00+00",
    "link": "https://example.com/?b=%3Cb%3E%20%26%20%22q%22&p=p",
    "recommendation": "At this pace the budget does not last until the end of the period. Use a cheaper model, or raise the amount. 100 % of it went to foxtrot."}'::jsonb, 'all facts')
FROM notifications WHERE channel = 'webhook';
SELECT is(payload ->> 'subject', 'Budget <b> & "q": 90.0 % used', 'the subject of an e-mail') FROM notifications WHERE channel = 'email';
SELECT is(payload ->> 'text', 'The budget <b> & "q" (project_id p) has used 90.0 % of its amount and reached its threshold of 80 %.

Spent:      90.00 USD
Budget:     100.00 USD
Remaining:  10.00 USD
Projected:  300.00 USD by the end of the period
Period:     2026-04-01 00:00:00+00 to 2026-05-01 00:00:00+00

At this pace the budget does not last until the end of the period. Use a cheaper model, or raise the amount. 100 % of it went to foxtrot.
https://example.com/?b=%3Cb%3E%20%26%20%22q%22&p=p
', 'its text') FROM notifications WHERE channel = 'email';
SELECT ok(payload ->> 'html' ~ '<title>Budget &lt;b&gt; &amp; &quot;q&quot;</title>' AND payload ->> 'html' !~ '<b> &', 'its HTML is escaped') FROM notifications WHERE channel = 'email';
SELECT ok((payload ->> 'html')::xml IS DOCUMENT, 'and well formed') FROM (SELECT jsonb_build_object('html', regexp_replace(payload ->> 'html', '<!DOCTYPE html>|<meta[^>]*>', '', 'g')) AS payload FROM notifications WHERE channel = 'email') AS mail;
SELECT ok(payload ->> 'text' ~ '^\*Budget &lt;b&gt; &amp; "q"\*: 90\.0 % used, 90\.00 of 100\.00 USD', 'Slack') FROM notifications WHERE channel = 'slack';
SELECT ok(payload ->> 'content' ~ '^\*\*Budget \\<b\\> & "q"\*\*' AND payload -> 'allowed_mentions' = '{"parse": []}', 'Discord') FROM notifications WHERE channel = 'discord';

-- values are not looked through for names, and a header is one line
SELECT is(render_template('{{a}}{{b}} {{c}}{{d', '{"a": "{{b}}", "b": "<&>''\""}', 'html'), '{{b}}&lt;&amp;&gt;&#39;&quot; {{d', 'a template');
SELECT is(render_template('', '{}', 'text'), '', 'an empty template');
SELECT is(escape_text(E'a\r\nBcc: b\tc', 'line'), 'a Bcc: b c', 'a line');
SELECT is(escape_text('ü/ä~', 'url'), '%C3%BC%2F%C3%A4~', 'a URL');
SELECT is(render_template(E'{{a}}\n{{b}} {{c}}\n\n{{b}} {{a}}', '{"a": "1", "b": ""}', 'text'), E'1\n\n 1', 'a line without a value is left out');
SELECT ok(mail ->> 'html' !~ 'href' AND mail ->> 'text' ~ E'went to foxtrot\\.\n$', 'so an e-mail without a link has no line for it')
FROM (SELECT alert_payload('email', payload - 'link') AS mail FROM notifications WHERE channel = 'webhook') AS sent;

-- a small amount has more digits
INSERT INTO execution_history (created_at, customer_id, project_id, reported_cost) VALUES ('2026-06-01', 'c', 'tiny', 0.0036);
SELECT set_budget('tiny', '{"project_id": "tiny"}', 0.004, thresholds => '{"80": []}') \gset
SELECT set_budget('none', '{"project_id": "tiny"}', 0, thresholds => '{"80": []}') \gset
SELECT is(string_agg(format('%s of %s, %s left', facts ->> 'spent', facts ->> 'amount', facts ->> 'remaining'), '; ' ORDER BY budget DESC),
    '0.00360 of 0.00400, 0.00040 left; 0.00360 of 0.00000, -0.00360 left', 'small amounts')
FROM check_budgets(true, '2026-06-02');

UPDATE alert_templates SET text = 'only {{spent}}' WHERE channel = 'slack';
SELECT is(alert_payload('slack', '{"spent": 1}'), '{"text": "only 1"}', 'templates are rows');
DELETE FROM alert_templates;
SELECT is(alert_payload('email', '{"spent": 1}'), '{"spent": 1}', 'without one, the facts');

-- ---- the outbox

SELECT is(count(*), 1::bigint, 'claimed') FROM claim_notifications('me', count => 1);
SELECT is(count(*), 3::bigint, 'the others') FROM claim_notifications('you');
SELECT is(count(*), 0::bigint, 'nothing is left') FROM claim_notifications('them');
SELECT is(string_agg(claimed_by || ' ' || attempts, ', ' ORDER BY claimed_by), 'me 1, you 1, you 1, you 1', 'by whom') FROM notifications WHERE claimed_by IS NOT NULL;
SELECT notification_id AS mine FROM notifications WHERE claimed_by = 'me' \gset
SELECT is(acknowledge_notification(:'mine'), true, 'acknowledged');
SELECT is(acknowledge_notification(:'mine'), false, 'once');
SELECT is(fail_notification(:'mine', 'late'), NULL, 'what is sent does not fail');
UPDATE notifications SET attempts = n FROM (SELECT notification_id AS id, row_number() OVER (ORDER BY channel) AS n FROM notifications WHERE claimed_by = 'you') AS numbered WHERE notification_id = id;
SELECT is(string_agg(round(extract(epoch FROM fail_notification(notification_id, 'no') - clock_timestamp()) / 60)::text, ' ' ORDER BY attempts), '1 2 4', 'minutes to the next attempt')
FROM notifications WHERE claimed_by = 'you';
SELECT is(count(*), 0::bigint, 'not before') FROM claim_notifications('you');

-- one that kills whoever sends it is given up as one that fails
UPDATE notifications SET due_at = '-infinity', attempts = 9 WHERE sent_at IS NULL;
SELECT is(count(*), 3::bigint, 'a tenth attempt') FROM claim_notifications('you');
UPDATE notifications SET due_at = '-infinity' WHERE sent_at IS NULL;
SELECT is(count(*), 0::bigint, 'there is no eleventh') FROM claim_notifications('you');
SELECT is(count(*), 3::bigint, 'they are dead letters') FROM notifications WHERE given_up_at IS NOT NULL AND attempts = 10 AND last_error = 'claimed and never heard of again';
SELECT is(bool_and(retry_notification(notification_id)), true, 'and may be tried again') FROM notifications WHERE given_up_at IS NOT NULL;
SELECT is(count(*), 3::bigint, 'then they are claimed') FROM claim_notifications('you');

SELECT * FROM finish();
