# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# The memory balloon: what the guest gives up, gets again when it needs it, and reports as free.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

is_between() { # LOW NUMBER HIGH
	(($1 <= $2 && $2 <= $3)) || fail "$2 is not between $1 and $3"
}

test_full() {
	run --mem 128M --balloon=64M "$guests/balloon" look
	expect_status 0
	read -r unused available <out
	is_between 40 "$unused" 62
	is_between 100 "$available" 126
}

test_empty() {
	run --mem 128M --balloon "$guests/balloon" look
	expect_status 0
	read -r unused available <out
	is_between 100 "$unused" 126
	is_between 100 "$available" 126
}

# More is asked for than there is: a reserve stays.
test_too_much() {
	for size in 128M 1G; do
		run --mem 128M --balloon=$size "$guests/balloon" look
		expect_status 0
		read -r unused available <out
		is_between 5 "$unused" 12
		is_between 100 "$available" 126
	done
}

test_needed_again() {
	run --mem 128M --balloon=100M "$guests/balloon" need 110
	expect_status 0
	is_between 100 "$(<out)" 126
	run --mem 128M --balloon=100M "$guests/balloon" need 130
	expect_status 137
	run --mem 128M --balloon=100M "$guests/allocate" churn 200
	expect_status 0
}

rss_mib() { # PID
	awk '/^RssAnon:/ { print int($2 / 1024) }' "/proc/$1/status"
}

# What the program has freed goes back to the host by reports, without a call of its own.
test_reports() {
	need_kvm
	mkfifo input
	timeout -k 2 15 "$mote" run --mem 256M --balloon --stats=json "$guests/balloon" free 100 <input >out 2>err &
	guest_pid=$!
	exec 3>input
	until grep -q free out; do
		kill -0 "$guest_pid" 2>kill.log || fail "the guest has ended"
		sleep 0.02
	done
	sleep 1
	mote_pid=$(pgrep -P "$guest_pid")
	[ "$(rss_mib "$mote_pid")" -le 10 ] || fail "mote holds $(rss_mib "$mote_pid") MiB"
	exec 3>&-
	wait "$guest_pid" || fail "status $?"
	expect_in err '"discard":0,'
}

test_reports_and_needs() {
	run --mem 64M --balloon=30M "$guests/balloon" churn 50
	expect_status 0
	expect_out 'done'
	run --mem 256M --balloon "$guests/balloon" churn 60
	expect_status 0
	expect_out 'done'
}

test_sizes() {
	run --balloon=x "$guests/balloon" look
	expect_status 125
	grep -q 'is not a size' err || fail "another error"
}
