# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# The command line: help, version, doctor, refused options, exit statuses.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

test_version() {
	try "$mote" version
	expect_status 0
	expect_in out '^mote [0-9]+\.[0-9]+.* \(kit ABI [0-9]+\)$'
	cp out version
	try "$mote" --version
	cmp -s out version || fail "--version differs from version"
}

test_help() {
	local command
	try "$mote" help
	expect_status 0
	expect_no_err
	for command in run build inspect doctor version help; do
		expect_in out "^  $command +[A-Za-z]"
		try "$mote" help "$command"
		expect_status 0
		expect_in out "^Usage: mote $command"
		cp out explained
		try "$mote" "$command" --help
		cmp -s out explained || fail "$command --help differs from help $command"
		try "$mote" help
	done
}

test_help_lists_options() {
	local option
	try "$mote" help run
	for option in mem root env cwd stats strace timeout core dump-dtb cpu cpus allow-wx verify; do
		expect_in out "^  --$option"
	done
}

test_help_full_disk() {
	[ -e /dev/full ] || skip "there is no /dev/full"
	status=0
	"$mote" help >/dev/full 2>err || status=$?
	: >out
	expect_error 125 'standard output'
}

test_doctor() {
	need_kvm
	try "$mote" doctor
	expect_status 0
	expect_in out '^ok +/dev/kvm '
	expect_in out '^This host can run microVMs\.$'
	expect_not_in out '^PROBLEM'
}

test_doctor_without_kvm() {
	mount_without_kvm "$mote" doctor
	expect_status 1
	expect_in out '^PROBLEM +/dev/kvm '
	expect_in out 'cannot run microVMs'
	expect_in out '^optional +/dev/net/tun +missing'
	expect_not_in out 'TAP interface'
}

# Says what is missing for some uses; the exit status is that of the rest.
doctor_advises() { # CHECK TEXT COMMAND...
	try "${@:3}"
	expect_in out "^optional +$1 +.*$2"
	expect_not_in out "^PROBLEM +$1"
}

# A passt of that script, in a folder that is all there is on PATH.
put_passt() { # SHELL-COMMAND
	mkdir -p bin
	printf '#!/bin/sh\n%s\n' "$1" >bin/passt
	chmod +x bin/passt
}

test_doctor_passt() {
	local start
	mkdir empty
	doctor_advises passt 'not found.*apt install passt' env PATH="$PWD/empty" "$mote" doctor
	put_passt 'printf "passt 1999_01_01\033[2J\n  -s, --socket PATH\n" >&2; exit 1'
	doctor_advises passt 'does not know --fd.*passt 1999_01_01\)$' env PATH="$PWD/bin" "$mote" doctor
	put_passt 'echo "passt 2099_01_01"; echo "  -F, --fd FD"'
	try env PATH="$PWD/bin" "$mote" doctor
	expect_in out '^ok +passt .*\(passt 2099_01_01\)$'
	put_passt 'while :; do echo y; done'
	doctor_advises passt 'does not know --fd' env PATH="$PWD/bin" "$mote" doctor
	put_passt 'exec /bin/sleep 60'
	start=$EPOCHREALTIME
	doctor_advises passt 'does not know --fd' env PATH="$PWD/bin" "$mote" doctor
	[ "$(since "$start")" -lt 12000 ] || fail "waited for it"
	chmod -x bin/passt
	doctor_advises passt 'cannot be started: Permission denied' env PATH="$PWD/bin" "$mote" doctor
}

test_doctor_shares() {
	(
		ulimit -n 100
		doctor_advises 'open files' 'at most 100:' "$mote" doctor
	)
	unshare --mount --map-root-user mount -t tmpfs none /proc 2>unshare.log ||
		skip "this user may not make a mount namespace"
	# shellcheck disable=SC2016 # the inner shell expands it
	doctor_advises 'shared directories' '/proc is not mounted' \
		unshare --mount --map-root-user sh -c 'mount -t tmpfs none /proc && exec "$@"' sh "$mote" doctor
}

# What doctor says is done to the letter; then it is content, and the guest has its network.
test_doctor_tap() {
	need_kvm
	need_tool ip
	# shellcheck disable=SC2016 # the inner shell expands it
	local -a namespace=(unshare --mount --net --map-root-user sh -euc
		'mount -t sysfs none /sys; [ ! -e recipe ] || . ./recipe; exec "$@"' sh)
	"${namespace[@]}" ip tuntap add dev probe mode tap 2>unshare.log ||
		skip "this user may not make interfaces in a namespace"
	export USER=root
	doctor_advises 'TAP interface' 'none for this user' "${namespace[@]}" "$mote" doctor
	sed -n 's/sudo //g; s/.*Make one: \(.*\); then: .*/\1/p' out >recipe
	sed -n 's/.*; then: mote run \(--net .*\)/\1/p' out >options
	[ -s recipe ] || fail "it does not say how to make one"
	try "${namespace[@]}" "$mote" doctor
	expect_in out '^ok +TAP interface +for this user: mote0$'
	# shellcheck disable=SC2046 # two words
	try "${namespace[@]}" "$mote" run $(<options) "$images/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
}

# An interface is its owner's, and of those who administer the network.
test_doctor_tap_of_another() {
	local -a other=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	need_tool ip
	[ "$(id -u)" -eq 0 ] || skip "only root can become another user"
	chmod 755 .
	cp "$mote" mote
	"${other[@]}" test -x "$PWD/mote" || skip "another user cannot reach this folder"
	# shellcheck disable=SC2016 # the inner shell expands it
	local -a namespace=(unshare --mount --net sh -euc
		'mount -t sysfs none /sys; mount -t tmpfs -o mode=755,dev none /dev; mkdir /dev/net
		mknod -m "$1" /dev/net/tun c 10 200; chmod "$1" /dev/net/tun
		ip tuntap add dev taken mode tap user root vnet_hdr
		ip tuntap add dev given mode tap user 65534 vnet_hdr; shift; exec "$@"' sh)
	"${namespace[@]}" 666 sh -c ': <>/dev/net/tun' 2>unshare.log || skip "root may not make this namespace"
	try "${namespace[@]}" 666 "${other[@]}" "$PWD/mote" doctor
	expect_in out '^ok +TAP interface +for this user: given$'
	doctor_advises /dev/net/tun 'no permission.*chmod 666' "${namespace[@]}" 600 "${other[@]}" "$PWD/mote" doctor
	expect_not_in out 'TAP interface'
}

# Runs a command where there is no /dev/kvm.
mount_without_kvm() { # COMMAND...
	unshare --mount --map-root-user mount -t tmpfs none /dev 2>unshare.log ||
		skip "this user may not make a mount namespace"
	# shellcheck disable=SC2016 # the inner shell expands it
	try unshare --mount --map-root-user sh -c 'mount -t tmpfs none /dev && exec "$@"' sh "$@"
}

test_run_without_kvm() {
	mount_without_kvm "$mote" run "$images/hello"
	expect_error 125 '/dev/kvm.*doctor'
}

test_run_without_permission() {
	need_kvm
	[ "$(id -u)" -eq 0 ] || skip "only root can become a user without permission"
	chmod 755 .
	cp "$mote" mote
	cp "$images/hello" hello
	setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$PWD/hello" ||
		skip "another user cannot reach this folder"
	if setpriv --reuid 65534 --regid 65534 --clear-groups test -w /dev/kvm; then
		skip "everyone may use /dev/kvm here"
	fi
	try setpriv --reuid 65534 --regid 65534 --clear-groups "$PWD/mote" run "$PWD/hello"
	expect_error 125 '/dev/kvm: Permission denied.*group kvm'
}

# In a group that owns /dev/kvm, an ordinary user can do all of it.
test_run_as_user() {
	local group
	need_kvm
	[ "$(id -u)" -eq 0 ] || skip "the other tests show it: this is not root"
	group=$(stat -c %g /dev/kvm)
	chmod 755 .
	cp "$mote" mote
	cp "$images/hello" hello
	setpriv --reuid 65534 --regid 65534 --groups "$group" test -x "$PWD/hello" ||
		skip "another user cannot reach this folder"
	setpriv --reuid 65534 --regid 65534 --groups "$group" test -w /dev/kvm ||
		skip "the group of /dev/kvm may not use it here"
	try setpriv --reuid 65534 --regid 65534 --groups "$group" "$PWD/mote" run "$PWD/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
}

test_no_command() {
	try "$mote"
	expect_error 125 'no command.*help'
}

test_unknown_command() {
	try "$mote" rum
	expect_error 125 "unknown command 'rum'.*did you mean run"
	try "$mote" "$(printf 'bad\033[2J\nname')"
	expect_error 125 'unknown command'
}

test_unknown_option() {
	try "$mote" run --memm 4M x
	expect_error 125 "unknown option '--memm'.*--mem"
	try "$mote" run -m 4M x
	expect_error 125 "unknown option '-m'"
	try "$mote" run --allow-wx=yes x
	expect_error 125 'takes no value'
	try "$mote" version now
	expect_error 125 'takes no arguments'
}

test_bad_values() {
	local option
	for option in --mem=x --mem=0 --mem=3M --mem=65G --mem=-1 --mem=99999999999999999999 --mem= --cpus=0 \
		--cpu=pentium --timeout=0 --timeout=-1 --timeout=1e9 --timeout=x --stats=xml --env==x \
		--env=NOT_SET_ANYWHERE --cwd=relative; do
		try "$mote" run "$option" x
		expect_error 125 "${option%%=*}"
	done
	try "$mote" run --mem
	expect_error 125 'needs a value'
	try "$mote" run
	expect_error 125 'no program given'
}

test_cpus() {
	try "$mote" run --cpus 2 x
	expect_error 125 "'2'.*one vCPU"
	run --cpus 1 "$images/hello"
	expect_status 0
}

test_not_found() {
	need_kvm
	try "$mote" run ./nothing-here
	expect_error 127 'nothing-here: No such file'
	try "$mote" run hello
	expect_error 127 './hello'
	touch file
	try "$mote" run file/below
	expect_error 127 'Not a directory'
}

test_output_file_refused() {
	run --core ./no/such/folder "$images/hello"
	expect_error 125 'core'
	run --dump-dtb ./no/such/folder "$images/hello"
	expect_error 125 'device tree'
	run --root ./no-such-root "$images/hello"
	expect_error 125 'no-such-root'
	run --kit "$images/hello" "$images/hello"
	expect_error 125 'kit'
}
