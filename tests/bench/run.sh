#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make bench`: measures Mote against the KVM floor and against its peers, and checks the limits.
#
# usage: run.sh                    (after `make all build/bench/floor build/bench/pairs ...`)
#
# BUILD                 the build folder (build)
# BENCH_PARTS           which parts (all of them): those of $parts below. Of the others the table
#                       has the results of earlier runs
# BENCH_ROUNDS          rounds for the short commands (200)
# BENCH_COMPUTE_ROUNDS  rounds for the compute benchmarks (5)
# BENCH_STRICT=1        exit with 1 when a limit is missed or something was not run
#
# What is compared runs interleaved (pairs.c), and the ratio judged is the median over the rounds of
# the ratio within a round. A program that is missing, fails or prints something else than it should
# is reported as not run, with the reason. All tables stay in build/bench/; results/PART.tsv there has
# what check-limits and make-table read, table.md is the table of docs/performance.md.
set -euo pipefail

bench=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$bench/../.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
out=$build/bench
rounds=${BENCH_ROUNDS:-200}
compute_rounds=${BENCH_COMPUTE_ROUNDS:-5}

mote=$build/mote
hello=$build/images/hello
pairs=$out/pairs
results=
stats=$out/hello.stats
parts=(hello peers compute python micro memory devices net share disk snapshots restore serve stats)
readonly bench root build out rounds compute_rounds mote hello pairs parts

# crun refuses the layout with both cgroup versions mounted, even when it is told to leave cgroups
# alone. In a mount namespace of our own the second one is taken away; nothing outside changes.
if [ "${1:-}" = --own-mounts ]; then
	umount /sys/fs/cgroup/unified || true
elif [ -d /sys/fs/cgroup/unified ] && unshare --mount true 2>/dev/null; then
	exec unshare --mount "${BASH_SOURCE[0]}" --own-mounts
fi

result() { # WHAT VALUE OPERATOR LIMIT UNIT
	printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$results"
}

not_run() { # WHAT REASON
	printf '%s\tnot run\t%s\n' "$@" >>"$results"
}

# Runs pairs, shows its table and keeps it in $out/TABLE.txt; commands that could not run are in it.
compare() { # TABLE ARGUMENTS...
	local table=$1
	shift
	"$pairs" "$@" >"$out/$table.txt" || [ $? -eq 1 ]
	cat "$out/$table.txt"
	echo
}

# Enters the ratio of a command in a table of pairs into the results.
judge() { # WHAT TABLE COMMAND OPERATOR LIMIT
	local line reason
	line=$(awk -v name="$3" '$1 == name' "$out/$2.txt")
	case $line in
	*' not run: '*)
		reason=${line#* not run: }
		not_run "$1" "$3: $reason"
		;;
	*' - '*) not_run "$1" "the command it is compared with did not run" ;;
	'') not_run "$1" "no $3 here" ;;
	*) result "$1" "$(awk '{ print $6 }' <<<"$line")" "$4" "$5" times ;;
	esac
}

# The number under a key of the JSON that --stats=pages wrote; with OBJECT, of an object in it.
json_number() { # KEY [OBJECT]
	local text
	text=$(tr -d ' \t\n' <"$stats")
	if [ $# -eq 2 ]; then
		text=$(grep -o "\"$2\":{[^}]*}" <<<"$text" || true)
	fi
	grep -o "\"$1\":[0-9][0-9.]*" <<<"$text" | head -n 1 | cut -d : -f 2
}

judge_stat() { # WHAT LIMIT UNIT KEY [OBJECT]
	local value
	if value=$(json_number "${@:4}") && [ -n "$value" ]; then
		result "$1" "$value" '<=' "$2" "$3"
	else
		not_run "$1" "--stats=pages gave no ${5:+$5.}$4"
	fi
}

# shellcheck source-path=SCRIPTDIR
source "$bench/micro.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/memory.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/share.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/devices.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/net.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/disk.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/snapshot.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/serve.sh"
# shellcheck source-path=SCRIPTDIR
source "$bench/restore.sh"

# What the machine is; the figures mean something only beside it.
backend() {
	local name=
	if [ -s "$stats" ]; then
		name=$(grep -o '"backend": *"[^"]*"' "$stats" | head -n 1 | cut -d '"' -f 4)
	fi
	echo "${name:-unknown}"
}

machine() {
	echo "$(uname -sr), $(nproc) CPUs, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
}

describe() {
	echo "backend: $(backend)"
	echo "machine: $(machine), load $(cut -d ' ' -f 1 /proc/loadavg)"
	echo
}

# One part: its results begin with what the table says of all of them.
run_part() { # PART
	results=$out/results/$1.tsv
	printf '#\t%s\t%s\t%s\n' "$(date -u +%F)" "$(backend)" "$(machine)" >"$results"
	"bench_$1"
}

# Whole processes: the floor, Mote, and the same program as an ordinary process.
bench_hello() {
	printf 'floor\n' >"$out/floor.expected"
	echo "== hello, whole process ($rounds rounds)"
	compare hello -n "$rounds" -r floor \
		::: floor "$out/floor.expected" "$out/floor" \
		::: mote "$out/hello.expected" "$mote" run "$hello" \
		::: native "$out/hello.expected" "$hello"
	judge "hello: mote against the bare KVM floor" hello mote '<=' 1.3
}

# The same static program under other sandboxes; each ratio says how many times Mote's time it takes.
bench_peers() {
	"$bench/crun-bundle.sh" "$hello" "$out/crun-bundle"
	echo "== the same program under other sandboxes"
	compare peers -n "$(((rounds + 1) / 2))" -r mote \
		::: mote "$out/hello.expected" "$mote" run "$hello" \
		::: bwrap "$out/hello.expected" bwrap --unshare-all --ro-bind "$hello" /hello /hello \
		::: crun "$out/hello.expected" crun --cgroup-manager=disabled run \
		--bundle "$out/crun-bundle" "mote-bench-$$"
	judge "hello: bwrap --unshare-all against mote" peers bwrap '>' 1.0
	judge "hello: crun run against mote" peers crun '>=' 2.5
}

bench_stats() {
	judge_stat "hello: exits to user space" 5 exits total exits
	judge_stat "hello: pages of the kit touched" 40 pages kit_pages_touched
	judge_stat "hello: resident memory of the VMM" 2048 KiB vmm_rss_kib
	if [ -f "$build/kit.elf" ]; then
		result "kit.elf: size" "$(stat -c %s "$build/kit.elf")" '<=' 614400 bytes
	else
		not_run "kit.elf: size" "$build/kit.elf is missing"
	fi
}

# One compute program inside against outside: how many times the time it may take, the arguments for
# `mote run`, then the command of its native run.
bench_inside() { # TABLE ROUNDS LIMIT MOTE_ARG... --native COMMAND...
	local table=$1 n=$2 limit=$3
	local inside=() what="compute: $1, inside against outside"
	shift 3
	while [ "$1" != --native ]; do
		inside+=("$1")
		shift
	done
	shift
	if ! "$@" >"$out/$table.expected" 2>/dev/null; then
		not_run "$what" "the native program failed"
		return
	fi
	echo "-- $table"
	compare "$table" -n "$n" -w 1 -t 300 -r native \
		::: native "$out/$table.expected" "$@" \
		::: mote "$out/$table.expected" "$mote" run "${inside[@]}"
	judge "$what" "$table" mote '<=' "$limit"
}

bench_compute() {
	local script name
	echo "== compute ($compute_rounds rounds)"
	bench_inside mixed "$compute_rounds" 1.03 "$out/compute" --native "$out/compute"
	if [ ! -x "$build/images/lua" ]; then
		not_run "compute: Lua" "build/images/lua is missing (make images)"
		return
	fi
	for script in "$root"/images/lua/bench/*.lua; do
		name=$(basename "$script" .lua)
		bench_inside "lua-$name" "$compute_rounds" 1.03 --root "$root/images/lua/bench" \
			"$build/images/lua" -- "/$name.lua" \
			--native "$build/images/lua" "$script"
	done
}

# CPython that starts and ends, with its library in a root image. The pages are those of guest memory.
bench_python() {
	local image=$build/images/python.erofs
	local -a inside=("$mote" run --root "$image" /usr/bin/python3 -- -c pass)
	if [ ! -f "$image" ]; then
		not_run "python3 -c pass: mote against native" "$image is missing (make images, with Python)"
		return
	fi
	: >"$out/nothing.expected"
	echo "== python3 -c pass, whole process ($(((rounds + 3) / 4)) rounds)"
	compare python -n "$(((rounds + 3) / 4))" -w 1 -r native \
		::: native "$out/nothing.expected" /usr/bin/python3 -c pass \
		::: mote "$out/nothing.expected" "${inside[@]}"
	judge "python3 -c pass: mote against native" python mote '<=' 3
	"${inside[@]:0:2}" --stats "${inside[@]:2}" 2>&1 | grep -E ' (exits|system calls|pages)' || true
	echo
}

main() {
	local tool part all=()
	for tool in "$pairs" "$out/floor" "$out/compute" "$out/micro" "$out/memory" \
		"$out/tree-walk" "$out/disk" "$out/stream" "$out/start" "$hello"; do
		if [ ! -x "$tool" ]; then
			echo "bench: $tool is missing; run \`make bench\`" >&2
			exit 1
		fi
	done
	mkdir -p "$out/results"
	"$hello" >"$out/hello.expected"
	"$mote" run --stats=pages "$hello" >/dev/null 2>"$stats" || rm -f "$stats"
	[ -f "$stats" ] || : >"$stats"

	describe
	for part in ${BENCH_PARTS:-"${parts[@]}"}; do
		if ! declare -F "bench_$part" >/dev/null; then
			echo "bench: no part $part; there are ${parts[*]}" >&2
			exit 2
		fi
		run_part "$part"
	done
	for part in "${parts[@]}"; do
		[ ! -f "$out/results/$part.tsv" ] || all+=("$out/results/$part.tsv")
	done
	"$bench/make-table" "$out" "${all[@]}" >"$out/table.md"
	echo "== limits"
	grep -hv '^#' "${all[@]}" >"$out/results.tsv"
	"$bench/check-limits" "$out/results.tsv"
}

main
