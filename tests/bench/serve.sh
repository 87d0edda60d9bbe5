# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Requests a second of mote serve, against the same server without VMs, with a process a request, and
# with bubblewrap; sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote, $build and the like are run.sh's

serve_rounds=${BENCH_SERVE_ROUNDS:-5}
serve_seconds=2
serve_socket=8484

# Requests a second that a server with these options answers; nothing where one failed.
serve_rate() { # CONNECTIONS OPTION...
	local connections=$1 server rate output
	shift
	"$build/mote-serve" --listen "127.0.0.1:$serve_socket" --log none "$@" 2>"$out/serve.log" &
	server=$!
	for _ in $(seq 100); do
		! grep -q 'listening on' "$out/serve.log" || break
		sleep 0.05
	done
	curl -sf "http://127.0.0.1:$serve_socket/" -o /dev/null || true
	output=$(wrk -t1 "-c$connections" "-d${serve_seconds}s" --latency "http://127.0.0.1:$serve_socket/" 2>&1) || output=
	rate=$(awk '/^Requests\/sec/ { print $2 } /Non-2xx|Socket errors/ { bad = 1 } END { exit bad }' <<<"$output") || rate=
	awk '/ 50%| 99%/ { print $1, $2 }' <<<"$output" >"$out/serve.latency"
	kill "$server" 2>/dev/null
	wait "$server" 2>/dev/null || true
	printf '%s\n' "$rate"
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

bench_serve() {
	local answer
	echo "== serve ($serve_rounds rounds of $serve_seconds s)"
	if ! command -v wrk >/dev/null; then
		not_run "serve" "wrk is not installed"
		return
	fi
	answer=$(head -c 1000 /dev/zero | tr '\0' x)
	serve_ratio "serve: a microVM a request against none" '>=' 0.35 "$out/function" : --answer-without-vm "$answer"
	serve_ratio "serve: against a process a request" '>=' 1.5 "$out/function" : \
		--threads 8 --answer-by-process "$out/function once"
	if command -v bwrap >/dev/null; then
		serve_ratio "serve: against bwrap a request" '>=' 20 "$out/function" : --threads 8 \
			--answer-by-process "bwrap --unshare-all --ro-bind / / $out/function once"
	else
		not_run "serve: against bwrap a request" "bwrap is not installed"
	fi
	serve_scaling
	echo
}
