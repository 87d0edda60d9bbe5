# shellcheck shell=bash source-path=SCRIPTDIR
# SPDX-License-Identifier: Apache-2.0
# Debian's CPython 3, unmodified, with its standard library in the root: parts of its own test suite.
# What fails there is listed in python-known.txt, with the reason.
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$images/python.erofs
known=$here/python-known.txt

need_python() {
	[ -e "$image" ] || skip "$image is not built (./build.sh images, with Python installed)"
}

python() { # ARGUMENT...
	need_python
	run --mem 512M --root "$image" --cwd /tmp /usr/bin/python3 -- "$@"
}

# Runs modules, or classes in one, of the suite. Each failure has to be known, and each known one has to fail.
suite() { # MODULE...
	local what name pattern failed left_out=() patterns=() unknown=
	while read -r what pattern _; do
		case $what in
		left-out) left_out+=(-x "$pattern") ;;
		fails) patterns+=("$pattern") ;;
		esac
	done <"$known"
	python - "${left_out[@]}" "$@" <"$root/tests/tools/python-suite.py"
	! grep -q "No module named 'test" err || skip "libpython3.11-testsuite is not in $image"
	expect_status 0
	mv err suite.log
	expect_in out '^[0-9]+ ran, [0-9]+ failed, [0-9]+ skipped$'
	expect_not_in out '^0 ran'
	failed=$(sed '$d' out | cut -d ' ' -f 1)
	for name in $failed; do
		is_known "$name" || unknown+=" $name"
	done
	[ -z "$unknown" ] || fail "failed unexpectedly (see suite.log):$unknown"
	for pattern in "${patterns[@]}"; do
		belongs "$pattern" "$@" || continue
		for name in $failed; do
			# shellcheck disable=SC2053 # it is a pattern
			[[ $name != $pattern ]] || continue 2
		done
		fail "no failure matches $pattern any more: take it out of $known"
	done
}

is_known() { # NAME
	local candidate
	for candidate in "${patterns[@]}"; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $1 != $candidate ]] || return 0
	done
	return 1
}

# Whether a pattern is about one of the modules or classes, which it names first.
belongs() { # PATTERN MODULE...
	local module
	for module in "${@:2}"; do
		[[ $1 != "${module#test_asyncio.}".* ]] || return 0
	done
	return 1
}

test_imports() {
	python -c '
import asyncio, ctypes, decimal, hashlib, json, lzma, multiprocessing, os, sqlite3, ssl, sys, threading, zlib
print(json.dumps({"sum": sum(range(100)), "root": os.listdir("/")[:0]}))
print(sqlite3.connect(":memory:").execute("select 6 * 7").fetchone())
print(hashlib.sha256(b"mote").hexdigest()[:16], zlib.crc32(b"mote"), ctypes.sizeof(ctypes.c_long))
t = threading.Thread(target=print, args=("in a thread",)); t.start(); t.join()
sys.exit(7)'
	expect_status 7
	expect_no_err
	expect_out '{"sum": 4950, "root": []}
(42,)
e93326cea7937192 3708311034 8
in a thread'
}

test_error() {
	python -c 'import nothing'
	expect_status 1
	expect_in err "^ModuleNotFoundError: No module named 'nothing'"
}

test_script_of_the_root() {
	need_python
	need_tool mkfs.erofs
	run --root "$image" /usr/bin/python3 -- -m json.tool - < <(echo '[1, {"a": 2}]')
	expect_status 0
	expect_in out '"a": 2'
}

test_suite_files() {
	suite test_fcntl test_os
}

test_suite_json() {
	suite test_json
}

test_suite_memory() {
	suite test_mmap
}

test_suite_events() {
	suite test_select test_poll test_epoll test_selectors
}

test_suite_signals() {
	suite test_signal
}

test_suite_time() {
	suite test_time
}

test_suite_asyncio() {
	suite test_asyncio.test_{selector_events,unix_events,queues,locks}
}

test_suite_network() {
	suite test_asyncio.test_{sock_lowlevel,sendfile} test_urllib2_localnet test_wsgiref
}

test_suite_asyncio_tasks() {
	suite test_asyncio.test_tasks.CTask_CFuture_Tests
}

test_suite_thread() {
	suite test_thread
}

test_suite_threading() {
	suite test_threading.{Thread,ThreadingException,ExceptHook,Timer,SubinterpThreading,Atexit,InterruptMain}Tests \
		test_threading.{ThreadJoinOnShutdown,MiscTestCase}
}

test_suite_locks() {
	suite test_threading.{Lock,PyRLock,CRLock,Event,ConditionAsRLock,Condition,Semaphore,BoundedSemaphore,Barrier}Tests
}

# UDP, and the control messages of IPv6 (RFC 3542).
test_suite_datagrams() {
	suite test_socket.BasicUDPTest test_socket.SendmsgUDPTest test_socket.SendmsgUDP6Test \
		test_socket.RecvmsgUDPTest test_socket.RecvmsgUDP6Test test_socket.RecvmsgIntoUDPTest \
		test_socket.RecvmsgRFC3542AncillaryUDP6Test test_socket.UDPTimeoutTest
}
