#!/usr/bin/env bash
#
# P3: COPY of executions of 1,000 customers within 30 days, in no order, from a
# file: with their tokens, and with the provider's report instead. Baseline: the
# same partitioned table without triggers. Both are new in every round.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$USAGE_METER_BENCH_COPY
declare -A columns=(
	[tokens]=created_at,$BENCH_COLUMNS
	[reports]=created_at,${BENCH_COLUMNS/input_tokens,output_tokens/usage}
)
report="jsonb_build_object('prompt_tokens', input_tokens, 'completion_tokens', output_tokens, 'total_tokens', input_tokens + output_tokens,
	'prompt_tokens_details', jsonb_build_object('cached_tokens', 0, 'audio_tokens', 0),
	'completion_tokens_details', jsonb_build_object('reasoning_tokens', 0, 'audio_tokens', 0, 'accepted_prediction_tokens', 0, 'rejected_prediction_tokens', 0))"

write_traffic() { # KIND
	query -c 'SELECT setseed(0.5)' \
		-c "COPY (SELECT ${columns[$1]} FROM (SELECT *, $report AS usage FROM bench.traffic($rows, 1000, 30)) AS t) TO STDOUT (FORMAT csv)" |
		sed 1d >"$PWD/$1.csv"
}

copy() { # LEDGER KIND
	query -c CHECKPOINT
	measure "copy_$2_$1" "COPY $1.execution_history (${columns[$2]}) FROM '$PWD/$2.csv' (FORMAT csv)"
}

say "P3: COPY of $(thousands "$rows") rows"
for kind in tokens reports; do
	write_traffic $kind
	for ((round = 1; round <= $(long_rounds); round++)); do
		query -c "SELECT bench.create_ledger('metered'), bench.create_bare_ledger('bare')" >/dev/null
		copy bare $kind
		copy metered $kind
		query -c 'DROP SCHEMA metered, bare CASCADE'
	done
	rm $kind.csv
done

report P3 "COPY of $(thousands "$rows") rows" ms "$(median copy_tokens_bare)" "$(median copy_tokens_metered)" '<=' 1.6
report P3 "  CPU of its backend" ms "$(median copy_tokens_bare cpu)" "$(median copy_tokens_metered cpu)"
report P3 "  with the provider's report for tokens" ms "$(median copy_reports_bare)" "$(median copy_reports_metered)" '<=' 1.9
report P3 "  CPU of its backend" ms "$(median copy_reports_bare cpu)" "$(median copy_reports_metered cpu)"
