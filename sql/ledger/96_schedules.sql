-- Schedules: what should run by itself, by pg_cron where it is installed, else by the cron of an operating system.

CREATE FUNCTION ledger_jobs(check_schedule text, fold_schedule text, maintenance_schedule text, refresh_schedule text)
RETURNS TABLE (job text, schedule text, command text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT format('%s %s', here.schema, known.name), known.schedule, format('SELECT %I.%I()', here.schema, known.function)
    FROM (SELECT n.nspname AS schema FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
          WHERE c.oid = 'ledger'::regclass) AS here
    CROSS JOIN (VALUES ('check', check_schedule, 'check_budgets'),
                       ('fold', fold_schedule, 'fold'),
                       ('maintenance', maintenance_schedule, 'maintain'),
                       ('refresh', refresh_schedule, 'refresh')) AS known (name, schedule, function)
    WHERE known.schedule IS NOT NULL;
END;

COMMENT ON FUNCTION ledger_jobs(text, text, text, text) IS 'The jobs of this ledger that have a schedule, as statements';

CREATE FUNCTION schedule_jobs(
    check_schedule text DEFAULT '* * * * *', fold_schedule text DEFAULT '* * * * *',
    maintenance_schedule text DEFAULT '7 3 * * *', refresh_schedule text DEFAULT '37 3 * * *')
RETURNS TABLE (job text, schedule text, command text, job_id bigint, crontab text)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $schedule_jobs$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RETURN QUERY
        SELECT j.job, j.schedule, j.command, cron.schedule(j.job, j.schedule, j.command), NULL
        FROM ledger_jobs(check_schedule, fold_schedule, maintenance_schedule, refresh_schedule) AS j;
    ELSE
        RETURN QUERY
        SELECT j.job, j.schedule, j.command, NULL::bigint,
               replace(format('%s psql -XAtq -d %s -c %s', j.schedule, shell_quote(current_database()), shell_quote(j.command)), '%', '\%')
        FROM ledger_jobs(check_schedule, fold_schedule, maintenance_schedule, refresh_schedule) AS j;
    END IF;
END
$schedule_jobs$;

COMMENT ON FUNCTION schedule_jobs(text, text, text, text) IS
'Has pg_cron run check_budgets(), fold(), maintain() and refresh() on these schedules, as the caller, and returns the jobs; called again, changes them. By default the first two run every minute, the others at night: refresh() reads the whole history. NULL leaves a job as it is. Where pg_cron is not installed in this database, schedules nothing and returns the lines of a crontab instead.';

CREATE FUNCTION shell_quote(word text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
BEGIN ATOMIC
    SELECT '''' || replace(word, '''', '''\''''') || '''';
END;

COMMENT ON FUNCTION shell_quote(text) IS 'A word as a POSIX shell must be given it';

CREATE FUNCTION unschedule_jobs() RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $unschedule_jobs$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RETURN QUERY
        SELECT known.job
        FROM ledger_jobs('', '', '', '') AS known
        JOIN cron.job AS registered ON registered.jobname = known.job AND registered.username = current_user
        WHERE cron.unschedule(registered.jobid);
    END IF;
END
$unschedule_jobs$;

COMMENT ON FUNCTION unschedule_jobs() IS 'Takes the caller''s jobs of this ledger away from pg_cron and returns their names';

CREATE FUNCTION job_status()
RETURNS TABLE (job text, schedule text, command text, is_active boolean, runs bigint, failures bigint,
               last_started_at timestamptz, last_ended_at timestamptz, last_status text, last_message text, last_success_at timestamptz)
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $job_status$
#variable_conflict use_column
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') THEN
        RETURN QUERY
        SELECT registered.jobname::text, registered.schedule, registered.command, registered.active, run.runs, run.failures,
               last.start_time, last.end_time, last.status, last.return_message, run.success_at
        FROM ledger_jobs('', '', '', '') AS known
        JOIN cron.job AS registered ON registered.jobname = known.job
        CROSS JOIN LATERAL (
            SELECT count(*) AS runs, count(*) FILTER (WHERE d.status = 'failed') AS failures,
                   max(d.end_time) FILTER (WHERE d.status = 'succeeded') AS success_at
            FROM cron.job_run_details AS d
            WHERE d.jobid = registered.jobid) AS run
        LEFT JOIN LATERAL (
            SELECT d.* FROM cron.job_run_details AS d
            WHERE d.jobid = registered.jobid
            ORDER BY d.runid DESC
            LIMIT 1) AS last ON true
        ORDER BY registered.jobname;
    END IF;
END
$job_status$;

COMMENT ON FUNCTION job_status() IS
'The jobs of this ledger that pg_cron has, how often they ran and failed as far as it remembers, and how the last run went. No row where pg_cron is not installed.';
