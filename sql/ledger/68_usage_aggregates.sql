-- Totals per customer, package and period, as a relation.

CREATE VIEW usage_aggregates WITH (security_invoker) AS
SELECT md5(jsonb_build_array(r.period_type, extract(epoch FROM r.starts), r.customer_id, r.package_id)::text)::uuid AS id,
       r.customer_id, r.package_id, r.period_type,
       r.starts AS period_start,
       (r.starts AT TIME ZONE 'UTC' + r.period_length) AT TIME ZONE 'UTC' AS period_end,
       r.executions AS total_executions,
       r.succeeded AS successful_executions,
       r.failed AS failed_executions,
       r.timed_out AS timeout_executions,
       r.unpriced AS unpriced_executions,
       r.total_tokens,
       r.cost AS total_cost,
       r.avg_duration_ms, r.min_duration_ms, r.max_duration_ms
FROM (
    SELECT 'daily' AS period_type, interval '1 day' AS period_length, day.*
    FROM usage_report('{customer_id,package_id}', 'day', 'all', time_zone => 'UTC') AS day
    UNION ALL
    SELECT 'weekly', interval '7 days', week.*
    FROM usage_report('{customer_id,package_id}', 'week', 'all', time_zone => 'UTC') AS week
    UNION ALL
    SELECT 'monthly', interval '1 month', month.*
    FROM usage_report('{customer_id,package_id}', 'month', 'all', time_zone => 'UTC') AS month
) AS r;

COMMENT ON VIEW usage_aggregates IS 'Totals per customer, package and UTC day, week (from Monday) and month, always current: stored days plus what is not folded yet';
COMMENT ON COLUMN usage_aggregates.id IS 'Identity made from the period, the customer and the package';
COMMENT ON COLUMN usage_aggregates.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN usage_aggregates.package_id IS 'Package, '''' for executions that name none';
COMMENT ON COLUMN usage_aggregates.period_type IS 'daily, weekly or monthly';
COMMENT ON COLUMN usage_aggregates.period_start IS 'First instant of the period';
COMMENT ON COLUMN usage_aggregates.period_end IS 'First instant after the period';
COMMENT ON COLUMN usage_aggregates.total_executions IS 'Executions, open ones included';
COMMENT ON COLUMN usage_aggregates.successful_executions IS 'Executions that succeeded';
COMMENT ON COLUMN usage_aggregates.failed_executions IS 'Executions that failed';
COMMENT ON COLUMN usage_aggregates.timeout_executions IS 'Executions that timed out';
COMMENT ON COLUMN usage_aggregates.unpriced_executions IS 'Executions whose cost is unknown and not in total_cost';
COMMENT ON COLUMN usage_aggregates.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN usage_aggregates.total_cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN usage_aggregates.avg_duration_ms IS 'Mean duration of the executions that have one, in milliseconds';
COMMENT ON COLUMN usage_aggregates.min_duration_ms IS 'Shortest duration, within 0.54 %';
COMMENT ON COLUMN usage_aggregates.max_duration_ms IS 'Longest duration, within 0.54 %';
