-- Admission: hard budgets that hold. A call reserves what it may use before it is made; reserve() admits it only if what
-- is spent, what others have reserved and its own amount are within every hard budget together. The execution that is
-- recorded with the reservation_id takes the place of the reservation, in one transaction, so that a snapshot shows
-- one of the two, never both and never neither.
--
-- One row of budget_admission per budget (and subject) is the lock. Whoever admits has it by UPDATE until he commits, and takes
-- several in the order of their ids. It holds an upper bound of what is spent and reserved: as it was at the last look,
-- plus what was reserved since. Nothing else can raise it: a settled reservation costs at most what it reserved. So the
-- exact query runs only when the bound would pass the amount, when a second has passed (for executions that never
-- reserved, or came to more than they had), or when a new period begins.
--
-- Why it holds. READ COMMITTED: the look is a statement after the UPDATE, so its snapshot is taken under the lock and shows
-- all that earlier holders committed. REPEATABLE READ: the UPDATE fails with 40001 if anybody was admitted after our snapshot,
-- and a snapshot of more than a second ago is refused. Reservations count as long as their row is there, whichever
-- period they were made in, since nobody knows in which one the execution will fall; one that has expired counts until it
-- is removed, and it is not removed while a transaction that settles it is open.
--
-- The lock is given up when the commit is written, before it is on disk, but nobody is told that he is admitted before it
-- is: see src/ledger/early_release.c.

CREATE TABLE budget_admission (
    budget_id    bigint       NOT NULL REFERENCES budgets ON DELETE CASCADE,
    subject      jsonb        NOT NULL,
    bound        numeric      NOT NULL,
    valid_until  timestamptz  NOT NULL,
    PRIMARY KEY (budget_id, subject)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

COMMENT ON TABLE budget_admission IS 'One row per hard budget and subject: what reserve() locks';
COMMENT ON COLUMN budget_admission.budget_id IS 'The budget';
COMMENT ON COLUMN budget_admission.subject IS 'Values of the dimensions per of the budget, {} if it has none';
COMMENT ON COLUMN budget_admission.bound IS 'At least what is spent and reserved, in the measure of the budget';
COMMENT ON COLUMN budget_admission.valid_until IS 'When the bound is too old to be trusted: a second after the exact look, or the end of the period';
COMMENT ON INDEX budget_admission_pkey IS 'The lock of a budget and subject';

-- No foreign key: checking it would lock the row of a hot budget for every reservation.
CREATE TABLE reservations (
    reservation_id  uuid         NOT NULL,
    budget_id       bigint       NOT NULL,
    subject         jsonb        NOT NULL,
    amount          numeric      NOT NULL,
    expires_at      timestamptz  NOT NULL,
    PRIMARY KEY (reservation_id, budget_id)
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

CREATE INDEX reservations_budget_idx ON reservations (budget_id);

COMMENT ON TABLE reservations IS 'What calls may still use: one row per reservation and budget, until the execution is recorded, the reservation released, or it expires';
COMMENT ON COLUMN reservations.reservation_id IS 'What reserve() returned; the execution names it in its reservation_id';
COMMENT ON COLUMN reservations.budget_id IS 'A budget that covers the call';
COMMENT ON COLUMN reservations.subject IS 'Values of the dimensions per of the budget, {} if it has none';
COMMENT ON COLUMN reservations.amount IS 'How much is reserved, in the measure of the budget';
COMMENT ON COLUMN reservations.expires_at IS 'When it may be removed';
COMMENT ON INDEX reservations_pkey IS 'The rows of a reservation';
COMMENT ON INDEX reservations_budget_idx IS 'What is reserved of a budget';

CREATE TYPE admission AS (
    allowed         boolean,
    reservation_id  uuid,
    budget          text,
    scope           jsonb,
    measure         text,
    requested       numeric,
    spent           numeric,
    reserved        numeric,
    amount          numeric,
    resets_at       timestamptz,
    reason          text
);

COMMENT ON TYPE admission IS 'Answer of reserve()';
COMMENT ON COLUMN admission.allowed IS 'May the call be made?';
COMMENT ON COLUMN admission.reservation_id IS 'Identity of the reservation; NULL if it is denied';
COMMENT ON COLUMN admission.budget IS 'Name of the budget that denies it; NULL if it is allowed, as all that follows';
COMMENT ON COLUMN admission.scope IS 'Scope of that budget, with the subject that it was applied to';
COMMENT ON COLUMN admission.measure IS 'What it limits';
COMMENT ON COLUMN admission.requested IS 'What the call asked for, in that measure; NULL if nobody knows';
COMMENT ON COLUMN admission.spent IS 'What is spent in the period';
COMMENT ON COLUMN admission.reserved IS 'What other calls have reserved';
COMMENT ON COLUMN admission.amount IS 'The amount of the budget';
COMMENT ON COLUMN admission.resets_at IS 'When its next period begins; NULL if none does';
COMMENT ON COLUMN admission.reason IS 'The same as a sentence';

CREATE FUNCTION distrust_admission() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $distrust_admission$
BEGIN
    UPDATE budget_admission SET valid_until = '-infinity' WHERE budget_id = NEW.budget_id;
    RETURN NULL;
END
$distrust_admission$;

COMMENT ON FUNCTION distrust_admission() IS 'The next reserve() looks anew, at the budget as it is then';

CREATE TRIGGER distrust_admission AFTER UPDATE ON budgets
    FOR EACH ROW EXECUTE FUNCTION distrust_admission();
COMMENT ON TRIGGER distrust_admission ON budgets IS 'A budget that has changed must be looked at again before anybody is admitted';

CREATE FUNCTION budget_standing(budget_id bigint, subject jsonb, at timestamptz)
RETURNS TABLE (budget text, scope jsonb, measure text, amount numeric, ends timestamptz, spent numeric, reserved numeric)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT b.name, b.scope || budget_standing.subject, b.measure, b.amount, period.ends, used.spent,
           (SELECT coalesce(trim_scale(sum(r.amount)), 0) FROM reservations AS r WHERE (r.budget_id, r.subject) = (b.budget_id, budget_standing.subject))
    FROM budgets AS b
    CROSS JOIN LATERAL budget_period(b.period, b.anchor, b.length, b.starts_at, b.ends_at, b.time_zone, at) AS period
    CROSS JOIN LATERAL budget_spent(b.measure, period.starts, period.ends, b.scope || budget_standing.subject) AS used
    WHERE b.budget_id = budget_standing.budget_id AND b.is_active AND b.is_hard AND b.amount IS NOT NULL
      AND at >= period.starts AND at < period.ends;
END;

COMMENT ON FUNCTION budget_standing(bigint, jsonb, timestamptz) IS
'What is spent and reserved of a hard budget in the period that holds an instant, in one snapshot. No row if it is not enforced then: not any more, or because the instant lies outside its range.';

CREATE FUNCTION expire_reservations(budget_ids bigint[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $expire_reservations$
DECLARE
    expired bigint;
BEGIN
    DELETE FROM reservations WHERE ctid = ANY (ARRAY(
        SELECT r.ctid FROM reservations AS r
        WHERE r.budget_id = ANY (budget_ids) AND r.expires_at <= clock_timestamp()
        FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS expired = ROW_COUNT;
    RETURN expired;
END
$expire_reservations$;

COMMENT ON FUNCTION expire_reservations(bigint[]) IS
'Removes the reservations of these budgets that have expired, and returns how many rows there were. One that is being settled stays until that is committed.';

-- Never waits: who else holds the row removes it because it has expired, or ends it too.
CREATE FUNCTION settle(reservation_id uuid, is_open boolean DEFAULT false) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $settle$
BEGIN
    DELETE FROM reservations WHERE ctid = ANY (ARRAY(
        SELECT r.ctid FROM reservations AS r
        WHERE r.reservation_id = settle.reservation_id
          AND (NOT is_open OR EXISTS (SELECT FROM budgets AS b WHERE b.budget_id = r.budget_id AND b.measure = 'executions'))
        FOR UPDATE OF r SKIP LOCKED));
    RETURN FOUND;
END
$settle$;

COMMENT ON FUNCTION settle(uuid, boolean) IS
'Ends a reservation because its execution is recorded in the same transaction; while that is_open, only what was reserved of budgets of executions, which count it already. An INSERT or UPDATE of execution_history that has a reservation_id does it by itself. Returns whether there was anything left to end: a reservation that has expired, or that concerns no budget, leaves nothing. Runs with the rights of the ledger''s owner.';

CREATE FUNCTION look_at_budget(budget_id bigint, subject jsonb, requested numeric, on_unpriced text) RETURNS admission
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $look_at_budget$
#variable_conflict use_variable
DECLARE
    has_fixed_snapshot boolean := current_setting('transaction_isolation') IN ('repeatable read', 'serializable');
    looked_at          timestamptz := CASE WHEN has_fixed_snapshot THEN now() ELSE clock_timestamp() END;
    standing           record;
    answer             admission;
BEGIN
    IF looked_at < clock_timestamp() - interval '1 second' THEN
        RAISE serialization_failure USING
            MESSAGE = 'could not serialize access to a budget',
            DETAIL = 'The snapshot of this transaction may be older than a second, and does not show what was spent since.',
            HINT = 'The transaction might succeed if retried. Call reserve() first, or in READ COMMITTED.';
    END IF;

    PERFORM expire_reservations(ARRAY[budget_id]);
    SELECT * INTO standing FROM budget_standing(budget_id, subject, looked_at);
    IF NOT FOUND THEN
        answer.allowed := true;
        RETURN answer;
    END IF;
    answer.allowed := standing.spent + standing.reserved <= standing.amount AND (requested IS NOT NULL OR on_unpriced = 'allow');
    UPDATE budget_admission AS a
    SET bound = standing.spent + standing.reserved - CASE WHEN answer.allowed THEN 0 ELSE coalesce(requested, 0) END,
        valid_until = least(looked_at + interval '1 second', standing.ends)
    WHERE (a.budget_id, a.subject) = (budget_id, subject);
    IF NOT answer.allowed THEN
        answer.budget    := standing.budget;
        answer.scope     := standing.scope;
        answer.measure   := standing.measure;
        answer.requested := requested;
        answer.spent     := standing.spent;
        answer.reserved  := trim_scale(standing.reserved - coalesce(requested, 0));
        answer.amount    := standing.amount;
        answer.resets_at := nullif(standing.ends, 'infinity');
        answer.reason    := concat(
            format('budget "%s" of %s %s for %s has %s spent and %s reserved; ',
                   standing.budget, standing.amount, standing.measure, standing.scope, standing.spent, answer.reserved),
            coalesce('asked for are ' || requested, 'what is asked for is not known'),
            '; it resets at ' || answer.resets_at);
    END IF;
    RETURN answer;
END
$look_at_budget$;

COMMENT ON FUNCTION look_at_budget(bigint, jsonb, numeric, text) IS
'Decides by the exact query whether a hard budget, whose row of budget_admission the caller has locked, admits the reservation that the caller has already made, and notes what it found. Part of reserve(). Raises 40001 in a transaction with a snapshot of more than a second ago.';

CREATE FUNCTION reserve(
    customer_id text, project_id text DEFAULT NULL, package_id text DEFAULT NULL, section text DEFAULT NULL,
    user_id text DEFAULT NULL, api_key_id text DEFAULT NULL, environment text DEFAULT 'production', customer_tier text DEFAULT NULL,
    provider text DEFAULT NULL, model text DEFAULT NULL,
    cost numeric DEFAULT NULL, input_tokens bigint DEFAULT NULL, output_tokens bigint DEFAULT NULL, ttl interval DEFAULT '10 minutes',
    cache_read_tokens bigint DEFAULT NULL, cache_write_tokens bigint DEFAULT NULL, service_tier text DEFAULT NULL, region text DEFAULT NULL,
    byok boolean DEFAULT false)
RETURNS admission
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $reserve$
#variable_conflict use_variable
DECLARE
    call      jsonb := jsonb_build_object(
                  'customer_id', customer_id, 'project_id', project_id, 'package_id', package_id, 'section', section,
                  'user_id', user_id, 'api_key_id', api_key_id, 'environment', environment, 'customer_tier', customer_tier,
                  'provider', provider, 'model', model);
    tokens    bigint := CASE WHEN num_nonnulls(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens) > 0
                  THEN coalesce(input_tokens, 0) + coalesce(output_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0) END;
    id        uuid := @extschema@.uuid_v7();
    share     record;
    held      budget_admission;
    answer    admission;
BEGIN
    IF customer_id IS NULL OR ttl IS NULL OR ttl <= interval '0' OR cost < 0 OR cost >= 'Infinity'
       OR least(input_tokens, output_tokens, cache_read_tokens, cache_write_tokens) < 0
    THEN
        RAISE invalid_parameter_value USING
            MESSAGE = 'a reservation has no customer, a negative or infinite amount, or no time to live',
            HINT = 'Use null for an amount that is not known.';
    END IF;
    IF pg_current_xact_id_if_assigned() IS NOT NULL THEN
        RAISE WARNING USING
            MESSAGE = 'reserve() in a transaction that has already written',
            HINT = 'All that share a budget wait until it commits, and it may deadlock with them. Commit before, and after.';
    END IF;

    PERFORM @extschema@.release_locks_early();

    IF byok THEN
        cost := 0;
    ELSIF cost IS NULL AND tokens IS NOT NULL THEN
        cost := execution_cost(provider, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
                               customer_id => customer_id, customer_tier => customer_tier, service_tier => service_tier, region => region);
    END IF;

    FOR share IN
        SELECT b.budget_id, b.amount, b.is_hard AND b.amount IS NOT NULL AS is_enforced, b.on_unpriced,
               CASE WHEN b.per = '{}' THEN '{}' ELSE (
                   SELECT jsonb_object_agg(dimension, coalesce(call ->> dimension, '')) FROM unnest(b.per) AS dimension) END AS subject,
               CASE b.measure WHEN 'cost' THEN cost WHEN 'tokens' THEN tokens ELSE 1 END AS requested
        FROM budgets AS b
        WHERE b.scope_key = ANY (ARRAY['', 'customer_id=' || customer_id, 'project_id=' || project_id, 'package_id=' || package_id,
                                       'section=' || section, 'user_id=' || user_id, 'api_key_id=' || api_key_id,
                                       'environment=' || environment, 'customer_tier=' || customer_tier,
                                       'provider=' || provider, 'model=' || model])
          AND b.is_active AND @extschema@.scope_covers(b.scope, call)
        ORDER BY b.budget_id
    LOOP
        INSERT INTO reservations (reservation_id, budget_id, subject, amount, expires_at)
        VALUES (id, share.budget_id, share.subject, coalesce(share.requested, 0), clock_timestamp() + ttl);
        CONTINUE WHEN NOT share.is_enforced;

        LOOP
            UPDATE budget_admission AS a SET bound = a.bound + coalesce(share.requested, 0)
            WHERE (a.budget_id, a.subject) = (share.budget_id, share.subject)
            RETURNING * INTO held;
            EXIT WHEN FOUND;
            INSERT INTO budget_admission AS a VALUES (share.budget_id, share.subject, 0, '-infinity') ON CONFLICT DO NOTHING;
        END LOOP;
        -- a bound from the future was made by a clock that has been put back
        IF held.bound > share.amount OR share.requested IS NULL
           OR held.valid_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 second'
        THEN
            answer := look_at_budget(share.budget_id, share.subject, share.requested, share.on_unpriced);
            IF NOT answer.allowed THEN
                PERFORM settle(id);
                RETURN answer;
            END IF;
        END IF;
    END LOOP;

    answer.allowed := true;
    answer.reservation_id := id;
    RETURN answer;
END
$reserve$;

COMMENT ON FUNCTION reserve(text, text, text, text, text, text, text, text, text, text, numeric, bigint, bigint, interval, bigint, bigint, text, text, boolean) IS
'Asks whether a call that may use so many tokens and cost so much (unless given, what the price book says; NULL is not known) is within every hard budget that covers it, and if so keeps that amount for it until its execution is recorded with this reservation_id, it is released, or ttl has passed. Denials name the budget. With byok, the customer''s own key, the cost is 0. Commit at once: others who share a budget wait for it; its locks are released early (release_locks_early()), what the transaction writes is durable when the client is told of the commit. Warns in a transaction that has already written. Raises 40001 in REPEATABLE READ when others were admitted meanwhile: try again. Runs with the rights of the ledger''s owner, since a budget may cover more than the caller may see.';

CREATE FUNCTION release(reservation_id uuid) RETURNS boolean
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT settle(release.reservation_id);
END;

COMMENT ON FUNCTION release(uuid) IS 'Gives a reservation back because the call was not made. Returns whether there was one left to give back.';

CREATE FUNCTION settle_reservation() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path FROM CURRENT
AS $settle_reservation$
BEGIN
    PERFORM settle(NEW.reservation_id, NEW.status IN ('pending', 'running'));
    RETURN NULL;
END
$settle_reservation$;

COMMENT ON FUNCTION settle_reservation() IS
'The execution is recorded, so its reservation ends. Runs with the rights of the ledger''s owner, since a writer need only be able to INSERT.';

CREATE TRIGGER settle_reservation AFTER INSERT OR UPDATE ON execution_history
    FOR EACH ROW WHEN (NEW.reservation_id IS NOT NULL) EXECUTE FUNCTION settle_reservation();
COMMENT ON TRIGGER settle_reservation ON execution_history IS 'What was reserved for the execution is now spent';

REVOKE EXECUTE ON FUNCTION reserve(text, text, text, text, text, text, text, text, text, text, numeric, bigint, bigint, interval, bigint, bigint, text, text, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION settle(uuid, boolean) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION settle_reservation() FROM PUBLIC;
