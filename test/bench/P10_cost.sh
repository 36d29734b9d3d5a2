#!/usr/bin/env bash
#
# P10: the cost of calls from the price book. Baseline: the same by joining the
# price tables in SQL, with periods of validity and overrides for a customer. And
# the import of the LiteLLM price map, where there is one.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$((USAGE_METER_BENCH_COPY / 5))

say "P10: cost of $(thousands "$rows") calls"
query >/dev/null <<-EOF
	SELECT bench.create_ledger('priced');
	SELECT setseed(0.5);
	CREATE UNLOGGED TABLE bench.calls AS SELECT * FROM bench.traffic($rows, 1000, 30);
	VACUUM (FREEZE, ANALYZE) bench.calls;
	ANALYZE priced.prices, priced.price_rates;
EOF

joined="SELECT sum(cost) FROM (
	SELECT (SELECT sum(r.price * CASE r.unit WHEN 'input_tokens' THEN c.input_tokens WHEN 'output_tokens' THEN c.output_tokens END)
	        FROM priced.price_rates AS r
	        WHERE r.price_id = (
	            SELECT p.price_id FROM priced.prices AS p
	            WHERE p.provider = c.provider AND p.model = c.model AND p.valid_from <= c.created_at AND p.valid_to > c.created_at
	              AND p.customer_id IN ('', c.customer_id)
	            ORDER BY p.customer_id <> '' DESC LIMIT 1)) AS cost
	FROM bench.calls AS c) AS calls"
plain="SELECT sum(r.price * CASE r.unit WHEN 'input_tokens' THEN c.input_tokens WHEN 'output_tokens' THEN c.output_tokens END)
	FROM bench.calls AS c
	JOIN priced.prices AS p ON p.provider = c.provider AND p.model = c.model AND p.valid_from <= c.created_at AND p.valid_to > c.created_at
	JOIN priced.price_rates AS r USING (price_id)"
book="SELECT sum(priced.execution_cost(provider, model, input_tokens, output_tokens, at => created_at, customer_id => customer_id)) FROM bench.calls"

[[ $(query -c "$joined") == $(query -c "$book") && $(query -c "$plain") == $(query -c "$book") ]] ||
	note "P10: the book and the join do not agree."

for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure cost_scan 'SELECT sum(input_tokens) FROM bench.calls'
	measure cost_joined "$joined"
	measure cost_plain "$plain"
	measure cost_book "$book"
done

report P10 "cost of $(thousands "$rows") calls from the price book / by joining price tables, CPU" ms \
	"$(median cost_joined cpu)" "$(median cost_book cpu)" '<=' 0.2
report P10 "  / by a join that knows no overrides, CPU" ms "$(median cost_plain cpu)" "$(median cost_book cpu)"
report P10 "  of which reading the calls" ms - "$(median cost_scan cpu)"
query -c 'DROP TABLE bench.calls' -c 'DROP SCHEMA priced CASCADE'

map=${USAGE_METER_FACTS:-${BASH_SOURCE[0]%/*}/../../../shared/facts}/litellm_prices.json
if [[ -s $map ]]; then
	query >/dev/null <<-EOF
		\\set map \`cat '$map'\`
		CREATE TABLE bench.map AS SELECT :'map'::jsonb AS map;
	EOF
	import="SELECT imported.import_prices(map, '2026-08-01') FROM bench.map"
	for ((round = 1; round <= $(long_rounds); round++)); do
		query -c "SELECT bench.create_ledger('imported')" >/dev/null
		measure import "$import"
		measure import_again "$import"
		query -c 'DROP SCHEMA imported CASCADE'
	done
	models=$(query -c "SELECT count(*) FROM bench.map, jsonb_path_query(map, '$.*.litellm_provider')")
	report P10 "import of a price map of $(thousands "$models") models" ms - "$(median import)" '<=' 5000
	report P10 "  of the same map again" ms - "$(median import_again)" '<=' 5000
	query -c 'DROP TABLE bench.map'
else
	note "P10: there is no LiteLLM price map to import."
fi
