# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# The console through its virtio device: the tests of stdio and tty hold there, too.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

of() { # TOPIC TEST
	# shellcheck disable=SC2016 # the inner shell expands it
	MOTE_RUN_OPTIONS=--console=virtio bash -euo pipefail -c 'source "$1/$2.sh" && "test_$3"' \
		of "$here" "$1" "$2"
}

test_stdio_pipe() { of stdio pipe; }
test_stdio_empty() { of stdio empty; }
test_stdio_megabyte() { of stdio megabyte; }
test_stdio_slow_input() { of stdio slow_input; }
test_stdio_epoll() { of stdio epoll; }
test_stdio_epoll_leaves_input_unread() { of stdio epoll_leaves_input_unread; }
test_stdio_input_left_alone() { of stdio input_left_alone; }
test_stdio_stdin_closed() { of stdio stdin_closed; }
test_stdio_stdout_closed() { of stdio stdout_closed; }
test_stdio_sigpipe() { of stdio sigpipe; }
test_stdio_epipe() { of stdio epipe; }
test_stdio_full_disk() { of stdio full_disk; }
test_stdio_stderr_apart() { of stdio stderr_apart; }
test_stdio_flood() { of stdio flood; }
test_stdio_append() { of stdio append; }
test_tty_isatty() { of tty isatty; }
test_tty_window_change() { of tty window_change; }
test_tty_line_mode() { of tty line_mode; }
test_tty_raw_passes_through() { of tty raw_passes_through; }
test_tty_raw_restored_after_crash() { of tty raw_restored_after_crash; }
test_tty_raw_restored_after_interrupt() { of tty raw_restored_after_interrupt; }
test_tty_raw_restored_after_sigterm() { of tty raw_restored_after_sigterm; }
test_tty_raw_restored_after_timeout() { of tty raw_restored_after_timeout; }
test_tty_interrupt_computing() { of tty interrupt_computing; }
test_tty_interrupt_sleeping() { of tty interrupt_sleeping; }
test_tty_quit() { of tty quit; }
test_tty_script() { of tty script; }

# A stdout that takes nothing for a while: the guest goes on, and nothing is lost at its end.
test_nonblocking() {
	need_kvm
	status=0
	timeout 45 "$mote" run --console=virtio "$guests/slow_reader" 2>err | {
		sleep 0.5
		cat
	} >out || status=$?
	expect_status 0
	expect_in err '^refused at times$'
	[ "$(wc -l <out)" -eq 20000 ] || fail "$(wc -l <out) lines"
	[ "$(tail -n 1 out)" = "line 19999 of a guest that does not wait" ] || fail "not in order"
}

# What is on its way when the guest ends is waited for, and so is what another way comes behind it.
test_order() {
	need_kvm
	need_busybox
	status=0
	# shellcheck disable=SC2016 # the guest's shell expands it
	timeout 45 "$mote" run --console=virtio "$busybox" -- sh -c \
		'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done; echo stderr >&2; echo last' \
		2>&1 | {
		sleep 0.3
		cat
	} >out || status=$?
	expect_status 0
	[ "$(tail -n 3 out | tr '\n' ' ')" = "line 2999 stderr last " ] || fail "not in order"
}

test_refused() {
	run --console=serial "$images/hello"
	expect_error 125 'write hypercall or virtio'
}
