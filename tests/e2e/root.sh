# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Writing to the root file system: as natively, and never into the image.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_tree() {
	need_kvm
	need_tool mkfs.erofs
	mkdir -p tree/data/deep/below tree/data/empty tree/data/many
	seq 1 1900 | head -c 8292 >tree/data/pages
	printf short >tree/data/short
	printf linked >tree/data/linked
	ln tree/data/linked tree/data/second
	printf file >tree/data/deep/below/file
	for number in $(seq 0 299); do
		printf '%d' "$number" >"tree/data/many/file-$number"
	done
	cp -a tree native
	mkfs.erofs image tree >mkfs.log 2>&1
	cksum image >before
}

compare() { # COMMAND
	make_tree
	run --root image --cwd /data "$guests/rootfiles" -- "$1"
	expect_status 0
	mv out mote.out
	(cd native/data && "$guests/rootfiles" "$1") >native.out
	diff -u native.out mote.out >out || fail "$1: not as natively"
	cksum image | cmp -s - before || fail "$1: the image was written to"
}

test_views() {
	compare views
}

test_sizes() {
	compare sizes
}

test_names() {
	compare names
}

# The root that is built in can be written to, too.
test_builtin() {
	guest rootfiles builtin
	expect_status 0
	expect_out '/etc/hostname: mode 100644 links 1 size 4 read 4 sum 3351635
/etc: . .. group hostname nsswitch.conf os-release
/srv: . .. passwd
/: . .. dev etc proc root srv sys tmp'
}

# Full is ENOSPC, not the end; what is removed serves again.
test_full() {
	run --mem 16M "$guests/rootfiles" -- full
	expect_status 0
	expect_out 'write(file, block, sizeof(block)): No space left on device
mkdir("/another", 0700): No space left on device
enough'
}
