#!/usr/bin/env python3
"""Delivers the notifications of a usage_meter ledger: e-mail by SMTP, the rest by HTTP POST.

    sender.py [--ledger usage] [--smtp host:port] [--from address] [--once]

Connects as libpq does (PGHOST, PGDATABASE, ...). Any number may run at once: each claims notifications under a lease,
delivers, and acknowledges. One that dies in between delivers again when the lease is over, so delivery is at least once;
every attempt carries the same identity, as Message-ID or Idempotency-Key, by which a receiver keeps it to once.

Needs psycopg 3 (Debian: python3-psycopg).
"""

import argparse
import email.message
import email.utils
import json
import os
import select
import smtplib
import socket
import sys
import urllib.request

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

TIMEOUT_SECONDS = 30
IDLE_SECONDS = 60


def send_email(notification, options):
    payload = notification["payload"]
    message = email.message.EmailMessage()
    message["Subject"] = payload["subject"]
    message["From"] = options.sender_address
    message["To"] = notification["address"]
    message["Date"] = email.utils.localtime()
    message["Message-ID"] = f"<{notification['notification_id']}@usage-meter>"
    message.set_content(payload["text"])
    if payload.get("html"):
        message.add_alternative(payload["html"], subtype="html")
    host, _, port = options.smtp.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_SECONDS) as server:
        server.send_message(message)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook goes where its address says, or fails."""

    def redirect_request(self, *arguments):
        return None


def post(notification, options):
    address = notification["address"]
    if not address.startswith(("http://", "https://")):
        raise ValueError(f"{address} is no HTTP address")
    request = urllib.request.Request(
        address,
        data=json.dumps(notification["payload"]).encode(),
        headers={
            "Content-Type": "application/json",
            "User-Agent": "usage_meter",
            "Idempotency-Key": str(notification["notification_id"]),
        },
    )
    urllib.request.build_opener(NoRedirect).open(request, timeout=TIMEOUT_SECONDS).close()


SENDERS = {"email": send_email, "webhook": post, "slack": post, "discord": post}


def call(connection, options, function, *arguments):
    query = sql.SQL("SELECT * FROM {}({})").format(
        sql.Identifier(options.ledger, function), sql.SQL(", ").join([sql.Placeholder()] * len(arguments)))
    return connection.execute(query, arguments).fetchall()


def deliver(connection, options, notification):
    key = notification["notification_id"]
    try:
        SENDERS[notification["channel"]](notification, options)
    except Exception as error:  # whatever it is, the next notification must go out
        call(connection, options, "fail_notification", key, f"{type(error).__name__}: {error}"[:1000])
        print(f"sender: {key} to {notification['address']}: {error}", file=sys.stderr)
    else:
        call(connection, options, "acknowledge_notification", key)


def deliver_due(connection, options):
    while True:
        # one at a time: a lease begins when its delivery does
        claimed = call(connection, options, "claim_notifications", options.name, list(SENDERS), 1)
        if not claimed:
            return
        deliver(connection, options, claimed[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ledger", default="usage", help="schema of the ledger")
    parser.add_argument("--smtp", default="localhost:25", help="mail server")
    parser.add_argument("--from", dest="sender_address", default=f"usage-meter@{socket.getfqdn()}", help="sender of e-mails")
    parser.add_argument("--once", action="store_true", help="end when nothing is due")
    options = parser.parse_args()
    options.name = f"{socket.gethostname()} {os.getpid()}"

    # each statement is a transaction: a claim must be committed before its delivery
    with psycopg.connect(autocommit=True, row_factory=dict_row) as connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(options.ledger[:49] + "_notifications")))
        while True:
            deliver_due(connection, options)
            if options.once:
                return
            select.select([connection.fileno()], [], [], IDLE_SECONDS)
            # takes what has arrived off the connection
            connection.execute("SELECT")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
