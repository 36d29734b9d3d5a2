#!/usr/bin/env bash
#
# The server is killed twenty times under load. Started by test/soak/run.

set -euo pipefail

export USAGE_METER_CRASHES=20
exec "$(dirname "${BASH_SOURCE[0]}")/../run" t/002_crash
