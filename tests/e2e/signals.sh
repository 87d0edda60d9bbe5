# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Signals that a program handles: everything as on Linux, where the same program is run first.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_sigsegv() {
	same_as_native sigsegv
}

test_every_trap() {
	same_as_native sigtraps
}

test_alternate_stack() {
	same_as_native sigstack
}

test_masks_and_nesting() {
	same_as_native sigmask
}

test_vector_registers() {
	same_as_native sigfp
}

test_direction_flag() {
	same_as_native flags df
}

test_nested_task_flag() {
	same_as_native flags nt
}

test_alignment_flag() {
	same_as_native flags ac
}

test_single_step() {
	same_as_native flags tf
}

test_null_segments() {
	same_as_native flags segments
	same_as_native flags gs
}
