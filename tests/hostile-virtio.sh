#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random values in the rings and registers of each device, for SECONDS each (60).
#
# usage: tests/hostile-virtio.sh [SECONDS]
#
# BUILD is the build folder (build). The exit status is 1 when a guest or mote did not bear it.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BUILD=${BUILD:-$here/../build} HOSTILE_MS
BUILD=$(cd "$BUILD" && pwd)
rounds=$(((${1:-60} + 9) / 10))
HOSTILE_MS=10000
mapfile -t tests < <(sed -n 's/^test_\([a-z]*_anything\)().*/virtio.\1/p' "$here/e2e/virtio.sh")
for ((round = 0; round < rounds; round++)); do
	"$here/e2e/run.sh" "${tests[@]}"
done
