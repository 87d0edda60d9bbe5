# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Threads, their preemption, and time while they compute: as on Linux, where the same program runs first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_many() {
	same_as_native threads many
}

test_fair_while_they_spin() {
	same_as_native threads fair
}

test_sleepers_wake_while_one_spins() {
	same_as_native threads sleepers
}

test_vector_registers() {
	same_as_native threads registers
}

test_timers_interrupt_computing() {
	same_as_native threads timer
}

test_signal_to_a_thread_that_spins() {
	same_as_native threads kill
}

test_exit_ends_all() {
	guest threads exit_all
	expect_status 7
}

test_first_thread_leaves() {
	same_as_native threads first_leaves
}

test_cancel() {
	same_as_native threads cancel
}

test_close_under_a_reader() {
	same_as_native threads close_under_reader
}

test_cpu_time() {
	same_as_native threads cpu_time
}

test_stack_overflow_in_a_thread() {
	guest threads stack_overflow
	expect_status 139
	grep -q 'overflow' err || fail "no backtrace of the thread"
}

# A guest that only computes has the time of the host: it is stopped for that once a second.
test_clock_without_exits() {
	local before after shown
	before=$(date +%s%N)
	guest threads spin_for 2300
	after=$(date +%s%N)
	expect_status 0
	shown=$(<out)
	[ "$shown" -ge $((before + 2300000000 - 1000000)) ] || fail "behind the host, which had $before"
	[ "$shown" -le $((after + 1000000)) ] || fail "ahead of the host, which had $after"
}

# Threads that all sleep cost the host nothing: 2 seconds of sleep, less than a tenth of CPU time.
test_idle_threads_cost_nothing() {
	need_kvm
	local ticks pid
	"$mote" run "$guests/threads" idle >out 2>err &
	pid=$!
	sleep 0.5
	ticks=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
	sleep 2
	ticks=$(($(awk '{ print $14 + $15 }' "/proc/$pid/stat") - ticks))
	kill "$pid"
	wait "$pid" || status=$?
	[ "$ticks" -lt 20 ] || fail "$ticks ticks of CPU time in 2 s of sleep"
	expect_in out 'all sleep'
}
