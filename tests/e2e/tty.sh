# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Terminals: what a guest sees of one, raw mode, and that it is put back however the guest ends.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

on_tty() { # STEP... -- MOTE-RUN-ARGUMENT...
	local -a steps=()
	need_kvm
	need_tool python3
	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	try python3 "$root/tests/tools/pty-run.py" "${steps[@]}" -- "$mote" run "${run_options[@]}" "$@"
	[ "$status" -ne 99 ] || fail "$(<err)"
}

test_isatty() {
	on_tty size:33x101 -- "$guests/tty" info
	expect_status 0
	expect_in out '^isatty 1 1 1'
	expect_in out '^size 33x101'
	guest tty info </dev/null
	expect_in out '^isatty 0 0 0'
}

test_window_change() {
	on_tty await:'size 24x80' size:50x132 'type:\r' await:'size 50x132' type:'q\r' -- "$guests/tty" size
	expect_status 0
}

test_line_mode() {
	on_tty 'type:typed\r' await:typed 'type:\x04' -- "$guests/cat"
	expect_status 0
	[ "$(grep -c typed out)" -eq 2 ] || fail "expected the echo and the copy"
}

test_raw_passes_through() {
	on_tty await:ready raw:yes type:x await:'byte 78' 'type:\x04' await:'byte 04' 'type:\r' \
		await:'byte 0a' type:q -- "$guests/tty" raw
	expect_status 7
}

test_raw_restored_after_crash() {
	on_tty await:ready -- "$guests/tty" crash
	expect_status 139
}

test_raw_restored_after_interrupt() {
	on_tty await:ready raw:yes 'type:\x03' -- "$guests/tty" wait
	expect_status 130
}

test_raw_restored_after_sigterm() {
	on_tty await:ready raw:yes signal:TERM -- "$guests/tty" wait
	expect_status 143
}

test_raw_restored_after_timeout() {
	on_tty await:ready -- --timeout 0.5 "$guests/tty" wait
	expect_status 124
}

test_interrupt_computing() {
	on_tty await:started 'type:\x03' -- "$guests/spin"
	expect_status 130
}

test_interrupt_sleeping() {
	on_tty await:started 'type:\x03' -- "$guests/spin" sleep
	expect_status 130
}

test_quit() {
	on_tty await:started 'type:\x1c' -- "$guests/spin" call
	expect_status 131
}

test_script() {
	need_kvm
	need_tool script
	try script -qec "$mote run $guests/tty info" /dev/null
	expect_status 0
	expect_in out '^isatty 1 1 1'
}
