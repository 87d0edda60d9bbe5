# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Random system calls: whatever a program asks for, the kit survives it. More of it by hand:
# ../fuzz-syscalls.sh.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A new seed each time; a failure names it.
fuzz() { # THREADS
	need_kvm
	"$root/tests/fuzz-syscalls.sh" 9 "$1" >out || fail "a random system call did harm"
	expect_in out '^[1-9][0-9]* runs, more than [1-9][0-9]* calls'
}

test_system_calls() {
	fuzz 1
}

test_system_calls_of_threads() {
	fuzz 3
}
