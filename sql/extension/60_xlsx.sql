-- Spreadsheets from queries.

CREATE FUNCTION to_xlsx(sheets text[], time_zone text DEFAULT current_setting('TimeZone')) RETURNS bytea
LANGUAGE C STABLE STRICT PARALLEL UNSAFE COST 100000
AS 'MODULE_PATHNAME', 'to_xlsx';

COMMENT ON FUNCTION to_xlsx(text[], text) IS
'A workbook (.xlsx) with a sheet for each pair [name, query]. The queries run as the caller, read-only, in the snapshot of the calling statement. Numbers, booleans, dates, times and durations stay what they are, timestamptz shown in the time zone; NULL is an empty cell; all else is text and never a formula. Numbers keep 15 significant digits; integers of more digits, NaN, infinities, dates outside 1900-03-01 to 9999-12-31 and intervals that are negative or have months are text. Raises 54000 beyond 1,048,575 rows or 32,767 characters in a cell, 22023 for a name that a sheet cannot have, 0A000 where usage_meter was built without libxlsxwriter.';
