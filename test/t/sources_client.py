# The five applications by psycopg: prepared statements, parameters and results in binary where the type has such a form.

import datetime
import decimal
import json
import os
import uuid

import psycopg
from psycopg.types.json import Jsonb

connection = psycopg.connect("", autocommit=True, prepare_threshold=0, cursor_factory=psycopg.Cursor)


def one(statement, *parameters):
    cursor = connection.cursor(binary=True)
    return cursor.execute(statement, parameters, prepare=True).fetchone()


now = datetime.datetime.now(datetime.timezone.utc)

execution_id, total = one(
    "INSERT INTO ai_usage_log.ai_usage_log (user_id, section, prompt_tokens, completion_tokens, response_time_ms, success, metadata, created_at)"
    " VALUES (%b, %b, %b, %b, %b, %b, %b, %b) RETURNING id, total_tokens",
    "ada", "chat", 10, 5, decimal.Decimal("812.5"), True, Jsonb({"conversation_id": "c-1"}), now)
assert isinstance(execution_id, uuid.UUID) and total == 15
print(*one("SELECT user_id, section, total_tokens FROM ai_usage_log.ai_usage_log WHERE id = %b", execution_id))

one("INSERT INTO partner_sla.api_requests (request_id, api_key_id, method, endpoint, http_status, processing_ms, created_at)"
    " VALUES (%b, %b, %b, %b, %b, %b, %b) RETURNING id", "r-1", "key-1", "POST", "/v1/videos", 202, decimal.Decimal(42), now)
partner, method, status, good = one(
    "SELECT partner_id, method, http_status, status = 'success' FROM partner_sla.api_requests WHERE request_id = %b", "r-1")
print(partner, method, status, json.dumps(good))

execution_id, = one(
    "INSERT INTO execution_history.execution_history (id, customer_id, package_id, package_name, status, input_data, output_data, input_tokens,"
    " output_tokens, duration_ms, customer_tier, model_used, created_at)"
    " VALUES (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b) RETURNING id",
    uuid.uuid4(), "acme", "ticket-resolver", "Ticket Resolver", "success", Jsonb({"ticket": 1}), Jsonb({"solved": True}), 1200, 300,
    decimal.Decimal(2500), "premium", "claude-sonnet-4-20250514", now)
package, total, cost, output = one(
    "SELECT package_id, total_tokens, cost, output_data FROM execution_history.execution_history WHERE id = %b", execution_id)
print(package, total, cost, json.dumps(output))

total, cost = one(
    "INSERT INTO api_usage.api_usage (id, project_id, provider, model, input_tokens, output_tokens, request_timestamp)"
    " VALUES (%b, %b, %b, %b, %b, %b, %b) RETURNING total_tokens, cost_usd", "call-1", "p1", "openai", "gpt-4", 1500, 500, now)
print(one("SELECT model FROM api_usage.api_usage WHERE id = %b", "call-1")[0], total, cost)

one("INSERT INTO partner_sla.video_generations (request_id, api_key_id, template_id, submitted_at)"
    " VALUES (%b, %b, %b, %b) RETURNING id", "j-1", "key-1", "fraction_addition", now)
status, minutes = one(
    "UPDATE partner_sla.video_generations SET render_success = %b, completed_at = %b WHERE request_id = %b"
    " RETURNING render_status, manifest_to_mp4_minutes", True, now + datetime.timedelta(minutes=11), "j-1")
print(status, round(minutes))

one("INSERT INTO partner_sla.api_keys (partner_id, seat_name, key_hash) VALUES (%b, %b, %b) RETURNING id", "incept", "Teacher 2", b"\xff" * 20)
seat, key_hash = one("SELECT seat_name, key_hash FROM partner_sla.api_keys WHERE seat_name = %b", "Teacher 2")
print(seat, key_hash.hex())
