-- A report for people. :period is what it covers.
SET timezone = 'UTC';
SET search_path = usage, public;
\pset footer off
\pset border 0
\pset null '-'

\echo
\echo 'WHAT HAPPENED'
\pset tuples_only on
SELECT label, value
FROM summary(:'period') AS s,
     LATERAL (VALUES
        (1, '  executions', to_char(executions, 'FM999,999,999')),
        (2, '  succeeded', format('%s (%s %%)', to_char(succeeded, 'FM999,999,999'), round(success_rate, 2))),
        (3, '  failed, timed out, cancelled', format('%s, %s, %s', failed, timed_out, cancelled)),
        (4, '  tokens', format('%s in, %s from cache, %s out', to_char(input_tokens, 'FM999,999,999'), to_char(cache_read_tokens, 'FM999,999,999'), to_char(output_tokens, 'FM999,999,999'))),
        (5, '  cost, to the last digit', format('%s %s', cost, (SELECT currency FROM ledger))),
        (6, '  without a price', format('%s executions, not counted as free', unpriced)),
        (7, '  executions by day', (SELECT sparkline(array_agg(d.executions ORDER BY d.day)) FROM daily(:'period') AS d)),
        (8, '  duration', format('p50 %s ms, p95 %s ms, p99 %s ms, mean %s ms', round(p50_duration_ms), round(p95_duration_ms), round(p99_duration_ms), round(avg_duration_ms)))
     ) AS line (number, label, value)
ORDER BY number;

\pset tuples_only off
\echo 'MODELS'
SELECT model AS "  model", provider, to_char(executions, 'FM999,999,999') AS executions, round(share, 1) AS "%",
       CASE WHEN unpriced = executions THEN 'no price' ELSE round(cost, 2)::text END AS cost,
       round(success_rate, 2) AS "success %",
       round(p50_duration_ms) AS "p50 ms", round(p95_duration_ms) AS "p95 ms", round(p99_duration_ms) AS "p99 ms"
FROM models(:'period');

\echo 'CUSTOMERS'
SELECT value AS "  customer", to_char(executions, 'FM999,999,999') AS executions, round(cost, 2) AS cost,
       bar(cost, max(cost) OVER (), 24) AS " ",
       round(error_rate, 2) AS "error %", round(p95_duration_ms) AS "p95 ms"
FROM breakdown('customer_id', :'period', "by" => 'cost');

\echo 'DAYS'
SELECT to_char(day, 'Dy DD Mon') AS "  day", to_char(executions, 'FM999,999,999') AS executions, round(cost, 2) AS cost,
       bar(cost, max(cost) OVER (), 40) AS " ",
       round(p95_duration_ms) AS "p95 ms"
FROM daily(:'period')
ORDER BY day;

\echo 'PROOF'
\pset tuples_only on
SELECT format('  reconcile(): %s differences between %s stored cells and %s raw executions, in any measure of any cube',
              (SELECT count(*) FROM reconcile()), to_char((SELECT count(*) FROM usage_cubes), 'FM999,999,999'),
              to_char((SELECT count(*) FROM execution_history), 'FM999,999,999'));
