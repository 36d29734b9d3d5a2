-- The report as a page: well-formed, complete, and nothing in the data can be markup.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT plan(34);

SELECT create_usage_ledger() \gset
SET search_path = usage, public;

CREATE FUNCTION pg_temp.page(since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', time_zone text DEFAULT 'UTC') RETURNS xml
LANGUAGE sql AS $$ SELECT xmlparse(DOCUMENT report_html(since => $1, until => $2, filter => $3, time_zone => $4)) $$;

CREATE FUNCTION pg_temp.texts(path text, page xml) RETURNS SETOF text
LANGUAGE sql AS $$ SELECT element.text FROM XMLTABLE($1 PASSING $2 COLUMNS text text PATH 'string(.)') AS element $$;

-- nothing
SELECT ok(xml_is_well_formed_document(report_html()), 'an empty ledger makes a page');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//main/p', xmlparse(DOCUMENT report_html())) $$,
    $$ VALUES ('Nothing was recorded in this period.') $$, 'which says that there is nothing');
SELECT is(cardinality(xpath('//figure|//table', xmlparse(DOCUMENT report_html()))), 0, 'and shows no chart and no table');

INSERT INTO execution_history (customer_id, project_id, provider, model, status, input_tokens, output_tokens, duration_ms, created_at) VALUES
    ('acme', 'bot', 'openai', 'gpt-4o', 'success', 1000000, 100000, 1000, '2025-01-01 12:00');

-- one execution; the space before a unit of time does not break
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//ul[@class="totals"]/li/strong', pg_temp.page('2025-01-01', '2025-01-02')) $$,
    $$ VALUES ('3.50 USD'), ('1'), ('1,100,000'), ('997 ms') $$, 'totals of one execution');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//figcaption', pg_temp.page('2025-01-01', '2025-01-02')) $$,
    $$ VALUES ('Cost by day, USD'), ('Executions by day not successful'), ('Duration by day, logarithmic p50 p95 p99') $$, 'its charts');
SELECT is(cardinality(xpath('//path[contains(@class, "dot")]', pg_temp.page('2025-01-01', '2025-01-02'))), 3, 'a point without neighbours is a dot');

INSERT INTO execution_history (customer_id, project_id, provider, model, status, input_tokens, output_tokens, duration_ms, created_at) VALUES
    ('acme', 'bot', 'openai', '<script>alert("1")</script>', 'failed', 1, 1, 100, '2025-01-03 12:00'),
    ('<b>&amp;', E'tab\tand\x1B"quotes"', 'acme', 'نموذج', 'timeout', 1, 1, 60000, '2025-01-03 12:00'),
    ('acme', NULL, NULL, NULL, 'running', NULL, NULL, NULL, '2025-01-04 23:59:59.999999');

-- values are text
SELECT set_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Models"]//tbody/tr/th', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('<script>alert("1")</script>'), ('gpt-4o'), ('no model'), ('نموذج') $$, 'names of models are text');
SELECT set_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Projects"]//tbody/tr/th', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('bot'), ('no project'), (E'tab\tand�"quotes"') $$, 'names of projects are text');
SELECT set_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Customers"]//tbody/tr/th', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('acme'), ('<b>&amp;') $$, 'names of customers are text');
SELECT is(cardinality(xpath('//script|//img|//b', pg_temp.page('2025-01-01', '2025-01-05', '{"model": "<script>alert(1)</script>"}'))), 0, 'nothing in them is markup');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//header/p', pg_temp.page('2025-01-01', '2025-01-05', '{"model": "<script>"}')) $$,
    $$ VALUES ('From 1 Jan 2025 00:00 to 5 Jan 2025 00:00, UTCOnly {"model": "<script>"}') $$, 'nor is the filter');
UPDATE ledger SET currency = '<u>';
SELECT is(cardinality(xpath('//u', pg_temp.page('2025-01-01', '2025-01-05'))), 0, 'nor the currency');
UPDATE ledger SET currency = 'USD';

-- pictures
SELECT is(cardinality(xpath('(//figure)[1]//g', pg_temp.page('2025-01-01', '2025-01-05'))), 4, 'a column for each day, those without usage included');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('(//figure)[1]//title', pg_temp.page('2025-01-01', '2025-01-05')) LIMIT 2 $$,
    $$ VALUES ('Wed 1 Jan 2025: 3.50 USD'), ('Thu 2 Jan 2025: 0.00 USD') $$, 'which says what it is');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('(//figure)[1]//title', pg_temp.page('2024-12-31 18:15', '2025-01-01 18:15', time_zone => 'Asia/Kathmandu')) $$,
    $$ VALUES ('Wed 1 Jan 2025: 3.50 USD') $$, 'days are those of the time zone');
SELECT results_eq($$ SELECT cardinality(xpath('(//figure)[1]//g', pg_temp.page('2025-01-01', until))) FROM unnest('{2025-04-11,2025-04-12,2026-12-02,2026-12-03}'::timestamptz[]) AS until $$,
    $$ VALUES (100), (15), (101), (24) $$, 'a hundred days, then weeks, then months');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Errors"]//tbody/tr[1]/*', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('<script>alert("1")</script>'), ('1'), ('0'), ('100 %') $$, 'what did not succeed');

-- the figures of the reports, under any filter
INSERT INTO execution_history (customer_id, project_id, provider, model, status, created_at) VALUES
    ('acme', 'bot', 'openai', 'gpt-4o', 'failed', '2025-01-02 12:00'),
    ('acme', 'bot', 'openai', 'gpt-4o', 'cancelled', '2025-01-02 12:00');
CREATE FUNCTION pg_temp.page_figures(filter jsonb) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws('|', s.section, row.name, row.first, row.second, row.third)
    FROM unnest(ARRAY['Models', 'Projects', 'Customers', 'Errors']) AS s (section),
         XMLTABLE(format('//section[h2="%s"]//tbody/tr', s.section) PASSING pg_temp.page('2025-01-01', '2025-01-05', $1)
                  COLUMNS name text PATH 'th', first text PATH 'td[not(contains(@class, "bar"))][1]', second text PATH 'td[not(contains(@class, "bar"))][2]',
                          third text PATH 'td[not(contains(@class, "bar"))][3]') AS row $$;
CREATE FUNCTION pg_temp.report_figures(filter jsonb) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT concat_ws('|', d.section, coalesce(nullif(regexp_replace(b.value, '\x1B', '�'), ''), d.lacking), b.executions, round(b.share, 1) || ' %',
                     CASE b.unpriced WHEN b.executions THEN 'no price' ELSE round(b.cost, 2)::text END)
    FROM (VALUES ('Models', 'model', 'no model'), ('Projects', 'project_id', 'no project'), ('Customers', 'customer_id', '')) AS d (section, dimension, lacking),
         breakdown(d.dimension, since => '2025-01-01', until => '2025-01-05', filter => $1) AS b
    UNION ALL
    SELECT concat_ws('|', 'Errors', m.model, m.failed, m.timed_out, trim_scale(round(m.error_rate, 1)) || ' %')
    FROM models(since => '2025-01-01', until => '2025-01-05', filter => $1) AS m
    WHERE m.failed + m.timed_out > 0 $$;
SELECT set_eq(format('SELECT pg_temp.page_figures(%L)', filter), format('SELECT pg_temp.report_figures(%L)', filter), 'the figures of the reports, only ' || filter)
FROM unnest(ARRAY['{}', '{"model": "gpt-4o"}', '{"project_id": "bot"}', '{"project_id": "bot", "model": ["gpt-4o", null]}', '{"customer_id": "acme"}']) AS filter;
SELECT results_eq($$ SELECT row.* FROM pg_temp.texts('//section[h2="Errors"]//tbody/tr[th="gpt-4o"]/td[3]', pg_temp.page('2025-01-01', '2025-01-05')) AS row $$,
    $$ VALUES ('33.3 %') $$, 'what was cancelled is no error');

-- budgets and service levels
SELECT set_budget('<b>month', '{"customer_id": "acme"}', 7) \gset
SELECT set_budget('each', '{}', 3, per => '{customer_id}') \gset
SELECT set_budget('calls', '{"model": "gpt-4o"}', 40, measure => 'executions', period => 'lifetime') \gset
SELECT set_objective('<i>sound', 'success', 0.75, scope => '{"customer_id": "acme"}') \gset
SELECT set_objective('fast', 'latency', 0.5, '2 seconds', period => '7 days', credits => '{"0.9": 10}') \gset
CREATE FUNCTION pg_temp.rows(section text, filter jsonb) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT string_agg(cell.text, '|' ORDER BY cell.number)
    FROM XMLTABLE(format('//section[h2="%s"]//tbody/tr', section) PASSING pg_temp.page('2025-01-01', '2025-01-05', filter) COLUMNS number FOR ORDINALITY, tr xml PATH '.') AS line,
         XMLTABLE('/tr/*' PASSING line.tr COLUMNS number FOR ORDINALITY, text text PATH 'string(.)') AS cell
    GROUP BY line.number ORDER BY line.number $$;
SELECT results_eq($$ SELECT pg_temp.rows('Budgets', '{}') $$,
    $$ VALUES ('eachcost, month, acme||3.50 USDof 3.00 USD|116.7 %exceeded|-0.50 USD|27.13 USD'),
              ('<b>monthcost, month, acme||3.50 USDof 7.00 USD|50.0 %ok|3.50 USD|27.13 USD'),
              ('callsexecutions, lifetime, gpt-4o||3of 40|7.5 %ok|37|–'),
              ('eachcost, month, <b>&amp;||0.00 USDof 3.00 USD|0.0 %ok|3.00 USD|0.00 USD') $$, 'budgets at the end of the period, the most used first');
SELECT results_eq($$ SELECT pg_temp.rows('Budgets', '{"model": "gpt-4o"}') $$, $$ VALUES ('callsexecutions, lifetime, gpt-4o||3of 40|7.5 %ok|37|–') $$, 'those that the filter admits');
SELECT results_eq($$ SELECT pg_temp.rows('Service levels', '{}') $$,
    $$ VALUES ('<i>soundsuccess, last 30 days, acme||33.333 %missed, target 75 %|2of 0.75 allowed|3|2.67|0 %'),
              ('fastlatency within 2 s, last 7 days||66.667 %met, target 50 %|1of 1.5 allowed|3|0.667|10 %') $$, 'service levels at the end of the period, those missed first');
SELECT is(cardinality(xpath('//section[h2="Budgets" or h2="Service levels"]', pg_temp.page('2025-01-01', '2025-01-05', '{"customer_id": "nobody"}'))), 0,
    'no section where there are none');
UPDATE retention SET dropped_until = '2025-01-01' WHERE table_name = 'execution_history';
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Service levels"]/p', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('executions before 2025-01-01 00:00:00+00 are not kept one by one') $$, 'what cannot be answered is said');
UPDATE retention SET dropped_until = '-infinity' WHERE table_name = 'execution_history';
SELECT set_budget('n' || n, '{"customer_id": "many"}', n) FROM generate_series(1, 17) AS n \g /dev/null
SELECT is(count(*), 15::bigint, 'many budgets: fifteen') FROM pg_temp.rows('Budgets', '{"customer_id": "many"}');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Budgets"]/p', pg_temp.page('2025-01-01', '2025-01-05', '{"customer_id": "many"}')) $$,
    $$ VALUES ('and 2 others') $$, 'and how many others');

-- many models
INSERT INTO execution_history (customer_id, provider, model, input_tokens, created_at)
SELECT 'acme', 'acme', 'model ' || n, 1, '2025-02-01' FROM generate_series(1, 200) AS n, generate_series(1, 201 - n);
SELECT is(cardinality(xpath('//section[h2="Models"]//tbody/tr', pg_temp.page('2025-02-01', '2025-02-02'))), 16, 'many models: fifteen and the others');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Models"]//tbody/tr[16]/*', pg_temp.page('2025-02-01', '2025-02-02')) $$,
    $$ VALUES ('others'), (''), ('17,205'), ('85.6 %'), ('no price'), ('100.00 %'), ('–'), ('–') $$, 'which are added up');
SELECT is(sum(replace(executions, ',', '')::integer), 20100::bigint, 'all of them are all executions')
FROM pg_temp.texts('//section[h2="Models"]//tbody/tr/td[2]', pg_temp.page('2025-02-01', '2025-02-02')) AS executions;
SELECT ok(xml_is_well_formed_document(report_html('all')), 'everything is a page too');

SELECT * FROM finish();
