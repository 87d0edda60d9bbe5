# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Devices before a snapshot and after: what is given again, replaced, missing, or cannot be carried.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

guest=$guests/snapshot_devices
space=mote-snapshot-$$
inside=()
pids=()

cleanup() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	[ ${#inside[@]} -eq 0 ] || ip netns delete "$space" 2>/dev/null || true
}
trap cleanup EXIT

# Takes a snapshot of the guest: options, then `--` and its arguments.
take() {
	local -a options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	[ -x "$guest" ] || fail "$guest is not built"
	run --snapshot s.snap "${options[@]}" "$guest" "$@"
}

taken() {
	take "$@"
	expect_status 0
	expect_no_err
	[ -s s.snap ] || fail "no snapshot"
}

restore() { # OPTION...
	need_kvm
	try "$mote" restore --timeout 20 "$@"
}

restored() {
	restore "$@"
	expect_status 0
	expect_no_err
}

refused() { # TEXT OPTION...
	restore "${@:2}"
	expect_status 125
	expect_no_out
	expect_err "mote: $1"
}

expect_err() { # TEXT
	printf '%s\n' "$1" | cmp -s - err || fail "expected on stderr: $1"
}

not_taken() { # TEXT OPTION... -- ARGUMENT...
	take "${@:2}"
	expect_status 125
	expect_err "mote: the guest cannot be carried into a snapshot:
$1
mote: no snapshot was written to s.snap. --force cuts such things"
	[ ! -e s.snap ] || fail "there is a snapshot"
}

free_port() {
	python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# ---- what the guest is called and told ----

test_names() {
	taken --hostname first -- names a b
	restored s.snap
	expect_out 'host first, X=
names
a
b
/etc/hostname: first
'
	restored --hostname clone s.snap
	expect_in out '^host clone, X=$'
	expect_in out '^/etc/hostname: clone$'
	restored s.snap
	expect_in out '^host first, X=$'
}

# shellcheck disable=SC2016 # the guest's shell expands it
test_arguments_at_main() {
	need_busybox
	run --snapshot-at=main --env X=1 --env Y=2 --snapshot s.snap "$busybox" sh -c 'echo $0 $X $Y' one
	expect_status 0
	restored s.snap
	expect_out 'one 1 2'
	restored --env X=3 s.snap -- sh -c 'echo $0 $X $Y' two
	expect_out 'two 3 2'
}

# shellcheck disable=SC2016 # the guest's shell expands it
# What a copy was called a copy of that one is called, too.
test_names_of_copies() {
	need_kvm
	need_busybox
	run --snapshot s.snap --snapshot-at=main --hostname first "$busybox" sh -c \
		'for i in 1 2; do read name </etc/hostname; echo $name; read x; done; :'
	expect_status 0
	mkfifo input
	timeout 30 "$mote" restore --name "copy-$$" --hostname clone s.snap <>input >first.out 2>first.err &
	pids+=($!)
	wait_for clone first.out
	try "$mote" snapshot "copy-$$" -o second.snap --stop
	expect_status 0
	restored --env X=1 second.snap </dev/null
	expect_out 'clone'
}

# ---- disks ----

make_disk() { # FILE TEXT SIZE
	truncate -s "$3" "$1"
	printf '%-16s' "$2" | dd of="$1" conv=notrunc status=none
}

test_disk() {
	make_disk a.img first 1M
	taken --disk a.img,id=data -- disk /dev/vda
	printf '%-16s' second | dd of=a.img conv=notrunc status=none
	restored --disk a.img,id=data s.snap
	expect_out '1048576 bytes: second          '
	[ "$(dd if=a.img bs=1 skip=4096 count=16 status=none)" = 'written by guest' ] ||
		fail "nothing was written"
}

test_another_disk() {
	make_disk a.img first 1M
	make_disk b.img other 3M
	taken --disk a.img,id=data -- disk /dev/vda
	cp a.img before.img
	restored --disk b.img,id=data s.snap
	expect_out '3145728 bytes: other           '
	cmp -s a.img before.img || fail "the first disk was written to"
}

test_disks_by_name() {
	make_disk a.img first 1M
	make_disk b.img second 2M
	taken --disk a.img,id=a --disk b.img,id=b -- disk /dev/vdb
	restored --disk b.img,id=b --disk a.img,id=a s.snap
	expect_in out '^2097152 bytes: second'
}

test_disk_refused() {
	make_disk a.img first 1M
	make_disk b.img small 512K
	taken --disk a.img,id=data -- disk /dev/vda
	refused "the snapshot has disk \`data' (1 MiB): give it with --disk FILE,id=data" s.snap
	refused "the snapshot has disk \`data' (1 MiB): give it with --disk FILE,id=data" --disk a.img s.snap
	refused "the snapshot has disk \`data' (1 MiB), the one given is smaller (512 KiB)" \
		--disk b.img,id=data s.snap
	refused "the snapshot has disk \`data' (1 MiB), which is written to: give it without ,ro" \
		--disk a.img,id=data,ro s.snap
	refused "the snapshot does not have disk \`more' (512 KiB): leave it out" \
		--disk a.img,id=data --disk b.img,id=more s.snap
}

# ---- shares ----

make_share() { # DIRECTORY
	mkdir -p "$1/many"
	echo "data of $1" >"$1/data"
	touch "$1/gone" "$1"/many/{1,2,3,4,5,6}
}

test_share() {
	make_share one
	taken --share one:/share -- share /share
	rm one/gone
	touch one/new
	restore --share one:/share s.snap
	expect_status 0
	expect_out 'rest: ta
mapped: data of one
log of 13 bytes
gone: No such file or directory
new: there
entries: all
in /share
data: data of one
'
	[ "$(<one/log)" = $'before\nafter' ] || fail "the log is: $(<one/log)"
}

test_another_share() {
	make_share one
	make_share two
	echo kept >two/log
	taken --share one:/share -- share /share
	cp one/log log
	restored --share two:/share s.snap
	expect_in out '^data: data of two$'
	expect_in out '^log of 11 bytes$'
	cmp -s one/log log || fail "the first share was written to"
}

test_stale_files() {
	make_share one
	make_share two
	rm two/data
	taken --share one:/share -- share /share
	restore --share two:/share s.snap
	expect_status 1
	expect_in out '^read after: Stale file handle$'
	expect_in err '^mote: share two: of what the guest knew, 2 files are not there and 1 open ones cannot be opened again'
}

# A symbolic link is none of the guest's files: nothing outside of the share is opened.
test_links_out_of_a_share() {
	make_share one
	make_share two
	echo secret >secret
	rm two/data
	ln -s "$PWD/secret" two/data
	taken --share one:/share -- share /share
	restore --share two:/share s.snap
	expect_status 1
	expect_in out '^read after: Stale file handle$'
	expect_not_in out secret
}

test_share_refused() {
	make_share one
	taken --share one:/share -- share /share
	refused 'the snapshot has a share at /share: give it with --share HOSTDIR:/share' s.snap
	refused 'the snapshot has a share at /share: give it with --share HOSTDIR:/share' --share one:/other s.snap
	refused 'the snapshot has no share at /other: leave it out' --share one:/share --share one:/other s.snap
}

test_removed_file() {
	make_share one
	not_taken '1 open files of the share at /share were removed' --share one:/share -- file /share/data removed
	make_share one
	take --force --share one:/share -- file /share/data removed
	expect_status 0
	expect_in err '^1 open files of the share at /share were removed$'
	restore --share one:/share s.snap
	expect_status 0
	expect_out 'read: Stale file handle'
}

test_locked_file() {
	make_share one
	not_taken '1 files of the share at /share are locked' --share one:/share -- file /share/data locked
}

# ---- networks ----

need_passt() {
	need_kvm
	need_tool passt
	need_tool python3
}

# A restored guest in the background.
start() { # OUT OPTION...
	timeout 30 "$mote" restore "${@:2}" >"$1.out" 2>"$1.err" &
	pids+=($!)
}

ask() { # PORT TEXT
	timeout 20 python3 -c '
import socket, sys, time
for i in range(200):
    try:
        talk = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
        talk.sendall(sys.argv[2].encode())
        answer = talk.recv(100)
        if answer:
            print(answer.decode())
            sys.exit(0)
    except OSError:
        pass
    time.sleep(0.05)
sys.exit(1)' "$1" "$2" || fail "no answer at port $1"
}

test_two_servers() {
	local first second
	need_passt
	taken --net "user,publish=$(free_port):80" -- server 80
	first=$(free_port)
	second=$(free_port)
	start first --net "user,publish=$first:80" s.snap
	start second --net "user,publish=$second:80" s.snap
	[ "$(ask "$first" a)" = '1 a' ] || fail "the first server"
	[ "$(ask "$first" b)" = '2 b' ] || fail "the first server, again"
	[ "$(ask "$second" c)" = '1 c' ] || fail "the second server"
	[ "$(ask "$first" quit)" = '3 quit' ] || fail "the first server's end"
	[ "$(ask "$second" quit)" = '2 quit' ] || fail "the second server's end"
	wait "${pids[@]}" || fail "a server has failed: $(<first.err) $(<second.err)"
	pids=()
}

test_listen() {
	local port
	need_passt
	run --snapshot s.snap --snapshot-at=listen --net "user,publish=$(free_port):80" "$guest" server 80
	expect_status 0
	port=$(free_port)
	start first --net "user,publish=$port:80" s.snap
	[ "$(ask "$port" quit)" = '1 quit' ] || fail "the server"
	wait "${pids[@]}" || fail "the server has failed: $(<first.err)"
	pids=()
}

test_datagrams() {
	local port
	need_passt
	taken --net "user,publish=$(free_port):80/udp" -- datagrams 80
	port=$(free_port)
	start first --net "user,publish=$port:80/udp" s.snap
	timeout 20 python3 -c '
import socket, sys
talk = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
talk.settimeout(0.2)
for i in range(60):
    try:
        talk.sendto(b"hello", ("127.0.0.1", int(sys.argv[1])))
        assert talk.recv(100) == b"hello"
        sys.exit(0)
    except OSError:
        pass
sys.exit(1)' "$port" || fail "no answer"
	wait "${pids[@]}" || fail "the guest has failed: $(<first.err)"
	pids=()
}

# Takes one connection, says one byte and waits for the end; what that was is in the file peer.
listen_once() { # PORT
	timeout 30 python3 -c '
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
talk = listener.accept()[0]
talk.recv(1)
talk.sendall(b"b")
try:
    print("end" if not talk.recv(1) else "data", flush=True)
except ConnectionResetError:
    print("reset", flush=True)' "$1" >peer 2>&1 &
	pids+=($!)
	wait_for listening peer
}

test_connection_refused() {
	local port
	need_passt
	port=$(free_port)
	listen_once "$port"
	take --net user -- connection 10.0.2.2 "$port"
	expect_status 125
	expect_in err "^the TCP connection of 10.0.2.15:[0-9]* with 10.0.2.2:$port\$"
	[ ! -e s.snap ] || fail "there is a snapshot"
}

test_connection_cut() {
	local port
	need_passt
	port=$(free_port)
	listen_once "$port"
	take --force --net user -- connection 10.0.2.2 "$port"
	expect_status 0
	wait_for 'reset\|end' peer # passt may end first
	restored --net user s.snap
	expect_out 'poll: error hang-up
read: Connection reset by peer
write: Broken pipe
within: works'
}

test_links() {
	need_passt
	taken --net user -- links
	restored --net user s.snap
	expect_in out '^link down$'
	expect_in out '^link up$'
	expect_in out '^10.0.2.15$'
	expect_in out '^02:6d:6f:74:65:01$'
	restored --net user,mac=02:00:00:00:00:77 s.snap
	expect_in out '^link up$'
	expect_in out '^02:00:00:00:00:77$'
	restored --net none s.snap
	expect_in out '^link down$'
	expect_not_in out '^link up$'
	refused 'the snapshot has a network: give it with --net user or --net tap=NAME, or leave it without one by --net none' \
		s.snap
}

test_tap() {
	need_passt
	need_tool ip
	[ "$(id -u)" -eq 0 ] || skip "only root may make a network namespace and a TAP"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	ip netns add "$space" || skip "no network namespace can be made"
	inside=(ip netns exec "$space")
	"${inside[@]}" ip link set lo up
	"${inside[@]}" ip tuntap add dev mote0 mode tap
	"${inside[@]}" ip link set mote0 up
	taken --net user -- links
	try "${inside[@]}" "$mote" restore --timeout 20 --net tap=mote0,ip=10.9.0.2/24,dns=192.0.2.1 s.snap
	expect_status 0
	expect_in out '^address$'
	expect_in out '^no address$'
	expect_in out '^10.9.0.2$'
	expect_in out 'nameserver 192.0.2.1$'
}

# Two networks with servers of their own: the second one does not know the lease of the first.
test_dhcp() {
	local net
	need_kvm
	need_busybox
	need_tool ip
	[ "$(id -u)" -eq 0 ] || skip "only root may make a network namespace and a TAP"
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	[[ $("$busybox" --list) == *udhcpd* ]] || skip "busybox has no udhcpd"
	ip netns add "$space" || skip "no network namespace can be made"
	inside=(ip netns exec "$space")
	for net in 8 9; do
		ip -n "$space" tuntap add dev mote$net mode tap
		ip -n "$space" address add 10.$net.0.1/24 dev mote$net
		ip -n "$space" link set mote$net up
		printf '%s\n' "start 10.$net.0.20" "end 10.$net.0.30" 'max_leases 11' "interface mote$net" \
			"lease_file leases$net" "opt dns 10.$net.0.53" 'opt subnet 255.255.255.0' >udhcpd$net.conf
		: >leases$net
		"${inside[@]}" "$busybox" udhcpd -f udhcpd$net.conf 2>/dev/null &
		pids+=($!)
	done
	try "${inside[@]}" "$mote" run --net tap=mote9 --snapshot s.snap "$guest" links
	expect_status 0
	for net in 9 8; do
		try "${inside[@]}" "$mote" restore --timeout 30 --net tap=mote$net s.snap
		expect_status 0
		expect_in out '^link up$'
		expect_in out "^10\\.$net\\.0\\.[23][0-9]\$"
		expect_in out "nameserver 10\\.$net\\.0\\.53\$"
	done
}

# ---- sockets to the host ----

test_vsock() {
	need_tool python3
	taken --vsock first.sock -- vsock
	start first --vsock second.sock s.snap
	timeout 20 python3 -c '
import socket, time
for i in range(200):
    try:
        talk = socket.socket(socket.AF_UNIX)
        talk.connect("second.sock")
        talk.sendall(b"CONNECT 99\n")
        if talk.recv(64).startswith(b"OK "):
            talk.sendall(b"hello")
            talk.recv(1)
            break
    except OSError:
        pass
    time.sleep(0.05)' || fail "no connection"
	wait "${pids[@]}" || fail "the guest has failed: $(<first.err)"
	pids=()
	cmp -s first.out <(echo 'heard hello') || fail "the guest says: $(<first.out)"
	refused 'the snapshot has sockets to the host: give them with --vsock PATH' s.snap
}

test_vsock_connection() {
	need_tool python3
	for force in '' --force; do
		rm -f first.sock_7 peer
		timeout 20 python3 -c '
import socket
listener = socket.socket(socket.AF_UNIX)
listener.bind("first.sock_7")
listener.listen(1)
print("listening", flush=True)
talk = listener.accept()[0]
talk.recv(1)' >peer &
		pids+=($!)
		wait_for listening peer
		# shellcheck disable=SC2086 # no word where it is empty
		take $force --vsock first.sock -- vsock 7
		expect_in err '^the vsock connection of port [0-9]* with port 7 of the host$'
		[ -n "$force" ] || [ ! -e s.snap ] || fail "there is a snapshot"
	done
	expect_status 0
	start first --vsock second.sock s.snap
	wait_for write: first.out
	expect_in first.out '^poll: error hang-up$'
	expect_in first.out '^read: Connection reset by peer$'
}

# ---- what reaches nothing of the host ----

test_made_anew() {
	taken --console=virtio --entropy --balloon=1M -- names
	restored s.snap
	expect_in out '^names$'
	restored --console=virtio --entropy --balloon=2M s.snap
	expect_in out '^names$'
}

test_none_before() {
	taken -- names
	refused 'the snapshot has no entropy device: leave it out' --entropy s.snap
	refused 'the snapshot has no balloon device: leave it out' --balloon s.snap
	make_share one
	refused 'the snapshot has no share at /share: leave it out' --share one:/share s.snap
}

# ---- again and again in one microVM ----

# What was replaced is so in each start, and the devices are as they were.
test_resets() {
	make_disk a.img first 1M
	make_disk b.img other 3M
	make_share one
	make_share two
	taken --disk a.img,id=data -- disk /dev/vda
	restored --count 3 --verify-reset=1 --disk b.img,id=data s.snap
	[ "$(grep -c '^3145728 bytes: other' out)" -eq 3 ] || fail "another disk"
	taken --share one:/share -- share /share
	echo kept >two/log
	restored --count 3 --verify-reset=1 --share two:/share s.snap
	[ "$(grep -c '^data: data of two$' out)" -eq 3 ] || fail "another share"
	[ "$(grep -c '^mapped: data of two$' out)" -eq 3 ] || fail "what is mapped of another share"
	[ "$(<two/log)" = $'kept\nafter\nafter\nafter' ] || fail "the log: $(<two/log)"
	taken --hostname first -- names
	restored --count 2 --verify-reset=1 --hostname clone s.snap
	[ "$(grep -c '^/etc/hostname: clone$' out)" -eq 2 ] || fail "another name"
}

# A guest that runs, with a network and a share: the copy goes on where it was.
test_from_outside() {
	local first second
	need_passt
	first=$(free_port)
	second=$(free_port)
	timeout 30 "$mote" run --name "outside-$$" --net "user,publish=$first:80" "$guest" server 80 >first.out 2>first.err &
	pids+=($!)
	[ "$(ask "$first" a)" = '1 a' ] || fail "the first server"
	# The connection that was closed is over on both sides by and by.
	for _ in {1..50}; do
		try "$mote" snapshot "outside-$$" -o s.snap
		[ "$status" -ne 0 ] || break
		sleep 0.1
	done
	expect_status 0
	start second --net "user,publish=$second:80" s.snap
	[ "$(ask "$second" b)" = '2 b' ] || fail "the copy"
	[ "$(ask "$first" c)" = '2 c' ] || fail "the first server, after its snapshot"
	[ "$(ask "$second" quit)" = '3 quit' ] || fail "the copy's end"
	[ "$(ask "$first" quit)" = '3 quit' ] || fail "the first server's end"
	wait "${pids[@]}" || fail "a server has failed: $(<first.err) $(<second.err)"
	pids=()
}
