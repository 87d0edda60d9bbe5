# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Programs that work on a directory of the host (--share): what they leave there, and what they see.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A tree with a bit of everything.
make_tree() { # FOLDER
	local i
	mkdir -p "$1/empty" "$1/many" "$1/deep/er/still"
	for ((i = 0; i < 300; i++)); do
		echo "file $i" >"$1/many/name-$i"
	done
	head -c 3000000 /dev/urandom >"$1/deep/large"
	ln -s ../deep/large "$1/many/link"
	ln "$1/many/name-1" "$1/deep/er/hard"
	chmod 0700 "$1/deep/er"
	chmod 0444 "$1/many/name-2"
	find "$1" -depth -exec touch -h -d '2001-02-03 04:05:06' {} +
}

# What a tree looks like: names, types, modes, sizes, times of files, targets, content.
describe_tree() { # FOLDER
	(cd "$1" && find . -printf '%p %y %m %s %l %n ' -a \( -type f -printf '%T@\n' -o -printf '\n' \) | LC_ALL=C sort)
	(cd "$1" && find . -type f -exec sha256sum {} + | LC_ALL=C sort)
}

same_tree() { # FOLDER FOLDER
	describe_tree "$1" >first.txt
	describe_tree "$2" >second.txt
	# Sizes of directories are the file system's own.
	sed -i -E 's/^([^ ]+ d [0-7]+ )[0-9]+/\1/' first.txt second.txt
	cmp -s first.txt second.txt || fail "trees differ: $(diff first.txt second.txt | head -n 10)"
}

share_busybox() { # APPLET ARGUMENT...
	need_busybox
	run --share "$PWD/tree:/data" --cwd /data "$busybox" -- "$@"
}

test_find() {
	make_tree tree
	share_busybox find . -type f
	expect_status 0
	expect_no_err
	LC_ALL=C sort out >inside.txt
	(cd tree && find . -type f) | LC_ALL=C sort >outside.txt
	cmp -s inside.txt outside.txt || fail "find differs"
}

test_copy_a_tree() {
	mkdir tree
	make_tree tree/from
	touch -d '2001-02-03 04:05:06.789' tree/from/empty
	share_busybox cp -a from to
	expect_status 0
	expect_no_err
	same_tree tree/from tree/to
	share_busybox rm -r to
	expect_status 0
	[ ! -e tree/to ] || fail "rm -r left something"
}

test_tar() {
	need_tool tar
	mkdir -p tree/out
	make_tree tree/from
	share_busybox tar -cf archive.tar -C from .
	expect_status 0
	mkdir native
	tar -xpf tree/archive.tar -C native
	same_tree tree/from native
	share_busybox tar -xpf archive.tar -C out
	expect_status 0
	same_tree native tree/out
}

test_mappings() {
	mkdir tree
	[ -x "$guests/share_use" ] || fail "$guests/share_use is not built"
	run --share "$PWD/tree:/data" --cwd /data "$guests/share_use" -- map
	expect_status 0
	expect_out ok
	[ "$(head -c 5 tree/map)" = FXrst ] || fail "munmap did not write back"
	[ "$(tail -c +8193 tree/map | head -c 5)" = third ] || fail "msync did not write back"
	[ "$(tr -d '\0' <tree/end)" = '#+abcdef' ] || fail "the end of the program did not write back"
	[ "$(stat -c %s tree/end)" -eq 16 ] || fail "a mapping was appended"
}

# Pages come and go while they are mapped, and what was written to them is not lost.
test_a_file_larger_than_memory() {
	mkdir tree
	head -c 40000000 /dev/urandom >tree/inside
	cp tree/inside outside
	"$guests/share_use" change outside >native.out || fail "natively: $(<native.out)"
	run --mem 16M --share "$PWD/tree:/data" "$guests/share_use" -- change /data/inside
	expect_status 0
	cmp -s native.out out || fail "another sum than natively"
	cmp -s outside tree/inside || fail "another file than natively"
	rm outside tree/inside
}

test_objects() {
	local i
	mkdir tree
	run --share "$PWD/tree:/data" --cwd /data "$guests/share_use" -- objects 100
	expect_status 0
	expect_out ok
	for ((i = 0; i < 100; i++)); do
		[ "$(cat "tree/objects/$(printf '%02x/%06d' $((i * 37 % 256)) "$i")")" = "object $i" ] ||
			fail "object $i is wrong"
	done
	[ "$(find tree -type f | wc -l)" -eq 101 ] || fail "there are other files"
	[ "$(cat tree/index)" = 'object 99' ] || fail "the index is wrong"
}

# Two guests and a program of the host add to the same number.
test_locks_hold_among_guests_and_host() {
	need_kvm
	mkdir tree
	echo 00000000 >tree/number
	for i in 1 2; do
		"$mote" run --share "$PWD/tree:/data" "$guests/share_use" -- count /data/number 150 \
			>"out.$i" 2>"err.$i" &
	done
	"$guests/share_use" count tree/number 150 >native.out || fail "natively: $(<native.out)"
	wait
	cat out.1 out.2 >out
	cat err.1 err.2 >err
	expect_out $'ok\nok'
	[ "$(<tree/number)" = 00000450 ] || fail "the number is $(<tree/number)"
}

test_flock_is_seen_on_the_host() {
	need_kvm
	need_tool flock
	mkdir tree
	touch tree/file
	mkfifo input
	"$mote" run --share "$PWD/tree:/data" "$guests/share_use" -- sleep /data/file <input >out 2>err &
	exec 9>input
	wait_for locked out
	! flock -n tree/file true || fail "the host got the lock, too"
	exec 9>&-
	wait
	flock -n tree/file true || fail "the lock was not given back"
}

test_sqlite() {
	local mode
	need_image sqlite3
	mkdir tree
	for mode in delete truncate persist wal; do
		run --share "$PWD/tree:/data" "$images/sqlite3" -- -batch -bail "/data/$mode.db" "
			PRAGMA journal_mode=$mode;
			CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);
			WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
				INSERT INTO t SELECT i, 'row ' || i FROM n;
			BEGIN; DELETE FROM t WHERE a % 7 = 0; ROLLBACK;
			UPDATE t SET b = b || '!' WHERE a % 3 = 0;
			SELECT count(*), sum(length(b)) FROM t; PRAGMA integrity_check;"
		expect_status 0
		expect_out "$mode"$'\n5000|40559\nok'
		[ "$("$images/sqlite3" "tree/$mode.db" 'SELECT count(*), sum(length(b)) FROM t; PRAGMA integrity_check')" = \
			$'5000|40559\nok' ] || fail "the host reads something else in mode $mode"
	done
}

# Kills a command and all its processes, and waits until they are gone.
kill_after() { # SECONDS COMMAND...
	local pid
	setsid "${@:2}" <&0 &
	pid=$!
	sleep "$1"
	kill -KILL -- "-$pid" 2>kill.log || true
	wait "$pid" 2>>kill.log || true
	while kill -0 -- "-$pid" 2>>kill.log; do
		sleep 0.01
	done
}

# mote is killed at any moment (sharehost.sh does the same with a journal that is rolled back): what was
# committed is there, and the database is in order.
test_sqlite_with_wal_survives_kill() {
	local round committed found rounds=${SHARE_ROUNDS:-10}
	need_kvm
	need_image sqlite3
	mkdir tree
	"$images/sqlite3" tree/wal.db 'PRAGMA journal_mode=wal; CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT);' >/dev/null
	# Each transaction tells its number once it is over.
	for ((round = 1; round <= 400; round++)); do
		echo "BEGIN; INSERT INTO t SELECT NULL, hex(randomblob(400)) FROM (VALUES (1), (2), (3));"
		echo "UPDATE t SET b = hex(randomblob(300)) WHERE a % 17 = $((round % 17)); COMMIT;"
		echo "SELECT max(a) FROM t;"
	done >work.sql
	for ((round = 0; round < rounds; round++)); do
		kill_after "0.$(printf %03d $((RANDOM % 300 + 30)))" "$mote" run --share "$PWD/tree:/data" \
			"$images/sqlite3" -- -batch -bail /data/wal.db <work.sql >committed 2>err
		# The last line may have been cut.
		committed=$(sed '$d' committed | tail -n 1)
		if [ $((round % 2)) -eq 0 ]; then
			run --share "$PWD/tree:/data" "$images/sqlite3" -- -batch /data/wal.db \
				'PRAGMA integrity_check; SELECT count(*) FROM t;'
		else
			try "$images/sqlite3" -batch tree/wal.db 'PRAGMA integrity_check; SELECT count(*) FROM t;'
		fi
		expect_status 0
		[ "$(head -n 1 out)" = ok ] || fail "round $round: the database is damaged"
		found=$(tail -n 1 out)
		[ "$found" -ge "${committed:-0}" ] || fail "round $round: $committed rows were there, and $found are"
		[ $((found % 3)) -eq 0 ] || fail "round $round: a part of a transaction"
	done
}

test_python_compiles() {
	local image=$images/python.erofs
	[ -e "$image" ] || skip "$image is not built (./build.sh images, with Python installed)"
	mkdir -p tree/package
	for i in 1 2 3 4 5 6 7 8; do
		printf 'def value():\n\treturn %d\n' "$i" >"tree/package/m$i.py"
	done
	touch tree/package/__init__.py
	run --mem 512M --root "$image" --share "$PWD/tree:/work" --cwd /work /usr/bin/python3 -- \
		-m compileall -q package
	expect_status 0
	[ "$(find tree -name '*.pyc' | wc -l)" -eq 9 ] || fail "$(find tree -name '*.pyc' | wc -l) files were made"
	# A share comes before the root's own folders; what is made is found there at once.
	run --mem 512M --root "$image" --share "$PWD/tree:/work,ro" --cwd /work /usr/bin/python3 -- \
		-c 'import package.m3, package.m8; print(package.m3.value() + package.m8.value())'
	expect_status 0
	expect_out 11
}

test_programs_run_from_a_share() {
	need_busybox
	mkdir tree
	cp "$busybox" tree/busybox
	cat >tree/script <<-'END'
		#!/data/busybox sh
		pwd
		exec /data/busybox echo "$@"
	END
	chmod +x tree/script
	run --share "$PWD/tree:/data" --cwd /data "$busybox" -- sh -c 'exec ./script one two'
	expect_status 0
	expect_out $'/data\none two'
}

test_mounts_are_listed() {
	need_busybox
	mkdir tree other
	run --share "$PWD/tree:/a/b/data" --share "$PWD/other:/o,ro" "$busybox" -- grep virtiofs /proc/mounts
	expect_status 0
	expect_out $'share0 /a/b/data virtiofs rw,relatime 0 0\nshare1 /o virtiofs ro,relatime 0 0'
	run --share "$PWD/tree:/a/b/data" "$busybox" -- stat -f -c %t /a/b/data
	expect_out 65735546
}

# Nobody looks: the share costs no exit.
test_what_is_not_used_costs_nothing() {
	mkdir tree
	run --stats --share "$PWD/tree:/data" "$images/hello"
	expect_status 0
	expect_in err '^ +[0-3] exits'
	expect_not_in err 'wait'
}
