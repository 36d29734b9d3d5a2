-- The read block: every report, budget and check of usage stands on usage_read(). It composes a half-open range of time
-- from the coarsest cells that hold the dimensions asked for, so that the answer is exact and as cheap as can be:
--
--   since      first          day_first        day_last         last       until
--     |  raw     |  quarter hours  |   UTC days    |  quarter hours  |  raw  |
--
-- plus the deltas that are not folded yet of what lies between first and last.

CREATE FUNCTION cube_for(needed text[], grain text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE grain
        WHEN 'day' THEN CASE
            WHEN needed <@ ARRAY['section', 'provider', 'model', 'environment'] THEN 'system_day'
            WHEN needed <@ ARRAY['customer_id', 'project_id', 'package_id', 'section', 'provider', 'model', 'environment', 'customer_tier'] THEN 'workload_day'
            WHEN needed <@ ARRAY['customer_id', 'user_id', 'api_key_id'] THEN 'actor_day' END
        WHEN 'quarter' THEN CASE
            WHEN needed <@ ARRAY['section', 'provider', 'model', 'environment'] THEN 'system_quarter'
            WHEN needed <@ ARRAY['customer_id', 'environment'] THEN 'timeline_quarter' END
    END;
END;

COMMENT ON FUNCTION cube_for(text[], text) IS
'Narrowest cube of that grain (day or quarter) that holds all the needed dimensions, NULL if none does';

CREATE FUNCTION needed_dimensions(filter jsonb, dimensions text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $needed_dimensions$
DECLARE
    known   text[] := ARRAY['customer_id', 'project_id', 'package_id', 'section', 'provider', 'model', 'environment',
                            'customer_tier', 'user_id', 'api_key_id'];
    needed  text[];
    unknown text;
BEGIN
    IF jsonb_typeof(filter) <> 'object' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'filter is not a JSON object',
            HINT = 'For example ''{"customer_id": "acme", "model": ["gpt-4o", "gpt-4"]}''.';
    END IF;

    needed := coalesce(dimensions, '{}') || ARRAY(SELECT jsonb_object_keys(coalesce(filter, '{}')));
    SELECT name INTO unknown FROM unnest(needed) AS name WHERE name <> ALL (known) OR name IS NULL LIMIT 1;
    IF FOUND THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown dimension %L', unknown),
            HINT = format('The dimensions are %s.', array_to_string(known, ', '));
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
'Dimensions that a read needs: those filtered and those grouped by. Raises 22023 for one that does not exist.';

CREATE FUNCTION filter_values(choice jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE jsonb_typeof(choice)
        WHEN 'array' THEN ARRAY(SELECT coalesce(element, '') FROM jsonb_array_elements_text(choice) AS element)
        ELSE ARRAY[coalesce(choice #>> '{}', '')] END;
END;

COMMENT ON FUNCTION filter_values(jsonb) IS
'Values that one member of a filter admits: those of an array, or the one value. null stands for executions that name none.';

CREATE FUNCTION read_edges(since timestamptz, until timestamptz, filter jsonb, dimensions text[], grain text)
RETURNS timestamptz[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path FROM CURRENT
AS $read_edges$
DECLARE
    needed    text[] := needed_dimensions(filter, dimensions);
    quarters  boolean := cube_for(needed, 'quarter') IS NOT NULL;
    first     timestamptz := floor_quarter(since);
    last      timestamptz := floor_quarter(until);
    day_first timestamptz := floor_day(since);
    day_last  timestamptz := floor_day(until);
BEGIN
    IF since IS NULL OR until IS NULL OR since > until THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('invalid range of time from %s to %s', coalesce(since::text, 'null'), coalesce(until::text, 'null')),
            HINT = 'since must not be later than until. A range holds its start and not its end.';
    END IF;
    IF grain IS NULL OR grain NOT IN ('day', 'quarter') THEN
        RAISE invalid_parameter_value USING
            MESSAGE = format('unknown grain %L', grain),
            HINT = 'The grains are day and quarter.';
    END IF;

    IF first < since THEN
        first := first + interval '15 minutes';
    END IF;
    IF day_first < since THEN
        day_first := day_first + interval '24 hours';
    END IF;
    IF grain <> 'day' OR cube_for(needed, 'day') IS NULL OR day_first >= day_last THEN
        -- no whole days: quarter hours up to the last, if a cube has them, else raw up to the end
        day_first := CASE WHEN quarters AND first < last THEN last ELSE until END;
        day_last := day_first;
    END IF;
    IF NOT quarters OR first >= last THEN
        first := day_first;
        last := day_last;
    END IF;
    RETURN ARRAY[since, first, day_first, day_last, last, until];
END
$read_edges$;

COMMENT ON FUNCTION read_edges(timestamptz, timestamptz, jsonb, text[], text) IS
'The six instants, in order, that divide [since, until): raw, quarter hours, UTC days, quarter hours, raw. Immutable, so that a plan for a given range knows which partitions it needs.';

CREATE FUNCTION usage_read(since timestamptz, until timestamptz, filter jsonb DEFAULT '{}', dimensions text[] DEFAULT '{}', grain text DEFAULT 'day')
RETURNS SETOF usage_cell
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT cell.bucket, cell.customer_id, cell.project_id, cell.package_id, cell.section, cell.provider, cell.model,
           cell.environment, cell.customer_tier, cell.user_id, cell.api_key_id,
           cell.executions, cell.succeeded, cell.failed, cell.timed_out, cell.cancelled, cell.open,
           cell.unpriced, cell.unreported, cell.estimated, cell.byok,
           cell.input_tokens, cell.cache_read_tokens, cell.cache_write_tokens, cell.output_tokens, cell.reasoning_tokens,
           cell.cost, cell.billed_cost, cell.shadow_cost, cell.duration_us, cell.queue_time_us,
           cell.duration_sketch, cell.queue_time_sketch
    FROM (
        SELECT c.* FROM usage_cubes AS c
        WHERE c.cube = cube_for(needed_dimensions(filter, dimensions), 'day')
          AND c.bucket >= (read_edges(since, until, filter, dimensions, grain))[3]
          AND c.bucket <  (read_edges(since, until, filter, dimensions, grain))[4]
        UNION ALL
        SELECT c.* FROM usage_cubes AS c
        WHERE c.cube = cube_for(needed_dimensions(filter, dimensions), 'quarter')
          AND c.bucket >= (read_edges(since, until, filter, dimensions, grain))[2]
          AND c.bucket <  (read_edges(since, until, filter, dimensions, grain))[3]
        UNION ALL
        SELECT c.* FROM usage_cubes AS c
        WHERE c.cube = cube_for(needed_dimensions(filter, dimensions), 'quarter')
          AND c.bucket >= (read_edges(since, until, filter, dimensions, grain))[4]
          AND c.bucket <  (read_edges(since, until, filter, dimensions, grain))[5]
        UNION ALL
        SELECT d.*, NULL FROM usage_deltas AS d
        WHERE d.bucket >= (SELECT (read_edges(since, until, filter, dimensions, grain))[2])
          AND d.bucket <  (SELECT (read_edges(since, until, filter, dimensions, grain))[5])
        UNION ALL
        SELECT e.*, NULL FROM execution_cells(
            since, (read_edges(since, until, filter, dimensions, grain))[2]) AS e
        WHERE has_raw(since, (read_edges(since, until, filter, dimensions, grain))[2], filter, dimensions)
        UNION ALL
        SELECT e.*, NULL FROM execution_cells(
            (read_edges(since, until, filter, dimensions, grain))[5], until) AS e
        WHERE has_raw((read_edges(since, until, filter, dimensions, grain))[5], until, filter, dimensions)
    ) AS cell
    WHERE (filter -> 'customer_id'   IS NULL OR cell.customer_id   = ANY (filter_values(filter -> 'customer_id')))
      AND (filter -> 'project_id'    IS NULL OR cell.project_id    = ANY (filter_values(filter -> 'project_id')))
      AND (filter -> 'package_id'    IS NULL OR cell.package_id    = ANY (filter_values(filter -> 'package_id')))
      AND (filter -> 'section'       IS NULL OR cell.section       = ANY (filter_values(filter -> 'section')))
      AND (filter -> 'provider'      IS NULL OR cell.provider      = ANY (filter_values(filter -> 'provider')))
      AND (filter -> 'model'         IS NULL OR cell.model         = ANY (filter_values(filter -> 'model')))
      AND (filter -> 'environment'   IS NULL OR cell.environment   = ANY (filter_values(filter -> 'environment')))
      AND (filter -> 'customer_tier' IS NULL OR cell.customer_tier = ANY (filter_values(filter -> 'customer_tier')))
      AND (filter -> 'user_id'       IS NULL OR cell.user_id       = ANY (filter_values(filter -> 'user_id')))
      AND (filter -> 'api_key_id'    IS NULL OR cell.api_key_id    = ANY (filter_values(filter -> 'api_key_id')));
END;

COMMENT ON FUNCTION usage_read(timestamptz, timestamptz, jsonb, text[], text) IS
'The usage of [since, until) as cells that may be summed by any of the dimensions asked for, exact at the snapshot of the query. filter is a JSON object from dimension to a value or an array of values. dimensions are those the caller groups by. With grain ''quarter'' no cell spans more than a quarter hour, as grouping by time in a zone that is not UTC needs. Raises 22023 for an unknown dimension or an inverted range, 55000 where executions that it would need are not kept.';
