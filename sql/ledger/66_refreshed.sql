-- What is computed now and then and kept: materialized views, for what takes too long to be read from raw executions or
-- from all cells each time. They may carry no policy of row-level security, so nobody but the owner may read them.

CREATE MATERIALIZED VIEW sla_metrics AS
SELECT coalesce(job.customer_id, seat.customer_id) AS customer_id,
       coalesce(job.day, seat.day) AS day,
       coalesce(job.jobs, 0) AS jobs,
       job.success_rate,
       coalesce(job.jobs_within_24h, 0) AS jobs_within_24h,
       coalesce(job.jobs_beyond_24h, 0) AS jobs_beyond_24h,
       100.0 * job.jobs_within_24h / nullif(job.jobs_within_24h + job.jobs_beyond_24h, 0) AS sla_24h_compliance_rate,
       approx_percentile(job.minutes, 0.5) AS p50_minutes,
       approx_percentile(job.minutes, 0.95) AS p95_minutes,
       approx_percentile(job.minutes, 0.99) AS p99_minutes,
       coalesce(seat.active_seats, 0) AS active_seats
FROM (
    SELECT e.customer_id, (e.created_at AT TIME ZONE 'UTC')::date AS day,
           count(*) AS jobs,
           100.0 * count(*) FILTER (WHERE e.status = 'success') / nullif(count(e.completed_at), 0) AS success_rate,
           count(*) FILTER (WHERE outcome.ok) AS jobs_within_24h,
           count(*) FILTER (WHERE NOT outcome.ok) AS jobs_beyond_24h,
           quantile_sketch(extract(epoch FROM e.completed_at - e.created_at)::float8 / 60) AS minutes
    FROM retention AS kept, execution_history AS e, sla_outcome(e.created_at, e.completed_at, '24 hours') AS outcome
    WHERE kept.table_name = 'execution_history' AND e.created_at >= kept.dropped_until
      AND e.deleted_at IS NULL AND (e.completed_at IS NOT NULL OR e.status IN ('pending', 'running'))
    GROUP BY 1, 2
) AS job
FULL JOIN (
    SELECT c.customer_id, (c.bucket AT TIME ZONE 'UTC')::date AS day, count(DISTINCT c.api_key_id) AS active_seats
    FROM retention AS kept, usage_read(kept.dropped_until, 'infinity', '{}', '{customer_id,api_key_id}') AS c
    WHERE kept.table_name = 'execution_history' AND c.api_key_id <> ''
    GROUP BY 1, 2
) AS seat ON seat.customer_id = job.customer_id AND seat.day = job.day;

CREATE UNIQUE INDEX sla_metrics_customer_day_idx ON sla_metrics (customer_id, day);

COMMENT ON MATERIALIZED VIEW sla_metrics IS 'Jobs of each customer (partner) and UTC day, and how many were done within 24 hours, as of the last refresh(). Jobs are the executions that say when they were completed, and those still open. Only days of which all executions are kept: those before dropped_until of retention are left out.';
COMMENT ON COLUMN sla_metrics.customer_id IS 'Customer';
COMMENT ON COLUMN sla_metrics.day IS 'UTC day on which the jobs were created';
COMMENT ON COLUMN sla_metrics.jobs IS 'Jobs, open ones included';
COMMENT ON COLUMN sla_metrics.success_rate IS 'Percentage of the completed jobs that succeeded; NULL if none was completed';
COMMENT ON COLUMN sla_metrics.jobs_within_24h IS 'Jobs that were completed within 24 hours of their creation';
COMMENT ON COLUMN sla_metrics.jobs_beyond_24h IS 'Jobs that were completed later, or are open and older than that';
COMMENT ON COLUMN sla_metrics.sla_24h_compliance_rate IS 'Percentage of the jobs within 24 hours among those within and beyond; NULL if there are neither';
COMMENT ON COLUMN sla_metrics.p50_minutes IS 'Median minutes from creation to completion, within 0.54 %';
COMMENT ON COLUMN sla_metrics.p95_minutes IS 'Minutes from creation to completion that 95 % of the jobs do not exceed, within 0.54 %';
COMMENT ON COLUMN sla_metrics.p99_minutes IS 'Minutes from creation to completion that 99 % of the jobs do not exceed, within 0.54 %';
COMMENT ON COLUMN sla_metrics.active_seats IS 'API keys (seats) that were used on that day, by jobs or anything else';
COMMENT ON INDEX sla_metrics_customer_day_idx IS 'A customer''s days, each once';

CREATE MATERIALIZED VIEW leaderboards AS
SELECT board.dimension, row_number() OVER (PARTITION BY board.dimension ORDER BY t.cost DESC, t.value) AS place, t.*
FROM (VALUES ('customer_id'), ('project_id'), ('package_id'), ('section'), ('model'), ('user_id'), ('api_key_id')) AS board (dimension),
     top(board.dimension, 100, 'cost', '30d', time_zone => 'UTC') AS t;

CREATE UNIQUE INDEX leaderboards_dimension_place_idx ON leaderboards (dimension, place);

COMMENT ON MATERIALIZED VIEW leaderboards IS 'The hundred customers, projects, packages, sections, models, users and seats that cost most in the 30 days before the last refresh()';
COMMENT ON COLUMN leaderboards.dimension IS 'What is compared';
COMMENT ON COLUMN leaderboards.place IS 'Place, from 1, by cost';
COMMENT ON COLUMN leaderboards.value IS 'The customer, project, package, …';
COMMENT ON COLUMN leaderboards.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN leaderboards.share IS 'Percentage of all executions';
COMMENT ON COLUMN leaderboards.succeeded IS 'Executions with status success';
COMMENT ON COLUMN leaderboards.failed IS 'Executions with status failed';
COMMENT ON COLUMN leaderboards.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN leaderboards.success_rate IS 'Percentage of the finished executions that succeeded';
COMMENT ON COLUMN leaderboards.error_rate IS 'Percentage of the finished executions that failed or timed out';
COMMENT ON COLUMN leaderboards.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN leaderboards.cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN leaderboards.cost_share IS 'Percentage of the whole cost';
COMMENT ON COLUMN leaderboards.cost_per_execution IS 'Mean cost of an execution';
COMMENT ON COLUMN leaderboards.unpriced IS 'Executions whose cost is unknown and not in cost';
COMMENT ON COLUMN leaderboards.avg_duration_ms IS 'Mean duration in milliseconds';
COMMENT ON COLUMN leaderboards.p50_duration_ms IS 'Median duration in milliseconds, within 0.54 %';
COMMENT ON COLUMN leaderboards.p95_duration_ms IS 'Duration that 95 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON COLUMN leaderboards.p99_duration_ms IS 'Duration that 99 % do not exceed, in milliseconds, within 0.54 %';
COMMENT ON INDEX leaderboards_dimension_place_idx IS 'The places of each board';

CREATE FUNCTION refresh() RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $refresh$
DECLARE
    folded bigint;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('usage_meter refresh', 'sla_metrics'::regclass::oid::bigint)) THEN
        RAISE NOTICE 'another refresh is running';
        RETURN 0;
    END IF;
    folded := fold();
    REFRESH MATERIALIZED VIEW CONCURRENTLY sla_metrics;
    REFRESH MATERIALIZED VIEW CONCURRENTLY leaderboards;
    PERFORM pg_notify(left(current_schema(), 53) || '_refreshed', folded::text);
    RAISE NOTICE 'Usage data refreshed successfully!' USING DETAIL = format('Changes that were folded: %s.', folded);
    RETURN folded;
END
$refresh$;

COMMENT ON FUNCTION refresh() IS
'Folds, computes the materialized views anew while they stay readable, notifies whoever listens to SCHEMA_refreshed, such as usage_refreshed, and returns how many deltas were folded. One refresh at a time: while another runs, says so and returns 0 at once. Reports need none of it: they are always current.';
