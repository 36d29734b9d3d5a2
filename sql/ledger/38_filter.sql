-- A filter: which executions a report is about. A JSON object from a column to a value or an array of values, such as
-- {"customer_id": "acme", "model": ["gpt-4o", "gpt-4"]}; all its members must hold.

CREATE FUNCTION dimensions() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY['customer_id', 'project_id', 'package_id', 'section', 'provider', 'model', 'environment', 'customer_tier', 'user_id', 'api_key_id'];

CREATE FUNCTION raw_filters() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY['status', 'error_code', 'source', 'request_id', 'pricing_model', 'price_status', 'token_source'];

COMMENT ON FUNCTION dimensions() IS
'Columns by which usage can be grouped and filtered: the dimensions of a cell';
COMMENT ON FUNCTION raw_filters() IS
'Columns by which it can only be filtered, which no cube holds: what is asked is then read from raw executions';

CREATE FUNCTION filter_values(choice jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE jsonb_typeof(choice)
        WHEN 'array' THEN ARRAY(SELECT coalesce(element, '') FROM jsonb_array_elements_text(choice) AS element)
        ELSE ARRAY[coalesce(choice #>> '{}', '')] END;
END;

COMMENT ON FUNCTION filter_values(jsonb) IS
'Values that one member of a filter admits: those of an array, or the one value. null stands for executions that name none.';

CREATE FUNCTION is_one_customer(filter jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN filter - 'customer_id' = '{}' AND jsonb_typeof(filter -> 'customer_id') = 'string';

COMMENT ON FUNCTION is_one_customer(jsonb) IS
'Does the filter admit one customer, and that alone? NULL without a filter by customer.';

CREATE FUNCTION is_one_of(value text, choice jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT value = ANY (filter_values(choice)) OR (value IS NULL AND '' = ANY (filter_values(choice)));
END;

COMMENT ON FUNCTION is_one_of(text, jsonb) IS
'Is the value among those that one member of a filter admits? Inlined, and then a condition that an index of the default collation on the value can use.';

-- IS NULL comes first: then the planner does not look at conditions on what is not filtered.
CREATE FUNCTION is_admitted(e execution_history, filter jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT (filter -> 'customer_id'   IS NULL OR is_one_of(e.customer_id,   filter -> 'customer_id'))
       AND (filter -> 'project_id'    IS NULL OR is_one_of(e.project_id,    filter -> 'project_id'))
       AND (filter -> 'package_id'    IS NULL OR is_one_of(e.package_id,    filter -> 'package_id'))
       AND (filter -> 'section'       IS NULL OR is_one_of(e.section,       filter -> 'section'))
       AND (filter -> 'provider'      IS NULL OR is_one_of(e.provider,      filter -> 'provider'))
       AND (filter -> 'model'         IS NULL OR is_one_of(e.model,         filter -> 'model'))
       AND (filter -> 'environment'   IS NULL OR is_one_of(e.environment,   filter -> 'environment'))
       AND (filter -> 'customer_tier' IS NULL OR is_one_of(e.customer_tier, filter -> 'customer_tier'))
       AND (filter -> 'user_id'       IS NULL OR is_one_of(e.user_id,       filter -> 'user_id'))
       AND (filter -> 'api_key_id'    IS NULL OR is_one_of(e.api_key_id,    filter -> 'api_key_id'))
       AND (filter -> 'status'        IS NULL OR is_one_of(e.status,        filter -> 'status'))
       AND (filter -> 'error_code'    IS NULL OR is_one_of(e.error_code,    filter -> 'error_code'))
       AND (filter -> 'source'        IS NULL OR is_one_of(e.source,        filter -> 'source'))
       AND (filter -> 'request_id'    IS NULL OR is_one_of(e.request_id,    filter -> 'request_id'))
       AND (filter -> 'pricing_model' IS NULL OR is_one_of(e.pricing_model, filter -> 'pricing_model'))
       AND (filter -> 'price_status'  IS NULL OR is_one_of(e.price_status,  filter -> 'price_status'))
       AND (filter -> 'token_source'  IS NULL OR is_one_of(e.token_source,  filter -> 'token_source'));
END;

COMMENT ON FUNCTION is_admitted(execution_history, jsonb) IS
'Does the filter admit the execution?';
