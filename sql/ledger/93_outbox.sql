-- The outbox: notifications wait here for a sender outside the database, which claims, delivers and acknowledges them. A
-- sender that dies after it has delivered and before it has acknowledged delivers again: delivery is at least once, and
-- notification_id, the same each time, tells the receiver so.

CREATE TABLE notifications (
    notification_id  uuid         PRIMARY KEY DEFAULT uuid_v7(),
    channel          text         NOT NULL,
    address          text         NOT NULL,
    payload          jsonb        NOT NULL,
    created_at       timestamptz  NOT NULL DEFAULT now(),
    due_at           timestamptz  NOT NULL DEFAULT now(),
    attempts         integer      NOT NULL DEFAULT 0,
    attempts_max     integer      NOT NULL DEFAULT 10,
    claimed_by       text,
    sent_at          timestamptz,
    given_up_at      timestamptz,
    last_error       text,
    CONSTRAINT notifications_channel_known CHECK (channel IN ('email', 'webhook', 'slack', 'discord', 'notify'))
);

CREATE INDEX notifications_due_idx ON notifications (due_at) WHERE sent_at IS NULL AND given_up_at IS NULL;

COMMENT ON TABLE notifications IS 'What people and systems are to be told, and whether they have been';
COMMENT ON COLUMN notifications.notification_id IS 'Identity, and the idempotency key of the delivery: Message-ID of an e-mail, Idempotency-Key of a webhook';
COMMENT ON COLUMN notifications.channel IS 'email, webhook, slack, discord or notify';
COMMENT ON COLUMN notifications.address IS 'E-mail address, URL, or channel of NOTIFY';
COMMENT ON COLUMN notifications.payload IS 'What to deliver: subject, text and html of an e-mail, else the body of the request';
COMMENT ON COLUMN notifications.created_at IS 'When it was put here';
COMMENT ON COLUMN notifications.due_at IS 'When it may be claimed; a claim moves it ahead, so that another sender takes over where one has died';
COMMENT ON COLUMN notifications.attempts IS 'How often it was claimed';
COMMENT ON COLUMN notifications.attempts_max IS 'After how many attempts it becomes a dead letter, whether they failed or were never heard of again';
COMMENT ON COLUMN notifications.claimed_by IS 'Who claimed it last';
COMMENT ON COLUMN notifications.sent_at IS 'When its delivery was acknowledged';
COMMENT ON COLUMN notifications.given_up_at IS 'When it became a dead letter; retry_notification() gives it another chance';
COMMENT ON COLUMN notifications.last_error IS 'Why the last attempt failed';
COMMENT ON INDEX notifications_pkey IS 'A notification by its identity';
COMMENT ON INDEX notifications_due_idx IS 'What is still to be delivered';

CREATE FUNCTION announce_notifications() RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $announce_notifications$
BEGIN
    IF EXISTS (SELECT FROM new_notifications) THEN
        PERFORM pg_notify(left(TG_TABLE_SCHEMA, 49) || '_notifications', '');
    END IF;
    RETURN NULL;
END
$announce_notifications$;

COMMENT ON FUNCTION announce_notifications() IS 'Wakes senders that LISTEN to SCHEMA_notifications, once per transaction';

CREATE TRIGGER announce_notifications AFTER INSERT ON notifications
    REFERENCING NEW TABLE AS new_notifications
    FOR EACH STATEMENT EXECUTE FUNCTION announce_notifications();
COMMENT ON TRIGGER announce_notifications ON notifications IS 'Wakes senders';

CREATE FUNCTION claim_notifications(
    sender text, channels text[] DEFAULT '{email,webhook,slack,discord}', count integer DEFAULT 10, lease interval DEFAULT '5 minutes')
RETURNS SETOF notifications
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $claim_notifications$
#variable_conflict use_variable
BEGIN
    UPDATE notifications AS n SET given_up_at = clock_timestamp(), last_error = 'claimed and never heard of again'
    WHERE n.notification_id IN (
        SELECT due.notification_id FROM notifications AS due
        WHERE due.due_at <= clock_timestamp() AND due.sent_at IS NULL AND due.given_up_at IS NULL AND due.channel = ANY (channels)
          AND due.attempts >= due.attempts_max
        FOR UPDATE SKIP LOCKED);

    RETURN QUERY
    UPDATE notifications AS n SET attempts = n.attempts + 1, claimed_by = sender, due_at = clock_timestamp() + lease
    WHERE n.notification_id IN (
        SELECT due.notification_id FROM notifications AS due
        WHERE due.due_at <= clock_timestamp() AND due.sent_at IS NULL AND due.given_up_at IS NULL AND due.channel = ANY (channels)
          AND due.attempts < due.attempts_max
        ORDER BY due.due_at
        LIMIT count
        FOR UPDATE SKIP LOCKED)
    RETURNING n.*;
END
$claim_notifications$;

COMMENT ON FUNCTION claim_notifications(text, text[], integer, interval) IS
'Hands out notifications that are due, each to one sender for the time of the lease; several senders may call it at once. Commit, deliver, then call acknowledge_notification() or fail_notification(); what is neither is due again after the lease, and a dead letter once that has happened attempts_max times.';

CREATE FUNCTION acknowledge_notification(notification_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $acknowledge_notification$
BEGIN
    UPDATE notifications AS n SET sent_at = clock_timestamp(), last_error = NULL
    WHERE n.notification_id = acknowledge_notification.notification_id AND n.sent_at IS NULL;
    RETURN FOUND;
END
$acknowledge_notification$;

COMMENT ON FUNCTION acknowledge_notification(uuid) IS 'Notes that a notification was delivered. Returns false if that was noted before, or there is no such.';

CREATE FUNCTION fail_notification(notification_id uuid, error text) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $fail_notification$
DECLARE
    due timestamptz;
BEGIN
    UPDATE notifications AS n SET
        last_error = error,
        due_at = clock_timestamp() + least(interval '1 minute' * 2 ^ (n.attempts - 1), interval '6 hours'),
        given_up_at = CASE WHEN n.attempts >= n.attempts_max THEN clock_timestamp() END
    WHERE n.notification_id = fail_notification.notification_id AND n.sent_at IS NULL
    RETURNING CASE WHEN n.given_up_at IS NULL THEN n.due_at END INTO due;
    RETURN due;
END
$fail_notification$;

COMMENT ON FUNCTION fail_notification(uuid, text) IS
'Notes that a delivery failed and returns when it is due again: after 1, 2, 4, … minutes, at most 6 hours. After attempts_max attempts it is a dead letter, and NULL is returned.';

CREATE FUNCTION retry_notification(notification_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path FROM CURRENT
AS $retry_notification$
BEGIN
    UPDATE notifications AS n SET given_up_at = NULL, attempts = 0, due_at = clock_timestamp()
    WHERE n.notification_id = retry_notification.notification_id AND n.sent_at IS NULL;
    RETURN FOUND;
END
$retry_notification$;

COMMENT ON FUNCTION retry_notification(uuid) IS 'Makes a notification that was not delivered due at once, dead letters too. Returns whether there was one.';
