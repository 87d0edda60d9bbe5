#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the end-to-end tests: real programs, hostile programs and bad input against the built mote.
#
# usage: run.sh [TOPIC[.TEST]]...      (all topics when none is named; run `make` first)
#
# BUILD     the build folder (build); work folders and logs are kept in $BUILD/e2e/TOPIC.TEST/
# E2E_JOBS  tests at a time (2)
#
# A topic is a file beside this one, a test a function test_NAME in it. One line is printed for each
# test, the log of a failed one below it, and the totals alone on the last line.
set -euo pipefail

e2e=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$e2e/../.." && pwd)
BUILD=$(cd "${BUILD:-$root/build}" && pwd)
work=$BUILD/e2e
jobs_max=${E2E_JOBS:-2}
time_limit=60
export BUILD

readonly topics=(
	cli
	hello
	build
	strace
	stdio
	tty
	console
	limits
	memory
	signals
	threads
	sockets
	inet
	control
	snapshot_apps snapshot_cli
	disk
	vsock
	bench_startup
	trace
	balloon
	virtio
	sharehost
	share_programs snapshot_devices snapshot_files snapshot_golden snapshot_points snapshot_unique reset
	servers
	serve
	libmote
	net
	names
	exec
	root
	traps
	busybox
	lua
	sqlite
	programs
	python
	hostile
	cut
	badelf
	badroot
	fuzz
)

# The tests of a topic in the order in which they are written.
tests_of() { # TOPIC
	sed -n 's/^test_\([a-z0-9_]*\)() {.*/\1/p' "$e2e/$1.sh"
}

run_one() { # TOPIC TEST
	local directory=$work/$1.$2 status=0 start=${EPOCHREALTIME/[.,]/} log milliseconds
	log=$directory.log
	rm -rf "$directory"
	mkdir -p "$directory"
	# shellcheck disable=SC2016 # the inner shell expands it
	timeout -k 5 "$time_limit" bash -euo pipefail -c \
		'cd "$1" && source "$2/$3.sh" && "test_$4"' \
		e2e "$directory" "$e2e" "$1" "$2" </dev/null >"$log" 2>&1 || status=$?
	milliseconds=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
	case $status in
	0) printf '%s.%s: ok (%d ms)\n' "$1" "$2" "$milliseconds" ;;
	77) printf '%s.%s: skipped: %s\n' "$1" "$2" "$(tail -n 1 "$log")" ;;
	124 | 137) printf '%s.%s: FAILED: time limit of %d s\n%s\n' "$1" "$2" "$time_limit" "$(indented "$log")" ;;
	*) printf '%s.%s: FAILED\n%s\n' "$1" "$2" "$(indented "$log")" ;;
	esac
	case $status in
	0) rm -rf "$directory" "$log" && echo passed ;;
	77) echo skipped ;;
	*) echo failed ;;
	esac >>"$work/results"
}

indented() { # FILE
	tail -n 40 "$1" | cut -c 1-300 | sed 's/^/    /'
}

run_topic() { # TOPIC [TEST]
	local name found=no
	for name in $(tests_of "$1"); do
		[ -z "${2-}" ] || [ "$2" = "$name" ] || continue
		found=yes
		while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do
			wait -n || true
		done
		run_one "$1" "$name" &
	done
	if [ "$found" = no ]; then
		printf 'run.sh: there is no test %s in topic %s\n' "${2-}" "$1" >&2
		exit 2
	fi
}

if [ ! -x "$BUILD/mote" ]; then
	printf 'run.sh: %s is missing: run make first\n' "$BUILD/mote" >&2
	exit 2
fi
for file in "$e2e"/*.sh; do
	topic=$(basename "$file" .sh)
	case " ${topics[*]} lib run " in
	*" $topic "*) ;;
	*)
		printf 'run.sh: %s is not in the list of topics\n' "$topic" >&2
		exit 2
		;;
	esac
done
[ $# -gt 0 ] || set -- "${topics[@]}"
for selection; do
	if [ ! -e "$e2e/${selection%%.*}.sh" ]; then
		printf 'run.sh: there is no topic %s; there are: %s\n' "$selection" "${topics[*]}" >&2
		exit 2
	fi
done
mkdir -p "$work"
: >"$work/results"
for selection; do
	case $selection in
	*.*) run_topic "${selection%%.*}" "${selection#*.}" ;;
	*) run_topic "$selection" ;;
	esac
done
wait

count() { # RESULT
	grep -cx "$1" "$work/results" || true
}
failed=$(count failed)
printf '%d passed, %d failed, %d skipped\n' "$(count passed)" "$failed" "$(count skipped)"
[ "$failed" -eq 0 ]
