#!/usr/bin/env bash
#
# P6: p95 over a moving frame of 1,000 rows, shuffled and ascending. Baseline:
# avg(float8) over the same frame. Peers cannot take a value out again.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$((USAGE_METER_BENCH_ROWS / 100))

say "P6: p95 of a moving frame over $(thousands "$rows") rows"
query >/dev/null <<-EOF
	SELECT setseed(0.5);
	CREATE UNLOGGED TABLE moving (i integer, x float8, ascending float8);
	INSERT INTO moving
	SELECT i, exp(6 + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())), exp(i * 20.0 / $rows)
	FROM generate_series(1, $rows) i;
	VACUUM (FREEZE, ANALYZE) moving;
EOF

over_frame() { # AGGREGATE
	echo "SELECT sum(a) FROM (SELECT $1 OVER (ORDER BY i ROWS 999 PRECEDING) AS a FROM moving) frames"
}

for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure moving_shuffled "$(over_frame 'p95(x)')"
	measure moving_ascending "$(over_frame 'p95(ascending)')"
	# it takes seconds
	((round <= 2)) || continue
	measure moving_avg "$(over_frame 'avg(x)')"
done

report_times P6 "p95 over 1,000 rows of $(thousands "$rows"), shuffled / avg" moving_avg moving_shuffled '<=' 0.05
report_times P6 "  the same, ascending" moving_avg moving_ascending '<=' 0.05
query -c 'DROP TABLE moving'
