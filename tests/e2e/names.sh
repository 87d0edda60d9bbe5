# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Names and addresses: lookups by the program's own C library over UDP, the files that configure
# them, and what programs are told of interfaces.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

server_pid=
space= # a network namespace of the test's own

cleanup() {
	[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null || true
	[ -z "$space" ] || ip netns delete "$space" 2>/dev/null || true
}
trap cleanup EXIT

looked_up='mote.test: 192.0.2.7 2001:db8::7
mote.test: 2001:db8::7
four.test: 192.0.2.44
missing.test: no such name
localhost: 127.0.0.1'

test_lookups_of_musl() {
	run "$guests/names" -- serve
	expect_status 0
	expect_out "$looked_up"
}

test_lookups_of_glibc() {
	need_tool gcc
	gcc -static -O1 -w "$root/tests/guests/names.c" -o names 2>/dev/null || skip "no static C library"
	run ./names -- serve
	expect_status 0
	expect_out "$looked_up"
}

# A name server and a server on the host, which the guest finds at 10.0.2.2.
test_by_name_from_the_host() {
	need_kvm
	need_tool passt
	need_tool python3
	[ "$(id -u)" -eq 0 ] || skip "only root may serve names on port 53"
	python3 - >port <<'PYTHON' &
import http.server, socket, sys, threading

names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    names.bind(("127.0.0.1", 53))
except OSError:
    print("taken", flush=True)
    sys.exit()

def serve_names():
    while True:
        query, client = names.recvfrom(512)
        end = query.index(b"\0", 12) + 5
        answer = query[:2] + b"\x85\x80\0\x01\0\x01\0\0\0\0" + query[12:end]
        if query[end - 4:end - 2] == b"\0\x01":
            answer += b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\x02\x02"
        else:
            answer = answer[:7] + b"\0" + answer[8:]
        names.sendto(answer, client)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello, " + self.headers["Host"].encode() + b"\n")
    def log_message(self, *arguments):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=serve_names, daemon=True).start()
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
	server_pid=$!
	for _ in $(seq 50); do
		[ ! -s port ] || break
		sleep 0.1
	done
	[ "$(cat port)" != taken ] || skip "port 53 of 127.0.0.1 is taken"
	run --net user "$guests/names" -- lookup 10.0.2.2 host.test
	expect_status 0
	expect_out 'host.test: 10.0.2.2'
	run --net user "$guests/names" -- fetch 10.0.2.2 host.test "$(cat port)"
	expect_status 0
	expect_in out '^hello, host.test$'
}

# ---- files ----

test_files_without_a_network() {
	need_busybox
	run --hostname porter "$busybox" -- cat /etc/hostname /etc/hosts
	expect_status 0
	expect_in out '^porter$'
	expect_in out '^127.0.1.1[[:space:]]porter$'
	expect_in out 'ip6-localhost'
	run --hostname porter "$busybox" -- hostname
	expect_out porter
	run "$busybox" -- cat /etc/resolv.conf
	expect_status 1
}

# The root's own are there without a device, and give way to the kit's with one.
test_files_of_the_root() {
	need_busybox
	need_tool mkfs.erofs
	mkdir -p tree/etc tree/bin
	cp "$busybox" tree/bin/busybox
	echo 'nameserver 192.0.2.53' >tree/etc/resolv.conf
	echo '192.0.2.1 own' >tree/etc/hosts
	run --root tree /bin/busybox -- cat /etc/resolv.conf /etc/hosts /etc/hostname
	expect_status 0
	expect_out 'nameserver 192.0.2.53
192.0.2.1 own
mote'
	need_tool passt
	run --net user --root tree /bin/busybox -- cat /etc/resolv.conf /etc/hosts
	expect_status 0
	expect_in out '^nameserver '
	expect_in out 'localhost'
	! grep -q '192\.0\.2' out || fail "the root's own files are still there"
}

test_host_names_that_are_none() {
	for name in 'a b' "$(printf 'a%.0s' $(seq 65))" 'a/b'; do
		run --hostname "$name" "$guests/args"
		expect_status 125
		expect_in err 'is no host name'
	done
}

# ---- interfaces ----

test_loopback_interface() {
	need_busybox
	run "$busybox" -- ip addr
	expect_in out '1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536'
	expect_in out 'inet 127.0.0.1/8 scope host lo'
	expect_in out 'inet6 ::1/128 scope host'
	run "$busybox" -- ip route get 127.0.0.1
	expect_in out 'local 127.0.0.1 dev lo'
	run "$busybox" -- ifconfig lo
	expect_in out 'inet addr:127.0.0.1  Mask:255.0.0.0'
	run "$busybox" -- ip addr add 192.0.2.1/24 dev lo
	expect_in err 'Operation not permitted'
	run "$busybox" -- ping -c 1 127.0.0.1
	expect_status 0
	run "$busybox" -- ping -c 1 ::1
	expect_status 0
	run "$busybox" -- cat /sys/class/net/lo/operstate
	expect_out unknown
}

test_network_interface() {
	need_busybox
	need_tool passt
	need_kvm
	run --net user "$busybox" -- ip addr
	expect_status 0
	expect_in out '2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP>'
	expect_in out 'inet [0-9.]*/24 brd [0-9.]* scope global eth0'
	run --net user "$busybox" -- ip route
	expect_in out 'default via .* dev eth0'
	run --net user "$busybox" -- cat /proc/net/route
	expect_in out '^eth0'
}

# A server on the other end of a TAP gives address, router and name servers.
test_dhcp() {
	need_kvm
	need_busybox
	need_tool ip
	[ "$(id -u)" -eq 0 ] || skip "only root may make a network namespace and a TAP"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	[[ $("$busybox" --list) == *udhcpd* ]] || skip "busybox has no udhcpd"
	space=mote-names-$$
	ip netns add "$space" || skip "no network namespace can be made"
	ip -n "$space" tuntap add dev mote0 mode tap vnet_hdr
	ip -n "$space" address add 10.9.0.1/24 dev mote0
	ip -n "$space" link set mote0 up
	cat >udhcpd.conf <<-'CONF'
		start 10.9.0.20
		end 10.9.0.29
		max_leases 10
		interface mote0
		lease_file leases
		opt dns 10.9.0.53 10.9.0.54
		opt subnet 255.255.255.0
		opt router 10.9.0.1
	CONF
	: >leases
	ip netns exec "$space" "$busybox" udhcpd -f udhcpd.conf 2>/dev/null &
	server_pid=$!
	local command
	for command in "ip addr" "ip route" "cat /etc/resolv.conf" "ping -c 1 10.9.0.1"; do
		# shellcheck disable=SC2086
		ip netns exec "$space" timeout 45 "$mote" run --net tap=mote0 "$busybox" -- $command >>out 2>>err ||
			fail "$command"
	done
	expect_in out 'inet 10.9.0.2[0-9]/24 brd 10.9.0.255 scope global dynamic eth0'
	expect_in out '^default via 10.9.0.1 dev eth0'
	expect_in out '^nameserver 10.9.0.53$'
	expect_in out '^nameserver 10.9.0.54$'
	expect_in out '1 packets received'
}

# A router announces a network and a name server; ICMPv6 and its checksum on the way.
test_router_advertisements() {
	need_kvm
	need_busybox
	need_tool ip
	need_tool python3
	[ "$(id -u)" -eq 0 ] || skip "only root may make a network namespace and a TAP"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	space=mote-names-$$
	ip netns add "$space" || skip "no network namespace can be made"
	ip -n "$space" tuntap add dev mote0 mode tap vnet_hdr
	# The host's addresses are to work as soon as the guest is there.
	ip netns exec "$space" sh -c 'echo 0 >/proc/sys/net/ipv6/conf/mote0/accept_dad' ||
		skip "the host has no IPv6"
	ip -n "$space" address add 2001:db8:5::1/64 dev mote0
	ip -n "$space" link set mote0 up
	ip netns exec "$space" python3 - >router 2>&1 <<'PYTHON' &
import socket, struct

solicited = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
index = socket.if_nametoindex("mote0")
solicited.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
solicited.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
                     socket.inet_pton(socket.AF_INET6, "ff02::2") + struct.pack("I", index))
advertisement = (struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
                 + struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 86400, 14400, 0)
                 + socket.inet_pton(socket.AF_INET6, "2001:db8:5::")
                 + struct.pack("!BBHI", 25, 3, 0, 600)
                 + socket.inet_pton(socket.AF_INET6, "2001:db8:5::53"))
print("ready", flush=True)
while True:
    if solicited.recv(2000)[0] == 133:
        solicited.sendto(advertisement, ("ff02::1", 0, 0, index))
PYTHON
	server_pid=$!
	wait_for ready router
	local command
	for command in "ip -6 addr" "ip -6 route" "cat /etc/resolv.conf" "ping -c 1 2001:db8:5::1"; do
		# shellcheck disable=SC2086
		ip netns exec "$space" timeout 15 "$mote" run --net tap=mote0,ip=10.9.0.2/24 "$busybox" -- $command >>out 2>>err ||
			fail "$command"
	done
	expect_in out 'inet6 2001:db8:5:0:.*/64 scope global dynamic'
	expect_in out '^default via fe80:.* dev eth0'
	expect_in out '^nameserver 2001:.*::53$'
	expect_in out '1 packets received'
}

# Python's socket module over UDP.
test_python() {
	[ -e "$images/python.erofs" ] || skip "$images/python.erofs is not built (./build.sh images, with Python installed)"
	run --mem 512M --root "$images/python.erofs" --cwd /tmp /usr/bin/python3 -- - <<'PYTHON'
import asyncio, socket

server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.bind(("::", 0))
port = server.getsockname()[1]
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.sendto(b"x" * 65507, ("127.0.0.1", port))
data, who = server.recvfrom(70000)
assert len(data) == 65507 and who[0] == "::ffff:127.0.0.1"
server.sendto(b"back", who)
assert client.recv(10) == b"back"

class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport
    def datagram_received(self, data, address):
        self.transport.sendto(data[::-1], address)

class Client(asyncio.DatagramProtocol):
    def __init__(self, answer):
        self.answer = answer
    def connection_made(self, transport):
        transport.sendto(b"abc")
    def datagram_received(self, data, address):
        self.answer.set_result(data)

async def main():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    answer = loop.create_future()
    await loop.create_datagram_endpoint(lambda: Client(answer),
                                        remote_addr=transport.get_extra_info("sockname"))
    assert await asyncio.wait_for(answer, 5) == b"cba"

asyncio.run(main())
listener = socket.create_server(("127.0.0.1", 0))
assert b"%04X" % listener.getsockname()[1] in open("/proc/net/tcp", "rb").read()
assert [(1, "lo")] == socket.if_nameindex()
print("ok")
PYTHON
	expect_status 0
	expect_out ok
}
