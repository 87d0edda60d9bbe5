# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Where snapshots are taken, and what is the same behind that: registers, masks, threads, clocks, memory.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

guest=$guests/snapshot_points

# Takes a snapshot of a guest that is given these arguments; what it printed before is in `before`.
take() { # MOTE-RUN-OPTION... -- ARGUMENT...
	local -a options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ -x "$guest" ] || fail "$guest is not built"
	run --snapshot s.snap "${options[@]}" "$guest" "$@"
	expect_status 0
	expect_no_err
	[ -s s.snap ] || fail "no snapshot"
	mv out before
}

restore() {
	need_kvm
	try "$mote" restore s.snap
}

# Everything that the guest checks is so, without a snapshot, in the guest that goes on, in two restored ones, and in one
# that is reset.
check_all() { # CASE
	run "$guest" "$1"
	expect_so
	take -- "$@"
	expect_not_in before 'NO$'
	restore
	expect_so
	restore
	expect_so
	try "$mote" restore --count 3 --verify-reset s.snap
	expect_so
	run --snapshot s.snap --snapshot-continue "$guest" "$1"
	expect_so
}

expect_so() {
	expect_status 0
	expect_not_in out 'NO$'
	expect_in out 'yes$'
}

test_registers() {
	check_all registers
	restore
	expect_in out '^point 2$'
}

test_avx() {
	grep -qw avx /proc/cpuinfo || skip "no AVX"
	check_all avx
}

test_masks() {
	check_all masks
}

test_threads_asleep_and_computing() {
	check_all threads
}

# 24 MiB unmapped, given back, and mapped again.
test_memory_is_zero_when_it_is_mapped_again() {
	check_all memory
}

# 8 MiB in pieces of 256 KiB, which the snapshot has as huge pages.
test_memory_in_pieces() {
	check_all pieces
}

test_clocks() {
	local before after shown
	check_all clocks
	sleep 1.2
	before=$(date +%s%N)
	restore
	after=$(date +%s%N)
	shown=$(sed -n 's/^realtime //p' out)
	[ "$shown" -ge $((before - 1000000)) ] || fail "CLOCK_REALTIME $shown is behind the host's, $before"
	[ "$shown" -le $((after + 1000000)) ] || fail "CLOCK_REALTIME $shown is ahead of the host's, $after"
	[ "$(sed -n 's/^boottime //p' out)" -ge 1200 ] || fail "CLOCK_BOOTTIME stood still"
}

# The snapshot lies for longer than the sleepers wanted to sleep.
test_timers() {
	run "$guest" timers
	expect_so
	take -- timers
	sleep 3
	restore
	expect_so
	[ "$(wc -l <out)" -eq 6 ] || fail "expected six lines"
}

test_clock_that_advances() {
	take --snapshot-clock advance -- advance
	sleep 2.2
	restore
	expect_so
	run --snapshot-clock sometimes "$guest" advance
	expect_error 125 'neither freeze nor advance'
}

listen() { # HOW FAMILY
	run "$guest" listen "$1" "$2"
	expect_out "about to listen
a connection came: yes
restores 0
callbacks 0"
	take --snapshot-at=listen -- listen "$1" "$2"
	printf 'about to listen\n' | cmp -s - before || fail "it went on before the snapshot"
	for _ in 1 2; do
		restore
		expect_status 0
		expect_no_err
		expect_out "a connection came: yes
restores 1
callbacks 1"
	done
}

test_listen_accept() {
	listen accept inet
}

test_listen_accept_unix() {
	listen accept unix
}

test_listen_poll() {
	listen poll inet
}

test_listen_select() {
	listen select unix
}

test_listen_epoll() {
	listen epoll inet
}

test_main() {
	take --snapshot-at=main --env VARIABLE=old -- one two
	[ ! -s before ] || fail "the program ran"
	restore
	expect_status 0
	expect_in out '^argument two$'
	expect_in out '^variable old$'
	grep -xE '[0-9a-f]{32}' out >first
	restore
	grep -xE '[0-9a-f]{32}' out >second
	! cmp -s first second || fail "AT_RANDOM is the same in both"
	try "$mote" restore --env VARIABLE=new s.snap -- three four five
	expect_status 0
	[ "$(grep '^argument' out | sed 1d | paste -sd ' ')" = "argument three argument four argument five" ] ||
		fail "the arguments are not those of this start"
	expect_in out '^variable new$'
	expect_not_in out 'one|two|old'
}

# Before a script's arguments stand those of its interpreter's line, whatever is given.
test_main_of_a_script() {
	need_tool mkfs.erofs
	mkdir tree
	cp "$guest" tree/points
	printf '#!/points  fixed\n' >tree/script
	chmod +x tree/script
	mkfs.erofs --quiet root.erofs tree
	run --root root.erofs --snapshot s.snap --snapshot-at=main /script -- one
	expect_status 0
	try "$mote" restore --root root.erofs s.snap
	[ "$(grep '^argument' out | paste -sd ' ')" = "argument /points argument fixed argument /script argument one" ] ||
		fail "not the script's arguments"
	try "$mote" restore --root root.erofs s.snap -- two three
	[ "$(grep '^argument' out | paste -sd ' ')" = \
		"argument /points argument fixed argument /script argument two argument three" ] ||
		fail "not the new arguments"
}

# A program that is past main() asks for them.
test_arguments_at_a_mark() {
	take -- given
	restore
	expect_in out '^given given$'
	try "$mote" restore --env VARIABLE=new s.snap -- alpha beta
	expect_status 0
	[ "$(grep '^given' out | sed 1d | paste -sd ' ')" = "given alpha given beta" ] || fail "not the arguments of this start"
	expect_in out '^variable VARIABLE=new$'
}

test_marks() {
	take --snapshot-at=two -- marks
	expect_not_in before two
	restore
	expect_in out '^two 2$'
	expect_in out '^point 0$'
	take -- marks
	expect_in before '^one 0$'
	expect_not_in before point
	restore
	expect_in out '^point 2$'
	run --snapshot s.snap --snapshot-at=three "$guest" marks
	expect_status 125
	expect_in err 'without coming to that point'
}

# The system call is nobody's on Linux, and what is passed to it is checked in a guest.
test_bad_calls() {
	try "$guest" bad
	expect_out "operation: refused
signal: refused
id: refused
buffer: refused
name: refused
long name: passed"
	run "$guest" bad
	expect_status 0
	expect_no_err
	expect_out "operation: refused
signal: refused
id: refused
buffer: refused
name: passed
long name: passed"
	run --snapshot s.snap "$guest" bad
	expect_in out '^name: refused$'
	expect_in out '^long name: refused$'
}

test_strace_names_it() {
	run --strace "$guest" marks
	expect_in err '^mote\(0, 0x[0-9a-f]+, 0\) += 0'
	run --strace=summary "$guest" marks
	expect_in err ' mote$'
}

test_outside_mote() {
	try "$guest" marks
	expect_status 0
	expect_out "one 0
two 0
point 0"
	for case in registers masks threads clocks memory; do
		try "$guest" "$case"
		expect_so
	done
}

# Any compiler, any C library.
test_header() {
	need_tool gcc
	cat >use.c <<'C'
#include <mote/guest.h>
static void call(void *argument) { (void)argument; }
int other(void);
int main(void) { return mote_on_restore(call, 0) || mote_snapshot_point() || other(); }
C
	cat >other.c <<'C'
#include <mote/guest.h>
int other(void) { return mote_callbacks.count != 1 || mote_is_restored(); }
C
	for flags in -std=c99 -std=gnu11 -O2; do
		gcc "$flags" -Wall -Wextra -Wpedantic -Werror -I "$root/include" use.c other.c -o use || fail "gcc $flags"
		try ./use
		expect_status 0
	done
	if command -v g++ >/dev/null; then
		cp use.c use.cc
		sed 's/int other/extern "C" int other/' use.c >use.cc
		g++ -Wall -Wextra -Werror -I "$root/include" -c use.cc -o use_cc.o || fail "g++"
	fi
}

# ---- from outside ----

# A guest that does this is asked for a snapshot, and goes on; two starts from it say what they should.
outside() { # WHAT-IT-DOES EXPECTED [STDIN-OF-THE-RESTORED]
	need_kvm
	[ -x "$guest" ] || fail "$guest is not built"
	local pid name=points-$$
	mkfifo in
	timeout 45 "$mote" run --name "$name" "$guest" outside "$1" <in >running 2>err &
	pid=$!
	exec 7>in
	wait_for ready running
	sleep 0.2
	try timeout 20 "$mote" snapshot "$name" -o s.snap
	expect_status 0
	kill -0 "$pid" || fail "the guest did not go on"
	[ "$1" != stdin ] || echo first >&7
	[ "$1" != stdin ] || wait_for 'line first' running
	kill "$pid" 2>/dev/null || true
	exec 7>&-
	wait "$pid" || true
	for _ in 1 2; do
		status=0
		printf '%s\n' "${3-}" | timeout 20 "$mote" restore s.snap >out 2>err || status=$?
		expect_status 0
		expect_in out "$2"
		expect_not_in out 'NO$|ready'
	done
}

test_outside_asleep() {
	outside sleep '^restored$'
}

test_outside_asleep_forever() {
	outside futex '^restored$'
}

test_outside_in_epoll() {
	outside epoll '^restored$'
}

test_outside_reading_stdin() {
	outside stdin '^line second$' second
}

test_outside_computing() {
	outside compute 'computes: yes'
}

test_outside_computing_without_calls() {
	outside spin 'computed: yes'
}

test_outside_in_system_calls() {
	outside calls 'computes: yes'
}

test_outside_many_threads() {
	outside threads '^restored$'
}
