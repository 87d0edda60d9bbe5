# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# mote trace: the timeline is valid, whole, and agrees with what --stats says of the same run.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

trace() { # MOTE-TRACE-ARGUMENT...
	need_kvm
	mkdir -p temporary
	TMPDIR=$PWD/temporary try "$mote" trace "$@"
	[ -z "$(ls -A temporary)" ] || fail "left in TMPDIR: $(ls -A temporary)"
}

# What holds of the timeline trace.json of any run whose --stats=json is the last line of err.
check_timeline() { # PYTHON-EXPRESSION...
	python3 - "$@" <<-'PYTHON' >python.log 2>&1 || fail "$(<python.log)"
		import json, sys
		trace = json.load(open("trace.json"))
		stats = json.loads(open("err").read().splitlines()[-1])
		events, other = trace["traceEvents"], trace["otherData"]
		spans = [event for event in events if event["ph"] == "X"]
		def kind(name): return [event for event in spans if event["cat"] == name]
		phases, exits, calls, faults = kind("phase"), kind("exit"), kind("system call"), kind("page fault")
		pages = [event for event in events if event["ph"] == "i"]
		# The phases cover all of the run, without gaps.
		assert phases[0]["ts"] == 0, phases[0]
		for before, after in zip(phases, phases[1:]):
		    assert abs(before["ts"] + before["dur"] - after["ts"]) < 0.01, (before, after)
		end = phases[-1]["ts"] + phases[-1]["dur"]
		assert abs(end - other["total_us"]) < 0.01 and end > 0, end
		for event in spans + pages:
		    assert 0 <= event["ts"] and event["ts"] + event.get("dur", 0) <= end + 0.01, event
		# Where there is an exit, there was a guest that ran until then.
		guest = sorted(kind("guest"), key=lambda event: event["ts"])
		assert len(guest) == len(exits)
		for before, after in zip(guest, guest[1:]):
		    assert before["ts"] + before["dur"] <= after["ts"] + 0.01, (before, after)
		# The same counts as --stats.
		causes = {}
		for event in exits:
		    causes[event["name"]] = causes.get(event["name"], 0) + 1
		assert causes == {name: count for name, count in stats["exits"].items() if count and name != "total"}, causes
		assert other["exits"] == stats["exits"]["total"]
		assert len(calls) + other["unfinished_calls"] == stats["system_calls"] and other["lost_events"] == 0, len(calls)
		assert other["exit_status"] == stats["exit_status"] and other["backend"] == stats["backend"]
		if pages:
		    backed = sum(event["args"]["backed"] for event in pages)
		    # The sampling's own page-map is read before the statistics' one.
		    assert abs(backed - stats["pages_touched"]) <= 2, (backed, stats["pages_touched"])
		for expression in sys.argv[1:]:
		    assert eval(expression), expression
	PYTHON
}

well_formed() { # FILE
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1" 2>xml.log ||
		fail "$1 is not well-formed: $(<xml.log)"
}

test_timeline_agrees_with_statistics() {
	trace --json trace.json --stats=json "$images/hello"
	expect_status 0
	expect_out 'Hello from a microVM!'
	check_timeline 'calls[-1]["name"] == "exit_group"' 'other["unfinished_calls"] == 0' \
		'any(event["name"] == "writev" and "__stdio_write" in event["args"]["at"] for event in calls)' \
		'exits[-1]["name"] == "exit"' \
		'sum(event["args"]["used"] for event in pages) >= 10' \
		'any(event["args"]["at"].startswith("kit_start") for event in pages)'
}

test_without_pages() {
	trace --json trace.json --no-pages --stats=json "$images/hello"
	expect_status 0
	check_timeline 'not pages' 'not kind("trace")'
}

test_text_and_flame_graph() {
	trace --output text --svg flame.svg "$images/hello"
	expect_status 0
	expect_no_err
	expect_out 'Hello from a microVM!'
	expect_in text '^application .* 1 +5 +0 '
	expect_in text '^system call +writev +1 '
	expect_in text '^kit +[0-9]+ +[0-9]+ +[0-9]+$'
	well_formed flame.svg
	expect_in flame.svg 'system call: writev, '
	expect_in flame.svg 'exit: console_write, '
	trace "$images/hello"
	expect_status 0
	expect_in err '^first_instruction '
}

test_arguments_input_and_status_are_the_programs() {
	need_busybox
	echo from-stdin >input
	# shellcheck disable=SC2016 # the shell in the guest expands it
	trace --output=text --env A=b "$busybox" -- sh -c 'read x; echo "$x $A"; exit 7' <input
	expect_status 7
	expect_out 'from-stdin b'
}

# More events than the ring has room for, without an exit of their own.
test_many_calls_are_all_there() {
	need_busybox
	# shellcheck disable=SC2016 # the shell in the guest expands it
	trace --json trace.json --stats=json "$busybox" -- sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); : >/tmp/x; done'
	expect_status 0
	check_timeline 'len(calls) > 6000' 'other["unfinished_calls"] == 0' 'any(event["name"] == "clock" for event in exits)'
}

test_page_faults_and_threads() {
	trace --json trace.json --stats=json --mem 64M "$guests/allocate" use 8
	expect_status 0
	check_timeline 'faults and all(event["args"]["address"].startswith("0x") for event in faults)' \
		'any(event["args"]["is_write"] for event in faults)' \
		'sum(512 if event["args"]["is_huge"] else 1 for event in pages if event["args"]["used"]) > 2048'
	trace --json trace.json --stats=json "$guests/threads" exit_all
	expect_status 7
	check_timeline 'len({event["tid"] for event in calls}) > 1'
}

test_programs_that_die() {
	trace --json trace.json "$guests/crash" write
	expect_status 139
	expect_in err '^mote: the guest died of SIG'
	python3 -c 'import json; json.load(open("trace.json"))' || fail "no JSON"
	trace --json trace.json --timeout 0.5 "$guests/spin"
	expect_status 124
	python3 -c 'import json; assert json.load(open("trace.json"))["otherData"]["total_us"] > 400000' || fail "no JSON"
}

test_log_is_kept_and_read_again() {
	trace --log log --json one.json "$images/hello"
	expect_status 0
	try "$mote" trace --from log --json two.json
	expect_status 0
	cmp -s one.json two.json || fail "the same log gives another timeline"
	head -c 1000 log >part
	try "$mote" trace --from part
	expect_error 125 'cannot use the trace part: it is not whole'
	head -c 480 /dev/zero >zeros
	try "$mote" trace --from zeros
	expect_error 125 'cannot use the trace zeros: it is no trace'
	try "$mote" trace --from /dev/null
	expect_error 125 'it is no trace'
}

test_start_from_a_snapshot() {
	need_kvm
	try "$mote" run --snapshot hello.snap --snapshot-at main "$images/hello"
	expect_status 0
	trace --json trace.json --restore --stats=json hello.snap
	expect_status 0
	expect_out 'Hello from a microVM!'
	python3 - <<-'PYTHON' >python.log 2>&1 || fail "$(<python.log)"
		import json
		trace, stats = json.load(open("trace.json")), json.loads(open("err").read().splitlines()[-1])
		exits = [event for event in trace["traceEvents"] if event.get("cat") == "exit"]
		pages = [event for event in trace["traceEvents"] if event.get("cat") == "page"]
		assert len(exits) == stats["exits"]["total"] == trace["otherData"]["exits"]
		assert abs(sum(event["args"]["backed"] for event in pages) - stats["pages_touched"]) <= 2
	PYTHON
	trace --restore hello.snap
	expect_in err 'of a restored guest exits are known'
}

# What a hostile guest writes to its ring is numbers in a log, and no more.
test_hostile_guests() {
	local log
	for log in hostile_syscalls hostile_hypercall; do
		trace --json trace.json --timeout 5 "$guests/$log"
		still_alive
		[ ! -s trace.json ] || python3 -c 'import json; json.load(open("trace.json"))' || fail "no JSON"
	done
}

test_bad_use() {
	trace
	expect_error 125 'no program given'
	trace --json
	expect_error 125 '--json needs a value'
	trace --from x y
	expect_error 125 'there is no APP to run'
	trace ./nothing-here
	expect_error 127 'nothing-here: No such file'
	trace --json ./no/such/folder "$images/hello"
	expect_status 125
	expect_in err 'cannot create ./no/such/folder'
	run --trace t --strace "$images/hello"
	expect_error 125 'cannot be had at the same time'
	run --trace t --snapshot s "$images/hello"
	expect_error 125 'that may be snapshotted \(--snapshot\)'
	run --trace ./no/such/folder "$images/hello"
	expect_error 125 'cannot create the trace'
}
