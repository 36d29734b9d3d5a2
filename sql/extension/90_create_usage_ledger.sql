-- A ledger: a schema of ordinary tables, views and functions that belongs to whoever makes it.

CREATE FUNCTION create_usage_ledger(schema name DEFAULT 'usage') RETURNS name
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $create_usage_ledger$
DECLARE
    function regprocedure;
BEGIN
    EXECUTE format('CREATE SCHEMA %I', schema);
    PERFORM set_config('search_path', format('%I, @extschema@, pg_temp', schema), true);
    EXECUTE $ledger$
@ledger_sql@
$ledger$;
    -- others may be able to create objects where the extension is: nothing is looked up there when a function runs
    FOR function IN
        SELECT p.oid FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = schema AND p.proconfig::text LIKE '%search_path%'
    LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = %I, pg_temp', function, schema);
    END LOOP;
    EXECUTE format('COMMENT ON SCHEMA %I IS %L', schema, 'usage_meter ledger');
    RETURN schema;
END
$create_usage_ledger$;

COMMENT ON FUNCTION create_usage_ledger(name) IS
'Makes the schema and in it a usage ledger, owned by the caller and no part of the extension: pg_dump dumps all of it and DROP EXTENSION cannot remove a billing record. Returns the schema. Raises 42P06 when the schema exists.';
