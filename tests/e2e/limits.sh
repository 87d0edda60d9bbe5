# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Time, memory and signals from outside.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_timeout() {
	local start=$EPOCHREALTIME
	run --timeout 1 "$guests/spin"
	expect_status 124
	expect_out started
	expect_in err '^mote: the guest ran for 1 s'
	expect_in err '^ +#0 .* in spin_here\+0x[0-9a-f]+ at .*spin\.c:[0-9]+'
	expect_in err '^ +#1 .* in spin_outside\+0x'
	[ "$(since "$start")" -lt 2500 ] || fail "took $(since "$start") ms"
}

test_timeout_sleeping() {
	run --timeout 0.2 "$guests/spin" sleep
	expect_status 124
	expect_in err '^mote: the guest ran for 0.2 s'
}

test_timeout_calling() {
	run --timeout 0.2 "$guests/spin" call
	expect_status 124
}

test_timeout_reading() {
	need_kvm
	status=0
	sleep 5 | timeout 10 "$mote" run --timeout 0.2 "$guests/cat" >out 2>err &
	wait_for 'the guest ran' err
}

test_timeout_not_reached() {
	run --timeout 10 "$images/hello"
	expect_status 0
	expect_no_err
}

end_by() { # SIGNAL GUEST-ARGUMENT...
	local pid start
	need_kvm
	"$mote" run "$guests/spin" -- "${@:2}" >out 2>err &
	pid=$!
	wait_for started out
	start=$EPOCHREALTIME
	kill "-$1" "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$(since "$start")" -lt 1000 ] || fail "took $(since "$start") ms to end"
	expect_no_err
}

test_sigterm() {
	end_by TERM
	expect_status 143
	end_by TERM sleep
	expect_status 143
	end_by TERM call
	expect_status 143
}

test_sighup() {
	end_by HUP
	expect_status 129
}

test_small_memory() {
	run --mem 4M "$images/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
}

test_memory_sizes() {
	local size
	for size in 4194304 5000K 6M 16M 129M 1G 4G; do
		run --mem "$size" "$images/hello"
		expect_status 0
	done
}

test_bss_fits() {
	run --mem 80M "$guests/bss"
	expect_status 0
	expect_out 'bss ok'
}

test_bss_too_big() {
	run --mem 8M "$guests/bss"
	expect_error 126 'memory.*--mem'
}

test_out_of_memory() {
	run --mem 32M "$guests/allocate" use 256
	expect_status 137
	expect_no_out
	expect_in err '^mote: guest: out of memory: 3[0-9]{4} of 3[0-9]{4} KiB in use: 3[0-9]{4} by the program'
}

# Linux's heuristic: what could never fit is refused, what might fit is not.
test_too_much_memory() {
	run --mem 32M "$guests/allocate" ask 40
	expect_status 0
	expect_out 'malloc: Out of memory
mmap: Out of memory
mremap: Out of memory
mprotect: Out of memory
brk: Out of memory
reading: given
done'
	run --mem 32M "$guests/allocate" ask 20
	expect_status 0
	[ "$(grep -c given out)" -eq 6 ] || fail "all of it could have been given"
}

test_memory_is_given_back() {
	run --mem 32M "$guests/allocate" churn 256
	expect_status 0
	expect_out 'done'
}

test_memory_is_used() {
	run --mem 128M "$guests/allocate" use 100
	expect_status 0
	expect_out 'done'
}
