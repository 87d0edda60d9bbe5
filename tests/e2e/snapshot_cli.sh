# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Snapshots of running microVMs; files that are killed, cut short or refused while they are made; files of others.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export XDG_RUNTIME_DIR=$PWD/run
mkdir -p "$XDG_RUNTIME_DIR"
counter=$guests/counter

# Starts a microVM with a name, and comes back when its guest writes lines; they go to NAME.out.
start() { # NAME run|restore ARGUMENT...
	need_kvm
	rm -f "$1.out" # or the lines of an earlier one are seen
	timeout -k 2 50 "$mote" "$2" --name "$1" "${@:3}" >"$1.out" 2>"$1.err" &
	guest_pid=$!
	wait_for . "$1.out"
}

mote_pid() {
	pgrep -P "$guest_pid"
}

finish() {
	status=0
	wait "$guest_pid" || status=$?
}

expect_none() { # FILE...
	local file
	for file; do
		[ ! -e "$file" ] || fail "$file was left"
	done
}

# The guest of a snapshot goes on from there: its memory holds, and it counts on.
expect_goes_on() { # SNAPSHOT LEAST-COUNT
	local first
	try timeout -s KILL 1 "$mote" restore "$1"
	expect_not_in out damaged
	first=$(head -n 1 out)
	[ "${first:-0}" -ge "$2" ] || fail "it began with ${first:-nothing}, and not with $2 or more"
	[ "$(sed -n 2p out)" -eq $((first + 1)) ] || fail "it does not count on"
}

test_of_running_guests() {
	local how count
	for how in sleep compute; do
		start "$how" run "$counter" "$how" 8
		count=$(tail -n 1 "$how.out")
		try "$mote" snapshot "$how" -o "$how.snap"
		expect_status 0
		expect_no_err
		expect_in out "^$how.snap: [0-9]+ pages, [0-9]+ bytes$"
		[ "$(stat -c %a "$how.snap")" = 600 ] || fail "mode of the file"
		sleep 0.2
		[ "$(tail -n 1 "$how.out")" -gt "$count" ] || fail "the guest does not go on"
		expect_not_in "$how.out" damaged
		# By PID, over the old one; and then no more of it.
		try "$mote" snapshot "$(mote_pid)" -o "$how.snap" --stop
		expect_status 0
		finish
		expect_status 143
		expect_goes_on "$how.snap" "$((count + 1))"
	done
	[ -z "$(find . -name '.*.new')" ] || fail "temporary files were left"
}

test_of_a_paused_guest() {
	local count
	start p run "$counter" compute
	"$mote" pause p
	count=$(tail -n 1 p.out)
	try "$mote" snapshot p -o p.snap
	expect_status 0
	"$mote" ps | grep -q '^p .* paused ' || fail "it is not paused any more"
	sleep 0.2
	[ "$(tail -n 1 p.out)" -le $((count + 1)) ] || fail "it goes on"
	"$mote" kill p
	expect_goes_on p.snap "$count"
}

# A sleep that was begun before, reading standard input, and threads.
test_of_waiting_guests() {
	need_kvm
	need_busybox
	mkfifo in
	sleep 40 >in &
	local writer=$!
	# shellcheck disable=SC2016 # the guest's shell expands it
	timeout 40 "$mote" run --name reader "$busybox" sh -c 'echo ready; read line; echo "got $line"' <in >reader.out &
	wait_for ready reader.out
	try "$mote" snapshot reader -o reader.snap --stop
	expect_status 0
	wait $! || true
	kill $writer
	echo "a line" | timeout 20 "$mote" restore reader.snap >out
	expect_out "got a line"
	mkfifo quiet
	exec 9<>quiet
	timeout 40 "$mote" run --name sleeper "$busybox" sh -c 'echo ready; read -t 2 line || echo awake' <&9 >sleeper.out &
	wait_for ready sleeper.out
	try "$mote" snapshot sleeper -o sleeper.snap --stop
	expect_status 0
	timeout 20 "$mote" restore sleeper.snap <&9 >out || true
	expect_out awake
}

test_base() {
	local size
	start a run "$counter" sleep 20
	"$mote" snapshot a -o a.snap --stop >log
	finish
	start b restore a.snap
	try "$mote" snapshot b -o b.snap --base a.snap
	expect_status 0
	size=$(stat -c %s b.snap)
	[ "$size" -lt $(($(stat -c %s a.snap) / 20)) ] || fail "b.snap has $size bytes"
	try "$mote" snapshot b -o whole.snap
	expect_status 0
	"$mote" kill b
	finish
	expect_goes_on b.snap 1
	expect_goes_on whole.snap 1
	# The third floor, and what is no base.
	start c restore b.snap
	try "$mote" snapshot c -o c.snap --base b.snap
	expect_status 0
	try "$mote" snapshot c -o d.snap --base a.snap
	expect_error 125 'the microVM c refuses: it was started from another snapshot than the base'
	try "$mote" snapshot c -o b.snap --base b.snap
	expect_error 125 'b.snap cannot build on b.snap: it would take its place'
	try "$mote" snapshot c -o d.snap --base nowhere.snap
	expect_error 127 'cannot open nowhere.snap'
	mkdir other
	try "$mote" snapshot c -o other/d.snap --base b.snap
	expect_error 125 'other/d.snap cannot build on b.snap: both have to be in the same folder'
	"$mote" kill c
	finish
	expect_goes_on c.snap 2
	start d run "$counter" sleep
	try "$mote" snapshot d -o d.snap --base a.snap
	expect_error 125 'the microVM d refuses: it was not started from a snapshot'
	"$mote" kill d
	expect_none d.snap other/d.snap
}

# One that begins again and again: commands and snapshots between, and at any moment of it.
test_of_resets() {
	local round
	run --snapshot h.snap --snapshot-at main "$images/hello"
	start r restore -n 1000000 h.snap
	for ((round = 0; round < 8; round++)); do
		try "$mote" snapshot r -o "r$round.snap"
		expect_status 0
		"$mote" pause r
		"$mote" resume r
	done
	try "$mote" snapshot r -o based.snap --base h.snap
	expect_status 0
	[ "$(sort -u r.out)" = "$(sed 1q r.out)" ] || fail "a start was another one"
	"$mote" stop r
	finish
	expect_status 143
	for ((round = 0; round < 8; round++)); do
		try "$mote" restore "r$round.snap"
		expect_status 0
	done
	try "$mote" restore based.snap
	expect_status 0
}

# A connection to the host is named, and cut when that is wanted: the guest sees ECONNRESET.
test_connections() {
	need_tool python3
	start v run --vsock "$PWD/v" "$guests/vsock" echo 5000 1
	python3 - <<'PY' &
import socket, time
peer = socket.socket(socket.AF_UNIX)
peer.connect("v")
peer.sendall(b"CONNECT 5000\n")
peer.recv(100)
peer.sendall(b"hello")
peer.recv(100)
open("connected", "w").close()
peer.settimeout(20)
assert peer.recv(100) == b""
PY
	local peer=$!
	until [ -e connected ]; do
		kill -0 $peer || fail "no connection"
		sleep 0.02
	done
	try "$mote" snapshot v -o v.snap
	expect_error 125 'the microVM v refuses: it has what a snapshot cannot carry \(--force cuts it\): the vsock connection of port 5000'
	[ ! -e v.snap ] || fail "a file was left"
	"$mote" ps | grep -q '^v .* running ' || fail "it does not go on"
	try "$mote" snapshot v -o v.snap --force
	expect_status 0
	wait $peer || fail "the connection was not cut"
	finish
	expect_status 1
	expect_in v.out 'read: Connection reset by peer'
}

# It waits for whoever reads its output: no moment is safe.
test_of_a_guest_that_is_stuck() {
	need_kvm
	need_busybox
	mkfifo pipe
	(exec <pipe && sleep 30) &
	local reader=$! begin=$EPOCHREALTIME
	timeout 40 "$mote" run --name stuck "$busybox" yes >pipe 2>stuck.err &
	guest_pid=$!
	sleep 0.3
	"$mote" snapshot stuck -o other.snap >other.out 2>other.err &
	sleep 0.5
	"$mote" ps >list
	expect_in list '^stuck +[0-9]+ saving '
	try "$mote" snapshot stuck -o stuck.snap
	expect_error 125 'the microVM stuck refuses: another snapshot of it is being taken'
	! wait %?other.snap || fail "a snapshot was taken"
	expect_in other.err 'did not come to where a snapshot can be taken within 5 seconds'
	[ "$(since "$begin")" -lt 9000 ] || fail "that took too long"
	"$mote" ps >list
	expect_in list '^stuck +[0-9]+ running '
	"$mote" kill stuck
	kill $reader
	finish
	expect_none stuck.snap other.snap
}

test_misuse() {
	start x run "$counter" sleep
	try "$mote" snapshot
	expect_error 125 'no microVM given: mote snapshot NAME'
	try "$mote" snapshot x
	expect_error 125 'no file given'
	try "$mote" snapshot x -o
	expect_error 125 'needs a file'
	try "$mote" snapshot x y -o z
	expect_error 125 'one microVM at a time'
	try "$mote" snapshot x -o z --fast
	expect_error 125 "unknown option '--fast'"
	try "$mote" snapshot x -o no/such/folder
	expect_error 125 'cannot create no/such/folder: No such file'
	mkdir folder
	try "$mote" snapshot x -o folder
	expect_error 125 'cannot create folder: it is not a regular file'
	try "$mote" snapshot x -o /dev/null
	expect_error 125 'cannot create /dev/null: it is not a regular file'
	try "$mote" snapshot y -o z
	expect_error 125 'there is no running microVM with the name y'
	"$mote" kill x
	[ ! -e z ] || fail "a file was left"
}

# ---- while it is taken ---- #

# What is at s.snap is the old file or a new one that is whole, and there is nothing else.
expect_old_or_new() { # SHA-OF-OLD
	local now
	[ -z "$(find . -maxdepth 1 -name '.*new*')" ] || fail "left behind: $(find . -name '.*new*')"
	if [ "$1" = none ] && [ ! -e s.snap ]; then
		return
	fi
	now=$(sha256sum <s.snap)
	[ "$now" = "$1" ] || "$mote" inspect s.snap >inspect.log 2>&1 || fail "a file that is not whole"
}

random_moment() { # MILLISECONDS
	sleep "0.0$(printf '%03d' $((RANDOM % ($1 * 10))))"
}

test_killed_client() {
	local old round client
	start k run "$counter" sleep 1
	"$mote" snapshot k -o s.snap >log
	for ((round = 0; round < ${KILL_ROUNDS:-50}; round++)); do
		old=$(sha256sum <s.snap)
		"$mote" snapshot k -o s.snap >log 2>&1 &
		client=$!
		random_moment 40
		kill -9 $client 2>log || true
		wait $client 2>log || true
		expect_old_or_new "$old"
	done
	# The guest has noticed nothing.
	try "$mote" snapshot k -o s.snap
	expect_status 0
	expect_not_in k.out damaged
	pid=$(mote_pid)
	[ "$(find "/proc/$pid/fd" | wc -l)" -lt 30 ] || fail "descriptors leak"
	"$mote" kill k
}

test_killed_vm() {
	local old round client
	start k0 run "$counter" sleep 1
	"$mote" snapshot k0 -o s.snap --stop >log
	for ((round = 1; round <= ${KILL_ROUNDS:-20}; round++)); do
		old=$(sha256sum <s.snap)
		start "k$round" restore s.snap
		"$mote" snapshot "k$round" -o s.snap >log 2>&1 &
		client=$!
		random_moment 40
		kill -9 "$(mote_pid)"
		status=0
		wait $client 2>log || status=$?
		[ $status -eq 0 ] || [ $status -eq 125 ] || fail "the client ended with $status"
		expect_old_or_new "$old"
	done
	"$mote" ps >out
	expect_no_out
}

# mote run --snapshot: both processes, at once or one of them.
test_killed_run() {
	local old=none round victim
	need_kvm
	for ((round = 0; round < ${KILL_ROUNDS:-50}; round++)); do
		[ $((round % 10)) -ne 5 ] || rm -f s.snap
		[ ! -e s.snap ] && old=none || old=$(sha256sum <s.snap)
		setsid "$mote" run --snapshot s.snap --snapshot-at main "$counter" sleep >log 2>&1 &
		victim=$!
		random_moment 30
		if ((round % 3)); then
			kill -9 $victim 2>log || true
		else
			kill -9 "$(pgrep -P $victim)" 2>log || true
		fi
		wait $victim 2>log || true
		sleep 0.05
		expect_old_or_new "$old"
	done
	! pgrep -f "run --snapshot s.snap --snapshot-at main $counter" >out || fail "a process was left behind"
	rm -f s.snap
	run --snapshot s.snap --snapshot-at main "$images/hello"
	expect_status 0
	try "$mote" restore s.snap
	expect_status 0
}

test_full_disk() {
	need_kvm
	unshare -Urm true 2>unshare.log || skip "no namespaces of users"
	start f run "$counter" sleep 8
	# The client's disk is full: the microVM sees that, and goes on.
	# shellcheck disable=SC2016 # the inner shell expands it
	try unshare -Urm sh -c 'mkdir d && mount -t tmpfs -o size=4m none d && echo old >d/s.snap &&
		"$0" snapshot f -o d/s.snap; status=$?; ls -A d >list; cat d/s.snap >content; exit $status' "$mote"
	expect_error 125 'the microVM f refuses: .*No space left on device'
	[ "$(<list) $(<content)" = "s.snap old" ] || fail "not as it was: $(<list)"
	try "$mote" snapshot f -o whole.snap
	expect_status 0
	"$mote" kill f
	# shellcheck disable=SC2016 # the inner shell expands it
	try unshare -Urm sh -c 'mount -t tmpfs -o size=200k none d && echo old >d/s.snap &&
		"$0" run --snapshot d/s.snap --snapshot-at main "$1"; status=$?; ls -A d >list; cat d/s.snap >content; exit $status' \
		"$mote" "$images/hello"
	expect_error 125 'No space left on device'
	[ "$(<list) $(<content)" = "s.snap old" ] || fail "not as it was: $(<list)"
}

test_limit_of_file_size() {
	need_kvm
	echo old >s.snap
	(
		ulimit -f 256
		run --snapshot s.snap --snapshot-at main "$images/hello"
		expect_error 125 'File too large'
	)
	[ "$(<s.snap)" = old ] || fail "the old file is gone"
	[ -z "$(find . -name '.*.new')" ] || fail "a temporary file was left"
}

# A file system whose files all have names.
test_read_only_folder() {
	unshare -Urm true 2>unshare.log || skip "no namespaces of users"
	start r run "$counter" sleep
	mkdir d
	# shellcheck disable=SC2016 # the inner shell expands it
	try unshare -Urm sh -c 'mount -t tmpfs none d && mount -o remount,ro d && "$0" snapshot r -o d/s.snap' "$mote"
	expect_error 125 'cannot create d/s.snap: Read-only file system'
	"$mote" kill r
}

# ---- files of others ---- #

edited() { # FIELD VALUE
	[ -x "$BUILD/tools/snapshot-edit" ] || fail "snapshot-edit is not built"
	cp whole.snap s.snap
	"$BUILD/tools/snapshot-edit" s.snap "$1" "$2"
	try "$mote" restore s.snap
}

test_of_another_machine() {
	run --snapshot whole.snap --snapshot-at main "$images/hello"
	expect_status 0
	edited tsc-khz "$((1 << 20))" # no change of what can be started
	edited vendor 1
	expect_error 126 'cannot start from s.snap: it was taken on a CPU of another vendor'
	edited features 0x40000000 # IA64: nobody has it
	expect_error 126 'its guest has seen features of its CPU that this one does not have \(CPUID leaf 0x1\.0: 0 0 0 40000000\)'
	edited features-7 0xffffffff
	expect_error 126 'its guest has seen features .* \(CPUID leaf 0x7\.0: '
	edited xcr0 3
	if [ "$status" -ne 0 ]; then
		expect_error 126 'it is damaged \(XCR0\)'
	fi
	edited xcr0 0xffff
	expect_error 126 'it is damaged \(CPU\)'
}

test_of_another_mote() {
	run --snapshot whole.snap --snapshot-at main "$images/hello"
	edited version 99
	expect_error 126 'it is of a newer version of mote'
	edited version 0
	expect_error 126 'cannot use snapshot s.snap: '
	edited flags 0x80000000
	expect_error 126 'cannot use snapshot s.snap: '
	edited abi 99
	expect_error 126 'its guest kit is of a newer mote \(ABI 99, this one has [0-9]+\). Take it anew'
	edited abi 1
	expect_error 126 'its guest kit is of an older mote \(ABI 1, this one has [0-9]+\)'
}

# Checksums are right, and the machine makes no sense: an error, or the guest's own death.
test_of_an_impossible_machine() {
	local change
	run --snapshot whole.snap --snapshot-at main "$images/hello"
	for change in 'ram-size 0' 'ram-size 4097' 'ram-size 0xfffffffffffff000' 'ram-end 1' 'ram-end 0xfffffffffffff000' \
		'free-end 0xffffffffffff0000' 'cpu-model 77'; do
		# shellcheck disable=SC2086 # two words
		edited $change
		expect_error 126 'cannot (start from|use snapshot) s.snap: '
	done
	for change in 'page-table 0' 'page-table 0x7fff000' 'page-table 0xfffffffffffff000' 'rip 0' 'rip 0x8000000000000000' 'cr4 0' \
		'cr4 0xffffffffffffffff' 'efer 0' 'efer 0xffffffffffffffff' 'tsc-khz 0' 'tsc-khz 0xffffffffffffffff'; do
		# shellcheck disable=SC2086 # two words
		edited $change
		[ "$status" -ne 124 ] || fail "$change: it hangs"
		! grep -q -iE 'segmentation|sanitizer' err || fail "$change"
		[ "$status" -eq 0 ] || grep -q '^mote: ' err || fail "$change: no word, status $status"
	done
}

# As a power cut may leave a file whose name was there before its bytes.
test_cut_anywhere() {
	local size at
	run --snapshot whole.snap --snapshot-at main "$images/hello"
	size=$(stat -c %s whole.snap)
	for ((at = 0; at < size; at += 16384)); do
		head -c $((at ? at - RANDOM % 4096 : 0)) whole.snap >s.snap
		try "$mote" restore s.snap
		expect_error 126 'cannot use snapshot s.snap: it is '
	done
	cp whole.snap s.snap
	echo >>s.snap
	try "$mote" restore s.snap
	expect_error 126 'cannot use snapshot s.snap: it is too long'
}

test_files_that_are_none() {
	need_kvm
	: >empty
	head -c 100000 /dev/urandom >noise
	printf 'MoteSnap' >short
	head -c 100000 /dev/zero >zeros
	for file in empty noise short zeros "$images/hello"; do
		try "$mote" restore "$file"
		expect_error 126 "cannot use snapshot $file: "
	done
	try "$mote" restore nowhere
	expect_error 127 'cannot open.* nowhere'
	mkdir folder
	try "$mote" restore folder
	expect_error 126 'folder'
	mkfifo pipe
	try "$mote" restore pipe
	expect_error 126 'pipe'
	try "$mote" run --snapshot x.snap --snapshot-at nowhere "$images/hello"
	expect_status 125
	expect_in err 'no snapshot was written to x.snap: the program ended \(status 0\) without coming to that point'
	[ ! -e x.snap ] || fail "a file was left"
}
