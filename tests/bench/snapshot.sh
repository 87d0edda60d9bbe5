# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# New microVMs from snapshots, and snapshots taken; sourced by run.sh. The guests are start.c, Redis and CPython.
# shellcheck disable=SC2154 # $out, $mote and the like are run.sh's

# Takes the snapshot $out/NAME.snap anew; what mote says goes to $out/NAME.log.
take() { # NAME MOTE-RUN-ARGUMENT...
	rm -f "$out/$1.snap"
	timeout 120 "$mote" run --snapshot "$out/$1.snap" "${@:2}" >"$out/$1.log" 2>&1 && [ -s "$out/$1.snap" ] && return
	not_run "snapshot $1" "$(tail -n 1 "$out/$1.log")"
	return 1
}

# A number of the --stats=json of a start: KEY [OBJECT], as json_number has it.
start_number() { # NAME KEY [OBJECT]
	stats="$out/$1.stats" json_number "${@:2}"
}

# Two starts: the first records its working set, the second counts.
count_start() { # NAME MOTE-RESTORE-OPTION...
	timeout 60 "$mote" restore "${@:2}" "$out/$1.snap" </dev/null >/dev/null 2>&1 || return
	timeout 60 "$mote" restore --stats=json "${@:2}" "$out/$1.snap" </dev/null >/dev/null 2>"$out/$1.stats" || return
	print_start "$1"
}

print_start() { # NAME
	printf '%s: %s pages touched, %s exits, file of %s KiB\n' "$1" "$(start_number "$1" pages_touched)" \
		"$(start_number "$1" total exits)" "$(($(stat -c %s "$out/$1.snap") / 1024))"
}

milliseconds() { # COMMAND...
	local start=$EPOCHREALTIME
	"$@" >/dev/null || return
	awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", (b - a) * 1000 }'
}

# The median of some numbers, one a line.
median_of_lines() {
	sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] }'
}

# The median of a command, in milliseconds; nothing if it did not run.
median() { # TABLE COMMAND
	awk -v name="$2" '$1 == name && !/ not run: / { print $3 }' "$out/$1.txt"
}

# To the first answer: what a start may take, and 10 us for each page that this one touches.
judge_answer() { # WHAT TABLE COMMAND STATS-NAME
	local pages floor answer
	pages=$(start_number "$4" pages_touched) floor=$(median "$2" floor) answer=$(median "$2" "$3")
	if [ -z "$pages" ] || [ -z "$floor" ] || [ -z "$answer" ]; then
		not_run "$1" "see $out/$2.txt"
		return
	fi
	result "$1, $pages pages" "$answer" '<=' \
		"$(awk -v f="$floor" -v p="$pages" 'BEGIN { printf "%.3f", 1.3 * f + 0.01 * p }')" ms
}

# ---- the start itself ----

# Whole processes, teardown included: `end` makes one system call behind the point, exit_group.
bench_starts() {
	local name
	echo "== new microVMs from snapshots, whole process ($rounds rounds)"
	take start "$out/start" && take start-100 --mem 256M "$out/start" -- end 100 &&
		take start-hello --snapshot-at=main "$hello" || return 0
	for name in start start-100 start-hello; do
		count_start "$name" || not_run "restore: $name" "it failed"
	done
	compare restore -n "$rounds" -r floor \
		::: floor "$out/floor.expected" "$out/floor" \
		::: end "$out/nothing.expected" "$mote" restore "$out/start.snap" \
		::: end-100-MiB "$out/nothing.expected" "$mote" restore "$out/start-100.snap" \
		::: hello "$out/hello.expected" "$mote" restore "$out/start-hello.snap" \
		::: run-hello "$out/hello.expected" "$mote" run "$hello"
	judge "restore: ends at once, against the floor" restore end '<=' 1.3
	judge "restore: the same with 100 MiB in use" restore end-100-MiB '<=' 1.3
	judge_answer "restore: hello to its end" restore hello start-hello
}

bench_ram_size() {
	local pairs_of=$((rounds < 200 ? 200 : rounds))
	take small --mem 64M "$out/start" && take large --mem 4G "$out/start" || return 0
	count_start small && count_start large || return 0
	compare restore-ram -n "$pairs_of" -r 64M \
		::: 64M "$out/nothing.expected" "$mote" restore "$out/small.snap" \
		::: 4G "$out/nothing.expected" "$mote" restore "$out/large.snap"
	judge "restore: 4 GiB of guest RAM against 64 MiB" restore-ram 4G '<=' 1.15
}

# ---- Redis with 100 MB ----

# A TAP in a network namespace of its own; the guest is 10.9.0.2.
redis_network() {
	redis_space=mote-bench-redis-$$
	redis_inside=(ip netns exec "$redis_space")
	ip netns add "$redis_space" 2>/dev/null || return
	"${redis_inside[@]}" ip link set lo up
	"${redis_inside[@]}" ip tuntap add dev mote0 mode tap vnet_hdr
	"${redis_inside[@]}" ip address add 10.9.0.1/24 dev mote0
	"${redis_inside[@]}" ip link set mote0 up
}

redis_answers() {
	local i
	for ((i = 0; i < 500; i++)); do
		[ "$("${redis_inside[@]}" redis-cli -h 10.9.0.2 ping 2>/dev/null)" != PONG ] || return 0
		sleep 0.02
	done
	return 1
}

# 100,000 keys of 1000 bytes, and no client any more: then the snapshot.
redis_take() {
	local name=bench-redis-$$ server
	rm -f "$out/redis.snap"
	"${redis_inside[@]}" timeout 120 "$mote" run --name "$name" --mem 256M "${redis_options[@]}" /usr/bin/redis-server -- \
		--save '' --appendonly no --protected-mode no --enable-debug-command yes >"$out/redis.log" 2>&1 &
	server=$!
	redis_answers && "${redis_inside[@]}" redis-cli -h 10.9.0.2 debug populate 100000 key 1000 >/dev/null &&
		sleep 0.5 && "$mote" snapshot "$name" -o "$out/redis.snap" --stop # the client's connection has ended
	wait "$server" || true
	[ -s "$out/redis.snap" ]
}

# One start and its statistics, ended by its time limit; `answer`: with an answer. The shell in between
# is what makes it a process that has not used any time before.
redis_count() { # start|answer
	local server limit=0.2
	[ "$1" = start ] || limit=2
	# shellcheck disable=SC2016 # the inner shell expands it
	"${redis_inside[@]}" sh -c '"$@"; exit' sh "$mote" restore --stats=json --timeout "$limit" "${redis_options[@]}" \
		"$out/redis.snap" >/dev/null 2>"$out/redis.log" &
	server=$!
	[ "$1" = start ] || redis_answers || true
	wait "$server" || true
	grep '^{' "$out/redis.log" >"$out/redis.stats"
}

# Milliseconds from vm_run() to the guest's first instruction, by the stamps of both, and the CPU time
# that exec took before; the teardown is not in it.
redis_to_instruction() {
	local phase
	for phase in process_start open create_vm load setup_vcpu confine first_instruction; do
		start_number redis "$phase" phases_us
	done | awk '{ sum += $1 } END { if (NR == 7) print sum / 1000 }'
}

redis_measure() {
	local round first=() floors=()
	redis_take && redis_count answer || return # the first one records its working set
	for ((round = 0; round < 21; round++)); do
		floors+=("$(milliseconds "$out/floor")")
		redis_count start
		first+=("$(redis_to_instruction)")
	done
	redis_first=$(printf '%s\n' "${first[@]}" | median_of_lines) redis_floor=$(printf '%s\n' "${floors[@]}" | median_of_lines)
	redis_count answer
	print_start redis
	"${redis_inside[@]}" "$pairs" -n "$(((rounds + 3) / 4))" -r floor \
		::: floor "$out/floor.expected" "$out/floor" \
		::: redis redis:10.9.0.2:6379 "$mote" restore "${redis_options[@]}" "$out/redis.snap" >"$out/redis.txt" || true
	cat "$out/redis.txt"
}

bench_redis_start() {
	local redis_options=(--root "$build/images/redis.erofs" --net "tap=mote0,ip=10.9.0.2/24")
	local redis_first redis_floor what="restore: Redis with 100 MB"
	if [ ! -e "$build/images/redis.erofs" ] || ! command -v redis-cli >/dev/null; then
		not_run "$what" "redis-server or its image is missing (make images)"
		return
	fi
	if [ "$(id -u)" -ne 0 ] || [ ! -c /dev/net/tun ] || ! redis_network; then
		not_run "$what" "only root may make a TAP for it"
		return
	fi
	echo "-- Redis with 100,000 keys of 1000 bytes, over a TAP"
	if redis_measure && [ -n "$redis_first" ]; then
		echo "to the guest's first instruction: $redis_first ms, without teardown; the floor beside it $redis_floor ms"
		result "$what: first instruction" "$redis_first" '<=' "$(awk -v f="$redis_floor" 'BEGIN { print 1.3 * f }')" ms
		judge_answer "$what: first PONG" redis redis redis
	else
		not_run "$what" "it failed, see $out/redis.log"
	fi
	ip netns delete "$redis_space"
	echo
}

# ---- CPython ----

python_script() { # LAST-LINE
	cat <<END
import asyncio, ctypes, json, os, sqlite3, ssl
ctypes.CDLL(None).syscall(402, 0, b"point")  # mote/guest.h: the snapshot point
print(json.dumps({"sqlite": sqlite3.sqlite_version, "ssl": ssl.OPENSSL_VERSION}), flush=True)
$1
END
}

# The script natively and from its snapshot: $1-line has the times to its line, $1 those of the whole process.
python_compare() { # NAME LAST-LINE
	local inside=("$mote" restore --root "$build/images/python.erofs" "$out/$1.snap")
	python_script "$2" >"$out/$1.py"
	take "$1" --mem 256M --root "$build/images/python.erofs" /usr/bin/python3 -- -c "$(<"$out/$1.py")" &&
		/usr/bin/python3 "$out/$1.py" >"$out/$1.expected" && count_start "$1" --root "$build/images/python.erofs" || return
	compare "$1" -n "$(((rounds + 3) / 4))" -w 1 -r restored \
		::: native "$out/$1.expected" /usr/bin/python3 "$out/$1.py" ::: restored "$out/$1.expected" "${inside[@]}"
	compare "$1-line" -l -n "$(((rounds + 3) / 4))" -w 1 -r restored \
		::: native "$out/$1.expected" /usr/bin/python3 "$out/$1.py" ::: restored "$out/$1.expected" "${inside[@]}"
}

bench_python_start() {
	if [ ! -f "$build/images/python.erofs" ]; then
		not_run "restore: CPython" "$build/images/python.erofs is missing (make images, with Python)"
		return
	fi
	echo "-- CPython with json, ssl, sqlite3 and asyncio"
	if ! python_compare python-exit 'os._exit(0)' || ! python_compare python-end ''; then
		not_run "restore: CPython" "it failed, see $out/python-*.log"
		return
	fi
	judge "CPython natively against restored: to its line" python-exit-line native '>=' 10
	judge "CPython natively against restored: os._exit" python-exit native '>=' 10
	judge "CPython natively against restored: finalised" python-end native '>=' 3
}

# ---- taking them ----

# Takes $out/$1.snap of the microVM $take_name; `written` and `synced` are the milliseconds that mote says.
take_outside() { # SNAPSHOT [--base FILE]
	local times
	times=$("$mote" snapshot "$take_name" -o "$out/$1.snap" "${@:2}" |
		sed -n 's/^written in \([0-9]*\) us, and on disk \([0-9]*\) us later$/\1 \2/p')
	[ -n "$times" ] || return
	written=$(awk '{ print $1 / 1000 }' <<<"$times") synced=$(awk '{ print $2 / 1000 }' <<<"$times")
}

# Runs a guest that waits for orders: its stdin is the descriptor $orders. Its name is $take_name.
take_serve() { # LOG COMMAND...
	local i
	exec {orders}<>"$out/orders"
	"${@:2}" <"$out/orders" >"$1" 2>&1 &
	take_guest=$!
	for ((i = 0; i < 500; i++)); do
		! "$mote" ps | grep -q "^$take_name " || return 0
		sleep 0.02
	done
	return 1
}

take_end() {
	kill "$take_guest"
	wait "$take_guest" || true
	exec {orders}>&-
}

# Of a guest with 100 MiB in use, against cp of the file; both without fsync, which mote says apart.
take_full() {
	local i copies=() full=() syncs=()
	take_serve "$out/take.log" "$mote" run --name "$take_name" --mem 256M "$out/start" -- change 100 || return
	for ((i = 0; i < 9; i++)); do
		take_outside full || return
		full+=("$written") syncs+=("$synced")
		rm -f "$out/full.copy"
		copies+=("$(milliseconds cp "$out/full.snap" "$out/full.copy")")
	done
	rm -f "$out/full.copy"
	take_end
	take_full=$(printf '%s\n' "${full[@]}" | median_of_lines)
	take_copy=$(printf '%s\n' "${copies[@]}" | median_of_lines)
	printf 'full: %s KiB, written in %s ms, cp %s ms, fsync %s ms more\n' "$(($(stat -c %s "$out/full.snap") / 1024))" \
		"$take_full" "$take_copy" "$(printf '%s\n' "${syncs[@]}" | median_of_lines)"
}

# Of a guest that was started from that one and has changed 256 of its 25,600 pages.
take_differential() {
	local i times=() syncs=()
	take_serve "$out/take.log" "$mote" restore --name "$take_name" "$out/full.snap" || return
	for ((i = 1; i <= 9; i++)); do
		echo 256 >&"$orders"
		until [ "$(grep -c '^changed 256' "$out/take.log")" -ge "$i" ]; do
			kill -0 "$take_guest" && sleep 0.02 || return
		done
		take_outside differential --base "$out/full.snap" || return
		times+=("$written") syncs+=("$synced")
	done
	take_end
	take_differential=$(printf '%s\n' "${times[@]}" | median_of_lines)
	printf 'differential: %s KiB, written in %s ms, fsync %s ms more\n' "$(($(stat -c %s "$out/differential.snap") / 1024))" \
		"$take_differential" "$(printf '%s\n' "${syncs[@]}" | median_of_lines)"
}

bench_take() {
	local take_name=bench-take-$$ take_guest orders written synced take_full take_copy take_differential
	echo "-- snapshots taken, 100 MiB in use"
	rm -f "$out/orders" && mkfifo "$out/orders"
	if take_full && take_differential; then
		result "snapshot of 100 MiB: time against cp" "$(awk -v a="$take_full" -v b="$take_copy" 'BEGIN { printf "%.3f", a / b }')" '<=' 2 times
		result "differential, 1 % changed: size" \
			"$(awk -v a="$(stat -c %s "$out/differential.snap")" -v b="$(stat -c %s "$out/full.snap")" 'BEGIN { printf "%.2f", 100 * a / b }')" '<=' 5 '%'
		result "differential: time, 10 % of a full one's or 20 ms" "$take_differential" '<=' \
			"$(awk -v a="$take_full" 'BEGIN { a /= 10; print (a > 20 ? a : 20) }')" ms
	else
		not_run "snapshots taken" "it failed, see $out/take.log"
		kill "$take_guest" 2>/dev/null || true
	fi
	echo
}

# A thousand of them take some GiB while they run; fewer where there is less.
bench_clones() {
	local room
	room=$(awk '$1 == "MemAvailable:" { print int($2 / 4096) }' /proc/meminfo)
	echo "== memory of idle clones"
	CLONES=${CLONES:-$((room < 1000 ? room : 1000))} "$bench/clones.sh" "$results" ||
		not_run "clones: memory" "see $out/clones.log"
	echo
}

bench_snapshots() {
	: >"$out/nothing.expected"
	bench_starts
	bench_ram_size
	bench_redis_start
	bench_python_start
	bench_take
	bench_clones
}
