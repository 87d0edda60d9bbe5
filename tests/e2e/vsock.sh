# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# AF_VSOCK of the guest through Unix sockets of the host.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

host() {
	timeout 12 "$root/tests/tools/vsock-host.py" "$@"
}

# Starts a guest that listens, and comes back when it does; its output goes to out and err.
start() { # GUEST-ARGUMENT...
	need_kvm
	need_tool python3
	timeout -k 2 45 "$mote" run --vsock "$PWD/v" "$guests/vsock" "$@" >out 2>err &
	guest_pid=$!
	until grep -q listening out; do
		kill -0 "$guest_pid" 2>kill.log || fail "the guest has ended"
		sleep 0.02
	done
}

finish() {
	status=0
	wait "$guest_pid" || status=$?
	expect_status 0
	expect_gone v
}

# The connector removes the socket once mote has ended.
expect_gone() { # PATH
	for _ in $(seq 100); do
		[ -e "$1" ] || return 0
		sleep 0.02
	done
	fail "$1 is still there"
}

test_host_to_guest() {
	start echo 5000 3
	[ "$(stat -c %a v)" = 600 ] || fail "others may connect: mode $(stat -c %a v)"
	[ "$(echo hello | host send v 5000)" = hello ] || fail "no echo"
	[ "$(echo again | host trickle v 5000)" = again ] || fail "no echo of a slow greeting"
	head -c 5000000 /dev/urandom >data
	host send v 5000 <data >back
	cmp data back
	finish
}

test_many_at_a_time() {
	start many 6 40
	host lines v 6 40
	finish
}

test_wrong_greetings() {
	start echo 5000 1
	host refused v '\n' 'CONNECT\n' 'CONNECT \n' 'CONNECT 5000x\n' 'connect 5000\n' 'CONNECT 4294967296\n' \
		'CONNECT -1\n' 'CONNECT 5001\n' 'CONNECT 000000000000000000000000005000\n' \
		'no line end, and too long for one'
	[ "$(echo hello | host send v 5000)" = hello ] || fail "no echo after all that"
	finish
}

# More than there are connections: those beyond wait in the backlog, or are refused by the guest's.
test_silent_clients() {
	start echo 5000 1
	python3 - v <<'PY' &
import socket, sys, time
peers = []
for _ in range(60):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect(sys.argv[1])
    peers.append(peer)
time.sleep(1)
PY
	sleep 0.3
	[ "$(echo hello | host send v 5000)" = hello ] || fail "no echo beside them"
	wait $!
	finish
}

test_guest_to_host() {
	need_kvm
	need_tool python3
	head -c 3000000 /dev/urandom >data
	host serve "$PWD/v" 7 answer >back &
	until [ -S v_7 ]; do sleep 0.02; done
	try "$mote" run --vsock "$PWD/v" "$guests/vsock" send 7 <data
	expect_status 0
	wait $!
	cmp data back
	[ "$(<out)" = answer ] || fail "no answer"
}

test_nobody_listens() {
	run --vsock "$PWD/v" "$guests/vsock" refused 9
	expect_status 0
	expect_gone v
}

test_refused_calls() {
	run --vsock "$PWD/v" "$guests/vsock" errors
	expect_status 0
}

test_without_device() {
	run "$guests/vsock" errors
	expect_status 1
	grep -q 'socket: Address family not supported' out || fail "another error"
}

test_killed() {
	start echo 5000 1
	kill -9 "$(pgrep -P "$guest_pid")"
	wait "$guest_pid" || true
	expect_gone v
}

test_path() {
	need_kvm
	: >file
	run --vsock file "$guests/vsock" errors
	expect_status 125
	grep -q 'cannot listen on the Unix socket file: Address' err || fail "another error"
	[ -f file ] || fail "a file was removed"
	run --vsock "$(printf 'x%.0s' {1..120})" "$guests/vsock" errors
	expect_status 125
	grep -q 'at most' err || fail "another error"
	run --vsock no/such/folder "$guests/vsock" errors
	expect_status 125
	# Of a mote that could not clean up.
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("stale")'
	run --vsock stale "$guests/vsock" errors
	expect_status 0
}

test_path_in_use() {
	start echo 5000 1
	try "$mote" run --vsock "$PWD/v" "$guests/vsock" errors
	expect_status 125
	[ "$(echo hello | host send v 5000)" = hello ] || fail "the first one is disturbed"
	finish
}
