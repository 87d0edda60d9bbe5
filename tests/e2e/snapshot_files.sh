# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Snapshot files: what mote inspect and mote diff say of them, and what mote restore says of bad ones.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# A snapshot of hello, named as given.
take() { # FILE MOTE-RUN-OPTION...
	run --snapshot "$1" --snapshot-at=main "${@:2}" "$images/hello"
	expect_status 0
	expect_no_err
}

# restore says one line with these words, and starts nothing.
expect_refused() { # FILE REGEX
	try "$mote" restore --verify "$1"
	expect_status 126
	[ ! -s out ] || fail "something was started"
	[ "$(wc -l <err)" -eq 1 ] || fail "not one line"
	expect_in err "$2"
}

# Put bytes into a file.
poke() { # FILE OFFSET TEXT
	printf '%b' "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

test_inspect() {
	take a.snap --mem 32M
	try "$mote" inspect a.snap
	expect_status 0
	expect_no_err
	expect_in out '^taken +at main, 20'
	expect_in out "^app +$images/hello\$"
	expect_in out '^memory +32768 KiB'
	expect_in out '^working set +none yet'
	expect_in out '^kit text +[1-9]'
	expect_in out '^text +[1-9]'
	expect_in out '^page tables +[1-9]'
	"$mote" restore a.snap >restored
	try "$mote" inspect a.snap
	expect_in out '^working set +[1-9][0-9]* pages$'
}

test_inspect_pages() {
	take a.snap
	try "$mote" inspect --pages a.snap
	expect_status 0
	expect_in out '^[0-9a-f]+ +ffffffff800[0-9a-f]+ +[0-9]+ +0  kit text'
	expect_in out ' [0-9]+ +0  text +[a-z_]'
}

test_inspect_json() {
	need_tool python3
	take a.snap
	try "$mote" inspect --json a.snap
	expect_status 0
	python3 - <<-'PYTHON' || fail "not the JSON that was expected"
		import json
		told = json.load(open("out"))
		assert told["version"] == 1 and told["point"] == "main"
		assert sum(told["pages"].values()) == sum(l["pages_used"] for l in told["layers"])
	PYTHON
}

test_diff() {
	take a.snap
	take b.snap
	try "$mote" diff a.snap a.snap
	expect_status 0
	[ ! -s out ] || fail "a file differs from itself"
	try "$mote" diff a.snap b.snap
	expect_status 1
	expect_in out ' pages differ:.* kit data'
	try "$mote" diff a.snap
	expect_status 125
	try "$mote" diff a.snap nowhere
	expect_status 127
	take c.snap --mem 64M
	try "$mote" diff a.snap c.snap
	expect_status 125
}

test_bad_files() {
	local size
	take a.snap
	size=$(stat -c %s a.snap)
	expect_refused "$images/hello" 'it is not a snapshot'
	for at in 100 5000 30000 $((size / 2)) $((size - 1)); do
		head -c "$at" a.snap >cut.snap
		expect_refused cut.snap 'cut off'
	done
	cp a.snap future.snap
	poke future.snap 8 '\x02'
	expect_refused future.snap 'newer version of mote'
	cp a.snap header.snap
	poke header.snap 2000 x
	expect_refused header.snap 'header is damaged'
	cp a.snap part.snap
	poke part.snap 20500 xyz
	expect_refused part.snap 'part 0 is damaged'
	cp a.snap page.snap
	poke page.snap $((size - 5000)) xyz
	expect_refused page.snap 'are damaged'
	try "$mote" restore nowhere.snap
	expect_status 127
}

test_train() {
	take a.snap
	try "$mote" snapshot train a.snap
	expect_status 125
	expect_in err 'no working set yet'
	"$mote" restore a.snap >restored
	try "$mote" snapshot train a.snap
	expect_status 0
	try "$mote" inspect a.snap
	expect_in out '^working set .* pages, in one run$'
	try "$mote" restore --verify a.snap
	expect_status 0
	cmp out restored || fail "it says something else"
}
