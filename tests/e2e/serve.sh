# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# mote serve: functions in three languages, faults of functions and of clients, and that nothing of a
# request is left for the next.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

server=
serve=$BUILD/mote-serve

cleanup() {
	[ -z "$server" ] || kill "$server" 2>/dev/null || true
	wait || true
}
trap cleanup EXIT

# Serves on the socket `socket` in the test's folder; what the server says is in `serve.log`.
start() { # OPTION...
	need_kvm
	need_tool curl
	"$serve" --listen "unix:$PWD/socket" "$@" 2>serve.log &
	server=$!
	wait_for 'listening on' serve.log
}

ask() { # PATH [CURL-OPTION...]
	local path=$1
	shift
	curl -s --max-time 20 --unix-socket socket "$@" "http://localhost$path"
}

status_of() { # PATH [CURL-OPTION...]
	ask "$@" -o /dev/null -w '%{http_code}'
}

expect() { # WHAT FOUND WANTED
	[ "$2" = "$3" ] || fail "$1: '$2', not '$3'"
}

clients() { # WHAT [ARGUMENT]...
	python3 "$root/tests/tools/serve-clients.py" "$1" socket "${@:2}"
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

faults() {
	start --pool 1:2 "$@" "$guests/function_faults"
}

test_answers() {
	faults
	expect "an answer" "$(ask '/a?b=c' -H 'X-Test: value')" 'GET /a?b=c value'
	expect "a status" "$(status_of /status)" 418
	expect "a method" "$(ask /x -X DELETE)" 'DELETE /x -'
	expect "health" "$(ask /healthz)" ok
	[[ $(ask /status -I | head -n 1) == 'HTTP/1.1 418 '* ]] || fail "HEAD"
}

test_one_exit_a_request() {
	faults --pool 1:1
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		ask /x >/dev/null
	done
	expect "exits of ten requests" "$(ask /metrics | sed -n 's/^mote_exits_total{.*} //p')" 10
	expect "answers" "$(ask /metrics | sed -n 's/^mote_responses_total{.*2xx.*} //p')" 10
}

test_nothing_is_left() {
	faults
	for i in 1 2 3 4 5 6 7 8; do
		expect "what is found" "$(ask "/trace/$i")" 'clean 0 -'
	done
}

test_bodies() {
	faults --max-body 3M
	head -c 2000000 /dev/urandom >body
	ask /echo --data-binary @body -o copy
	cmp body copy || fail "a long body came back changed"
	expect "a short one" "$(ask /echo -d hello)" hello
	head -c 60000 body >short
	ask /echo --data-binary @short -o copy
	cmp short copy || fail "a body of nearly a buffer came back changed"
	head -c 4000000 /dev/zero >large
	expect "one that is too large" "$(status_of /echo --data-binary @large)" 413
	expect "chunks" "$(ask /echo -H 'Transfer-Encoding: chunked' -d hello)" hello
}

test_faults() {
	faults --timeout 1 --max-memory 32M
	for pair in crash:502 exit:502 spin:504 sleep:504 exhaust:507 garbage:502 pieces:502 hungry:504; do
		expect "/${pair%:*}" "$(status_of "/${pair%:*}")" "${pair#*:}"
		expect "the request after /${pair%:*}" "$(ask /next)" 'GET /next -'
	done
	expect "a long answer" "$(ask /much/32 | wc -c)" 2097152
	expect_in serve.log 'answer'
	expect_in serve.log 'SIGSEGV|segmentation'
}

# Waits until no request is being answered, and prints how many answers were cut.
cuts() { # WANTED
	local i
	for ((i = 0; i < 200; i++)); do
		! ask /metrics | grep -qx "mote_answers_cut_total{app=\"/\"} $1" || return 0
		sleep 0.05
	done
	fail "answers that were cut: $(ask /metrics | grep cut_total), not $1"
}

test_stream() {
	faults --pool 1:1
	ask /slowly/3/300 -N -D head >body &
	wait_for 'line 0' body
	! grep -q 'line 2' body || fail "it came as a whole"
	wait $!
	expect "lines" "$(cat body)" $'line 0\nline 1\nline 2'
	expect_in head '^X-Begun: yes'
	expect_in head '^Transfer-Encoding: chunked'
	expect "HEAD" "$(ask /slowly/3/10 -I | head -n 1 | tr -d '\r')" 'HTTP/1.1 200 OK'
	expect "HTTP/1.0" "$(ask /slowly/2/10 --http1.0)" $'line 0\nline 1'
	expect "the request after them" "$(ask /next)" 'GET /next -'
	cuts 0
}

# An error after the beginning was sent: the answer has no end.
test_stream_is_cut() {
	faults --pool 1:1 --timeout 1 --max-answer 4M
	for path in /begin/crash /begin/spin; do
		try curl -s -N --max-time 20 --unix-socket socket "http://localhost$path"
		expect_status 18
		expect_out 'the beginning'
		expect "the request after $path" "$(ask /next)" 'GET /next -'
	done
	try curl -s --max-time 20 --unix-socket socket http://localhost/announce/9
	expect_status 18
	expect_no_out
	try curl -s --max-time 20 -o whole --unix-socket socket http://localhost/announce/10
	expect_status 0
	expect "a body as long as announced" "$(cat whole)" 0123456789
	try curl -s --max-time 20 -o much --unix-socket socket http://localhost/much/1000
	expect_status 18
	[ "$(stat -c %s much)" -lt 4194305 ] || fail "more than --max-answer"
	cuts 4
	kill "$server"
	wait "$server" || true
	server=
	expect_in serve.log '/begin/crash" 200 14 .*: the function crashed'
	expect_in serve.log '/begin/spin" 200 14 .*: the function took too long'
	expect_in serve.log '/much/1000" 200 .*larger than --max-answer'
}

# Nothing of a long answer is kept: not where the client is fast, and not where it is slow.
test_stream_of_a_gigabyte() {
	faults --pool 1:1 --max-answer 1100M --timeout 20
	expect "bytes" "$(ask /much/16384 --max-time 40 | wc -c)" 1073741824
	local peak
	peak=$(awk '/VmHWM/ {print $2}' "/proc/$server/status")
	[ "$peak" -lt 40000 ] || fail "the server grew to $peak KiB"
}

# A client that does not read holds up its own worker, for as long as --send-timeout says; that is
# not counted as the function's time.
test_stream_to_slow_clients() {
	faults --pool 1:1 --max-answer 1G --timeout 1 --send-timeout 3
	clients slow-reader /much/4000 >slow
	expect_in slow '^cut after (2|3|4)\.[0-9] s'
	expect "the request after it" "$(ask /next)" 'GET /next -'
	clients leave /much/4000
	expect "the request after one that left" "$(ask /next)" 'GET /next -'
	cuts 2
	ask /much/100 --limit-rate 4M | wc -c >bytes
	expect "bytes at a slow pace" "$(cat bytes)" 6553600
}

test_worker_is_killed() {
	faults --pool 1:1
	ask /x >/dev/null
	pkill -9 -f "restore --serve-on.*$(basename "$PWD")" || pkill -9 -P "$server" || fail "no worker"
	sleep 0.2
	expect "the request after it" "$(ask /next)" 'GET /next -'
}

test_guest_output() {
	start --route "/one=$guests/function_faults" --route "/=$guests/function_faults" --pool 1:1
	ask /say >/dev/null
	wait_for '^\[/\] to stdout' serve.log
	wait_for '^\[/\] to stderr, ?\[31mred? "quoted"' serve.log
	wait_for '^\[/\] l\{4000\}' serve.log
	[ "$(wc -L <serve.log)" -lt 4200 ] || fail "a line of $(wc -L <serve.log) bytes"
	! grep -q '\[/one\]' serve.log || fail "of the other one"
	kill "$server"
	wait "$server" || true
	server=
	start --log json "$guests/function_faults"
	ask /say >/dev/null
	wait_for '"output":"to stdout"' serve.log
	wait_for 'quoted' serve.log
	grep '^{' serve.log | python3 -c 'import json, sys
lines = [json.loads(line) for line in sys.stdin]
assert any(line.get("output") == "to stderr, \x1b[31mred\a \"quoted\"" and line["app"] == "/" for line in lines), lines' ||
		fail "the JSON is not as it should be"
}

# Neither a program that is gone nor a snapshot that cannot be read keeps clients waiting.
test_no_worker_can_be_started() {
	need_kvm
	cp "$guests/function_faults" program
	mkdir bin
	cp "$serve" "$mote" bin/
	serve=$PWD/bin/mote-serve start --pool 1:1 program
	ask /x >/dev/null
	rm bin/mote
	kill_workers
	[[ $(status_of /x) == 50[23] ]] || fail "with a worker that is dead"
	expect "without any" "$(status_of /x)" 503
}

test_too_many_wait() {
	faults --pool 1:1 --concurrency 2 --timeout 3
	for i in 1 2 3 4 5 6; do
		status_of /sleep >"status.$i" &
	done
	sleep 1
	expect "one too many" "$(status_of /x)" 503
	ask /x -D - -o /dev/null | grep -qi retry-after || fail "no Retry-After"
}

test_malformed_requests() {
	faults
	clients malformed || fail "a malformed request"
	expect "the request after them" "$(ask /next)" 'GET /next -'
}

test_slow_clients() {
	faults --idle-timeout 2
	clients slow-writer 4 >line &
	clients silent >silent.txt
	expect_in silent.txt '^cut after (1|2|3)\.[0-9] s'
	wait $!
	expect "a request that took its time" "$(cat line)" 'HTTP/1.1 200 OK'
	expect "the request after them" "$(ask /next)" 'GET /next -'
}

# All bodies together: 256 of the largest, 25 KB each here.
test_bodies_that_are_held() {
	faults --max-body 25K
	expect "within the limit" "$(clients bodies 250 25000)" 'all are answered'
	[[ $(clients bodies 280 25000) == *' 503 '* ]] || fail "no limit"
	expect "the request after them" "$(ask /echo -d hello)" hello
}

test_clients_that_go() {
	faults --pool 1:2
	clients vanish 300
	expect "the request after them" "$(ask /next)" 'GET /next -'
	expect "microVMs in use" "$(ask /metrics | sed -n 's/^mote_queued{.*} //p')" 0
}

# 10,000 where the system allows that many descriptors.
test_idle_connections() {
	local count=10000
	[ "$(ulimit -Hn)" = unlimited ] || [ "$(ulimit -Hn)" -gt 11000 ] || count=$(($(ulimit -Hn) - 1000))
	faults
	clients idle "$count" >idle.txt
	expect_in idle.txt '^answered within [0-9]{1,3} ms beside'
	expect "the request after them" "$(ask /next)" 'GET /next -'
}

test_too_many_connections() {
	faults --max-connections 50
	clients refused 50 >refused.txt
	expect_in refused.txt '^refused after [0-9]{1,3} ms'
	expect "refusals" "$(ask /metrics | sed -n 's/^mote_connections_refused_total //p')" 1
}

# What there is of two tenants' requests, which fill all of their memory, for the other one to find.
test_isolation() {
	start "$guests/function_tenant"
	clients tenants "${ISOLATION_REQUESTS:-3000}" >tenants.txt || fail "$(cat tenants.txt)"
	expect_in tenants.txt ' clean in '
}

# The function of that test finds all that is to be found where nothing is put back.
test_isolation_is_looked_for() {
	local port found
	need_tool curl
	port=$(free_port)
	(cd / && PORT=$port exec "$guests/function_tenant") >native.log 2>&1 &
	server=$!
	for _ in $(seq 50); do
		! curl -s "http://127.0.0.1:$port/a/1/all" >/dev/null || break
		sleep 0.1
	done
	found=$(curl -s "http://127.0.0.1:$port/b/2/all")
	for what in 'mark in the heap' 'mark in a mapping' 'mark in variables' 'mark in stack' variable environment umask \
		directory 'open files' handler timer; do
		[[ $found == *"$what"* ]] || fail "not found: $what, but: $found"
	done
}

test_soak() {
	need_kvm
	need_tool wrk
	ISOLATION_REQUESTS=0 "$root/tests/soak.sh" "${SOAK_SECONDS:-6}" >soak.txt || fail "$(cat soak.txt)"
	expect_in soak.txt '^soak: passed'
}

test_key_file() {
	need_kvm
	head -c 32 /dev/urandom >key
	head -c 32 /dev/urandom >other
	chmod 600 key other
	"$mote" run --snapshot fn.snap --key-file key "$guests/function_faults"
	start --key-file key fn.snap
	expect "an answer" "$(ask /x)" 'GET /x -'
	kill "$server"
	wait "$server" || true
	server=
	start --key-file key "$guests/function_faults"
	expect "a snapshot of its own" "$(ask /x)" 'GET /x -'
	try "$serve" --listen "unix:$PWD/second" --key-file other fn.snap
	expect_status 125
	expect_in err 'key'
	try "$serve" --listen "unix:$PWD/second" --key-file missing "$guests/function_faults"
	expect_status 125
	expect_in err 'missing'
}

kill_workers() {
	local worker
	for worker in $(pgrep -P "$server"); do
		kill -9 "$worker"
	done
}

# Workers are started from the file that was there, until SIGHUP.
test_snapshot_is_replaced() {
	need_kvm
	"$mote" run --snapshot fn.snap "$guests/function_faults"
	"$mote" run --snapshot other.snap "$guests/function_tenant"
	printf '{"routes": {"/": "fn.snap"}, "pool": "1:1"}' >config.json
	start --config config.json
	mv other.snap fn.snap
	expect "an answer" "$(ask /x)" 'GET /x -'
	kill_workers
	expect "one of a new worker" "$(ask /x)" 'GET /x -'
	kill -HUP "$server"
	wait_for reloaded serve.log
	ask /x >answer
	expect_in answer '^clean '
}

test_snapshot_is_cut() {
	need_kvm
	"$mote" run --snapshot fn.snap "$guests/function_faults"
	cp fn.snap whole.snap
	printf '{"routes": {"/": "fn.snap"}, "pool": "1:1"}' >config.json
	start --config config.json
	expect "an answer" "$(ask /x)" 'GET /x -'
	truncate -s 8192 fn.snap
	kill_workers
	expect "an answer without a snapshot" "$(status_of /x)" 502
	expect "one more" "$(status_of /x)" 502
	expect "health" "$(ask /healthz)" ok
	kill -HUP "$server"
	wait_for 'not reloaded' serve.log
	mv whole.snap fn.snap
	kill -HUP "$server"
	wait_for '^mote serve: reloaded' serve.log
	expect "an answer of the whole one" "$(ask /x)" 'GET /x -'
}

test_disk_is_full() {
	need_kvm
	need_tool curl
	"$mote" run --snapshot fn.snap "$guests/function_faults"
	mkdir tmp
	export TMPDIR=$PWD/tmp
	try bash -c 'ulimit -f 64; exec "$@"' bash "$serve" --listen "unix:$PWD/second" "$guests/function_faults"
	expect_status 125
	expect_in err 'cannot write'
	[ -z "$(ls -A tmp)" ] || fail "left behind: $(ls -A tmp)"
	printf '{"routes": {"/": "fn.snap"}}' >config.json
	(ulimit -f 64 && exec "$serve" --listen "unix:$PWD/socket" --config config.json 2>serve.log) &
	server=$!
	wait_for 'listening on' serve.log
	printf '{"routes": {"/": "%s"}}' "$guests/function_faults" >config.json
	kill -HUP "$server"
	wait_for 'not reloaded' serve.log
	expect "an answer of the old one" "$(ask /x)" 'GET /x -'
	[ -z "$(ls -A tmp)" ] || fail "left behind: $(ls -A tmp)"
}

# Its workers go with it, whatever they do, and no snapshot stays.
test_server_is_killed() {
	mkdir tmp
	export TMPDIR=$PWD/tmp
	faults --timeout 0
	ask /spin &
	sleep 0.5
	local -a workers
	mapfile -t workers < <(pgrep -P "$server")
	[ "${#workers[@]}" -gt 0 ] || fail "no workers"
	kill -9 "$server"
	wait "$server" 2>/dev/null || true
	server=
	for _ in $(seq 50); do
		kill -0 "${workers[@]}" 2>/dev/null || break
		sleep 0.1
	done
	for worker in "${workers[@]}"; do
		! grep -qa serve-on "/proc/$worker/cmdline" 2>/dev/null || fail "a worker is left"
	done
	[ -z "$(ls -A tmp)" ] || fail "left behind: $(ls -A tmp)"
}

test_routes() {
	need_kvm
	start --route "/a=$guests/function_faults" --route "/a/b=$guests/function_faults"
	expect "a route" "$(ask /a/x)" 'GET /a/x -'
	expect "a longer one" "$(ask /a/b/x)" 'GET /a/b/x -'
	expect "none" "$(status_of /ab)" 404
	expect "counts" "$(ask /metrics | sed -n 's/^mote_responses_total{app="\/a\/b".*2xx.*} //p')" 1
}

test_drain() {
	faults --timeout 5
	ask /much/8 -o slow &
	sleep 0.1
	kill -TERM "$server"
	wait "$server" || fail "status $?"
	server=
	[ ! -S socket ] || ! ask /x >/dev/null || fail "it still answers"
}

# Connections on which nothing was asked are not waited for.
test_drain_with_idle_connections() {
	faults
	python3 -c 'import socket, sys, time
client = socket.socket(socket.AF_UNIX)
client.connect("socket")
client.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
client.recv(4096)
print("asked", flush=True)
client.recv(4096)' >asked &
	wait_for asked asked
	local began=$EPOCHREALTIME
	kill -TERM "$server"
	wait "$server" || fail "status $?"
	server=
	[ "$(since "$began")" -lt 2000 ] || fail "it took $(since "$began") ms to end"
}

test_a_snapshot() {
	need_kvm
	"$mote" run --snapshot fn.snap "$guests/function_faults"
	start fn.snap
	expect "an answer" "$(ask /x)" 'GET /x -'
}

new() { # LANGUAGE
	need_kvm
	need_tool curl
	PATH=$BUILD:$PATH
	"$mote" new --lang "$1" "$1-fn" >/dev/null
	make -s -C "$1-fn" >make.log 2>&1 || fail "make: $(tail -n 3 make.log)"
	make -s -C "$1-fn" test >test.log 2>&1 || fail "make test: $(tail -n 5 test.log)"
	expect_in test.log '^passed'
}

test_new_c() {
	new c
}

test_new_go() {
	need_tool go
	new go
}

test_new_python() {
	need_tool mkfs.erofs
	[ -x /usr/bin/python3 ] || skip "no /usr/bin/python3"
	new python
}

test_new_refuses() {
	mkdir taken
	try "$mote" new taken
	expect_error 125 'exists already'
	try "$mote" new --lang cobol x
	expect_error 125 "no template for 'cobol'"
	try "$mote" new 'a b'
	expect_error 125 'no name for a function'
}

test_bad_options() {
	try "$serve"
	expect_error 125 'no application'
	try "$serve" --pool 3:1 x
	expect_error 125 'MIN:MAX'
	try "$serve" --listen 127.0.0.1:notaport x
	expect_error 125 'ADDRESS:PORT'
	try "$serve" --send-timeout soon x
	expect_error 125 "send-timeout 'soon' is not a time"
	try "$serve" --max-connections 0 x
	expect_error 125 'at least one'
	try "$serve" --idle-timeout -1 x
	expect_error 125 'not a number'
	try "$serve" "$PWD/missing"
	expect_error 125 'missing'
}

test_reload() {
	printf '{"routes": {"/": "%s"}, "pool": "1:1", "timeout": 2}' "$guests/function_faults" >config.json
	start --config config.json
	expect "before" "$(ask /x)" 'GET /x -'
	(for _ in $(seq 100); do ask /x; done) >answers &
	printf '{"routes": {"/": "%s", "/two": "%s"}, "pool": "1:2"}' "$guests/function_faults" "$guests/function_faults" >config.json
	kill -HUP "$server"
	wait_for 'reloaded' serve.log
	wait %2 2>/dev/null || wait -n || true
	expect "answers meanwhile" "$(sort -u answers)" 'GET /x -'
	expect "a new route" "$(ask /two/x)" 'GET /two/x -'
	expect "its count" "$(ask /metrics | sed -n 's/^mote_responses_total{app="\/two".*2xx.*} //p')" 1
	echo '{"routes": {"/": 3}}' >config.json
	kill -HUP "$server"
	wait_for 'not reloaded' serve.log
	expect "after a file that is wrong" "$(ask /two/y)" 'GET /two/y -'
}

test_bad_config() {
	for text in '' '[]' '{"listen": {}}' '{"routes": []}' '{"no-such": 1}' '{"pool": "9:1"}' '{"listen": "x"} {}'; do
		printf '%s' "$text" >config.json
		try "$serve" --config config.json x
		expect_error 125 'mote help serve'
	done
	try "$serve" --config missing.json x
	expect_error 125 'missing.json'
}

# Programs that serve a port themselves and know nothing of Mote.
test_unmodified_go() {
	need_kvm
	need_tool go
	cat >main.go <<'GO'
package main

import (
	"fmt"
	"io"
	"net/http"
)

var answered int

func main() {
	http.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		if len(request.URL.Path) >= 5 && request.URL.Path[:5] == "/long" {
			writer.Header().Set("Content-Length", fmt.Sprint(10000000*len(request.URL.Path[4:])))
			for i := 0; i < 100*len(request.URL.Path[4:]); i++ {
				writer.Write(make([]byte, 100000))
			}
			return
		}
		answered++
		writer.Header().Set("X-Answered", fmt.Sprint(answered))
		fmt.Fprintf(writer, "%s %s %d %d\n", request.Method, request.URL.Path, len(body), answered)
	})
	http.ListenAndServe(":9000", nil)
}
GO
	CGO_ENABLED=0 GOCACHE=$BUILD/go-cache go build -o server main.go || skip "Go does not compile here"
	start ./server
	expect "an answer" "$(ask /a)" 'GET /a 0 1'
	expect "the next one" "$(ask /b)" 'GET /b 0 1'
	ask /c -D - -o /dev/null | grep -qi '^x-answered: 1' || fail "no header"
	head -c 300000 /dev/zero >body
	expect "a long body" "$(ask /d --data-binary @body)" 'POST /d 300000 1'
	expect "a long answer" "$(ask /long -D head | wc -c)" 10000000
	expect_in head '^Content-Length: 10000000'
	expect "one that is too long" "$(status_of /long/2)" 502
	expect "HEAD" "$(ask /long -I | grep -ic '^Content-Length: 10000000')" 1
	expect "the request after them" "$(ask /e)" 'GET /e 0 1'
}

test_unmodified_nginx() {
	need_image nginx.erofs
	"$BUILD/mote-build" build --root "$BUILD/images/nginx.erofs" --entry /usr/sbin/nginx -o nginx.mote >/dev/null 2>&1 ||
		skip "mote build takes no image here"
	start ./nginx.mote
	expect "an answer" "$(status_of /)" 200
}
