#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Random system calls in microVMs: guests/fuzz_syscalls, run again and again with new seeds. The guest
# may do to itself what it likes; the kit and mote must survive it.
#
# usage: fuzz-syscalls.sh [SECONDS [THREADS [SEED]]]     (20 seconds, 1 and 3 threads in turns; the first seed)
#
# BUILD  the build folder (build)
#
# Each run has two seconds. At the first failure the seed is printed with what mote said and the last
# calls of a run with the same seed under --strace; the exit status is 1 then.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILD=$(cd "${BUILD:-$tests/../build}" && pwd)
time=${1:-20} only_threads=${2:-} seed=${3:-$(date +%s)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() { # SEED THREADS OPTIONS...
	timeout -k 2 20 "$BUILD/mote" run --timeout 6 "${@:3}" "$BUILD/guests/fuzz_syscalls" -- "$1" 2 "$2" \
		</dev/null >"$work/out" 2>"$work/err"
}

# The guest ended by itself, by a signal of its own, for want of memory, or was asleep: all its own affair.
is_good_end() { # STATUS
	! grep -aq 'the guest kit\|guest kit:\|Sanitizer\|runtime error' "$work/err" || return 1
	case $1 in
	124) grep -aq 'mote: the guest ran' "$work/err" ;;
	125) return 1 ;;
	132 | 134 | 135 | 136 | 139 | 159) grep -aq 'mote: the guest died' "$work/err" ;; # or mote itself did
	esac
}

runs=0 calls=0 died=0 asleep=0
while [ $SECONDS -lt "$time" ]; do
	threads=${only_threads:-$((seed % 2 * 2 + 1))}
	status=0
	run "$seed" "$threads" || status=$?
	if ! is_good_end "$status"; then
		printf 'failed: seed %s, %s threads, status %d\n' "$seed" "$threads" "$status"
		grep -av 'is not served' "$work/err" | head -n 60
		run "$seed" "$threads" --strace || true
		printf 'the last calls of the same seed with --strace:\n'
		tail -c 20000 "$work/err" | grep -a '^[a-z_0-9]*(' | tail -n 5 || tail -n 20 "$work/err"
		exit 1
	fi
	runs=$((runs + 1)) seed=$((seed + 1))
	[ "$status" -lt 128 ] || died=$((died + 1))
	[ "$status" -ne 124 ] || asleep=$((asleep + 1))
	made=$(sed -n 's/^\([0-9]*\) calls$/\1/p' "$work/out" | tail -n 1)
	calls=$((calls + ${made:-0}))
done
printf '%d runs, more than %d calls; %d guests died, %d slept too long\n' "$runs" "$calls" "$died" "$asleep"
