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

test_pack() {
	take a.snap
	"$mote" restore a.snap >restored
	try "$mote" snapshot pack a.snap
	expect_status 0
	expect_no_err
	[ "$(stat -c %s a.snap.zst)" -lt "$(($(stat -c %s a.snap) / 2))" ] || fail "it is not much smaller"
	[ "$(stat -c %a a.snap.zst)" = 600 ] || fail "others may read it"
	try "$mote" snapshot unpack a.snap.zst -o b.snap
	expect_status 0
	expect_no_err
	cmp a.snap b.snap || fail "not what was packed"
	try "$mote" restore b.snap
	cmp out restored || fail "it says something else"
	rm b.snap
	try "$mote" snapshot unpack a.snap.zst
	expect_status 0
	# What others wrote is read as well.
	need_tool zstd
	zstd -q -19 a.snap -o other.zst
	try "$mote" snapshot unpack other.zst -o c.snap
	expect_status 0
	cmp a.snap c.snap || fail "not what zstd packed"
	zstd -dqf a.snap.zst -o d.snap
	cmp a.snap d.snap || fail "zstd reads something else"
}

# Nothing is written, and one line says why.
expect_not_unpacked() { # FILE REGEX
	try "$mote" snapshot unpack "$1" -o never.snap
	expect_status 126
	[ "$(wc -l <err)" -eq 1 ] || fail "not one line"
	expect_in err "$2"
	[ ! -e never.snap ] || fail "there is a file"
}

test_unpack_bad_files() {
	need_tool python3
	take a.snap
	"$mote" snapshot pack a.snap
	expect_not_unpacked "$images/hello" 'cannot unpack'
	expect_not_unpacked a.snap 'cannot unpack'
	: >empty
	expect_not_unpacked empty 'it is cut off'
	for at in 1 10 1000 $(($(stat -c %s a.snap.zst) - 1)); do
		head -c "$at" a.snap.zst >cut.zst
		expect_not_unpacked cut.zst 'it is cut off'
	done
	cp a.snap.zst more.zst
	printf x >>more.zst
	expect_not_unpacked more.zst 'something follows'
	cp a.snap.zst flipped.zst
	poke flipped.zst 20000 'xyz\x00xyz'
	expect_not_unpacked flipped.zst 'cannot unpack|damaged'
	need_tool zstd
	# 500 MB that are 50 KB packed; a snapshot that says it is small, with more behind it; a damaged one.
	truncate -s 500M zeros
	zstd -q -1 zeros -o zeros.zst
	expect_not_unpacked zeros.zst 'there is no snapshot in it'
	cat a.snap a.snap >long
	zstd -q long -o long.zst
	expect_not_unpacked long.zst 'more in it than a snapshot'
	cp a.snap damaged.snap
	poke damaged.snap 100000 xyz
	zstd -q damaged.snap -o damaged.zst
	expect_not_unpacked damaged.zst 'are damaged'
	try "$mote" snapshot pack damaged.snap
	expect_status 126
	[ ! -e damaged.snap.zst ] || fail "there is a file"
	try "$mote" snapshot pack nowhere
	expect_status 127
	try "$mote" snapshot unpack a.snap
	expect_status 125
}

test_pack_words() {
	try "$mote" snapshot pack
	expect_status 125
	try "$mote" snapshot pack a.snap b.snap
	expect_status 125
	try "$mote" snapshot unpack a.snap -o
	expect_status 125
}

test_keys() {
	head -c 32 /dev/urandom >key
	head -c 32 /dev/urandom >other
	take a.snap --key-file key
	try "$mote" restore --key-file key a.snap
	expect_status 0
	expect_no_err
	try "$mote" restore a.snap
	expect_status 126
	expect_in err 'give the same by --key-file'
	try "$mote" restore --key-file other a.snap
	expect_status 126
	expect_in err 'another key'
	try "$mote" restore --key-file nowhere a.snap
	expect_status 125
	try "$mote" snapshot train a.snap
	expect_status 126
	try "$mote" snapshot train --key-file key a.snap
	expect_status 0
	try "$mote" restore --key-file key a.snap
	expect_status 0
	# Looking needs no key.
	try "$mote" inspect a.snap
	expect_status 0
	try "$mote" snapshot pack a.snap
	expect_status 0
	try "$mote" snapshot unpack a.snap.zst -o b.snap
	expect_status 0
	poke b.snap "$(($(stat -c %s b.snap) - 5000))" xyz
	try "$mote" restore --key-file key b.snap
	expect_status 126
	expect_in err 'wrong digest'
	[ ! -s out ] || fail "something was started"
}
