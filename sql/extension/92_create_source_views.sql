-- Source views: the tables of a system that usage_meter replaces, as views of a ledger, in a schema of their own.

CREATE FUNCTION create_source_views(schema name, source text, ledger name DEFAULT 'usage') RETURNS name
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $create_source_views$
DECLARE
    definition text := CASE source
        WHEN 'partner_sla' THEN $partner_sla$
@sql/sources/partner_sla.sql@
$partner_sla$
        WHEN 'dashboard' THEN $dashboard$
@sql/sources/dashboard.sql@
$dashboard$
        WHEN 'ai_usage_log' THEN $ai_usage_log$
@sql/sources/ai_usage_log.sql@
$ai_usage_log$
        WHEN 'execution_history' THEN $execution_history$
@sql/sources/execution_history.sql@
$execution_history$
        WHEN 'api_usage' THEN $api_usage$
@sql/sources/api_usage.sql@
$api_usage$
        END;
BEGIN
    IF definition IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown source %L', source),
            HINT = 'The sources are partner_sla, dashboard, ai_usage_log, execution_history and api_usage.';
    END IF;
    IF to_regclass(format('%I.usage_deltas', ledger)) IS NULL THEN
        RAISE undefined_object USING
            MESSAGE = format('schema "%s" is not a usage ledger', ledger),
            HINT = 'Make one by create_usage_ledger(), or name another.';
    END IF;
    EXECUTE format('CREATE SCHEMA %I', schema);
    PERFORM set_config('search_path', format('%I, pg_temp', schema), true);
    EXECUTE replace(replace(definition, '@ledger@', quote_ident(ledger)), '@schema@', quote_ident(schema));
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', schema, format('usage_meter ledger %I as the tables of %s', ledger, source));
    RETURN schema;
END
$create_source_views$;

COMMENT ON FUNCTION create_source_views(name, text, name) IS
'Makes the schema and in it views of a ledger that have the names, columns and defaults of the tables of a system that it replaces, so that an application of that system works unchanged: what it writes there is metered, what it reads is exact. The sources are partner_sla (partners, api_keys, api_requests, video_generations, sla_metrics, manifest_templates), dashboard (functions usage and post_usage), ai_usage_log, execution_history (with usage_aggregates) and api_usage (with projects and their budgets). Returns the schema. Raises 42P06 when the schema exists, 42704 for a ledger that does not, 22023 for an unknown source.';
