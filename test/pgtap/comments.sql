-- Every object of the extension, of a fresh ledger and of the schemas of source views says what it is for.
SET client_min_messages = warning;

SELECT plan(9);

SELECT create_usage_ledger() \gset
CREATE TEMPORARY TABLE schemas AS
SELECT 'usage' AS name
UNION ALL
SELECT create_source_views('as_' || source, source) FROM unnest('{partner_sla,dashboard,ai_usage_log,execution_history,api_usage}'::text[]) AS source;

CREATE VIEW pg_temp.relations AS
SELECT c.oid, c.relkind, c.relispartition AND p.relkind IS NOT NULL AS is_partition
FROM pg_class AS c
LEFT JOIN pg_inherits AS i ON i.inhrelid = c.oid
LEFT JOIN pg_class AS p ON p.oid = i.inhparent
WHERE c.relnamespace::regnamespace::text IN (SELECT name FROM pg_temp.schemas);

-- There is something to look at, and a missing comment would be seen.
SELECT cmp_ok(count(*), '>', 25::bigint, 'the ledger has relations') FROM pg_temp.relations;
CREATE TABLE usage.uncommented (nothing integer);
SELECT is(count(*), 1::bigint, 'a table without a comment is seen')
FROM pg_temp.relations WHERE relkind IN ('r', 'p', 'v', 'm') AND obj_description(oid, 'pg_class') IS NULL AND oid = 'usage.uncommented'::regclass;
DROP TABLE usage.uncommented;

SELECT is_empty($$
    SELECT name FROM pg_temp.schemas WHERE coalesce(obj_description(name::regnamespace, 'pg_namespace'), '') = ''
$$, 'the schemas');

SELECT is_empty($$
    SELECT oid::regclass FROM pg_temp.relations
    WHERE relkind IN ('r', 'p', 'v', 'm') AND coalesce(obj_description(oid, 'pg_class'), '') = ''
    ORDER BY 1
$$, 'tables and views');

SELECT is_empty($$
    SELECT oid::regclass FROM pg_temp.relations
    WHERE relkind IN ('i', 'I') AND NOT is_partition AND coalesce(obj_description(oid, 'pg_class'), '') = ''
      -- of a table that is no partition itself
      AND NOT EXISTS (SELECT FROM pg_index AS x JOIN pg_inherits AS i ON i.inhrelid = x.indrelid WHERE x.indexrelid = oid)
    ORDER BY 1
$$, 'indexes, but those of partitions');

-- What a column of a partition is, is said at its parent.
SELECT is_empty($$
    SELECT a.attrelid::regclass, a.attname
    FROM pg_attribute AS a JOIN pg_temp.relations AS r ON r.oid = a.attrelid
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'c') AND NOT r.is_partition AND a.attnum > 0 AND NOT a.attisdropped
      AND coalesce(col_description(a.attrelid, a.attnum), '') = ''
    ORDER BY 1, 2
$$, 'columns, but those of partitions');

SELECT is_empty($$
    SELECT t.tgrelid::regclass, t.tgname
    FROM pg_trigger AS t JOIN pg_temp.relations AS r ON r.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND NOT r.is_partition AND coalesce(obj_description(t.oid, 'pg_trigger'), '') = ''
    ORDER BY 1, 2
$$, 'triggers, but those of partitions');

SELECT is_empty($$
    SELECT 'function', oid::regprocedure::text FROM pg_proc
    WHERE pronamespace::regnamespace::text IN (SELECT name FROM pg_temp.schemas) AND coalesce(obj_description(oid, 'pg_proc'), '') = ''
    UNION ALL
    SELECT 'type', oid::regtype::text FROM pg_type
    -- not the row types of tables, nor what comes with a type by itself
    WHERE typnamespace::regnamespace::text IN (SELECT name FROM pg_temp.schemas) AND typelem = 0 AND typtype IN ('b', 'd', 'e', 'r', 'c')
      AND NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = typrelid AND c.relkind <> 'c')
      AND coalesce(obj_description(oid, 'pg_type'), obj_description(typrelid, 'pg_class'), '') = ''
    ORDER BY 1, 2
$$, 'functions and types');

-- A range type makes constructors and a multirange of its own, which nobody wrote.
SELECT is_empty($$
    SELECT pg_describe_object(d.classid, d.objid, 0)
    FROM pg_depend AS d
    WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
      AND d.refobjid = (SELECT oid FROM pg_extension WHERE extname = 'usage_meter')
      AND d.classid <> 'pg_amproc'::regclass AND d.classid <> 'pg_amop'::regclass
      AND NOT EXISTS (SELECT FROM pg_depend AS made WHERE (made.classid, made.objid) = (d.classid, d.objid) AND made.deptype = 'i')
      AND NOT (d.classid = 'pg_proc'::regclass AND EXISTS (
          SELECT FROM pg_range AS r JOIN pg_proc AS p ON p.prorettype IN (r.rngtypid, r.rngmultitypid)
          WHERE p.oid = d.objid AND p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'internal')))
      AND coalesce(obj_description(d.objid, (SELECT relname FROM pg_class WHERE oid = d.classid)), '') = ''
    UNION ALL
    SELECT extname FROM pg_extension WHERE extname = 'usage_meter' AND coalesce(obj_description(oid, 'pg_extension'), '') = ''
    ORDER BY 1
$$, 'the extension and its members');

SELECT * FROM finish();
