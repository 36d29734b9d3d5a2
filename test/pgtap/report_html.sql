-- The report as a page: well-formed, complete, and nothing in the data can be markup.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT plan(20);

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

-- one execution
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//ul[@class="totals"]/li/strong', pg_temp.page('2025-01-01', '2025-01-02')) $$,
    $$ VALUES ('3.50 USD'), ('1'), ('1.1M'), ('997 ms') $$, 'totals of one execution');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//figcaption', pg_temp.page('2025-01-01', '2025-01-02')) $$,
    $$ VALUES ('Cost by day, USD'), ('Executions by day not successful'), ('Duration by day, logarithmic p50 p95 p99') $$, 'its charts');
SELECT is(cardinality(xpath('//path[contains(@class, "dot")]', pg_temp.page('2025-01-01', '2025-01-02'))), 3, 'a point without neighbours is a dot');

INSERT INTO execution_history (customer_id, project_id, provider, model, status, input_tokens, output_tokens, duration_ms, created_at) VALUES
    ('acme', 'bot', 'openai', '<script>alert("1")</script>', 'failed', 1, 1, 100, '2025-01-03 12:00'),
    ('<b>&amp;', E'tab\tand\x1B"quotes"', '''"><img src=x>', 'نموذج', 'timeout', 1, 1, 60000, '2025-01-03 12:00'),
    ('acme', NULL, NULL, NULL, 'running', NULL, NULL, NULL, '2025-01-04 23:59:59.999999');

-- values are text
SELECT set_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Models"]//tbody/tr/th', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('<script>alert("1")</script>openai'), ('gpt-4oopenai'), ('no modelno provider'), ('نموذج''"><img src=x>') $$, 'names of models are text');
SELECT set_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Projects"]//tbody/tr/th', pg_temp.page('2025-01-01', '2025-01-05')) $$,
    $$ VALUES ('botacme'), ('no projectacme'), (E'tab\tand�"quotes"<b>&amp;') $$, 'names of projects and customers are text');
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
    $$ VALUES ('نموذج''"><img src=x>'), ('0'), ('1'), ('0'), ('100 %') $$, 'what did not succeed');

-- many models
INSERT INTO execution_history (customer_id, provider, model, input_tokens, created_at)
SELECT 'acme', 'acme', 'model ' || n, 1, '2025-02-01' FROM generate_series(1, 200) AS n, generate_series(1, 201 - n);
SELECT is(cardinality(xpath('//section[h2="Models"]//tbody/tr', pg_temp.page('2025-02-01', '2025-02-02'))), 16, 'many models: fifteen and the others');
SELECT results_eq($$ SELECT * FROM pg_temp.texts('//section[h2="Models"]//tbody/tr[16]/*', pg_temp.page('2025-02-01', '2025-02-02')) $$,
    $$ VALUES ('185 others'), (''), ('17,205'), ('85.6 %'), ('no price'), ('100.00 %'), ('–'), ('–') $$, 'which are added up');
SELECT is(sum(replace(executions, ',', '')::integer), 20100::bigint, 'all of them are all executions')
FROM pg_temp.texts('//section[h2="Models"]//tbody/tr/td[2]', pg_temp.page('2025-02-01', '2025-02-02')) AS executions;
SELECT ok(xml_is_well_formed_document(report_html('all')), 'everything is a page too');

SELECT * FROM finish();
