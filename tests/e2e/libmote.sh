# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# libmote: many VMs in threads under sanitizers, bad input, what an installed library offers and keeps offering, and
# that the examples of the documents compile and do what they say. The programs are in tests/lib/.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

tests=$BUILD/lib-tests

program() { # NAME
	[ -x "$tests/$1" ] || fail "$tests/$1 is not built (make lib-tests)"
}

# Runs a test program to its end: "N checks, 0 failed" is its last line.
checks() { # COMMAND...
	try "$@"
	expect_status 0
	expect_in out '^[1-9][0-9]* checks, 0 failed$'
	! grep -qE 'Sanitizer|ERROR SUMMARY: [1-9]' err || fail "a finding"
}

# Installs into the test's folder.
install_library() {
	make -s -C "$root" BUILD="$BUILD" PREFIX="$PWD/installed" install >install.log 2>&1 ||
		fail "make install: $(tail -n 3 install.log)"
	export PKG_CONFIG_PATH=$PWD/installed/lib/pkgconfig PATH=$PWD/installed/bin:$PATH
}

test_bad_input() {
	program bad
	checks "$tests/bad" config
	need_kvm
	checks "$tests/bad" vm "$guests"
}

test_bad_input_asan() {
	program bad-asan
	checks "$tests/bad-asan" config
	need_kvm
	checks "$tests/bad-asan" vm "$guests"
}

# Twice: descriptors, threads, handlers and memory are as before.
test_many() {
	need_kvm
	program many
	checks "$tests/many" "$guests" 100 4 2048
}

test_many_asan() {
	need_kvm
	program many-asan
	checks "$tests/many-asan" "$guests" 100 4
}

test_many_tsan() {
	need_kvm
	program many-tsan
	checks "$tests/many-tsan" "$guests" 100 4
}

# Output that nobody takes: nothing waits for ever, and nothing is lost.
test_streams() {
	need_kvm
	program streams
	checks "$tests/streams" "$guests"
}

test_devices() {
	need_kvm
	program devices-asan
	checks "$tests/devices" "$guests"
	checks "$tests/devices-asan" "$guests"
	need_tool passt
	checks "$tests/devices" "$guests" user
	checks "$tests/devices-asan" "$guests" user
}

# No VM runs under valgrind: the processor that it shows has no FSGSBASE, which guests need. What comes before that is
# watched: configurations, errors, and VMs that are made half and given back.
test_valgrind() {
	need_tool valgrind
	program bad
	checks valgrind --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --error-exitcode=99 \
		"$tests/bad" config
}

# A program that is linked with the library of today can go on with that of tomorrow.
test_names() {
	local library=$BUILD/lib/libmote.so.0
	need_tool nm
	nm -D --defined-only "$library" | sed -n 's/^[0-9a-f]* T \(.*\)@@\(.*\)/\1 \2/p' | LC_ALL=C sort >found
	LC_ALL=C sort "$root/tests/lib/symbols" >wanted
	diff wanted found >differences || fail "names of the library and tests/lib/symbols: $(<differences)"
	readelf -d "$library" | grep -q 'SONAME.*\[libmote.so.0\]' || fail "the soname"
	nm --defined-only --extern-only "$BUILD/lib/libmote.a" | sed -n 's/^[0-9a-f]* [A-Z] //p' | LC_ALL=C sort >static
	cut -d' ' -f1 wanted | diff - static >differences || fail "global names of libmote.a: $(<differences)"
	! nm -D "$library" | grep -wE 'U (exit|abort|atexit|printf|puts|chdir|setenv|pthread_create)' >calls ||
		fail "the library calls what is not its: $(<calls)"
}

test_layout() {
	try gcc -std=gnu11 -Wall -Wextra -Werror -I"$root/include" -fsyntax-only "$root/tests/lib/abi.c"
	expect_status 0
}

test_header() {
	printf '#include <mote/mote.h>\nint main(void) { return mote_version() == 0; }\n' >plain.c
	try gcc -std=c11 -pedantic -Wall -Wextra -Werror -I"$root/include" plain.c "$BUILD/lib/libmote.a" -o plain
	expect_status 0
	try ./plain
	expect_status 0
	need_tool g++
	try g++ -x c++ -std=c++11 -pedantic -Wall -Wextra -Werror -I"$root/include" -fsyntax-only plain.c
	expect_status 0
}

# images/embed, as its README says.
test_embed() {
	need_kvm
	need_tool pkg-config
	install_library
	cp -r "$root/images/embed" embed
	try make -C embed
	expect_status 0
	cd embed || fail "no folder"
	try ./embed ./guest guest.snap
	expect_status 0
	expect_no_err
	expect_in out '^[0-9]+ exits, 2 resets$'
	sed -i '/ exits, /d' out
	expect_out 'the guest has started
200: request 1: GET /one
200: request 2: GET /two
200: request 1: GET /three
interrupted: the call was interrupted
200: request 1: GET /four'
}

# The examples of docs/libmote.md are one program.
test_documents() {
	need_kvm
	need_tool pkg-config
	install_library
	awk '/^```/ { is_code = ($0 == "```c"); next } is_code' "$root/docs/libmote.md" >document.c
	sed -n 's/^\(mote_[a-z_]*\) .*/\1/p' "$root/tests/lib/symbols" | while read -r name; do
		grep -q "$name(" document.c || fail "docs/libmote.md has no example of $name()"
	done
	# shellcheck disable=SC2046 # words
	try gcc -Wall -Wextra -Werror -D_GNU_SOURCE document.c -o shared -pthread $(pkg-config --cflags --libs mote)
	expect_status 0
	# shellcheck disable=SC2046
	try gcc -static -D_GNU_SOURCE document.c -o static -pthread $(pkg-config --cflags --libs mote)
	expect_status 0
	try env LD_LIBRARY_PATH=installed/lib ./shared "$guests/status" "$guests/function_faults" "$guests/spin"
	expect_status 0
	expect_in out '^status 7$'
	[ "$(grep -c '^200, 0 headers: POST /hello?n=1 -$' out)" -eq 3 ] || fail "three answers"
	try ./static "$guests/status" "$guests/function_faults" "$guests/spin"
	expect_status 0
}

test_python() {
	need_kvm
	need_tool python3
	awk '/^```/ { is_code = ($0 == "```python"); next } is_code' "$root/docs/libmote.md" >document.py
	cp "$root/images/embed/mote_embed.py" .
	try env MOTE_LIBRARY="$BUILD/lib/libmote.so.0" python3 document.py "$guests/function_faults" function.snap
	expect_status 0
	expect_no_err
	expect_out '200 GET /one -
200 GET /two -
3 runs'
	cp "$root/tests/lib/binding.py" .
	try env MOTE_LIBRARY="$BUILD/lib/libmote.so.0" python3 binding.py "$guests" function.snap
	expect_status 0
}

# Where the process is there for one VM.
test_confined() {
	need_kvm
	program confined
	try "$tests/confined" "$images/hello"
	expect_status $((128 + $(kill -l SYS)))
	expect_out 'Hello from a microVM!
exited with 0'
}
