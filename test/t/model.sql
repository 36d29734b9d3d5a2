-- The model of a ledger, for 008_model.pl: a plain table, what a ledger does to a row written once more in the plainest
-- PL/pgSQL, and each report as the query that defines it. It shares no code with the ledger.

CREATE SCHEMA model;

CREATE TABLE model.plain (LIKE usage.execution_history INCLUDING DEFAULTS, PRIMARY KEY (id, created_at));
CREATE TABLE model.requests (customer_id text, source text, request_id text, payload jsonb, id uuid,
                             PRIMARY KEY (customer_id, source, request_id));
CREATE TABLE model.quarantine (sqlstate text);
CREATE TABLE model.price (input numeric, output numeric);
INSERT INTO model.price VALUES (1, 2);

CREATE FUNCTION model.refusal(e model.plain) RETURNS boolean LANGUAGE sql AS $$
    SELECT coalesce(e.customer_id, '') = '' OR coalesce(e.environment, '') = '' OR e.id IS NULL OR e.byok IS NULL OR length(e.model) > 255
        OR least(e.input_tokens, e.cache_read_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens) < 0
        OR coalesce(e.reasoning_tokens, 0) > coalesce(e.output_tokens, 0)
        OR least(e.duration_ms, e.queue_time_ms, e.cost, e.reported_cost, e.credited_cost) < 0
        OR coalesce(e.status NOT IN ('pending', 'running', 'success', 'failed', 'timeout', 'cancelled'), true)
$$;

CREATE FUNCTION model.is_open(status text) RETURNS boolean LANGUAGE sql AS $$ SELECT status IN ('pending', 'running') $$;

-- echo has a price for each token of input and of output; nothing else has one
CREATE FUNCTION model.priced(e model.plain) RETURNS model.plain LANGUAGE plpgsql AS $$
DECLARE
    has_tokens boolean := num_nonnulls(e.input_tokens, e.cache_read_tokens, e.cache_write_tokens, e.output_tokens, e.reasoning_tokens) > 0;
    price numeric;
BEGIN
    e.shadow_cost := NULL;
    e.cost := NULL;
    IF model.is_open(e.status) THEN
        e.price_status := 'pending';
        RETURN e;
    END IF;
    IF has_tokens AND (e.provider, e.model) = ('acme', 'echo') THEN
        SELECT (coalesce(e.input_tokens, 0) + coalesce(e.cache_read_tokens, 0) + coalesce(e.cache_write_tokens, 0)) * p.input + coalesce(e.output_tokens, 0) * p.output
        INTO price FROM model.price AS p;
    END IF;
    IF e.byok THEN
        e.shadow_cost := price; e.cost := 0; e.price_status := 'byok';
    ELSIF price IS NOT NULL THEN
        e.cost := price; e.price_status := 'priced';
    ELSIF e.reported_cost IS NOT NULL THEN
        e.cost := e.reported_cost; e.price_status := 'reported';
    ELSIF NOT has_tokens AND e.status <> 'success' THEN
        e.cost := 0; e.price_status := 'priced';
    ELSE
        e.price_status := 'unpriced';
    END IF;
    RETURN e;
END $$;

CREATE FUNCTION model.stamp() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    sent    jsonb := to_jsonb(NEW) - '{id,created_at,recorded_at}'::text[];
    change  text := current_setting('model.change', true);
    claimed model.requests;
    state   text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.credited_cost := NULL;
    ELSIF change IS DISTINCT FROM 'credit' THEN
        NEW.credited_cost := OLD.credited_cost;
    END IF;
    IF NEW.cost IS NOT NULL AND NEW.reported_cost IS NULL AND (TG_OP = 'INSERT' OR OLD.cost IS DISTINCT FROM NEW.cost) THEN
        NEW.reported_cost := NEW.cost;
    END IF;
    IF model.refusal(NEW) THEN
        state := '23514';
    ELSIF TG_OP = 'INSERT' AND NEW.request_id <> '' THEN
        SELECT * INTO claimed FROM model.requests AS r
        WHERE (r.customer_id, r.source, r.request_id) = (NEW.customer_id, coalesce(NEW.source, ''), NEW.request_id)
          AND EXISTS (SELECT FROM model.plain AS p WHERE p.id = r.id);
        IF claimed.payload = sent THEN
            RETURN NULL;
        ELSIF claimed.payload IS NULL THEN
            INSERT INTO model.requests VALUES (NEW.customer_id, coalesce(NEW.source, ''), NEW.request_id, sent, NEW.id)
            ON CONFLICT (customer_id, source, request_id) DO UPDATE SET payload = excluded.payload, id = excluded.id;
        ELSIF claimed.id <> NEW.id OR NOT EXISTS (SELECT FROM model.plain AS p WHERE (p.id, p.created_at) = (NEW.id, NEW.created_at)) THEN
            state := '23505';
        END IF;
    END IF;
    IF state IS NOT NULL AND TG_OP = 'INSERT' AND current_setting('usage_meter.on_bad_row') = 'quarantine' THEN
        INSERT INTO model.quarantine VALUES (state);
        RETURN NULL;
    ELSIF state IS NOT NULL THEN
        RAISE 'refused' USING ERRCODE = state;
    END IF;

    NEW.total_tokens := coalesce(NEW.input_tokens, 0) + coalesce(NEW.cache_read_tokens, 0) + coalesce(NEW.cache_write_tokens, 0) + coalesce(NEW.output_tokens, 0);
    IF num_nonnulls(NEW.input_tokens, NEW.cache_read_tokens, NEW.cache_write_tokens, NEW.output_tokens, NEW.reasoning_tokens) > 0 THEN
        NEW.token_source := coalesce(nullif(NEW.token_source, 'unreported'), 'reported');
    ELSE
        NEW.total_tokens := NULL;
        NEW.token_source := CASE WHEN NOT model.is_open(NEW.status) THEN 'unreported' END;
    END IF;

    IF TG_OP = 'INSERT' OR change = 'rerate' OR model.is_open(OLD.status) <> model.is_open(NEW.status)
       OR (OLD.provider, OLD.model, OLD.byok, OLD.input_tokens, OLD.cache_read_tokens, OLD.cache_write_tokens, OLD.output_tokens, OLD.reasoning_tokens)
          IS DISTINCT FROM
          (NEW.provider, NEW.model, NEW.byok, NEW.input_tokens, NEW.cache_read_tokens, NEW.cache_write_tokens, NEW.output_tokens, NEW.reasoning_tokens)
    THEN
        NEW := model.priced(NEW);
    ELSE
        NEW.cost := OLD.cost;
        NEW.shadow_cost := OLD.shadow_cost;
        NEW.price_status := OLD.price_status;
    END IF;
    IF NEW.credited_cost > coalesce(NEW.cost, 0) THEN
        NEW.credited_cost := NEW.cost;
    END IF;
    NEW.credited_cost := nullif(NEW.credited_cost, 0);
    RETURN NEW;
END $$;

CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON model.plain FOR EACH ROW EXECUTE FUNCTION model.stamp();

CREATE FUNCTION model.rerate(since timestamptz, until timestamptz, customer text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('model.change', 'rerate', true);
    UPDATE model.plain SET price_status = price_status WHERE created_at >= since AND created_at < until AND customer_id = customer;
    PERFORM set_config('model.change', '', true);
END $$;

CREATE FUNCTION model.credit(amount numeric, one uuid, customer text, since timestamptz, until timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rest numeric := abs(amount);
    e    record;
BEGIN
    PERFORM set_config('model.change', 'credit', true);
    FOR e IN SELECT * FROM (SELECT id, created_at, CASE WHEN amount > 0 THEN cost - coalesce(credited_cost, 0) ELSE credited_cost END AS share
                            FROM model.plain WHERE (id = one OR customer_id = customer) AND created_at >= since AND created_at < until) AS p
             WHERE share > 0 ORDER BY share DESC, created_at, id LOOP
        UPDATE model.plain SET credited_cost = coalesce(credited_cost, 0) + sign(amount) * least(rest, e.share) WHERE id = e.id AND created_at = e.created_at;
        rest := rest - least(rest, e.share);
        EXIT WHEN rest = 0;
    END LOOP;
    PERFORM set_config('model.change', '', true);
    IF rest > 0 THEN
        RAISE numeric_value_out_of_range;
    END IF;
END $$;

-- What differs between the rows of the two.
CREATE FUNCTION model.raw_differences() RETURNS TABLE (what text) LANGUAGE sql STABLE AS $$
    WITH ledger AS (
        SELECT id, created_at, customer_id, project_id, section, user_id, provider, model, environment, status, error_code, source, request_id, byok,
               input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, total_tokens, token_source,
               duration_ms, queue_time_ms, cost, reported_cost, shadow_cost, credited_cost, price_status, deleted_at IS NOT NULL AS deleted, deleted_reason
        FROM usage.execution_history
    ), plain AS (
        SELECT id, created_at, customer_id, project_id, section, user_id, provider, model, environment, status, error_code, source, request_id, byok,
               input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, total_tokens, token_source,
               duration_ms, queue_time_ms, cost, reported_cost, shadow_cost, credited_cost, price_status, deleted_at IS NOT NULL AS deleted, deleted_reason
        FROM model.plain
    )
    SELECT 'only in the ledger: ' || row_to_json(l) FROM (TABLE ledger EXCEPT ALL TABLE plain) AS l
    UNION ALL
    SELECT 'only in the model: ' || row_to_json(p) FROM (TABLE plain EXCEPT ALL TABLE ledger) AS p
    UNION ALL
    SELECT 'in quarantine: ' || q.sqlstate || ' ' || count(*) FROM (
        SELECT sqlstate, 1 AS sign FROM usage.quarantine UNION ALL SELECT sqlstate, -1 FROM model.quarantine) AS q
    GROUP BY q.sqlstate HAVING sum(q.sign) <> 0
$$;

-- A report, and the query that defines it.
CREATE FUNCTION model.report_differences(dimensions text[], step text, since timestamptz, until timestamptz, filter jsonb, time_zone text) RETURNS TABLE (what text) LANGUAGE sql STABLE AS $$
    WITH ledger AS (
        SELECT r.starts, r.customer_id, r.project_id, r.section, r.provider, r.model, r.environment, r.user_id,
               r.executions, r.succeeded, r.failed, r.timed_out, r.cancelled, r.open, r.unpriced, r.unreported, r.estimated, r.byok,
               r.input_tokens, r.cache_read_tokens, r.cache_write_tokens, r.output_tokens, r.reasoning_tokens,
               r.cost, r.billed_cost, coalesce(r.shadow_cost, 0) AS shadow_cost,
               round(r.avg_duration_ms, 6) AS avg_duration_ms, r.p50_duration_ms, r.p95_duration_ms, r.p99_duration_ms, round(r.avg_queue_time_ms, 6) AS avg_queue_time_ms
        FROM usage.usage_report(dimensions, step, since => since, until => until, filter => filter, time_zone => time_zone) AS r
    ), shown AS (
        SELECT e.*, e.deleted_at IS NULL AS live, coalesce(e.cost, 0) - coalesce(e.credited_cost, 0) AS net
        FROM model.plain AS e
        WHERE e.created_at >= since AND e.created_at < until
          AND NOT EXISTS (SELECT FROM jsonb_each_text(filter) AS f WHERE f.value <> coalesce(to_jsonb(e) ->> f.key, ''))
    ), plain AS (
        SELECT date_trunc(step, created_at, time_zone), CASE WHEN 'customer_id' = ANY (dimensions) THEN customer_id END, CASE WHEN 'project_id' = ANY (dimensions) THEN coalesce(project_id, '') END,
               CASE WHEN 'section' = ANY (dimensions) THEN coalesce(section, '') END, CASE WHEN 'provider' = ANY (dimensions) THEN coalesce(provider, '') END,
               CASE WHEN 'model' = ANY (dimensions) THEN coalesce(model, '') END, CASE WHEN 'environment' = ANY (dimensions) THEN environment END,
               CASE WHEN 'user_id' = ANY (dimensions) THEN coalesce(user_id, '') END,
               count(*) FILTER (WHERE live), count(*) FILTER (WHERE live AND status = 'success'), count(*) FILTER (WHERE live AND status = 'failed'),
               count(*) FILTER (WHERE live AND status = 'timeout'), count(*) FILTER (WHERE live AND status = 'cancelled'),
               count(*) FILTER (WHERE live AND model.is_open(status)), count(*) FILTER (WHERE live AND price_status = 'unpriced'),
               count(*) FILTER (WHERE live AND token_source = 'unreported'), count(*) FILTER (WHERE live AND token_source = 'estimated'),
               count(*) FILTER (WHERE live AND byok),
               coalesce(sum(input_tokens) FILTER (WHERE live), 0)::bigint, coalesce(sum(cache_read_tokens) FILTER (WHERE live), 0)::bigint,
               coalesce(sum(cache_write_tokens) FILTER (WHERE live), 0)::bigint, coalesce(sum(output_tokens) FILTER (WHERE live), 0)::bigint,
               coalesce(sum(reasoning_tokens) FILTER (WHERE live), 0)::bigint,
               coalesce(sum(net) FILTER (WHERE live), 0), coalesce(sum(net), 0), coalesce(sum(shadow_cost) FILTER (WHERE live), 0),
               round(avg(duration_ms) FILTER (WHERE live), 6),
               -- p50() and its like know the least and the largest value, which nothing can that also subtracts
               approx_percentile(merge(value_sketch(duration_ms::float8)) FILTER (WHERE live), 0.5),
               approx_percentile(merge(value_sketch(duration_ms::float8)) FILTER (WHERE live), 0.95),
               approx_percentile(merge(value_sketch(duration_ms::float8)) FILTER (WHERE live), 0.99),
               round(avg(queue_time_ms) FILTER (WHERE live), 6)
        FROM shown
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
        -- a report leaves out what adds up to nothing, but for the line of all
        HAVING count(*) FILTER (WHERE live) > 0 OR sum(net) <> 0
    )
    SELECT 'only in the report: ' || row_to_json(l) FROM (TABLE ledger EXCEPT ALL TABLE plain) AS l
    UNION ALL
    SELECT 'only by the query: ' || row_to_json(p) FROM (TABLE plain EXCEPT ALL TABLE ledger) AS p
$$;

-- The same for reports that have a name: summary, daily, models, projects and errors.
CREATE FUNCTION model.named_differences(report text, since timestamptz, until timestamptz, filter jsonb, time_zone text) RETURNS TABLE (what text) LANGUAGE sql STABLE AS $$
    WITH ledger (key, executions, total_tokens, cost, p95_duration_ms, percent) AS (
        SELECT NULL, r.executions, r.total_tokens, r.cost, r.p95_duration_ms, round(r.success_rate, 6)
        FROM usage.summary(since => since, until => until, filter => filter, time_zone => time_zone) AS r WHERE report = 'summary' AND r.executions > 0
        UNION ALL
        SELECT r.day::text, r.executions, r.total_tokens, r.cost, r.p95_duration_ms, round(r.success_rate, 6)
        FROM usage.daily(since => since, until => until, filter => filter, time_zone => time_zone) AS r WHERE report = 'daily' AND r.executions > 0
        UNION ALL
        SELECT r.provider || ' ' || r.model, r.executions, r.total_tokens, r.cost, r.p95_duration_ms, round(r.share, 6)
        FROM usage.models(since => since, until => until, filter => filter, time_zone => time_zone) AS r WHERE report = 'models'
        UNION ALL
        SELECT r.value, r.executions, r.total_tokens, r.cost, r.p95_duration_ms, round(r.share, 6)
        FROM usage.projects(since => since, until => until, filter => filter, time_zone => time_zone) AS r WHERE report = 'projects'
        UNION ALL
        SELECT r.error_class, r.executions, r.total_tokens, r.cost, NULL, round(r.share, 6)
        FROM usage.errors(since => since, until => until, filter => filter, time_zone => time_zone) AS r WHERE report = 'errors'
    ), shown AS (
        SELECT e.*, e.deleted_at IS NULL AS live, coalesce(e.cost, 0) - coalesce(e.credited_cost, 0) AS net, refused.by_rows,
               CASE report WHEN 'daily' THEN (e.created_at AT TIME ZONE time_zone)::date::text
                           WHEN 'models' THEN coalesce(e.provider, '') || ' ' || coalesce(e.model, '')
                           WHEN 'projects' THEN coalesce(e.project_id, '')
                           WHEN 'errors' THEN CASE WHEN e.error_code LIKE '429%' THEN 'rate_limit_exceeded' WHEN e.status = 'timeout' THEN 'model_timeout'
                                                   WHEN e.status = 'cancelled' THEN 'cancelled' ELSE 'other' END END AS key
        FROM model.plain AS e
        -- a filter by what a report lists chooses rows of it, and does not change the whole
        CROSS JOIN LATERAL (SELECT coalesce(bool_or((report, f.key) IN (('models', 'model'), ('projects', 'project_id'))), false) AS by_rows,
                                   coalesce(bool_or((report, f.key) NOT IN (('models', 'model'), ('projects', 'project_id'))), false) AS at_all
                            FROM jsonb_each_text(filter) AS f WHERE f.value <> coalesce(to_jsonb(e) ->> f.key, '')) AS refused
        WHERE e.created_at >= since AND e.created_at < until AND NOT refused.at_all
          AND (report <> 'errors' OR e.deleted_at IS NULL AND e.status IN ('failed', 'timeout', 'cancelled'))
    ), counted AS (
        SELECT key, by_rows, count(*) FILTER (WHERE live) AS executions, coalesce(sum(total_tokens) FILTER (WHERE live), 0)::bigint AS total_tokens,
               coalesce(sum(net) FILTER (WHERE live), 0) AS cost, sum(net) AS billed_cost,
               count(*) FILTER (WHERE live AND status = 'success') AS succeeded, count(*) FILTER (WHERE live AND NOT model.is_open(status)) AS finished,
               CASE WHEN report <> 'errors' THEN approx_percentile(merge(value_sketch(duration_ms::float8)) FILTER (WHERE live), 0.95) END AS p95_duration_ms
        FROM shown GROUP BY 1, 2
    ), divided AS (
        SELECT *, round(CASE WHEN report IN ('summary', 'daily') THEN 100.0 * succeeded / nullif(finished, 0)
                             ELSE 100.0 * executions / nullif(sum(executions) OVER (), 0) END, 6) AS percent
        FROM counted
    ), plain AS (
        SELECT key, executions, total_tokens, cost, p95_duration_ms, percent
        FROM divided
        WHERE NOT by_rows AND (executions > 0 OR report IN ('models', 'projects') AND billed_cost <> 0)
    )
    SELECT 'only in the report: ' || row_to_json(l) FROM (TABLE ledger EXCEPT ALL TABLE plain) AS l
    UNION ALL
    SELECT 'only by the query: ' || row_to_json(p) FROM (TABLE plain EXCEPT ALL TABLE ledger) AS p
$$;
