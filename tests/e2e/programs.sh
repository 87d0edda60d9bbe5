# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Programs from other compilers, linked in every way there is, and many kinds of load at once.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# ---- Go: images/go, without C ----

test_go() {
	[ -x "$images/go-demo" ] || skip "$images/go-demo is not built (./build.sh images, with Go installed)"
	try "$images/go-demo"
	mv out native.out
	run --mem 256M "$images/go-demo"
	expect_status 0
	expect_no_err
	cmp -s native.out out || fail "natively: $(<native.out)"
}

# Go wants 32 MiB of address space for a table before it starts; the rest has to do.
test_go_in_little_memory() {
	[ -x "$images/go-demo" ] || skip "$images/go-demo is not built (./build.sh images, with Go installed)"
	run --mem 40M "$images/go-demo" -- race memory pipes
	expect_status 0
	expect_in out '^race: 1000000 100000$'
	expect_in out '^memory: 655280$'
}

# ---- C: the same source, linked in different ways ----

# Compiles the guest stress here, under the name stress-it.
compile() { # COMPILER OPTION...
	need_tool "$1"
	"$@" -O1 -pthread "$root/tests/guests/stress.c" -o stress-it -lm >compile.log 2>&1 ||
		skip "$* does not work: $(head -n 1 compile.log)"
}

# Runs it for half a second; what it prints is the same on any system.
same_checksum() { # MOTE-RUN-ARGUMENT...
	"$guests/stress" 0 >native.out 2>native.err
	run "$@" -- 0.5
	expect_status 0
	expect_not_in err '^mote: '
	cmp -s native.out out || fail "natively: $(<native.out)"
}

# Copies what a dynamic program needs into the folder tree: the program itself, and what ldd names.
make_tree() { # LIBRARY...
	local library
	need_tool mkfs.erofs
	install -D stress-it tree/bin/stress-it
	for library; do
		install -D "$library" "tree$library"
	done
}

glibc_libraries() {
	ldd stress-it | grep -o '/[^ ]*'
}

test_static_musl() {
	same_checksum "$guests/stress"
}

test_static_glibc() {
	compile gcc -static
	same_checksum stress-it
}

test_static_pie_glibc() {
	compile gcc -static-pie
	same_checksum stress-it
}

test_dynamic_glibc() {
	compile gcc -pie
	# shellcheck disable=SC2046 # one word each
	make_tree $(glibc_libraries)
	same_checksum --root tree /bin/stress-it
	same_checksum --root tree "$PWD/stress-it"
}

test_dynamic_glibc_not_pie() {
	compile gcc -no-pie
	# shellcheck disable=SC2046 # one word each
	make_tree $(glibc_libraries)
	same_checksum --root tree /bin/stress-it
}

test_dynamic_musl() {
	[ -e /lib/ld-musl-x86_64.so.1 ] || skip "there is no dynamic musl here"
	compile musl-gcc
	make_tree /lib/ld-musl-x86_64.so.1
	same_checksum --root tree /bin/stress-it
}

# A library that the root does not have: the loader says so, and its status comes out.
test_library_is_missing() {
	compile gcc -pie
	make_tree /lib64/ld-linux-x86-64.so.2
	run --root tree /bin/stress-it
	expect_status 127
	expect_no_out
	expect_in err 'libm?c?\.so\.6: cannot open shared object file'
}

# ---- many kinds of load at once ----

test_stress() {
	same_as_native stress 3
}
