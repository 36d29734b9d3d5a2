#!/usr/bin/env bash
#
# P7: p95 of 100,000 groups of 100 values in random order, hashed: time, and memory a
# group as the executor reports it. Baseline: avg(float8) of the same groups.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$USAGE_METER_BENCH_ROWS
groups=$((rows / 100))

say "P7: $(thousands "$groups") groups of 100 values"
query >/dev/null <<-EOF
	ALTER DATABASE bench SET work_mem = '1GB';
	SELECT setseed(0.5);
	CREATE UNLOGGED TABLE grouped (g integer, x float8);
	INSERT INTO grouped
	SELECT floor($groups * random()), exp(6 + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random()))
	FROM generate_series(1, $rows);
	VACUUM (FREEZE, ANALYZE) grouped;
EOF

by_group() { # AGGREGATE
	echo "SELECT count(a) FROM (SELECT $1 AS a FROM grouped GROUP BY g) groups"
}

# Kilobytes of the hash table.
hash_memory() { # AGGREGATE
	query -c "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) SELECT g, $1 FROM grouped GROUP BY g" |
		sed -n 's/.*Memory Usage: \([0-9]*\)kB.*/\1/p' | head -n 1
}

has_tdigest=$(query -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'tdigest'")
! ((has_tdigest)) || query -c 'CREATE EXTENSION IF NOT EXISTS tdigest'

for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure groups_avg "$(by_group 'avg(x)')"
	measure groups_p95 "$(by_group 'p95(x)')"
	((round <= 2)) || continue
	! ((has_tdigest)) || measure groups_tdigest "$(by_group 'tdigest_percentile(x, 100, 0.95)')"
	measure groups_exact "$(by_group 'percentile_cont(0.95) WITHIN GROUP (ORDER BY x)')"
done

report_times P7 "p95 of $(thousands "$groups") groups / avg" groups_avg groups_p95 '<=' 1.5
! ((has_tdigest)) || report_times P7 "  the same by tdigest_percentile, compression 100" groups_avg groups_tdigest
report_times P7 "  the same by percentile_cont, exact" groups_avg groups_exact
memory=$(hash_memory 'p95(x)')
report P7 "  memory a group" kB - "$(awk -v memory="$memory" -v groups="$groups" 'BEGIN { print memory / groups }')" '<=' 1.3
query -c 'DROP TABLE grouped' -c 'ALTER DATABASE bench RESET work_mem'
