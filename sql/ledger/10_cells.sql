-- A cell: what a number of executions add up to. usage_deltas, usage_cubes and every read of usage are made of cells,
-- so the dimensions and the measures of this ledger are named here and nowhere else.

CREATE TYPE usage_cell AS (
    -- when: start of the quarter hour (or, in a cube of hours or days, of the UTC hour or day) of created_at
    bucket              timestamptz,
    -- dimensions: '' where the execution names none; compared by bytes
    customer_id         text COLLATE "C",
    project_id          text COLLATE "C",
    package_id          text COLLATE "C",
    section             text COLLATE "C",
    provider            text COLLATE "C",
    model               text COLLATE "C",
    environment         text COLLATE "C",
    customer_tier       text COLLATE "C",
    user_id             text COLLATE "C",
    api_key_id          text COLLATE "C",
    -- measures: all signed, all sums; NULL where there is nothing
    executions          bigint,
    succeeded           bigint,
    failed              bigint,
    timed_out           bigint,
    cancelled           bigint,
    open                bigint,
    unpriced            bigint,
    unreported          bigint,
    estimated           bigint,
    byok                bigint,
    input_tokens        bigint,
    cache_read_tokens   bigint,
    cache_write_tokens  bigint,
    output_tokens       bigint,
    reasoning_tokens    bigint,
    cost                numeric,
    billed_cost         numeric,
    shadow_cost         numeric,
    duration_us         bigint,
    queue_time_us       bigint,
    duration_sketch     quantile_sketch,
    queue_time_sketch   quantile_sketch
);

COMMENT ON TYPE usage_cell IS 'What a number of executions of one time bucket and one combination of dimensions add up to. All measures are signed sums: a correction is a cell with negative measures. NULL is zero.';
COMMENT ON COLUMN usage_cell.bucket IS 'Start of the quarter hour (or UTC hour or day) in which the executions were created';
COMMENT ON COLUMN usage_cell.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN usage_cell.project_id IS 'Project, '''' if none';
COMMENT ON COLUMN usage_cell.package_id IS 'Package, '''' if none';
COMMENT ON COLUMN usage_cell.section IS 'Section (feature of the application), '''' if none';
COMMENT ON COLUMN usage_cell.provider IS 'Provider, '''' if none';
COMMENT ON COLUMN usage_cell.model IS 'Model, '''' if none';
COMMENT ON COLUMN usage_cell.environment IS 'Environment, such as production or sandbox';
COMMENT ON COLUMN usage_cell.customer_tier IS 'Tier of the customer at that time, '''' if none';
COMMENT ON COLUMN usage_cell.user_id IS 'User, '''' if none';
COMMENT ON COLUMN usage_cell.api_key_id IS 'API key (seat), '''' if none';
COMMENT ON COLUMN usage_cell.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN usage_cell.succeeded IS 'Executions with status success';
COMMENT ON COLUMN usage_cell.failed IS 'Executions with status failed';
COMMENT ON COLUMN usage_cell.timed_out IS 'Executions with status timeout';
COMMENT ON COLUMN usage_cell.cancelled IS 'Executions with status cancelled';
COMMENT ON COLUMN usage_cell.open IS 'Executions with status pending or running';
COMMENT ON COLUMN usage_cell.unpriced IS 'Finished executions for which no price was known: their cost is not in cost';
COMMENT ON COLUMN usage_cell.unreported IS 'Finished executions without any token count';
COMMENT ON COLUMN usage_cell.estimated IS 'Executions whose token counts are estimates';
COMMENT ON COLUMN usage_cell.byok IS 'Executions paid with the customer''s own key at the provider';
COMMENT ON COLUMN usage_cell.input_tokens IS 'Uncached input tokens';
COMMENT ON COLUMN usage_cell.cache_read_tokens IS 'Input tokens read from a cache';
COMMENT ON COLUMN usage_cell.cache_write_tokens IS 'Input tokens written to a cache';
COMMENT ON COLUMN usage_cell.output_tokens IS 'Output tokens, reasoning included';
COMMENT ON COLUMN usage_cell.reasoning_tokens IS 'Reasoning tokens, a part of output_tokens';
COMMENT ON COLUMN usage_cell.cost IS 'Cost of the executions that are not deleted, less credits, in the currency of the ledger';
COMMENT ON COLUMN usage_cell.billed_cost IS 'Cost that stays billed: deleting an execution does not reduce it, only a credit does';
COMMENT ON COLUMN usage_cell.shadow_cost IS 'What executions with the customer''s own key would have cost';
COMMENT ON COLUMN usage_cell.duration_us IS 'Sum of durations in microseconds';
COMMENT ON COLUMN usage_cell.queue_time_us IS 'Sum of queue times in microseconds';
COMMENT ON COLUMN usage_cell.duration_sketch IS 'Distribution of durations in milliseconds; its count is the number of executions that have one';
COMMENT ON COLUMN usage_cell.queue_time_sketch IS 'Distribution of queue times in milliseconds';

CREATE TABLE ledger (
    only_row           boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    version            text        NOT NULL,
    currency           text        NOT NULL DEFAULT 'USD',
    max_page           integer     NOT NULL DEFAULT 500 CHECK (max_page BETWEEN 1 AND 1000),
    made_at            timestamptz NOT NULL DEFAULT now(),
    partition_step     text        NOT NULL DEFAULT 'month' CHECK (partition_step IN ('month', 'week', 'day')),
    partition_manager  text        NOT NULL DEFAULT 'usage_meter' CHECK (partition_manager IN ('usage_meter', 'pg_partman')),
    request_retention  interval    NOT NULL DEFAULT '90 days'
);

COMMENT ON TABLE ledger IS 'One row: what this ledger is';
COMMENT ON COLUMN ledger.only_row IS 'Always true: there is one row';
COMMENT ON COLUMN ledger.version IS 'Version of usage_meter whose ledger this is';
COMMENT ON COLUMN ledger.currency IS 'The one currency of all its prices and costs';
COMMENT ON COLUMN ledger.max_page IS 'Rows that a page of executions has at most, up to 1,000';
COMMENT ON COLUMN ledger.made_at IS 'When the ledger was made';
COMMENT ON COLUMN ledger.partition_step IS 'How long a partition of execution_history that is made from now on is: month, week or day';
COMMENT ON COLUMN ledger.partition_manager IS 'What makes partitions ahead: usage_meter or pg_partman';
COMMENT ON COLUMN ledger.request_retention IS 'How long a request_id is remembered: a repetition that comes later is a new execution';
COMMENT ON INDEX ledger_pkey IS 'Keeps it at one row';

INSERT INTO ledger (version)
SELECT extversion FROM pg_extension WHERE extname = 'usage_meter';
