#!/usr/bin/env bash
#
# P8: bytes of a stored sketch of 100 and of 1,000,000 lognormal values, the mean of
# a hundred and of five. Beside it: tdigest, compression 100.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

say "P8: size of stored sketches"
query >/dev/null <<-'EOF'
	SELECT setseed(0.5);
	CREATE UNLOGGED TABLE sized AS
	SELECT i / 1000000 AS big, i % 10000 / 100 AS small, i < 10000 AS is_small,
	       exp(6 + sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())) AS x
	FROM generate_series(0, 4999999) i;
EOF

has_tdigest=$(query -c "SELECT count(*) FROM pg_available_extensions WHERE name = 'tdigest'")
! ((has_tdigest)) || query -c 'CREATE EXTENSION IF NOT EXISTS tdigest'

# Mean size on disk, not compressed.
stored_size() { # AGGREGATE GROUP CONDITION
	query -q <<-EOF
		CREATE TABLE stored_sizes AS SELECT $1 AS s FROM sized WHERE $3 GROUP BY $2 LIMIT 0;
		ALTER TABLE stored_sizes ALTER s SET STORAGE EXTERNAL;
		INSERT INTO stored_sizes SELECT $1 FROM sized WHERE $3 GROUP BY $2;
		SELECT avg(pg_column_size(s)) FROM stored_sizes;
		DROP TABLE stored_sizes;
	EOF
}

report P8 "stored sketch of 100 lognormal values" bytes - "$(stored_size 'quantile_sketch(x)' small is_small)" '<=' 250
! ((has_tdigest)) || report P8 "  the same by tdigest, compression 100" bytes - "$(stored_size 'tdigest(x, 100)' small is_small)"
report P8 "stored sketch of 1,000,000 lognormal values" bytes - "$(stored_size 'quantile_sketch(x)' big true)" '<=' 1200
! ((has_tdigest)) || report P8 "  the same by tdigest, compression 100" bytes - "$(stored_size 'tdigest(x, 100)' big true)"
query -c 'DROP TABLE sized'
