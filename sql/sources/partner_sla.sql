-- An API for partners that makes videos of manifests, and proves how long that takes.

CREATE VIEW partners WITH (security_invoker) AS
SELECT c.customer_id AS id, c.partner_code, c.name, c.integration_flags AS lms_integration, c.is_active, c.created_at
FROM @ledger@.customers AS c
WHERE c.partner_code IS NOT NULL
WITH CHECK OPTION;

COMMENT ON VIEW partners IS 'Partner organisations';
COMMENT ON COLUMN partners.id IS 'Identity, made if not given';
COMMENT ON COLUMN partners.partner_code IS 'Short name';
COMMENT ON COLUMN partners.name IS 'Name for people';
COMMENT ON COLUMN partners.lms_integration IS 'Flags of its integrations, a JSON object';
COMMENT ON COLUMN partners.is_active IS 'Is it served?';
COMMENT ON COLUMN partners.created_at IS 'Since when it is known';

-- ---- keys

CREATE VIEW api_keys WITH (security_invoker) AS
SELECT k.api_key_id AS id, k.customer_id AS partner_id, c.partner_code, k.seat_name, k.environment, k.key_prefix, k.key_hash,
       k.is_active, coalesce(used.executions, 0) AS request_count, k.created_at, k.revoked_at
FROM @ledger@.api_keys AS k
JOIN @ledger@.customers AS c USING (customer_id)
LEFT JOIN @ledger@.usage_report('{api_key_id}', NULL, 'all') AS used USING (api_key_id);
ALTER VIEW api_keys ALTER COLUMN environment SET DEFAULT 'production';
ALTER VIEW api_keys ALTER COLUMN is_active SET DEFAULT true;

COMMENT ON VIEW api_keys IS 'API keys and seats of the partners';
COMMENT ON COLUMN api_keys.id IS 'Identity, made if not given';
COMMENT ON COLUMN api_keys.partner_id IS 'Partner to whom it belongs; found by partner_code if not given';
COMMENT ON COLUMN api_keys.partner_code IS 'Its short name';
COMMENT ON COLUMN api_keys.seat_name IS 'Name of the seat';
COMMENT ON COLUMN api_keys.environment IS 'sandbox or production';
COMMENT ON COLUMN api_keys.key_prefix IS 'First characters of the secret';
COMMENT ON COLUMN api_keys.key_hash IS 'Hash of the secret';
COMMENT ON COLUMN api_keys.is_active IS 'May it be used?';
COMMENT ON COLUMN api_keys.request_count IS 'Executions that named it, always counted from the usage: what is written here is ignored';
COMMENT ON COLUMN api_keys.created_at IS 'When it was made';
COMMENT ON COLUMN api_keys.revoked_at IS 'When it was revoked; the present if it is made inactive';

CREATE FUNCTION write_api_key() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_api_key$
BEGIN
    IF TG_OP = 'DELETE' THEN
        DELETE FROM @ledger@.api_keys AS k WHERE k.api_key_id = OLD.id;
        RETURN OLD;
    END IF;
    NEW.partner_id := coalesce(NEW.partner_id, (SELECT c.customer_id FROM @ledger@.customers AS c WHERE c.partner_code = NEW.partner_code));
    IF NEW.partner_id IS NULL THEN
        RAISE foreign_key_violation USING
            MESSAGE = 'an API key belongs to no partner',
            DETAIL = format('There is no partner %L.', coalesce(NEW.partner_code, 'null')),
            HINT = 'Name it by partner_id or partner_code, after it was added to partners.';
    END IF;
    IF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, @extschema@.uuid_v7()::text);
        NEW.created_at := coalesce(NEW.created_at, now());
        INSERT INTO @ledger@.api_keys (api_key_id, customer_id, seat_name, environment, key_prefix, key_hash, is_active, created_at, revoked_at)
        VALUES (NEW.id, NEW.partner_id, NEW.seat_name, NEW.environment, NEW.key_prefix, NEW.key_hash, NEW.is_active, NEW.created_at, NEW.revoked_at);
    ELSE
        NEW.revoked_at := CASE WHEN NOT NEW.is_active THEN coalesce(NEW.revoked_at, now()) END;
        UPDATE @ledger@.api_keys AS k
        SET (api_key_id, customer_id, seat_name, environment, key_prefix, key_hash, is_active, created_at, revoked_at)
          = (NEW.id, NEW.partner_id, NEW.seat_name, NEW.environment, NEW.key_prefix, NEW.key_hash, NEW.is_active, NEW.created_at, NEW.revoked_at)
        WHERE k.api_key_id = OLD.id;
    END IF;
    RETURN NEW;
END
$write_api_key$;

COMMENT ON FUNCTION write_api_key() IS 'What is written to api_keys goes to the keys of the ledger';
CREATE TRIGGER write_api_key INSTEAD OF INSERT OR UPDATE OR DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION write_api_key();
COMMENT ON TRIGGER write_api_key ON api_keys IS 'To the keys of the ledger';

-- ---- requests

CREATE VIEW api_requests WITH (security_invoker) AS
SELECT e.id, e.request_id, e.customer_id AS partner_id, e.api_key_id, k.seat_name, e.environment,
       e.metadata ->> 'method' AS method, e.section AS endpoint, e.status,
       CASE WHEN e.metadata ->> 'http_status' ~ '^[1-5][0-9]{2}$' THEN (e.metadata ->> 'http_status')::smallint END AS http_status,
       e.duration_ms AS processing_ms, e.error_code, e.error_message, e.created_at
FROM @ledger@.execution_history AS e
LEFT JOIN @ledger@.api_keys AS k USING (api_key_id)
WHERE e.source = 'api_requests' AND e.deleted_at IS NULL;
ALTER VIEW api_requests ALTER COLUMN created_at SET DEFAULT now();

COMMENT ON VIEW api_requests IS 'Requests to the API, one execution each with source api_requests; INSERT, no UPDATE';
COMMENT ON COLUMN api_requests.id IS 'Identity, made if not given';
COMMENT ON COLUMN api_requests.request_id IS 'Identity that the caller gave: the same request again is not written again';
COMMENT ON COLUMN api_requests.partner_id IS 'Partner; that of the key if not given; a key that nobody knows is one itself';
COMMENT ON COLUMN api_requests.api_key_id IS 'Key (seat) that was used';
COMMENT ON COLUMN api_requests.seat_name IS 'Name of the seat';
COMMENT ON COLUMN api_requests.environment IS 'sandbox or production; that of the key if not given';
COMMENT ON COLUMN api_requests.method IS 'HTTP method';
COMMENT ON COLUMN api_requests.endpoint IS 'Path of the endpoint: the section of the execution';
COMMENT ON COLUMN api_requests.status IS 'success or failed; by http_status (failed from 400 on) if not given';
COMMENT ON COLUMN api_requests.http_status IS 'HTTP status of the response';
COMMENT ON COLUMN api_requests.processing_ms IS 'Processing time in milliseconds';
COMMENT ON COLUMN api_requests.error_code IS 'Code of the failure';
COMMENT ON COLUMN api_requests.error_message IS 'Text of the failure';
COMMENT ON COLUMN api_requests.created_at IS 'When the request came';

CREATE FUNCTION write_api_request() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_api_request$
DECLARE
    seat @ledger@.api_keys;
BEGIN
    SELECT * INTO seat FROM @ledger@.api_keys AS k WHERE k.api_key_id = NEW.api_key_id;
    NEW.partner_id := coalesce(NEW.partner_id, seat.customer_id, NEW.api_key_id);
    NEW.environment := coalesce(NEW.environment, seat.environment, 'production');
    NEW.status := coalesce(NEW.status, CASE WHEN NEW.http_status >= 400 THEN 'failed' ELSE 'success' END);
    NEW.seat_name := seat.seat_name;
    INSERT INTO @ledger@.execution_history AS e (
        id, created_at, source, request_id, customer_id, api_key_id, environment, section, status, duration_ms, error_code, error_message, metadata)
    VALUES (
        coalesce(NEW.id, @extschema@.uuid_v7()), NEW.created_at, 'api_requests', NEW.request_id, NEW.partner_id, NEW.api_key_id, NEW.environment,
        NEW.endpoint, NEW.status, NEW.processing_ms, NEW.error_code, NEW.error_message,
        jsonb_strip_nulls(jsonb_build_object('method', NEW.method, 'http_status', NEW.http_status)))
    RETURNING e.id INTO NEW.id;
    RETURN CASE WHEN FOUND THEN NEW END;
END
$write_api_request$;

COMMENT ON FUNCTION write_api_request() IS 'What is written to api_requests is an execution';
CREATE TRIGGER write_api_request INSTEAD OF INSERT ON api_requests FOR EACH ROW EXECUTE FUNCTION write_api_request();
COMMENT ON TRIGGER write_api_request ON api_requests IS 'To the history of the ledger';

-- ---- manifests and videos

CREATE TABLE manifest_templates (
    id           text         NOT NULL DEFAULT @extschema@.uuid_v7() PRIMARY KEY,
    name         text         NOT NULL CONSTRAINT manifest_templates_name_key UNIQUE,
    grade_level  integer,
    subject      text,
    manifest     jsonb        NOT NULL DEFAULT '{}',
    is_active    boolean      NOT NULL DEFAULT true,
    created_at   timestamptz  NOT NULL DEFAULT now()
);

COMMENT ON TABLE manifest_templates IS 'Templates that videos are made of';
COMMENT ON COLUMN manifest_templates.id IS 'Identity: template_id of the videos';
COMMENT ON COLUMN manifest_templates.name IS 'Name for people';
COMMENT ON COLUMN manifest_templates.grade_level IS 'School grade';
COMMENT ON COLUMN manifest_templates.subject IS 'Subject taught';
COMMENT ON COLUMN manifest_templates.manifest IS 'The manifest';
COMMENT ON COLUMN manifest_templates.is_active IS 'May it be used?';
COMMENT ON COLUMN manifest_templates.created_at IS 'When it was loaded';
COMMENT ON INDEX manifest_templates_pkey IS 'A template by its identity';
COMMENT ON INDEX manifest_templates_name_key IS 'A template by its name';

INSERT INTO manifest_templates (id, name, grade_level, subject) VALUES
    ('fraction_subtraction', 'Fraction Subtraction',               4, 'math'),
    ('fraction_addition',    'Fraction Addition',                  4, 'math'),
    ('geometry_angles',      'Geometry Angle Addition',            5, 'geometry'),
    ('data_line_plot',       'Data Analysis Line Plot',            4, 'math'),
    ('integer_angles',       'Integer Arithmetic Advanced Angles', 6, 'geometry');

CREATE VIEW video_generations WITH (security_invoker) AS
SELECT e.id, e.request_id, e.customer_id AS partner_id, e.api_key_id, e.environment, e.package_id AS template_id,
       CASE WHEN e.metadata ->> 'grade_level' ~ '^[0-9]{1,2}$' THEN (e.metadata ->> 'grade_level')::integer END AS grade_level,
       e.metadata ->> 'subject' AS subject,
       CASE e.status WHEN 'running' THEN 'rendering' WHEN 'success' THEN 'completed' ELSE e.status END AS render_status,
       CASE WHEN e.status NOT IN ('pending', 'running') THEN e.status = 'success' END AS render_success,
       e.error_code, e.error_message, e.created_at AS submitted_at, e.started_at, e.completed_at,
       extract(epoch FROM e.completed_at - e.created_at) / 60 AS manifest_to_mp4_minutes
FROM @ledger@.execution_history AS e
WHERE e.source = 'video_generations' AND e.deleted_at IS NULL;
ALTER VIEW video_generations ALTER COLUMN submitted_at SET DEFAULT now();

COMMENT ON VIEW video_generations IS 'Render jobs, one execution each with source video_generations: INSERT one when it is submitted, UPDATE it when it ends';
COMMENT ON COLUMN video_generations.id IS 'Identity, made if not given';
COMMENT ON COLUMN video_generations.request_id IS 'Identity that the caller gave: the same job again is not written again';
COMMENT ON COLUMN video_generations.partner_id IS 'Partner; that of the key if not given; a key that nobody knows is one itself';
COMMENT ON COLUMN video_generations.api_key_id IS 'Key (seat) that was used';
COMMENT ON COLUMN video_generations.environment IS 'sandbox or production; that of the key if not given';
COMMENT ON COLUMN video_generations.template_id IS 'Template: the package of the execution';
COMMENT ON COLUMN video_generations.grade_level IS 'School grade; that of the template if not given';
COMMENT ON COLUMN video_generations.subject IS 'Subject; that of the template if not given';
COMMENT ON COLUMN video_generations.render_status IS 'pending, rendering, completed, failed, timeout or cancelled';
COMMENT ON COLUMN video_generations.render_success IS 'Was it rendered? NULL while that is open';
COMMENT ON COLUMN video_generations.error_code IS 'Code of the failure';
COMMENT ON COLUMN video_generations.error_message IS 'Text of the failure';
COMMENT ON COLUMN video_generations.submitted_at IS 'When the manifest came: created_at of the execution';
COMMENT ON COLUMN video_generations.started_at IS 'When the rendering began';
COMMENT ON COLUMN video_generations.completed_at IS 'When the video was there; the present when a job ends and does not say';
COMMENT ON COLUMN video_generations.manifest_to_mp4_minutes IS 'Minutes from one to the other; if given, completed_at follows from it';

-- The one of the two that a statement changes says how it stands.
CREATE FUNCTION execution_status(render_status text, render_success boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN render_success THEN 'success'
            WHEN NOT render_success AND coalesce(render_status, '') NOT IN ('timeout', 'cancelled') THEN 'failed'
            WHEN render_status IN ('queued', 'pending') OR render_status IS NULL THEN 'pending'
            WHEN render_status IN ('processing', 'rendering', 'running') THEN 'running'
            WHEN render_status IN ('completed', 'succeeded', 'success', 'done') THEN 'success'
            ELSE render_status END;

COMMENT ON FUNCTION execution_status(text, boolean) IS 'Status of the execution of a render job; render_success counts if it is not NULL';

CREATE FUNCTION write_video_generation() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_video_generation$
DECLARE
    seat     @ledger@.api_keys;
    template @schema@.manifest_templates;
    is_told  boolean := TG_OP = 'INSERT';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        is_told := NEW.render_success IS DISTINCT FROM OLD.render_success;
    END IF;
    NEW.render_status := @schema@.execution_status(NEW.render_status, CASE WHEN is_told THEN NEW.render_success END);
    IF NEW.manifest_to_mp4_minutes IS NOT NULL AND NEW.completed_at IS NULL THEN
        NEW.completed_at := NEW.submitted_at + NEW.manifest_to_mp4_minutes * interval '1 minute';
    ELSIF NEW.render_status NOT IN ('pending', 'running') AND NEW.completed_at IS NULL THEN
        NEW.completed_at := greatest(now(), NEW.started_at, NEW.submitted_at);
    END IF;

    IF TG_OP = 'UPDATE' THEN
        UPDATE @ledger@.execution_history AS e
        SET (status, started_at, completed_at, duration_ms, error_code, error_message)
          = (NEW.render_status, NEW.started_at, NEW.completed_at, 1000 * extract(epoch FROM NEW.completed_at - NEW.submitted_at),
             NEW.error_code, NEW.error_message)
        WHERE e.id = OLD.id AND e.created_at = OLD.submitted_at;
    ELSE
        SELECT * INTO seat FROM @ledger@.api_keys AS k WHERE k.api_key_id = NEW.api_key_id;
        SELECT * INTO template FROM @schema@.manifest_templates AS t WHERE t.id = NEW.template_id;
        NEW.partner_id := coalesce(NEW.partner_id, seat.customer_id, NEW.api_key_id);
        NEW.environment := coalesce(NEW.environment, seat.environment, 'production');
        NEW.grade_level := coalesce(NEW.grade_level, template.grade_level);
        NEW.subject := coalesce(NEW.subject, template.subject);
        INSERT INTO @ledger@.execution_history AS e (
            id, created_at, source, request_id, customer_id, api_key_id, environment, package_id, package_name, status,
            started_at, completed_at, duration_ms, error_code, error_message, metadata)
        VALUES (
            coalesce(NEW.id, @extschema@.uuid_v7()), NEW.submitted_at, 'video_generations', NEW.request_id, NEW.partner_id, NEW.api_key_id,
            NEW.environment, NEW.template_id, template.name, NEW.render_status, NEW.started_at, NEW.completed_at,
            1000 * extract(epoch FROM NEW.completed_at - NEW.submitted_at), NEW.error_code, NEW.error_message,
            jsonb_strip_nulls(jsonb_build_object('grade_level', NEW.grade_level, 'subject', NEW.subject)))
        RETURNING e.id INTO NEW.id;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    END IF;

    SELECT * INTO NEW FROM @schema@.video_generations AS v WHERE v.id = NEW.id AND v.submitted_at = NEW.submitted_at;
    RETURN NEW;
END
$write_video_generation$;

COMMENT ON FUNCTION write_video_generation() IS 'What is written to video_generations is an execution';
CREATE TRIGGER write_video_generation INSTEAD OF INSERT OR UPDATE ON video_generations FOR EACH ROW EXECUTE FUNCTION write_video_generation();
COMMENT ON TRIGGER write_video_generation ON video_generations IS 'To the history of the ledger';

-- ---- the proof

CREATE VIEW sla_metrics WITH (security_invoker) AS
SELECT m.customer_id AS partner_id, c.partner_code, m.day AS date, m.jobs AS total_jobs, m.success_rate,
       m.p50_minutes AS p50_manifest_to_mp4_minutes, m.p95_minutes AS p95_manifest_to_mp4_minutes, m.p99_minutes AS p99_manifest_to_mp4_minutes,
       m.jobs_within_24h, m.jobs_beyond_24h, m.sla_24h_compliance_rate, m.active_seats
FROM @ledger@.sla_metrics AS m
LEFT JOIN @ledger@.customers AS c USING (customer_id);

COMMENT ON VIEW sla_metrics IS 'How the jobs of each partner and UTC day went, as of the last refresh() of the ledger';
COMMENT ON COLUMN sla_metrics.partner_id IS 'Partner';
COMMENT ON COLUMN sla_metrics.partner_code IS 'Its short name';
COMMENT ON COLUMN sla_metrics.date IS 'UTC day on which the jobs were submitted';
COMMENT ON COLUMN sla_metrics.total_jobs IS 'Jobs, open ones included';
COMMENT ON COLUMN sla_metrics.success_rate IS 'Percentage of the completed jobs that succeeded; NULL if none was completed';
COMMENT ON COLUMN sla_metrics.p50_manifest_to_mp4_minutes IS 'Median, within 0.54 %';
COMMENT ON COLUMN sla_metrics.p95_manifest_to_mp4_minutes IS '95th percentile, within 0.54 %';
COMMENT ON COLUMN sla_metrics.p99_manifest_to_mp4_minutes IS '99th percentile, within 0.54 %';
COMMENT ON COLUMN sla_metrics.jobs_within_24h IS 'Jobs that were completed within 24 hours';
COMMENT ON COLUMN sla_metrics.jobs_beyond_24h IS 'Jobs that were completed later, or are open and older than that';
COMMENT ON COLUMN sla_metrics.sla_24h_compliance_rate IS 'Percentage of the jobs within 24 hours among those within and beyond; NULL if there are neither';
COMMENT ON COLUMN sla_metrics.active_seats IS 'Seats that were used on that day';

-- ---- files, written by usage_meter_export.sql with ledger set to this schema

CREATE VIEW export_partners_and_api_keys WITH (security_invoker) AS
SELECT p.partner_code, p.name, p.lms_integration, k.seat_name, k.environment, k.is_active, k.request_count
FROM partners AS p
LEFT JOIN api_keys AS k ON k.partner_id = p.id
ORDER BY p.partner_code, k.environment, k.seat_name;

CREATE VIEW export_api_requests WITH (security_invoker) AS
SELECT r.request_id, r.partner_id, r.api_key_id, r.seat_name, r.environment, r.method, r.endpoint, r.status, r.http_status,
       r.processing_ms, r.error_code, r.error_message, r.created_at, r.id
FROM api_requests AS r
ORDER BY r.created_at, r.id;

CREATE VIEW export_video_generations WITH (security_invoker) AS
SELECT v.request_id, v.partner_id, v.api_key_id, v.environment, v.template_id, v.grade_level, v.subject, v.render_status, v.render_success,
       100.0 * count(*) FILTER (WHERE v.render_success) OVER partner / nullif(count(v.render_success) OVER partner, 0) AS success_rate,
       v.manifest_to_mp4_minutes, v.submitted_at, v.started_at, v.completed_at, v.error_code, v.error_message, v.id
FROM video_generations AS v
WINDOW partner AS (PARTITION BY v.partner_id)
ORDER BY v.submitted_at, v.id;

CREATE VIEW export_sla_metrics WITH (security_invoker) AS
SELECT m.* FROM sla_metrics AS m
ORDER BY m.partner_id, m.date;

CREATE VIEW export_manifest_templates WITH (security_invoker) AS
SELECT t.id, t.name, t.grade_level, t.subject, t.manifest, t.is_active, t.created_at
FROM manifest_templates AS t
ORDER BY t.id;

COMMENT ON VIEW export_partners_and_api_keys IS 'Every partner and seat; see partners and api_keys for the columns';
COMMENT ON VIEW export_api_requests IS 'Every request, by time; see api_requests for the columns';
COMMENT ON VIEW export_video_generations IS 'Every render job, by time; see video_generations for the columns.';
COMMENT ON VIEW export_sla_metrics IS 'See sla_metrics';
COMMENT ON VIEW export_manifest_templates IS 'See manifest_templates';

COMMENT ON COLUMN export_video_generations.success_rate IS 'Percentage of the ended jobs of the partner that succeeded; NULL if none has ended';

-- every other column says what the view that it comes from says
DO $comments$
DECLARE
    told record;
BEGIN
    FOR told IN
        SELECT copy.attrelid::regclass AS view, copy.attname AS name, col_description(shown.attrelid, shown.attnum) AS comment
        FROM pg_class AS c
        JOIN pg_attribute AS copy ON copy.attrelid = c.oid
        JOIN unnest(ARRAY['partners', 'api_keys', substr(c.relname, length('export_') + 1)]) AS source ON true
        JOIN pg_attribute AS shown ON shown.attrelid = to_regclass(source) AND shown.attname = copy.attname
        WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relname LIKE 'export_%'
        ORDER BY source NOT IN ('partners', 'api_keys')
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', told.view, told.name, told.comment);
    END LOOP;
END
$comments$;
