#!/usr/bin/env bash
#
# Four writers at full speed, with nothing configured: single rows, several at a
# time, COPY, updates and soft deletes of 500 customers. Folding and vacuum have to
# keep up by themselves. Prints, per minute, the latency of a single-row INSERT, the
# backlog and the size of usage_deltas, and fails if they grow or if anything is
# lost.
#
# Started by test/soak/run. USAGE_METER_SOAK_SECONDS says how long it takes.

set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
seconds=$USAGE_METER_SOAK_SECONDS
work=$USAGE_METER_TMP/load
columns=customer_id,project_id,section,user_id,provider,model,status,input_tokens,output_tokens,duration_ms,queue_time_ms

query() {
	psql -XqAt -v ON_ERROR_STOP=1 -d load "$@"
}

write_scripts() {
	query -c "COPY (SELECT * FROM executions(300)) TO STDOUT" >"$work/rows"
	cat >single.sql <<-END
		INSERT INTO usage.execution_history ($columns) SELECT * FROM executions(1);
	END
	cat >several.sql <<-END
		INSERT INTO usage.execution_history ($columns) SELECT * FROM executions(20);
	END
	cat >copy.sql <<-END
		COPY usage.execution_history ($columns) FROM '$work/rows';
	END
	cat >finish.sql <<-END
		\\set customer random(0, 499)
		UPDATE usage.execution_history SET status = 'success', output_tokens = 7
		WHERE customer_id = 'customer-' || :customer AND status = 'running' AND created_at > now() - interval '10 seconds';
	END
	cat >delete.sql <<-END
		\\set customer random(0, 499)
		UPDATE usage.execution_history SET deleted_at = now(), deleted_reason = 'soak'
		WHERE (id, created_at) IN (SELECT id, created_at FROM usage.execution_history
		                           WHERE customer_id = 'customer-' || :customer AND created_at > now() - interval '1 minute' LIMIT 2);
	END
}

watch_backlog() {
	while :; do
		query -c 'INSERT INTO seen (backlog, delta_pages, folded, refused)
		          SELECT backlog, delta_pages, folded, refused_launches FROM usage.fold_status'
		sleep 1
	done
}

write() {
	pgbench --no-vacuum --client=4 --jobs=2 --time="$seconds" --log --log-prefix="$work/latency" \
		--file=single.sql@60 --file=several.sql@20 --file=copy.sql@4 --file=finish.sql@10 --file=delete.sql@6 load
}

# pgbench logs client, number, microseconds, script, second, microsecond.
latencies() {
	cat latency.* | awk '$4 == 0 { print $5, $3 / 1000 }' | query -c 'CREATE TABLE latency (second bigint, ms float8)' \
		-c "COPY latency FROM STDIN DELIMITER ' '"
}

report() {
	query -P format=aligned -P tuples_only=off -P footer=off <<-'END'
		CREATE TABLE minutes AS
		SELECT minute, writes.*, seen.*
		FROM (SELECT min(second) AS began, max(second) AS ended FROM latency) AS load,
		     generate_series(0, greatest((ended - began + 1) / 60 - 1, 0)) AS minute,
		     LATERAL (SELECT count(*) AS single_inserts, round(p50(ms)::numeric, 2) AS p50_ms, round(p99(ms)::numeric, 2) AS p99_ms
		              FROM latency WHERE second >= began + minute * 60 AND second < began + minute * 60 + 60) AS writes,
		     LATERAL (SELECT max(backlog) AS backlog, max(delta_pages) AS delta_pages, max(folded) - min(folded) AS folded, max(refused) AS refused
		              FROM seen WHERE extract(epoch FROM at) >= began + minute * 60 AND extract(epoch FROM at) < began + minute * 60 + 60) AS seen;
		TABLE minutes ORDER BY minute;
	END
}

# Compared are the first and the last third of the time, the first minute left out; with less than four there is nothing
# to compare.
verdict() {
	query -v seconds="$seconds" <<-'END'
		WITH third AS (
		    SELECT greatest(1, (max(minute) + 1) / 3) AS length, max(minute) AS last FROM minutes
		), figure AS (
		    SELECT count(*) AS minutes, avg(p99_ms) FILTER (WHERE minute BETWEEN 1 AND length) AS p99_first, avg(p99_ms) FILTER (WHERE minute > last - length) AS p99_last,
		           max(delta_pages) FILTER (WHERE minute BETWEEN 1 AND length) AS pages_first, max(delta_pages) FILTER (WHERE minute > last - length) AS pages_last,
		           max(backlog) AS backlog
		    FROM minutes, third
		)
		SELECT format('backlog at most %s deltas', backlog) FROM figure WHERE backlog > 500000
		UNION ALL
		SELECT format('usage_deltas grew from %s to %s pages', pages_first, pages_last) FROM figure WHERE minutes >= 4 AND (pages_last <= 2 * pages_first + 1000) IS NOT TRUE
		UNION ALL
		SELECT format('p99 grew from %s to %s ms', p99_first, p99_last) FROM figure WHERE minutes >= 4 AND (p99_last <= 2 * p99_first + 5) IS NOT TRUE
		UNION ALL
		SELECT format('only %s minutes of %s s were seen', minutes, :seconds) FROM figure WHERE minutes < 4 AND :seconds >= 240
		UNION ALL
		SELECT format('reconcile() finds %s differences', count(*)) FROM usage.reconcile() HAVING count(*) > 0;
	END
}

mkdir -p "$work"
cd "$work"
chmod 777 "$work"
psql -Xq -c 'CREATE DATABASE load'
query -f "$here/load.sql" >/dev/null
write_scripts
watch_backlog &
watching=$!
write >pgbench.log 2>&1 || { cat pgbench.log; exit 1; }
kill "$watching"
wait "$watching" 2>/dev/null || true
latencies
report
sed -n '/^number of transactions actually/p; /^tps/p' pgbench.log
query -c "SELECT format('%s executions, %s deltas folded in %s folds, %s left', (SELECT count(*) FROM usage.execution_history), folded, folds, backlog) FROM usage.fold_status"
found=$(verdict)
[[ -z $found ]] || { echo "$found"; exit 1; }
query -c "SELECT format('load: bounded, %s, and every rollup equals the raw rows',
                       CASE WHEN count(*) >= 4 THEN format('flat over %s minutes', count(*)) ELSE format('too short to be flat (minutes seen: %s)', count(*)) END)
          FROM minutes"
