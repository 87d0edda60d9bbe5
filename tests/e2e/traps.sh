# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Programs that die: status, registers, and a backtrace with names and lines.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

crash() { # HOW SIGNAL [FUNCTION FILE]
	guest crash "$1"
	expect_out before
	expect_crash "$2" "${3-innermost}" "${4-crash.c}"
}

in_order() { # NAME... (functions, innermost first)
	local name last=0 line
	for name; do
		line=$(grep -nE "^ +#[0-9]+ .* in $name\\+0x" err | head -n 1 | cut -d: -f1)
		[ "${line:-0}" -gt "$last" ] || fail "$name is not in its place in the backtrace"
		last=$line
	done
}

test_read_of_page_0() {
	crash read SIGSEGV
	expect_in err 'page fault: read from 0x10, which is not mapped'
	in_order innermost outer main
}

test_write_to_page_0() {
	crash write SIGSEGV
	expect_in err 'page fault: wrote to 0x10, which is not mapped'
}

test_call_of_null() {
	guest crash call
	expect_status 139
	expect_in err '^mote: the guest died of SIGSEGV'
	in_order innermost outer main
}

test_division_by_zero() {
	crash divide SIGFPE
	expect_in err 'divide error'
	in_order innermost outer main
}

test_invalid_opcode() {
	crash ud2 SIGILL
	expect_in err 'invalid opcode'
}

test_breakpoint() {
	crash int3 SIGTRAP
}

test_noncanonical() {
	crash noncanonical SIGSEGV
	expect_in err 'general protection'
}

test_stack_fault() {
	crash stack SIGBUS
}

test_abort() {
	guest crash abort
	expect_status 134
	expect_in err '^mote: the guest died of SIGABRT \(6\)'
	in_order abort innermost outer main
}

test_raise() {
	local number
	for number in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 24 31; do
		guest crash "$number"
		expect_status $((128 + number))
		expect_out before
	done
}

test_without_symbols() {
	need_tool strip
	strip -o stripped "$guests/crash"
	run stripped -- write
	expect_status 139
	expect_in err '^ +#0 +0x[0-9a-f]{16} in \?\? \(stripped\+0x[0-9a-f]+\)'
}

test_static_pie() {
	"$BUILD/mote-cc" -O1 -g -static-pie "$root/tests/guests/crash.c" -o pie
	run pie -- divide
	expect_crash SIGFPE innermost crash.c
	in_order innermost outer main
}

# Mappings made, changed and removed at random, against a model.
test_remap() {
	same_as_native remap 4000 1
}

# System calls that are rewritten: registers, flags, jumps into the middle.
test_rewritten_calls() {
	same_as_native calls
}

test_rewritten_forms() {
	guest rewritten text
	expect_out $'compare e9\ntest e9\nreturn e9\njump e9\nbranch e9\nload e9\npop e9\ncancel e9\nfile e9'
	guest rewritten turns
	expect_out '100 of 100'
	same_as_native rewritten results
}

test_jumps_behind_rewritten_calls() {
	same_as_native rewritten middle
}

test_single_steps_over_rewritten_calls() {
	same_as_native rewritten step
}

test_signals_at_rewritten_calls() {
	same_as_native rewritten interrupt
	same_as_native rewritten fault
}

test_mappings_over_rewritten_calls() {
	same_as_native rewritten remap
	same_as_native rewritten file
}

test_many_rewritten_calls() {
	same_as_native rewritten many
}

test_threads_in_rewritten_calls() {
	same_as_native rewritten threads
	same_as_native rewritten clones
	same_as_native rewritten cancel
}

# Programs that replace each other have more sites than the kit keeps for one.
test_rewritten_calls_of_the_next_program() {
	local i
	mkdir tree
	cp "$guests/rewritten" tree/
	run --root tree /rewritten -- exec xxxxxxxx
	expect_status 0
	for ((i = 0; i < 8; i++)); do
		echo '100 of 100'
	done >expected
	cmp -s expected out || fail "not all are rewritten"
}

# Libraries are where a jump reaches the stubs.
test_rewritten_calls_of_libraries() {
	local loader=/lib/ld-musl-x86_64.so.1
	need_tool musl-gcc
	[ -x "$loader" ] || skip "there is no $loader"
	mkdir -p tree/lib
	cp "$loader" tree/lib/
	printf '%s\n' '#include <stdio.h>' '#include <unistd.h>' \
		'int main(void) { for (int i = 0; i < 9; i++) getppid();' \
		'printf("%02x\n", ((unsigned char *)getppid)[5]); return 0; }' >library.c
	musl-gcc library.c -o tree/program
	run --root tree /program
	expect_status 0
	expect_out e9
}
