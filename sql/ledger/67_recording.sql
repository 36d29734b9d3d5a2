-- Recording executions by function, for callers that want to know what became of each: INSERT and COPY do the same and are faster.

CREATE FUNCTION missing_outcome(id uuid, customer_id text, source text, request_id text)
RETURNS TABLE (outcome text, execution_id uuid, errors jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT CASE WHEN q.errors IS NOT NULL THEN 'quarantined' WHEN request_id <> '' THEN 'duplicate' ELSE 'rejected' END,
           CASE WHEN q.errors IS NULL THEN c.execution_id END,
           CASE WHEN request_id <> '' OR q.errors IS NOT NULL THEN q.errors
                ELSE jsonb_build_array(jsonb_build_object('reason', 'another trigger has skipped the row')) END
    FROM (SELECT) AS one
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                   'sqlstate', q.sqlstate, 'field', q.field, 'reason', q.reason, 'detail', q.detail, 'hint', q.hint))) AS errors
        FROM quarantine AS q
        WHERE q.record ->> 'id' = missing_outcome.id::text AND q.quarantined_at = now()) AS q ON true
    LEFT JOIN request_claims AS c
        ON (c.customer_id, c.source, c.request_id)
         = (missing_outcome.customer_id, coalesce(missing_outcome.source, ''), missing_outcome.request_id);
END;

COMMENT ON FUNCTION missing_outcome(uuid, text, text, text) IS
'What became of an execution that this transaction meant to insert and that was not inserted: quarantined (with the reasons) or duplicate (with the id of the execution that recorded the request, NULL if the snapshot of this transaction is older).';

CREATE FUNCTION log_execution(
    customer_id         text,
    package_id          text        DEFAULT NULL,
    package_name        text        DEFAULT NULL,
    status              text        DEFAULT 'success',
    input_data          jsonb       DEFAULT NULL,
    output_data         jsonb       DEFAULT NULL,
    duration_ms         numeric     DEFAULT NULL,
    customer_tier       text        DEFAULT NULL,
    provider            text        DEFAULT NULL,
    model               text        DEFAULT NULL,
    input_tokens        bigint      DEFAULT NULL,
    output_tokens       bigint      DEFAULT NULL,
    cache_read_tokens   bigint      DEFAULT NULL,
    cache_write_tokens  bigint      DEFAULT NULL,
    reasoning_tokens    bigint      DEFAULT NULL,
    usage               jsonb       DEFAULT NULL,
    units               jsonb       DEFAULT NULL,
    api                 text        DEFAULT NULL,
    service_tier        text        DEFAULT NULL,
    region              text        DEFAULT NULL,
    response_id         text        DEFAULT NULL,
    cache_write_1h_tokens bigint    DEFAULT NULL,
    queue_time_ms       numeric     DEFAULT NULL,
    project_id          text        DEFAULT NULL,
    section             text        DEFAULT NULL,
    user_id             text        DEFAULT NULL,
    api_key_id          text        DEFAULT NULL,
    environment         text        DEFAULT 'production',
    source              text        DEFAULT NULL,
    request_id          text        DEFAULT NULL,
    error_code          text        DEFAULT NULL,
    error_message       text        DEFAULT NULL,
    byok                boolean     DEFAULT false,
    pricing_model       text        DEFAULT NULL,
    reported_cost       numeric     DEFAULT NULL,
    token_source        text        DEFAULT NULL,
    started_at          timestamptz DEFAULT NULL,
    completed_at        timestamptz DEFAULT NULL,
    created_at          timestamptz DEFAULT now(),
    metadata            jsonb       DEFAULT NULL,
    reservation_id      uuid        DEFAULT NULL
) RETURNS TABLE (outcome text, execution_id uuid, total_tokens bigint, cost numeric, price_status text)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $log_execution$
#variable_conflict use_variable
DECLARE
    id uuid := @extschema@.uuid_v7();
BEGIN
    INSERT INTO execution_history AS e (
        id, customer_id, package_id, package_name, status, duration_ms, customer_tier, provider, model, input_tokens,
        output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, queue_time_ms, project_id, section, user_id,
        api_key_id, environment, source, request_id, error_code, error_message, byok, pricing_model, reported_cost,
        token_source, started_at, completed_at, created_at, metadata, usage, units, api, service_tier, region, response_id,
        cache_write_1h_tokens, reservation_id)
    VALUES (
        id, customer_id, package_id, package_name, status, duration_ms, customer_tier, provider, model, input_tokens,
        output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, queue_time_ms, project_id, section, user_id,
        api_key_id, environment, source, request_id, error_code, error_message, byok, pricing_model, reported_cost,
        token_source, started_at, completed_at, created_at, metadata, usage, units, api, service_tier, region, response_id,
        cache_write_1h_tokens, reservation_id)
    RETURNING 'accepted', e.id, e.total_tokens, e.cost, e.price_status
    INTO outcome, execution_id, total_tokens, cost, price_status;

    IF FOUND THEN
        IF num_nonnulls(input_data, output_data) > 0 THEN
            INSERT INTO execution_payloads (execution_id, created_at, input_data, output_data)
            VALUES (execution_id, created_at, input_data, output_data);
        END IF;
    ELSE
        SELECT m.outcome, m.execution_id INTO outcome, execution_id
        FROM missing_outcome(id, customer_id, source, request_id) AS m;
        SELECT e.total_tokens, e.cost, e.price_status INTO total_tokens, cost, price_status
        FROM execution_history AS e WHERE e.id = execution_id;
    END IF;
    RETURN NEXT;
END
$log_execution$;

COMMENT ON FUNCTION log_execution IS
'Records one execution and returns what became of it: accepted, duplicate (its request_id is recorded: the id and cost of that execution) or, with usage_meter.on_bad_row = quarantine, quarantined. Arguments are columns of execution_history, usage the report of the provider as it came; input_data and output_data go to execution_payloads. Raises 23514 for a value that is not accepted, 23505 for a request_id with another payload.';

CREATE FUNCTION log_usage(
    section            text,
    prompt_tokens      bigint  DEFAULT NULL,
    completion_tokens  bigint  DEFAULT NULL,
    response_time_ms   numeric DEFAULT NULL,
    success            boolean DEFAULT true,
    user_id            text    DEFAULT current_user,
    provider           text    DEFAULT NULL,
    model              text    DEFAULT NULL,
    error_message      text    DEFAULT NULL,
    metadata           jsonb   DEFAULT NULL,
    customer_id        text    DEFAULT NULL,
    request_id         text    DEFAULT NULL
) RETURNS uuid
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT l.execution_id
    FROM log_execution(
        customer_id => coalesce(customer_id, user_id), user_id => user_id, section => section, provider => provider, model => model,
        input_tokens => prompt_tokens, output_tokens => completion_tokens, duration_ms => response_time_ms,
        status => CASE success WHEN true THEN 'success' WHEN false THEN 'failed' END,
        error_message => error_message, metadata => metadata, request_id => request_id) AS l;
END;

COMMENT ON FUNCTION log_usage IS
'Records one request of a feature of an application without tenants: each user is his own customer unless customer_id names one, and the user is the current role unless user_id names him. Returns the id of the execution, that of the first if request_id repeats one. Errors as log_execution().';

-- ---- JSON

CREATE FUNCTION history_columns() RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT jsonb_object_agg(a.attname, a.atttypid = 'jsonb'::regtype)
    FROM pg_attribute AS a
    WHERE a.attrelid = 'execution_history'::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '';
END;

COMMENT ON FUNCTION history_columns() IS 'Columns of execution_history that can be written, each with whether it holds JSON';

CREATE FUNCTION from_cloudevent(event jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $from_cloudevent$
DECLARE
    fault text := CASE WHEN event ->> 'specversion' <> '1.0' THEN 'specversion'
                       WHEN jsonb_typeof(event -> 'id') IS DISTINCT FROM 'string' OR event ->> 'id' = '' THEN 'id'
                       WHEN jsonb_typeof(event -> 'source') IS DISTINCT FROM 'string' OR event ->> 'source' = '' THEN 'source'
                       WHEN jsonb_typeof(event -> 'type') IS DISTINCT FROM 'string' OR event ->> 'type' = '' THEN 'type'
                       WHEN jsonb_typeof(event -> 'data') IS DISTINCT FROM 'object' THEN 'data' END;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s of a CloudEvent is missing or not as it should be', fault),
            HINT = 'CloudEvents 1.0 has id, source and type; data is the execution, a JSON object.',
            COLUMN = fault;
    END IF;

    -- subject and time are defaults; the attributes that we do not know go where unknown members of a record go
    RETURN event - '{specversion,id,source,subject,time,data,datacontenttype,dataschema}'::text[]
        || jsonb_strip_nulls(jsonb_build_object('customer_id', event -> 'subject', 'created_at', event -> 'time'))
        || (event -> 'data')
        || jsonb_build_object('source', event -> 'source', 'request_id', event -> 'id');
END
$from_cloudevent$;

COMMENT ON FUNCTION from_cloudevent(jsonb) IS
'The record in a CloudEvent 1.0: its data, with source and id as source and request_id, time as created_at and subject as customer_id where data has none. Raises 22023 for an event that is none.';

CREATE FUNCTION normal_record(sent jsonb, columns jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $normal_record$
DECLARE
    record  jsonb := CASE WHEN sent ? 'specversion' THEN from_cloudevent(sent) ELSE sent END;
    unknown jsonb;
    field   text;
BEGIN
    IF jsonb_typeof(record) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'a record is not a JSON object',
            DETAIL = format('It is of type %s.', jsonb_typeof(record)),
            HINT = 'Its members are named like the columns of execution_history. An array holds several records.';
    END IF;

    SELECT coalesce(jsonb_object_agg(member.key, member.value), '{}') INTO record
    FROM jsonb_each(record) AS member WHERE member.value <> 'null';
    SELECT member.key INTO field
    FROM jsonb_each(record) AS member
    WHERE columns -> member.key = 'false' AND jsonb_typeof(member.value) IN ('object', 'array')
    LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('%s is not a single value', field),
            HINT = 'Objects and arrays are for columns that hold JSON, such as metadata.',
            COLUMN = field;
    END IF;

    SELECT jsonb_object_agg(member.key, member.value) INTO unknown
    FROM jsonb_each(record) AS member
    WHERE NOT columns ? member.key AND member.key NOT IN ('input_data', 'output_data');
    IF unknown IS NULL THEN
        RETURN record;
    END IF;
    IF record ? 'metadata' AND jsonb_typeof(record -> 'metadata') <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'metadata is not a JSON object',
            HINT = 'Members that are no columns are kept in it.',
            COLUMN = 'metadata';
    END IF;
    RETURN record || jsonb_build_object('metadata', unknown || coalesce(record -> 'metadata', '{}'));
END
$normal_record$;

COMMENT ON FUNCTION normal_record(jsonb, jsonb) IS
'A record with members for columns only: what is null is left out, what is unknown moves into metadata. Raises 22023 for what can be no record.';

CREATE FUNCTION insert_records(records jsonb[]) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $insert_records$
DECLARE
    known    jsonb := history_columns();
    columns  text := (SELECT string_agg(quote_ident(name), ', ') FROM jsonb_object_keys(known) AS name);
    defaults text := (
        SELECT string_agg(format('%L, %s', a.attname, pg_get_expr(d.adbin, d.adrelid)), ', ')
        FROM pg_attrdef AS d JOIN pg_attribute AS a ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum)
        WHERE d.adrelid = 'execution_history'::regclass AND a.attgenerated = '');
    attempts jsonb;
BEGIN
    EXECUTE format($$
        WITH sent AS MATERIALIZED (
            SELECT jsonb_build_object(%2$s) || normal_record(one.record, $2) AS record, one.ordinal
            FROM unnest($1) WITH ORDINALITY AS one (record, ordinal)
        ), inserted AS (
            INSERT INTO execution_history (%1$s)
            SELECT %1$s
            FROM sent CROSS JOIN LATERAL jsonb_populate_record(NULL::execution_history, sent.record)
            ORDER BY sent.ordinal
            RETURNING id, created_at
        ), payload AS (
            INSERT INTO execution_payloads (execution_id, created_at, input_data, output_data)
            SELECT inserted.id, inserted.created_at, sent.record -> 'input_data', sent.record -> 'output_data'
            FROM inserted JOIN sent ON (sent.record ->> 'id')::uuid = inserted.id
            WHERE sent.record ?| '{input_data,output_data}'
        )
        SELECT jsonb_agg(jsonb_build_object(
                   'inserted', inserted.id IS NOT NULL, 'id', sent.record -> 'id', 'customer_id', sent.record -> 'customer_id',
                   'source', sent.record -> 'source', 'request_id', sent.record -> 'request_id') ORDER BY sent.ordinal)
        FROM sent LEFT JOIN inserted ON inserted.id = (sent.record ->> 'id')::uuid$$, columns, defaults)
    INTO attempts USING records, known;
    RETURN attempts;
END
$insert_records$;

COMMENT ON FUNCTION insert_records(jsonb[]) IS
'Inserts records in one statement, with the defaults of the table for what they leave out. Returns for each whether it was inserted, and by what it is found if not: then it is in quarantine or repeats a request.';

CREATE FUNCTION type_errors(sent jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $type_errors$
DECLARE
    columns jsonb := history_columns();
    errors  jsonb;
    member  record;
BEGIN
    FOR member IN SELECT key, value FROM jsonb_each(normal_record(sent, columns)) WHERE columns ? key LOOP
        BEGIN
            PERFORM jsonb_populate_record(NULL::execution_history, jsonb_build_object(member.key, member.value));
        EXCEPTION WHEN data_exception THEN
            errors := coalesce(errors, '[]') || jsonb_build_object('sqlstate', SQLSTATE, 'field', member.key, 'reason', SQLERRM);
        END;
    END LOOP;
    RETURN errors;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN NULL;
END
$type_errors$;

COMMENT ON FUNCTION type_errors(jsonb) IS
'Members of a record whose values are not of the type of their column, each with what the server says; NULL if there are none, or if it can be no record. An INSERT that fails for one does not name it.';

CREATE FUNCTION attempt_record(sent jsonb) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $attempt_record$
DECLARE
    state text; message text; detail text; hint text; field text;
    errors jsonb;
BEGIN
    RETURN insert_records(ARRAY[sent]) -> 0;
EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, field = COLUMN_NAME,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    IF field = '' THEN
        errors := type_errors(sent);
    END IF;
    errors := coalesce(errors, jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
        'sqlstate', state, 'field', nullif(field, ''), 'reason', message, 'detail', nullif(detail, ''), 'hint', nullif(hint, '')))));
    IF current_setting('usage_meter.on_bad_row') = 'quarantine' THEN
        INSERT INTO quarantine (sqlstate, field, reason, detail, hint, record)
        SELECT error.sqlstate, error.field, error.reason, error.detail, error.hint, sent
        FROM jsonb_to_record(errors -> 0) AS error (sqlstate text, field text, reason text, detail text, hint text);
        RETURN jsonb_build_object('outcome', 'quarantined', 'errors', errors);
    END IF;
    RETURN jsonb_build_object('outcome', 'rejected', 'errors', errors);
END
$attempt_record$;

COMMENT ON FUNCTION attempt_record(jsonb) IS
'Inserts one record, or tells what is wrong with it, and keeps it in quarantine if the setting says so. Part of ingest().';

CREATE FUNCTION ingest(document jsonb) RETURNS TABLE (record integer, outcome text, execution_id uuid, errors jsonb)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $ingest$
#variable_conflict use_column
DECLARE
    sent     jsonb[] := CASE jsonb_typeof(document) WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements(document)) ELSE ARRAY[document] END;
    attempts jsonb;
BEGIN
    BEGIN
        attempts := insert_records(sent);
    EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
        SELECT jsonb_agg(attempt_record(one.sent) ORDER BY one.ordinal) INTO attempts
        FROM unnest(sent) WITH ORDINALITY AS one (sent, ordinal);
    END;

    RETURN QUERY
    SELECT attempt.ordinal::integer,
           CASE WHEN attempt.inserted THEN 'accepted' ELSE coalesce(attempt.outcome, missing.outcome) END,
           CASE WHEN attempt.inserted THEN attempt.id ELSE missing.execution_id END,
           coalesce(attempt.errors, missing.errors)
    FROM ROWS FROM (jsonb_to_recordset(attempts)
             AS (inserted boolean, id uuid, customer_id text, source text, request_id text, outcome text, errors jsonb))
         WITH ORDINALITY AS attempt (inserted, id, customer_id, source, request_id, outcome, errors, ordinal)
    LEFT JOIN LATERAL missing_outcome(attempt.id, attempt.customer_id, attempt.source, attempt.request_id) AS missing
        ON NOT attempt.inserted
    ORDER BY attempt.ordinal;
END
$ingest$;

COMMENT ON FUNCTION ingest(jsonb) IS
'Records one execution, an array of them, or CloudEvents 1.0 (structured or batch), and returns what became of each: accepted, duplicate (with the id of the execution that recorded the request), rejected or quarantined, with errors that name the field. Members are the columns of execution_history, input_data and output_data; others are kept in metadata; null is as if left out. One bad record does not keep the others out.';

CREATE FUNCTION replay_quarantine(quarantine_ids bigint[] DEFAULT NULL, changes jsonb DEFAULT '{}')
RETURNS TABLE (quarantine_id bigint, outcome text, execution_id uuid, errors jsonb)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $replay_quarantine$
#variable_conflict use_column
DECLARE
    kept quarantine;
BEGIN
    FOR kept IN
        SELECT * FROM quarantine AS q
        WHERE quarantine_ids IS NULL OR q.quarantine_id = ANY (quarantine_ids)
        ORDER BY q.quarantine_id
        FOR UPDATE SKIP LOCKED
    LOOP
        SELECT kept.quarantine_id, i.outcome, i.execution_id, i.errors
        INTO quarantine_id, outcome, execution_id, errors
        FROM ingest(kept.record || changes) AS i;
        IF outcome <> 'rejected' THEN
            DELETE FROM quarantine AS q WHERE q.quarantine_id = kept.quarantine_id;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$replay_quarantine$;

COMMENT ON FUNCTION replay_quarantine(bigint[], jsonb) IS
'Tries again to record what is in quarantine, all of it or the rows of these ids, with these members changed, and returns what became of each as ingest() does. What is accepted or a duplicate leaves quarantine; what is refused again stays, or with usage_meter.on_bad_row = quarantine returns under a new id with the new reason.';
