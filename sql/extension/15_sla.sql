-- Service levels: compliance with a threshold, every window of an objective, error
-- budgets. An event that is not decided yet has an outcome of NULL and is left out;
-- a job that is not finished is decided as soon as it is late.

-- Outcome of one job

CREATE FUNCTION sla_outcome(
	started_at timestamptz,
	finished_at timestamptz,
	threshold interval,
	as_of timestamptz DEFAULT now(),
	OUT "time" timestamptz,
	OUT ok boolean
) RETURNS record
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE
			WHEN finished_at <= started_at + threshold AND finished_at <= as_of THEN finished_at
			WHEN started_at + threshold < as_of THEN started_at + threshold
		END,
		CASE
			WHEN finished_at <= started_at + threshold AND finished_at <= as_of THEN true
			WHEN started_at + threshold < as_of THEN false
		END;
END;
COMMENT ON FUNCTION sla_outcome(timestamptz, timestamptz, interval, timestamptz) IS
	'when a job was decided, and how: well when it finished in time, badly when its threshold passed, finished or not; NULL while it may still be in time';

-- Support functions

CREATE FUNCTION sla_count(double precision[], double precision, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_count_value' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_count(double precision[], double precision, double precision) IS
	'counts a value that is compared with a threshold';

CREATE FUNCTION sla_uncount(double precision[], double precision, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_uncount_value' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_uncount(double precision[], double precision, double precision) IS
	'takes back a value that was counted';

CREATE FUNCTION sla_count(double precision[], double precision, double precision, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_count_value' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_count(double precision[], double precision, double precision, double precision) IS
	'counts a value or an age that is compared with a threshold';

CREATE FUNCTION sla_uncount(double precision[], double precision, double precision, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_uncount_value' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_uncount(double precision[], double precision, double precision, double precision) IS
	'takes back a value or an age that was counted';

CREATE FUNCTION sla_count(double precision[], interval, interval) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_count_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_count(double precision[], interval, interval) IS
	'counts an interval that is compared with a threshold';

CREATE FUNCTION sla_uncount(double precision[], interval, interval) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_uncount_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_uncount(double precision[], interval, interval) IS
	'takes back an interval that was counted';

CREATE FUNCTION sla_count(double precision[], interval, interval, interval) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_count_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_count(double precision[], interval, interval, interval) IS
	'counts an interval or an age that is compared with a threshold';

CREATE FUNCTION sla_uncount(double precision[], interval, interval, interval) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_uncount_interval' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_uncount(double precision[], interval, interval, interval) IS
	'takes back an interval or an age that was counted';

CREATE FUNCTION error_budget_count(double precision[], boolean, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_count_outcome' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION error_budget_count(double precision[], boolean, double precision) IS
	'counts an outcome';

CREATE FUNCTION error_budget_uncount(double precision[], boolean, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_uncount_outcome' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION error_budget_uncount(double precision[], boolean, double precision) IS
	'takes back an outcome that was counted';

CREATE FUNCTION error_budget_count(double precision[], boolean, double precision, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_count_outcome' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION error_budget_count(double precision[], boolean, double precision, double precision) IS
	'counts an outcome over a share of the period';

CREATE FUNCTION error_budget_uncount(double precision[], boolean, double precision, double precision) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_uncount_outcome' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION error_budget_uncount(double precision[], boolean, double precision, double precision) IS
	'takes back an outcome over a share of the period that was counted';

CREATE FUNCTION sla_combine(double precision[], double precision[]) RETURNS double precision[]
AS 'MODULE_PATHNAME', 'sla_combine' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sla_combine(double precision[], double precision[]) IS
	'combine function of sla_compliance and error_budget';

CREATE FUNCTION sla_compliance_final(double precision[]) RETURNS double precision
AS 'MODULE_PATHNAME', 'sla_compliance_final' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sla_compliance_final(double precision[]) IS
	'final function of sla_compliance';

-- Compliance

CREATE AGGREGATE sla_compliance(value double precision, threshold double precision) (
	SFUNC = sla_count,
	STYPE = double precision[],
	SSPACE = 64,
	INITCOND = '{0,0,-1,-1}',
	FINALFUNC = sla_compliance_final,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = sla_combine,
	MSFUNC = sla_count,
	MINVFUNC = sla_uncount,
	MSTYPE = double precision[],
	MSSPACE = 64,
	MINITCOND = '{0,0,-1,-1}',
	MFINALFUNC = sla_compliance_final,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sla_compliance(double precision, double precision) IS
	'share of the values at or below the threshold; rows where either is NULL are left out';

CREATE AGGREGATE sla_compliance(value double precision, threshold double precision, age double precision) (
	SFUNC = sla_count,
	STYPE = double precision[],
	SSPACE = 64,
	INITCOND = '{0,0,-1,-1}',
	FINALFUNC = sla_compliance_final,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = sla_combine,
	MSFUNC = sla_count,
	MINVFUNC = sla_uncount,
	MSTYPE = double precision[],
	MSSPACE = 64,
	MINITCOND = '{0,0,-1,-1}',
	MFINALFUNC = sla_compliance_final,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sla_compliance(double precision, double precision, double precision) IS
	'share of the values at or below the threshold, where a NULL value is a job that is not finished: a breach once its age is above the threshold, left out before';

CREATE AGGREGATE sla_compliance(value interval, threshold interval) (
	SFUNC = sla_count,
	STYPE = double precision[],
	SSPACE = 64,
	INITCOND = '{0,0,-1,-1}',
	FINALFUNC = sla_compliance_final,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = sla_combine,
	MSFUNC = sla_count,
	MINVFUNC = sla_uncount,
	MSTYPE = double precision[],
	MSSPACE = 64,
	MINITCOND = '{0,0,-1,-1}',
	MFINALFUNC = sla_compliance_final,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sla_compliance(interval, interval) IS
	'share of the values at or below the threshold; rows where either is NULL are left out';

CREATE AGGREGATE sla_compliance(value interval, threshold interval, age interval) (
	SFUNC = sla_count,
	STYPE = double precision[],
	SSPACE = 64,
	INITCOND = '{0,0,-1,-1}',
	FINALFUNC = sla_compliance_final,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = sla_combine,
	MSFUNC = sla_count,
	MINVFUNC = sla_uncount,
	MSTYPE = double precision[],
	MSSPACE = 64,
	MINITCOND = '{0,0,-1,-1}',
	MFINALFUNC = sla_compliance_final,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sla_compliance(interval, interval, interval) IS
	'share of the values at or below the threshold, where a NULL value is a job that is not finished: a breach once its age is above the threshold, left out before';

-- Error budget

CREATE TYPE error_budget_report AS (
	events bigint,
	failures bigint,
	compliance double precision,
	budget double precision,
	consumed double precision,
	remaining double precision,
	burn_rate double precision
);
COMMENT ON TYPE error_budget_report IS 'result of error_budget';
COMMENT ON COLUMN error_budget_report.events IS 'events that are decided';
COMMENT ON COLUMN error_budget_report.failures IS 'those that went badly';
COMMENT ON COLUMN error_budget_report.compliance IS 'share of events that went well';
COMMENT ON COLUMN error_budget_report.budget IS
	'failures that the target allows in the whole period, at the rate of events so far';
COMMENT ON COLUMN error_budget_report.consumed IS 'failures as a share of the budget';
COMMENT ON COLUMN error_budget_report.remaining IS 'what is left of the budget, as a share; negative once it is overspent';
COMMENT ON COLUMN error_budget_report.burn_rate IS
	'failure rate as a multiple of what the target allows: at 1 the budget lasts exactly for the period';

CREATE FUNCTION error_budget_final(double precision[]) RETURNS error_budget_report
AS 'MODULE_PATHNAME', 'sla_budget_final' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION error_budget_final(double precision[]) IS
	'final function of error_budget';

CREATE AGGREGATE error_budget(ok boolean, target double precision) (
	SFUNC = error_budget_count,
	STYPE = double precision[],
	SSPACE = 64,
	INITCOND = '{0,0,-1,-1}',
	FINALFUNC = error_budget_final,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = sla_combine,
	MSFUNC = error_budget_count,
	MINVFUNC = error_budget_uncount,
	MSTYPE = double precision[],
	MSSPACE = 64,
	MINITCOND = '{0,0,-1,-1}',
	MFINALFUNC = error_budget_final,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE error_budget(boolean, double precision) IS
	'consumption of the error budget 1 - target by the events of a whole period; NULLs are left out';

CREATE AGGREGATE error_budget(ok boolean, target double precision, period_share double precision) (
	SFUNC = error_budget_count,
	STYPE = double precision[],
	SSPACE = 64,
	INITCOND = '{0,0,-1,-1}',
	FINALFUNC = error_budget_final,
	FINALFUNC_MODIFY = READ_ONLY,
	COMBINEFUNC = sla_combine,
	MSFUNC = error_budget_count,
	MINVFUNC = error_budget_uncount,
	MSTYPE = double precision[],
	MSSPACE = 64,
	MINITCOND = '{0,0,-1,-1}',
	MFINALFUNC = error_budget_final,
	MFINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE error_budget(boolean, double precision, double precision) IS
	'consumption of the error budget 1 - target by events that cover a share of the period: an hour of 30 days is 1.0/720';

-- Windows

CREATE TYPE sla_windows_report AS (
	windows bigint,
	met bigint,
	share_met double precision,
	worst_start timestamptz,
	worst_end timestamptz,
	worst_compliance double precision,
	worst_events bigint,
	breached_at timestamptz
);
COMMENT ON TYPE sla_windows_report IS 'result of sla_windows';
COMMENT ON COLUMN sla_windows_report.windows IS 'windows: one ends at each time at which there are events';
COMMENT ON COLUMN sla_windows_report.met IS 'windows in which the share of good events reached the target';
COMMENT ON COLUMN sla_windows_report.share_met IS 'share of windows that met the target';
COMMENT ON COLUMN sla_windows_report.worst_start IS
	'start of the window with the lowest compliance, the first of several; exclusive';
COMMENT ON COLUMN sla_windows_report.worst_end IS 'end of that window; inclusive';
COMMENT ON COLUMN sla_windows_report.worst_compliance IS 'share of good events in that window';
COMMENT ON COLUMN sla_windows_report.worst_events IS 'how many events that window holds';
COMMENT ON COLUMN sla_windows_report.breached_at IS 'end of the first window that missed the target; NULL if none did';

CREATE FUNCTION sla_windows_accumulate(internal, timestamptz, boolean, interval, double precision) RETURNS internal
AS 'MODULE_PATHNAME', 'sla_windows_accumulate' LANGUAGE c IMMUTABLE CALLED ON NULL INPUT PARALLEL SAFE;
COMMENT ON FUNCTION sla_windows_accumulate(internal, timestamptz, boolean, interval, double precision) IS
	'transition function of sla_windows';

CREATE FUNCTION sla_windows_final(internal) RETURNS sla_windows_report
AS 'MODULE_PATHNAME', 'sla_windows_final' LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION sla_windows_final(internal) IS
	'final function of sla_windows';

CREATE AGGREGATE sla_windows("time" timestamptz, ok boolean, "window" interval, target double precision) (
	SFUNC = sla_windows_accumulate,
	STYPE = internal,
	SSPACE = 32768,
	FINALFUNC = sla_windows_final,
	FINALFUNC_MODIFY = READ_ONLY,
	PARALLEL = SAFE
);
COMMENT ON AGGREGATE sla_windows(timestamptz, boolean, interval, double precision) IS
	'every window of the given width that ends with an event, judged exactly; call it with ORDER BY time';
