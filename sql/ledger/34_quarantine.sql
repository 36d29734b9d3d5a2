-- Bad rows: with usage_meter.on_bad_row = 'quarantine' they are kept here, and the rest of their batch is written.

CREATE TABLE quarantine (
    quarantine_id   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    quarantined_at  timestamptz NOT NULL DEFAULT now(),
    sqlstate        text        NOT NULL,
    field           text,
    reason          text        NOT NULL,
    detail          text,
    hint            text,
    record          jsonb       NOT NULL
);
CREATE INDEX quarantine_execution_idx ON quarantine ((record ->> 'id'));

COMMENT ON TABLE quarantine IS 'Executions that were not accepted, with the reason; replay_quarantine() tries again. They count nowhere.';
COMMENT ON COLUMN quarantine.quarantine_id IS 'Identity';
COMMENT ON COLUMN quarantine.quarantined_at IS 'When it was refused: start of the transaction';
COMMENT ON COLUMN quarantine.sqlstate IS 'Code of the error that it would have been: 23514 a value that is not accepted, 23505 a request_id with another payload, class 22 a value of a wrong type';
COMMENT ON COLUMN quarantine.field IS 'The column to blame, NULL if none';
COMMENT ON COLUMN quarantine.reason IS 'Message of the error';
COMMENT ON COLUMN quarantine.detail IS 'Detail of the error';
COMMENT ON COLUMN quarantine.hint IS 'What can be done';
COMMENT ON COLUMN quarantine.record IS 'The execution as it was sent, defaults included';
COMMENT ON INDEX quarantine_pkey IS 'One row by its identity';
COMMENT ON INDEX quarantine_execution_idx IS 'What became of an execution';
