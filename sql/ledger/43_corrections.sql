-- Corrections that leave a trace: soft deletion, and credits.

CREATE FUNCTION delete_execution(id uuid, reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $delete_execution$
BEGIN
    IF coalesce(reason, '') = '' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'reason for deleting an execution is missing',
            HINT = 'It is kept with the execution, for whoever asks later.';
    END IF;

    UPDATE execution_history AS e SET deleted_at = now(), deleted_reason = delete_execution.reason
    WHERE e.id = delete_execution.id AND e.deleted_at IS NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    PERFORM FROM execution_history AS e WHERE e.id = delete_execution.id;
    IF NOT FOUND THEN
        RAISE no_data_found USING
            MESSAGE = format('execution %s does not exist', delete_execution.id),
            HINT = 'It may be that of another ledger, or retention has dropped it.';
    END IF;
    RETURN false;
END
$delete_execution$;

COMMENT ON FUNCTION delete_execution(uuid, text) IS
'Takes an execution out of analytics; it stays for audit and in billed_cost, and its request_id stays recorded. Returns false if it was deleted before, and then keeps that reason. Raises P0002 for an id that does not exist, 22023 without a reason.';

CREATE FUNCTION undelete_execution(id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $undelete_execution$
BEGIN
    UPDATE execution_history AS e SET deleted_at = NULL, deleted_reason = NULL
    WHERE e.id = undelete_execution.id AND e.deleted_at IS NOT NULL;
    IF FOUND THEN
        RETURN true;
    END IF;
    PERFORM FROM execution_history AS e WHERE e.id = undelete_execution.id;
    IF NOT FOUND THEN
        RAISE no_data_found USING
            MESSAGE = format('execution %s does not exist', undelete_execution.id),
            HINT = 'It may be that of another ledger, or retention has dropped it.';
    END IF;
    RETURN false;
END
$undelete_execution$;

COMMENT ON FUNCTION undelete_execution(uuid) IS
'Brings a deleted execution back into analytics. Returns false if it was not deleted. Raises P0002 for an id that does not exist.';

-- A credit gives back what was billed, so it is a part of the executions that were billed: their credited_cost. Thus it lies
-- in their period and dimensions, follows them wherever they are moved, leaves analytics with them, and no cell can become negative.
CREATE TABLE credits (
    credit_id     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    credited_at   timestamptz NOT NULL DEFAULT now(),
    credited_by   text        NOT NULL DEFAULT current_user,
    amount        numeric     NOT NULL,
    reason        text        NOT NULL,
    execution_id  uuid,
    customer_id   text,
    since         timestamptz,
    until         timestamptz,
    executions    bigint      NOT NULL
);

COMMENT ON TABLE credits IS 'Credits that were given, one row for each call of credit()';
COMMENT ON COLUMN credits.credit_id IS 'Identity';
COMMENT ON COLUMN credits.credited_at IS 'When it was given: start of the transaction';
COMMENT ON COLUMN credits.credited_by IS 'The role that gave it';
COMMENT ON COLUMN credits.amount IS 'What was given back, in the currency of the ledger; negative if a credit was taken back';
COMMENT ON COLUMN credits.reason IS 'Why';
COMMENT ON COLUMN credits.execution_id IS 'The execution it was given for, NULL if for a customer';
COMMENT ON COLUMN credits.customer_id IS 'The customer it was given to, NULL if for an execution';
COMMENT ON COLUMN credits.since IS 'Start of the range of created_at that it was given for';
COMMENT ON COLUMN credits.until IS 'Its end, not in it';
COMMENT ON COLUMN credits.executions IS 'How many executions it was divided among';
COMMENT ON INDEX credits_pkey IS 'A credit by its identity';

CREATE FUNCTION credit(
    amount numeric, reason text, execution_id uuid DEFAULT NULL, customer_id text DEFAULT NULL,
    since timestamptz DEFAULT '-infinity', until timestamptz DEFAULT 'infinity'
) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $credit$
DECLARE
    credited  numeric;
    touched   bigint;
    credit_id bigint;
BEGIN
    IF num_nonnulls(execution_id, customer_id) <> 1 THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'a credit is for one execution or for one customer',
            HINT = 'Name execution_id, or customer_id with since and until.';
    END IF;
    IF amount IS NULL OR amount IN (0, 'NaN', 'Infinity', '-Infinity') OR coalesce(reason, '') = '' THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'amount or reason of a credit is missing',
            HINT = 'The amount is a number other than 0: negative takes a credit back. The reason is kept with it.';
    END IF;

    PERFORM @extschema@.allow_crediting('execution_history', true);
    -- all in question are locked, so that two credits at a time cannot give the same cost back twice; most expensive first,
    -- so that few are touched
    WITH billed AS MATERIALIZED (
        SELECT e.id, e.created_at,
               CASE WHEN amount > 0 THEN e.cost - coalesce(e.credited_cost, 0) ELSE e.credited_cost END AS share
        FROM execution_history AS e
        WHERE (e.id = credit.execution_id OR e.customer_id = credit.customer_id)
          AND e.created_at >= since AND e.created_at < until
          AND CASE WHEN amount > 0 THEN e.cost > coalesce(e.credited_cost, 0) ELSE e.credited_cost > 0 END
        ORDER BY e.created_at, e.id
        FOR UPDATE
    ), share AS (
        SELECT b.id, b.created_at,
               least(b.share, abs(amount) - coalesce(sum(b.share) OVER (
                   ORDER BY b.share DESC, b.created_at, b.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS part
        FROM billed AS b
    ), updated AS (
        UPDATE execution_history AS e
        SET credited_cost = nullif(coalesce(e.credited_cost, 0) + sign(amount) * s.part, 0)
        FROM share AS s
        WHERE s.part > 0 AND e.id = s.id AND e.created_at = s.created_at
        RETURNING s.part
    )
    SELECT sum(u.part), count(*) INTO credited, touched FROM updated AS u;
    PERFORM @extschema@.allow_crediting('execution_history', false);

    IF credited IS DISTINCT FROM abs(amount) THEN
        RAISE numeric_value_out_of_range USING
            MESSAGE = 'a credit is larger than what was billed',
            DETAIL = format('%s of %s can be given back or taken back.', coalesce(credited, 0), abs(amount)),
            HINT = 'A credit gives back cost of executions, each at most once, and a negative one takes back what was credited.';
    END IF;

    INSERT INTO credits AS c (amount, reason, execution_id, customer_id, since, until, executions)
    VALUES (amount, reason, execution_id, customer_id, since, until, touched)
    RETURNING c.credit_id INTO credit_id;
    RETURN credit_id;
END
$credit$;

COMMENT ON FUNCTION credit(numeric, text, uuid, text, timestamptz, timestamptz) IS
'Gives back an amount of what was billed for one execution, or for the executions of a customer created in [since, until), the most expensive first: it leaves cost and billed_cost in their period and dimensions, and each execution tells it in credited_cost. A negative amount takes a credit back. Returns the credit_id in credits. The only way to change credited_cost, but that a new price lower than what was credited takes the rest of the credit with it. For the owner of the ledger (42501). Raises 22003 for more than was billed, or credited.';
