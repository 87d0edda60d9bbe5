#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a part of the end-to-end tests on a stock KVM, with nested and with shadow paging, in a lab.
#
# usage: stock-kvm.sh [--npt 0|1] [TEST]...     (both, and all tests, when none is named)
#
# BUILD        the build folder (build); needs `make all guests`, and `make images` for Lua and SQLite
# STOCK_KVM    the lab: a program used as `$STOCK_KVM --npt 0|1 --timeout S FILE... -- COMMAND`. It boots a
#              machine with the kvm_amd of an ordinary kernel, copies the FILEs into the current folder of
#              that machine and runs COMMAND there as root; output and exit status come out. The machine
#              needs nothing but busybox.
#
# The tests themselves are in stock-kvm-guest.sh, which runs in the lab. What guests should print is
# recorded here, natively. The last line is the total, alone: "N passed, N failed, N skipped"; the exit
# status is 1 when anything failed. Without STOCK_KVM that is one skipped, and status 0.
set -euo pipefail

tests=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$tests/.." && pwd)
BUILD=$(cd "${BUILD:-$root/build}" && pwd)
busybox=/bin/busybox
time_limit=600
passed=0 failed=0 skipped=0
readonly tests root BUILD busybox time_limit

if [ -z "${STOCK_KVM-}" ]; then
	printf 'skipped: set STOCK_KVM to a program that runs commands on a stock KVM (see %s)\n' "${0##*/}"
	printf '0 passed, 0 failed, 1 skipped\n'
	exit 0
fi
npts=(1 0)
if [ "${1-}" = --npt ]; then
	npts=("$2")
	shift 2
fi
for file in "$BUILD/mote" "$BUILD/images/hello" "$BUILD/guests/remap"; do
	if [ ! -x "$file" ]; then
		printf '%s: %s is missing: run make all guests first\n' "${0##*/}" "$file" >&2
		exit 2
	fi
done

lab=$(mktemp -d)
trap 'rm -rf "$lab"' EXIT
mkdir "$lab/guests" "$lab/native" "$lab/images"
cp "$BUILD/mote" "$tests/stock-kvm-guest.sh" "$lab/"
cp "$BUILD"/guests/* "$lab/guests/"

# What a guest prints on Linux, and its exit status.
record() { # NAME GUEST ARGUMENT...
	local status=0
	# In a shell of its own, whose word of a guest that a signal ends is not shown.
	(timeout 20 "$lab/guests/$2" "${@:3}" >"$lab/native/$1.out" || exit $?) 2>/dev/null || status=$?
	printf '%d\n' "$status" >"$lab/native/$1.status"
}

for name in sigsegv sigstack sigmask sigfp calls; do
	record "$name" "$name"
done
for flag in df nt ac tf segments gs; do
	record "flags_$flag" flags "$flag"
done
for what in results middle step interrupt fault remap many file clones cancel threads; do
	record "rewritten_$what" rewritten "$what"
done
for seed in 1 2 3; do
	record "remap_$seed" remap 4000 "$seed"
done
for topic in truncate hole apart; do
	record "mappings_$topic" mappings "$topic"
done

for what in churn tiny; do
	record "inet_$what" inet "$what"
done

for what in many sleepers registers timer kill exit_all first_leaves cancel close_under_reader; do
	record "threads_$what" threads "$what"
done

# The conformance programs, and what they print here.
if [ -d "$BUILD/conformance" ] && [ "$(id -u)" -eq 0 ]; then
	mkdir "$lab/conformance-run"
	cp "$tests/conformance/run.sh" "$tests/conformance/known.txt" "$lab/conformance-run/"
	cp -r "$BUILD/conformance" "$lab/"
	env BUILD="$BUILD" "$tests/conformance/run.sh" --record "$lab/native/conformance"
fi

# Programs that nobody wrote for Mote, as far as they are here.
for name in hello lua sqlite3; do
	[ ! -x "$BUILD/images/$name" ] || cp "$BUILD/images/$name" "$lab/images/"
done
if [ -x "$busybox" ] && ! head -c 1024 "$busybox" | grep -qa '/ld-'; then
	cp "$busybox" "$lab/images/busybox"
fi
if [ -x "$lab/images/sqlite3" ]; then
	cp "$root/images/sqlite/test.sql" "$lab/"
	"$lab/images/sqlite3" -batch -bail "$lab/native.db" <"$root/images/sqlite/test.sql" \
		>"$lab/native/sqlite.out"
	rm -f "$lab/native.db"
fi
lua_scripts=('fannkuch 7' 'nbody 5000' 'sort 5000' 'strings 4')
if [ -x "$lab/images/lua" ]; then
	for line in "${lua_scripts[@]}"; do
		read -r name size <<<"$line"
		"$lab/images/lua" "$root/images/lua/bench/$name.lua" "$size" >"$lab/native/lua_$name.out"
		printf '%s\n' "$size" >"$lab/native/lua_$name.size"
	done
fi

# Snapshots that were taken here, on another KVM and another processor.
if [ -w /dev/kvm ]; then
	mkdir "$lab/moved"
	"$BUILD/mote" run --cpu=baseline --snapshot "$lab/moved/baseline.snap" --snapshot-at=main "$BUILD/images/hello"
	"$BUILD/mote" run --snapshot "$lab/moved/host.snap" --snapshot-at=main "$BUILD/images/hello"
fi

# A root image: some files, a directory of many, a link, and the Lua scripts.
if command -v mkfs.erofs >/dev/null; then
	mkdir -p "$lab/tree/many" "$lab/tree/etc"
	cp "$root/images/lua/bench/"*.lua "$lab/tree/"
	printf 'the content of a file\n' >"$lab/tree/etc/file"
	ln -s etc/file "$lab/tree/link"
	for ((i = 0; i < 300; i++)); do
		printf '%d\n' "$i" >"$lab/tree/many/$i"
	done
	seq 1 200000 >"$lab/tree/numbers"
	sha256sum <"$lab/tree/numbers" | cut -d' ' -f1 >"$lab/native/numbers.sha256"
	mkfs.erofs "$lab/root.erofs" "$lab/tree" >/dev/null 2>&1
	rm -rf "$lab/tree"
fi

# Adds up the total that a run ends with; a run without one has failed.
run_lab() { # NPT TEST...
	local log=$lab.log status=0 numbers
	printf '== kvm_amd, npt=%d\n' "$1"
	"$STOCK_KVM" --npt "$1" --timeout "$time_limit" "$lab"/* -- sh ./stock-kvm-guest.sh "${@:2}" \
		2>&1 | tee "$log" | sed -u '/^[0-9]* passed, [0-9]* failed, [0-9]* skipped$/d' || status=$?
	numbers=$(grep -ax '[0-9]* passed, [0-9]* failed, [0-9]* skipped' "$log" | tail -n 1 || true)
	rm -f "$log"
	if [ -z "$numbers" ]; then
		printf 'the lab ended with status %d and without a total\n' "$status"
		failed=$((failed + 1))
		return
	fi
	read -r p f s < <(tr -cs '0-9\n' ' ' <<<"$numbers")
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
}

for npt in "${npts[@]}"; do
	run_lab "$npt" "$@"
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
