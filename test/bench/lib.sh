# shellcheck shell=bash
#
# What the benchmarks share. Sourced.

set -euo pipefail

export USAGE_METER_BENCH_ROUNDS=${USAGE_METER_BENCH_ROUNDS:-5}
export USAGE_METER_BENCH_ROWS=${USAGE_METER_BENCH_ROWS:-10000000}
export USAGE_METER_BENCH_SECONDS=${USAGE_METER_BENCH_SECONDS:-6}
export USAGE_METER_BENCH_COPY=${USAGE_METER_BENCH_COPY:-1000000}
export USAGE_METER_BENCH_EXECUTIONS=${USAGE_METER_BENCH_EXECUTIONS:-10000000}
export USAGE_METER_BENCH_DELTAS=${USAGE_METER_BENCH_DELTAS:-300000}

# What a caller says of an execution, in every benchmark.
export BENCH_COLUMNS=customer_id,project_id,section,user_id,provider,model,input_tokens,output_tokens,duration_ms,queue_time_ms

# Ledgers come and go with a notice for each object.
export PGOPTIONS="-c client_min_messages=warning"

# Repetitions of what takes long.
long_rounds() {
	echo $(((USAGE_METER_BENCH_ROUNDS + 1) / 2))
}

say() {
	printf 'usage_meter: %s\n' "$*" >&2
}

query() {
	psql -XqAt -v ON_ERROR_STOP=1 -d bench "$@"
}

# The server is set up without, for the sake of all that only counts CPU.
set_fsync() { # on | off
	query -c "ALTER SYSTEM SET fsync = $1" -c 'SELECT pg_reload_conf()' >/dev/null
}

# Runs a statement in a session of its own. What it took is a sample of NAME: in
# milliseconds, by the clock and of the backend's CPU.
measure() { # NAME STATEMENT
	query >>"$1.samples" <<-EOF
		SELECT bench.wall_ms() AS wall, bench.cpu_ms() AS cpu \\gset
		\\o /dev/null
		$2;
		\\o
		SELECT bench.wall_ms() - :wall, bench.cpu_ms() - :cpu;
	EOF
}

add_sample() { # NAME FIGURE
	echo "$2" >>"$1.samples"
}

median() { # NAME [wall | cpu]
	local field=1
	[[ ${2-} != cpu ]] || field=2
	cut -d'|' -f"$field" "$1.samples" | sort -g |
		awk '{ value[NR] = $1 } END { print (value[int((NR + 1) / 2)] + value[int(NR / 2) + 1]) / 2 }'
}

# A line of the table. BASELINE - is none; RELATION is <= or >=, and the bar is
# about the ratio, without a baseline about OURS. Without a bar it is just told.
report() { # BAR WHAT UNIT BASELINE OURS [RELATION LIMIT]
	query -v bar="$1" -v what="$2" -v unit="$3" -v baseline="${4/#-/}" -v ours="$5" \
		-v relation="${6-}" -v limit="${7-}" <<-'EOF'
			INSERT INTO bench.results (bar, what, unit, baseline, ours, relation, bound)
			VALUES (:'bar', :'what', :'unit', nullif(:'baseline', '')::float8, :'ours'::float8,
			        nullif(:'relation', ''), nullif(:'limit', '')::float8);
		EOF
}

# Two lines: medians of CPU, to which a bar belongs, and of the clock.
report_times() { # BAR WHAT BASELINE OURS [RELATION LIMIT], the middle two being names of samples
	report "$1" "$2, CPU" ms "$(median "$3" cpu)" "$(median "$4" cpu)" "${@:5}"
	report "$1" "  by the clock" ms "$(median "$3" wall)" "$(median "$4" wall)"
}

note() { # TEXT
	query -v note="$1" <<-'EOF'
		INSERT INTO bench.notes (note) VALUES (:'note');
	EOF
}

# A measured backend never waits, unless something else has the CPU.
note_load() {
	local percent
	percent=$(cat ./*.samples | awk -F'|' 'NF == 2 { wall += $1; cpu += $2 } END { print (wall > 0 ? int(100 * cpu / wall) : 100) }')
	((percent >= 90)) ||
		note "The machine was busy with something else: measured backends had the CPU $percent % of the time. Figures by the clock say little."
}

thousands() { # NUMBER
	sed -E ':more; s/([0-9])([0-9]{3})($|,)/\1,\2\3/; t more' <<<"$1"
}

# Files are written there.
mkdir -p "$USAGE_METER_TMP/bench"
cd "$USAGE_METER_TMP/bench"
