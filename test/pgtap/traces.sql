-- Two real production traces, to the last digit: 28,185 executions and what they cost.
SET client_min_messages = warning;
SET timezone = 'UTC';

\getenv data USAGE_METER_DATA
\if :{?data}
\else
\echo 1..0 # SKIP USAGE_METER_DATA is not set
\q
\endif
\set code_file :data '/AzureLLMInferenceTrace_code.csv'
\set conv_file :data '/AzureLLMInferenceTrace_conv.csv'
SELECT coalesce((pg_stat_file(:'code_file', true)).size + (pg_stat_file(:'conv_file', true)).size, 0) > 0 AS is_there \gset
\if :is_there
\else
\echo 1..0 # SKIP there are no traces
\q
\endif

SELECT no_plan();

SELECT create_usage_ledger() \gset
SET search_path = usage, public;
SELECT set_price('azure', 'gpt-4o', input_per_million => 2.5, output_per_million => 10, valid_from => '-infinity') \gset

-- The time has seven fractional digits, of which PostgreSQL keeps six, and no time zone.
CREATE TEMP TABLE staging (at timestamp, context_tokens bigint, generated_tokens bigint);
CREATE FUNCTION ingest(trace text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO execution_history (customer_id, package_id, provider, model, created_at, input_tokens, output_tokens)
    SELECT trace, 'trace', 'azure', 'gpt-4o', at AT TIME ZONE 'UTC', context_tokens, generated_tokens FROM staging $$;
COPY staging FROM :'code_file' WITH (FORMAT csv, HEADER);
SELECT ingest('code') \gset
TRUNCATE staging;
COPY staging FROM :'conv_file' WITH (FORMAT csv, HEADER);
SELECT ingest('conv') \gset

-- What the README of the traces says.
CREATE TEMP TABLE expected (customer_id text, executions bigint, input_tokens bigint, output_tokens bigint, cost numeric);
INSERT INTO expected VALUES
    ('code',  8819, 18059974,  245896, 47.608895),
    ('conv', 19366, 22361870, 4088665, 96.791325);
INSERT INTO expected SELECT 'both', sum(executions), sum(input_tokens), sum(output_tokens), trim_scale(sum(cost)) FROM expected;

CREATE FUNCTION filter_of(trace text) RETURNS jsonb LANGUAGE sql AS
$$ SELECT CASE trace WHEN 'both' THEN '{}' ELSE jsonb_build_object('customer_id', trace) END $$;

CREATE FUNCTION proves(moment text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    e expected;
BEGIN
    FOR e IN SELECT * FROM expected LOOP
        RETURN NEXT results_eq(
            format('SELECT count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint, sum(cost), bool_and(price_status = ''priced'')
                    FROM execution_history WHERE %L IN (customer_id, ''both'')', e.customer_id),
            format('VALUES (%s::bigint, %s::bigint, %s::bigint, %s::numeric, true)', e.executions, e.input_tokens, e.output_tokens, e.cost),
            format('%s: raw sum of %s', moment, e.customer_id));
        RETURN NEXT results_eq(
            format('SELECT executions, succeeded, input_tokens, output_tokens, total_tokens, cost::text, billed_cost::text, unpriced
                    FROM summary(since => ''-infinity'', until => ''infinity'', filter => filter_of(%L))', e.customer_id),
            format('VALUES (%1$s::bigint, %1$s::bigint, %2$s::bigint, %3$s::bigint, %4$s::bigint, %5$L, %5$L, 0::bigint)',
                   e.executions, e.input_tokens, e.output_tokens, e.input_tokens + e.output_tokens, e.cost),
            format('%s: summary of %s', moment, e.customer_id));
        RETURN NEXT results_eq(
            format('SELECT day, executions, total_tokens, cost FROM daily(since => ''2023-11-15'', until => ''2023-11-18'', filter => filter_of(%L), time_zone => ''UTC'')', e.customer_id),
            format('VALUES (''2023-11-15''::date, 0::bigint, 0::bigint, 0::numeric), (''2023-11-16'', %s, %s, %s), (''2023-11-17'', 0, 0, 0)',
                   e.executions, e.input_tokens + e.output_tokens, e.cost),
            format('%s: days of %s', moment, e.customer_id));
        -- 18:30 is midnight in Kolkata: in its zone the traces lie on two days
        RETURN NEXT results_eq(
            format('SELECT count(*), sum(executions)::bigint, sum(total_tokens)::bigint, sum(cost) FROM daily(since => ''-infinity'', until => ''infinity'', filter => filter_of(%L), time_zone => ''Asia/Kolkata'')', e.customer_id),
            format('VALUES (2::bigint, %s::bigint, %s::bigint, %s::numeric)', e.executions, e.input_tokens + e.output_tokens, e.cost),
            format('%s: sum of the days of %s in Kolkata', moment, e.customer_id));
        RETURN NEXT results_eq(
            format('SELECT day, executions, cost FROM daily(since => ''-infinity'', until => ''infinity'', filter => filter_of(%L), time_zone => ''Asia/Kolkata'')', e.customer_id),
            format('SELECT (created_at AT TIME ZONE ''Asia/Kolkata'')::date AS day, count(*), sum(cost) FROM execution_history WHERE %L IN (customer_id, ''both'') GROUP BY 1 ORDER BY 1', e.customer_id),
            format('%s: days of %s in Kolkata', moment, e.customer_id));
        RETURN NEXT results_eq(
            format('SELECT provider, model, executions, share, input_tokens, output_tokens, total_tokens, cost FROM models(since => ''-infinity'', until => ''infinity'', filter => filter_of(%L))', e.customer_id),
            format('VALUES (''azure'', ''gpt-4o'', %s::bigint, 100::numeric, %s::bigint, %s::bigint, %s::bigint, %s::numeric)',
                   e.executions, e.input_tokens, e.output_tokens, e.input_tokens + e.output_tokens, e.cost),
            format('%s: models of %s', moment, e.customer_id));
    END LOOP;

    RETURN NEXT results_eq(
        $s$SELECT customer_id, period_type, period_start, period_end, total_executions, successful_executions, total_tokens, total_cost
           FROM usage_aggregates ORDER BY customer_id, period_type$s$,
        $s$SELECT customer_id, period_type, period_start, period_end, executions, executions, input_tokens + output_tokens, cost
           FROM expected,
                (VALUES ('daily', '2023-11-16'::timestamptz, '2023-11-17'::timestamptz), ('weekly', '2023-11-13', '2023-11-20'),
                        ('monthly', '2023-11-01', '2023-12-01')) AS period (period_type, period_start, period_end)
           WHERE customer_id <> 'both' ORDER BY customer_id, period_type$s$,
        moment || ': usage_aggregates');
    RETURN NEXT is_empty('SELECT * FROM reconcile() LIMIT 20', moment || ': nothing to reconcile');
    -- the busiest part, cut out of quarter hours
    RETURN NEXT results_eq(
        $s$SELECT executions, input_tokens, output_tokens, cost FROM summary(since => '2023-11-16 18:31:41.5', until => '2023-11-16 19:07:07.007007')$s$,
        $s$SELECT count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint, trim_scale(sum(cost)) FROM execution_history
           WHERE created_at >= '2023-11-16 18:31:41.5' AND created_at < '2023-11-16 19:07:07.007007'$s$,
        moment || ': summary of a part');
END $$;

SELECT results_eq($$SELECT min(created_at), max(created_at), count(DISTINCT created_at) FROM execution_history$$,
    $$VALUES ('2023-11-16 18:15:46.680590+00'::timestamptz, '2023-11-16 19:14:19.928016+00'::timestamptz, 28185::bigint)$$, 'all times are there');

SELECT proves('pending');
SELECT cmp_ok(fold(), '>', 0::bigint, 'there was something to fold');
SELECT is(count(*), 0::bigint, 'and nothing is pending') FROM usage_deltas;
SELECT proves('folded');
SELECT is(adopt_default_rows(), 28185::bigint, 'all were in the default partition');
SELECT is(count(*), 28185::bigint, 'and have one of their own') FROM execution_history_2023_11;
SELECT proves('adopted');
SELECT cmp_ok(fold(), '>=', 0::bigint, 'fold after that');
SELECT proves('adopted and folded');

SELECT * FROM finish();
