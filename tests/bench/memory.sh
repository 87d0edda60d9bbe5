# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What programs do with memory (memory.c), inside a microVM and outside; sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote, $build and the like are run.sh's

# Nanoseconds for each page inside: the fastest of some runs. Prints them, or fails.
memory_inside() { # OPERATION
	local round
	for ((round = 0; round < micro_rounds; round++)); do
		"$mote" run --root "$out/memory-root" "$out/memory" -- "$1" /data || return 1
	done | sort -n | head -n 1
}

# Reading a file of the root image: into memory that is there already, so that nothing else counts.
bench_file() {
	local copy first again map
	mkdir -p "$out/memory-root"
	[ -s "$out/memory-root/data" ] || head -c 10485760 /dev/urandom >"$out/memory-root/data"
	if ! copy=$(memory_inside memcpy) || ! first=$(memory_inside read_first) ||
		! again=$(memory_inside read_again) || ! map=$(memory_inside map_first); then
		not_run "reading a file of the root" "mote failed"
		return
	fi
	printf 'for each page: read first %s ns, again %s ns, mapped first %s ns; memcpy %s ns\n' \
		"$first" "$again" "$map" "$copy"
	result "file of the root: read first, each page" "$first" '<=' 8000 ns
	result "file of the root: mapped first, each page" "$map" '<=' 8000 ns
	result "file of the root: read again, speed of memcpy" \
		"$(awk -v a="$copy" -v b="$again" 'BEGIN { printf "%.3f", a / b }')" '>=' 0.8 times
}

bench_memory() {
	# shellcheck disable=SC2034 # micro_measure runs it
	local micro_program=memory
	echo "== memory (fastest of $micro_rounds runs of each, in turn)"
	micro_ratio "memory: malloc and free" malloc 1.05
	micro_ratio "memory: large buffers taken and given back" buffers 1.05
	micro_ratio "memory: memcpy" memcpy 1.05
	micro_ratio "memory: qsort" qsort 1.05
	bench_file
	if [ -x "$build/images/sqlite3" ]; then
		bench_inside sqlite-memory "$compute_rounds" 1.05 --root "$bench" "$build/images/sqlite3" -- \
			-batch -bail :memory: '.read /memory.sql' \
			--native "$build/images/sqlite3" -batch -bail :memory: ".read $bench/memory.sql"
	else
		not_run "memory: SQLite in memory" "build/images/sqlite3 is missing (make images)"
	fi
	echo
}
