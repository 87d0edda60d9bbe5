# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# The application's file is cut while it runs: mote says so and ends in its own way.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

cut_while_running() { # HOW MOTE-RUN-ARGUMENT...
	local pid
	need_kvm
	cp "$guests/cut" program
	mkfifo input
	"$mote" run "${@:2}" ./program -- "$1" <input >out 2>err &
	pid=$!
	exec 9>input
	wait_for started out
	truncate -s 0 program
	echo >&9
	exec 9>&-
	status=0
	wait "$pid" || status=$?
}

test_crash() {
	cut_while_running crash --core core
	expect_status 139
	expect_in err '^mote: the guest died of SIGSEGV \(11\): page fault: wrote to 0x10'
	expect_in err '^ +rip [0-9a-f]{16} '
	expect_in err '^mote: ./program was cut while it ran'
	expect_in err '^ +#0 '
	expect_in err '^mote: core written to core$'
	[ "$(head -c 4 core | tail -c 3)" = ELF ] || fail "that is no core file"
}

test_timeout() {
	need_kvm
	cp "$guests/spin" program
	"$mote" run --timeout 1 ./program >out 2>err &
	wait_for started out
	truncate -s 0 program
	status=0
	wait "$!" || status=$?
	expect_status 124
	expect_in err '^mote: the guest ran for 1 s'
	expect_in err '^ +#0 '
}

test_host_reads() {
	cut_while_running host
	expect_status 3
	expect_out started
}

# KVM may try again for ever to give the guest a page that is lost; mote looks once a second.
test_guest_reads() {
	cut_while_running touch
	expect_status 125
	expect_in err '^mote: cannot read a page of ./program: the file was cut'
}

# Nobody is harmed who does not touch it, not even by a loop so short that two looks may find the
# same registers.
test_guest_does_not_read() {
	cut_while_running spin --timeout 4
	expect_status 124
}
