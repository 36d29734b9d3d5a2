-- The read block: every report, budget and check of usage stands on usage_read(). It composes a half-open range of time
-- from the coarsest cells that hold the dimensions asked for, so that the answer is exact and as cheap as can be:
--
--   since      first         coarse_first      coarse_last       last       until
--     |  raw     |  quarter hours  | hours or days |  quarter hours  |  raw  |
--
-- plus the deltas that are not folded yet of what lies between first and last.

CREATE FUNCTION cube_for(needed text[], grain text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE grain
        WHEN 'day' THEN CASE
            WHEN needed <@ ARRAY['section', 'provider', 'model', 'environment'] THEN 'system_day'
            WHEN needed <@ ARRAY['customer_id', 'project_id', 'environment'] THEN 'project_day'
            WHEN needed <@ ARRAY['customer_id', 'project_id', 'package_id', 'section', 'provider', 'model', 'environment', 'customer_tier'] THEN 'workload_day'
            WHEN needed <@ ARRAY['customer_id', 'user_id', 'api_key_id'] THEN 'actor_day' END
        WHEN 'hour' THEN CASE
            WHEN needed <@ ARRAY['customer_id', 'environment'] AND 'customer_id' = ANY (needed) THEN 'timeline_hour' END
        WHEN 'quarter' THEN CASE
            WHEN needed <@ ARRAY['environment'] THEN 'total_quarter'
            WHEN needed <@ ARRAY['section', 'provider', 'model', 'environment'] THEN 'system_quarter'
            WHEN needed <@ ARRAY['customer_id', 'environment'] THEN 'timeline_quarter' END
    END;
END;

COMMENT ON FUNCTION cube_for(text[], text) IS
'Narrowest cube of that grain (day, hour or quarter) that holds all the needed dimensions, NULL if none does';

CREATE FUNCTION needed_dimensions(filter jsonb, dimensions text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $needed_dimensions$
DECLARE
    needed  text[];
    unknown text;
BEGIN
    IF jsonb_typeof(filter) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'filter is not a JSON object',
            HINT = 'For example ''{"customer_id": "acme", "model": ["gpt-4o", "gpt-4"]}''.';
    END IF;

    needed := coalesce(dimensions, '{}') || ARRAY(SELECT jsonb_object_keys(coalesce(filter, '{}')));
    SELECT name INTO unknown
    FROM unnest(needed) WITH ORDINALITY AS n (name, number)
    WHERE (name <> ALL (dimensions()) OR name IS NULL) AND (name <> ALL (raw_filters()) OR number <= cardinality(dimensions))
    LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown dimension %L', unknown),
            HINT = format('The dimensions are %s. A filter may also be by %s.', array_to_string(dimensions(), ', '), array_to_string(raw_filters(), ', '));
    END IF;
    SELECT key INTO unknown
    FROM jsonb_each(filter) AS member (key, choice)
    WHERE NOT CASE jsonb_typeof(choice)
              WHEN 'array' THEN NOT jsonb_path_exists(choice, 'strict $[*] ? (@.type() != "string" && @.type() != "number" && @.type() != "null")', silent => true)
              ELSE jsonb_typeof(choice) IN ('string', 'number', 'null') END
    LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('filter by %s is neither a value nor an array of values', unknown),
            HINT = 'A value is a string, a number, or null for executions that name none.';
    END IF;
    RETURN needed;
END
$needed_dimensions$;

COMMENT ON FUNCTION needed_dimensions(jsonb, text[]) IS
'Columns that a read needs: those filtered and those grouped by. A filter may name columns that no cube holds; what it asks is read from raw executions. Raises 22023 for a column that does not exist.';

CREATE FUNCTION read_edges(since timestamptz, until timestamptz, needed text[], grain text)
RETURNS timestamptz[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $read_edges$
DECLARE
    quarters     boolean := cube_for(needed, 'quarter') IS NOT NULL;
    half_day     interval := '12 hours';
    first        timestamptz := floor_quarter(since);
    last         timestamptz := floor_quarter(until);
    coarse_first timestamptz := CASE grain WHEN 'hour' THEN floor_hour(since) ELSE floor_day(since) END;
    coarse_last  timestamptz := CASE grain WHEN 'hour' THEN floor_hour(until) ELSE floor_day(until) END;
BEGIN
    IF since IS NULL OR until IS NULL OR since > until THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid range of time from %s to %s', coalesce(since::text, 'null'), coalesce(until::text, 'null')),
            HINT = 'since must not be later than until. A range holds its start and not its end.';
    END IF;
    IF grain IS NULL OR grain NOT IN ('day', 'hour', 'quarter') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown grain %L', grain),
            HINT = 'The grains are day, hour and quarter.';
    END IF;

    IF first < since THEN
        first := first + interval '15 minutes';
    END IF;
    IF coarse_first < since THEN
        coarse_first := coarse_first + CASE grain WHEN 'hour' THEN interval '1 hour' ELSE 2 * half_day END;
    END IF;
    IF grain = 'quarter' OR cube_for(needed, grain) IS NULL OR coarse_first >= coarse_last THEN
        -- no whole hours or days: quarter hours up to the last, if a cube has them, else raw up to the end
        coarse_first := CASE WHEN quarters AND first < last THEN last ELSE until END;
        coarse_last := coarse_first;
    ELSIF NOT quarters THEN
        coarse_first := coarse_first - CASE WHEN since + half_day < coarse_first THEN 2 * half_day ELSE '0' END;
        coarse_last := coarse_last + CASE WHEN until > coarse_last + half_day THEN 2 * half_day ELSE '0' END;
    END IF;
    IF NOT quarters OR first >= last THEN
        first := coarse_first;
        last := coarse_last;
    END IF;
    RETURN ARRAY[since, first, coarse_first, coarse_last, last, until];
END
$read_edges$;

COMMENT ON FUNCTION read_edges(timestamptz, timestamptz, text[], text) IS
'The six instants that divide [since, until) for a read of the needed columns: raw, quarter hours, UTC hours or days as the grain says, quarter hours, raw. They are in order, but that days may begin before since or end after until: then the raw part between is to be taken away. Raises 22023 for an inverted range.';

CREATE FUNCTION cells_between(cube text, first integer, last integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    -- that the cells are of no customer is known, and makes the primary key a key by time
    SELECT format('bucket >= $1[%s] AND bucket < $1[%s]', first, last)
           || CASE WHEN cube ~ '^(system|total)_' THEN ' AND customer_id = ''''' ELSE '' END;
END;

COMMENT ON FUNCTION cells_between(text, integer, integer) IS
'Which cells of that cube, a partition of usage_cubes, lie between two of the edges of a read: a condition of a query';

-- The query is text, made of only those parts that are not empty: it is planned in a third of the time. The text holds names
-- of columns and no value: those are parameters. For one customer its plan is kept, see run_query(), since planning would be
-- most of what the report costs; otherwise it is planned for each call, with the parameters as constants.
CREATE FUNCTION read_query(edges timestamptz[], needed text[], filter jsonb, grain text) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $read_query$
DECLARE
    coarse_cube  text := cube_for(needed, grain);
    quarter_cube text := cube_for(needed, 'quarter');
    sums         text := 'executions, succeeded, failed, timed_out, cancelled, open, unpriced, unreported, estimated, byok, '
                         'input_tokens, cache_read_tokens, cache_write_tokens, output_tokens, reasoning_tokens, '
                         'cost, billed_cost, shadow_cost, duration_us, queue_time_us';
    added        text := sums || ', duration_sketch, queue_time_sketch';
    taken_away   text := regexp_replace(sums, '\w+', '-\&', 'g') ||
                         ', OPERATOR(@extschema@.-) duration_sketch, OPERATOR(@extschema@.-) queue_time_sketch';
    conditions   text := CASE
        -- compared with the collation of the source: with another no index could be used
        WHEN is_one_customer(filter) THEN $$customer_id COLLATE %1$I = (SELECT $2 ->> 'customer_id') AND $$
        ELSE (
            SELECT coalesce(string_agg(format('%1$I COLLATE %%1$I = ANY (filter_values($2 -> %1$L)) AND ', key), ''), '')
            FROM jsonb_object_keys(filter) AS key
            WHERE key = ANY (dimensions())) END;
    -- a condition on a column of the history can use an index; planning is faster without
    raw_filter   text := CASE filter - 'customer_id' WHEN '{}' THEN 'NULL' ELSE '$2' END;
    raw_source   text := 'execution_cells($1[%s], $1[%s], ' || raw_filter || ')';
BEGIN
    RETURN (
        -- cubes are read by partition, since planning is faster than with all of usage_cubes
        SELECT string_agg(
            'SELECT bucket, customer_id, project_id, package_id, section, provider, model, environment, customer_tier, user_id, api_key_id, '
            || part.measures || ' FROM ' || part.source || ' WHERE ' || format(conditions, part.collation_name) || part.bounds, E'\nUNION ALL ')
        FROM (VALUES
            (coarse_cube, cells_between(coarse_cube, 3, 4), added, 'C', edges[3] < edges[4]),
            (quarter_cube, cells_between(quarter_cube, 2, 3), added, 'C', edges[2] < edges[3]),
            (quarter_cube, cells_between(quarter_cube, 4, 5), added, 'C', edges[4] < edges[5]),
            ('usage_deltas', 'bucket >= $1[2] AND bucket < $1[5]', added, 'C', edges[2] < edges[5] OR edges[1] = edges[6]),
            (format(raw_source, 1, 2), format('has_raw($1[1], $1[2], %L)', needed), added, 'default', edges[1] < edges[2]),
            (format(raw_source, 2, 1), format('has_raw($1[2], $1[1], %L)', needed), taken_away, 'default', edges[1] > edges[2]),
            (format(raw_source, 5, 6), format('has_raw($1[5], $1[6], %L)', needed), added, 'default', edges[5] < edges[6]),
            (format(raw_source, 6, 5), format('has_raw($1[6], $1[5], %L)', needed), taken_away, 'default', edges[5] > edges[6])
        ) AS part (source, bounds, measures, collation_name, is_needed)
        WHERE part.is_needed);
END
$read_query$;

COMMENT ON FUNCTION read_query(timestamptz[], text[], jsonb, text) IS
'The query that reads a range which read_edges() has divided for cells of the grain. Its parameters: $1 the edges, $2 the filter. Part of usage_read() and report_rows().';

CREATE FUNCTION usage_read(since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', dimensions text[] DEFAULT '{}', grain text DEFAULT 'day')
RETURNS SETOF usage_cell
LANGUAGE plpgsql STABLE
SET search_path FROM CURRENT
AS $usage_read$
DECLARE
    needed text[] := needed_dimensions(filter, dimensions);
    edges  timestamptz[] := read_edges(since, until, needed, grain);
BEGIN
    RETURN QUERY SELECT * FROM @extschema@.run_query(NULL::usage_cell, read_query(edges, needed, filter, grain), is_one_customer(filter), edges, filter);
END
$usage_read$;

COMMENT ON FUNCTION usage_read(timestamptz, timestamptz, jsonb, text[], text) IS
'The usage of [since, until) as cells that may be summed by any of the dimensions asked for, exact at the snapshot of the query. Some take away what others have too much. filter is a JSON object from dimension to a value or an array of values. dimensions are those the caller groups by. With grain ''hour'' or ''quarter'' no cell spans more than an hour or a quarter hour, as grouping by time in a zone that is not UTC needs. Raises 22023 for an unknown dimension or an inverted range, 55000 where executions that it would need are not kept.';

CREATE FUNCTION explain_read(since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', dimensions text[] DEFAULT '{}', grain text DEFAULT 'day')
RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $explain_read$
DECLARE
    needed text[] := needed_dimensions(filter, dimensions);
    edges  timestamptz[] := read_edges(since, until, needed, grain);
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || read_query(edges, needed, filter, grain) USING edges, filter;
END
$explain_read$;

COMMENT ON FUNCTION explain_read(timestamptz, timestamptz, jsonb, text[], text) IS
'What usage_read() looks at for the same arguments: the plan of its query, with the cubes and partitions it needs.';
