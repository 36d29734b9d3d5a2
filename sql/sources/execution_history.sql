-- A history of the executions of packages, with totals that once a trigger kept.

CREATE VIEW execution_history WITH (security_invoker) AS
SELECT e.id, e.customer_id, e.package_id, e.package_name, e.status, p.input_data, p.output_data,
       e.input_tokens + coalesce(e.cache_read_tokens, 0) + coalesce(e.cache_write_tokens, 0) AS input_tokens,
       e.output_tokens, e.total_tokens, e.cost, e.duration_ms, e.queue_time_ms, e.customer_tier, e.pricing_model,
       e.byok AS api_key_used, e.model AS model_used, e.error_message,
       CASE WHEN e.deleted_at IS NULL THEN e.metadata
            ELSE coalesce(e.metadata, '{}') || jsonb_build_object('deleted', true, 'deleted_at', e.deleted_at, 'deleted_reason', e.deleted_reason)
            END AS metadata,
       e.created_at, e.started_at, e.completed_at
FROM @ledger@.execution_history AS e
LEFT JOIN @ledger@.execution_payloads AS p ON p.execution_id = e.id AND p.created_at = e.created_at;
ALTER VIEW execution_history ALTER COLUMN status SET DEFAULT 'success';
ALTER VIEW execution_history ALTER COLUMN api_key_used SET DEFAULT false;
ALTER VIEW execution_history ALTER COLUMN created_at SET DEFAULT now();

COMMENT ON VIEW execution_history IS 'Every execution. INSERT records one; UPDATE finishes it; DELETE, or {"deleted": true} in metadata, takes it out of all reports and keeps it here.';
COMMENT ON COLUMN execution_history.id IS 'Identity, made if not given';
COMMENT ON COLUMN execution_history.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN execution_history.package_id IS 'Package that ran';
COMMENT ON COLUMN execution_history.package_name IS 'Its name for people';
COMMENT ON COLUMN execution_history.status IS 'pending, running, success, failed, timeout or cancelled';
COMMENT ON COLUMN execution_history.input_data IS 'Input';
COMMENT ON COLUMN execution_history.output_data IS 'Output';
COMMENT ON COLUMN execution_history.input_tokens IS 'Input tokens, cached ones included';
COMMENT ON COLUMN execution_history.output_tokens IS 'Output tokens';
COMMENT ON COLUMN execution_history.total_tokens IS 'Their sum, computed: what is written here is ignored';
COMMENT ON COLUMN execution_history.cost IS 'Cost, stamped from the price book; one that is written here is kept as reported_cost, and counts where the book has no price';
COMMENT ON COLUMN execution_history.duration_ms IS 'Duration in milliseconds';
COMMENT ON COLUMN execution_history.queue_time_ms IS 'Time spent waiting before the start, in milliseconds';
COMMENT ON COLUMN execution_history.customer_tier IS 'Tier of the customer at that time';
COMMENT ON COLUMN execution_history.pricing_model IS 'How the execution is charged';
COMMENT ON COLUMN execution_history.api_key_used IS 'Was it paid with the customer''s own key at the provider?';
COMMENT ON COLUMN execution_history.model_used IS 'Model that was used';
COMMENT ON COLUMN execution_history.error_message IS 'Text of the failure';
COMMENT ON COLUMN execution_history.metadata IS 'Anything else, a JSON object; it tells of a deletion';
COMMENT ON COLUMN execution_history.created_at IS 'When it happened';
COMMENT ON COLUMN execution_history.started_at IS 'When the work began';
COMMENT ON COLUMN execution_history.completed_at IS 'When it ended';

CREATE FUNCTION write_execution() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_execution$
DECLARE
    marks      text[] := '{deleted,deleted_at,deleted_reason}';
    is_deleted boolean := coalesce(NEW.metadata -> 'deleted' = 'true', false);
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM @ledger@.delete_execution(OLD.id, format('deleted from execution_history by %s', session_user));
        RETURN OLD;
    END IF;

    IF TG_OP = 'INSERT' THEN
        NEW.id := coalesce(NEW.id, @extschema@.uuid_v7());
        INSERT INTO @ledger@.execution_history AS e (
            id, created_at, source, customer_id, package_id, package_name, status, input_tokens, output_tokens, reported_cost,
            duration_ms, queue_time_ms, customer_tier, pricing_model, byok, provider, model, error_message, metadata, started_at, completed_at)
        VALUES (
            NEW.id, NEW.created_at, 'execution_history', NEW.customer_id, NEW.package_id, NEW.package_name, NEW.status, NEW.input_tokens,
            NEW.output_tokens, NEW.cost, NEW.duration_ms, NEW.queue_time_ms, NEW.customer_tier, NEW.pricing_model, NEW.api_key_used,
            @ledger@.model_provider(NEW.model_used), NEW.model_used, NEW.error_message, NEW.metadata, NEW.started_at, NEW.completed_at);
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
    ELSE
        UPDATE @ledger@.execution_history AS e
        SET customer_id = NEW.customer_id, package_id = NEW.package_id, package_name = NEW.package_name, status = NEW.status,
            input_tokens = CASE WHEN NEW.input_tokens IS DISTINCT FROM OLD.input_tokens
                                THEN NEW.input_tokens - coalesce(e.cache_read_tokens, 0) - coalesce(e.cache_write_tokens, 0)
                                ELSE e.input_tokens END,
            output_tokens = NEW.output_tokens,
            reported_cost = CASE WHEN NEW.cost IS DISTINCT FROM OLD.cost THEN NEW.cost ELSE e.reported_cost END,
            duration_ms = NEW.duration_ms, queue_time_ms = NEW.queue_time_ms, customer_tier = NEW.customer_tier,
            pricing_model = NEW.pricing_model, byok = NEW.api_key_used, model = NEW.model_used,
            provider = CASE WHEN NEW.model_used IS DISTINCT FROM OLD.model_used THEN @ledger@.model_provider(NEW.model_used) ELSE e.provider END,
            error_message = NEW.error_message,
            metadata = CASE WHEN is_deleted THEN NEW.metadata - marks ELSE NEW.metadata END,
            started_at = NEW.started_at, completed_at = NEW.completed_at,
            deleted_at = CASE WHEN is_deleted THEN coalesce(e.deleted_at, now()) END,
            deleted_reason = CASE WHEN is_deleted THEN coalesce(e.deleted_reason, NEW.metadata ->> 'deleted_reason', 'marked in metadata') END
        WHERE e.id = OLD.id AND e.created_at = OLD.created_at;
    END IF;

    IF num_nonnulls(NEW.input_data, NEW.output_data) > 0 THEN
        INSERT INTO @ledger@.execution_payloads AS p (execution_id, created_at, input_data, output_data)
        VALUES (NEW.id, NEW.created_at, NEW.input_data, NEW.output_data)
        ON CONFLICT (execution_id, created_at) DO UPDATE SET (input_data, output_data) = (excluded.input_data, excluded.output_data);
    END IF;
    SELECT e.total_tokens, e.cost, e.duration_ms INTO NEW.total_tokens, NEW.cost, NEW.duration_ms
    FROM @ledger@.execution_history AS e WHERE e.id = NEW.id AND e.created_at = NEW.created_at;
    RETURN NEW;
END
$write_execution$;

COMMENT ON FUNCTION write_execution() IS 'What is written to execution_history is an execution of the ledger';
CREATE TRIGGER write_execution INSTEAD OF INSERT OR UPDATE OR DELETE ON execution_history FOR EACH ROW EXECUTE FUNCTION write_execution();
COMMENT ON TRIGGER write_execution ON execution_history IS 'To the history of the ledger';

CREATE VIEW usage_aggregates WITH (security_invoker) AS
SELECT a.* FROM @ledger@.usage_aggregates AS a;

COMMENT ON VIEW usage_aggregates IS 'Totals per customer, package and UTC day, week and month: usage_aggregates of the ledger';

DO $comments$
DECLARE
    told record;
BEGIN
    FOR told IN
        SELECT a.attname AS name, col_description(a.attrelid, a.attnum) AS comment
        FROM pg_attribute AS a WHERE a.attrelid = '@ledger@.usage_aggregates'::regclass AND a.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN usage_aggregates.%I IS %L', told.name, told.comment);
    END LOOP;
END
$comments$;

CREATE FUNCTION update_usage_aggregates() RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT @ledger@.fold();
END;

COMMENT ON FUNCTION update_usage_aggregates() IS
'Folds what is pending, and returns how much that was. No trigger calls it, and nobody has to: the aggregates are exact before and after.';
