#!/usr/bin/env bash
#
# P9: merging 100,000 stored sketches of 100 values each. Baseline: sum(float8)
# of as many rows.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$USAGE_METER_BENCH_ROWS
sketches=$((rows / 100))

say "P9: merging $(thousands "$sketches") stored sketches"
has_tdigest=$(query -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'tdigest'")
! ((has_tdigest)) || query -c 'CREATE EXTENSION IF NOT EXISTS tdigest'

# A table of what an aggregate makes of each hundred values.
store() { # TABLE AGGREGATE
	query >/dev/null <<-EOF
		SELECT setseed(0.5);
		SET work_mem = '1GB';
		CREATE UNLOGGED TABLE $1 AS
		SELECT i / 100 AS g, $2 AS s
		FROM (SELECT i, exp(6 + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS x
		      FROM generate_series(0, $rows - 1) i) drawn
		GROUP BY 1;
		VACUUM (FREEZE, ANALYZE) $1;
	EOF
}

store merged 'quantile_sketch(x)'
store summed 'max(x)'
! ((has_tdigest)) || store merged_tdigest 'tdigest(x, 100)'

for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure merge_sum 'SELECT sum(s) FROM summed'
	measure merge_sketches 'SELECT merge(s) FROM merged'
	((round <= 2)) || continue
	! ((has_tdigest)) || measure merge_tdigest 'SELECT tdigest(s) FROM merged_tdigest'
done

report_times P9 "merging $(thousands "$sketches") stored sketches / sum(float8)" merge_sum merge_sketches '<=' 20
! ((has_tdigest)) || report_times P9 "  the same by tdigest, compression 100" merge_sum merge_tdigest
query -c 'DROP TABLE merged, summed' -c 'DROP TABLE IF EXISTS merged_tdigest'
