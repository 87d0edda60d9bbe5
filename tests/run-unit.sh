#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs Criterion test binaries and adds up their results.
#
# usage: run-unit.sh BINARY...
#
# BUILD      the build folder (build); logs of failed binaries stay in $BUILD/unit-logs/
# UNIT_JOBS  binaries at a time (2)
#
# One line is printed for each binary, the log of a failed one below it, and the totals alone on the
# last line. A binary that ends without Criterion's summary, or by the time limit, is one failure.
set -euo pipefail

BUILD=${BUILD:-$(dirname "${BASH_SOURCE[0]}")/../build}
# A folder of this run's own, so that two runs at a time do not meet.
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
jobs_max=${UNIT_JOBS:-2}
time_limit=180

# Prints "TESTED PASSED FAILED" of a log, or nothing when it has no summary. Criterion counts a test that
# crashed among the failing ones, and one that was skipped not at all.
summary_of() { # LOG
	sed -n 's/^\[====\] Synthesis: Tested: \([0-9]*\) | Passing: \([0-9]*\) | Failing: \([0-9]*\) .*/\1 \2 \3/p' \
		"$1" | tail -n 1
}

# Prints "TEST: REASON" for each test that was skipped; Criterion tells it in its TAP report only.
skipped_of() { # REPORT
	[ ! -e "$1" ] || sed -n 's/^ok - \(.*[^ ]\) *# SKIP \(.*\)/\1: \2/p' "$1"
}

run_one() { # BINARY
	local name log status=0 start=${EPOCHREALTIME/[.,]/} milliseconds reasons
	local tested='' passed=0 failed=0 skipped=0 word=ok
	name=$(basename "$1")
	log=$logs/$name.log
	timeout -k 5 "$time_limit" "$1" --color=never -j1 --tap="$logs/$name.tap" \
		</dev/null >"$log" 2>&1 || status=$?
	read -r tested passed failed < <(summary_of "$log") || true
	reasons=$(skipped_of "$logs/$name.tap")
	[ -z "$reasons" ] || skipped=$(wc -l <<<"$reasons")
	if [ "$status" -ne 0 ] && [ "${failed:-0}" -eq 0 ]; then
		printf '%s ended with status %d\n' "$1" "$status" >>"$log"
		failed=1
	elif [ -z "$tested" ]; then
		printf '%s printed no summary\n' "$1" >>"$log"
		failed=1
	fi
	milliseconds=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	[ "$failed" -eq 0 ] || word=FAILED
	# One write, so that the lines of binaries that end together stay whole.
	printf '%s\n' "$(
		printf 'unit.%s: %s, %d passed' "$name" "$word" "${passed:-0}"
		[ "$failed" -eq 0 ] || printf ', %d failed' "$failed"
		[ "$skipped" -eq 0 ] || printf ', %d skipped' "$skipped"
		printf ' (%d ms)\n' "$milliseconds"
		[ -z "$reasons" ] || printf '    skipped %s\n' "${reasons//$'\n'/$'\n'    skipped }"
		[ "$failed" -eq 0 ] || sed 's/^/    /' "$log"
	)"
	printf '%d %d %d\n' "${passed:-0}" "$failed" "$skipped" >"$logs/$name.result"
	rm -f "$logs/$name.tap"
	[ "$failed" -ne 0 ] || rm -f "$log"
}

if [ $# -eq 0 ]; then
	printf 'usage: run-unit.sh BINARY...\n' >&2
	exit 2
fi
for binary; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do
		wait -n || true
	done
	run_one "$binary" &
done
wait

read -r passed failed skipped < <(
	awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$logs"/*.result
)
# A runner that was itself killed leaves no result.
results=$(find "$logs" -name '*.result' | wc -l)
failed=$((failed + $# - results))
if [ "$failed" -gt 0 ]; then
	mkdir -p "$BUILD/unit-logs"
	cp "$logs"/*.log "$BUILD/unit-logs/" || true
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
