# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Requests a second of mote serve, against the same server without VMs, with a process a request, and
# with bubblewrap; against what an exit a request costs at least; its tail; sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote, $build and the like are run.sh's

serve_rounds=${BENCH_SERVE_ROUNDS:-5}
serve_seconds=2
serve_socket=8484

# Start a server with these options, or serve-floor with a MODE after `floor`.
serve_start() { # OPTION...
	: >"$out/serve.log"
	if [ "$1" = floor ]; then
		"$build/bench/serve-floor" "$serve_socket" "$2" 2>"$out/serve.log" &
	else
		"$build/mote-serve" --listen "127.0.0.1:$serve_socket" --log none "$@" 2>"$out/serve.log" &
	fi
	serve_server=$!
	for _ in $(seq 100); do
		! grep -q 'listening on' "$out/serve.log" || break
		sleep 0.05
	done
	curl -sf "http://127.0.0.1:$serve_socket/" -o /dev/null || true
}

serve_stop() {
	kill "$serve_server" 2>/dev/null
	wait "$serve_server" 2>/dev/null || true
}

# Requests a second that the server answers; nothing where it failed. serve.latency: p50 and p99.
serve_load() { # CONNECTIONS WRK-OPTION...
	local output connections=$1
	shift
	output=$(wrk -t1 "-c$connections" "-d${serve_seconds}s" --latency "$@" "http://127.0.0.1:$serve_socket/" 2>&1) || output=
	awk '/ 50%| 99%/ { print $2 }' <<<"$output" >"$out/serve.latency"
	awk '/^Requests\/sec/ { rate = $2 } /Non-2xx|Socket errors/ { bad = 1 } END { if (!bad) print rate }' <<<"$output"
}

serve_rate() { # CONNECTIONS OPTION...
	local connections=$1
	shift
	serve_start "$@"
	serve_load "$connections"
	serve_stop
}

# The ratio of two servers' rates, middle of the rounds; a colon stands between their options.
serve_ratio() { # WHAT OPERATOR LIMIT OPTION... : OPTION...
	local what=$1 operator=$2 limit=$3 a b round ratios=''
	local -a first=() second=()
	shift 3
	while [ "$1" != : ]; do
		first+=("$1")
		shift
	done
	shift
	second=("$@")
	for ((round = 0; round < serve_rounds; round++)); do
		a=$(serve_rate 8 "${first[@]}")
		b=$(serve_rate 8 "${second[@]}")
		if [ -z "$a" ] || [ -z "$b" ]; then
			not_run "$what" "a server failed: $(tail -n 1 "$out/serve.log")"
			return
		fi
		printf '%s: %s against %s requests/s\n' "$what" "$a" "$b"
		ratios+=$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')$'\n'
	done
	result "$what" "$(printf '%s' "$ratios" | middle)" "$operator" "$limit" times
}

# Clock ticks of CPU time that a server and its workers have used.
serve_ticks() { # PID
	{ echo "$1" && pgrep -P "$1"; } | sed 's|.*|/proc/&/stat|' | xargs cat | awk '{ n += $14 + $15 } END { print n }'
}

# CPU time a request with two workers against one, in ns of all processes of the server.
serve_scaling() {
	local workers used=() requests start end server
	for workers in 1 2; do
		"$build/mote-serve" --listen "127.0.0.1:$serve_socket" --log none --pool "$workers:$workers" "$out/function" 2>"$out/serve.log" &
		server=$!
		sleep 1
		start=$(serve_ticks "$server")
		requests=$(wrk -t1 "-c$((4 * workers))" -d3s "http://127.0.0.1:$serve_socket/" | awk '/requests in/ { print $1 }')
		end=$(serve_ticks "$server")
		used+=("$(awk -v t="$((end - start))" -v n="$requests" 'BEGIN { print t / n }')")
		kill "$server"
		wait "$server" 2>/dev/null || true
	done
	result "serve: CPU time a request, two workers against one" \
		"$(awk -v a="${used[1]}" -v b="${used[0]}" 'BEGIN { printf "%.3f", a / b }')" '<=' 1.2 times
}

# p99/p50 at half the load that a server can take: 256 clients that wait a random time between requests.
serve_spread() { # OPTION...
	local rate
	serve_start "$@"
	rate=$(serve_load 8)
	[ -z "$rate" ] || SOAK_DELAY=$(awk -v r="$rate" 'BEGIN { printf "%d", 256 / (r / 2) * 1000 + 0.5 }') \
		serve_load 256 -s "$root/tests/tools/soak.lua" >/dev/null
	serve_stop
	[ -z "$rate" ] || awk '{ sub("us$", "e-6"); sub("ms$", "e-3"); sub("s$", ""); t[NR] = $1 + 0 }
		END { if (t[1]) printf "%.2f", t[2] / t[1] }' "$out/serve.latency"
}

serve_tail() {
	local what="serve: p99/p50 at half load, a microVM a request against none" a b round ratios=''
	for ((round = 0; round < serve_rounds; round++)); do
		a=$(serve_spread "$out/function")
		b=$(serve_spread --answer-without-vm "$1")
		if [ -z "$a" ] || [ -z "$b" ]; then
			not_run "$what" "a server failed: $(tail -n 1 "$out/serve.log")"
			return
		fi
		printf '%s: %s against %s\n' "$what" "$a" "$b"
		ratios+=$(awk -v a="$a" -v b="$b" 'BEGIN { printf "%.3f", a / b }')$'\n'
	done
	result "$what" "$(printf '%s' "$ratios" | middle)" '<=' 2 times
}

# CPython with what its imports take done before the snapshot, against a process a request.
serve_python() {
	local what="serve: CPython with json, sqlite3, asyncio against a process a request"
	local script='import asyncio, json, sqlite3
text = json.dumps({"version": sqlite3.sqlite_version, "text": "x" * 1000})'
	if [ ! -x /usr/bin/python3 ] || [ ! -x "$build/mote-build" ]; then
		not_run "$what" "there is no /usr/bin/python3, or no mote build"
		return
	fi
	rm -rf "$out/python-root"
	PATH=$build:$PATH "$root/images/functions/python/make-root.sh" "$out/python-root" || return
	printf '%s\nimport mote\n%s\n' "${script%%$'\n'*}" "def answer(request):
$(tail -n +2 <<<"$script" | sed 's/^/    /')
    return text
mote.serve(answer)" >"$out/python-root/function.py"
	printf '%s\nprint(text)\n' "$script" >"$out/process.py"
	"$mote" build --root "$out/python-root" --entry /usr/bin/python3 --mem 256M -o "$out/python-function" -- /function.py
	serve_ratio "$what" '>=' 50 "$out/python-function" : --threads 8 --answer-by-process "/usr/bin/python3 $out/process.py"
}

bench_serve() {
	local answer
	echo "== serve ($serve_rounds rounds of $serve_seconds s)"
	if ! command -v wrk >/dev/null; then
		not_run "serve" "wrk is not installed"
		return
	fi
	answer=$(head -c 1000 /dev/zero | tr '\0' x)
	serve_ratio "serve: a microVM a request against none" '>=' 0.35 "$out/function" : --answer-without-vm "$answer"
	serve_ratio "serve: a microVM a request against a bare exit a request" '>=' 0.8 "$out/function" : floor exit
	serve_ratio "serve: a bare exit a request against none" '>=' 0 floor exit : floor none
	serve_ratio "serve: a bare exit in another process against none" '>=' 0 floor process : floor none
	serve_tail "$answer"
	serve_ratio "serve: against a process a request" '>=' 1.5 "$out/function" : \
		--threads 8 --answer-by-process "$out/function once"
	if command -v bwrap >/dev/null; then
		serve_ratio "serve: against bwrap a request" '>=' 20 "$out/function" : --threads 8 \
			--answer-by-process "bwrap --unshare-all --ro-bind / / $out/function once"
	else
		not_run "serve: against bwrap a request" "bwrap is not installed"
	fi
	serve_python
	serve_scaling
	echo
}
