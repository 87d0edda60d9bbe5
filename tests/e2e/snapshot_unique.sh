# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# No two starts from a snapshot draw the same random numbers. SNAPSHOT_CLONES says how many are compared (200).
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

guest=$guests/snapshot_unique
clones=${SNAPSHOT_CLONES:-200}

need_guest() {
	need_kvm
	[ -x "$guest" ] || fail "$guest is not built"
}

# Values that are there more than once, by name and value, whoever drew them.
expect_unlike() { # FILE...
	local twice
	twice=$(cat "$@" | sed 's/^[a-z]* //' | grep -v '^same-' | sort | uniq -d)
	[ -z "$twice" ] || fail "drawn twice: $twice"
}

test_one_start() {
	need_guest
	run "$guest" before
	expect_status 0
	# Within one guest the boot id is one.
	grep -v boot-id out >once
	expect_unlike once
}

test_clones() {
	need_guest
	run --snapshot s.snap "$guest" before
	expect_status 0
	mv out before.log
	# A few at a time, and each does all it has to.
	# shellcheck disable=SC2016 # the inner shell expands it
	seq "$clones" | xargs -P 4 -I{} sh -c 'timeout 45 "$0" restore s.snap >clone.{} 2>err.{} || echo {} >>failed' "$mote"
	[ ! -e failed ] || fail "failed: $(wc -l <failed), the first with: $(cat "err.$(head -1 failed)")"
	[ "$(cat clone.* | grep -c '^after generation ')" -eq "$clones" ] || fail "not all were restored"
	[ "$(cat clone.* | grep -c '^after callback ')" -eq "$clones" ] || fail "not all came to their end"
	expect_unlike before.log clone.*
	# What the program has is its own affair, and as documented.
	[ "$(cat before.log clone.* | sed 's/^[a-z]* //' | grep '^same-' | sort -u | wc -l)" -eq 1 ] ||
		fail "AT_RANDOM is not what the documents say"
}

# In one microVM, one after the other.
test_resets() {
	need_guest
	run --snapshot s.snap "$guest" before
	mv out before.log
	try "$mote" restore --count 20 s.snap
	expect_status 0
	[ "$(grep -c '^after generation ' out)" -eq 20 ] || fail "not 20 starts"
	expect_unlike before.log out
}

# A snapshot of a start from a snapshot; one that goes on, and starts from it.
test_clones_of_clones() {
	need_guest
	local pid name=unique-$$
	run --snapshot s.snap "$guest" again
	timeout 45 "$mote" restore --name "$name" s.snap >first 2>err &
	pid=$!
	wait_for 'after generation' first
	sleep 0.1
	try timeout 20 "$mote" snapshot "$name" -o second.snap --stop
	expect_status 0
	wait "$pid" || true
	for i in 1 2 3 4 5; do
		try "$mote" restore second.snap
		expect_status 0
		[ "$(grep -c '^again ' out)" -eq 11 ] || fail "not all were drawn"
		mv out "clone.$i"
	done
	expect_unlike first clone.*
}

# A guest that does not take its generation is ended before it can do anything.
fails_closed() { # WHAT-IT-DOES
	need_kvm
	run --snapshot s.snap "$guests/hostile_generation" "$1"
	expect_status 0
	try "$mote" restore s.snap
	[ "$status" -ge 128 ] || fail "it was not ended"
	expect_no_out
	expect_in err 'without taking its new generation'
}

test_fails_closed_at_a_write() {
	fails_closed write
}

test_fails_closed_at_a_forgery() {
	fails_closed forge
}

test_fails_closed_at_random_bytes() {
	fails_closed random
}

test_fails_closed_at_a_wait() {
	fails_closed wait
}

# What a guest says of the RAM that it needs is believed where it could be true.
test_memory_that_a_guest_says_it_needs() {
	need_kvm
	local frames all in_use
	for frames in 0 1 511 4294967295 600; do
		run --mem 4G --snapshot s.snap "$guests/hostile_generation" write "$frames"
		expect_status 0
		in_use=$("$mote" inspect s.snap | sed -n 's/^memory .* KiB, \([0-9]*\) KiB of them.*/\1/p')
		all=${all:-$in_use}
		[ "$in_use" -eq "$([ "$frames" -eq 600 ] && echo 2400 || echo "$all")" ] || fail "$frames frames: $in_use KiB"
		try "$mote" restore s.snap
		expect_in err 'without taking its new generation'
	done
}

# ---- CPython ----

python_image=$images/python.erofs

need_python() {
	need_kvm
	[ -e "$python_image" ] || skip "$python_image is not built (./build.sh images, with Python installed)"
}

python() { # OPTION... SCRIPT
	run --mem 512M --root "$python_image" --cwd /tmp "${@:1:$#-1}" /usr/bin/python3 -- -c "${@: -1}"
}

# What modules of the library draw, and what a callback does. uuid1() is left out: its clock is real.
test_python() {
	need_python
	cat >draw.py <<-'PYTHON'
		import mote
		import json, os, random, secrets, ssl, tempfile, uuid

		mine = random.Random()
		ssl.RAND_bytes(1)
		tempfile.mktemp()

		def draw(when):
		    for name, value in (
		        ("random", random.random()), ("own", mine.random()), ("urandom", os.urandom(16).hex()),
		        ("uuid", uuid.uuid4()), ("secrets", secrets.token_hex(16)),
		        ("ssl", ssl.RAND_bytes(16).hex()), ("tempfile", tempfile.mktemp()),
		    ):
		        print(when, name, value)

		called = []
		mote.on_restore(lambda: (mine.seed(), called.append(mote.generation().hex())))
		draw("before")
		os.sys.stdout.flush()
		point = mote.snapshot_point()
		draw("after")
		print("point", point, len(called), mote.restores(), mote.is_restored())
		print("generation", called)
	PYTHON
	python "$(<draw.py)"
	! grep -q "No module named 'mote'" err || skip "$python_image is an old one without mote.py"
	expect_status 0
	expect_in out '^point 0 0 0 False$'
	python --snapshot s.snap "$(<draw.py)"
	expect_status 0
	mv out before.log
	for i in 1 2 3 4; do
		try "$mote" restore --root "$python_image" s.snap
		expect_status 0
		expect_in out '^point 2 1 1 True$'
		mv out "clone.$i"
	done
	expect_unlike <(grep -v '^point' before.log) <(grep -hv '^point' clone.*)
	if command -v python3 >/dev/null; then
		PYTHONPATH=$root/images/python PYTHONDONTWRITEBYTECODE=1 try python3 draw.py
		expect_status 0
		expect_in out '^point 0 0 -1 False$'
	fi
}
