# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# What a program gets and gives back: arguments, environment, directory, exit status; and what a run
# says about itself.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_hello() {
	run "$images/hello"
	expect_status 0
	expect_no_err
	expect_out 'Hello from a microVM!'
}

test_hello_again_and_again() {
	local i
	for ((i = 0; i < 50; i++)); do
		run "$images/hello"
		expect_status 0
		expect_out 'Hello from a microVM!'
	done
}

test_arguments() {
	guest args one 'two words' '' -x --mem '--' $'new\nline' 'ü*$'
	expect_status 0
	grep '^argument' out | sed 1d >arguments || true
	printf 'argument [%s]\n' one 'two words' '' -x --mem '--' 'new' >expected
	cmp -s <(head -n 6 arguments) <(head -n 6 expected) || fail "arguments"
	expect_in out '^argument \[ü\*\$\]$'
	expect_in out "^argument \\[$guests/args\\]$"
}

test_separator() {
	run "$guests/args" a -- b
	expect_in out '^argument \[--\]$'
	run -- "$guests/args" -- b
	expect_in out '^argument \[--\]$'
	run "$guests/args" -- -- b
	[ "$(grep -c '^argument \[--\]$' out)" -eq 1 ] || fail "one separator should be left"
}

test_many_arguments() {
	# shellcheck disable=SC2046 # words are wanted
	guest args $(seq 1 4000)
	expect_status 0
	[ "$(grep -c ^argument out)" -eq 4001 ] || fail "expected 4001 arguments"
	run "$guests/args" -- "$(head -c 120000 /dev/zero | tr '\0' x)"
	expect_status 0
	# shellcheck disable=SC2046 # words are wanted
	run "$guests/args" -- $(seq 1 5000)
	expect_error 125 'at most 4096'
}

test_environment() {
	SECRET=1 guest args
	expect_not_in out SECRET
	expect_in out '^variable \[PATH=.*/usr/bin.*\]$'
	expect_in out '^variable \[HOME=/root\]$'
	expect_in out '^variable \[TERM=xterm\]$'
	FROM_HOST=host run --env A=1 --env=EMPTY= --env HOME=/tmp --env 'SPACE=a b' --env FROM_HOST --env A=2 \
		"$guests/args"
	expect_in out '^variable \[A=2\]$'
	expect_not_in out 'A=1'
	expect_in out '^variable \[EMPTY=\]$'
	expect_in out '^variable \[HOME=/tmp\]$'
	expect_not_in out 'HOME=/root'
	expect_in out '^variable \[SPACE=a b\]$'
	expect_in out '^variable \[FROM_HOST=host\]$'
}

test_directory() {
	guest args
	expect_in out '^directory \[/\]$'
	run --cwd /tmp "$guests/args"
	expect_in out '^directory \[/tmp\]$'
	run --cwd /no/such "$guests/args"
	[ "$status" -ne 0 ] || fail "a directory that is not there was accepted"
	expect_in err '/no/such'
}

test_exit_status() {
	local wanted
	for wanted in 0 1 2 42 123 124 125 126 127 128 137 139 255; do
		guest status "$wanted"
		expect_status "$wanted"
		expect_no_err
	done
	guest status 256
	expect_status 0
	guest status -1
	expect_status 255
}

test_static_pie() {
	"$BUILD/mote-cc" -O1 -g -static-pie "$root/tests/guests/args.c" -o pie
	run pie -- x
	expect_status 0
	expect_in out '^argument \[x\]$'
}

test_mote_cc() {
	printf '#include <stdio.h>\nint main(void) { puts("compiled"); return 3; }\n' >program.c
	"$BUILD/mote-cc" program.c -o program
	run ./program
	expect_status 3
	expect_out compiled
}

test_stats_json() {
	run --stats=json "$guests/status" -- 5
	expect_status 5
	expect_no_out
	[ "$(wc -l <err)" -eq 1 ] || fail "expected one line"
	python3 - err <<'PYTHON' || fail "the statistics are not what is documented"
import json, sys
stats = json.load(open(sys.argv[1]))
assert stats["backend"] in ("kvm-intel", "kvm-amd", "kvm-pvm", "kvm"), "backend"
assert stats["exit_status"] == 5, "exit_status"
assert stats["pages_touched"] > 0 and stats["vmm_rss_kib"] > 0, "memory"
phases, exits = stats["phases_us"], stats["exits"]
assert len(phases) > 3 and all(value >= 0 for value in phases.values()), "phases_us"
assert phases["total"] < 10e6, "phases_us.total"
assert exits["total"] == sum(exits.values()) - exits["total"] > 0, "exits"
PYTHON
}

test_stats_limits() {
	run --stats=json "$images/hello"
	python3 - err <<'PYTHON' || fail "a limit of hello is missed"
import json, sys
stats = json.load(open(sys.argv[1]))
assert stats["exits"]["total"] <= 5, f'{stats["exits"]["total"]} exits'
assert stats["vmm_rss_kib"] <= 2048, f'{stats["vmm_rss_kib"]} KiB resident'
PYTHON
	[ "$(stat -c %s "$BUILD/kit.elf")" -le 614400 ] || fail "kit.elf is larger than 600 KiB"
}

test_stats_text() {
	run --stats "$images/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
	expect_in err '^mote: exit status 0, backend kvm'
	expect_in err ' exits: .*exit 1'
}

test_dump_dtb() {
	run --dump-dtb tree.dtb "$images/hello" -- some-argument
	expect_status 0
	[ "$(od -An -tx1 -N4 tree.dtb | tr -d ' ')" = d00dfeed ] || fail "no device tree"
	[ $((16#$(od -An -tx1 -j4 -N4 tree.dtb | tr -d ' '))) -eq "$(stat -c %s tree.dtb)" ] ||
		fail "the size in the device tree is not the file's"
	grep -qa 'mote,' tree.dtb || fail "no mote, node"
	command -v dtc >/dev/null || return 0
	dtc -q -I dtb -O dts tree.dtb >tree.dts || fail "dtc does not like it"
	expect_in tree.dts 'memory@'
}

test_core() {
	need_tool gdb
	run --core core "$guests/crash" -- write
	expect_crash SIGSEGV innermost crash.c
	expect_in err '^mote: core written to core$'
	gdb -nx -q -batch -ex bt -ex 'info registers rip' "$guests/crash" core >gdb.out 2>&1 || true
	for name in innermost outer main; do
		expect_in gdb.out "^#[0-9]+ .*$name \\("
	done
	expect_in gdb.out 'SIGSEGV'
	[ "$(stat -c %a core)" = 600 ] || fail "the core can be read by others"
}

# musl's thread pointer points to itself.
test_core_after_timeout() {
	need_tool gdb
	run --core core --timeout 0.3 "$guests/spin"
	expect_status 124
	# shellcheck disable=SC2016 # the dollars are gdb's
	gdb -nx -q -batch -ex 'print *(unsigned long *)$fs_base == $fs_base' -ex 'print /x $gs_base' \
		"$guests/spin" core >gdb.out 2>&1 || true
	expect_in gdb.out '^.1 = 1$'
	expect_in gdb.out '^.2 = 0x1234000$'
}

# kvm-pvm runs CPL 3 natively and shows what the CPU has, whatever mote asks for.
test_cpu_baseline() {
	run --cpu=baseline "$guests/cpu"
	expect_status 0
	if [ ! -d /sys/module/kvm_pvm ]; then
		expect_in out '^xcr0 3$'
		expect_in out '^avx 0$'
	fi
	expect_in out '^sse4.2 1$'
	expect_not_in out "brand \\[$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1 | tr '()@+*' .)\\]"
	run --cpu=baseline "$guests/sigfp"
	expect_status 0
	run --cpu=host "$guests/cpu"
	expect_status 0
	! grep -qw avx /proc/cpuinfo || expect_in out '^avx 1$'
}

test_unknown_system_call() {
	guest hostile_syscalls
	[ "$(grep -c '\b1000\b' err)" -eq 1 ] || fail "system call 1000 should be named once"
}
