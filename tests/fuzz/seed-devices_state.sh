#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_devices_state into the directory $1.
set -eu
cd "$1"

# A balloon whose rings lie over one another.
printf '\377\361\361\042\013\057\377\012\057\361\013\130\105\0\164' >rings-that-feed-each-other
