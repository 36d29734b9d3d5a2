#!/usr/bin/env bash
#
# P13: what an export and a refresh take: a workbook of 100,000 rows, the workbook
# of a month, and folding a minute of traffic, of a ledger with a tenth of the
# executions of P4. refresh() is told only: its materialized views read the whole
# history.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

executions=$((USAGE_METER_BENCH_EXECUTIONS / 10))
readonly minute="'2026-01-31 12:00+00'::timestamptz + random() * interval '1 minute'"

traffic() { # EXECUTIONS TIME
	query >/dev/null <<-EOF
		SELECT setseed(0.5);
		INSERT INTO metered.execution_history (created_at, $BENCH_COLUMNS)
		SELECT $2, $BENCH_COLUMNS FROM bench.traffic($1, 1000, 31) ORDER BY created_at;
	EOF
}

say "P13: making a history of $(thousands "$executions") executions"
query -c "SELECT bench.create_ledger('metered')" >/dev/null
traffic "$executions" created_at
query -c 'SELECT metered.fold()' -c 'VACUUM ANALYZE' >/dev/null

say "P13: exports"
for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure export_rows "SELECT to_xlsx(ARRAY[['Executions', 'SELECT created_at, $BENCH_COLUMNS FROM metered.execution_history LIMIT 100000']])"
	measure export_report "SELECT metered.report_xlsx(since => '2026-01-01', until => '2026-02-01')"
	traffic 600 "$minute"
	measure export_fold 'SELECT metered.fold()'
	((round <= 2)) || continue
	traffic 6000 "$minute"
	measure export_fold_more 'SELECT metered.fold()'
	traffic 600 "$minute"
	measure export_refresh 'SELECT metered.refresh()'
done

# Of a backend that never waits, on a machine that may be busy with something else.
tell() { # NAME WHAT [RELATION LIMIT]
	report P13 "$2, CPU" ms - "$(median "$1" cpu)" "${@:3}"
	report P13 '  by the clock' ms - "$(median "$1")"
}

tell export_rows 'workbook of 100,000 rows of eleven cells' '<=' 2000
tell export_report "workbook of a month of $(thousands "$executions") executions, six sheets" '<=' 1000
tell export_fold 'fold of a minute of ten executions a second' '<=' 300
tell export_fold_more '  of a hundred a second'
tell export_refresh '  of ten a second, by refresh()'
query -c 'DROP SCHEMA metered CASCADE'
