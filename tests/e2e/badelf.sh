# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Files that are no programs, or broken ones: one clear line, status 126, and at once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

refused() { # FILE REGEX MOTE-RUN-OPTION...
	run "${@:3}" "$1"
	expect_error 126 "$2"
}

test_not_elf() {
	: >empty
	echo 'some text' >text
	head -c 100000 /dev/urandom >noise
	printf '\177EL' >three-bytes
	printf '\177ELF' >four-bytes
	printf '#!/bin/sh\necho no\n' >script
	mkdir folder
	mkfifo fifo
	refused empty 'not an ELF file'
	refused text 'not an ELF file'
	refused noise 'not an ELF file'
	refused three-bytes 'not an ELF file'
	refused four-bytes 'cut'
	refused script 'script'
	refused ./folder 'not a regular file|Is a directory'
	refused fifo 'not a regular file'
	refused /dev/null 'not a regular file'
}

test_hostile_name() {
	local name=$'bad\033[2J\nmote: name'
	echo text >"$name"
	refused "$name" 'not an ELF file'
	! grep -q $'\033' err || fail "an escape character got through"
}

test_dynamic() {
	need_kvm
	is_dynamic /bin/true || skip "/bin/true is static here"
	refused /bin/true 'dynamically linked.*-static'
}

test_unreadable() {
	need_kvm
	[ "$(id -u)" -eq 0 ] || {
		cp "$images/hello" secret
		chmod 0 secret
		refused ./secret 'Permission denied'
		return
	}
	chmod 755 .
	cp "$mote" mote
	cp "$images/hello" secret
	chmod 700 secret
	setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$PWD/mote" ||
		skip "another user cannot reach this folder"
	try setpriv --reuid 65534 --regid 65534 --clear-groups "$PWD/mote" run "$PWD/secret"
	expect_error 126 'secret: Permission denied'
}

# Where a file is cut behind its last segment, only symbols are gone and it runs as on Linux.
test_truncated() {
	local size needed
	need_kvm
	cp "$images/hello" cut
	needed=$(python3 - cut <<'PYTHON'
import struct, sys
data = open(sys.argv[1], "rb").read()
ends = []
for i in range(struct.unpack_from("<H", data, 56)[0]):
    kind, _, offset, _, _, size = struct.unpack_from("<IIQQQQ", data, 64 + 56 * i)
    ends += [offset + size] if kind == 1 else []
print(max(ends))
PYTHON
	)
	for ((size = ($(stat -c %s cut) - 1) / 64 * 64; size >= 0; size -= 64)); do
		truncate -s "$size" cut
		status=0
		"$mote" run cut >out 2>err </dev/null || status=$?
		if [ "$size" -ge "$needed" ]; then
			[ "$status $(<out)" = "0 Hello from a microVM!" ] || fail "cut to $size bytes"
		elif [ "$status" -ne 126 ] || [ -s out ] || [ "$(wc -l <err)" -ne 1 ] || ! grep -q '^mote: ' err; then
			fail "cut to $size bytes"
		fi
	done
}

test_headers() {
	local file
	need_kvm
	need_tool python3
	python3 "$root/tests/tools/bad-elf.py" "$images/hello" files
	for file in files/*; do
		status=0
		timeout 5 "$mote" run "$file" >out 2>err || status=$?
		expect_error 126 "cannot run $file"
	done
}

test_writable_and_executable() {
	need_tool python3
	python3 "$root/tests/tools/bad-elf.py" "$images/hello" files
	refused files/writable-and-executable 'writable and executable.*--allow-wx'
	run --allow-wx files/writable-and-executable
	expect_status 0
	expect_out 'Hello from a microVM!'
}

# Whatever a flipped byte does: mote refuses, or the guest runs into it; mote never fails.
test_mutated() {
	need_tool python3
	need_kvm
	python3 - "$images/hello" <<'PYTHON'
import random, sys
data = open(sys.argv[1], "rb").read()
random.seed(7)
for number in range(150):
    changed = bytearray(data)
    for _ in range(random.choice((1, 2, 8))):
        changed[random.randrange(64 + 56 * 8 if number % 3 else len(data))] = random.randrange(256)
    open(f"mutated-{number}", "wb").write(changed)
PYTHON
	for file in mutated-*; do
		status=0
		timeout 5 "$mote" run --timeout 1 "$file" >out 2>err || status=$?
		still_alive
		[ "$status" -ne 126 ] || expect_error 126 'cannot run'
	done
}

test_too_little_memory() {
	refused "$guests/bss" 'guest memory.*--mem' --mem 4M
}

# What is wrong is found before anything is made: also where there is a great deal of it.
test_huge_sparse_file() {
	cp "$images/hello" huge
	truncate -s 1T huge 2>err || skip "no file can be that large here"
	run huge
	expect_status 0
	truncate -s 0 huge
	truncate -s 1T huge
	refused huge 'not an ELF file'
}
