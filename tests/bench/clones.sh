#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What many idle clones of one snapshot cost in memory, beside as many bare KVM VMs with the same RAM.
#
# usage: clones.sh RESULTS         (appends to RESULTS, as check-limits reads them)
#
# BUILD   the build folder (build), with bench/floor and bench/start
# CLONES  how many (1000), a MiB of memory each
#
# A clone is a `mote restore` whose guest sleeps; what it has for itself is what the kernel says of the
# process (smaps_rollup, VmPTE). What it costs the machine is by how much MemAvailable falls, which
# sees everything else that happens, too: run it on a machine that is quiet.
set -euo pipefail

if [ $# -ne 1 ]; then
	echo "usage: ${0##*/} RESULTS" >&2
	exit 2
fi
results=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
mote=$build/mote out=$build/bench clones=${CLONES:-1000}
pids=()

cleanup() {
	[ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
	wait || true
	pids=()
}
trap cleanup EXIT

# KiB of lines of /proc/meminfo, in this order.
fields=(MemAvailable Slab VmallocUsed PageTables SecPageTables KernelStack AnonPages)
meminfo() {
	local field
	for field in "${fields[@]}"; do
		awk -v name="$field:" '$1 == name { kib = $2 } END { print kib + 0 }' /proc/meminfo
	done
}

# Starts all of a kind, waits until each has written its line, and leaves in $costs what one costs
# of each field, and in $private and $tables what one has for itself; all in KiB.
measure() { # COMMAND...
	local -a before after
	local i
	: >"$out/clones.log"
	mapfile -t before < <(meminfo)
	for ((i = 0; i < clones; i++)); do
		"$@" </dev/null >>"$out/clones.log" 2>&1 &
		pids+=($!)
	done
	for ((i = 0; i < 1200; i++)); do
		[ "$(wc -l <"$out/clones.log")" -lt "$clones" ] || break
		sleep 0.1
	done
	[ "$(wc -l <"$out/clones.log")" -eq "$clones" ] || {
		echo "clones: not all of them run: $(sort "$out/clones.log" | uniq -c | sort -n | head -n 3)" >&2
		return 1
	}
	sleep 3
	mapfile -t after < <(meminfo)
	costs=()
	for ((i = 0; i < ${#fields[@]}; i++)); do
		costs+=("$(((after[i] - before[i]) / clones))")
	done
	costs[0]=$((-costs[0]))
	private=$(printf '/proc/%s/smaps_rollup\n' "${pids[@]}" | xargs cat | awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print sum }')
	tables=$(printf '/proc/%s/status\n' "${pids[@]}" | xargs cat | awk '$1 == "VmPTE:" { sum += $2 } END { print sum }')
	private=$((private / clones)) tables=$((tables / clones))
	cleanup
	sleep 3 # the kernel takes VMs down behind the processes
}

show() { # NAME
	printf '%-14s %8s %8s %10s %8s %8s %8s %8s %8s %8s\n' "$1" "$private" "$tables" "${costs[@]}"
}

rm -f "$out/idle.snap"
"$mote" run --mem 64M --snapshot "$out/idle.snap" "$out/start" -- idle
timeout 1.5 "$mote" restore "$out/idle.snap" >/dev/null || true # records its working set

echo "-- $clones of each, KiB for each one"
printf '%-14s %8s %8s %10s %8s %8s %8s %8s %8s %8s\n' '' private VmPTE available slab vmalloc tables kvm-tab stacks anon
measure "$out/floor" idle
show floor
floor_available=${costs[0]}
measure "$mote" restore "$out/idle.snap"
show clone
printf 'clones: private memory and page tables of each\t%s\t<=\t256\tKiB\n' $((private + tables)) >>"$results"
printf 'clones: what each takes of the machine\t%s\t<=\t%s\tKiB\n' "${costs[0]}" $((floor_available * 13 / 10 + 256)) >>"$results"
