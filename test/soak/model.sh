#!/usr/bin/env bash
#
# The model test (test/t/008_model.pl) with one seed after another for as long as
# a soak goes on, each of so many steps. It ends with a seed that fails.
#
#   USAGE_METER_MODEL_SEED    the first seed         the day of the year, times 1000
#   USAGE_METER_MODEL_STEPS   steps of each                                     2000

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
seed=${USAGE_METER_MODEL_SEED:-$(($(date +%-j) * 1000))}
export USAGE_METER_MODEL_STEPS=${USAGE_METER_MODEL_STEPS:-2000}

# make hands its variables on, and this one counts from where it stands
SECONDS=0

while ((SECONDS < USAGE_METER_SOAK_SECONDS)); do
	export USAGE_METER_MODEL_SEED=$seed
	printf 'seed %s: ' "$seed"
	"$root/test/run" t/008_model
	seed=$((seed + 1))
done
