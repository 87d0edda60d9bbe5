# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# The network of a guest as the host sees it: when frames leave, what fails on the host, what is left
# behind. TAPs are made in a network namespace of the test's own.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

space=mote-net-$$
inside=()
mote_pid=

cleanup() {
	[ -z "$mote_pid" ] || kill -9 "$mote_pid" 2>/dev/null || true
	[ ${#inside[@]} -eq 0 ] || ip netns delete "$space" 2>/dev/null || true
}
trap cleanup EXIT

need_tap() {
	need_kvm
	need_tool ip
	need_tool python3
	[ "$(id -u)" -eq 0 ] || skip "only root may make a network namespace and a TAP"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	ip netns add "$space" || skip "no network namespace can be made"
	inside=(ip netns exec "$space")
	"${inside[@]}" ip link set lo up
	"${inside[@]}" ip tuntap add dev mote0 mode tap
	"${inside[@]}" ip address add 10.9.0.1/24 dev mote0
	"${inside[@]}" ip link set mote0 up
}

need_passt() {
	need_kvm
	need_tool passt
	need_tool python3
	port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
}

# mote in the background, its own process: $mote_pid.
start() { # MOTE-RUN-ARGUMENT...
	"${inside[@]}" "$mote" run --timeout 15 "$@" >out 2>err &
	mote_pid=$!
	wait_for ready out
}

start_tap() { # MODE MOTE-RUN-ARGUMENT...
	start --net tap=mote0,ip=10.9.0.2/24 "${@:2}" "$guests/net" "$1"
}

start_user() { # MODE
	start --net "user,publish=$port:7" "$guests/net" "$1"
}

stop() {
	kill "$mote_pid"
	status=0
	wait "$mote_pid" || status=$?
	mote_pid=
}

# Processor time of a process, in ms.
cpu_ms() { # PID
	awk '{ print ($14 + $15) * 10 }' "/proc/$1/stat"
}

# Python with `talk`, a connection to the guest; and `trip`, the ms that a byte needs there and back.
client() { # HOST PORT PYTHON
	"${inside[@]}" timeout 12 python3 -c 'import socket, sys, time
talk = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
talk.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
talk.settimeout(5)
def trip():
    start = time.monotonic()
    talk.sendall(b"x")
    assert talk.recv(1) == b"x"
    return (time.monotonic() - start) * 1000
exec(sys.argv[3])' "$@" || fail "the client has failed"
}

# ---- when frames leave ----

test_echo_tap() {
	need_tap
	start_tap echo --stats=json
	client 10.9.0.2 7 'import os, threading
data = os.urandom(4_000_000)
threading.Thread(target=talk.sendall, args=(data,)).start()
got = b""
while len(got) < len(data):
    got += talk.recv(1 << 20)
assert got == data'
	stop
	expect_in err '"net":\{"is_up":true,'
	python3 - <<'PYTHON' || fail "strange numbers"
import json
net = json.loads(open("err").read().splitlines()[-1])["net"]
assert net["bytes_sent"] > 4_000_000 and net["bytes_received"] > 4_000_000, net
# Segments are joined both ways.
assert net["frames_sent"] < 2000 and net["frames_received"] < 2000, net
assert net["frames_dropped"] == 0 and net["published"] == [], net
PYTHON
}

test_echo_user() {
	need_passt
	start_user echo
	client 127.0.0.1 "$port" 'for i in range(100): trip()'
	stop
}

# A request and its answer cost one exit, the wait for the next.
test_one_exit_per_request() {
	need_tap
	start_tap echo --stats=json
	client 10.9.0.2 7 'for i in range(2000): trip()'
	stop
	python3 - <<'PYTHON' || fail "too many exits"
import json
exits = json.loads(open("err").read().splitlines()[-1])["exits"]
assert exits["wait"] < 2600, exits
PYTHON
}

# Who sends and then computes does not wait, and is not waited for.
test_answer_leaves_while_the_guest_computes() {
	need_tap
	start_tap compute
	client 10.9.0.2 7 'times = []
for i in range(4):
    times.append(trip())
    time.sleep(1.2)
assert sorted(times)[1] < 100, times'
	stop
}

test_polling_guest_hears_of_data() {
	need_tap
	start_tap poll
	client 10.9.0.2 7 'times = sorted(trip() for i in range(200))
assert times[100] < 5, times'
	stop
}

# Lengths and sums of frames that many segments were joined to: local receivers look at none of them.
test_headers_of_joined_segments() {
	need_tap
	start_tap source
	client 10.9.0.2 7 'import struct, threading
capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
capture.bind(("mote0", 0))
capture.settimeout(5)
def receive():
    left = 5_000_000
    while left > 0:
        left -= len(talk.recv(1 << 18))
def total(data):
    whole = sum(struct.unpack(f">{len(data) // 2}H", data))
    while whole >> 16:
        whole = (whole & 0xffff) + (whole >> 16)
    return whole
talk.sendall(b"x")
threading.Thread(target=receive).start()
joined = 0
while joined < 20:
    frame, address = capture.recvfrom(70000)
    if address[2] == socket.PACKET_OUTGOING or frame[12:14] != b"\x08\0" or frame[23] != 6 or len(frame) < 3000:
        continue
    joined += 1
    header = frame[14:34]
    assert total(header) == 0xffff and struct.unpack(">H", header[2:4])[0] == len(frame) - 14
    pseudo = header[12:20] + struct.pack(">HH", 6, len(frame) - 34)
    assert struct.unpack(">H", frame[50:52])[0] == total(pseudo), "sum of the pseudo header"'
	stop
}

# What the network loses is sent again, though nothing comes in meanwhile: the host does not know its
# own address when the answer comes.
test_lost_answers_are_sent_again() {
	need_tap
	start_tap late
	client 10.9.0.2 7 'import subprocess
def address(verb):
    subprocess.run(["ip", "address", verb, "10.9.0.1/24", "dev", "mote0"], check=True)
def answer():
    return talk.recv(1000, socket.MSG_WAITALL)
talk.sendall(b"x")
answer()
talk.sendall(b"x")
time.sleep(0.1)
address("delete")
time.sleep(0.8)
address("add")
assert len(answer()) == 1000'
	stop
}

# ---- what fails on the host ----

# One line on stderr; the guest goes on, and nothing runs in circles.
expect_link_down() { # REGEX
	local before
	wait_for 'the guest.s network is down' err
	expect_in err "^mote: the guest's network is down: $1"
	[ "$(wc -l <err)" -eq 1 ] || fail "more than one line"
	before=$(cpu_ms "$mote_pid")
	sleep 1
	[ $(($(cpu_ms "$mote_pid") - before)) -le 50 ] || fail "busy"
	stop
	expect_status 143
}

test_tap_is_removed() {
	need_tap
	start_tap echo
	client 10.9.0.2 7 'trip()'
	"${inside[@]}" ip link delete mote0
	expect_link_down 'the interface mote0 has been removed'
}

# The only child that mote has.
passt_of() { # PID
	cat "/proc/$1/task/$1/children"
}

test_passt_dies() {
	need_passt
	start_user echo
	client 127.0.0.1 "$port" 'trip()'
	# shellcheck disable=SC2046 # one word
	kill -9 $(passt_of "$mote_pid")
	expect_link_down 'passt has ended'
}

is_gone() { # PID
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status" 2>/dev/null
}

# However mote ends, passt ends.
ends_with_mote() { # SIGNAL
	local child i
	need_passt
	start_user echo
	child=$(passt_of "$mote_pid")
	child=${child% }
	client 127.0.0.1 "$port" 'trip()'
	kill "-$1" "$mote_pid"
	wait "$mote_pid" || true
	mote_pid=
	for ((i = 0; i < 100; i++)); do
		! is_gone "$child" || return 0
		sleep 0.02
	done
	fail "passt is still there"
}

test_passt_ends_when_mote_is_killed() { ends_with_mote KILL; }
test_passt_ends_when_mote_is_stopped() { ends_with_mote TERM; }

test_published_port_is_taken() {
	need_passt
	python3 -c 'import socket, sys, time
s = socket.create_server(("127.0.0.1", int(sys.argv[1]))); print("taken", flush=True); time.sleep(10)' "$port" >taken &
	local holder=$!
	wait_for taken taken
	run --net "user,publish=$port:7" "$images/hello"
	kill "$holder"
	expect_error 125 "cannot publish TCP port $port of 127.0.0.1: Address in use"
}

test_passt_is_missing() {
	need_kvm
	mkdir empty
	try "$(command -v env)" "PATH=$PWD/empty" "$mote" run --net user "$images/hello"
	expect_error 125 'cannot start passt: .*apt-get install passt'
}

test_no_such_tap() {
	run --net tap=mote-none "$images/hello"
	expect_error 125 'cannot use the interface mote-none: No such device\. Make it: '
}

test_tap_is_in_use() {
	need_tap
	start_tap echo
	try "${inside[@]}" "$mote" run --net tap=mote0 "$images/hello"
	expect_error 125 'cannot use the interface mote0: .*Another program has it open'
	stop
}

# A user's own TAP needs no root.
test_tap_of_a_user() {
	need_tap
	need_tool setpriv
	"${inside[@]}" ip tuntap add dev mote1 mode tap user 65534
	chmod 711 . 2>/dev/null || true
	setpriv --reuid 65534 --clear-groups test -r /dev/kvm -a -w /dev/kvm -a -w /dev/net/tun -a -x "$mote" ||
		skip "user 65534 may not use /dev/kvm and /dev/net/tun"
	try "${inside[@]}" setpriv --reuid 65534 --clear-groups "$mote" run --net tap=mote1 "$images/hello"
	expect_status 0
}

# ---- what it costs ----

test_idle_server() {
	local before
	need_tap
	start_tap echo
	client 10.9.0.2 7 'trip()'
	sleep 1
	before=$(cpu_ms "$mote_pid")
	sleep 4
	[ $(($(cpu_ms "$mote_pid") - before)) -le 10 ] || fail "an idle guest uses the processor"
	stop
}

# A device that nobody uses costs no exit.
test_unused_network() {
	local without
	need_tap
	run --stats=json "$images/hello"
	without=$(grep -o '"total":[0-9]*,"unknown' err)
	try "${inside[@]}" "$mote" run --stats=json --net tap=mote0 "$images/hello"
	expect_status 0
	grep -qF "$without" err || fail "without a network: $without"
}
