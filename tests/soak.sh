#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# mote serve under 80 % of the load that it can take, for a long time: no error, no growth of memory
# or of descriptors, and its metrics agree with what wrk counts.
#
# usage: soak.sh [SECONDS]      (3600; run `make guests` first; `make soak` does both)
#
# BUILD names the build folder; ISOLATION_REQUESTS (100000) is how many requests two tenants make before
# that, none of whom finds anything of the other (tests/guests/function_tenant.c). Prints what it has seen; the last line says whether all is well.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
seconds=${1:-3600}
requests_of_tenants=${ISOLATION_REQUESTS:-100000}
connections=32
workers=$((2 * $(nproc))) # always: one more is memory and descriptors, too
out=$(mktemp -d)
server=

cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait || true
	rm -rf "$out"
}
trap cleanup EXIT

fail() { # TEXT...
	printf 'soak: FAILED: %s\n' "$*"
	tail -n 5 "$out/serve.log" || true
	exit 1
}

start() { # FUNCTION
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	"$build/mote-serve" --listen "127.0.0.1:$port" --pool "$workers:$workers" --log none "$build/guests/$1" 2>"$out/serve.log" &
	server=$!
	for _ in $(seq 100); do
		! grep -q 'listening on' "$out/serve.log" || return 0
		sleep 0.1
	done
	fail "it does not start"
}

load() { # SECONDS MEAN-DELAY-MS
	SOAK_DELAY=$2 wrk -t1 "-c$connections" "-d$1s" -s "$root/tests/tools/soak.lua" "http://127.0.0.1:$port/x"
}

# NAME: of a counter, summed over its labels
metric() {
	curl -s "http://127.0.0.1:$port/metrics" | awk -v name="$1" 'index($1, name) == 1 { sum += $2 } END { print sum + 0 }'
}

# Memory in KiB of the server, and of its workers (each page's share), and descriptors of all.
sample() {
	local pids pid
	pids=$(pgrep -P "$server" || true)
	{
		awk '/^VmRSS/ { print $2 }' "/proc/$server/status"
		for pid in $pids; do
			awk '/^Pss:/ { print $2 }' "/proc/$pid/smaps_rollup" 2>/dev/null || true
		done | awk '{ sum += $1 } END { print sum + 0 }'
		for pid in $server $pids; do
			find "/proc/$pid/fd" -mindepth 1 2>/dev/null || true
		done | wc -l
		wc -w <<<"$pids"
	} | tr '\n' ' '
	echo
}

# COLUMN FIRST LAST: the median of a column over some tenths of the samples
median() {
	awk -v column="$1" '{ print $column }' "$out/samples" | awk -v from="$2" -v to="$3" '
		{ value[NR] = $1 }
		END { for (i = int(NR * from / 10) + 1; i <= NR * to / 10; i++) print value[i] }' |
		sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

# COLUMN ROOM WHAT: it has not grown from the first half's end to the end by more than that
check_growth() {
	local before after
	before=$(median "$1" 3 6)
	after=$(median "$1" 7 10)
	printf 'soak: %s: %s, later %s\n' "$3" "$before" "$after"
	[ "$after" -le $((before + $2)) ] || fail "$3 grew from $before to $after"
}

isolate() {
	start function_tenant
	python3 "$root/tests/tools/serve-clients.py" tenants "127.0.0.1:$port" "$requests_of_tenants" >"$out/tenants" 2>&1 ||
		fail "$(tail -n 5 "$out/tenants")"
	printf 'soak: requests of two tenants: %s\n' "$(<"$out/tenants")"
	kill "$server"
	wait "$server" || true
}

[ "$requests_of_tenants" -eq 0 ] || isolate
start function_faults
# What it can take; the first second fills caches and the pool.
load 1 0 >/dev/null
most=$(load 2 0 | awk '/^Requests\/sec/ { print int($2) }')
[ "${most:-0}" -gt 0 ] || fail "it does not answer"
delay=$((connections * 1250 / most - 2000 / most))
counted=$(metric 'mote_responses_total')

load "$seconds" "$delay" >"$out/wrk" &
wrk=$!
every=$(awk -v s="$seconds" 'BEGIN { print s / 40 < 0.2 ? 0.2 : s / 40 }')
while kill -0 "$wrk" 2>/dev/null; do
	sample >>"$out/samples"
	sleep "$every"
done
wait "$wrk" || fail "wrk"

requests=$(awk '/ requests in / { print $1 }' "$out/wrk")
rate=$(awk '/^Requests\/sec/ { print int($2) }' "$out/wrk")
answers=$(($(metric 'mote_responses_total') - counted))
printf 'soak: %d requests in %d s, %d a second: %d %% of the most\n' "$requests" "$seconds" "$rate" $((100 * rate / most))
grep -E 'Latency' "$out/wrk" || true
! grep -E 'Non-2xx|Socket errors' "$out/wrk" || fail "errors"
[ "$(metric 'mote_responses_total{app="/",code="5xx"}')" -eq 0 ] || fail "answers of status 5xx"
# Those that wrk has not waited for are answered, too.
if [ "$answers" -lt "$requests" ] || [ "$answers" -gt $((requests + connections)) ]; then
	fail "the server counts $answers answers, wrk $requests"
fi
printf 'soak: the server counts %d answers\n' "$answers"
check_growth 1 1024 'KiB of the server'
check_growth 2 2048 'KiB of the workers'
check_growth 3 4 'descriptors'
printf 'soak: passed\n'
