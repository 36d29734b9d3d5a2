-- The fact table: one row per execution, be it an LLM call, an agent run, an API request or a render job.

-- total_tokens is stamped and not GENERATED: PostgreSQL reads the expression of a generated column anew for every statement,
-- which alone was a third of the instructions of a single-row INSERT.
CREATE TABLE execution_history (
    id                  uuid        NOT NULL DEFAULT uuid_v7(),
    created_at          timestamptz NOT NULL DEFAULT now(),
    recorded_at         timestamptz NOT NULL DEFAULT now(),
    started_at          timestamptz,
    completed_at        timestamptz,
    duration_ms         numeric,
    queue_time_ms       numeric,
    customer_id         text        NOT NULL,
    customer_tier       text,
    project_id          text,
    package_id          text,
    package_name        text,
    section             text,
    user_id             text,
    api_key_id          text,
    environment         text        NOT NULL DEFAULT 'production',
    source              text,
    request_id          text,
    reservation_id      uuid,
    status              text        NOT NULL DEFAULT 'success',
    error_code          text,
    error_message       text,
    provider            text,
    model               text,
    api                 text,
    service_tier        text,
    region              text,
    response_id         text,
    usage               jsonb,
    input_tokens        bigint,
    cache_read_tokens   bigint,
    cache_write_tokens  bigint,
    cache_write_1h_tokens bigint,
    output_tokens       bigint,
    reasoning_tokens    bigint,
    units               jsonb,
    total_tokens        bigint,
    token_source        text,
    pricing_model       text,
    byok                boolean     NOT NULL DEFAULT false,
    cost                numeric,
    reported_cost       numeric,
    shadow_cost         numeric,
    price_id            bigint,
    price_status        text,
    credited_cost       numeric,
    metadata            jsonb,
    deleted_at          timestamptz,
    deleted_reason      text,
    CONSTRAINT execution_history_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);

CREATE INDEX execution_history_customer_created_idx ON execution_history (customer_id, created_at);
CREATE INDEX execution_history_unsuccessful_idx ON execution_history (customer_id, created_at, status, error_code)
    INCLUDE (total_tokens, cost, credited_cost, deleted_at) WHERE status <> 'success';
CREATE INDEX execution_history_created_idx ON execution_history USING brin (created_at);
CREATE INDEX execution_history_recorded_idx ON execution_history USING brin (recorded_at);

COMMENT ON TABLE execution_history IS 'One row per execution. INSERT or COPY into it; everything else follows within the same transaction.';
COMMENT ON COLUMN execution_history.id IS 'Identity, a version 7 UUID unless the caller gives one';
COMMENT ON COLUMN execution_history.created_at IS 'Event time: decides the price, the partition and every report';
COMMENT ON COLUMN execution_history.recorded_at IS 'Arrival: when the row was written';
COMMENT ON COLUMN execution_history.started_at IS 'When the work began';
COMMENT ON COLUMN execution_history.completed_at IS 'When the work ended, not before started_at';
COMMENT ON COLUMN execution_history.duration_ms IS 'Duration in milliseconds; completed_at - started_at where the caller gives none';
COMMENT ON COLUMN execution_history.queue_time_ms IS 'Time spent waiting before the start, in milliseconds';
COMMENT ON COLUMN execution_history.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN execution_history.customer_tier IS 'Tier of the customer at that time; may select a price';
COMMENT ON COLUMN execution_history.project_id IS 'Project of the customer';
COMMENT ON COLUMN execution_history.package_id IS 'Package (agent, workflow) that ran';
COMMENT ON COLUMN execution_history.package_name IS 'Its name for people';
COMMENT ON COLUMN execution_history.section IS 'Section (feature of the application) that asked';
COMMENT ON COLUMN execution_history.user_id IS 'User on whose behalf it ran';
COMMENT ON COLUMN execution_history.api_key_id IS 'API key (seat) that was used; never its secret';
COMMENT ON COLUMN execution_history.environment IS 'production, sandbox or another environment of the application';
COMMENT ON COLUMN execution_history.source IS 'System that recorded the execution; request_id is unique within it';
COMMENT ON COLUMN execution_history.request_id IS 'The caller''s own identity of the request: an execution that repeats one of the same customer and source is not written again; NULL or '''' for none';
COMMENT ON COLUMN execution_history.reservation_id IS 'Reservation that was made for it; it ends when the execution is final';
COMMENT ON COLUMN execution_history.status IS 'pending, running, success, failed, timeout or cancelled';
COMMENT ON COLUMN execution_history.error_code IS 'Code of the failure';
COMMENT ON COLUMN execution_history.error_message IS 'Text of the failure';
COMMENT ON COLUMN execution_history.provider IS 'Provider of the model';
COMMENT ON COLUMN execution_history.model IS 'Model that was used';
COMMENT ON COLUMN execution_history.api IS 'Flavour of the provider''s API, such as chat.completions or messages';
COMMENT ON COLUMN execution_history.service_tier IS 'Service tier that was charged, such as priority, flex or batch; may select a price';
COMMENT ON COLUMN execution_history.region IS 'Region in which the provider worked; may select a price';
COMMENT ON COLUMN execution_history.response_id IS 'The provider''s own identity of the response';
COMMENT ON COLUMN execution_history.usage IS 'The provider''s own report, as it came: a usage object or the response that holds one. It fills what the caller leaves out';
COMMENT ON COLUMN execution_history.input_tokens IS 'Uncached input tokens; NULL means not reported';
COMMENT ON COLUMN execution_history.cache_read_tokens IS 'Input tokens read from a cache, not part of input_tokens';
COMMENT ON COLUMN execution_history.cache_write_tokens IS 'Input tokens written to a cache, not part of input_tokens';
COMMENT ON COLUMN execution_history.cache_write_1h_tokens IS 'Those kept for an hour, a part of cache_write_tokens';
COMMENT ON COLUMN execution_history.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN execution_history.reasoning_tokens IS 'Reasoning tokens, a part of output_tokens';
COMMENT ON COLUMN execution_history.units IS 'What else was counted, as an object from unit to quantity: searches, output_images, input_seconds and any other, and parts of tokens such as output_audio_tokens';
COMMENT ON COLUMN execution_history.total_tokens IS 'input + cache read + cache write + output, stamped; NULL where none is reported';
COMMENT ON COLUMN execution_history.token_source IS 'Where the counts came from: reported, counted, estimated or unreported';
COMMENT ON COLUMN execution_history.pricing_model IS 'How the execution is charged, as the application names it';
COMMENT ON COLUMN execution_history.byok IS 'Paid with the customer''s own key at the provider: cost 0, the price goes to shadow_cost';
COMMENT ON COLUMN execution_history.cost IS 'Exact cost in the currency of the ledger, stamped from the price book; NULL while open or unpriced';
COMMENT ON COLUMN execution_history.reported_cost IS 'Cost that the caller gave';
COMMENT ON COLUMN execution_history.shadow_cost IS 'What it would have cost without the customer''s own key';
COMMENT ON COLUMN execution_history.price_id IS 'Price list that was applied';
COMMENT ON COLUMN execution_history.price_status IS 'pending, priced, unpriced, byok or reported';
COMMENT ON COLUMN execution_history.credited_cost IS 'Part of the cost that was given back by credit(); what counts in reports and bills is cost - credited_cost. Never more than cost: repricing lowers it to that';
COMMENT ON COLUMN execution_history.metadata IS 'Anything else the application wants to keep';
COMMENT ON COLUMN execution_history.deleted_at IS 'When set, the execution has left analytics; it stays for audit and in billed_cost; set by delete_execution()';
COMMENT ON COLUMN execution_history.deleted_reason IS 'Why it was deleted';
COMMENT ON INDEX execution_history_pkey IS 'One execution by its id and time';
COMMENT ON INDEX execution_history_customer_created_idx IS 'A customer''s executions by time';
COMMENT ON INDEX execution_history_unsuccessful_idx IS 'Errors, with all that errors() tells of those whose message need not be looked at, and jobs that are still open';
COMMENT ON INDEX execution_history_created_idx IS 'Ranges of time over all customers';
COMMENT ON INDEX execution_history_recorded_idx IS 'What arrived lately, whenever it happened';

CREATE TRIGGER stamp_execution BEFORE INSERT OR UPDATE ON execution_history
    FOR EACH ROW EXECUTE FUNCTION stamp_execution();
COMMENT ON TRIGGER stamp_execution ON execution_history IS 'Validates, completes and prices the row';

-- What belongs together is expected together, or a filter by both is taken to find far fewer rows than it does.
CREATE STATISTICS execution_history_customer_package_stats ON customer_id, package_id FROM execution_history;
CREATE STATISTICS execution_history_provider_model_stats ON provider, model FROM execution_history;

COMMENT ON STATISTICS execution_history_customer_package_stats IS 'Packages belong to customers';
COMMENT ON STATISTICS execution_history_provider_model_stats IS 'Models belong to providers';

CREATE FUNCTION enable_metadata_index(enabled boolean DEFAULT true) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $enable_metadata_index$
BEGIN
    IF enabled THEN
        CREATE INDEX IF NOT EXISTS execution_history_metadata_idx ON execution_history USING gin (metadata jsonb_path_ops);
        COMMENT ON INDEX execution_history_metadata_idx IS 'Executions whose metadata contain something (@>)';
    ELSE
        DROP INDEX IF EXISTS execution_history_metadata_idx;
    END IF;
END
$enable_metadata_index$;

COMMENT ON FUNCTION enable_metadata_index(boolean) IS
'Makes, or with false drops, an index for metadata @> ''{...}'', off at first: it makes writes slower. Writers wait until it is made.';

CREATE TABLE execution_payloads (
    execution_id  uuid        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    input_data    jsonb,
    output_data   jsonb,
    PRIMARY KEY (execution_id, created_at)
);
CREATE INDEX execution_payloads_created_idx ON execution_payloads USING brin (created_at);

COMMENT ON TABLE execution_payloads IS 'What went in and came out of an execution, apart from its usage so that it can be erased earlier';
COMMENT ON COLUMN execution_payloads.execution_id IS 'id of the execution';
COMMENT ON COLUMN execution_payloads.created_at IS 'created_at of the execution';
COMMENT ON COLUMN execution_payloads.input_data IS 'Input, such as the prompt';
COMMENT ON COLUMN execution_payloads.output_data IS 'Output, such as the completion';
COMMENT ON INDEX execution_payloads_pkey IS 'The payload of an execution';
COMMENT ON INDEX execution_payloads_created_idx IS 'Payloads that are older than is kept';

-- Statement triggers fire only for the table that a statement names, so the parent and every partition carry them.
CREATE FUNCTION add_history_triggers(history regclass) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $add_history_triggers$
BEGIN
    EXECUTE format($$
        CREATE TRIGGER append_deltas_of_insert AFTER INSERT ON %1$s
            REFERENCING NEW TABLE AS new_executions
            FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.append_deltas();
        CREATE TRIGGER append_deltas_of_update AFTER UPDATE ON %1$s
            REFERENCING OLD TABLE AS old_executions NEW TABLE AS new_executions
            FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.append_deltas();
        CREATE TRIGGER append_deltas_of_delete AFTER DELETE ON %1$s
            REFERENCING OLD TABLE AS old_executions
            FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.append_deltas();
        CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON %1$s
            FOR EACH STATEMENT EXECUTE FUNCTION @extschema@.refuse_truncate();
        COMMENT ON TRIGGER append_deltas_of_insert ON %1$s IS 'Tells the rollups what was added';
        COMMENT ON TRIGGER append_deltas_of_update ON %1$s IS 'Tells the rollups what was changed';
        COMMENT ON TRIGGER append_deltas_of_delete ON %1$s IS 'Tells the rollups what was removed';
        COMMENT ON TRIGGER refuse_truncate ON %1$s IS 'TRUNCATE could not tell the rollups what it removes'$$, history);
END
$add_history_triggers$;

COMMENT ON FUNCTION add_history_triggers(regclass) IS
'Puts on execution_history or one of its partitions the triggers that keep the rollups exact. Called for every partition before it is attached.';

SELECT add_history_triggers('execution_history');
