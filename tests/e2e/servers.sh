# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Real servers in a microVM, reached from the host, and clients in one that reach the host: over the
# user's network (passt) and over a TAP in a network namespace of the test's own.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

inside=() # what runs a command where the host's end of the network is
server_pid=

cleanup() {
	[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
	[ -z "${fetched_pid:-}" ] || kill "$fetched_pid" 2>/dev/null || true
	[ ${#inside[@]} -eq 0 ] || ip netns delete "${inside[3]}" 2>/dev/null || true
}
trap cleanup EXIT

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Sets $network for a server on PORT, and $address, where the host finds it, and $host, where the
# guest finds the host.
use_network() { # user|tap PORT
	need_kvm
	need_tool python3
	if [ "$1" = user ]; then
		need_tool passt
		local port
		port=$(free_port)
		network=user,publish=127.0.0.1:$port:$2
		address=127.0.0.1:$port host=10.0.2.2
		return
	fi
	need_tool ip
	[ "$(id -u)" -eq 0 ] || skip "only root may make a network namespace and a TAP"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	local space=mote-test-$$
	ip netns add "$space" || skip "no network namespace can be made"
	inside=(ip netns exec "$space")
	"${inside[@]}" ip link set lo up
	"${inside[@]}" ip tuntap add dev mote0 mode tap vnet_hdr
	"${inside[@]}" ip address add 10.9.0.1/24 dev mote0
	"${inside[@]}" ip link set mote0 up
	network=tap=mote0,ip=10.9.0.2/24,gateway=10.9.0.1
	address=10.9.0.2:$2 host=10.9.0.1
}

# Starts a guest; its output goes to out and err.
start() { # MOTE-RUN-ARGUMENT...
	"${inside[@]}" timeout -k 2 45 "$mote" run --net "$network" "$@" >out 2>err &
	server_pid=$!
}

# Waits until something answers there.
await_server() {
	local tries
	for tries in $(seq 200); do
		# shellcheck disable=SC2016
		! "${inside[@]}" python3 -c 'import socket, sys
host, port = sys.argv[1].split(":")
s = socket.create_connection((host, int(port)), 1)
s.settimeout(0.3)
try:
    sys.exit(s.recv(1) == b"")  # passt accepts before the guest does, and closes then
except TimeoutError:
    pass' "$address" 2>/dev/null || return 0
		kill -0 "$server_pid" 2>/dev/null || fail "the server has ended"
		sleep 0.05
	done
	fail "the server does not answer ($tries tries)"
}

get() { # PATH
	"${inside[@]}" curl -sS --max-time 15 "http://$address$1"
}

stop_server() {
	pkill -TERM -P "$server_pid" || kill "$server_pid"
	wait "$server_pid" || true
	server_pid=
}

# ---- Redis ----

redis() { # user|tap
	need_tool redis-benchmark
	[ -e "$images/redis.erofs" ] || skip "$images/redis.erofs is not built (./build.sh images)"
	use_network "$1" 6379
	start --mem 256M --root "$images/redis.erofs" /usr/bin/redis-server -- --save '' \
		--appendonly no --protected-mode no
	await_server
	local cli=("${inside[@]}" redis-cli -h "${address%:*}" -p "${address#*:}")
	[ "$("${cli[@]}" set key value)" = OK ] || fail "no OK"
	[ "$("${cli[@]}" get key)" = value ] || fail "no value"
	head -c 3000000 /dev/urandom >value
	"${cli[@]}" -x set large <value >/dev/null
	"${cli[@]}" --raw get large | head -c 3000000 | cmp - value || fail "a large value differs"
	"${inside[@]}" timeout 45 redis-benchmark -h "${address%:*}" -p "${address#*:}" -n 1000 -c 20 \
		--csv >benchmark 2>benchmark.err || fail "redis-benchmark failed"
	# Every default test has a line: name, requests a second, latencies.
	[ "$(grep -c '^"[A-Z].*","[0-9.]*"' benchmark)" -ge 18 ] || fail "few results: $(<benchmark)"
	"${cli[@]}" shutdown nosave || true
	status=0
	wait "$server_pid" || status=$?
	server_pid=
	expect_status 0
}

test_redis_user() { redis user; }
test_redis_tap() { redis tap; }

# ---- nginx ----

nginx() { # user|tap
	need_tool curl
	[ -e "$images/nginx.erofs" ] || skip "$images/nginx.erofs is not built (./build.sh images)"
	use_network "$1" 80
	start --mem 256M --root "$images/nginx.erofs" /usr/sbin/nginx
	await_server
	{ seq 100000000 100002000 || true; } 2>/dev/null | head -c 1024 >1k
	{ seq 100000000 102000000 || true; } 2>/dev/null | head -c 10485760 >10m
	get /1k | cmp - 1k
	get /10m | cmp - 10m
	[ "$("${inside[@]}" curl -s -o /dev/null -w '%{http_code}' "http://$address/none")" = 404 ] || fail "no 404"
	if command -v wrk >/dev/null; then
		"${inside[@]}" timeout 10 wrk -t1 -c20 -d1 "http://$address/1k" >load
		! grep -q 'Socket errors\|Non-2xx' load || fail "$(<load)"
		grep -q 'requests in' load || fail "$(<load)"
	fi
	get /10m | cmp - 10m
	stop_server
}

test_nginx_user() { nginx user; }
test_nginx_tap() { nginx tap; }

# ---- Python ----

need_python_image() {
	[ -e "$images/python.erofs" ] || skip "$images/python.erofs is not built (./build.sh images)"
	need_tool curl
}

python_files() { # user|tap
	need_python_image
	use_network "$1" 8000
	start --mem 256M --root "$images/python.erofs" /usr/bin/python3 -- -m http.server \
		--directory /usr/lib/python3.11/json 8000
	await_server
	get / | grep -q decoder.py || fail "no list of files"
	get /decoder.py | cmp - /usr/lib/python3.11/json/decoder.py
	stop_server
}

test_python_files_user() { python_files user; }
test_python_files_tap() { python_files tap; }

python_wsgi() { # user|tap
	need_python_image
	use_network "$1" 8001
	start --mem 256M --root "$images/python.erofs" /usr/bin/python3 -- -c '
from wsgiref.simple_server import make_server

def application(environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(size)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["PATH_INFO"].encode(), b" ", body[::-1]]

make_server("", 8001, application).serve_forever()'
	await_server
	[ "$(get /some/path)" = 'GET /some/path ' ] || fail "another answer to GET"
	[ "$("${inside[@]}" curl -sS --max-time 10 -d drawer "http://$address/form")" = 'POST /form reward' ] ||
		fail "another answer to POST"
	stop_server
}

test_python_wsgi_user() { python_wsgi user; }
test_python_wsgi_tap() { python_wsgi tap; }

# ---- clients in the guest ----

# A server of the host's with one file, on $port.
serve_file() {
	mkdir served
	head -c 5000000 /dev/urandom >served/file
	port=$(free_port)
	"${inside[@]}" python3 -m http.server --directory served "$port" >serve.log 2>&1 &
	fetched_pid=$!
	for _ in $(seq 100); do
		! "${inside[@]}" curl -s -o /dev/null "http://127.0.0.1:$port/" || return 0
		sleep 0.05
	done
	fail "the host's server does not answer"
}

fetch_curl() { # user|tap
	need_tool curl
	use_network "$1" 1
	serve_file
	"$root/images/make-root.sh" "$PWD/tree" /usr/bin/curl
	try "${inside[@]}" "$mote" run --net "$network" --root tree /usr/bin/curl -- -sS "http://$host:$port/file"
	expect_status 0
	cmp out served/file
}

test_fetch_curl_user() { fetch_curl user; }
test_fetch_curl_tap() { fetch_curl tap; }

fetch_wget() { # user|tap
	need_busybox
	need_tool curl
	use_network "$1" 1
	serve_file
	try "${inside[@]}" "$mote" run --net "$network" "$busybox" -- wget -q -O - "http://$host:$port/file"
	expect_status 0
	cmp out served/file
	try "${inside[@]}" "$mote" run --net "$network" "$busybox" -- wget -q -O - "http://$host:$port/none"
	expect_status 1
}

test_fetch_wget_user() { fetch_wget user; }
test_fetch_wget_tap() { fetch_wget tap; }

# What is sent right before the end arrives, all of it.
test_last_words() {
	need_busybox
	use_network user 1
	port=$(free_port)
	python3 - "$port" >heard <<'PY' &
import socket, sys, time
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen()
print("listening", flush=True)
listener.settimeout(12)
peer, _ = listener.accept()
time.sleep(1)
count = 0
while True:
    data = peer.recv(1 << 16)
    if not data:
        break
    count += len(data)
print(count)
PY
	head -c 2000000 /dev/zero >zeros
	until grep -q listening heard; do sleep 0.05; done
	try "$mote" run --net "$network" "$busybox" -- nc "$host" "$port" <zeros
	wait $!
	[ "$(tail -n 1 heard)" = 2000000 ] || fail "heard $(<heard) bytes"
}
