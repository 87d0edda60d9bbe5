# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Real programs that go on from snapshots, several at a time, and give right results: docs/snapshots.md, "Real applications".
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export XDG_RUNTIME_DIR=$PWD/run
mkdir -p "$XDG_RUNTIME_DIR"
pids=()

cleanup() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait || true
}
trap cleanup EXIT

need_root_image() { # NAME
	[ -e "$images/$1.erofs" ] || skip "$images/$1.erofs is not built (./build.sh images)"
}

need_network() {
	need_kvm
	need_tool passt
	need_tool python3
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Starts mote in the background; its output goes to NAME.out and NAME.err, its process is the last of pids.
start() { # NAME MOTE-ARGUMENT...
	timeout -k 2 50 "$mote" "${@:2}" <&0 >"$1.out" 2>"$1.err" &
	pids+=($!)
}

# Ends all of them, as servers end.
stop_all() {
	kill "${pids[@]}"
	wait "${pids[@]}" || true
	pids=()
}

# A connection that a client has closed takes a moment to be gone, in the guest and in passt.
snapshot_of() { # NAME FILE [OPTION...]
	local i
	for ((i = 0; i < 50; i++)); do
		try "$mote" snapshot "$1" -o "${@:2}"
		[ "$status" -ne 0 ] || return 0
		sleep 0.1
	done
	fail "no snapshot of $1"
}

# ---- Redis ----

redis() { # PORT COMMAND...
	timeout 20 redis-cli -p "$1" "${@:2}"
}

await_redis() { # PORT
	local i
	for ((i = 0; i < 400; i++)); do
		[ "$(redis "$1" ping 2>/dev/null)" != PONG ] || return 0
		sleep 0.05
	done
	fail "no Redis answers at $1"
}

# 100,000 keys, two clones side by side at ports of their own: both have all keys, and neither the other's changes.
test_redis() {
	local port first second
	need_tool redis-cli
	need_root_image redis
	need_network
	port=$(free_port)
	start redis run --name redis --mem 256M --root "$images/redis.erofs" --net "user,publish=127.0.0.1:$port:6379" \
		/usr/bin/redis-server -- --save '' --appendonly no --protected-mode no
	await_redis "$port"
	awk 'BEGIN { for (i = 0; i < 100000; i++) printf "SET key:%d value:%d\r\n", i, i * 7 }' |
		timeout 40 redis-cli -p "$port" --pipe >pipe.log
	expect_in pipe.log 'errors: 0, replies: 100000'
	snapshot_of redis redis.snap --stop
	wait "${pids[@]}" || true
	pids=()

	first=$(free_port)
	start first restore --root "$images/redis.erofs" --net "user,publish=127.0.0.1:$first:6379" redis.snap
	await_redis "$first"
	second=$(free_port)
	start second restore --root "$images/redis.erofs" --net "user,publish=127.0.0.1:$second:6379" redis.snap
	await_redis "$second"
	for port in "$first" "$second"; do
		[ "$(redis "$port" dbsize)" = 100000 ] || fail "not all keys are there"
		[ "$(redis "$port" get key:0)" = value:0 ] || fail "key:0"
		[ "$(redis "$port" get key:99999)" = value:699993 ] || fail "key:99999"
		[ "$(redis "$port" set mine "$port")" = OK ] || fail "no OK"
		redis "$port" del "key:$port" >deleted
	done
	for port in "$first" "$second"; do
		[ "$(redis "$port" get mine)" = "$port" ] || fail "a value of the other one"
		[ "$(redis "$port" dbsize)" = 100000 ] || fail "one key less and one more make as many"
	done
	[ "$(redis "$first" get "key:$second")" = "value:$((second * 7))" ] || fail "a key that the other one deleted"
	stop_all
}

# As soon as it listens, without a name and without a client.
test_redis_when_it_listens() {
	local port
	need_tool redis-cli
	need_root_image redis
	need_network
	try "$mote" run --mem 256M --root "$images/redis.erofs" --net user --snapshot redis.snap --snapshot-at=listen \
		/usr/bin/redis-server -- --save '' --appendonly no --protected-mode no
	expect_status 0
	expect_in out 'Ready to accept connections'
	port=$(free_port)
	start again restore --root "$images/redis.erofs" --net "user,publish=127.0.0.1:$port:6379" redis.snap
	await_redis "$port"
	[ "$(redis "$port" incr counter)" = 1 ] || fail "the counter is not 1"
	stop_all
	expect_not_in again.out 'Ready to accept connections'
}

# ---- nginx ----

test_nginx() {
	local port ports=()
	need_tool curl
	need_root_image nginx
	need_network
	try "$mote" run --mem 256M --root "$images/nginx.erofs" --net user --snapshot nginx.snap --snapshot-at=listen /usr/sbin/nginx
	expect_status 0
	for name in first second; do
		port=$(free_port)
		start "$name" restore --root "$images/nginx.erofs" --net "user,publish=127.0.0.1:$port:80" nginx.snap
		ports+=("$port")
	done
	{ seq 100000000 102000000 || true; } 2>/dev/null | head -c 10485760 >10m
	for port in "${ports[@]}"; do
		timeout 20 curl -sS --retry 20 --retry-delay 0 --retry-max-time 15 --retry-all-errors "http://127.0.0.1:$port/10m" | cmp - 10m
		[ "$(curl -s -o none -w '%{http_code}' "http://127.0.0.1:$port/none")" = 404 ] || fail "no 404"
	done
	stop_all
}

# ---- CPython ----

# What was imported and made before the point works behind it; what has to be unlike is.
test_python() {
	need_kvm
	need_root_image python
	cat >script.py <<'END'
import asyncio, json, random, sqlite3, ssl, sys, time
try:
    import mote
except ModuleNotFoundError:
    mote = None
database = sqlite3.connect(":memory:")
database.execute("create table numbers(n integer primary key, square integer)")
database.executemany("insert into numbers values (?, ?)", ((n, n * n) for n in range(10000)))
database.commit()
context = ssl.create_default_context()
random.seed(1)
document = json.loads('{"list": [1, 2.5, null, "\\u00fc"], "nested": {"a": {"b": [true]}}}')
if mote:
    mote.snapshot_point()

async def add(a, b):
    await asyncio.sleep(0.001)
    return a + b

async def gather():
    return sum(await asyncio.gather(*(add(n, n) for n in range(100))))

print(database.execute("select sum(square) from numbers where n % 3 = 0").fetchone()[0])
database.execute("insert into numbers values (-1, 0)")
print(database.execute("select count(*) from numbers").fetchone()[0])
print(database.execute("pragma integrity_check").fetchone()[0])
print(asyncio.run(gather()))
print(json.dumps(document, sort_keys=True))
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
client = context.wrap_bio(incoming, outgoing, server_hostname="example.org")
try:
    client.do_handshake()
except ssl.SSLWantReadError:
    hello = outgoing.read()
    print(hello[0], len(hello) > 200)
print(random.random(), hello[11:43].hex(), file=sys.stderr)
END
	/usr/bin/python3 script.py >native.out 2>native.err || skip "natively the script fails: $(tail -n 1 native.err)"
	try "$mote" run --mem 256M --root "$images/python.erofs" --snapshot python.snap /usr/bin/python3 -- -c "$(<script.py)"
	expect_status 0
	expect_no_out
	for name in first second third; do
		try "$mote" restore --root "$images/python.erofs" python.snap
		expect_status 0
		cmp out native.out || fail "natively: $(<native.out)"
		mv err "$name.numbers"
	done
	[ "$(cat ./*.numbers | tr ' ' '\n' | sort -u | wc -l)" -eq 6 ] || fail "random numbers repeat: $(cat ./*.numbers)"
}

# ---- SQLite ----

# The shell reads its orders from stdin: from a pipe before the snapshot, from another file behind it.
test_sqlite_in_memory() {
	need_kvm
	need_image sqlite3
	mkfifo orders
	exec 3<>orders
	start sqlite run --name sqlite --mem 256M "$images/sqlite3" -- -batch :memory: <orders
	cat >&3 <<'END'
CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) INSERT INTO t SELECT i, 'word ' || i FROM n;
CREATE INDEX words ON t (word);
SELECT 'filled';
END
	wait_for filled sqlite.out
	snapshot_of sqlite sqlite.snap --stop
	exec 3>&-
	for i in 1 2; do
		printf "INSERT INTO t VALUES (NULL, 'new %s'); SELECT count(*), sum(id), max(word) FROM t;
			SELECT id FROM t WHERE word = 'word 4711'; SELECT word FROM t WHERE id = 50001; PRAGMA integrity_check;\n" "$i" >orders.sql
		try "$mote" restore sqlite.snap <orders.sql
		expect_status 0
		expect_out "50001|1250075001|word 9999"$'\n4711\n'"new $i"$'\nok'
	done
}

# On a share the database is the host's, open when the snapshot is taken: it is the same file afterwards.
test_sqlite_on_a_share() {
	need_kvm
	need_image sqlite3
	mkdir data
	"$images/sqlite3" data/test.db 'CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);'
	mkfifo orders
	exec 3<>orders
	start sqlite run --name sqlite --share "data:/data" "$images/sqlite3" -- -batch /data/test.db <orders
	echo "INSERT INTO t VALUES (3); SELECT 'rows', count(*) FROM t;" >&3
	wait_for 'rows|3' sqlite.out
	snapshot_of sqlite sqlite.snap --stop
	exec 3>&-
	for i in 4 5; do
		echo "INSERT INTO t VALUES ($i); SELECT count(*), sum(a) FROM t; PRAGMA integrity_check;" >orders.sql
		try "$mote" restore --share "data:/data" sqlite.snap <orders.sql
		expect_status 0
		expect_out "$i|$((i * (i + 1) / 2))"$'\nok'
	done
	[ "$("$images/sqlite3" data/test.db 'SELECT group_concat(a) FROM t; PRAGMA integrity_check;')" = $'1,2,3,4,5\nok' ] ||
		fail "the host finds another database"
}

# ---- busybox ----

test_busybox() {
	need_kvm
	need_busybox
	mkfifo orders
	exec 3<>orders
	start shell run --name shell "$busybox" -- sh <orders
	# shellcheck disable=SC2016 # the guest's shell expands it
	echo 'greeting="from before"; cd /tmp; echo kept >file; square() { echo $(($1 * $1)); }; echo prepared' >&3
	wait_for prepared shell.out
	snapshot_of shell shell.snap --stop
	exec 3>&-
	# shellcheck disable=SC2016
	echo 'echo "$greeting"; read -r line <file; echo "$line"; square 12; pwd; exit 3' >orders.sql
	for _ in 1 2; do
		try "$mote" restore shell.snap <orders.sql
		expect_status 3
		expect_out $'from before\nkept\n144\n/tmp'
	done
}

# ---- the working set ----

recorded() {
	head -c 20480 hello.snap | tail -c 16384 | cksum
}

# The first start writes into the file what it touched, and no other one writes; all of them do the same.
test_working_set() {
	local before first
	need_kvm
	run --snapshot hello.snap --snapshot-at=main "$images/hello"
	expect_status 0
	before=$(recorded)
	for i in 1 2 3; do
		try "$mote" restore hello.snap
		expect_status 0
		expect_out 'Hello from a microVM!'
		[ "$(recorded)" != "$before" ] || fail "nothing was recorded"
		first=${first:-$(recorded)}
		[ "$(recorded)" = "$first" ] || fail "start $i wrote to the snapshot"
	done
	try "$mote" snapshot train hello.snap
	expect_status 0
	try "$mote" restore --verify hello.snap
	expect_status 0
	expect_out 'Hello from a microVM!'
	try "$mote" snapshot train --forget hello.snap
	expect_status 0
	[ "$(recorded)" = "$before" ] || fail "it was not forgotten"
}

# Page tables are as they were in a snapshot of a start that records: else each start from it would write them.
test_working_set_leaves_no_trace() {
	local i
	need_kvm
	need_busybox
	mkfifo orders
	exec 3<>orders
	start shell run --name shell "$busybox" -- sh <orders
	echo 'echo prepared' >&3
	wait_for prepared shell.out
	snapshot_of shell shell.snap --stop
	start again restore --name again shell.snap <orders
	for ((i = 0; i < 200; i++)); do
		! "$mote" ps | grep -q '^again ' || break
		sleep 0.02
	done
	snapshot_of again again.snap --base shell.snap --stop
	exec 3>&-
	try "$mote" diff shell.snap again.snap
	expect_in out ' kit data'
	expect_not_in out 'page tables'
}

# Of a file that may not be written nothing is recorded, and it starts all the same.
test_working_set_of_a_read_only_file() {
	local before
	need_kvm
	run --snapshot hello.snap --snapshot-at=main "$images/hello"
	expect_status 0
	before=$(recorded)
	chmod 400 hello.snap
	[ "$(id -u)" -ne 0 ] || chattr +i hello.snap 2>/dev/null || skip "this file system has no files that root cannot write"
	try "$mote" restore hello.snap
	[ "$(id -u)" -ne 0 ] || chattr -i hello.snap
	expect_status 0
	expect_out 'Hello from a microVM!'
	[ "$(recorded)" = "$before" ] || fail "the file was written"
}
