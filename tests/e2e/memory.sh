# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Mappings as Linux has them, and the memory behind them.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_truncate() {
	same_as_native mappings truncate
}

test_hole() {
	same_as_native mappings hole
}

test_tables_are_freed() {
	run --mem 8M "$guests/mappings" -- apart
	mv out mote.out
	try "$guests/mappings" apart
	cmp -s mote.out out || fail "expected what there is natively, not: $(<mote.out)"
}

# Resident memory of a process in KiB; nothing when it has ended.
resident() { # PID
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$1/status" 2>/dev/null
}

# What a guest has used and given back is not the host's burden a second later.
memory_follows_use() { # HOW AFTERWARDS
	local before now start pid
	need_kvm
	mkfifo go
	timeout 45 "$mote" run --mem 2G "$guests/release" -- "$1" "$2" 1024 <go >out 2>err &
	exec 3>go
	wait_for ready out
	pid=$(pgrep -P $!)
	before=$(resident "$pid")
	echo >&3
	wait_for released out
	start=$EPOCHREALTIME
	now=$(resident "$pid")
	while [ "${now:-0}" -gt $((before * 12 / 10 + 1024)) ] && [ "$(since "$start")" -lt 1100 ]; do
		sleep 0.05
		now=$(resident "$pid")
	done
	exec 3>&-
	kill "$!"
	wait || true
	[ -n "$now" ] || fail "it ended too early"
	[ "$now" -le $((before * 12 / 10 + 1024)) ] ||
		fail "$1, $2: $before KiB before, $now KiB a second after the memory was given back"
}

test_follows_use_munmap() {
	memory_follows_use munmap sleep
}

test_follows_use_pieces() {
	memory_follows_use pieces compute
}

test_follows_use_dontneed() {
	memory_follows_use dontneed compute
}

test_follows_use_malloc() {
	memory_follows_use malloc sleep
}

test_follows_use_malloc_and_compute() {
	memory_follows_use malloc compute
}

test_follows_use_file() {
	memory_follows_use file sleep
}
