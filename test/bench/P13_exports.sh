#!/usr/bin/env bash
#
# P13: what an export and a refresh take: a workbook of 100,000 rows, the workbook
# of a month, and a refresh after a minute of traffic, of a ledger with a tenth
# of the executions of P4.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

executions=$((USAGE_METER_BENCH_EXECUTIONS / 10))
readonly minute=6000   # at a hundred a second

traffic() { # EXECUTIONS
	query <<-EOF
		SELECT setseed(0.5);
		INSERT INTO metered.execution_history (created_at, $BENCH_COLUMNS)
		SELECT created_at, $BENCH_COLUMNS FROM bench.traffic($1, 1000, 31) ORDER BY created_at;
	EOF
}

say "P13: making a history of $(thousands "$executions") executions"
query -c "SELECT bench.create_ledger('metered')" >/dev/null
traffic "$executions" >/dev/null
query -c 'SELECT metered.refresh()' -c 'VACUUM ANALYZE' >/dev/null

say "P13: exports"
for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure export_rows "SELECT to_xlsx(ARRAY[['Executions', 'SELECT created_at, $BENCH_COLUMNS FROM metered.execution_history LIMIT 100000']])"
	measure export_report "SELECT metered.report_xlsx(since => '2026-01-01', until => '2026-02-01')"
	traffic $minute >/dev/null
	measure export_refresh 'SELECT metered.refresh()'
done

report P13 'workbook of 100,000 rows of eleven cells' ms - "$(median export_rows)" '<=' 2000
report P13 "workbook of a month of $(thousands "$executions") executions, six sheets" ms - "$(median export_report)" '<=' 1000
report P13 'refresh after a minute of a hundred a second' ms - "$(median export_refresh)" '<=' 300
query -c 'DROP SCHEMA metered CASCADE'
