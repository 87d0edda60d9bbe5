# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Programs from the root: execve, loaders, scripts. As on Linux, where the same root is entered by chroot.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

make_tree() {
	need_tool mkfs.erofs
	mkdir -p tree/dev tree/proc tree/tmp
	cp "$guests/exec" tree/exec
	printf '#!/exec  show with spaces \nnever read\n' >tree/script
	: >tree/empty
	printf 'a text\n' >tree/text
	printf 'a text\n' >tree/plain
	head -c 100 "$guests/exec" >tree/cut
	printf '#!/none\n' >tree/no-interpreter
	printf '#!/loop-script\n' >tree/loop-script
	printf '#!/text\n' >tree/interpreter-is-text
	printf '#!/%0300d\n' 0 >tree/long-script
	chmod 755 tree/*
	chmod 644 tree/plain
}

# Natively in a chroot, whose /dev is empty but for what the tests open.
in_root_as_native() { # ARGUMENT...
	[ "$(id -u)" -eq 0 ] || skip "chroot needs root"
	make_tree
	mknod -m 666 tree/dev/null c 1 3 2>mknod.log || skip "mknod does not work here"
	try chroot tree /exec "$@"
	mv out native.out
	local native_status=$status
	rm tree/dev/null
	run --root tree /exec -- "$@"
	expect_status "$native_status"
	cmp -s native.out out || fail "natively the output is: $(head -c 3000 native.out)"
}

test_self() {
	in_root_as_native self
}

test_script() {
	in_root_as_native script
}

test_no_arguments() {
	in_root_as_native no_arguments
}

test_bad_arguments() {
	in_root_as_native bad_arguments
}

test_bad_files() {
	in_root_as_native bad_files
}

test_threads_end() {
	in_root_as_native threads
}

test_descriptor() {
	make_tree
	run --root tree /exec -- descriptor
	expect_status 42
	expect_in out "^argv\[0\] 'by descriptor'"
}

# 200 programs of 4 MiB in 64 MiB.
test_again_and_again() {
	make_tree
	run --mem 64M --root tree /exec -- again
	expect_status 0
	expect_out "the last turn"
}

test_script_as_application() {
	make_tree
	run --root tree /script -- argument
	expect_status 42
	expect_in out "^argv\[1\] 'show with spaces'"
	expect_in out "^argv\[3\] 'argument'"
}

test_root_comes_first() {
	make_tree
	mkdir -p tree/bin
	cp "$guests/exec" tree/bin/busybox
	run --root tree /bin/busybox
	expect_status 42
}

test_not_there() {
	make_tree
	run --root tree /none
	expect_error 127 'neither in the root nor on the host'
}

test_not_a_program() {
	make_tree
	for name in text empty cut; do
		run --root tree "/$name"
		expect_status 126
		expect_in err "^mote: guest: cannot run /$name: "
	done
	run --root tree /no-interpreter
	expect_status 127
}

# ---- dynamic programs ----

# A program, its loader and its libraries.
add_dynamic() { # PROGRAM
	local file
	mkdir -p "tree$(dirname "$1")"
	cp -L "$1" "tree$1"
	for file in $(ldd "$1" | grep -o '/[^ ]*'); do
		mkdir -p "tree$(dirname "$file")"
		cp -L "$file" "tree$file"
	done
}

test_dynamic() {
	need_tool mkfs.erofs
	is_dynamic /bin/ls || skip "/bin/ls is not dynamic"
	mkdir tree
	add_dynamic /bin/ls
	run --root tree /bin/ls -- -d /bin/ls
	expect_status 0
	expect_out /bin/ls
}

# The program is the host's, its loader the root's.
test_dynamic_of_the_host() {
	need_tool mkfs.erofs
	is_dynamic /bin/ls || skip "/bin/ls is not dynamic"
	mkdir tree
	add_dynamic /bin/ls
	mv tree/bin/ls tree/moved
	run --root tree /bin/ls -- /moved
	expect_status 0
	expect_out /moved
}

test_dynamic_without_loader() {
	need_tool mkfs.erofs
	is_dynamic /bin/ls || skip "/bin/ls is not dynamic"
	mkdir tree
	run --root tree /bin/ls
	expect_status 126
	expect_in err '^mote: guest: cannot run /bin/ls: it is dynamically linked, and the root has no /lib'
	cp /bin/ls tree/ls
	run --root tree /ls
	expect_status 127
}
