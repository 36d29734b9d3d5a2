-- Charts of text, for terminals.

CREATE FUNCTION bar(value numeric, maximum numeric, width integer DEFAULT 20) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT rpad(repeat('█', eighths.number / 8) || coalesce(substr('▏▎▍▌▋▊▉', nullif(eighths.number % 8, 0), 1), ''), width)
    FROM (SELECT coalesce(round(8 * width * least(greatest(value, 0), maximum) / nullif(greatest(maximum, 0), 0)), 0)::integer AS number) AS eighths;
END;

COMMENT ON FUNCTION bar(numeric, numeric, integer) IS
'a bar as long as the value, of so many characters if it is the maximum or more, padded with spaces; empty if the value is negative';

CREATE FUNCTION sparkline("values" numeric[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT string_agg(CASE WHEN v.value IS NULL THEN ' ' ELSE substr('▁▂▃▄▅▆▇█', 1 + coalesce(round(7 * greatest(v.value, 0) / nullif(greatest(largest.value, 0), 0)), 0)::integer, 1) END, '' ORDER BY v.number)
    FROM unnest("values") WITH ORDINALITY AS v (value, number),
         (SELECT max(value) AS value FROM unnest("values") AS value) AS largest;
END;

COMMENT ON FUNCTION sparkline(numeric[]) IS
'a line of characters, each as high as one value is between zero and the largest; a space for NULL';
