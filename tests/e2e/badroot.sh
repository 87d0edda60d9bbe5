# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Root images that are cut, mutated or none at all: a line, or a guest that reads what is left.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_image() {
	need_kvm
	need_busybox
	need_tool mkfs.erofs
	mkdir -p tree/all/folder/deep
	seq 1 20000 >tree/all/folder/numbers
	head -c 5000 /dev/urandom >tree/all/noise
	ln -s folder/numbers tree/all/link
	seq 1 300 | while read -r number; do
		echo "$number" >"tree/all/folder/deep/file-$number"
	done
	mkfs.erofs image tree >mkfs.log 2>&1
}

# Reads everything in the image; ends within seconds, and by its own fault or mote's refusal.
read_all() { # IMAGE MOTE-RUN-OPTION...
	status=0
	timeout 10 "$mote" run --timeout 3 "${@:2}" --root "$1" "$busybox" -- grep -rc 7 /all >out 2>err </dev/null ||
		status=$?
	case $status in
	0 | 1 | 2) ;;
	125 | 126) expect_error "$status" "$1" ;;
	*) fail "$1" ;;
	esac
}

test_good() {
	make_image
	read_all image
	expect_status 0
	expect_in out '^/all/folder/numbers:[1-9]'
	expect_no_err
}

test_none() {
	: >empty
	echo text >text
	head -c 100000 /dev/urandom >noise
	head -c 100000 /dev/zero >zeros
	for file in empty text noise zeros; do
		run --root "$file" "$images/hello"
		expect_error 125 "$file"
	done
	run --root nothing-here "$images/hello"
	expect_error 125 'nothing-here: No such file'
	run --root /dev/null "$images/hello"
	expect_error 125 '/dev/null'
}

test_cut() {
	local size all
	make_image
	all=$(stat -c %s image)
	cp image cut
	for size in $((all - 1)) $((all - 4096)) $((all * 3 / 4)) $((all / 2)) $((all / 4)) 16384 8192 4097 4096 2000 \
		1152 1100 1024 1000 100 1 0; do
		cp image cut
		truncate -s "$size" cut
		read_all cut
		[ "$size" -ge 1152 ] || expect_error 125 cut
	done
}

test_mutated() {
	local file
	make_image
	python3 - image <<'PYTHON'
import random, sys
data = open(sys.argv[1], "rb").read()
random.seed(11)
regions = (range(1024, 1152), range(1024, 8192), range(len(data)))
for number in range(60):
    changed = bytearray(data)
    for _ in range((1, 4, 64)[number % 3]):
        changed[random.choice(regions[number % 3])] = random.choice((0, 1, 0x7f, 0x80, 0xff))
    open(f"mutated-{number}", "wb").write(changed)
PYTHON
	for file in mutated-*; do
		read_all "$file"
	done
}

test_unreadable_in_folder() {
	need_kvm
	need_tool mkfs.erofs
	[ "$(id -u)" -ne 0 ] || skip "root may read everything"
	mkdir tree
	echo x >tree/secret
	chmod 0 tree/secret
	run --root tree "$images/hello"
	expect_error 125 'secret|tree'
}

test_odd_files_in_folder() {
	need_busybox
	need_tool mkfs.erofs
	mkdir tree
	mkfifo tree/fifo
	ln -s loop tree/loop
	ln -s /nowhere tree/dangling
	: >"tree/$(printf 'x%.0s' {1..200})"
	: >tree/$'new\nline'
	run --root tree "$busybox" -- ls -l /
	expect_status 0
	run --root tree "$busybox" -- cat /loop
	expect_status 1
	expect_in err 'Too many levels|Symbolic link loop'
	run --root tree "$busybox" -- cat /dangling
	expect_in err 'No such file'
}
