#!/usr/bin/env bash
#
# P11: 16 sessions that reserve and settle on one hot hard budget; a pair of the two,
# each a transaction of its own, counts once. Baseline: the same sessions with a bare
# UPDATE ... RETURNING of one hot row. With fsync, as a server is run: what a hot row
# costs is the wait for the commit of whoever has it. Without, CPU alone is compared.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

clients=16
seconds=$USAGE_METER_BENCH_SECONDS

cat >bare.pgbench <<-'EOF'
	UPDATE bench.hot SET spent = spent + 0.01 WHERE id = 1 RETURNING spent;
EOF
cat >admission.pgbench <<-'EOF'
	SELECT reservation_id FROM usage.reserve('hot', cost => 0.01) \gset
	SELECT usage.settle(:reservation_id);
EOF
# What is recorded is spent, so this budget comes to its end.
cat >spending.pgbench <<-'EOF'
	SELECT allowed::integer AS allowed, reservation_id FROM usage.reserve('spender', cost => 0.01) \gset
	\if :allowed
	INSERT INTO usage.execution_history (customer_id, cost, reservation_id) VALUES ('spender', 0.01, :reservation_id);
	\endif
EOF

run_for_a_while() { # SCRIPT
	pgbench -n -M prepared -c "$clients" -j 2 -T "$seconds" -f "$1.pgbench" bench 2>"$1.err" |
		sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

say "P11: $clients sessions on one hot budget, $USAGE_METER_BENCH_ROUNDS rounds of $seconds s"
query >/dev/null <<-'EOF'
	SELECT create_usage_ledger();
	SELECT usage.set_budget('hot', '{"customer_id": "hot"}', 1000000, is_hard => true);
	SELECT usage.set_budget('spender', '{"customer_id": "spender"}', 20, is_hard => true);
	CREATE TABLE bench.hot (id integer PRIMARY KEY, spent numeric) WITH (fillfactor = 10);
	INSERT INTO bench.hot VALUES (1, 0);
EOF

for fsync in on off; do
	set_fsync "$fsync"
	for ((round = 1; round <= $(long_rounds); round++)); do
		query -c 'VACUUM usage.reservations, usage.budget_admission, bench.hot'
		add_sample "bare_$fsync" "$(run_for_a_while bare)"
		add_sample "admission_$fsync" "$(run_for_a_while admission)"
	done
done
run_for_a_while spending >/dev/null

report P11 "$clients sessions, one hot budget, reserve and settle / bare UPDATE" tps \
	"$(median bare_on)" "$(median admission_on)" '>=' 0.6
report P11 "  the same with fsync = off" tps "$(median bare_off)" "$(median admission_off)"
report P11 "  spent and reserved beyond a budget of 20 that was used up" "" - \
	"$(query -c "SELECT greatest(0, spent + reserved - amount) FROM usage.budget_status(name => 'spender')")" '<=' 0
query -c 'DROP SCHEMA usage CASCADE' -c 'DROP TABLE bench.hot'
