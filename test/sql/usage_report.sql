-- Usage reports of providers: a case of every flavour, and of what is unusual in each.

-- what is told, without what is not
CREATE FUNCTION told(report jsonb, provider text DEFAULT NULL, api text DEFAULT NULL) RETURNS text LANGUAGE sql AS
$$ SELECT jsonb_pretty(jsonb_strip_nulls(to_jsonb(usage))) FROM normalize_usage(report, provider, api) AS usage $$;
CREATE FUNCTION told(reports text) RETURNS TABLE (report text, told jsonb) LANGUAGE sql AS
$$ SELECT line, jsonb_strip_nulls(to_jsonb(usage)) FROM regexp_split_to_table(reports, E'\n') WITH ORDINALITY AS lines (line, n), normalize_usage(line::jsonb) AS usage ORDER BY n $$;
