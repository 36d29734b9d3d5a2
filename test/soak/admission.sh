#!/usr/bin/env bash
#
# Sessions that reserve, record, release, give up and die over overlapping budgets,
# with what is spent and reserved sampled all the time (test/t/005_admission.pl).
# Each round of that load goes on for a minute, or as long as a soak does if that
# is less: the test ends a client that takes three minutes. Started by
# test/soak/run.

set -euo pipefail

export USAGE_METER_SOAK_SECONDS=$((USAGE_METER_SOAK_SECONDS < 60 ? USAGE_METER_SOAK_SECONDS : 60))
exec "$(dirname "${BASH_SOURCE[0]}")/../run" t/005_admission
