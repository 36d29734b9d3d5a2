-- Usage of projects, each with a budget of its own.

CREATE VIEW api_usage WITH (security_invoker) AS
SELECT coalesce(nullif(e.request_id, ''), e.id::text) AS id, e.project_id, e.provider, e.model,
       e.input_tokens + coalesce(e.cache_read_tokens, 0) + coalesce(e.cache_write_tokens, 0) AS input_tokens,
       e.output_tokens, e.total_tokens, e.cost AS cost_usd, e.created_at AS request_timestamp
FROM @ledger@.execution_history AS e
WHERE e.deleted_at IS NULL;
ALTER VIEW api_usage ALTER COLUMN request_timestamp SET DEFAULT now();

COMMENT ON VIEW api_usage IS 'Every execution that is not deleted. INSERT records one; there is no UPDATE and no DELETE.';
COMMENT ON COLUMN api_usage.id IS 'Identity: any text; the same again is not written again';
COMMENT ON COLUMN api_usage.project_id IS 'Project; its customer is the customer, or it is one itself';
COMMENT ON COLUMN api_usage.provider IS 'Provider of the model';
COMMENT ON COLUMN api_usage.model IS 'Model that was used';
COMMENT ON COLUMN api_usage.input_tokens IS 'Input tokens, cached ones included; NULL means not reported';
COMMENT ON COLUMN api_usage.output_tokens IS 'Output tokens; NULL means not reported';
COMMENT ON COLUMN api_usage.total_tokens IS 'Their sum, computed: what is written here is ignored';
COMMENT ON COLUMN api_usage.cost_usd IS 'Cost, stamped from the price book, NULL if no price is known; one that is written here is kept as reported_cost, and counts where the book has no price';
COMMENT ON COLUMN api_usage.request_timestamp IS 'When it happened';

CREATE FUNCTION write_api_usage() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_api_usage$
DECLARE
    execution_id uuid := @extschema@.uuid_v7();
BEGIN
    INSERT INTO @ledger@.execution_history AS e (
        id, created_at, source, request_id, customer_id, project_id, provider, model, input_tokens, output_tokens, reported_cost)
    VALUES (
        execution_id, NEW.request_timestamp, 'api_usage', NEW.id,
        coalesce((SELECT p.customer_id FROM @ledger@.projects AS p WHERE p.project_id = NEW.project_id), NEW.project_id),
        NEW.project_id, NEW.provider, NEW.model, NEW.input_tokens, NEW.output_tokens, NEW.cost_usd)
    RETURNING e.total_tokens, e.cost INTO NEW.total_tokens, NEW.cost_usd;
    NEW.id := coalesce(NEW.id, execution_id::text);
    RETURN CASE WHEN FOUND THEN NEW END;
END
$write_api_usage$;

COMMENT ON FUNCTION write_api_usage() IS 'What is written to api_usage is an execution';
CREATE TRIGGER write_api_usage INSTEAD OF INSERT ON api_usage FOR EACH ROW EXECUTE FUNCTION write_api_usage();
COMMENT ON TRIGGER write_api_usage ON api_usage IS 'To the history of the ledger';

-- ---- projects

CREATE VIEW projects WITH (security_invoker) AS
SELECT p.project_id AS id, p.name, p.client_name, p.client_contact,
       b.amount AS budget_threshold_usd,
       coalesce((SELECT min(t.percent) FROM @ledger@.budget_thresholds AS t WHERE t.budget_id = b.budget_id), 80) AS budget_alert_threshold_percent,
       (SELECT max(a.fired_at) FROM @ledger@.budget_alerts AS a WHERE a.budget_id = b.budget_id) AS last_budget_alert_sent,
       p.created_at
FROM @ledger@.projects AS p
LEFT JOIN @ledger@.budgets AS b ON b.name = 'project ' || p.project_id
WHERE p.deleted_at IS NULL;
ALTER VIEW projects ALTER COLUMN budget_alert_threshold_percent SET DEFAULT 80;
ALTER VIEW projects ALTER COLUMN created_at SET DEFAULT now();

COMMENT ON VIEW projects IS 'Projects and their monthly budgets. DELETE hides a project and stops its budget; its usage stays.';
COMMENT ON COLUMN projects.id IS 'Identity, made if not given';
COMMENT ON COLUMN projects.name IS 'Name for people';
COMMENT ON COLUMN projects.client_name IS 'For whom it is done';
COMMENT ON COLUMN projects.client_contact IS 'How to reach them';
COMMENT ON COLUMN projects.budget_threshold_usd IS 'Amount of its budget for a month, NULL for none: the budget "project ID" of the ledger';
COMMENT ON COLUMN projects.budget_alert_threshold_percent IS 'First percentage of it at which an alert fires; the second is 100';
COMMENT ON COLUMN projects.last_budget_alert_sent IS 'When an alert fired last: what is written here is ignored';
COMMENT ON COLUMN projects.created_at IS 'Since when it is known';

CREATE FUNCTION write_project() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_project$
DECLARE
    recipients jsonb;
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE @ledger@.projects AS p SET deleted_at = now() WHERE p.project_id = OLD.id;
        UPDATE @ledger@.budgets AS b SET is_active = false WHERE b.name = 'project ' || OLD.id;
        RETURN OLD;
    ELSIF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, @extschema@.uuid_v7()::text);
        INSERT INTO @ledger@.projects (project_id, name, client_name, client_contact, created_at)
        VALUES (NEW.id, NEW.name, NEW.client_name, NEW.client_contact, NEW.created_at);
    ELSE
        NEW.id := OLD.id;
        UPDATE @ledger@.projects AS p SET (name, client_name, client_contact) = (NEW.name, NEW.client_name, NEW.client_contact)
        WHERE p.project_id = OLD.id;
    END IF;

    -- a budget that exists keeps whom it tells
    SELECT coalesce(to_jsonb(t.recipients), '[]') INTO recipients
    FROM @ledger@.budgets AS b LEFT JOIN @ledger@.budget_thresholds AS t USING (budget_id)
    WHERE b.name = 'project ' || NEW.id
    ORDER BY t.percent LIMIT 1;
    IF FOUND OR NEW.budget_threshold_usd IS NOT NULL THEN
        PERFORM @ledger@.set_budget(
            'project ' || NEW.id, jsonb_build_object('project_id', NEW.id), coalesce(NEW.budget_threshold_usd, 'Infinity'), 'month',
            thresholds => jsonb_build_object('100', coalesce(recipients, '[]'))
                          || jsonb_build_object(NEW.budget_alert_threshold_percent, coalesce(recipients, '[]')));
    END IF;
    RETURN NEW;
END
$write_project$;

COMMENT ON FUNCTION write_project() IS 'What is written to projects goes to the projects and budgets of the ledger';
CREATE TRIGGER write_project INSTEAD OF INSERT OR UPDATE OR DELETE ON projects FOR EACH ROW EXECUTE FUNCTION write_project();
COMMENT ON TRIGGER write_project ON projects IS 'To the projects and budgets of the ledger';

CREATE VIEW project_usage WITH (security_invoker) AS
SELECT u.value AS project_id, p.name, p.client_name, p.client_contact, u.executions AS request_count, u.share, u.total_tokens,
       u.cost AS total_cost, s.amount AS budget, s.percent AS budget_percent, s.level AS budget_level, s.bar AS budget_bar
FROM @ledger@.projects('month') AS u
LEFT JOIN @ledger@.projects AS p ON p.project_id = u.value
LEFT JOIN @ledger@.budget_status() AS s ON s.budget = 'project ' || u.value;

COMMENT ON VIEW project_usage IS 'What each project used in this month, for whom, and how its budget stands';
COMMENT ON COLUMN project_usage.project_id IS 'Project, '''' for executions that name none';
COMMENT ON COLUMN project_usage.name IS 'Its name for people';
COMMENT ON COLUMN project_usage.client_name IS 'For whom it is done';
COMMENT ON COLUMN project_usage.client_contact IS 'How to reach them';
COMMENT ON COLUMN project_usage.request_count IS 'Executions of this month';
COMMENT ON COLUMN project_usage.share IS 'Percentage of all executions';
COMMENT ON COLUMN project_usage.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN project_usage.total_cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN project_usage.budget IS 'Amount of its budget for the month';
COMMENT ON COLUMN project_usage.budget_percent IS 'Percentage of it that is spent';
COMMENT ON COLUMN project_usage.budget_level IS 'ok, warning or exceeded';
COMMENT ON COLUMN project_usage.budget_bar IS 'The same as a bar';
