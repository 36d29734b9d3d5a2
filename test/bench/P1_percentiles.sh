#!/usr/bin/env bash
#
# P1: p50, p95 and p99 of shuffled lognormal values in one scan. Baseline:
# avg() of the same values. The table is in shared_buffers.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

rows=$USAGE_METER_BENCH_ROWS

say "P1: percentiles of $(thousands "$rows") values"
query >/dev/null <<-EOF
	SELECT setseed(0.5);
	CREATE UNLOGGED TABLE latencies (x float8);
	INSERT INTO latencies
	SELECT exp(6 + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) FROM generate_series(1, $rows);
	VACUUM (FREEZE, ANALYZE) latencies;
EOF

has_tdigest=$(query -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'tdigest'")
if ((has_tdigest)); then
	query -c "CREATE EXTENSION IF NOT EXISTS tdigest"
else
	note "P1: the peer tdigest is not installed (Debian: postgresql-15-tdigest)."
fi

for ((round = 1; round <= USAGE_METER_BENCH_ROUNDS; round++)); do
	measure avg 'SELECT avg(x) FROM latencies'
	measure percentiles 'SELECT p50(x), p95(x), p99(x) FROM latencies'
	((round <= 2)) || continue
	! ((has_tdigest)) || measure tdigest 'SELECT tdigest_percentile(x, 100, ARRAY[0.5, 0.95, 0.99]) FROM latencies'
	measure exact 'SELECT percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY x) FROM latencies'
done

report_times P1 "p50, p95, p99 of $(thousands "$rows") values / avg" avg percentiles '<=' 1
! ((has_tdigest)) || report_times P1 "  the same by tdigest_percentile, compression 100" avg tdigest
report_times P1 "  the same by percentile_cont, exact" avg exact
query -c 'DROP TABLE latencies'
