# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Resets in place: many starts from a snapshot in one VM, each of which finds everything as it was.
#
# RESET_ROUNDS: starts of the long test (10000)
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

rounds=${RESET_ROUNDS-10000}

snapshot() { # GUEST ARGUMENT...
	run --snapshot snap "$guests/$1" -- "${@:2}"
	expect_status 0
	[ -s snap ] || fail "no snapshot was written"
}

restore() { # ARGUMENT...
	try "$mote" restore "$@" snap
}

# No start has found anything that it should not, and neither has the oracle.
expect_pristine() {
	expect_not_in out FAILED
	expect_not_in err 'the reset is not right|cannot reset|FAILED'
}

test_work() {
	snapshot reset_work
	restore -n 1000 --verify-reset=7
	expect_pristine
	expect_status 0
}

# Page tables changed behind the kit's back, triple faults, the kit's pages overwritten.
test_hostile_work() {
	snapshot reset_work hostile
	restore -n 200 --verify-reset=3
	expect_pristine
	grep -q '^mote: the guest' err || fail "nobody died"
}

test_registers() {
	snapshot reset_registers
	restore -n 100 --verify-reset=3
	expect_pristine
	expect_status 0
}

test_registers_of_a_baseline_cpu() {
	run --cpu=baseline --snapshot snap "$guests/reset_registers"
	expect_status 0
	restore -n 100
	expect_pristine
	expect_status 0
}

# Whether the processor translates as the page tables say, seen from inside.
test_translations() {
	snapshot reset_memory walk
	restore -n 200 --verify-reset=5
	expect_pristine
	expect_status 0
}

test_canary() {
	snapshot reset_memory canary
	restore -n 50
	expect_pristine
	expect_status 0
}

# The status of the first start that is not 0, and the others come all the same.
test_status() {
	snapshot reset_work hostile
	restore -n 100
	expect_pristine
	[ "$status" -ne 0 ] || fail "no start failed"
	[ "$(grep -c '^mote: the guest' err)" -gt 1 ] || fail "not all were started"
}

test_options() {
	snapshot reset_work
	for bad in 0 x -1 1.5 ''; do
		restore -n 2 "--verify-reset=$bad"
		expect_error 125 'verify-reset'
	done
	restore -n 3 --verify-reset
	expect_status 0
}

field() { # PID NAME
	sed -n "s/^$2:[[:space:]]*\\([0-9]*\\).*/\\1/p" "/proc/$1/status"
}

# Microseconds from the first to the last of some lines of times.
span() {
	sed -n '1p;$p' | paste -sd' ' | { read -r a b && echo $((b - a)); }
}

test_long() {
	local pid files files_end memory memory_end lines first last
	snapshot reset_work
	"$mote" restore -n "$rounds" --verify-reset=100 snap >out 2>err &
	pid=$!
	(
		tail -f -n +1 --pid="$pid" -s 0.05 out 2>/dev/null | while read -r _; do
			echo "${EPOCHREALTIME/[.,]/}"
		done >lines_at
	) &
	# The host gives memory 2 MiB at a time: the guest has what it needs after a quarter (64 rounds a line).
	while [ "$(wc -l <out)" -lt $((rounds / 256)) ] && kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	files=$(find "/proc/$pid/fd" -type l | wc -l)
	memory=$(field "$pid" VmRSS)
	while kill -0 "$pid" 2>/dev/null && [ -r "/proc/$pid/status" ]; do
		files_end=$(find "/proc/$pid/fd" -type l 2>/dev/null | wc -l || true)
		[ "$files_end" -eq 0 ] || files_last=$files_end
		memory_end=$(field "$pid" VmRSS 2>/dev/null || true)
		[ -z "$memory_end" ] || memory_last=$memory_end
		sleep 0.1
	done
	wait "$pid" || status=$?
	expect_pristine
	expect_status 0
	[ "${files_last-$files}" -le "$files" ] || fail "$files descriptors became $files_last"
	[ "${memory_last-$memory}" -le $((memory + 16384)) ] || fail "$memory KiB became $memory_last"
	sleep 0.2
	lines=$(wc -l <lines_at)
	[ "$lines" -ge 100 ] || return 0
	first=$(head -n $((lines / 10)) lines_at | span)
	last=$(tail -n $((lines / 10)) lines_at | span)
	[ "$last" -le $((3 * first + 500000)) ] || fail "a tenth took $first us at first and $last us at last"
}
