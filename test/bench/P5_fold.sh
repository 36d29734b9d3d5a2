#!/usr/bin/env bash
#
# P5: fold() of deltas of one execution each: single-row INSERTs made them. They
# are kept aside and folded again in every round: into empty cubes, where each
# cell is new, and then into those cubes, where each cell is there.
#
# 300,000 deltas of 1,000 customers within a day are what P4's data, 10,000,000
# executions in 30 days, are made of. Spread over 30 days they are sparser than
# anything but an import in no order: nearly three cells a delta. That is told, and
# no bar.
#
# Late executions, one in a thousand, 60 days back, should cost their share and no
# more: the same deltas are folded with and without.
#
# reconcile() of a day that is folded says how long a nightly proof takes: 100 million
# executions in eight hours are 3,500 a second.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

deltas=$USAGE_METER_BENCH_DELTAS

make_deltas() { # CUSTOMERS DAYS
	query >/dev/null <<-EOF
		SELECT bench.create_ledger('metered');
		SELECT setseed(0.5);
		DO \$\$
		DECLARE
		    e record;
		BEGIN
		    FOR e IN SELECT * FROM bench.traffic($deltas, $1, $2) LOOP
		        INSERT INTO metered.execution_history (created_at, $BENCH_COLUMNS)
		        VALUES (e.created_at, e.customer_id, e.project_id, e.section, e.user_id, e.provider, e.model,
		                e.input_tokens, e.output_tokens, e.duration_ms, e.queue_time_ms);
		    END LOOP;
		END
		\$\$;
		CREATE UNLOGGED TABLE metered.kept AS TABLE metered.usage_deltas;
		SELECT metered.fold();
	EOF
}

# Vacuumed first, as autovacuum would, so that each fold finds the same.
fold() { # NAME [TABLE]
	query -c 'VACUUM metered.usage_deltas, metered.usage_cubes' \
		-c "INSERT INTO metered.usage_deltas TABLE metered.${2-kept}" -c CHECKPOINT
	measure "$1" 'SELECT metered.fold()'
}

per_second() { # NAME COUNT [cpu]
	awk -v count="$2" -v ms="$(median "$1" "${3-}")" 'BEGIN { printf "%d", count / ms * 1000 }'
}

report_fold() { # NAME WHAT [RELATION LIMIT]
	report P5 "$2 (by CPU $(thousands "$(per_second "$1" "$deltas" cpu)"))" deltas/s - "$(per_second "$1" "$deltas")" "${@:3}"
}

measure_fold() { # NAME CUSTOMERS DAYS ROUNDS [RELATION LIMIT]
	local round cells
	say "P5: fold of $(thousands "$deltas") deltas of $2 customers in $3 d, $4 rounds"
	make_deltas "$2" "$3"
	for ((round = 1; round <= $4; round++)); do
		query -c 'TRUNCATE metered.usage_cubes'
		fold "new_$1"
		fold "again_$1"
	done
	cells=$(thousands "$(query -c 'SELECT count(*) FROM metered.usage_cubes')")
	report_fold "new_$1" "fold of $(thousands "$deltas") deltas of $2 customers in $3 d into $cells new cells" "${@:5}"
	report_fold "again_$1" "  into the same cells again" "${@:5}"
	query -c 'DROP SCHEMA metered CASCADE'
}

# The late ones open cells of another day in every cube, which none of the others does.
measure_late() { # CUSTOMERS DAYS ROUNDS
	local round
	say "P5: fold of $(thousands "$deltas") deltas, one in a thousand of them late, $3 rounds"
	make_deltas "$1" "$2"
	query -c 'CREATE UNLOGGED TABLE metered.late AS TABLE metered.kept' \
		-c "UPDATE metered.late SET bucket = bucket - interval '60 days'
		    WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM (SELECT ctid, row_number() OVER () AS number FROM metered.late) AS d WHERE d.number % 1000 = 0))"
	for ((round = 1; round <= $3; round++)); do
		query -c 'TRUNCATE metered.usage_cubes'
		fold prompt
		query -c 'TRUNCATE metered.usage_cubes'
		fold late late
	done
	report_times P5 "  with one in a thousand 60 days late" prompt late '<=' 1.05
	query -c 'DROP SCHEMA metered CASCADE'
}

measure_reconcile() { # ROUNDS
	local round executions=$((10 * deltas))
	say "P5: reconcile of $(thousands "$executions") executions of a day, $1 rounds"
	query >/dev/null <<-EOF
		SELECT bench.create_ledger('metered');
		SELECT setseed(0.5);
		INSERT INTO metered.execution_history (created_at, $BENCH_COLUMNS) SELECT * FROM bench.traffic($executions, 1000, 1);
		SELECT metered.fold(2 * $executions);
		VACUUM ANALYZE;
	EOF
	for ((round = 1; round <= $1; round++)); do
		measure reconcile "SELECT * FROM metered.reconcile('2026-01-01 00:00+00', '2026-01-02 00:00+00')"
	done
	report P5 "reconcile of $(thousands "$executions") executions of a day (by CPU $(thousands "$(per_second reconcile "$executions" cpu)"))" \
		rows/s - "$(per_second reconcile "$executions")" '>=' 3500
	query -c 'DROP SCHEMA metered CASCADE'
}

measure_fold few 25 1 "$USAGE_METER_BENCH_ROUNDS" '>=' 150000
measure_fold day 1000 1 "$USAGE_METER_BENCH_ROUNDS" '>=' 60000
measure_fold month 1000 30 "$(long_rounds)"
measure_late 1000 1 "$USAGE_METER_BENCH_ROUNDS"
measure_reconcile "$(long_rounds)"
