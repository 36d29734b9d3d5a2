-- A log of the requests that the features of an application make to models, for its users.

CREATE VIEW ai_usage_log WITH (security_invoker) AS
SELECT e.id, e.user_id, e.section,
       e.input_tokens + coalesce(e.cache_read_tokens, 0) + coalesce(e.cache_write_tokens, 0) AS prompt_tokens,
       e.output_tokens AS completion_tokens, e.total_tokens, e.duration_ms AS response_time_ms, e.status = 'success' AS success,
       e.model AS model_name, e.error_message, e.metadata, e.created_at, e.cost
FROM @ledger@.execution_history AS e
WHERE e.deleted_at IS NULL;
ALTER VIEW ai_usage_log ALTER COLUMN section SET DEFAULT 'other';
ALTER VIEW ai_usage_log ALTER COLUMN success SET DEFAULT true;
ALTER VIEW ai_usage_log ALTER COLUMN metadata SET DEFAULT '{}';
ALTER VIEW ai_usage_log ALTER COLUMN created_at SET DEFAULT now();

COMMENT ON VIEW ai_usage_log IS 'Every execution that is not deleted. INSERT records one; DELETE takes it out of all reports and keeps it for audit; there is no UPDATE.';
COMMENT ON COLUMN ai_usage_log.id IS 'Identity, made if not given';
COMMENT ON COLUMN ai_usage_log.user_id IS 'User; the role of the session if not given. He is the customer too';
COMMENT ON COLUMN ai_usage_log.section IS 'Feature of the application, see sections';
COMMENT ON COLUMN ai_usage_log.prompt_tokens IS 'Input tokens, cached ones included';
COMMENT ON COLUMN ai_usage_log.completion_tokens IS 'Output tokens';
COMMENT ON COLUMN ai_usage_log.total_tokens IS 'Their sum: another one is refused';
COMMENT ON COLUMN ai_usage_log.response_time_ms IS 'Response time in milliseconds';
COMMENT ON COLUMN ai_usage_log.success IS 'Did it succeed?';
COMMENT ON COLUMN ai_usage_log.model_name IS 'Model that was used';
COMMENT ON COLUMN ai_usage_log.error_message IS 'Text of the failure';
COMMENT ON COLUMN ai_usage_log.metadata IS 'Anything else, a JSON value';
COMMENT ON COLUMN ai_usage_log.created_at IS 'When it happened';
COMMENT ON COLUMN ai_usage_log.cost IS 'Cost, stamped from the price book: what is written here is ignored';

CREATE FUNCTION write_ai_usage_log() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $write_ai_usage_log$
BEGIN
    IF TG_OP = 'DELETE' THEN
        PERFORM @ledger@.delete_execution(OLD.id, format('deleted from ai_usage_log by %s', session_user));
        RETURN OLD;
    END IF;
    IF NEW.total_tokens <> coalesce(NEW.prompt_tokens, 0) + coalesce(NEW.completion_tokens, 0)
       AND num_nonnulls(NEW.prompt_tokens, NEW.completion_tokens) > 0
    THEN
        RAISE check_violation USING
            MESSAGE = 'total_tokens is not the sum of prompt_tokens and completion_tokens',
            DETAIL = format('%s is not %s + %s.', NEW.total_tokens, coalesce(NEW.prompt_tokens, 0), coalesce(NEW.completion_tokens, 0)),
            HINT = 'Leave total_tokens out: it is computed.',
            COLUMN = 'total_tokens';
    END IF;
    NEW.id := coalesce(NEW.id, @extschema@.uuid_v7());
    NEW.user_id := coalesce(NEW.user_id, current_user);
    INSERT INTO @ledger@.execution_history AS e (
        id, created_at, source, customer_id, user_id, section, input_tokens, output_tokens, duration_ms, status, provider, model,
        error_message, metadata)
    VALUES (
        NEW.id, NEW.created_at, 'ai_usage_log', NEW.user_id, NEW.user_id, NEW.section,
        coalesce(NEW.prompt_tokens, NEW.total_tokens - coalesce(NEW.completion_tokens, 0)), NEW.completion_tokens, NEW.response_time_ms,
        CASE WHEN NEW.success THEN 'success' ELSE 'failed' END, @ledger@.model_provider(NEW.model_name), NEW.model_name, NEW.error_message, NEW.metadata)
    RETURNING e.total_tokens, e.cost INTO NEW.total_tokens, NEW.cost;
    RETURN CASE WHEN FOUND THEN NEW END;
END
$write_ai_usage_log$;

COMMENT ON FUNCTION write_ai_usage_log() IS 'What is written to ai_usage_log is an execution';
CREATE TRIGGER write_ai_usage_log INSTEAD OF INSERT OR DELETE ON ai_usage_log FOR EACH ROW EXECUTE FUNCTION write_ai_usage_log();
COMMENT ON TRIGGER write_ai_usage_log ON ai_usage_log IS 'To the history of the ledger';

CREATE VIEW sections WITH (security_invoker) AS
SELECT s.section AS name, s.display_name, s.color, s.place
FROM @ledger@.sections AS s;

COMMENT ON VIEW sections IS 'Features of the application';
COMMENT ON COLUMN sections.name IS 'section of ai_usage_log';
COMMENT ON COLUMN sections.display_name IS 'Name for people';
COMMENT ON COLUMN sections.color IS 'Its colour on screens';
COMMENT ON COLUMN sections.place IS 'Its place in lists';

CREATE VIEW users WITH (security_invoker) AS
SELECT u.user_id AS id, u.username, u.email
FROM @ledger@.users AS u;

COMMENT ON VIEW users IS 'Users of the application';
COMMENT ON COLUMN users.id IS 'user_id of ai_usage_log';
COMMENT ON COLUMN users.username IS 'Name for people';
COMMENT ON COLUMN users.email IS 'Address';

CREATE FUNCTION latency_band(response_time_ms numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN response_time_ms < 1000 THEN 'fast' WHEN response_time_ms < 3000 THEN 'moderate' WHEN response_time_ms >= 3000 THEN 'slow' END;

COMMENT ON FUNCTION latency_band(numeric) IS 'fast below a second, moderate below three, slow from there on; replace it for other bounds. NULL if it was not measured.';

CREATE VIEW ai_usage_log_list WITH (security_invoker) AS
SELECT l.id, l.created_at, l.user_id, u.username, u.email, l.section, coalesce(s.display_name, l.section) AS section_display,
       s.color AS section_color, l.model_name,
       format('%s (in %s, out %s)', l.total_tokens, coalesce(l.prompt_tokens, 0), coalesce(l.completion_tokens, 0)) AS tokens,
       l.response_time_ms, latency_band(l.response_time_ms) AS response_time_band,
       CASE WHEN l.success THEN '✓' ELSE '✗' END AS status_badge, l.success, l.error_message, l.cost, l.metadata
FROM ai_usage_log AS l
LEFT JOIN @ledger@.users AS u USING (user_id)
LEFT JOIN @ledger@.sections AS s USING (section);

COMMENT ON VIEW ai_usage_log_list IS 'The log as a list for people';
COMMENT ON COLUMN ai_usage_log_list.id IS 'Identity';
COMMENT ON COLUMN ai_usage_log_list.created_at IS 'When it happened';
COMMENT ON COLUMN ai_usage_log_list.user_id IS 'User';
COMMENT ON COLUMN ai_usage_log_list.username IS 'His name for people';
COMMENT ON COLUMN ai_usage_log_list.email IS 'His address';
COMMENT ON COLUMN ai_usage_log_list.section IS 'Feature of the application';
COMMENT ON COLUMN ai_usage_log_list.section_display IS 'Its name for people';
COMMENT ON COLUMN ai_usage_log_list.section_color IS 'Its colour';
COMMENT ON COLUMN ai_usage_log_list.model_name IS 'Model that was used';
COMMENT ON COLUMN ai_usage_log_list.tokens IS 'Tokens, in and out';
COMMENT ON COLUMN ai_usage_log_list.response_time_ms IS 'Response time in milliseconds';
COMMENT ON COLUMN ai_usage_log_list.response_time_band IS 'fast, moderate or slow';
COMMENT ON COLUMN ai_usage_log_list.status_badge IS 'Did it succeed?';
COMMENT ON COLUMN ai_usage_log_list.success IS 'The same as a boolean';
COMMENT ON COLUMN ai_usage_log_list.error_message IS 'Text of the failure';
COMMENT ON COLUMN ai_usage_log_list.cost IS 'Cost, stamped from the price book';
COMMENT ON COLUMN ai_usage_log_list.metadata IS 'Anything else';
