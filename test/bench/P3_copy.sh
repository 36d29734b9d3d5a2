#!/usr/bin/env bash
#
# P3: COPY of executions of 1,000 customers within 30 days, in no order, from a
# file. Baseline: the same partitioned table without triggers. Both are new in
# every round.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$USAGE_METER_BENCH_COPY
file=$PWD/traffic.csv

say "P3: COPY of $(thousands "$rows") rows"
query -c 'SELECT setseed(0.5)' -c "COPY (SELECT * FROM bench.traffic($rows, 1000, 30)) TO STDOUT (FORMAT csv)" | sed 1d >"$file"

copy() { # LEDGER
	query -c CHECKPOINT
	measure "copy_$1" "COPY $1.execution_history (created_at, $BENCH_COLUMNS) FROM '$file' (FORMAT csv)"
}

for ((round = 1; round <= $(long_rounds); round++)); do
	query -c "SELECT bench.create_ledger('metered'), bench.create_bare_ledger('bare')" >/dev/null
	copy bare
	copy metered
	query -c 'DROP SCHEMA metered, bare CASCADE'
done

report P3 "COPY of $(thousands "$rows") rows" ms "$(median copy_bare)" "$(median copy_metered)" '<=' 1.6
report P3 "  CPU of its backend" ms "$(median copy_bare cpu)" "$(median copy_metered cpu)"
rm "$file"
