# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Application images: mote build, mote inspect, and mote run of what was built.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

build() { # MOTE-BUILD-ARGUMENT...
	mkdir -p temporary
	TMPDIR=$PWD/temporary try "$mote" build "$@"
	[ -z "$(ls -A temporary)" ] || fail "left in TMPDIR: $(ls -A temporary)"
	[ -z "$(find . -name '.mote-build-*')" ] || fail "left a temporary file"
}

built() { # MOTE-BUILD-ARGUMENT...
	build "$@"
	expect_status 0
	expect_no_out
	expect_no_err
}

same() { # FILE FILE
	cmp "$1" "$2" >cmp.log 2>&1 || fail "$1 and $2 differ: $(<cmp.log)"
}

need_root_tools() {
	need_busybox
	need_tool mkfs.erofs
}

# A tree with all that a root has, made in the order of the names that are read.
make_tree() { # FOLDER ORDER
	local name
	mkdir -p "$1/bin" "$1/etc" "$1/many"
	cp "$busybox" "$1/bin/busybox"
	seq 1 200 | sort "$2" | while read -r name; do
		echo "file $name" >"$1/many/$name"
	done
	seq 1 3000 >"$1/etc/numbers"
	echo 'hello, root' >"$1/etc/greeting"
	ln -s busybox "$1/bin/sh"
	ln -s /etc/greeting "$1/absolute"
	ln "$1/absolute" "$1/link-to-link"
	ln "$1/etc/greeting" "$1/hard"
	mkdir -m 1777 "$1/tmp"
	chmod 755 "$1" "$1"/{bin,etc,many}
	chmod 4755 "$1/bin/busybox"
	chmod 600 "$1/etc/numbers"
}

# ---- what is written ----

test_same_bytes() {
	need_root_tools
	make_tree one -n
	make_tree two -nr
	mkdir elsewhere
	cp "$images/hello" elsewhere/hello
	find two -exec touch -h -d '2001-02-03 04:05:06' {} +
	[ "$(id -u)" -ne 0 ] || chown -hR 1234:4321 two
	[ "$(id -u)" -ne 0 ] || chmod 4755 two/bin/busybox
	built -o one.mote --root one --env A=1 --mem 32M "$images/hello" x
	sleep 1.1
	built --output=elsewhere/two.mote --mem=32M --env=A=1 --root=two -- elsewhere/hello x
	same one.mote elsewhere/two.mote
	[ "$(stat -c %a one.mote)" = 644 ] || fail "mode $(stat -c %a one.mote)"
	echo changed >two/etc/greeting
	built -o two.mote --root two --env A=1 --mem 32M "$images/hello" x
	! cmp -s one.mote two.mote || fail "another root gives the same image"
}

test_host_does_not_matter() {
	HOME=/a TERM=one try "$mote" build -o one.mote "$images/hello"
	expect_status 0
	(umask 077 && HOME=/b TERM=two LANG=de_DE.UTF-8 SOME=thing try "$mote" build -o two.mote "$images/hello")
	same one.mote two.mote
	[ "$(stat -c %a two.mote)" = 644 ] || fail "mode $(stat -c %a two.mote)"
}

test_archive_and_folder() {
	local format
	need_root_tools
	need_tool tar
	make_tree tree -n
	mkdir -p "tree/$(printf 'long-%.0s' {1..30})/$(printf 'name-%.0s' {1..30})"
	echo x >"tree/$(printf 'long-%.0s' {1..30})/$(printf 'name-%.0s' {1..30})/ä"
	truncate -s 1M tree/sparse
	chmod 755 tree/long-*
	built -o folder.mote --root tree --entry /bin/sh
	for format in gnu pax; do
		tar -C tree --format=$format --sparse -cf $format.tar .
		built -o archive.mote --root $format.tar --entry /bin/sh
		same folder.mote archive.mote
	done
	for format in gzip bzip2 xz zstd; do
		command -v $format >/dev/null || continue
		$format -c <gnu.tar >packed
		built -o archive.mote --root packed --entry /bin/sh
		same folder.mote archive.mote
	done
	# Without a line for the root itself, and with each file twice.
	(cd tree && tar -cf ../twice.tar ./* && tar -rf ../twice.tar ./*)
	built -o archive.mote --root twice.tar --entry /bin/sh
	same folder.mote archive.mote
}

test_image_as_root() {
	need_root_tools
	make_tree tree -n
	mkfs.erofs image tree >mkfs.log 2>&1
	built -o a.mote --root image --entry /bin/busybox -- cat /etc/greeting
	run a.mote
	expect_out 'hello, root'
	mkfs.erofs -zlz4 packed tree >mkfs.log 2>&1 || skip "this mkfs.erofs cannot compress"
	build -o b.mote --root packed --entry /bin/busybox
	expect_error 125 'packed: the image is compressed'
	[ ! -e b.mote ] || fail "an image was written"
	head -c 5000 image >cut-file
	build -o b.mote --root cut-file --entry /bin/busybox
	expect_error 125 'cut-file: '
}

test_replaces() {
	echo old >a.mote
	ln a.mote other
	built -o a.mote "$images/hello"
	[ "$(<other)" = old ] || fail "the old file was written to"
	build -o a.mote ./nothing-here
	expect_error 127 nothing-here
	run a.mote
	expect_out 'Hello from a microVM!'
}

# ---- what is run ----

test_run() {
	built -o a.mote "$images/hello"
	run a.mote
	expect_status 0
	expect_out 'Hello from a microVM!'
	expect_no_err
	run --verify "$PWD/a.mote" -- more
	expect_status 0
}

test_run_configured() {
	built -o a.mote --env A=image --env $'B=two\nlines \\ and "so"' --cwd /tmp --mem 24M "$guests/args" -- one ''
	run a.mote
	expect_status 0
	[ "$(grep '^argument' out | tr '\n' ' ')" = 'argument [args] argument [one] argument [] ' ] || fail arguments
	expect_in out '^variable \[A=image\]$'
	expect_in out '^lines \\ and "so"\]$'
	expect_in out '^variable \[PATH=/usr/local/sbin'
	expect_in out '^directory \[/tmp\]$'
	run --env A=line --env PATH=/p --cwd / a.mote -- two --three
	[ "$(grep '^argument' out | tr '\n' ' ')" = \
		'argument [args] argument [one] argument [] argument [two] argument [--three] ' ] || fail arguments
	expect_in out '^variable \[A=line\]$'
	expect_in out '^variable \[B=two$'
	expect_in out '^variable \[PATH=/p\]$'
	expect_in out '^directory \[/\]$'
	[ "$(grep -c '^variable \[A=' out)" -eq 1 ] || fail "a variable is there twice"
}

# The size in the node of the guest's memory: address 0, and then it.
memory_of() { # DEVICE-TREE
	python3 - "$1" <<'PYTHON'
import re, sys

print(*(int.from_bytes(m, "big") >> 20 for m in re.findall(
    rb"memory\0\0.{12}\0{8}(.{8})", open(sys.argv[1], "rb").read(), re.DOTALL)))
PYTHON
}

test_run_memory() {
	need_tool python3
	built -o a.mote --mem 24M "$images/hello"
	run --dump-dtb tree a.mote
	expect_status 0
	[ "$(memory_of tree)" = 24 ] || fail "memory of $(memory_of tree) MiB"
	run --mem 16M --dump-dtb tree a.mote
	[ "$(memory_of tree)" = 16 ] || fail "memory of $(memory_of tree) MiB"
}

test_run_entry() {
	need_root_tools
	make_tree tree -n
	# shellcheck disable=SC2016 # the guest's shell expands it
	built -o a.mote --root tree --entry /bin/sh --cwd /etc -- -c 'pwd; read -r l <greeting; echo "$l, $0 $1"'
	rm -r tree
	run a.mote -- zero one
	expect_status 0
	expect_out $'/etc\nhello, root, zero one'
	mkdir -p other/etc other/bin
	cp "$busybox" other/bin/sh
	echo 'another root' >other/etc/greeting
	run --root other a.mote -- zero one
	expect_out $'/etc\nanother root, zero one'
	run --root other --verify a.mote -- a b
	expect_status 0
	rm other/bin/sh
	run --root other a.mote
	expect_error 127 'no file /bin/sh in its root'
}

test_run_program_with_root() {
	need_root_tools
	make_tree tree -n
	built -o a.mote --root tree "$busybox" cat /hard /absolute
	run a.mote -- /etc/greeting
	expect_status 0
	expect_out $'hello, root\nhello, root\nhello, root'
}

test_run_large_program() {
	# Segments above 4 MiB are mapped from where they lie in the image.
	need_tool gcc
	cat >big.c <<'END'
	#include <stdio.h>
	static const unsigned char bytes[6 << 20] = {1, [5000000] = 7, [(6 << 20) - 1] = 3};
	static unsigned char filled[6 << 20] = {5, [(6 << 20) - 1] = 9};
	int main(void)
	{
		filled[1] = 1;
		printf("%d %d %d %d\n", bytes[5000000], bytes[(6 << 20) - 1], filled[0], filled[(6 << 20) - 1]);
		return 0;
	}
END
	"$BUILD/mote-cc" -O0 big.c -o big
	built -o a.mote "$PWD/big"
	run a.mote
	expect_status 0
	expect_out '7 3 5 9'
}

test_crash_is_explained() {
	built -o a.mote "$guests/crash" -- write
	run a.mote
	[ "$status" -gt 128 ] || fail "no crash"
	run "$guests/crash" -- write
	cp err plain
	run a.mote
	# The same functions and lines as where the program is a file of its own.
	[ "$(grep -oE 'crash\.c:[0-9]+' err)" = "$(grep -oE 'crash\.c:[0-9]+' plain)" ] || fail "another backtrace"
	expect_in err 'crash\.c:[0-9]+'
}

# ---- looking into it ----

test_inspect() {
	built -o a.mote --env A=1 --cwd /tmp --mem 64M "$images/hello" 'one two'
	try "$mote" inspect a.mote
	expect_status 0
	expect_no_err
	expect_in out '^app +hello$'
	expect_in out '^arg +one two$'
	expect_in out '^mem +65536 KiB$'
	expect_in out "^program +8192 +$(stat -c %s "$images/hello") +[0-9a-f]{32}  ok$"
}

test_inspect_json() {
	need_root_tools
	need_tool python3
	make_tree tree -n
	built -o a.mote --root tree --entry /bin/sh --env $'A="\\\n\x01\xff\xc3\xa4' -- -c x
	try "$mote" inspect --json a.mote
	expect_status 0
	python3 - <<'PYTHON' || fail "not what was built"
import json, os

image = json.load(open("out", encoding="utf-8"))
assert image["version"] == 1 and image["bytes"] == os.path.getsize("a.mote")
manifest = image["manifest"]
assert manifest["entry"] == "/bin/sh" and manifest["args"] == ["-c", "x"], manifest
assert manifest["env"] == ['A="\\\n\x01\ufffd\u00e4'], manifest
assert manifest["cwd"] is None and manifest["memory_bytes"] is None
names = [section["name"] for section in image["sections"]]
assert names == ["manifest", "root"] and all(section["ok"] for section in image["sections"])
last = image["sections"][-1]
assert last["offset"] % 4096 == 0 and last["offset"] + last["bytes"] == image["bytes"]
PYTHON
}

test_inspect_checksums() {
	need_tool openssl
	local sum
	built -o a.mote "$images/hello"
	try "$mote" inspect a.mote
	sum=$(dd if=a.mote bs=4096 skip=2 status=none |
		openssl mac -macopt hexkey:00000000000000000000000000000000 -macopt size:16 SIPHASH)
	expect_in out "^program .* ${sum,,}  ok\$"
}

# ---- what is refused ----

test_options_refused() {
	local app=$images/hello
	build "$app"
	expect_error 125 '-o is missing.*mote help build'
	build -o a.mote
	expect_error 125 'no program given'
	build -o a.mote --zap "$app"
	expect_error 125 '--zap is no option'
	build -o
	expect_error 125 '-o needs a value'
	build -o a.mote --mem 3M "$app"
	expect_error 125 "--mem '3M' is less.*mote help build"
	build -o a.mote --cwd tmp "$app"
	expect_error 125 "--cwd 'tmp'"
	build -o a.mote --env NOT_SET_ANYWHERE "$app"
	expect_error 125 'not set'
	build -o a.mote --entry /bin/sh
	expect_error 125 '--entry needs a --root'
	build -o a.mote --root . --entry bin/sh
	expect_error 125 'absolute path'
	try "$mote" inspect
	expect_error 125 'no file given'
	try "$mote" inspect --zap x
	expect_error 125 '--zap'
	[ ! -e a.mote ] || fail "an image was written"
}

test_programs_refused() {
	need_tool mkfs.erofs
	build -o a.mote ./nothing-here
	expect_error 127 'nothing-here: No such file'
	echo text >text
	build -o a.mote ./text
	expect_error 126 'text: not an ELF file'
	: >empty
	build -o a.mote ./empty
	expect_error 127 'empty: it is empty'
	build -o a.mote .
	expect_error 127 'not a regular file'
	mkdir tree
	build -o a.mote --root tree --entry /bin/sh
	expect_error 127 '/bin/sh: there is no such file in the root tree'
	if is_dynamic /bin/true; then
		build -o a.mote /bin/true
		expect_error 126 'dynamically linked.*--root'
		build -o a.mote --root tree /bin/true
		expect_error 126 'loader .* is not in the root'
	fi
	[ ! -e a.mote ] || fail "an image was written"
}

test_roots_refused() {
	mkdir tree
	echo text >text
	build -o a.mote --root nowhere "$images/hello"
	expect_error 125 'nowhere: No such file'
	build -o a.mote --root text "$images/hello"
	expect_error 125 'text: it is no directory, no EROFS image and no tar archive'
	build -o tree/a.mote --root tree "$images/hello"
	expect_error 125 'tree/a.mote lies in it'
	[ ! -e tree/a.mote ] || fail "an image was written"
	mkdir empty-path
	# mkfs.erofs is looked for in the usual places as well.
	if ! ls /sbin/mkfs.erofs /usr/sbin/mkfs.erofs /usr/local/sbin/mkfs.erofs >/dev/null 2>&1; then
		try env PATH="$PWD/empty-path" "$mote" build -o a.mote --root tree "$images/hello"
		expect_error 125 'mkfs.erofs is not installed.*apt-get install erofs-utils'
	fi
}

test_output_refused() {
	build -o no/such/folder "$images/hello"
	expect_error 125 'cannot write no/such/folder: No such file'
	build -o . "$images/hello"
	expect_error 125 'no regular file'
	build -o /dev/null "$images/hello"
	expect_error 125 'no regular file'
	[ -c /dev/null ] || fail "/dev/null was replaced"
	[ "$(id -u)" -ne 0 ] || return 0
	mkdir -m 500 locked
	build -o locked/a "$images/hello"
	expect_error 125 'Permission denied'
}

test_hostile_archives() {
	local archive
	need_root_tools
	need_tool python3
	mkdir tars
	echo precious >outside
	python3 "$root/tests/tools/bad-tar.py" tars
	[ "$(find tars -type f | wc -l)" -ge 25 ] || fail "too few archives"
	for archive in tars/*; do
		build -o a.mote --root "$archive" "$busybox"
		# What is wrong stands there, with the name of the archive.
		expect_error 125 "$archive"
		[ ! -e a.mote ] || fail "$archive: an image was written"
		[ "$(<outside)" = precious ] || fail "$archive: a file outside was changed"
		[ "$(stat -c %h outside)" -eq 1 ] || fail "$archive: a file outside was linked"
		if [ -e escaped ] || [ -e temporary/escaped ]; then
			fail "$archive: a file was created outside"
		fi
	done
}

# As a user who may not read all of it; the message names the archive, not where it was unpacked.
test_unreadable_in_archive() {
	need_root_tools
	need_tool tar
	mkdir -p tree/secret temporary
	echo x >tree/secret/file
	tar -C tree --mode='a-rwx' -cf a.tar .
	if [ "$(id -u)" -eq 0 ]; then
		chmod 755 .
		cp "$mote" "$BUILD/mote-build" "$busybox" .
		chmod 777 temporary
		mkdir -m 777 out-folder
		setpriv --reuid 65534 --regid 65534 --clear-groups test -r "$PWD/a.tar" ||
			skip "another user cannot reach this folder"
		TMPDIR=$PWD/temporary try setpriv --reuid 65534 --regid 65534 --clear-groups \
			./mote build -o out-folder/a.mote --root a.tar ./busybox
	else
		TMPDIR=$PWD/temporary try "$mote" build -o a.mote --root a.tar "$busybox"
	fi
	expect_error 125 'root image from a.tar: mkfs.erofs failed'
	[ -z "$(ls -A temporary)" ] || fail "left in TMPDIR: $(ls -A temporary)"
}

# Links that stay inside are as good as any.
test_links_in_archives() {
	need_root_tools
	need_tool tar
	mkdir -p tree/usr/bin more/bin
	ln -s usr/bin tree/bin
	cp "$busybox" tree/usr/bin/busybox
	ln -s /usr/bin/busybox tree/usr/bin/sh
	echo 'through a link' >more/bin/file
	tar -C tree -cf a.tar .
	tar -C more -rf a.tar bin/file
	# shellcheck disable=SC2016 # the guest's shell expands it
	built -o a.mote --root a.tar --entry /bin/sh -- -c 'read -r l </usr/bin/file; echo "$l"'
	run a.mote
	expect_out 'through a link'
}

test_other_files() {
	need_kvm
	printf 'MOTE\r\n\x1a\n' >short
	printf 'MOTE\n\x1a\n%5000s' '' >text-mode
	run short
	expect_error 126 'short: it is cut'
	try "$mote" inspect short
	expect_error 126 'short: it is cut'
	run text-mode
	expect_error 126 'not an ELF file'
	try "$mote" inspect text-mode
	expect_error 126 'not an application image'
	try "$mote" inspect "$images/hello"
	expect_error 126 'not an application image'
	try "$mote" inspect .
	expect_error 126 'not an application image'
	try "$mote" inspect nowhere
	expect_error 127 'nowhere: No such file'
	built -o a.mote "$images/hello"
	printf '\x02' | dd of=a.mote bs=1 seek=8 conv=notrunc status=none
	run a.mote
	expect_error 126 'version 2 of the image format.*newer mote'
	try "$mote" inspect a.mote
	expect_error 126 'version 2'
}

test_cut() {
	local size at
	need_kvm
	built -o a.mote "$images/hello"
	size=$(stat -c %s a.mote)
	for at in 0 7 8 100 4095 4096 4100 8192 8193 20000 $((size - 4096)) $((size - 1)); do
		head -c "$at" a.mote >cut-file
		run cut-file
		expect_error 126 'cut'
		try "$mote" inspect cut-file
		expect_error 126 'cut'
	done
	(cat a.mote && echo more) >longer
	run longer
	expect_error 126 'follows'
}

# Whatever is changed, inspect and --verify see it; without --verify, mote stays in one piece.
test_mutated() {
	local file
	need_root_tools
	need_tool python3
	mkdir tree
	echo 'hello, file' >tree/file
	built -o a.mote --root tree "$busybox" cat /file
	python3 - <<'PYTHON'
import random

random.seed(3)
data = open("a.mote", "rb").read()
ends = [100, 4096, 4300, 8192, 9000, len(data)]
for number in range(24):
    changed = bytearray(data)
    changed[random.randrange(ends[number % len(ends)])] ^= 1 << random.randrange(8)
    open(f"mutated-{number:02}", "wb").write(changed)
PYTHON
	for file in mutated-*; do
		try "$mote" inspect "$file"
		expect_status 126
		expect_in err "$file|not an application image"
		run --verify "$file"
		expect_status 126
		expect_no_out
		run --timeout 3 "$file"
		still_alive
	done
}

# ---- mote-build itself ----

test_installed() {
	mkdir -p bin libexec/mote
	cp "$mote" bin/mote
	try bin/mote build -o a.mote "$images/hello"
	expect_error 125 'cannot find mote-build.*Install'
	cp "$BUILD/mote-build" libexec/mote
	try bin/mote build -o a.mote "$images/hello"
	expect_status 0
	# What is in the user's PATH is not it.
	mv libexec/mote/mote-build .
	PATH=$PWD:$PATH try bin/mote build -o b.mote "$images/hello"
	expect_error 125 'cannot find mote-build'
	printf '#!/bin/sh\nexec /bin/true\n' >bin/mote-build
	try bin/mote build -o b.mote "$images/hello"
	expect_error 125 'cannot run .*/bin/mote-build: Permission denied'
}

test_interrupted() {
	local signal pid
	mkdir temporary tree slow
	printf '#!/bin/sh\n>>"%s/started"\nexec sleep 60\n' "$PWD" >slow/mkfs.erofs
	chmod +x slow/mkfs.erofs
	for signal in TERM INT HUP; do
		rm -f started
		env --default-signal="$signal" TMPDIR="$PWD/temporary" PATH="$PWD/slow:$PATH" \
			"$mote" build -o a.mote --root tree "$images/hello" >out 2>err &
		pid=$!
		wait_for_file started
		kill -"$signal" "$pid"
		status=0
		wait "$pid" || status=$?
		expect_status $((128 + $(kill -l "$signal")))
		[ -z "$(ls -A temporary)" ] || fail "SIG$signal left: $(ls -A temporary)"
		[ -z "$(find . -name '.mote-build-*' -o -name a.mote)" ] || fail "SIG$signal left a file"
	done
}

wait_for_file() { # FILE
	local i
	for ((i = 0; i < 500; i++)); do
		[ ! -e "$1" ] || return 0
		sleep 0.01
	done
	fail "no file $1 after 5 s"
}

test_cut_while_running() {
	local pid
	need_kvm
	need_root_tools
	make_tree tree -n
	# shellcheck disable=SC2016 # the guest's shell expands it
	built -o a.mote --root tree --entry /bin/sh -- -c 'echo started; read -r l; read -r l </etc/numbers; echo "got $l"'
	mkfifo input
	"$mote" run --timeout 5 a.mote <input >out 2>err &
	pid=$!
	exec 9>input
	wait_for started out
	truncate -s 8192 a.mote
	# On a slow machine it has met a page that is gone before it reads.
	(trap '' PIPE && echo >&9) 2>/dev/null || true
	exec 9>&-
	status=0
	wait "$pid" || status=$?
	# The guest's pages are gone: mote says so and ends in its own way.
	expect_status 125
	expect_in err '^mote: cannot read a page of a.mote: the file was cut while it ran'
	expect_not_in out got
}
