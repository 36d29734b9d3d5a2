-- Writes every export view of a ledger to a file of its own, all from one snapshot, for psql:
--
--     mkdir evidence
--     psql -X -v dir=evidence -f usage_meter_export.sql
--
-- Variables, all optional:
--     dir       directory to write to, which must exist; default: the current one
--     format    csv (the default), tsv, ndjson (a JSON object on each line) or json (one array, up to 1 GB)
--     ledger    schema of the ledger; default: usage
--     zone      time zone of days and times; default: UTC
--
-- A file is named after its view: export_daily makes daily.csv. Beside them, MANIFEST.csv has the number of rows of each,
-- and SHA256SUMS is what `sha256sum --check SHA256SUMS` reads. The same data make the same bytes.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?dir}
    \cd :dir
\endif
\if :{?format} \else
    \set format csv
\endif
\if :{?ledger} \else
    \set ledger usage
\endif
\if :{?zone} \else
    \set zone UTC
\endif

BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;
SET LOCAL TimeZone = :'zone';
SET LOCAL DateStyle = 'ISO';
SET LOCAL IntervalStyle = 'iso_8601';
SET LOCAL extra_float_digits = 1;
SET LOCAL client_encoding = 'UTF8';

-- COPY writes JSON untouched when it looks for a quote and a delimiter that JSON never has.
\set how_json 'FORMAT csv, QUOTE E\'\\x01\', DELIMITER E\'\\x02\''

SELECT CASE :'format' WHEN 'csv' THEN 'FORMAT csv, HEADER'
                      WHEN 'tsv' THEN 'FORMAT csv, HEADER, DELIMITER E''\t'''
                      ELSE :'how_json' END AS how,
       CASE :'format' WHEN 'ndjson' THEN 'row_to_json(v)'
                      WHEN 'json'   THEN '''['' || coalesce(string_agg(row_to_json(v)::text, '',''), '''') || '']'''
                      ELSE '*' END AS what,
       :'format' IN ('csv', 'tsv', 'ndjson', 'json') AS is_known
\gset
\if :is_known \else
    \warn unknown format: :format
    DO $$ BEGIN RAISE invalid_parameter_value USING MESSAGE = 'the formats are csv, tsv, ndjson and json'; END $$;
\endif

-- \copy takes no variables, so its lines are written first and read then.
\pset format unaligned
\pset fieldsep '\n'
\pset tuples_only on
\o .usage_meter_export.psql
WITH file AS (
    SELECT substr(relname, length('export_') + 1) AS name, format('%I.%I', :'ledger', relname) AS view
    FROM pg_class
    WHERE relnamespace = quote_ident(:'ledger')::regnamespace AND relkind = 'v' AND relname ~ '^export_[a-z0-9_]+$'
)
SELECT format(E'\\echo Exporting %s ...', replace(name, '_', ' ')),
       format(E'\\copy (SELECT %s FROM %s AS v) TO %s.%s WITH (%s)', :'what', view, name, :'format', :'how'),
       CASE WHEN :'format' = 'json' THEN format(E'SELECT count(*) AS rows FROM %s \\gset', view)
            ELSE E'\\set rows :ROW_COUNT' END,
       format(E'\\qecho %s.%s,:rows', name, :'format')
FROM file
UNION ALL
SELECT E'\\! sha256sum MANIFEST.csv ' || string_agg(name || '.' || :'format', ' ' ORDER BY name COLLATE "C") || ' > SHA256SUMS',
       '', '', ''
FROM file;
\o MANIFEST.csv
\qecho file,rows
\i .usage_meter_export.psql
\o
COMMIT;
\! rm .usage_meter_export.psql
\echo 'Usage data exported successfully!'
