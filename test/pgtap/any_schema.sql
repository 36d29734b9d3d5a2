-- The extension in a schema of its own, ledgers with ugly names, and a search_path that finds neither: everything works
-- by qualified names, and ledgers do not mix.
SET client_min_messages = warning;
SET timezone = 'UTC';

SELECT no_plan();

DROP EXTENSION usage_meter;
CREATE SCHEMA "Meter's ""Room""";
\set room '"Meter''s ""Room"""'
-- names with quotes in them are refused by newer servers
SELECT current_setting('server_version_num')::integer >= 150004 AS strict \gset
\if :strict
DROP SCHEMA "Meter's ""Room""";
CREATE SCHEMA "Meter Room";
\set room '"Meter Room"'
\endif
CREATE EXTENSION usage_meter SCHEMA :room;

-- What is found is kept here, and looked at when pgTAP can be found again.
CREATE TABLE public.found (what text PRIMARY KEY, value text);

SET search_path = '';

INSERT INTO public.found SELECT 'made', :room.create_usage_ledger('My Ledger');
INSERT INTO public.found SELECT 'made another', :room.create_usage_ledger('it''s "other" %I');
\set mine '"My Ledger"'
\set other '"it''s ""other"" %I"'
INSERT INTO public.found SELECT 'percentile', :room.p50(number)::text FROM generate_series(1, 101) AS number;

-- other prices for the same names
INSERT INTO public.found SELECT 'price', :mine.set_price('acme', 'echo', input_per_million => 1000000, valid_from => '-infinity')::text;
INSERT INTO public.found SELECT 'other price', :other.set_price('acme', 'echo', input_per_million => 7000000, valid_from => '-infinity')::text;
INSERT INTO :mine.execution_history (customer_id, provider, model, created_at, input_tokens, duration_ms)
VALUES ('ann', 'acme', 'echo', '2020-01-01', 1, 10), ('ann', 'acme', 'echo', '2020-02-02', 2, 20);
INSERT INTO :other.execution_history (customer_id, provider, model, created_at, input_tokens)
VALUES ('eve', 'acme', 'echo', '2020-01-01', 10), ('ann', 'acme', 'echo', '2020-01-01', 20), ('eve', 'acme', 'echo', now(), 40);
COPY :mine.execution_history (customer_id, provider, model, created_at, input_tokens) FROM stdin;
bob	acme	echo	2020-01-03	4
\.
INSERT INTO :mine.execution_history (customer_id, provider, model, input_tokens) VALUES ('bob', 'acme', 'echo', 8);
UPDATE :mine.execution_history SET input_tokens = 16 WHERE input_tokens = 1;
UPDATE :other.execution_history SET deleted_at = now() WHERE input_tokens = 20;
DELETE FROM :mine.execution_history WHERE input_tokens = 2;

INSERT INTO public.found SELECT 'pending', concat_ws(' ', executions, cost) FROM :mine.summary('all');
INSERT INTO public.found SELECT 'other pending', concat_ws(' ', executions, cost, billed_cost) FROM :other.summary('all');
INSERT INTO public.found SELECT 'reconcile', count(*) FROM :mine.reconcile();
INSERT INTO public.found SELECT 'other reconcile', count(*) FROM :other.reconcile();
INSERT INTO public.found SELECT 'fold', :mine.fold() > 0;
INSERT INTO public.found SELECT 'deltas', count(*) FROM :mine.usage_deltas;
INSERT INTO public.found SELECT 'other deltas', count(*) > 0 FROM :other.usage_deltas;
INSERT INTO public.found SELECT 'folded', concat_ws(' ', executions, cost) FROM :mine.summary('all');
INSERT INTO public.found SELECT 'other not folded', concat_ws(' ', executions, cost, billed_cost) FROM :other.summary('all');
INSERT INTO public.found SELECT 'reconcile folded', count(*) FROM :mine.reconcile();

INSERT INTO public.found SELECT 'adopted', :mine.adopt_default_rows();
INSERT INTO public.found SELECT 'partition', tableoid::regclass FROM :mine.execution_history WHERE customer_id = 'ann';
INSERT INTO public.found SELECT 'other default', count(*) FROM :other.execution_history_default;
INSERT INTO public.found SELECT 'made partition', :other.create_partition('2020-01-01');
INSERT INTO public.found SELECT 'partitions are there', count(*) FROM :mine.create_partitions();
INSERT INTO public.found SELECT 'reconcile adopted', (SELECT count(*) FROM :mine.reconcile()) + (SELECT count(*) FROM :other.reconcile());

-- every report, whole and in part
INSERT INTO public.found SELECT 'daily', string_agg(concat_ws(' ', day, executions, cost), ', ') FROM :mine.daily(since => '2020-01-01', until => '2020-01-04', time_zone => 'Asia/Kathmandu');
INSERT INTO public.found SELECT 'models', string_agg(concat_ws(' ', provider, model, executions, cost), ', ') FROM :mine.models('all');
INSERT INTO public.found SELECT 'aggregates', string_agg(concat_ws(' ', customer_id, period_type, period_start::date, total_cost), ', ' ORDER BY customer_id, period_type)
FROM :mine.usage_aggregates WHERE period_start < '2021-01-01';
INSERT INTO public.found SELECT 'report', string_agg(concat_ws(' ', customer_id, executions, cost), ', ' ORDER BY customer_id)
FROM :mine.usage_report(ARRAY['customer_id'], since => '2020-01-01 00:00:00', until => '2020-01-03 00:00:00.000001', filter => '{"provider": "acme"}');
INSERT INTO public.found SELECT 'read', pg_catalog.sum(executions) FROM :mine.usage_read('-infinity', 'infinity', '{"user_id": null}', ARRAY['user_id']);
INSERT INTO public.found SELECT 'health', string_agg(finding, ', ') FROM :mine.health() WHERE level = 'critical';
INSERT INTO public.found SELECT 'version', version FROM :mine.ledger;

-- a change of price in one ledger is none in the other
INSERT INTO public.found SELECT 'new price', :mine.set_price('acme', 'echo', input_per_million => 2000000, valid_from => '-infinity') > 0;
INSERT INTO :mine.execution_history (customer_id, provider, model, input_tokens) VALUES ('later', 'acme', 'echo', 1);
INSERT INTO :other.execution_history (customer_id, provider, model, input_tokens) VALUES ('later', 'acme', 'echo', 1);
INSERT INTO public.found SELECT 'new cost', cost FROM :mine.summary('all', filter => '{"customer_id": "later"}');
INSERT INTO public.found SELECT 'other cost', cost FROM :other.summary('all', filter => '{"customer_id": "later"}');

RESET search_path;
CREATE FUNCTION found(what text, expected text) RETURNS text LANGUAGE sql AS
$$ SELECT is((SELECT value FROM found AS f WHERE f.what = found.what), expected, found.what) $$;

SELECT found('made', 'My Ledger');
SELECT found('made another', 'it''s "other" %I');
SELECT is(round(value::numeric), 51::numeric, 'percentile') FROM found WHERE what = 'percentile';
SELECT found('pending', '3 28');
SELECT found('other pending', '2 350 490');
SELECT found('reconcile', '0');
SELECT found('other reconcile', '0');
SELECT found('fold', 'true');
SELECT found('deltas', '0');
SELECT found('other deltas', 'true');
SELECT found('folded', '3 28');
SELECT found('other not folded', '2 350 490');
SELECT found('reconcile folded', '0');
SELECT found('adopted', '2');
SELECT found('partition', '"My Ledger".execution_history_2020_01');
SELECT found('other default', '2');
SELECT found('made partition', '"it''s ""other"" %I".execution_history_2020_01');
SELECT found('partitions are there', '0');
SELECT found('reconcile adopted', '0');
SELECT found('daily', '2020-01-01 1 16, 2020-01-02 0 0, 2020-01-03 1 4, 2020-01-04 0 0');
SELECT found('models', 'acme echo 3 28');
SELECT found('aggregates', 'ann daily 2020-01-01 16, ann monthly 2020-01-01 16, ann weekly 2019-12-30 16, bob daily 2020-01-03 4, bob monthly 2020-01-01 4, bob weekly 2019-12-30 4');
SELECT found('report', 'ann 1 16, bob 1 4');
SELECT found('read', '3');
SELECT found('health', NULL);
SELECT found('version', (SELECT extversion FROM pg_extension WHERE extname = 'usage_meter'));
SELECT found('new cost', '2');
SELECT found('other cost', '7');

-- Objects of the same name in the caller's way do no harm.
CREATE SCHEMA decoy;
CREATE TABLE decoy.usage_deltas (LIKE :mine.usage_deltas);
CREATE TABLE decoy.usage_cubes (LIKE :mine.usage_cubes);
CREATE TABLE decoy.execution_history (customer_id text, created_at timestamptz);
CREATE TABLE decoy.prices (LIKE :mine.prices);
CREATE TABLE decoy.price_rates (LIKE :mine.price_rates);
CREATE FUNCTION decoy.floor_day(timestamptz) RETURNS timestamptz LANGUAGE sql IMMUTABLE AS 'SELECT NULL::timestamptz';
CREATE FUNCTION decoy.append_deltas() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION decoy.eq(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT false';
CREATE OPERATOR decoy.= (LEFTARG = text, RIGHTARG = text, FUNCTION = decoy.eq);
CREATE TEMP TABLE usage_deltas (nothing integer);
SET search_path = pg_temp, decoy, public;
INSERT INTO :mine.execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('decoy', 'acme', 'echo', '2020-01-01', 100), ('decoy', 'acme', 'echo', '2001-01-01', 100);
SELECT public.is(:mine.adopt_default_rows(), 1::bigint, 'adopting among decoys');
SELECT public.is(:mine.fold() > 0, true, 'folding among decoys');
SELECT public.is(:mine.set_price('acme', 'echo', input_per_million => 3000000, valid_from => '-infinity') > 0, true, 'pricing among decoys');
INSERT INTO :mine.execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('decoy', 'acme', 'echo', '2020-01-01', 100);
SELECT public.is(cost::text, '700', 'counting among decoys') FROM :mine.summary('all', filter => '{"customer_id": "decoy"}');
SELECT public.is(count(*), 0::bigint, 'reconciling among decoys') FROM :mine.reconcile();
RESET search_path;
SELECT is(count(*), 0::bigint, 'nothing went to the decoys') FROM decoy.usage_deltas;

-- A ledger is dropped and another made by its name, in a session that remembers the prices of the first.
SELECT create_usage_ledger FROM :room.create_usage_ledger('again') \gset
SELECT again.set_price('acme', 'echo', input_per_million => 1000000, valid_from => '-infinity') \gset
INSERT INTO again.execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('ann', 'acme', 'echo', '2020-01-01', 1);
SELECT is(cost, 1::numeric, 'the price of a ledger') FROM again.summary('all');
SELECT throws_ok('SELECT ' || :'room' || '.create_usage_ledger(''again'')', '42P06', NULL, 'a ledger is not made over another');
DROP SCHEMA again CASCADE;
SELECT create_usage_ledger FROM :room.create_usage_ledger('again') \gset
INSERT INTO again.execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('ann', 'acme', 'echo', '2020-01-01', 1);
SELECT is(format('%s %s', cost, unpriced), '0 1', 'is not that of the next') FROM again.summary('all');
SELECT again.set_price('acme', 'echo', input_per_million => 5000000, valid_from => '-infinity') \gset
INSERT INTO again.execution_history (customer_id, provider, model, created_at, input_tokens) VALUES ('ann', 'acme', 'echo', '2020-01-01', 1);
SELECT is(format('%s %s', cost, unpriced), '5 1', 'which has its own') FROM again.summary('all');
SELECT is_empty('SELECT * FROM again.reconcile()', 'and is exact');

-- Prices are remembered: a thousand executions do not read the price book a thousand times.
SELECT again.set_price('acme', 'foxtrot', input_per_million => 1000000, valid_from => '-infinity') \gset
BEGIN;
INSERT INTO again.execution_history (customer_id, provider, model, input_tokens) VALUES ('ann', 'acme', 'foxtrot', 1);
SELECT seq_scan + coalesce(idx_scan, 0) AS scans FROM pg_stat_xact_user_tables WHERE relid = 'again.prices'::regclass \gset
INSERT INTO again.execution_history (customer_id, provider, model, input_tokens) SELECT 'ann', 'acme', 'foxtrot', 1 FROM generate_series(1, 1000);
DO $$ BEGIN FOR number IN 1 .. 100 LOOP INSERT INTO again.execution_history (customer_id, provider, model, input_tokens) VALUES ('ann', 'acme', 'foxtrot', 1); END LOOP; END $$;
SELECT cmp_ok(:scans::bigint, '>', 0::bigint, 'the price book is read');
SELECT is(seq_scan + coalesce(idx_scan, 0), :scans::bigint, 'and then remembered')
FROM pg_stat_xact_user_tables WHERE relid = 'again.prices'::regclass;
COMMIT;
INSERT INTO again.execution_history (customer_id, provider, model, input_tokens) VALUES ('ann', 'acme', 'foxtrot', 1);
SELECT is(cost, 1102::numeric, 'with the right price') FROM again.summary('all', filter => '{"model": "foxtrot"}');

SELECT * FROM finish();
