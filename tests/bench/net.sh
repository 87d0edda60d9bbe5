# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# The network of a guest on a TAP, against that of a network namespace behind a veth; sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote and the like are run.sh's

net_seconds=2

# Two namespaces: the host's end, and that of the native server, 10.9.1.2. The guest is 10.9.0.2.
net_make() {
	net_space=mote-bench-net-$$
	net_inside=(ip netns exec "$net_space")
	net_peer=(ip netns exec "$net_space-peer")
	ip netns add "$net_space" 2>/dev/null && ip netns add "$net_space-peer" || return
	"${net_inside[@]}" ip link set lo up
	"${net_inside[@]}" ip tuntap add dev mote0 mode tap vnet_hdr
	"${net_inside[@]}" ip address add 10.9.0.1/24 dev mote0
	"${net_inside[@]}" ip link set mote0 up
	ip -n "$net_space" link add veth0 type veth peer name veth1 netns "$net_space-peer"
	ip -n "$net_space" address add 10.9.1.1/24 dev veth0
	ip -n "$net_space" link set veth0 up
	ip -n "$net_space-peer" address add 10.9.1.2/24 dev veth1
	ip -n "$net_space-peer" link set veth1 up
}

# Starts both servers, measures each, ends them: $net_guest, $net_native.
net_measure() { # FUNCTION: prints a number for an address
	local guest native
	"${net_inside[@]}" "$mote" run --timeout 120 --mem 256M --net tap=mote0,ip=10.9.0.2/24 "${net_guest_command[@]}" >"$out/net.log" 2>&1 &
	guest=$!
	"${net_peer[@]}" timeout 120 "${net_native_command[@]}" >"$out/net-native.log" 2>&1 &
	native=$!
	sleep 1
	net_native=$("$@" 10.9.1.2) net_guest=$("$@" 10.9.0.2)
	kill "$guest" "$native" 2>/dev/null
	wait "$guest" "$native" 2>/dev/null
	[ -n "$net_native" ] && [ -n "$net_guest" ]
}

net_stream() { # to|from ADDRESS
	"${net_inside[@]}" timeout 20 "$out/stream" "$1" "$2" $net_seconds
}

net_redis() { # get|set ADDRESS
	"${net_inside[@]}" timeout 60 redis-benchmark -h "$2" -t "$1" -n 100000 -c 50 --csv 2>/dev/null |
		sed -n "s/^\"${1^^}\",\"\([0-9.]*\)\".*/\1/p"
}

# The file of 1 KiB that the image has, by 50 connections that are kept.
net_nginx() { # ADDRESS
	"${net_inside[@]}" wrk -t1 -c50 "-d${net_seconds}s" "http://$1/1k" | awk '
		/^Requests\/sec/ { rate = $2 }
		/Non-2xx|Socket errors/ { bad = 1 }
		END { if (!bad) print rate }'
}

# The image's configuration and file, for the native server.
net_nginx_conf() {
	mkdir -p "$out/srv"
	{ seq 100000000 100002000 || true; } 2>/dev/null | head -c 1024 >"$out/srv/1k"
	sed -e "s|/srv|$out/srv|" -e "s|/run/nginx.pid|$out/nginx.pid|" -e 's|mime.types|/etc/nginx/&|' \
		images/nginx/nginx.conf >"$out/nginx.conf"
}

# A limit is a ratio, or a number that is enough, whichever is lower.
net_judge() { # WHAT RATIO ENOUGH UNIT
	printf '%-28s native %10.0f   guest %10.0f %s\n' "$1" "$net_native" "$net_guest" "$4"
	result "net: $1" "$net_guest" '>=' \
		"$(awk -v n="$net_native" -v r="$2" -v e="$3" 'BEGIN { l = n * r; printf "%.0f", e && e < l ? e : l }')" "$4"
}

bench_net() {
	echo "== network over a TAP, against veth between network namespaces"
	if [ "$(id -u)" -ne 0 ] || [ ! -c /dev/net/tun ] || ! net_make; then
		not_run "net: streams and Redis" "only root may make a TAP for it"
		return
	fi
	net_guest_command=("$out/stream" -- serve) net_native_command=("$out/stream" serve)
	! net_measure net_stream to || net_judge "stream to the guest" 0.4 4000 Mbit/s
	! net_measure net_stream from || net_judge "stream from the guest" 0.2 2000 Mbit/s
	if command -v redis-server >/dev/null && [ -e "$build/images/redis.erofs" ]; then
		net_guest_command=(--root "$build/images/redis.erofs" /usr/bin/redis-server -- --save '' --appendonly no --protected-mode no)
		net_native_command=(redis-server --save '' --appendonly no --protected-mode no)
		! net_measure net_redis get || net_judge "Redis GET, 50 connections" 0.5 0 1/s
		! net_measure net_redis set || net_judge "Redis SET, 50 connections" 0.5 0 1/s
	else
		not_run "net: Redis" "redis-server or the image of Redis is missing"
	fi
	if command -v nginx >/dev/null && command -v wrk >/dev/null && [ -e "$build/images/nginx.erofs" ]; then
		net_nginx_conf
		net_guest_command=(--root "$build/images/nginx.erofs" /usr/sbin/nginx)
		net_native_command=(nginx -c "$out/nginx.conf")
		! net_measure net_nginx || net_judge "nginx, 1 KiB, 50 connections" 0.3 0 1/s
	else
		not_run "net: nginx" "nginx, wrk or the image of nginx is missing"
	fi
	ip netns delete "$net_space"
	ip netns delete "$net_space-peer"
	echo
}
