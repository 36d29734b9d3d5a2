-- Customers, known or not, and all that they used.

CREATE VIEW customer_usage WITH (security_invoker) AS
SELECT customer_id, c.name, c.partner_code, coalesce(c.is_active, true) AS is_active,
       coalesce(u.executions, 0) AS executions, coalesce(u.succeeded, 0) AS succeeded, coalesce(u.total_tokens, 0) AS total_tokens,
       coalesce(u.cost, 0) AS cost, coalesce(u.billed_cost, 0) AS billed_cost, coalesce(u.unpriced, 0) AS unpriced,
       u.first_at, u.last_at
FROM customers AS c
FULL JOIN (
    SELECT r.customer_id, total(r.executions) AS executions, total(r.succeeded) AS succeeded, total(r.total_tokens) AS total_tokens,
           total(r.cost) AS cost, total(r.billed_cost) AS billed_cost, total(r.unpriced) AS unpriced,
           min(r.starts) AS first_at, max(r.starts) AS last_at
    FROM usage_report('{customer_id}', 'day', 'all', time_zone => 'UTC') AS r
    GROUP BY r.customer_id) AS u USING (customer_id);

COMMENT ON VIEW customer_usage IS 'Every customer that is known or has used anything, with all that it used';
COMMENT ON COLUMN customer_usage.customer_id IS 'Customer (tenant)';
COMMENT ON COLUMN customer_usage.name IS 'Name for people; NULL if the customer is not known';
COMMENT ON COLUMN customer_usage.partner_code IS 'Short name of a partner';
COMMENT ON COLUMN customer_usage.is_active IS 'Is it served? true if it is not known';
COMMENT ON COLUMN customer_usage.executions IS 'Executions that are not deleted, open ones included';
COMMENT ON COLUMN customer_usage.succeeded IS 'Executions with status success';
COMMENT ON COLUMN customer_usage.total_tokens IS 'Tokens of all kinds';
COMMENT ON COLUMN customer_usage.cost IS 'Exact cost in the currency of the ledger';
COMMENT ON COLUMN customer_usage.billed_cost IS 'Cost that stays billed: deleting an execution does not reduce it';
COMMENT ON COLUMN customer_usage.unpriced IS 'Executions whose cost is unknown and not in cost';
COMMENT ON COLUMN customer_usage.first_at IS 'UTC day of the first execution';
COMMENT ON COLUMN customer_usage.last_at IS 'UTC day of the last';
