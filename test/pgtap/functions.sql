-- How functions and views are made: none lends its owner's rights, none depends on
-- the caller's search_path, and the planner is told what it may do with each.
SET client_min_messages = warning;

SELECT plan(17);

SELECT create_usage_ledger() \gset

CREATE VIEW pg_temp.functions AS
SELECT p.*, p.oid::regprocedure AS signature, l.lanname, p.pronamespace = 'usage'::regnamespace AS of_ledger,
       EXISTS (SELECT FROM unnest(p.proconfig) AS setting WHERE setting LIKE 'search_path=%') AS pins_path
FROM pg_proc AS p
JOIN pg_language AS l ON l.oid = p.prolang
WHERE p.pronamespace = 'usage'::regnamespace
   OR EXISTS (SELECT FROM pg_depend AS d
              WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
                AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'usage_meter'));

SELECT cmp_ok(count(*) FILTER (WHERE of_ledger), '>', 15::bigint, 'the ledger has functions') FROM pg_temp.functions;
SELECT cmp_ok(count(*) FILTER (WHERE lanname = 'c'), '>', 25::bigint, 'the extension has C functions') FROM pg_temp.functions;

-- Reservations lie in tables that no application may write, and a budget may cover more than the caller may see.
SELECT set_eq($$
    SELECT signature::text FROM pg_temp.functions WHERE prosecdef
$$, ARRAY['usage.reserve(text,text,text,text,text,text,text,text,text,text,numeric,bigint,bigint,interval,bigint,bigint,text,text,boolean)',
          'usage.settle(uuid,boolean)', 'usage.settle_reservation()'], 'no function is SECURITY DEFINER but for admission');

SELECT is_empty($$
    SELECT signature FROM pg_temp.functions WHERE lanname NOT IN ('c', 'internal', 'plpgsql', 'sql')
$$, 'no other languages');

-- What pg_partman sets stays set in the session: it must find the caller's.
SELECT set_eq($$
    SELECT signature::text FROM pg_temp.functions WHERE lanname = 'plpgsql' AND NOT pins_path
$$, ARRAY['usage.run_partman(text,text)'], 'every plpgsql function pins its search_path but that for pg_partman');

-- The parsed body of a BEGIN ATOMIC function names objects, not names.
SELECT is_empty($$
    SELECT signature FROM pg_temp.functions WHERE lanname = 'sql' AND prosqlbody IS NULL AND NOT pins_path
$$, 'every SQL function is parsed or pins its search_path');

SELECT is_empty($$
    SELECT signature, proconfig FROM pg_temp.functions, unnest(proconfig) AS setting
    WHERE setting LIKE 'search_path=%' AND setting !~ ', ?pg_temp$'
$$, 'a search_path that is pinned has pg_temp last');

SELECT is_empty($$
    SELECT signature, setting FROM pg_temp.functions, unnest(proconfig) AS setting
    WHERE setting ~ '"\$user"'
$$, 'a search_path that is pinned does not depend on the user');

-- pg_proc cannot tell a label from a default, and the defaults are VOLATILE and PARALLEL UNSAFE: that is for trigger
-- functions only. An identifier made anew each time is volatile and yet safe. What reads a price book is STABLE, and it and what
-- belongs to the session stay in the leader; and what writes is what it is.
SELECT is_empty($$
    SELECT signature, provolatile, proparallel FROM pg_temp.functions
    WHERE lanname = 'c' AND prorettype <> 'trigger'::regtype
      AND proname NOT IN ('uuid_v7', 'to_xlsx', 'run_query', 'book_cost', 'book_cost_lines', 'list_cost_lines', 'book_names', 'current_price', 'price_book_counts', 'allow_rerating', 'allow_crediting', 'take_deltas', 'release_locks_early')
      AND (provolatile, proparallel) IS DISTINCT FROM ('i', 's')
$$, 'C functions are labelled IMMUTABLE and PARALLEL SAFE');

SELECT results_eq($$
    SELECT proname, provolatile, proparallel FROM pg_temp.functions
    WHERE proname IN ('book_cost', 'book_cost_lines', 'list_cost_lines', 'book_names', 'current_price', 'price_book_counts', 'allow_rerating', 'allow_crediting', 'take_deltas', 'release_locks_early') ORDER BY proname
$$, $$VALUES ('allow_crediting'::name, 'v'::"char", 'u'::"char"), ('allow_rerating', 'v', 'u'), ('book_cost', 's', 'r'), ('book_cost_lines', 's', 'r'), ('book_names', 's', 'r'),
             ('current_price', 's', 'r'), ('list_cost_lines', 's', 'r'), ('price_book_counts', 'v', 'r'), ('release_locks_early', 'v', 'u'), ('take_deltas', 'v', 'u')$$, 'what reads a price book is STABLE and PARALLEL RESTRICTED');

SELECT results_eq($$
    SELECT provolatile, proparallel FROM pg_temp.functions WHERE proname = 'uuid_v7'
$$, $$VALUES ('v'::"char", 's'::"char")$$, 'uuid_v7() is labelled VOLATILE and PARALLEL SAFE');

-- They run queries of their caller, of which nothing is known.
SELECT results_eq($$
    SELECT proname, provolatile, proparallel FROM pg_temp.functions WHERE proname IN ('run_query', 'to_xlsx') ORDER BY proname
$$, $$VALUES ('run_query'::name, 's'::"char", 'u'::"char"), ('to_xlsx', 's', 'u')$$, 'what runs queries is labelled STABLE and PARALLEL UNSAFE');

SELECT is_empty($$
    SELECT signature, provolatile FROM pg_temp.functions
    WHERE prorettype = 'trigger'::regtype AND (provolatile, proparallel) IS DISTINCT FROM ('v', 'u')
$$, 'trigger functions are VOLATILE and PARALLEL UNSAFE');

-- A VOLATILE reader tears across a fold.
SELECT set_eq($$
    SELECT proname FROM pg_temp.functions
    WHERE of_ledger AND provolatile = 's'
      AND proname IN ('usage_read', 'usage_report', 'summary', 'daily', 'models', 'reconcile', 'health')
$$, $$VALUES ('usage_read'::name), ('usage_report'), ('summary'), ('daily'), ('models'), ('reconcile'), ('health')$$,
'what reads usage is STABLE');

-- One that has settings or is STRICT is not inlined: these only call another.
SELECT set_eq($$
    SELECT proname FROM pg_temp.functions
    WHERE of_ledger AND lanname = 'sql' AND prosqlbody IS NOT NULL AND proconfig IS NULL AND NOT proisstrict
      AND proname IN ('usage_report', 'daily', 'hourly', 'projects', 'top')
$$, $$VALUES ('usage_report'::name), ('daily'), ('hourly'), ('projects'), ('top')$$,
'what only calls another report is parsed, without settings and not STRICT');

SELECT is_empty($$
    SELECT signature FROM pg_temp.functions
    WHERE of_ledger AND provolatile <> 'v'
      AND proname ~ '^(fold|maintain|maintain_after_fold|rebuild_rollups|reconcile_days|drop_expired_executions|drop_expired_payloads|set_retention|set_partitioning|register_with_partman|run_partman|complete_partitions|drop_expired|forget_requests|credit|delete_execution|undelete_execution|set_price|create_partition|create_partitions|adopt_default_rows|move_default_rows|add_history_triggers)$'
$$, 'what writes is VOLATILE');

SELECT is_empty($$
    SELECT oid::regclass FROM pg_class
    WHERE relnamespace = 'usage'::regnamespace AND relkind = 'v'
      AND NOT coalesce(reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false)
$$, 'every view is security_invoker');

SELECT * FROM finish();
