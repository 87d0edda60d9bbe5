#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests that stock-kvm.sh runs in its lab: POSIX shell and busybox are all there is.
#
# usage: stock-kvm-guest.sh [TEST]...     (all when none is named)
#
# A test is a function test_NAME, run in a subshell in an empty folder, as in e2e/ (lib.sh). It prints ok,
# FAILED with its log, or skipped; the last line is "N passed, N failed, N skipped". Times are generous:
# the lab's processor is software.
# shellcheck disable=SC2317 # tests are called by name

top=$(cd "$(dirname "$0")" && pwd)
script=$top/$(basename "$0")
mote=$top/mote
guests=$top/guests
images=$top/images
native=$top/native
status=0

fail() { # TEXT...
	printf '%s\nexit status: %s\n' "$*" "$status"
	for file in out err; do
		[ ! -s "$file" ] || { printf -- '--- %s:\n' "$file" && head -c 3000 "$file"; }
	done
	exit 1
}

skip() { # REASON
	printf '%s\n' "$*"
	exit 77
}

need_file() { # FILE
	[ -e "$1" ] || skip "there is no ${1##*/}"
}

# ---- running and looking ----

run() { # MOTE-RUN-ARGUMENT...
	status=0
	timeout 120 "$mote" run "$@" >out 2>err || status=$?
}

guest() { # NAME ARGUMENT...
	name=$1
	shift
	[ -x "$guests/$name" ] || fail "$name is not built"
	run "$guests/$name" -- "$@"
}

# A guest that does its worst: mote ends in its own way and leaves nothing here.
hostile() { # MOTE-RUN-ARGUMENT...
	run "$@"
	[ "$status" -ne 125 ] || grep -q '^mote: guest kit: ' err || fail "mote failed"
	case $status in
	132 | 133 | 134 | 135 | 136 | 139 | 159) # of the signals that a broken mote dies of
		grep -q '^mote: the guest' err || fail "did mote itself crash?"
		;;
	esac
	[ "$(find . -type f | sort | tr '\n' ' ')" = './err ./out ' ] || fail "left a file"
}

hostile_guest() { # NAME ARGUMENT...
	name=$1
	shift
	hostile --timeout 30 "$guests/$name" -- "$@"
}

expect_status() { # STATUS
	[ "$status" -eq "$1" ] || fail "expected exit status $1"
}

expect_out() { # TEXT (without its last newline)
	printf '%s\n' "$1" | cmp -s - out || fail "expected this output: $1"
}

expect_no_err() {
	[ ! -s err ] || fail "expected nothing on stderr"
}

expect_in() { # FILE REGEX
	grep -qE -- "$2" "$1" || fail "expected a line like \"$2\" in $1"
}

# The guest died of a signal, and mote says how.
dies_of() { # SIGNAL-NUMBER NAME ARGUMENT...
	number=$1
	shift
	hostile_guest "$@"
	expect_status $((128 + number))
	expect_in err "^mote: the guest .*\\($number\\)"
}

# As on Linux, recorded outside: output and exit status.
same_as_native() { # RECORD GUEST ARGUMENT...
	recorded=$1
	shift
	guest "$@"
	expect_status "$(cat "$native/$recorded.status")"
	cmp -s "$native/$recorded.out" out ||
		fail "natively the output is: $(head -c 2000 "$native/$recorded.out")"
}

# A counter of the line of --stats=json on stderr.
stat_of() { # NAME
	sed -n "s/.*\"$1\":{*\\(\"total\":\\)*\\([0-9.]*\\).*/\\2/p" err
}

# ---- programs ----

test_doctor() {
	timeout 60 "$mote" doctor >out 2>err || status=$?
	expect_status 0
	expect_in out 'kvm-amd'
}

test_hello() {
	run "$images/hello"
	expect_status 0
	expect_no_err
	expect_out 'Hello from a microVM!'
	run --stats=json "$images/hello"
	expect_in err '"backend":"kvm-amd"'
	[ "$(stat_of exits)" -le 5 ] || fail "more than 5 exits"
}

test_hello_again_and_again() {
	i=0
	while [ $i -lt 30 ]; do
		run "$images/hello"
		expect_status 0
		expect_out 'Hello from a microVM!'
		i=$((i + 1))
	done
}

test_exit_status() {
	for wanted in 0 1 42 124 125 139 255; do
		guest status "$wanted"
		expect_status "$wanted"
		expect_no_err
	done
}

test_arguments() {
	FROM_HOST=host run --env A=1 --env FROM_HOST --cwd /tmp "$guests/args" -- one 'two words'
	expect_status 0
	for line in 'argument [one]' 'argument [two words]' 'variable [A=1]' 'variable [FROM_HOST=host]' \
		'directory [/tmp]'; do
		grep -qxF "$line" out || fail "no line $line"
	done
}

test_pipes() {
	status=0
	head -c 3000000 /dev/urandom >data
	# shellcheck disable=SC2094 # data is read twice, err is written
	"$mote" run "$guests/cat" <data 2>err | cmp - data || fail "cat gives something else"
}

test_busybox_shell() {
	need_file "$images/busybox"
	# shellcheck disable=SC2016 # the guest's shell expands it
	run "$images/busybox" -- sh -c 'echo $((6*7)); while read l; do echo "[$l]"; done < /etc/os-release'
	expect_status 0
	expect_no_err
	[ "$(head -n 1 out)" = 42 ] || fail "6*7 is not 42"
	expect_in out '^\[NAME=.*\]$'
	# shellcheck disable=SC2016
	run "$images/busybox" -- sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo $i; exit 9'
	expect_status 9
	expect_out 20000
}

test_busybox_root() {
	need_file "$images/busybox"
	need_file "$top/root.erofs"
	run --root "$top/root.erofs" "$images/busybox" -- ls -lR /
	expect_status 0
	expect_no_err
	expect_in out ' link -> etc/file$'
	[ "$(sed -n '\|^/many:$|,/^$/p' out | grep -c '^-')" -eq 300 ] || fail "not 300 files in /many"
	run --root "$top/root.erofs" --cwd /etc "$images/busybox" -- cat ../link
	expect_out 'the content of a file'
	run --root "$top/root.erofs" "$images/busybox" -- sha256sum /numbers
	expect_out "$(cat "$native/numbers.sha256")  /numbers"
	run --root "$top/root.erofs" "$images/busybox" -- sort -rn -o /tmp/sorted /numbers
	expect_status 0
}

test_console_device() {
	status=0
	head -c 3000000 /dev/urandom >data
	# shellcheck disable=SC2094 # data is read twice, err is written
	"$mote" run --console=virtio "$guests/cat" <data 2>err | cmp - data || fail "cat gives something else"
}

test_lua() {
	need_file "$images/lua"
	need_file "$top/root.erofs"
	for name in fannkuch nbody sort strings; do
		run --root "$top/root.erofs" "$images/lua" -- "/$name.lua" "$(cat "$native/lua_$name.size")"
		expect_status 0
		expect_no_err
		cmp -s "$native/lua_$name.out" out || fail "natively: $(cat "$native/lua_$name.out")"
	done
}

test_sqlite() {
	need_file "$images/sqlite3"
	run "$images/sqlite3" -- -batch -bail /tmp/test.db <"$top/test.sql"
	expect_status 0
	expect_no_err
	cmp -s "$native/sqlite.out" out || fail "natively: $(cat "$native/sqlite.out")"
	[ "$(tail -n 1 out)" = ok ] || fail "integrity_check does not say ok"
}

# ---- snapshots ----

# Many starts in one VM, each of which finds everything as it was; the oracle agrees.
resets() { # ROUNDS GUEST ARGUMENT...
	rounds=$1
	run --snapshot snap "$guests/$2" -- "$3"
	expect_status 0
	status=0
	timeout 300 "$mote" restore -n "$rounds" --verify-reset=4 snap >out 2>err || status=$?
	! grep -E 'FAILED|the reset is not right|cannot reset' out err || fail "a start was not pristine"
}

test_reset_work() {
	resets 60 reset_work ''
	expect_status 0
}

test_reset_hostile_work() {
	resets 60 reset_work hostile
	grep -q '^mote: the guest' err || fail "nobody died"
}

test_reset_registers() {
	resets 20 reset_registers ''
	expect_status 0
}

test_reset_translations() {
	resets 20 reset_memory walk
	expect_status 0
}

test_reset_canary() {
	resets 6 reset_memory canary
	expect_status 0
}

# One that uses no more than every processor has starts here; one of another processor is refused.
test_moved() {
	[ -d "$top/moved" ] || skip "there was no KVM where the lab was filled"
	status=0
	"$mote" restore "$top/moved/baseline.snap" >out 2>err || status=$?
	[ "$status" -eq 0 ] || fail "status $status: $(cat err)"
	grep -q 'Hello from a microVM!' out || fail "no answer"
	status=0
	"$mote" restore "$top/moved/host.snap" >out 2>err || status=$?
	[ "$status" -eq 0 ] || grep -q '^mote: cannot start from .*CPU' err || fail "status $status: $(cat err)"
}

# ---- the processor ----

test_cpu_baseline() {
	run --cpu=baseline "$guests/cpu"
	expect_status 0
	expect_in out '^xcr0 3$'
	expect_in out '^avx 0$'
	expect_in out '^sse4.2 1$'
	run --cpu=baseline "$guests/sigfp"
	expect_status 0
}

test_cpu_host() {
	run --cpu=host "$guests/cpu"
	expect_status 0
	! grep -qw avx /proc/cpuinfo || expect_in out '^avx 1$'
}

# ---- signals and traps ----

test_signals() {
	for name in sigsegv sigstack sigmask sigfp; do
		same_as_native "$name" "$name"
	done
}

# The lab's software processor knows no #SS: compared with the lab's own Linux.
test_every_trap() {
	"$guests/sigtraps" >native.out || fail "fails natively"
	guest sigtraps
	expect_status 0
	cmp -s native.out out || fail "natively the output is: $(cat native.out)"
}

test_flags() {
	for flag in df nt ac tf segments gs; do
		same_as_native "flags_$flag" flags "$flag"
	done
}

crash() { # HOW SIGNAL-NUMBER SIGNAL-NAME
	guest crash "$1"
	expect_status $((128 + $2))
	expect_out before
	expect_in err "^mote: the guest died of $3 \\($2\\)"
	expect_in err '^ +rip [0-9a-f]{16} '
	expect_in err '^ +rax +[0-9a-f]{16} '
	expect_in err '^ +#0 .* in innermost\+0x[0-9a-f]+ at .*crash.c:[0-9]+'
	expect_in err '^ +#[1-9] .* in main\+0x'
}

test_crashes() {
	crash read 11 SIGSEGV
	expect_in err 'page fault: read from 0x10, which is not mapped'
	crash write 11 SIGSEGV
	expect_in err 'page fault: wrote to 0x10, which is not mapped'
	crash divide 8 SIGFPE
	expect_in err 'divide error'
	crash ud2 4 SIGILL
	expect_in err 'invalid opcode'
	crash int3 5 SIGTRAP
	crash noncanonical 11 SIGSEGV
	expect_in err 'general protection'
	guest crash call
	expect_status 139
	expect_in err '^mote: the guest died of SIGSEGV'
	guest crash abort
	expect_status 134
	expect_in err '^mote: the guest died of SIGABRT \(6\)'
}

test_raise() {
	for number in 1 2 3 6 9 11 13 15 31; do
		guest crash "$number"
		expect_status $((128 + number))
		expect_out before
	done
}

# ---- time ----

is_between() { # LOW NUMBER HIGH
	[ "$2" -ge "$1" ] || fail "$2 is less than $1"
	[ "$2" -le "$3" ] || fail "$2 is more than $3"
}

test_timeout() {
	run --timeout 1 "$guests/spin"
	expect_status 124
	expect_out started
	expect_in err '^mote: the guest ran for 1 s'
	expect_in err '^ +#0 .* in spin_here\+0x[0-9a-f]+ at .*spin\.c:[0-9]+'
	expect_in err '^ +#1 .* in spin_outside\+0x'
	for how in sleep call; do
		run --timeout 1 "$guests/spin" "$how"
		expect_status 124
		expect_in err '^mote: the guest ran for 1 s'
	done
}

# The guest's TSC has an offset here. Its last line is the wall clock.
test_clocks() {
	before=$(date +%s)
	guest clocks
	expect_status 0
	is_between "$before" "$(tail -n 1 out)" "$(date +%s)"
	for line in 'monotonic: goes on' 'wall clock: goes on' 'sleep of 1 ms: ok' 'sleep of 50 ms: ok' \
		'sleep of 300 ms: ok'; do
		grep -qxF "$line" out || fail "no line $line"
	done
	[ "$(wc -l <out)" -eq 6 ] || fail "a clock stepped back"
}

test_clocks_baseline() {
	before=$(date +%s)
	run --cpu=baseline "$guests/clocks"
	expect_status 0
	is_between "$before" "$(tail -n 1 out)" "$(date +%s)"
	[ "$(wc -l <out)" -eq 6 ] || fail "a clock stepped back"
}

test_sleep() {
	need_file "$images/busybox"
	before=$(date +%s)
	run "$images/busybox" -- sleep 2
	expect_status 0
	is_between 2 $(($(date +%s) - before)) 10
}

# ---- memory ----

test_small_memory() {
	run --mem 4M "$images/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
	run --mem 80M "$guests/bss"
	expect_status 0
}

test_memory_growth() {
	run --mem 128M "$guests/allocate" use 64
	expect_status 0
	expect_out 'done'
	run --mem 512M "$guests/allocate" use 300
	expect_status 0
}

test_memory_is_given_back() {
	run --mem 32M "$guests/allocate" churn 128
	expect_status 0
	expect_out 'done'
}

test_out_of_memory() {
	run --mem 32M "$guests/allocate" use 256
	expect_status 137
	expect_in err '^mote: .*out of memory'
}

test_remap() {
	for seed in 1 2 3; do
		same_as_native "remap_$seed" remap 4000 "$seed"
	done
}

test_mappings() {
	for topic in truncate hole apart; do
		same_as_native "mappings_$topic" mappings "$topic"
	done
}

test_rewritten_calls() {
	same_as_native calls calls
	for what in results middle step interrupt fault remap many file clones cancel threads; do
		same_as_native "rewritten_$what" rewritten "$what"
	done
	guest rewritten text
	[ "$(grep -c ' e9$' out)" -eq 9 ] || fail "not all are rewritten"
}

test_threads() {
	for what in many sleepers timer kill exit_all first_leaves cancel close_under_reader; do
		same_as_native "threads_$what" threads "$what"
	done
}

test_thread_registers() {
	same_as_native threads_registers threads registers
}

# ---- system calls, compared with what Linux gave outside ----

test_conformance() {
	need_file "$top/conformance"
	BUILD=$top CONFORMANCE_LIMIT=100 sh "$top/conformance-run/run.sh" --recorded "$native/conformance" >out 2>err ||
		fail "$(head -c 3000 out)"
	tail -n 2 out | head -n 1
}

# ---- programs that do their worst ----

# Waits until a file has a line.
wait_for() { # FILE
	tries=0
	until grep -q . "$1" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 600 ] || fail "nothing in $1"
		sleep 0.1
	done
}

# Commands to running guests, and a snapshot of each, from which another one goes on.
test_control() {
	XDG_RUNTIME_DIR=$PWD/run
	export XDG_RUNTIME_DIR
	mkdir "$XDG_RUNTIME_DIR"
	for how in sleep compute; do
		"$mote" run --name $how "$guests/counter" $how 2 >$how.out 2>err &
		wait_for $how.out
		"$mote" ps >out
		expect_in out "^$how +[0-9]+ running "
		"$mote" pause $how || fail "not paused"
		before=$(wc -l <$how.out)
		sleep 1
		[ "$(wc -l <$how.out)" -eq "$before" ] || fail "a paused guest goes on"
		"$mote" resume $how || fail "not resumed"
		"$mote" snapshot $how -o $how.snap || fail "no snapshot"
		"$mote" stop $how || fail "not stopped"
		timeout 10 "$mote" restore $how.snap >again.out 2>>err
		first=$(head -n 1 again.out)
		[ "${first:-0}" -ge "$before" ] || fail "began with $first"
		[ "$(sed -n 2p again.out)" -eq $((first + 1)) ] || fail "does not count on"
		! grep -q damaged again.out || fail "memory was lost"
	done
}

# What the guest checks behind a snapshot is so in two starts from it.
snapshot_of() { # GUEST ARGUMENT...
	name=$1
	shift
	[ -x "$guests/$name" ] || fail "$name is not built"
	rm -f s.snap
	run --snapshot s.snap ${at:+"$at"} "$guests/$name" -- "$@"
	[ "$status" -eq 0 ] || fail "no snapshot"
	for start in 1 2; do
		status=0
		timeout 120 "$mote" restore s.snap >out 2>err || status=$?
		[ "$status" -eq 0 ] || fail "start $start"
		! grep -q 'NO$' out || fail "start $start: not all is so"
		cp out "start.$start"
	done
}

test_snapshot_points() {
	at=
	for what in registers masks threads memory pieces clocks; do
		snapshot_of snapshot_points "$what"
		grep -q ': yes$' out || fail "$what says nothing"
	done
	at=--snapshot-at=listen
	for how in accept epoll; do
		snapshot_of snapshot_points listen "$how" inet
		grep -qx 'callbacks 1' out || fail "no callback"
	done
}

test_snapshot_unique() {
	at=
	snapshot_of snapshot_unique before
	[ -z "$(sed 's/^[a-z]* //' start.1 start.2 | grep -v ^same- | sort | uniq -d)" ] || fail "drawn twice"
	status=0
	timeout 120 "$mote" restore --count 5 s.snap >out 2>err || status=$?
	[ "$status" -eq 0 ] || fail "five starts"
	[ -z "$(sed 's/^[a-z]* //' out | grep -v ^same- | sort | uniq -d)" ] || fail "drawn twice by resets"
	run --snapshot s.snap "$guests/hostile_generation" -- write
	timeout 120 "$mote" restore s.snap >out 2>err && fail "it was not ended"
	grep -q 'without taking its new generation' err || fail "it was not named"
}

# Another disk, another directory and another name, twice in one microVM.
test_snapshot_devices() {
	guest=$guests/snapshot_devices
	[ -x "$guest" ] || fail "snapshot_devices is not built"
	for disk in first second; do
		printf '%-16s' $disk >$disk.img
		truncate -s 1M $disk.img
		mkdir -p $disk/many
		touch $disk/many/1 $disk/many/2 $disk/many/3 $disk/many/4 $disk/many/5 $disk/gone
		echo "data of $disk" >$disk/data
	done
	run --snapshot s.snap --disk first.img,id=data "$guest" -- disk /dev/vda
	[ "$status" -eq 0 ] || fail "no snapshot"
	timeout 120 "$mote" restore --count 2 --verify-reset=1 --disk second.img,id=data s.snap >out 2>err || fail "disk"
	[ "$(grep -c '^1048576 bytes: second' out)" -eq 2 ] || fail "another disk"
	run --snapshot s.snap --share first:/share "$guest" -- share /share
	[ "$status" -eq 0 ] || fail "no snapshot"
	echo kept >second/log
	timeout 120 "$mote" restore --count 2 --verify-reset=1 --share second:/share s.snap >out 2>err || fail "share"
	[ "$(grep -c '^mapped: data of sec' out)" -eq 2 ] || fail "another share"
	run --snapshot s.snap --hostname first "$guest" -- names
	[ "$status" -eq 0 ] || fail "no snapshot"
	timeout 120 "$mote" restore --count 2 --verify-reset=1 --hostname clone s.snap >out 2>err || fail "name"
	[ "$(grep -c '^/etc/hostname: clone$' out)" -eq 2 ] || fail "another name"
}

test_hostile_text() {
	dies_of 11 hostile_text
	expect_in err 'wrote to 0x[0-9a-f]+, which is protected'
}

test_hostile_exec() {
	for where in stack heap data mmap; do
		dies_of 11 hostile_exec "$where"
		expect_in err 'executed 0x[0-9a-f]+, which is protected'
	done
}

test_hostile_wx() {
	hostile_guest hostile_wx
	expect_status 0
	expect_out 'mmap: Permission denied
mprotect: Permission denied'
	hostile --allow-wx "$guests/hostile_wx"
	expect_status 0
	expect_out 'mmap: executed
mprotect: executed'
}

test_hostile_addresses() {
	for how in read write call; do
		for address in 0 0xfff tables stub stub+0xe0; do
			dies_of 11 hostile_address "$how" "$address"
		done
	done
	for address in 0x7ffffffff000 0x800000000000 0xffff800000000000 0xffffffbfffffffff; do
		dies_of 11 hostile_address read "$address"
		dies_of 11 hostile_address call "$address"
	done
	dies_of 11 hostile_address write boot
	dies_of 11 hostile_address write clock
	dies_of 11 hostile_address call kit
}

test_hostile_page_tables() {
	for how in scribble all; do
		hostile_guest hostile_tables "$how"
		[ "$status" -ne 0 ] || fail "$how: survived"
	done
	for byte in 0 0xff; do
		hostile_guest hostile_tables tables "$byte"
		[ "$status" -ne 0 ] || fail "tables $byte: survived"
	done
	hostile_guest hostile_tables apic
}

test_hostile_unbacked_memory() {
	for gpa in 0x10000000 0xfec00000 0xfffff000 0x7fffffff000 0x3fffffffff000 0xffffffffff000; do
		hostile_guest hostile_tables unbacked "$gpa"
		[ "$status" -ge 128 ] || fail "there is something at $gpa"
	done
	hostile_guest hostile_tables unbacked 0x10000000
	expect_in err '^mote: the guest read from guest-physical address 0x10000000, where there is no memory$'
}

test_hostile_ring_0() {
	for byte in 0xf4 0xcc 0xe6 0xec 0x0f 0x90 0x00 0xff 0xc3 0xcf 0xfa 0x62; do
		hostile --timeout 1 "$guests/hostile_tables" -- stub "$byte"
		[ "$status" -ne 0 ] || fail "survived $byte"
	done
}

test_hostile_hypercalls() {
	hostile_guest hostile_hypercall
	expect_status 0
	expect_no_err
	expect_out '0 surprises'
	hostile_guest hostile_hypercall exit 7
	expect_status 7
	dies_of 31 hostile_hypercall crash
	hostile_guest hostile_hypercall clobber
	[ "$status" -ge 124 ] || fail "survived without tables"
	hostile_guest hostile_hypercall storm
	expect_status 0
}

test_hostile_ports() {
	for how in in out byte string; do
		for port in 0 0x20 0x4e 0x54 0x80 0xcf8 0xffff; do
			dies_of 11 hostile_port "$how" "$port"
		done
	done
	for how in byte out string; do
		hostile_guest hostile_port "$how" 0x50
		expect_status 139
		expect_in err '^mote: the guest accessed an I/O port that is not the hypercall port$'
	done
	hostile_guest hostile_port scan
	expect_status 0
	expect_in out '^0 ports let through$'
}

test_hostile_instructions() {
	for name in $("$guests/hostile_instruction"); do
		instruction=$name
		hostile_guest hostile_instruction "$instruction"
		case $instruction:$status in
		*:132 | *:133 | *:135 | *:139) [ ! -s out ] || fail "$instruction" ;;
		vmcall:0 | vmmcall:0) ;; # KVM's own hypercalls, which it refuses by their result
		*) fail "$instruction" ;;
		esac
	done
}

test_hostile_jumps_into_kit() {
	for value in 0xffffffffffffffff stub; do
		offset=0
		while [ $offset -lt 262144 ]; do
			hostile --timeout 1 "$guests/hostile_kit" -- $offset $value
			offset=$((offset + 13579))
		done
	done
}

test_hostile_stacks() {
	dies_of 11 hostile_stack overflow
	expect_in err ' in overflow\+0x'
	for address in 0 8 0x1000 0x8000000000000000 stub+0x800 kit+0x100 run+0x800 0xffffffffffffffff; do
		dies_of 4 hostile_stack "$address"
		dies_of 11 hostile_stack "$address" handler
	done
}

test_hostile_sigreturn() {
	for number in 0 1 2 3 4 5; do
		hostile_guest hostile_sigreturn "$number"
		[ "$status" -ne 0 ] || fail "case $number: came back"
	done
}

test_hostile_system_calls() {
	hostile_guest hostile_syscalls
	expect_status 0
	expect_out '0 surprises'
}

# Entries of shared mappings are marked by the processor, and lose the mark when they are written back.
test_share() {
	mkdir tree
	[ -x "$guests/share_use" ] || fail "share_use is not built"
	run --share "$PWD/tree:/data" --cwd /data "$guests/share_use" -- map
	expect_status 0
	expect_out ok
	[ "$(head -c 5 tree/map)" = FXrst ] || fail "munmap did not write back"
	[ "$(tr -d '\000' <tree/end)" = '#+abcdef' ] || fail "the end of the program did not write back"
}

test_hostile_spin() {
	hostile --timeout 1 "$guests/spin"
	expect_status 124
}

# ---- devices ----

# By a driver that is not the kit's: registers are MMIO exits, rings lie in its own memory.
other_driver() { # ID QUEUES SERVED OPTION...
	id=$1 queues=$2 served=$3
	shift 3
	run "$@" "$guests/virtio_handshake" -- 0 "$id" "$queues" "$served"
	expect_status 0
	expect_out ok
	run "$@" "$guests/hostile_virtio" -- 1234 1000 0 "$queues"
	expect_status 0
	expect_in out '^[0-9]+ acts$'
}

other_driver_uses() { # ID OPTION...
	id=$1
	shift
	run "$@" "$guests/virtio_use" -- 0 "$id"
	expect_status 0
	expect_out ok
}

test_entropy() {
	other_driver 4 1 0 --entropy
	other_driver_uses 4 --entropy
	run --entropy "$images/busybox" -- head -c 1000 /dev/hwrng
	expect_status 0
	[ "$(wc -c <out)" -eq 1000 ] || fail "not 1000 bytes"
}

test_disk() {
	truncate -s 4M image
	other_driver 2 1 0 --disk image,id=tested
	other_driver_uses 2 --disk image,id=tested
	truncate -s 0 image
	truncate -s 1M image
	run --disk image "$guests/disk_calls" -- /dev/vda
	expect_status 0
	expect_no_err
	truncate -s 4M image
	run --disk image "$guests/disk_load" -- /dev/vda 7 16
	expect_status 0
	[ "$("$guests/disk_load" sum image)" = "$(cat out)" ] || fail "the image is not what was written"
	rm image
}

test_share() {
	mkdir shared
	echo text >shared/file
	other_driver 26 2 1 --share "$PWD/shared:/data"
	other_driver_uses 26 --share "$PWD/shared:/data"
	for what in map 'objects 20'; do
		# shellcheck disable=SC2086 # several words
		run --share "$PWD/shared:/data" --cwd /data "$guests/share_use" -- $what
		expect_status 0
	done
	rm -rf shared
}

test_vsock() {
	other_driver 19 3 1 --vsock v
	other_driver_uses 19 --vsock v
	run --vsock v "$guests/vsock" -- refused 9
	expect_status 0
}

# Events of devices end a wait; memory that is reported and taken again reads as zeros.
test_balloon() {
	other_driver 5 5 0 --balloon=16M
	other_driver_uses 5 --balloon=16M
	run --mem 128M --balloon=64M "$guests/balloon" -- look
	expect_status 0
	read -r unused available <out
	is_between 40 "$unused" 62
	is_between 100 "$available" 126
	run --mem 48M --balloon=30M "$guests/balloon" -- need 30
	expect_status 0
	run --mem 32M --balloon=8M "$guests/balloon" -- churn 8
	expect_status 0
	expect_out 'done'
}

# The network inside, without a device.
test_loopback() {
	for what in churn tiny; do
		same_as_native "inet_$what" inet "$what"
	done
}

# ---- running them ----

run_test() { # NAME
	folder=$top/work.$1
	log=$top/log.$1
	mkdir -p "$folder"
	result=0
	(cd "$folder" && "test_$1") >"$log" 2>&1 </dev/null || result=$?
	case $result in
	0) echo "$1: ok" && passed=$((passed + 1)) ;;
	77) echo "$1: skipped: $(tail -n 1 "$log")" && skipped=$((skipped + 1)) ;;
	*)
		echo "$1: FAILED"
		tail -n 60 "$log" | cut -c 1-300 | tr -d '\0' | sed 's/^/    /'
		failed=$((failed + 1))
		;;
	esac
	rm -rf "$folder" "$log"
}

export HOME="$top/home" LC_ALL=C TERM=xterm
unset XDG_CACHE_HOME
mkdir -p "$HOME"
passed=0 failed=0 skipped=0
if [ $# -eq 0 ]; then
	# shellcheck disable=SC2046 # a name is a word
	set -- $(sed -n 's/^test_\([a-z0-9_]*\)() {.*/\1/p' "$script")
fi
for test_name; do
	run_test "$test_name"
done
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
