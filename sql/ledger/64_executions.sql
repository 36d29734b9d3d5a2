-- Single executions: pages of them, a search, and one with all there is.

CREATE FUNCTION executions(
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'),
    max_rows integer DEFAULT 50, before_created_at timestamptz DEFAULT NULL, before_id uuid DEFAULT NULL,
    containing text DEFAULT '')
RETURNS SETOF execution_history
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
SET plan_cache_mode = force_custom_plan
AS $executions$
DECLARE
    first    timestamptz := coalesce(since, period_start(period, time_zone));
    latest   timestamptz := coalesce(until, 'infinity');
    earliest timestamptz;
    hours    integer := 1;
    missing  bigint := least(max_rows, (SELECT max_page FROM ledger));
    found    bigint;
BEGIN
    PERFORM read_edges(first, latest, needed_dimensions(filter, '{}'), 'day');
    IF max_rows IS NULL OR max_rows < 0 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'max_rows must not be negative or null',
            HINT = 'A page has at most as many rows as max_page of the ledger says.';
    END IF;
    latest := least(latest, before_created_at + interval '1 microsecond');

    -- The table is ordered by time only within a customer. So it is searched backwards in windows, each eight times as
    -- long as the one before, until the page is full.
    LOOP
        earliest := CASE WHEN hours < 100000 THEN greatest(first, least(latest, now()) - hours * interval '1 hour') ELSE first END;
        RETURN QUERY
        SELECT e.* FROM execution_history AS e
        WHERE e.created_at >= earliest AND e.created_at < latest
          AND (before_created_at IS NULL OR (e.created_at, e.id) < (before_created_at, before_id))
          AND e.deleted_at IS NULL
          AND is_admitted(e, filter)
          AND (containing = '' OR strpos(lower(concat_ws(E'\n', e.id, e.request_id, e.customer_id, e.user_id, e.project_id,
                   e.package_id, e.package_name, e.section, e.provider, e.model, e.error_code, e.error_message)), lower(containing)) > 0)
        ORDER BY e.created_at DESC, e.id DESC
        LIMIT missing;
        GET DIAGNOSTICS found = ROW_COUNT;
        missing := missing - found;
        EXIT WHEN missing <= 0 OR earliest <= first;
        latest := earliest;
        hours := hours * 8;
    END LOOP;
END
$executions$;

COMMENT ON FUNCTION executions(text, timestamptz, timestamptz, jsonb, text, integer, timestamptz, uuid, text) IS
'A page of executions that are not deleted, the latest first. The next page: the same with before_created_at and before_id of the last row. max_rows is at most max_page of the ledger. containing asks for a text, in any case, in an id, a name or the error. See usage_report() for the other arguments.';

CREATE FUNCTION recent(max_rows integer DEFAULT 10, filter jsonb DEFAULT '{}') RETURNS SETOF execution_history
LANGUAGE sql STABLE
BEGIN ATOMIC
    -- the whole row, with whatever columns are added to it: in FROM, the names of today's columns would be kept
    SELECT executions('all', filter => filter, max_rows => max_rows);
END;

COMMENT ON FUNCTION recent(integer, jsonb) IS 'The latest executions, see executions()';

CREATE FUNCTION search(
    containing text,
    period text DEFAULT '30d', since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL,
    filter jsonb DEFAULT '{}', time_zone text DEFAULT current_setting('TimeZone'),
    max_rows integer DEFAULT 50, before_created_at timestamptz DEFAULT NULL, before_id uuid DEFAULT NULL)
RETURNS SETOF execution_history
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT executions(period, since, until, filter, time_zone, max_rows, before_created_at, before_id, containing);
END;

COMMENT ON FUNCTION search(text, text, timestamptz, timestamptz, jsonb, text, integer, timestamptz, uuid) IS
'The executions that contain a text, in any case, in their id, request, customer, user, project, package, section, provider, model or error, see executions(). Reads all raw executions of the range that the filter admits, back to the last that is shown.';

CREATE FUNCTION execution(id uuid) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT to_jsonb(e) || jsonb_build_object('input_data', p.input_data, 'output_data', p.output_data)
    FROM execution_history AS e
    LEFT JOIN execution_payloads AS p ON p.execution_id = e.id AND p.created_at = e.created_at
    WHERE e.id = execution.id;
END;

COMMENT ON FUNCTION execution(uuid) IS
'All that is known of one execution, deleted or not, with its input and output; NULL if there is none with that id';
