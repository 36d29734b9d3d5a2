-- Exchange of the price book with the LiteLLM price map: one JSON object from model to an object of fields, whose prices are
-- per single unit. Source: BerriAI/litellm, model_prices_and_context_window.json.

-- A field may carry a threshold and a service tier behind its name: input_cost_per_token_above_272k_tokens_priority. Of two
-- fields for one unit the first counts.
CREATE FUNCTION catalogue_fields() RETURNS TABLE (field text, unit text, preference integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT * FROM (VALUES
        ('input_cost_per_token',                      'input_tokens',             1),
        ('output_cost_per_token',                     'output_tokens',            1),
        ('output_cost_per_reasoning_token',           'reasoning_tokens',         1),
        ('cache_read_input_token_cost',               'cache_read_tokens',        1),
        ('input_cost_per_token_cache_hit',            'cache_read_tokens',        2),
        ('cache_creation_input_token_cost',           'cache_write_tokens',       1),
        ('cache_creation_input_token_cost_above_1hr', 'cache_write_1h_tokens',    1),
        ('cache_read_input_audio_token_cost',         'cache_read_audio_tokens',  1),
        ('cache_creation_input_audio_token_cost',     'cache_write_audio_tokens', 1),
        ('input_cost_per_audio_token',                'input_audio_tokens',       1),
        ('input_cost_per_image_token',                'input_image_tokens',       1),
        ('input_cost_per_video_token',                'input_video_tokens',       1),
        ('output_cost_per_audio_token',               'output_audio_tokens',      1),
        ('output_cost_per_image_token',               'output_image_tokens',      1),
        ('output_cost_per_video_token',               'output_video_tokens',      1),
        ('citation_cost_per_token',                   'citation_tokens',          1),
        ('input_cost_per_second',                     'input_seconds',            1),
        ('output_cost_per_second',                    'output_seconds',           1),
        ('output_cost_per_second_1080p',              'output_1080p_seconds',     1),
        ('input_cost_per_audio_per_second',           'input_audio_seconds',      1),
        ('input_cost_per_video_per_second',           'input_video_seconds',      1),
        ('input_cost_per_video_per_second_above_8s_interval',  'input_video_above_8s_interval_seconds',  1),
        ('input_cost_per_video_per_second_above_15s_interval', 'input_video_above_15s_interval_seconds', 1),
        ('output_cost_per_video_per_second',          'output_video_seconds',     1),
        ('input_cost_per_image',                      'input_images',             1),
        ('output_cost_per_image',                     'output_images',            1),
        ('input_cost_per_pixel',                      'input_pixels',             1),
        ('output_cost_per_pixel',                     'output_pixels',            1),
        ('input_cost_per_character',                  'input_characters',         1),
        ('output_cost_per_character',                 'output_characters',        1),
        ('input_cost_per_query',                      'queries',                  1),
        ('input_cost_per_request',                    'requests',                 1),
        ('ocr_cost_per_page',                         'pages',                    1),
        ('annotation_cost_per_page',                  'annotated_pages',          1),
        ('ocr_cost_per_credit',                       'credits',                  1),
        ('code_interpreter_cost_per_session',         'code_interpreter_sessions', 1),
        ('search_context_size_low',                   'low_context_searches',     1),
        ('search_context_size_medium',                'searches',                 1),
        ('search_context_size_high',                  'high_context_searches',    1)
    ) AS known (field, unit, preference);
END;

COMMENT ON FUNCTION catalogue_fields() IS
'Fields of the LiteLLM price map and the unit that each prices. Those of searches are members of search_context_cost_per_query.';

CREATE FUNCTION catalogue_price(value jsonb) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE WHEN value #>> '{}' ~ '^[0-9]+\.?[0-9]*([eE][-+]?[0-9]{1,3})?$' AND jsonb_typeof(value) IN ('number', 'string')
                THEN trim_scale((value #>> '{}')::numeric) END;
END;

COMMENT ON FUNCTION catalogue_price(jsonb) IS
'A price of the catalogue, exactly as it is written, be it a number or a text; NULL for anything else, and for one that is negative';

CREATE FUNCTION catalogue_entries(catalogue jsonb) RETURNS TABLE (provider text, model text, entry jsonb)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT named.value ->> 'litellm_provider', named.key, named.value
    FROM jsonb_each(catalogue) AS named
    WHERE jsonb_typeof(named.value -> 'litellm_provider') = 'string' AND named.key <> 'sample_spec';
END;

COMMENT ON FUNCTION catalogue_entries(jsonb) IS
'The models of a catalogue: members that are objects and name a provider, but for the sample that explains the fields';

-- Every number of an entry that may be a price. from_quantity is where a graduated price begins.
CREATE FUNCTION catalogue_values(catalogue jsonb)
RETURNS TABLE (provider text, model text, field text, unit text, service_tier text, above_input_tokens bigint, from_quantity bigint,
               price numeric, preference integer)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH entries AS MATERIALIZED (
        SELECT * FROM catalogue_entries(catalogue)
    ), members AS (
        SELECT e.provider, e.model, e.entry ->> 'mode' AS mode, member.key AS field, member.value, 0::numeric AS from_quantity
        FROM entries AS e, jsonb_each(e.entry) AS member
        WHERE member.key LIKE '%cost%' AND jsonb_typeof(member.value) IN ('number', 'string')
        UNION ALL
        SELECT e.provider, e.model, NULL, member.key, member.value, 0
        FROM entries AS e,
             jsonb_each(CASE jsonb_typeof(e.entry -> 'search_context_cost_per_query') WHEN 'object' THEN e.entry -> 'search_context_cost_per_query' END) AS member
        UNION ALL
        SELECT e.provider, e.model, NULL, member.key, member.value, catalogue_price(tier.prices -> 'range' -> 0)
        FROM entries AS e,
             jsonb_array_elements(CASE jsonb_typeof(e.entry -> 'tiered_pricing') WHEN 'array' THEN e.entry -> 'tiered_pricing' END) AS tier (prices),
             jsonb_each(CASE jsonb_typeof(tier.prices) WHEN 'object' THEN tier.prices END) AS member
        WHERE member.key LIKE '%cost%'
    )
    SELECT m.provider, m.model, m.field,
           -- the seconds of a transcription are listed as input, as output or as both, and are charged once
           CASE WHEN m.mode = 'audio_transcription' AND known.unit = 'output_seconds' THEN 'input_seconds' ELSE known.unit END,
           CASE part[3] WHEN 'batches' THEN 'batch' ELSE coalesce(part[3], '') END,
           coalesce(part[2]::bigint * 1000, 0), trunc(m.from_quantity)::bigint, catalogue_price(m.value), known.preference
    FROM members AS m
    CROSS JOIN LATERAL (
        SELECT CASE WHEN m.field LIKE ANY ('{%k\_tokens%,%\_priority,%\_flex,%\_batches}')
                    THEN regexp_match(m.field, '^(.+?)(?:_above_([0-9]{1,6})k_tokens)?(?:_(priority|flex|batches))?$')
                    ELSE ARRAY[m.field, NULL, NULL] END AS part) AS suffixed
    LEFT JOIN catalogue_fields() AS known ON known.field = part[1];
END;

COMMENT ON FUNCTION catalogue_values(jsonb) IS
'The prices of a catalogue as they are written, and what of each can be read: unit, price or from_quantity are NULL where that is not known';

-- Where a whole price list is so much dearer: in a region, or in Anthropic's fast mode.
CREATE FUNCTION catalogue_uplifts(catalogue jsonb) RETURNS TABLE (provider text, model text, service_tier text, region text, factor numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH stated AS (
        SELECT e.provider, e.model,
               CASE WHEN member.key = 'fast' THEN 'fast' ELSE '' END AS service_tier,
               CASE WHEN member.key = 'fast' THEN '' ELSE replace(member.key, 'regional_processing_uplift_multiplier_', '') END AS region,
               catalogue_price(member.value) AS factor
        FROM catalogue_entries(catalogue) AS e,
             jsonb_each(CASE jsonb_typeof(e.entry -> 'provider_specific_entry') WHEN 'object' THEN e.entry -> 'provider_specific_entry' ELSE '{}' END
                        || jsonb_strip_nulls(jsonb_build_object(
                               'regional_processing_uplift_multiplier_eu', e.entry -> 'regional_processing_uplift_multiplier_eu',
                               'regional_processing_uplift_multiplier_us', e.entry -> 'regional_processing_uplift_multiplier_us'))) AS member
        WHERE catalogue_price(member.value) IS NOT NULL
    )
    SELECT * FROM stated
    UNION ALL
    SELECT fast.provider, fast.model, fast.service_tier, regional.region, fast.factor * regional.factor
    FROM stated AS fast JOIN stated AS regional USING (provider, model)
    WHERE fast.region = '' AND regional.service_tier = '';
END;

COMMENT ON FUNCTION catalogue_uplifts(jsonb) IS 'Factors on all prices of tokens of a model, by service tier and region';

CREATE FUNCTION catalogue_rates(catalogue jsonb)
RETURNS TABLE (provider text, model text, unit text, service_tier text, region text, above_input_tokens bigint, from_quantity bigint, price numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    WITH once AS MATERIALIZED (
        SELECT DISTINCT ON (v.provider, v.model, v.unit, v.service_tier, v.above_input_tokens, v.from_quantity) v.*
        FROM catalogue_values(catalogue) AS v
        WHERE v.unit IS NOT NULL AND v.price IS NOT NULL AND v.from_quantity IS NOT NULL
        ORDER BY v.provider, v.model, v.unit, v.service_tier, v.above_input_tokens, v.from_quantity, v.preference, v.price DESC
    )
    SELECT o.provider, o.model, o.unit, o.service_tier, '', o.above_input_tokens, o.from_quantity, o.price
    FROM once AS o
    UNION ALL
    SELECT o.provider, o.model, o.unit, coalesce(nullif(u.service_tier, ''), o.service_tier), u.region,
           o.above_input_tokens, o.from_quantity, trim_scale(o.price * u.factor)
    FROM once AS o JOIN catalogue_uplifts(catalogue) AS u USING (provider, model)
    WHERE o.unit LIKE '%\_tokens' AND (u.service_tier = '' OR o.service_tier = '');
END;

COMMENT ON FUNCTION catalogue_rates(jsonb) IS 'The prices of a catalogue as rows of price_rates';

CREATE FUNCTION rate_label(unit text, service_tier text, region text, above_input_tokens bigint, from_quantity bigint) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT concat_ws(' ', unit, nullif(service_tier, ''), nullif(region, ''),
                     'above ' || nullif(above_input_tokens, 0), 'from ' || nullif(from_quantity, 0));
END;

COMMENT ON FUNCTION rate_label(text, text, text, bigint, bigint) IS 'A rate and its conditions, for people';

-- How each model of a catalogue differs from the book at an instant.
CREATE FUNCTION compare_catalogue(catalogue jsonb, at timestamptz)
RETURNS TABLE (provider text, model text, price_id bigint, valid_from timestamptz, valid_to timestamptz, differences bigint, detail text, jump boolean, warning text, ignored text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH listed AS MATERIALIZED (
        SELECT * FROM catalogue_rates(catalogue)
    ), current AS MATERIALIZED (
        SELECT p.provider, p.model, p.valid_from, p.valid_to, p.price_id
        FROM prices AS p
        WHERE p.customer_id = '' AND p.customer_tier = '' AND p.valid_from <= at AND p.valid_to > at
    ), known AS (
        SELECT c.provider, c.model, r.unit, r.service_tier, r.region, r.above_input_tokens, r.from_quantity, r.price
        FROM current AS c JOIN price_rates AS r USING (price_id)
        WHERE (c.provider, c.model) IN (SELECT l.provider, l.model FROM listed AS l)
    ), changed AS (
        SELECT provider, model, count(*) AS differences,
               string_agg(format('%s: %s -> %s', rate_label(unit, service_tier, region, above_input_tokens, from_quantity),
                                 coalesce(known.price::text, 'none'), coalesce(listed.price::text, 'none')), ', '
                          ORDER BY unit, service_tier, region, above_input_tokens, from_quantity) AS detail,
               bool_or(listed.price >= 10 * known.price OR known.price >= 10 * listed.price) AS jump
        FROM listed FULL JOIN known USING (provider, model, unit, service_tier, region, above_input_tokens, from_quantity)
        WHERE listed.price IS DISTINCT FROM known.price
        GROUP BY provider, model
    ), plain AS (
        SELECT l.provider, l.model,
               max(l.price) FILTER (WHERE l.unit = 'input_tokens') AS input,
               max(l.price) FILTER (WHERE l.unit = 'output_tokens') AS output,
               max(l.price) FILTER (WHERE l.unit = 'cache_read_tokens') AS cache_read,
               max(l.price) FILTER (WHERE l.unit = 'cache_write_tokens') AS cache_write,
               max(l.price) FILTER (WHERE l.unit = 'cache_write_1h_tokens') AS cache_write_1h
        FROM listed AS l
        WHERE l.service_tier = '' AND l.region = '' AND l.above_input_tokens = 0 AND l.from_quantity = 0
        GROUP BY l.provider, l.model
    ), unread AS (
        SELECT v.provider, v.model, string_agg(DISTINCT v.field, ', ') AS ignored
        FROM catalogue_values(catalogue) AS v
        WHERE v.unit IS NULL OR v.price IS NULL OR v.from_quantity IS NULL
        GROUP BY v.provider, v.model
    )
    SELECT e.provider, e.model, current.price_id, current.valid_from, current.valid_to, coalesce(changed.differences, 0), changed.detail, changed.jump,
           nullif(concat_ws('; ',
               CASE WHEN plain.cache_write_1h < plain.cache_write THEN 'an hour''s cache write is cheaper than five minutes''' END,
               CASE WHEN plain.cache_read > plain.input THEN 'cached input is dearer than input' END,
               CASE WHEN plain.output = 0 AND plain.input > 0 AND e.entry ->> 'mode' IN ('chat', 'responses', 'completion') THEN 'output is free and input is not' END,
               CASE WHEN greatest(plain.input, plain.output) > 0.001 THEN 'more than 1000 per million tokens' END), ''),
           unread.ignored
    FROM catalogue_entries(catalogue) AS e
    LEFT JOIN current USING (provider, model)
    LEFT JOIN changed USING (provider, model)
    LEFT JOIN plain USING (provider, model)
    LEFT JOIN unread USING (provider, model);
END;

COMMENT ON FUNCTION compare_catalogue(jsonb, timestamptz) IS
'Each model of a catalogue beside the general price list that is valid at an instant: when that list began, how many rates differ and which, what is implausible, and which fields say nothing that the book can hold';

-- The planner knows nothing of what a catalogue holds: it would compare each model with each, in code compiled for it.
CREATE FUNCTION import_prices(catalogue jsonb, effective_from timestamptz DEFAULT now(), correction boolean DEFAULT false)
RETURNS TABLE (outcome text, provider text, model text, detail text)
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
SET jit = off
SET enable_nestloop = off
AS $import_prices$
#variable_conflict use_column
DECLARE
    compared jsonb;
BEGIN
    IF catalogue IS NULL OR jsonb_typeof(catalogue) <> 'object' OR effective_from IS NULL THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'catalogue is not a JSON object, or effective_from is null',
            HINT = 'The catalogue is an object from model to its prices, in the format of the LiteLLM price map.';
    END IF;
    SELECT coalesce(jsonb_agg(to_jsonb(c)), '[]') INTO compared FROM compare_catalogue(catalogue, effective_from) AS c;

    UPDATE prices AS p SET valid_to = CASE WHEN correction THEN p.valid_from ELSE effective_from END
    FROM jsonb_to_recordset(compared) AS c (price_id bigint, differences bigint)
    WHERE p.price_id = c.price_id AND c.differences > 0;

    WITH opened AS (
        INSERT INTO prices AS p (provider, model, valid_from, valid_to)
        SELECT c.provider, c.model,
               CASE WHEN correction THEN coalesce(c.valid_from, effective_from) ELSE effective_from END,
               coalesce(c.valid_to, (
                   SELECT min(later.valid_from) FROM prices AS later
                   WHERE (later.provider, later.model, later.customer_id, later.customer_tier) = (c.provider, c.model, '', '')
                     AND later.valid_from > effective_from AND later.valid_to > later.valid_from), 'infinity')
        FROM jsonb_to_recordset(compared) AS c (provider text, model text, valid_from timestamptz, valid_to timestamptz, differences bigint)
        WHERE c.differences > 0
        RETURNING p.price_id, p.provider, p.model
    )
    INSERT INTO price_rates (price_id, unit, service_tier, region, above_input_tokens, from_quantity, price)
    SELECT opened.price_id, r.unit, r.service_tier, r.region, r.above_input_tokens, r.from_quantity, r.price
    FROM opened JOIN catalogue_rates(catalogue) AS r USING (provider, model);

    RETURN QUERY
    WITH c AS (
        SELECT * FROM jsonb_to_recordset(compared) AS c (
            provider text, model text, valid_from timestamptz, differences bigint, detail text, jump boolean, warning text, ignored text)
    )
    SELECT CASE WHEN c.differences = 0 AND c.valid_from IS NULL THEN 'ignored'
                WHEN c.differences = 0 THEN 'unchanged'
                WHEN c.valid_from IS NULL THEN 'added'
                WHEN correction THEN 'corrected'
                ELSE 'changed' END,
           c.provider, c.model,
           CASE WHEN c.differences = 0 AND c.valid_from IS NULL THEN 'no price' ELSE c.detail END
    FROM c
    UNION ALL
    SELECT 'ignored', c.provider, c.model, 'not a price of this book: ' || c.ignored FROM c WHERE c.ignored IS NOT NULL
    UNION ALL
    SELECT 'ignored', NULL, named.key, 'not a model with a litellm_provider'
    FROM jsonb_each(catalogue) AS named
    WHERE named.key NOT IN (SELECT e.model FROM catalogue_entries(catalogue) AS e)
    UNION ALL
    SELECT 'warning', c.provider, c.model, c.warning FROM c WHERE c.warning IS NOT NULL
    UNION ALL
    SELECT 'warning', c.provider, c.model, 'a price has changed tenfold or more' FROM c WHERE c.jump AND c.valid_from IS NOT NULL
    UNION ALL
    SELECT 'kept', p.provider, p.model, 'not in the catalogue'
    FROM prices AS p
    WHERE p.customer_id = '' AND p.customer_tier = '' AND p.valid_from <= effective_from AND p.valid_to > effective_from
      AND NOT EXISTS (SELECT FROM catalogue_entries(catalogue) AS e WHERE (e.provider, e.model) = (p.provider, p.model))
    ORDER BY 1, 2, 3, 4;
END
$import_prices$;

COMMENT ON FUNCTION import_prices(jsonb, timestamptz, boolean) IS
'Brings the general price lists up to a catalogue in the format of the LiteLLM price map, in US dollars per single unit. A list that differs ends at effective_from and another begins; with correction it never was true, so the new one takes its whole period, and rerate() puts executions right. What is the same stays, and so does what the catalogue no longer lists. Reports one row per model (added, changed, corrected, unchanged, kept), and rows of what was ignored and of warnings, with details. Raises 22023 for what is no catalogue.';

-- Factors between the lists of a tier or region and the plain one, where one factor explains all of them.
CREATE FUNCTION export_prices(at timestamptz DEFAULT now()) RETURNS jsonb
LANGUAGE sql STABLE
SET jit = off
SET enable_nestloop = off
BEGIN ATOMIC
    WITH current AS (
        SELECT p.price_id, p.provider,
               CASE WHEN count(*) OVER (PARTITION BY p.model) > 1 AND p.model NOT LIKE p.provider || '/%'
                    THEN p.provider || '/' || p.model ELSE p.model END AS model
        FROM prices AS p
        WHERE p.customer_id = '' AND p.customer_tier = '' AND p.valid_from <= at AND p.valid_to > at
    ), named AS (
        SELECT r.price_id, f.field, r.service_tier, r.region, r.above_input_tokens, r.from_quantity, r.price,
               f.field || CASE WHEN r.above_input_tokens > 0 THEN '_above_' || r.above_input_tokens / 1000 || 'k_tokens' ELSE '' END
                       || CASE r.service_tier WHEN '' THEN '' WHEN 'batch' THEN '_batches' ELSE '_' || r.service_tier END AS key,
               bool_or(r.from_quantity > 0) OVER (PARTITION BY r.price_id, r.unit) AS graduated
        FROM price_rates AS r JOIN catalogue_fields() AS f USING (unit)
        WHERE f.preference = 1 AND r.above_input_tokens % 1000 = 0
    ), plain AS (
        SELECT n.price_id, jsonb_object_agg(n.key, n.price) AS fields
        FROM named AS n
        WHERE n.region = '' AND n.service_tier IN ('', 'priority', 'flex', 'batch') AND NOT n.graduated AND n.field NOT LIKE 'search%'
        GROUP BY n.price_id
    ), searches AS (
        SELECT n.price_id, jsonb_build_object('search_context_cost_per_query', jsonb_object_agg(n.key, n.price)) AS fields
        FROM named AS n
        WHERE n.region = '' AND n.service_tier = '' AND n.field LIKE 'search%'
        GROUP BY n.price_id
    ), steps AS (
        SELECT n.price_id, n.from_quantity, jsonb_object_agg(n.field, n.price) AS fields,
               lead(n.from_quantity) OVER (PARTITION BY n.price_id ORDER BY n.from_quantity) AS upto
        FROM named AS n
        WHERE n.region = '' AND n.service_tier = '' AND n.above_input_tokens = 0 AND n.graduated
        GROUP BY n.price_id, n.from_quantity
    ), graduated AS (
        SELECT s.price_id, jsonb_build_object('tiered_pricing', jsonb_agg(
                   s.fields || jsonb_build_object('range', jsonb_build_array(s.from_quantity, s.upto)) ORDER BY s.from_quantity)) AS fields
        FROM steps AS s
        GROUP BY s.price_id
    ), factors AS (
        SELECT special.price_id, coalesce(nullif(special.region, ''), special.service_tier) AS key,
               min(trim_scale(round(special.price / general.price, 30))) AS factor
        FROM price_rates AS special
        JOIN price_rates AS general USING (price_id, unit, above_input_tokens, from_quantity)
        WHERE general.service_tier = '' AND general.region = '' AND general.price > 0
          AND ((special.service_tier = '' AND special.region <> '') OR (special.service_tier = 'fast' AND special.region = ''))
        GROUP BY 1, 2
        HAVING count(DISTINCT trim_scale(round(special.price / general.price, 30))) = 1
    ), uplifts AS (
        SELECT f.price_id, jsonb_build_object('provider_specific_entry', jsonb_object_agg(f.key, f.factor)) AS fields
        FROM factors AS f
        GROUP BY f.price_id
    )
    SELECT coalesce(jsonb_object_agg(c.model,
               jsonb_build_object('litellm_provider', c.provider)
               || coalesce(plain.fields, '{}') || coalesce(searches.fields, '{}')
               || coalesce(graduated.fields, '{}') || coalesce(uplifts.fields, '{}')), '{}')
    FROM current AS c
    LEFT JOIN plain USING (price_id)
    LEFT JOIN searches USING (price_id)
    LEFT JOIN graduated USING (price_id)
    LEFT JOIN uplifts USING (price_id);
END;

COMMENT ON FUNCTION export_prices(timestamptz) IS
'The general price lists that are valid at an instant, in the format of the LiteLLM price map: what import_prices() reads, exactly. A model that several providers list stands behind its provider. Units, tiers and regions that the format has no field for are left out.';
