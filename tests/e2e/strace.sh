# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# --strace: what strace(1) prints for the same program, in one piece, without being asked for more.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# What a guest's lines and strace's have in common: neither times nor addresses, limits nor columns.
normalise() { # FILE
	sed -n '/^write(1, "begin/,$p' "$1" |
		sed -E 's/ <[0-9]+\.[0-9]{6}>$//; s/0x[0-9a-f]{5,}/ADDRESS/g; s/\) +=/) =/
			s| /\* [A-Z_]*\?\?\? \*/||; s/\[[0-9]+ => /[/; s| /\* 19[-0-9T:.+]* \*/||; s/(rlim_[a-z]+)=[^,}]*/\1=N/g'
}

same_as_strace() { # TRACED-ARGUMENT...
	need_tool strace
	strace -T -o native "$guests/traced" "$@" >out 2>native.err || true
	grep -q '+++ exited with 3' native || skip "strace cannot trace here"
	run --strace "$guests/traced" -- "$@"
	expect_status 3
	normalise native >native.lines
	normalise err >lines
	diff native.lines lines >difference || fail "$(<difference)"
}

test_like_strace() {
	same_as_strace
}

test_bad_pointers() {
	same_as_strace bad
	expect_in lines '^openat\(AT_FDCWD, NULL, O_RDONLY\) = -1 EFAULT \(Bad address\)$'
	expect_in lines '^write\(1, 0x8, 5\) = -1 EFAULT'
}

test_long_arguments() {
	run --strace "$guests/traced" -- long
	expect_status 3
	expect_in err '^openat\(AT_FDCWD, "x{500,1000}"\.\.\., O_RDONLY\) = -1 ENAMETOOLONG'
	expect_in err '^renameat2\(AT_FDCWD, "x{500,1000}"\.\.\., AT_FDCWD, "x{32}"\.\.\., 0\) = -1 ENAMETOOLONG'
	expect_in err '^openat\(AT_FDCWD, "(\\1){150,400}"\.\.\., O_RDONLY\) = -1 ENAMETOOLONG'
	expect_in err '^openat\(AT_FDCWD, "y{300}", O_RDONLY\) = -1 ENAMETOOLONG'
	expect_in err '^writev\(-1, \[(\{iov_base="[0-9]{32}"\.\.\., iov_len=40\}, )+\.\.\.\], 100\) = -1 EBADF'
}

test_times() {
	run --strace "$guests/traced"
	expect_status 3
	expect_in err '^nanosleep\(\{tv_sec=0, tv_nsec=1000\}, NULL\) += 0 <0\.0[0-9]{5}>$'
	expect_not_in err '^[a-z0-9_]+\(.*[^?>]$'
}

test_programs() {
	need_busybox
	run --strace "$busybox" -- cat /etc/passwd
	expect_status 0
	expect_in err '^openat?\((AT_FDCWD, )?"/etc/passwd", O_RDONLY.*\) = 3 <'
	run --strace "$images/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
	expect_in err '^writev?\(1, .*"Hello from a microVM!.*\) += [0-9]+ <0'
	expect_in err '^exit_group\(0\) +=  ?\?$'
	expect_in err '^\+\+\+ exited with 0 \+\+\+$'
}

# A line is one write: lines of two threads do not mix, and from the second thread on each has a number.
test_threads() {
	run --strace "$guests/traced" -- threads
	expect_status 3
	[ "$(grep -cE '^\[pid +1\] faccessat\(AT_FDCWD, "/a/path/[a-z/]*own", R_OK\) = -1 ENOENT' err)" -ge 10 ] ||
		fail "lines of the first thread are missing"
	[ "$(grep -cE '^\[pid +2\] faccessat\(AT_FDCWD, "/a/path/[a-z/]*own", R_OK\) = -1 ENOENT' err)" -eq 20 ] ||
		fail "lines of the second thread are missing"
	expect_not_in err '.\[pid'
	expect_not_in err '^\[pid +[12]\] write\(1, "begin'
}

test_crash() {
	run --strace "$guests/traced" -- crash
	expect_status 139
	expect_in err '^\+\+\+ killed by SIGSEGV \+\+\+$'
	expect_in err '^mote: the guest died of SIGSEGV'
}

test_unknown_call() {
	run --strace "$guests/hostile_syscalls"
	expect_in err '^syscall_0x[0-9a-f]+\(.*\) += -1 ENOSYS \(Function not implemented\) <'
}

test_summary() {
	run --strace=summary "$guests/traced"
	expect_status 3
	expect_in err '^% time     seconds  usecs/call     calls    errors syscall$'
	expect_in err '^ *[0-9]+\.[0-9]{2} +[0-9]+\.[0-9]{6} +[0-9]+ +3 +2 openat$'
	expect_in err '^ *[0-9.]+ +0\.[0-9]{6} +[0-9]+ +1 +nanosleep$'
	expect_in err '^ *0\.00 +0\.000000 +0 +1 +exit_group$'
	expect_in err '^100\.00 +[0-9]+\.[0-9]{6} +[0-9]+ +[0-9]+ +[0-9]+ total$'
	expect_not_in err '^[a-z0-9_]+\('
	awk '/^ *[0-9]/ { if ($NF == "total") { if ($4 != calls) exit 1 } else calls += $4 }' err ||
		fail "the calls do not add up"
}

test_summary_of_a_crash() {
	run --strace=summary "$guests/traced" -- crash
	expect_status 139
	expect_in err ' total$'
	expect_in err '^mote: the guest died of SIGSEGV'
}

# Whatever the arguments are, they are shown; a failure names its seed.
test_random_calls() {
	local seed=$RANDOM
	run --timeout 10 --strace "$guests/fuzz_syscalls" -- "$seed" 1 2
	case $status in
	124 | 125) fail "seed $seed" ;;
	esac
	! grep -aq 'the guest kit' err || fail "seed $seed: $(grep -a 'the guest kit' err)"
	[ "$(grep -acE '^\[pid +[0-9]+\] [a-z0-9_]+\(.*\) += .* <[0-9]+\.[0-9]{6}>$' err)" -gt 1000 ] || fail "seed $seed: few lines"
}
