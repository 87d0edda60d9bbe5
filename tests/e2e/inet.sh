# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# TCP on the loopback interface: as on Linux, where the same program runs first; and what it costs.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_many_streams() {
	same_as_native inet streams
	same_as_native inet streams 6
}

test_connections_come_and_go() {
	same_as_native inet churn
}

test_many_connections() {
	same_as_native inet many
	same_as_native inet many 6
}

# A hundred senders without a reader fit a small guest, which goes on to use its own memory.
test_full_buffers() {
	try "$guests/inet" full
	expect_status 0
	run --mem 64M "$guests/inet" -- full
	expect_status 0
	expect_out '100 full connections'
}

test_tiny_segments() {
	same_as_native inet tiny
}

# Windows of less than two segments are kept to by both sides.
test_small_buffers() {
	guest inet small
	expect_status 0
	expect_out 'small buffers'
}

# With nothing to do there is nothing to wake up for: a listener, and a connection without traffic.
test_idle_without_timers() {
	run --stats=json "$guests/inet" -- idle
	expect_status 0
	expect_in out '^0 ready$'
	local waits
	waits=$(sed -n 's/.*"wait": *\([0-9]*\).*/\1/p' err | head -n 1)
	[ -n "$waits" ] || fail "no count of waits"
	[ "$waits" -le 4 ] || fail "woke up $waits times in 2.5 s"
}

# The standard library's servers and clients, with threads and with asyncio.
test_python() {
	[ -e "$images/python.erofs" ] || skip "$images/python.erofs is not built (./build.sh images, with Python installed)"
	run --mem 512M --root "$images/python.erofs" --cwd /tmp /usr/bin/python3 -- - <<'PYTHON'
import asyncio, hashlib, http.server, os, threading, urllib.error, urllib.request

data = os.urandom(3_000_000)

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(data)
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(hashlib.sha256(body).hexdigest().encode())
    def log_message(self, *arguments):
        pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = "http://127.0.0.1:%d/" % server.server_address[1]
results = []
threads = [threading.Thread(target=lambda: results.append(urllib.request.urlopen(url).read() == data))
           for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("get", results.count(True))
print("post", urllib.request.urlopen(url, data=data).read().decode() == hashlib.sha256(data).hexdigest())
server.shutdown()
server.server_close()
try:
    urllib.request.urlopen(url)
except urllib.error.URLError as error:
    print("closed", type(error.reason).__name__)

async def echo(reader, writer):
    while part := await reader.read(65536):
        writer.write(part)
        await writer.drain()
    writer.close()

async def client(port, number):
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(b"%d " % number * 100000)
    writer.write_eof()
    result = await reader.read()
    writer.close()
    return result == b"%d " % number * 100000

async def main():
    server = await asyncio.start_server(echo, "::1", 0)
    port = server.sockets[0].getsockname()[1]
    print("echo", sum(await asyncio.gather(*[client(port, i) for i in range(20)])))

asyncio.run(main())
PYTHON
	expect_status 0
	expect_out 'get 8
post True
closed ConnectionRefusedError
echo 20'
}
