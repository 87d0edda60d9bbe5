# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Snapshots of versions that were released (../golden): each later build reads them, and runs those that it can.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Calls a function for each of them, unpacked as a.snap.
for_each() { # FUNCTION
	local found=0 packed
	for packed in "$root"/tests/golden/*.snap.zst; do
		rm -f a.snap
		try "$mote" snapshot unpack "$packed" -o a.snap
		expect_status 0
		expect_no_err
		"$1" "$(basename "$packed" .snap.zst)"
		found=$((found + 1))
	done
	[ "$found" -gt 0 ] || fail "there are none"
}

look_at() { # VERSION
	try "$mote" inspect a.snap
	expect_status 0
	expect_no_err
	expect_in out "^taken +at main, 20.*, by mote ${1//./\\.} "
	expect_in out '^cpu +baseline'
	expect_in out '^kit text +[1-9]'
	expect_in out '^page tables +[1-9]'
}

test_inspect() {
	for_each look_at
}

# It runs, or there is one line that says why not.
start() { # VERSION
	need_kvm
	try "$mote" restore --verify a.snap
	if [ "$status" -eq 0 ]; then
		expect_out 'Hello from a microVM!'
		expect_no_err
		return
	fi
	expect_status 126
	[ ! -s out ] || fail "something was started"
	expect_in err 'CPU|guest kit'
	[ "$(wc -l <err)" -eq 1 ] || fail "not one line"
}

test_restore() {
	for_each start
}
