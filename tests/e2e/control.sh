# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Control sockets: commands to running microVMs, and clients that do their worst.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Names are the user's: each test has a directory for them of its own.
export XDG_RUNTIME_DIR=$PWD/run
mkdir -p "$XDG_RUNTIME_DIR"
sockets=$XDG_RUNTIME_DIR/mote

client() {
	timeout 40 "$root/tests/tools/control.py" "$@"
}

# Starts a guest that counts, and comes back when it does; its output goes to NAME.out and NAME.err.
start() { # NAME MOTE-RUN-ARGUMENT...
	need_kvm
	need_tool python3
	rm -f "$1.out" # or the lines of an earlier one are seen
	timeout -k 2 50 "$mote" run --name "$1" "${@:2}" >"$1.out" 2>"$1.err" &
	guest_pid=$!
	wait_for . "$1.out"
}

# The guest of start() ends; what it ended with is in $status.
finish() {
	status=0
	wait "$guest_pid" || status=$?
}

lines() { # NAME
	wc -l <"$1.out"
}

test_ps() {
	start web --label tier=front --label empty= "$guests/counter" sleep
	start other --mem 64M "$guests/counter" compute
	[ "$(stat -c %a "$sockets")" = 700 ] || fail "mode of the directory"
	[ "$(stat -c %a "$sockets/web.sock")" = 600 ] || fail "mode of the socket"
	try "$mote" ps
	expect_status 0
	expect_no_err
	expect_in out '^NAME +PID STATE +UPTIME +MEMORY +RESIDENT +APP AND LABELS$'
	expect_in out '^web +[0-9]+ running +[0-9]+s +128M +[0-9]+M +.*/counter tier=front empty=$'
	expect_in out '^other +[0-9]+ running +[0-9]+s +64M +[0-9]+M +.*/counter$'
	try "$mote" ps --json
	expect_status 0
	python3 -c '
import json, sys
other, web = json.load(open("out"))
assert web["name"] == "web" and other["name"] == "other"
assert web["labels"] == {"tier": "front", "empty": ""} and other["labels"] == {}
assert other["memory_bytes"] == 64 << 20 and other["pid"] == int(sys.argv[1])
assert other["resident_bytes"] > 100000 and web["state"] == "running"
' "$(pgrep -P "$guest_pid")" || fail "the JSON is not as it should be"
	"$mote" stop web
	"$mote" stop other
	try "$mote" ps
	expect_status 0
	expect_no_out
	[ -z "$(find "$sockets" -name "*.sock")" ] || fail "sockets of dead microVMs were left"
}

test_without_name() {
	run "$images/hello"
	[ ! -e "$sockets" ] || fail "there is a directory for sockets"
	try "$mote" ps
	expect_no_out
	try "$mote" ps --json
	expect_out '[]'
}

test_pause() {
	local how before
	for how in sleep compute; do
		start "p-$how" "$guests/counter" "$how"
		try "$mote" pause "p-$how"
		expect_status 0
		expect_no_err
		before=$(lines "p-$how")
		sleep 0.3
		[ "$(lines "p-$how")" -eq "$before" ] || fail "a paused guest goes on"
		try "$mote" ps
		expect_in out "^p-$how +[0-9]+ paused "
		try "$mote" pause "p-$how"
		expect_status 0
		try "$mote" resume "p-$how"
		expect_status 0
		sleep 0.2
		[ "$(lines "p-$how")" -gt "$before" ] || fail "a guest does not go on"
		"$mote" pause "p-$how"
		try "$mote" stop "p-$how"
		expect_status 0
		finish
		expect_status 143
	done
}

test_time_limit_of_a_paused_guest() {
	start limited --timeout 1 "$guests/counter" sleep
	"$mote" pause limited
	finish
	expect_status 124
}

test_stop_and_kill() {
	start one "$guests/counter" sleep
	try "$mote" stop one
	expect_status 0
	expect_no_err
	finish
	expect_status 143
	start two "$guests/counter" compute
	try "$mote" kill two
	expect_status 0
	finish
	expect_status 137
	# By PID; and one that does not answer.
	start three "$guests/counter" sleep
	kill -STOP "$(pgrep -P "$guest_pid")"
	try "$mote" ps
	expect_in out '^three +[0-9]+ silent$'
	try "$mote" stop three
	expect_error 125 'the microVM three does not answer'
	try "$mote" kill "$(pgrep -P "$guest_pid")"
	expect_status 0
	expect_no_err
	finish
	expect_status 137
}

test_balloon() {
	start b --balloon "$guests/counter" sleep
	try "$mote" balloon b 16M
	expect_status 0
	for _ in $(seq 200); do
		! "$mote" ps --json | grep -q '"balloon_bytes": 16777216,' || break
		sleep 0.02
	done
	"$mote" ps --json | grep -q '"balloon_bytes": 16777216,' || fail "the guest gave nothing"
	try "$mote" balloon b 0
	expect_status 0
	for _ in $(seq 200); do
		! "$mote" ps --json | grep -q '"balloon_bytes": 0,' || break
		sleep 0.02
	done
	"$mote" ps --json | grep -q '"balloon_bytes": 0,' || fail "the guest took nothing back"
	try "$mote" balloon b much
	expect_error 125 "balloon 'much' is not a size"
	"$mote" stop b
	start c "$guests/counter" sleep
	try "$mote" balloon c 1M
	expect_error 125 'the microVM c refuses: it has no balloon: start it with --balloon'
	"$mote" kill c
}

test_names() {
	start taken "$guests/counter" sleep
	try "$mote" run --name taken "$images/hello"
	expect_error 125 'a microVM with the name taken is running already'
	"$mote" ps | grep -q ^taken || fail "the first one is disturbed"
	kill -9 "$(pgrep -P "$guest_pid")"
	finish
	[ -S "$sockets/taken.sock" ] || fail "who removed the socket?"
	# The name of a dead one is free.
	start taken "$guests/counter" sleep
	"$mote" kill taken
	finish
	try "$mote" pause taken
	expect_error 125 'there is no running microVM with the name taken'
	try "$mote" pause 1
	expect_error 125 'there is no running microVM with a name and the PID 1'
	try "$mote" pause ../x
	expect_error 125 "'../x' is neither the name nor the PID of a microVM"
	try "$mote" pause
	expect_error 125 'something is missing: mote pause NAME'
	try "$mote" stop a b
	expect_error 125 'that is too much: mote stop NAME'
	try "$mote" stop -x
	expect_error 125 "unknown option '-x'"
	try "$mote" ps x
	expect_error 125 "'x' is none of its options"
}

test_logs() {
	local end
	start talk "$guests/counter" sleep
	try "$mote" logs -n 3 talk
	expect_status 0
	expect_no_err
	[ "$(wc -l <out)" -le 3 ] || fail "more than three lines"
	[ "$(stat -c %a "$sockets/talk.log")" = 600 ] || fail "mode of the log"
	"$mote" logs -f talk >followed &
	sleep 0.3
	try "$mote" logs "$(pgrep -P "$guest_pid")"
	expect_status 0
	head -n 1 out | grep -qx "$(head -n 1 talk.out)" || fail "not from the first line on"
	"$mote" stop talk
	finish
	wait $! || fail "mote logs -f: status $?"
	cmp followed talk.out || fail "what was followed is not what was written"
	try "$mote" logs talk
	cmp out talk.out || fail "after its end"
	end=$(tail -n 2 talk.out)
	try "$mote" logs -n 2 talk
	expect_out "$end"
	try "$mote" logs -n 0 talk
	expect_no_out
}

# Both streams, bytes of all kinds, more than is kept; and with --console=virtio.
test_logs_of_much() {
	local console
	need_kvm
	head -c 1000000 /dev/urandom >bytes
	for console in hypercall virtio; do
		run --name much --console="$console" "$guests/cat" <bytes
		cmp out bytes || fail "it is not passed on"
		try "$mote" logs much
		[ "$(stat -c %s out)" -eq 245760 ] || fail "$(stat -c %s out) bytes"
		tail -c 245760 bytes | cmp - out || fail "other bytes"
		[ "$(stat -c %s "$sockets/much.log")" -le 266240 ] || fail "the file grows"
	done
	run --name crash "$guests/crash" write
	try "$mote" logs crash
	expect_in out 'the guest died of SIGSEGV'
}

test_logs_refuse() {
	need_kvm
	try "$mote" logs
	expect_error 125 'something is missing'
	try "$mote" logs nobody
	expect_error 125 'there is no output of a microVM with the name nobody'
	try "$mote" logs 1
	expect_error 125 'there is no running microVM with a name and the PID 1'
	try "$mote" logs ../x
	expect_error 125 'neither the name nor the PID'
	for wrong in '' x -1 1x 99999999999999999999999; do
		try "$mote" logs -n "$wrong" x
		expect_error 125 'is not a number of lines'
	done
	try "$mote" logs a b
	expect_error 125 "'b' is not understood"
	try "$mote" logs --all a
	expect_error 125 "'--all' is not understood"
	ln -s /etc/passwd "$sockets/link.log"
	try "$mote" logs link
	expect_error 125 'cannot open the log'
	echo short >"$sockets/short.log"
	try "$mote" logs short
	expect_error 125 'its head is wrong'
	mkdir "$sockets/folder.log"
	try "$mote" run --name folder "$images/hello"
	expect_error 125 'cannot make the log'
	# In place of the log: what it leads to stays.
	echo precious >file
	ln -s "$PWD/file" "$sockets/trap.log"
	run --name trap "$images/hello"
	expect_status 0
	[ "$(cat file)" = precious ] || fail "written through a link"
	# Cut while it is written.
	start cut "$guests/counter" sleep
	truncate -s 0 "$sockets/cut.log"
	sleep 0.1
	try "$mote" logs cut
	expect_error 125 'its head is wrong'
	"$mote" stop cut
	finish
	expect_status 143
}

# Output that does not fit is not kept, and harms nobody.
test_logs_on_a_full_disk() {
	need_kvm
	head -c 200000 /dev/urandom >bytes
	run --name full "$guests/cat" <bytes
	(ulimit -f 100 && exec "$mote" run --name full "$guests/cat" <bytes) | cat >copy
	cmp copy bytes || fail "it is not passed on"
	try "$mote" logs full
	expect_status 0
}

test_directory() {
	need_kvm
	mkdir -m 777 "$sockets"
	chmod 777 "$sockets"
	try "$mote" run --name x "$images/hello"
	expect_error 125 'cannot use .*/run/mote for control sockets'
	try "$mote" ps
	expect_error 125 'cannot use .*/run/mote for control sockets'
	rmdir "$sockets"
	ln -s /tmp "$sockets"
	try "$mote" run --name x "$images/hello"
	expect_error 125 'cannot use'
	rm "$sockets"
	# A path that is too long for an address, and one that has to be made.
	XDG_RUNTIME_DIR=$PWD/$(printf 'x%.0s' {1..100})/y
	start long "$guests/counter" sleep
	try "$mote" ps
	expect_in out '^long '
	"$mote" kill long
	finish
	# Something else has the name.
	XDG_RUNTIME_DIR=$PWD/run
	mkdir -m 700 "$sockets"
	: >"$sockets/x.sock"
	try "$mote" run --name x "$images/hello"
	expect_error 125 'a microVM with the name x is running already'
	[ -f "$sockets/x.sock" ] || fail "a file was removed"
	unset XDG_RUNTIME_DIR
	HOME=$PWD/home XDG_CACHE_HOME='' "$mote" ps >out
	[ -d /run/user/"$(id -u)" ] || [ "$(stat -c %a home/.cache/mote/run)" = 700 ] || fail "no directory below HOME"
}

# Nobody else is served, even if the socket were open to all.
test_foreign_user() {
	[ "$(id -u)" -eq 0 ] || skip "has to be root"
	need_tool setpriv
	XDG_RUNTIME_DIR=$(mktemp -d)
	chmod 711 "$XDG_RUNTIME_DIR"
	cp "$root/tests/tools/control.py" "$XDG_RUNTIME_DIR"
	start x "$guests/counter" sleep
	chmod 711 "$XDG_RUNTIME_DIR/mote"
	! setpriv --reuid 65534 --clear-groups env PATH=/usr/bin:/bin python3 "$XDG_RUNTIME_DIR/control.py" ask \
		"$XDG_RUNTIME_DIR/mote/x.sock" '{"command":"status"}' >out 2>err || fail "the mode does not keep others out"
	expect_in err PermissionError
	chmod 666 "$XDG_RUNTIME_DIR/mote/x.sock"
	setpriv --reuid 65534 --clear-groups env PATH=/usr/bin:/bin python3 "$XDG_RUNTIME_DIR/control.py" refused \
		"$XDG_RUNTIME_DIR/mote/x.sock" || fail "a foreign user is served"
	client ask "$XDG_RUNTIME_DIR/mote/x.sock" '{"command":"status"}' >out
	"$mote" kill x
	rm -rf "$XDG_RUNTIME_DIR"
}

# Whatever clients do, the guest goes on, and others are served.
bad_clients() { # HOW
	local before
	start h "$guests/counter" "$1"
	client hostile "$sockets/h.sock"
	client random "$sockets/h.sock" 100
	client deaf "$sockets/h.sock"
	client files "$sockets/h.sock"
	client silent "$sockets/h.sock" 60
	before=$(lines h)
	sleep 0.3
	[ "$(lines h)" -gt "$before" ] || fail "the guest does not go on"
	"$mote" kill h
	finish
	expect_status 137
}

test_bad_clients_of_a_waiting_guest() {
	bad_clients sleep
}

test_bad_clients_of_a_busy_guest() {
	bad_clients compute
}

test_crowd() {
	start crowd "$guests/counter" compute
	client crowd "$sockets/crowd.sock" 1000
	"$mote" kill crowd
}

# At most 20 ms; what a loaded machine adds, it adds now and then only.
test_latency() {
	local how median longest
	for how in sleep compute; do
		start "l-$how" "$guests/counter" "$how"
		read -r median longest < <(client latency "$sockets/l-$how.sock" 60)
		[ "${median%.*}" -lt 20 ] || fail "an answer takes $median ms ($how), $longest at most"
		"$mote" kill "l-$how"
	done
}

# A guest that waits for whoever reads its output is no reason to be deaf.
test_blocked_output() {
	need_kvm
	need_busybox
	mkfifo pipe
	(exec <pipe && sleep 30) &
	reader=$!
	timeout 40 "$mote" run --name blocked "$busybox" yes >pipe 2>err &
	guest_pid=$!
	sleep 0.5
	try timeout 5 "$mote" ps
	expect_in out '^blocked +[0-9]+ running '
	try timeout 5 "$mote" kill blocked
	expect_status 0
	kill "$reader"
	finish
	expect_status 137
}
