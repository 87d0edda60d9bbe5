# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# mote bench startup: budgets that are kept and broken, regressions, reports that other programs can read.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

bench() { # MOTE-BENCH-ARGUMENT...
	mkdir -p temporary
	TMPDIR=$PWD/temporary try "$mote" bench startup "$@"
	[ -z "$(ls -A temporary)" ] || fail "left in TMPDIR: $(ls -A temporary)"
}

# A mote of known speed: what it takes beside the process itself is what MILLISECONDS says; -n rounds take 2 ms each.
make_mote() { # FILE MILLISECONDS
	cat >"$1" <<-SCRIPT
		#!/bin/bash
		ms=$2
		[ "\$1" != restore ] || ms=20
		for word; do
			case \$word in
			--count=*) ms=\$((20 + (\${word#*=} - 1) * 2)) ;;
			--stats=json) echo '{"backend":"kvm","phases_us":{"open":1,"total":2},"exits":{"total":$2},"system_calls":5,"pages_touched":99,"guest_rss_kib":396,"vmm_rss_kib":4,"pss_kib":300}' >&2 ;;
			esac
		done
		[ "\$2" != --snapshot ] || echo snapshot >"\$3"
		sleep "\$(printf '0.%03d' \$ms)"
	SCRIPT
	chmod +x "$1"
}

spec() { # LINE...
	printf '{"mote_bench": 1, "app": "%s", "runs": 10, "warmup": 1, %s}\n' "$images/hello" "$*" >spec.json
}

well_formed() { # FILE
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$1" 2>xml.log ||
		fail "$1 is not well-formed: $(<xml.log)"
}

# ---- real programs ----

test_slow_guest_breaks_the_budget() {
	need_kvm
	need_busybox
	cat >spec.json <<-JSON
		{"mote_bench": 1, "app": "$busybox", "args": ["sleep", "0"], "runs": 3, "stats_runs": 2,
		 "budgets": {"boot": {"p50_us": 900000, "exits": 20, "rss_kib": 65536}}}
	JSON
	bench spec.json
	expect_status 0
	expect_in out '^ok +boot p50_us: [0-9.]+ us, budget 900000$'
	sed 's/"sleep", "0"/"sleep", "2"/' spec.json >slow.json
	bench slow.json
	expect_status 1
	expect_no_err
	expect_in out '^FAILED boot p50_us: [0-9.]+ us, budget 900000$'
	expect_in out '^ok +boot exits: '
}

test_program_without_specification() {
	need_kvm
	bench -n 3 --plot plot.svg "$images/hello" one two
	expect_status 0
	expect_in out '^hello on kvm'
	expect_in out '^boot wall_us +3 '
	expect_in out '^boot exits +10 '
	well_formed plot.svg
	expect_in plot.svg 'create_vm'
}

test_statistics_of_runs_are_those_of_mote() {
	need_kvm
	bench -n 2 --json "$images/hello"
	expect_status 0
	mv out result
	run --stats=json "$images/hello"
	python3 - <<-'PYTHON' >python.log 2>&1 || fail "$(<python.log)"
		import json
		result, stats = json.load(open("result")), json.loads(open("err").read())
		boot = result["boot"]
		assert boot["exits"]["p50"] == stats["exits"]["total"], "exits"
		assert boot["system_calls"]["p50"] == stats["system_calls"], "system calls"
		assert abs(boot["rss_kib"]["p50"] - stats["guest_rss_kib"] - stats["vmm_rss_kib"]) < 200, "memory"
		assert 0 < stats["pss_kib"] <= stats["guest_rss_kib"] + stats["vmm_rss_kib"], "pss"
		assert result["backend"] == stats["backend"]
		assert set(boot["phases_us"]) == set(stats["phases_us"])
		assert boot["wall_us"]["p50"] > boot["phases_us"]["total"]["min"] / 3
	PYTHON
}

test_restore_and_reset() {
	need_kvm
	try "$mote" run --snapshot probe.snap --snapshot-at main "$images/hello"
	[ "$status" -eq 0 ] || skip "no snapshots here: $(<err)"
	try "$mote" restore -n 2 probe.snap
	[ "$status" -eq 0 ] || skip "no resets here: $(<err)"
	spec '"modes": ["boot", "restore", "reset"], "reset_rounds": 20'
	bench --json spec.json
	expect_status 0
	python3 - <<-'PYTHON' >python.log 2>&1 || fail "$(<python.log)"
		import json
		result = json.load(open("out"))
		assert result["restore"]["wall_us"]["count"] == 10 and result["restore"]["exits"]["count"] == 10
		assert 0 < result["reset"]["wall_us"]["p50"] < result["boot"]["wall_us"]["p50"]
	PYTHON
}

# ---- what is measured: a mote of known speed ----

test_samples_are_as_long_as_the_runs() {
	make_mote slow 60
	spec '"modes": ["boot", "restore", "reset"], "reset_rounds": 20, "against": "sleep 0.1"'
	bench --mote ./slow --json spec.json
	expect_status 0
	python3 - <<-'PYTHON' >python.log 2>&1 || fail "$(<python.log)"
		import json
		result = json.load(open("out"))
		def between(name, low, high):
		    value = result[name]["wall_us"]["p50"]
		    assert low <= value <= high, f"{name} {value}"
		between("boot", 60000, 400000)
		between("restore", 20000, 300000)
		between("reset", 500, 15000)
		between("against", 100000, 400000)
		assert result["boot"]["wall_us"]["count"] == 10 and result["boot"]["pss_kib"]["p50"] == 300
		for mode in "boot", "restore", "against":
		    wall = result[mode]["wall_us"]
		    assert sorted(wall["samples"])[4] <= wall["p50"] <= sorted(wall["samples"])[5]
		    assert wall["min"] <= wall["p50_interval_95"][0] <= wall["p50"] <= wall["p50_interval_95"][1] <= wall["max"]
	PYTHON
}

test_compared_with_a_command() {
	make_mote slow 400
	spec '"stats_runs": 0, "budgets": {"boot": {"ratio": 4}}'
	bench -n 5 --mote ./slow --against "sleep 0.2" spec.json
	expect_status 0
	expect_in out '^boot by the command: [0-9.]+ \(95%: [0-9.]+ to [0-9.]+\)$'
	expect_in out '^ok +boot ratio: '
	bench -n 5 --mote ./slow --against "sleep 0.01" spec.json
	expect_status 1
	expect_in out '^FAILED boot ratio: '
	bench -n 1 --mote ./slow spec.json
	expect_error 125 'budget "ratio" of boot: there is no command to compare with'
}

# The difference is larger than what else a busy machine does.
test_finds_a_regression_and_none_where_there_is_none() {
	make_mote fast 20
	make_mote slow 500
	spec '"regression": {"minimum": 4, "significance": 0.05}'
	bench --mote ./fast --json spec.json
	expect_status 0
	mv out base.json
	bench --mote ./fast --compare base.json spec.json
	expect_status 0
	expect_in out '^ok +boot wall_us against baseline: '
	bench --mote ./slow --save slow.json --compare base.json spec.json
	expect_status 1
	expect_in out '^FAILED boot wall_us against baseline: .* ratio [0-9]'
	expect_in out '^FAILED boot exits against baseline: 500 exits, was 20: ratio 25 '
	expect_in out '^ok +boot system_calls against baseline: '
	# Faster is no regression.
	bench --from base.json --compare slow.json
	expect_status 0
}

test_judges_results_of_earlier_runs() {
	make_mote slow 30
	spec '"budgets": {"boot": {"exits": 30, "pages_touched": 98}}'
	bench --mote ./slow --save result.json spec.json
	expect_status 1
	expect_in out '^ok +boot exits: 30 exits, budget 30$'
	expect_in out '^FAILED boot pages_touched: 99 pages, budget 98$'
	bench --from result.json spec.json
	expect_status 1
	bench --from result.json --compare result.json
	expect_status 0
	printf '%s' "$(head -c 500 result.json)" >cut.json
	bench --from cut.json
	expect_error 125 'cannot use cut.json: line '
	bench --from spec.json
	expect_error 125 'no result of mote bench startup'
}

test_reports_for_continuous_integration() {
	make_mote slow 30
	spec '"name": "a <b> & \u0001\"c\"", "budgets": {"boot": {"exits": 30, "pages_touched": 98}}'
	bench --mote ./slow --save result.json spec.json
	bench --from result.json --junit --plot plot.svg spec.json
	expect_status 1
	cp out junit.xml
	well_formed plot.svg
	python3 - <<-'PYTHON' >python.log 2>&1 || fail "$(<python.log)"
		import xml.etree.ElementTree as tree
		root = tree.parse("junit.xml").getroot()
		assert root.tag == "testsuites" and root.get("tests") == "2" and root.get("failures") == "1"
		suite, = root
		cases = suite.findall("testcase")
		assert [case.get("name") for case in cases] == ["boot exits", "boot pages_touched"]
		assert [len(case.findall("failure")) for case in cases] == [0, 1]
		assert cases[1].find("failure").get("message") == "99 pages, budget 98"
		float(suite.get("time"))
	PYTHON
	bench --from result.json --tap spec.json
	expect_status 1
	[ "$(head -n 2 out)" = $'TAP version 14\n1..2' ] || fail "no TAP 14"
	expect_in out '^ok 1 - boot exits$'
	expect_in out '^not ok 2 - boot pages_touched$'
	bench --from result.json --junit
	expect_status 0
	well_formed out
}

# ---- what goes wrong ----

test_runs_that_fail() {
	make_mote slow 10
	spec '"exit_status": 3'
	bench --mote ./slow spec.json
	expect_error 125 'ended with status 0, and not 3'
	echo 'echo why >&2; kill -9 $$' >dead
	spec '"stats_runs": 0'
	bench --against 'sh dead' --mote ./slow spec.json
	expect_error 125 "'sh dead' was killed by signal 9. It said: why"
	spec '"timeout_s": 1'
	sed -i 's/^sleep.*/sleep 30/' slow
	bench --mote ./slow spec.json
	expect_error 125 'took longer than "timeout_s"'
	bench --mote ./nothing "$images/hello"
	expect_error 125 'cannot use ./nothing: No such file'
	bench -n 1 --against '/does/not/exist' "$images/hello"
	expect_error 125 'cannot run /does/not/exist: No such file'
	bench -n 1 --against 'a | b' "$images/hello"
	expect_error 125 "'a \| b': it is no simple command"
}

test_bad_use() {
	bench
	expect_error 125 'no program given'
	bench --bogus
	expect_error 125 '--bogus is no option'
	bench -n 0 x
	expect_error 125 '0 is no number of runs'
	bench --plot a.png x
	expect_error 125 'FILE.svg'
	bench nothing.json
	expect_error 125 'cannot open nothing.json'
	echo '{"mote_bench": 1, "app": "x", "budgets": {"boot": {"p50": 1}}}' >bad.json
	bench bad.json
	expect_error 125 'cannot use bad.json: "budgets" of boot has no key "p50", did you mean "p50_us"'
	try "$mote" bench
	expect_error 125 'write mote bench startup'
	try "$mote" bench --help
	expect_status 0
	expect_in out '^Usage: mote bench startup'
}

test_stopped_runs_leave_nothing() {
	make_mote slow 900
	spec '"modes": ["restore"]'
	mkdir tmp
	TMPDIR=$PWD/tmp "$mote" bench startup --mote ./slow spec.json >out 2>err &
	local bench=$! i
	for ((i = 0; i < 1000 && $(find tmp -name snapshot | wc -l) == 0; i++)); do sleep 0.01; done
	kill -TERM $bench
	wait $bench || status=$?
	expect_status $((128 + 15))
	expect_in err '^mote: stopped by signal 15'
	expect_no_out
	[ -z "$(ls -A tmp)" ] || fail "left in TMPDIR: $(ls -A tmp)"
}

test_progress_on_a_terminal_only() {
	make_mote slow 10
	spec '"stats_runs": 1'
	bench --mote ./slow spec.json
	expect_no_err
	need_tool script
	script -qec "'$mote' bench startup --mote ./slow spec.json" terminal >script.log 2>&1 </dev/null || true
	expect_in terminal '\[#+ *\] [0-9]+/12 boot'
}

test_reference_values_are_what_their_script_writes() {
	need_tool python3
	python3 "$root/tests/tools/statistics-reference.py" >reference.h
	cmp -s reference.h "$root/tests/unit/statistics_reference.h" || fail "tests/unit/statistics_reference.h is out of date"
}
