#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the whole suite: the unit test binaries named, then the end-to-end and the conformance tests.
#
# usage: run.sh BINARY...
#
# BUILD    the build folder (build)
# FUZZERS  fuzz targets to run, each for 20 seconds; none by default
#
# The last line is the total, alone: "N passed, N failed, N skipped". The exit status is 1 when
# anything failed, a part that ended without its total included.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BUILD=${BUILD:-$tests/../build}
passed=0 failed=0 skipped=0

# Runs a part, shows its output but for its last line, the total, and adds that up.
run_part() { # TITLE COMMAND...
	local title=$1 log status=0 numbers
	shift
	log=$(mktemp)
	printf '== %s\n' "$title"
	"$@" 2>&1 | tee "$log" | sed -u '/^[0-9]* passed, [0-9]* failed, [0-9]* skipped$/d' || status=$?
	if numbers=$(tail -n 1 "$log" | grep -x '[0-9]* passed, [0-9]* failed, [0-9]* skipped'); then
		read -r p f s < <(tr -cs '0-9\n' ' ' <<<"$numbers")
		passed=$((passed + p))
		failed=$((failed + f))
		skipped=$((skipped + s))
		# A part that says it failed has failed, whatever it counted.
		[ "$status" -eq 0 ] || [ "$f" -gt 0 ] || failed=$((failed + 1))
	else
		printf '%s ended with status %d and without a total\n' "$title" "$status"
		failed=$((failed + 1))
	fi
	rm -f "$log"
}

run_part 'unit tests' "$tests/run-unit.sh" "$@"
run_part 'end-to-end tests' "$tests/e2e/run.sh"
run_part 'conformance' "$tests/conformance/run.sh"
run_part 'stock KVM' "$tests/stock-kvm.sh"
if [ -n "${FUZZERS-}" ]; then
	# shellcheck disable=SC2086 # a word is a target
	run_part 'fuzz targets' "$tests/fuzz/run.sh" 20 $FUZZERS
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
