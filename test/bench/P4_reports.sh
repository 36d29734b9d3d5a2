#!/usr/bin/env bash
#
# P4: six reports over 30 days of 31, in New York's days, beside the same figures
# in SQL over the raw executions. They came in the order of time, 3 % of them
# did not succeed; the last 5,000, the threshold of folding, are not folded.
# Parallel workers may help both, as they do on a server that nobody configured.
#
# Each figure is the median of a session that has run the report before, and the
# 99th percentile beside it. Then once more, told only, beside a transaction that
# has kept its snapshot while 60,000 executions came and were folded: ten minutes
# of a hundred a second, whose deltas no vacuum could remove.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

executions=$((USAGE_METER_BENCH_EXECUTIONS * 31 / 30))
readonly reports=(summary daily models projects hourly errors)
readonly first="'2026-01-01 00:00 America/New_York'" last="'2026-01-31 00:00 America/New_York'"

insert() { # CONDITION
	cat <<-EOF
		INSERT INTO metered.execution_history (created_at, $BENCH_COLUMNS, status, error_code)
		SELECT created_at, $BENCH_COLUMNS,
		       CASE WHEN luck < 0.97 THEN 'success' WHEN luck < 0.99 THEN 'failed' WHEN luck < 0.997 THEN 'timeout' ELSE 'cancelled' END,
		       CASE WHEN luck >= 0.97 AND luck < 0.99 THEN (ARRAY['rate_limit_exceeded', 'invalid_api_key', 'overloaded', 'E42'])[1 + floor((luck - 0.97) * 200)::integer] END
		FROM bench.drawn WHERE $1 ORDER BY created_at;
	EOF
}

# Day by day, each folded, as it would be.
make_history() {
	local day
	query -c "SELECT bench.create_ledger('metered')" -c 'SELECT setseed(0.5)' \
		-c "CREATE UNLOGGED TABLE bench.drawn AS SELECT *, random() AS luck FROM bench.traffic($executions, 1000, 31)" \
		-c 'CREATE INDEX ON bench.drawn (created_at)' >/dev/null
	for ((day = 0; day < 31; day++)); do
		query >/dev/null -c "$(insert "created_at >= '2026-01-01 00:00+00'::timestamptz + $day * interval '24 hours'
			AND created_at < '2026-01-02 00:00+00'::timestamptz + $day * interval '24 hours'")" -c 'SELECT metered.fold()'
	done
	# what is left to insert is drawn from all of it
	query -c 'DROP INDEX bench.drawn_created_at_idx' -c 'VACUUM ANALYZE'
	# as the background worker does after a load
	query -c 'VACUUM (TRUNCATE) metered.usage_deltas'
}

add_backlog() {
	query -c "$(insert 'luck < 5000.0 / (SELECT count(*) FROM bench.drawn)')"
}

# A report, or the same in SQL, for a customer or for all if it is empty
statement() { # KIND REPORT CUSTOMER
	local filter='{}' condition=true
	if [[ -n $3 ]]; then
		filter="{\"customer_id\": \"$3\"}"
		condition="customer_id = '$3'"
	fi
	if [[ $1 == report ]]; then
		echo "SELECT * FROM metered.$2(since => $first, until => $last, filter => '$filter', time_zone => 'America/New_York')"
		return
	fi
	local by=
	case $2 in
		daily) by="date_trunc('day', created_at, 'America/New_York')" ;;
		hourly) by="date_trunc('hour', created_at, 'America/New_York')" ;;
		models) by="provider, model" ;;
		projects) by="project_id" ;;
		errors) by="status, error_code" condition+=" AND status <> 'success'" ;;
	esac
	echo "SELECT ${by:+$by,} count(*), count(*) FILTER (WHERE status = 'success'), sum(total_tokens), sum(cost), avg(duration_ms),
	      percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms)
	      FROM metered.execution_history
	      WHERE created_at >= $first AND created_at < $last AND deleted_at IS NULL AND $condition ${by:+GROUP BY $by}"
}

# Samples of all six, and of their sum, in one session
measure_six() { # NAME KIND CUSTOMER ROUNDS
	local report round
	{
		for ((round = 0; round <= $4; round++)); do
			for report in "${reports[@]}"; do
				printf '%s\n' '\o /dev/null' 'SELECT bench.wall_ms() AS wall, bench.cpu_ms() AS cpu \gset' \
					"$(statement "$2" "$report" "$3");" '\o' \
					"SELECT '$report', bench.wall_ms() - :wall, bench.cpu_ms() - :cpu;"
			done
		done
	} | query | awk -F'|' -v OFS='|' -v name="$1" -v skip=$((${#reports[@]} * ($4 > 1))) -v six=${#reports[@]} '
		NR > skip {
			print $2, $3 >>(name "_" $1 ".samples")
			wall += $2; cpu += $3
			if (NR % six == 0) { print wall, cpu >>(name "_six.samples"); wall = cpu = 0 }
		}'
}

slowest() { # NAME
	cut -d'|' -f1 "$1.samples" | sort -g | awk '{ value[NR] = $1 } END { printf "%.1f", value[int(0.99 * (NR - 1)) + 1] }'
}

report_six() { # NAME WHAT
	local report
	for report in "${reports[@]}"; do
		report P4 "$2: $report (p99 $(slowest "$1_$report"))" ms "$(median "sql_$1_$report")" "$(median "$1_$report")"
	done
}

# All bars are about the clock.
bar() { # NAME WHAT LIMIT
	report P4 "$2" ms - "$(median "$1")" '<=' "$3"
}

tell_old_snapshot() {
	local part holder
	query -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT 1' -c 'SELECT pg_sleep(3600)' >/dev/null &
	holder=$!
	until [[ $(query -c "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()") != 0 ]]; do sleep 0.1; done
	for ((part = 0; part < 12; part++)); do
		add_backlog
		query -c 'SELECT metered.fold()' >/dev/null
	done
	query -c 'VACUUM metered.usage_deltas, metered.usage_cubes'
	add_backlog
	measure_six old_customer report customer-500 5
	measure_six old_all report '' 3
	report P4 'median customer: all six, with an old snapshot open' ms - "$(median old_customer_six)"
	report P4 'all customers: all six, with an old snapshot open' ms - "$(median old_all_six)"
	query -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3600)%' AND pid <> pg_backend_pid()" >/dev/null
	wait "$holder" || true
}

query -c 'ALTER DATABASE bench RESET max_parallel_workers_per_gather'
say "P4: making a history of $(thousands "$executions") executions"
make_history
add_backlog
say "P4: reports"
measure_six customer report customer-500 $((4 * USAGE_METER_BENCH_ROUNDS))
measure_six largest report customer-0 $((2 * USAGE_METER_BENCH_ROUNDS))
measure_six all report '' "$USAGE_METER_BENCH_ROUNDS"
say "P4: the same in SQL over the executions"
measure_six sql_customer sql customer-500 3
measure_six sql_largest sql customer-0 1
measure_six sql_all sql '' 1

note "P4: max_parallel_workers_per_gather was $(query -c 'SHOW max_parallel_workers_per_gather'), on both sides."
report_six customer 'median customer'
bar customer_six '  all six' 20
report_six largest 'largest customer'
bar largest_six '  all six' 100
report_six all 'all customers'
for name in summary daily models hourly; do
	bar "all_$name" "  $name" 100
done
for name in projects errors; do
	bar "all_$name" "  $name" 500
done
tell_old_snapshot
query -c 'DROP SCHEMA metered CASCADE' -c 'DROP TABLE bench.drawn' \
	-c 'ALTER DATABASE bench SET max_parallel_workers_per_gather = 0'
