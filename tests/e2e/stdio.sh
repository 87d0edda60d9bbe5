# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Standard input, output and error: pipes, files, ends and errors.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_pipe() {
	run "$guests/cat" < <(printf 'one\ntwo\n')
	expect_status 0
	expect_out $'one\ntwo'
}

test_empty() {
	run "$guests/cat" </dev/null
	expect_status 0
	expect_no_out
}

test_megabyte() {
	head -c 1000003 /dev/urandom >data
	run "$guests/cat" <data
	expect_status 0
	cmp -s data out || fail "not copied from a file"
	need_kvm
	# shellcheck disable=SC2002 # a pipe is wanted on both sides
	cat data | timeout 10 "$mote" run "${run_options[@]}" "$guests/cat" | cat >out
	cmp -s data out || fail "not copied through pipes"
}

test_slow_input() {
	need_kvm
	{
		echo first
		sleep 0.3
		echo second
	} | timeout 10 "$mote" run "${run_options[@]}" "$guests/cat" >out &
	wait_for first out
	expect_not_in out second
	wait $!
	expect_in out second
}

# A guest that waits for its input by epoll, beside a timer, is told once for each piece, and sleeps.
test_epoll() {
	need_kvm
	local mode
	for mode in level edge; do
		{
			echo one
			sleep 0.2
			echo two
			sleep 0.2
		} | timeout 10 "$mote" run "${run_options[@]}" "$guests/epoll" -- "$mode" >out
		expect_out $'one\ntwo\n3 events, end of input'
	done
}

test_epoll_leaves_input_unread() {
	need_kvm
	{
		echo one
		sleep 2
	} | timeout 10 "$mote" run "${run_options[@]}" "$guests/epoll" -- unread >out
	expect_out '1 events, time is up'
}

test_input_left_alone() {
	need_kvm
	printf 'one\ntwo\n' >data
	{
		timeout 10 "$mote" run "${run_options[@]}" "$images/hello" >out
		cat >rest
	} <data
	cmp -s data rest || fail "a guest that does not read took input"
}

test_stdin_closed() {
	run "$guests/cat" <&-
	expect_status 1
	expect_in err '^cat: read: Bad file descriptor$'
}

test_stdout_closed() {
	need_kvm
	status=0
	echo data | timeout 10 "$mote" run "${run_options[@]}" "$guests/cat" 2>err >&- || status=$?
	: >out
	expect_status 1
	expect_in err '^cat: write: Bad file descriptor$'
}

# The reader is gone before anything is written. <> on a FIFO would keep it open, so: a short reader.
test_sigpipe() {
	need_kvm
	{
		status=0
		timeout 10 "$mote" run "${run_options[@]}" "$guests/hostile_flood" 2>err || status=$?
		echo "$status" >status
	} | head -c 10 >out
	status=$(<status)
	expect_status 141
}

test_epipe() {
	need_kvm
	{
		status=0
		timeout 10 "$mote" run "${run_options[@]}" "$guests/cat" ignore </dev/zero 2>err || status=$?
		echo "$status" >status
	} | head -c 10 >out
	status=$(<status)
	expect_status 1
	expect_in err '^cat: write: Broken pipe$'
}

test_full_disk() {
	need_kvm
	[ -e /dev/full ] || skip "there is no /dev/full"
	status=0
	echo data | timeout 10 "$mote" run "${run_options[@]}" "$guests/cat" >/dev/full 2>err || status=$?
	: >out
	expect_status 1
	expect_in err '^cat: write: No space left on device$'
}

test_stderr_apart() {
	run "$guests/cat" <&-
	expect_no_out
	expect_in err 'Bad file descriptor'
}

test_flood() {
	need_kvm
	[ "$(timeout 45 "$mote" run "${run_options[@]}" "$guests/hostile_flood" 2>err | wc -c)" -eq 100000000 ] || fail "not 100 MB"
	expect_no_err
}

test_append() {
	need_kvm
	echo before >log
	timeout 10 "$mote" run "${run_options[@]}" "$images/hello" >>log
	[ "$(head -n 1 log)" = before ] || fail "the file was overwritten"
	expect_in log '^Hello'
}
