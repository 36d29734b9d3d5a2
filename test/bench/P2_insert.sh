#!/usr/bin/env bash
#
# P2: single-row INSERTs of one hot customer, stamped and aggregated. Baseline:
# the same partitioned table without triggers.
#
# Instructions: callgrind counts those of a whole postgres --single that runs
# 500 or 2,500 INSERTs, each a statement and a transaction of its own. The
# difference of the two is that of 2,000 INSERTs, without start-up.

# shellcheck source=/dev/null
source "${BASH_SOURCE[0]%/*}/lib.sh"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
seconds=$USAGE_METER_BENCH_SECONDS
clients=16
fewer=500
more=2500
single=$USAGE_METER_TMP/single
read -ra as_user <<<"${AS_SERVER_USER-}"

# ---- instructions ---------------------------------------------------------

# Commands from standard input, as the server's user. It reports errors, but its
# exit code does not.
run_single() { # DATA DIRECTORY [OPTION...] [-- WRAPPER...]
	local data=$1 options=()
	shift
	while (($# > 0)) && [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	(cd "$single" && "${as_user[@]}" "${@:2}" "$PGBINDIR/postgres" --single "${options[@]}" -D "$data" \
		-c fsync=off -c shared_buffers=64MB postgres) >"$data.log" 2>&1
	! grep -E 'ERROR|FATAL|PANIC' "$data.log" >&2
}

make_cluster() {
	"${as_user[@]}" mkdir "$single"
	(cd "$single" && "${as_user[@]}" "$PGBINDIR/initdb" --pgdata=start --username=postgres --auth=trust \
		--encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions) >/dev/null
	{
		cat "$here/setup.sql"
		printf '\n%s;\n' "SELECT bench.create_ledger('metered')" "SELECT bench.create_bare_ledger('bare')"
	} | run_single start -j
}

inserts() { # plain | prepared | request | prepared_request LEDGER COUNT
	echo "SET search_path = $2"
	awk -v kind="$1" -v count="$3" -v columns="$BENCH_COLUMNS" 'BEGIN {
		prepared = kind ~ /^prepared/
		request = kind ~ /request$/
		if (request)
			columns = columns ",request_id"
		insert = "INSERT INTO execution_history (" columns ") VALUES "
		constant = "\x27hot\x27, \x27project\x27, \x27chat\x27, \x27user\x27, \x27openai\x27, \x27gpt-4o\x27"
		if (prepared)
			print "PREPARE p (text, text, text, text, text, text, bigint, bigint, numeric, numeric" (request ? ", text" : "") \
				") AS " insert "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10" (request ? ", $11" : "") ")"
		for (i = 1; i <= count; i++)
			printf "%s(%s, %d, %d, %d.%03d, %d%s)\n", prepared ? "EXECUTE p " : insert, constant,
				i * 7919 % 4001, i * 104729 % 1009, i * 15485863 % 30011, i % 1000, i * 31 % 97,
				request ? sprintf(", \x27request-%d-%d\x27", i * 7919 % 4001, i) : ""
	}'
}

count_instructions() { # KIND LEDGER COUNT
	local run=$1_$2_$3
	(cd "$single" && "${as_user[@]}" cp -r start "$run")
	inserts "$@" | run_single "$run" -- valgrind -q --tool=callgrind --callgrind-out-file="$single/$run.callgrind"
	sed -n 's/^totals: //p' "$single/$run.callgrind" >"$run.instructions"
	rm -rf "${single:?}/$run"
}

instructions_per_insert() { # KIND LEDGER
	echo $((($(<"$1_$2_$more.instructions") - $(<"$1_$2_$fewer.instructions")) / (more - fewer)))
}

# The counts do not depend on what else runs: one job a core.
count_all() {
	local kind ledger count
	for kind in plain prepared request prepared_request; do
		for ledger in bare metered; do
			for count in $fewer $more; do
				while (($(jobs -pr | wc -l) >= $(nproc))); do
					wait -n
				done
				count_instructions "$kind" "$ledger" "$count" &
			done
		done
	done
	while (($(jobs -pr | wc -l) > 0)); do
		wait -n
	done
}

measure_instructions() {
	if ! command -v valgrind >/dev/null; then
		note "P2: valgrind is not installed: no instructions were counted."
		return
	fi
	say "P2: instructions of a single-row INSERT"
	make_cluster
	count_all
	report P2 "single-row INSERT, instructions" "" \
		"$(instructions_per_insert plain bare)" "$(instructions_per_insert plain metered)" '<=' 1.45
	report P2 "  the same prepared" "" \
		"$(instructions_per_insert prepared bare)" "$(instructions_per_insert prepared metered)"
	report P2 "  with a request_id" "" \
		"$(instructions_per_insert request bare)" "$(instructions_per_insert request metered)" '<=' 1.75
	report P2 "  with a request_id, prepared" "" \
		"$(instructions_per_insert prepared_request bare)" "$(instructions_per_insert prepared_request metered)"
}

# ---- 16 writers -----------------------------------------------------------

# Twenty times a second: how many sessions wait for locks that no writer may
# wait for. COMMIT gives each sample its own snapshot.
sample_waits() {
	query <<-EOF
		DO \$\$
		BEGIN
		    FOR sample IN 1 .. $((20 * seconds)) LOOP
		        INSERT INTO bench.samples
		        SELECT count(*) FROM pg_stat_activity
		        WHERE wait_event_type = 'Lock' AND wait_event IN ('transactionid', 'tuple', 'advisory');
		        COMMIT;
		        PERFORM pg_sleep(0.05);
		    END LOOP;
		END
		\$\$;
	EOF
}

write_for_a_while() { # LEDGER
	PGOPTIONS="-c search_path=$1" pgbench -n -M prepared -c "$clients" -j 2 -T "$seconds" --random-seed=1 \
		-f "$here/P2_insert.pgbench" bench 2>"pgbench.err" | sed -n 's/^tps = \([0-9.]*\).*/\1/p'
}

# With fsync, as a server is run, and without, where CPU alone is compared.
measure_writers() {
	local fsync round
	say "P2: $clients writers, $(long_rounds) rounds of $seconds s without and with metering"
	query >/dev/null <<-EOF
		CREATE TABLE bench.samples (waiting bigint);
		SELECT bench.create_ledger('metered'), bench.create_bare_ledger('bare');
		SELECT pg_stat_reset();
	EOF
	for fsync in on off; do
		set_fsync "$fsync"
		for ((round = 1; round <= $(long_rounds); round++)); do
			add_sample "bare_$fsync" "$(write_for_a_while bare)"
			sample_waits &
			add_sample "metered_$fsync" "$(write_for_a_while metered)"
			wait $!
		done
	done
	report P2 "$clients writers, one hot customer" tps "$(median bare_on)" "$(median metered_on)" '>=' 0.8
	report P2 "  the same with fsync = off" tps "$(median bare_off)" "$(median metered_off)"
	report P2 "  deadlocks" "" - "$(query -c "SELECT deadlocks FROM pg_stat_database WHERE datname = 'bench'")" '<=' 0
	report P2 "  waits on transaction, tuple or advisory locks in $(query -c 'SELECT count(*) FROM bench.samples') samples" "" \
		- "$(query -c 'SELECT sum(waiting) FROM bench.samples')" '<=' 0
	report P2 "  differences that reconcile() finds afterwards" "" \
		- "$(query -c 'SELECT count(*) FROM metered.reconcile()')" '<=' 0
	query -c 'DROP SCHEMA metered, bare CASCADE'
}

# ---------------------------------------------------------------------------

measure_instructions
measure_writers
