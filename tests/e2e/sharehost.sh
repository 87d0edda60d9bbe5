# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# --share while the host does its worst: path tricks, full disks, files that go away, a killed mote.
#
# SHARE_ROUNDS  how often test_killed_database kills mote (10)
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A directory to share, with something beside it that must not be seen.
make_share() {
	mkdir -p share/dir outside
	echo content >share/file
	echo inner >share/dir/inner
	echo secret >secret
	echo secret >outside/inner
}

# Starts a guest and comes back when it says "ready"; its output goes to out and err.
start() { # MOTE-RUN-ARGUMENT...
	need_kvm
	rm -f go
	mkfifo go
	timeout -k 2 45 "$mote" run "$@" >out 2>err <go &
	guest_pid=$!
	exec 3>go
	wait_for '^ready$' out
}

finish() {
	status=0
	# A guest that does not wait for it may have ended.
	(trap '' PIPE && echo >&3) 2>/dev/null || true
	exec 3>&-
	wait "$guest_pid" || status=$?
}

test_options() {
	make_share
	run --share share "$guests/share_host"
	expect_error 125 "is not HOSTDIR:GUESTDIR"
	run --share "nowhere:/data" "$guests/share_host"
	expect_error 125 "cannot share nowhere: No such file or directory"
	run --share "share/file:/data" "$guests/share_host"
	expect_error 125 "cannot share share/file: Not a directory"
	run --share "share:/data,rx" "$guests/share_host"
	expect_error 125 "'rx' is not ro, cache=none or cache=auto"
}

test_several() {
	need_busybox
	mkdir one two
	echo 1 >one/file
	echo 2 >two/file
	run --share one:/one --share two:/two/deep,ro,cache=none "$busybox" cat /one/file /two/deep/file
	expect_status 0
	expect_out $'1\n2'
}

test_read_only() {
	make_share
	ln -s file share/link
	find share -printf '%p %m %s %T@ %l\n' | LC_ALL=C sort >before
	run --share share:/data,ro "$guests/share_host" change /data
	expect_status 0
	expect_in out '^unlink: Read-only file system$'
	expect_in out '^open to read: ok$'
	[ "$(grep -c ': ok$' out)" -eq 1 ] || fail "something was changed"
	find share -printf '%p %m %s %T@ %l\n' | LC_ALL=C sort | diff before - || fail "the share has changed"
	[ "$(<share/file)" = content ] || fail "the file has changed"
}

# An image says where it wants a directory, the user says which.
test_image() {
	need_busybox
	make_share
	"$mote" build -o app.mote --share /data "$busybox" cat /data/file || fail "not built"
	run app.mote
	expect_error 125 'wants a directory of the host at /data: name one with --share HOSTDIR:/data'
	run --share share:/data app.mote
	expect_status 0
	expect_out content
	"$mote" inspect app.mote >out
	expect_in out '^share +/data$'
	try "$mote" build -o bad.mote --share share:/data "$busybox"
	expect_error 125 'is not an absolute path in the guest'
}

# Directories and files are exchanged with links to what is outside, all the time.
test_exchanged_in_flight() {
	make_share
	need_tool python3
	ln -s ../outside share/link
	ln -s ../secret share/other
	start --share share:/data,cache=none "$guests/share_host" walk /data 4
	timeout 10 "$root/tests/tools/exchange.py" share/dir share/link share/file share/other 3 || fail "nothing was exchanged"
	finish
	expect_status 0
	expect_in out '^0 secrets, some files$'
}

test_moved_out_in_flight() {
	make_share
	mkdir -p share/dir/deep/er
	echo x >share/dir/deep/er/file
	start --share share:/data,cache=none "$guests/share_host" walk /data 4
	for _ in $(seq 150); do
		mv share/dir/deep outside/deep
		cp outside/inner outside/deep/er/other
		sleep 0.002
		rm outside/deep/er/other
		mv outside/deep share/dir/deep
		sleep 0.002
	done
	finish
	expect_status 0
	expect_in out '^0 secrets, some files$'
}

# The guest's links lead into the guest, and those of the host are never opened by mote.
test_links_and_pipes() {
	need_busybox
	make_share
	ln -s "$PWD/secret" share/absolute
	ln -s ../secret share/relative
	mkfifo share/pipe
	run --share share:/data "$busybox" cat /data/absolute /data/relative
	expect_status 1
	expect_not_in out secret
	# A pipe on a share is between programs of the guest: nobody takes what the host's writes.
	timeout 5 bash -c 'echo secret >share/pipe' &
	run --timeout 1 --share share:/data "$busybox" cat /data/pipe
	expect_status 124
	expect_not_in out secret
	kill -0 $! 2>/dev/null || fail "a pipe of the host was opened"
	kill $!
	wait $! 2>/dev/null || true
	run --share share:/data "$busybox" ln -s ../../secret /data/made
	expect_status 0
	[ "$(readlink share/made)" = ../../secret ] || fail "not the text that was asked for"
}

# Requests of all kinds, from a driver that keeps no rules. HOSTILE_MS is how long (1500).
hostile_requests() { # SHARE-OPTIONS
	local seed=$RANDOM
	make_share
	ln -s ../secret share/link
	mkfifo share/fifo
	find . -path ./share -prune -o -printf '%p %m %s %l\n' | LC_ALL=C sort >"$BUILD/e2e/before.$$"
	printf 'seed %d\n' "$seed"
	run --share "share:/data$1" "$guests/hostile_fuse" "$seed" "${HOSTILE_MS:-1500}"
	expect_status 0
	expect_in out '^[0-9]+ requests$'
	rm out err
	find . -path ./share -prune -o -printf '%p %m %s %l\n' | LC_ALL=C sort | diff "$BUILD/e2e/before.$$" - ||
		fail "something outside of the share has changed"
	rm "$BUILD/e2e/before.$$"
	[ "$(<secret)" = secret ] || fail "the secret has changed"
	[ -z "$(find share ! -name fifo \( -perm /6000 -o -type b -o -type c -o -type p -o -type s \))" ] ||
		fail "the guest made: $(ls -lR share)"
	chmod -R u+rwx share
}

test_hostile_requests() { hostile_requests ''; }

test_hostile_requests_read_only() {
	hostile_requests ,ro
	[ "$(ls share share/dir)" = $'share:\ndir\nfifo\nfile\nlink\n\nshare/dir:\ninner' ] || fail "changed: $(ls share share/dir)"
	[ "$(<share/file)" = content ] || fail "the file has changed"
}

# Without privileges all is one user's: the guest's root. A user namespace makes us somebody.
test_owners() {
	need_busybox
	need_kvm
	mkdir share
	unshare --user --map-user=1000 --map-group=1000 true 2>/dev/null || skip "no user namespaces here"
	try unshare --user --map-user=1000 --map-group=1000 "$mote" run --share share:/data "$guests/share_host" own /data/file
	expect_status 0
	expect_out $'open: ok\nchown to root: ok\nchown to another: Operation not permitted\nowner 0, group 0'
	[ "$(stat -c %u share/file)" = "$(id -u)" ] || fail "the file is not ours"
}

# ---- failures of the host ----

test_full_disk() {
	# shellcheck disable=SC2016 # the inner shell expands it
	local inside='mount -t tmpfs -o size=1m none share && "$@" && ls -l share >left'
	need_kvm
	mkdir share
	unshare --mount --map-root-user true 2>/dev/null || skip "no mount namespaces here"
	try unshare --mount --map-root-user sh -c "$inside" sh \
		"$mote" run --share share:/data "$guests/share_host" fill /data/file
	expect_status 0
	expect_in out '^write: No space left on device$'
	expect_in out '^1048576 bytes$'
	expect_in left ' 1048576 '
	expect_in err '^mote: share share: No space left on device. The guest gets an error$'
	[ "$(wc -l <err)" -eq 1 ] || fail "one line for the host is enough"
}

test_file_size_limit() {
	need_kvm
	mkdir share
	try bash -c 'ulimit -f 100; exec "$@"' bash "$mote" run --share share:/data "$guests/share_host" fill /data/file
	expect_status 0
	expect_in out '^write: File too large$'
	expect_in out '^102400 bytes$'
}

test_directory_deleted() {
	make_share
	start --share share:/data,cache=none "$guests/share_host" hold /data/file
	rm -r share
	finish
	expect_status 0
	# An open file lives on; nothing can be found or made any more.
	expect_in out '^read at 0: ok$'
	expect_in out '^write: ok$'
	expect_in out '^links: 0$'
	expect_in out '^stat: No such file or directory$'
	expect_in out '^create: No such file or directory$'
	expect_in err '^mote: share share: the directory was removed. The guest gets an error$'
}

test_file_truncated() {
	make_share
	head -c 8192 /dev/zero >share/file
	start --share share:/data,cache=none "$guests/share_host" hold /data/file
	: >share/file
	finish
	expect_status 0
	expect_in out '^read at 0: ok$'
	expect_in out '^read at 4096: 0$'
	expect_in out '^create: File exists$'
}

test_file_replaced() {
	make_share
	start --share share:/data,cache=none "$guests/share_host" hold /data/file
	mv share/dir/inner share/file
	finish
	expect_status 0
	expect_in out '^links: 0$'
	[ "$(<share/file)" = inner ] || fail "the guest wrote to the new file"
}

test_suid() {
	need_busybox
	make_share
	run --share share:/data "$busybox" chmod 4755 /data/file
	[ "$status" -ne 0 ] || fail "the guest made a set-user-id program"
	[ "$(stat -c %a share/file)" = 644 ] || fail "mode $(stat -c %a share/file)"
	chmod 4755 share/file
	run --share share:/data "$busybox" sh -c 'echo x >/data/file'
	expect_status 0
	[ "$(stat -c %a share/file)" = 755 ] || fail "a set-user-id program was written to"
}

# ---- a database ----

# Moves money between accounts forever: the sum stays. Says each number that is committed.
transactions() { # JOURNAL-MODE
	awk -v mode="$1" 'BEGIN {
		print "PRAGMA synchronous = FULL;"
		if (mode == "wal")
			print "PRAGMA locking_mode = EXCLUSIVE;" # its index is shared memory otherwise
		print "PRAGMA journal_mode = " mode ";"
		print "CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, money INT);"
		print "CREATE TABLE IF NOT EXISTS log (n INTEGER PRIMARY KEY, text);"
		print "INSERT OR IGNORE INTO account SELECT value, 100 FROM generate_series(1, 50);"
		for (i = 0; i < 20000; i++) {
			print "BEGIN;"
			printf "UPDATE account SET money = money - 1 WHERE id = %d;\n", i % 50 + 1
			printf "UPDATE account SET money = money + 1 WHERE id = %d;\n", (i * 7 + 3) % 50 + 1
			print "INSERT INTO log VALUES (NULL, hex(randomblob(300)));"
			print "COMMIT;"
			print "SELECT max(n) FROM log;"
		}
	}'
}

kill_and_check() { # JOURNAL-MODE
	local rounds=${SHARE_ROUNDS:-10} round delay said kept
	need_image sqlite3
	need_kvm
	mkdir share
	transactions "$1" >sql
	RANDOM=1
	for ((round = 0; round < rounds; round++)); do
		delay=$(printf '0.%03d' $((RANDOM % 500 + 50)))
		"$mote" run --share share:/data "$images/sqlite3" -- -batch /data/test.db <sql >out 2>err &
		guest_pid=$!
		sleep "$delay"
		kill -KILL "$guest_pid"
		wait "$guest_pid" 2>/dev/null || true
		[ -e share/test.db ] || continue
		said=$(grep -E '^[0-9]+$' out | tail -n 1 || true)
		"$images/sqlite3" share/test.db 'PRAGMA integrity_check; SELECT sum(money), count(*) FROM account;
			SELECT coalesce(max(n), 0) FROM log;' >check 2>&1 || fail "round $round: $(<check)"
		[ "$(head -n 1 check)" = ok ] || fail "round $round: $(<check)"
		[ "$(sed -n 2p check)" = '5000|50' ] || fail "round $round: money is lost: $(<check)"
		kept=$(sed -n 3p check)
		[ "$kept" -ge "${said:-0}" ] || fail "round $round: $said was committed, $kept is there"
	done
	[ "${kept:-0}" -gt "$rounds" ] || fail "only ${kept:-0} transactions in $rounds rounds"
}

test_killed_database() { kill_and_check delete; }
test_killed_database_wal() { kill_and_check wal; }
