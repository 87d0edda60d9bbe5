# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What the end-to-end tests share: running mote, and looking at what came of it.
#
# A test runs in a bash of its own (-euo pipefail) in an empty folder. It fails through fail() and is
# skipped through skip(). Commands run by try(), run() and their relatives leave their output in the
# files out and err and their exit status in $status.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
mote=$BUILD/mote
guests=$BUILD/guests
images=$BUILD/images
busybox=/bin/busybox
status=0
export root
readonly here root mote guests images busybox

# Caches of the user are not touched: neither read nor filled.
export HOME=$BUILD/e2e/home XDG_CACHE_HOME=$BUILD/e2e/home/.cache LC_ALL=C TERM=xterm
mkdir -p "$XDG_CACHE_HOME"

fail() { # TEXT...
	printf '%s\n' "$*"
	printf 'exit status: %s\n' "$status"
	for file in out err; do
		[ ! -s "$file" ] || printf -- '--- %s:\n%s\n' "$file" "$(head -c 3000 "$file" | tr -d '\0')"
	done
	exit 1
}

skip() { # REASON
	printf '%s\n' "$*"
	exit 77
}

# Without /dev/kvm nothing can be run; with one that does not work, tests fail and say so.
need_kvm() {
	[ -e /dev/kvm ] || skip "there is no /dev/kvm"
}

need_tool() { # COMMAND
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

need_image() { # NAME
	[ -x "$images/$1" ] || skip "$images/$1 is not built (./build.sh images)"
}

# The loader's name stands right behind the program headers.
is_dynamic() { # FILE
	head -c 1024 "$1" | grep -qa '/ld-'
}

need_busybox() {
	[ -x "$busybox" ] || skip "$busybox is not installed"
	! is_dynamic "$busybox" || skip "$busybox is not static"
}

# ---- running ----

# Whether nobody is left in the process group, at the latest in a second: the kernel ends processes one after the other.
group_ends() {
	local i
	for ((i = 0; i < 20; i++)); do
		kill -0 -- "-$(<pid)" 2>kill.log || return 0
		sleep 0.05
	done
	return 1
}

# The file pid names the process group that the command and all its children are in.
try() { # COMMAND ARGUMENT...
	status=0
	(
		echo "$BASHPID" >pid
		exec timeout -k 2 45 "$@" >out 2>err
	) || status=$?
	[ "$status" -ne 137 ] || ! grep -q '^mote: the guest ran' err || fail "had to be killed"
	group_ends || fail "a process was left behind: $(ps -o pid,stat,args --no-headers -g "$(<pid)")"
	rm -f pid kill.log
}

# MOTE_RUN_OPTIONS: options for all of them, for topics that run the tests of another one in another way.
read -ra run_options <<<"${MOTE_RUN_OPTIONS-}"

run() { # MOTE-RUN-ARGUMENT...
	need_kvm
	try "$mote" run "${run_options[@]}" "$@"
}

# A guest of ours, by its name.
guest() { # NAME ARGUMENT...
	[ -x "$guests/$1" ] || fail "$guests/$1 is not built"
	run "$guests/$1" -- "${@:2}"
}

# Waits until a file has a line, for things that run in the background.
wait_for() { # PATTERN FILE
	local i
	for ((i = 0; i < 2000; i++)); do
		! grep -q "$1" "$2" 2>/dev/null || return 0
		sleep 0.01
	done
	fail "no line \"$1\" in $2 after 20 s"
}

# A guest that does its worst: runs with a /tmp of its own, where the system allows that, and leaves
# no process, no file here and none in /tmp. What it ended with is the caller's to judge.
hostile() { # MOTE-RUN-ARGUMENT...
	local before
	local -a confine=()
	need_kvm
	before=$(find . -type f | LC_ALL=C sort)
	if [[ $BUILD/ != /tmp/* ]] && unshare --mount --map-root-user mount -t tmpfs none /tmp 2>unshare.log; then
		# shellcheck disable=SC2016 # the inner shell expands it
		confine=(unshare --mount --map-root-user sh -c
			'mount -t tmpfs none /tmp || exit 99; "$@"; s=$?; ls -A /tmp >leftovers; exit $s' sh)
	fi
	rm -f unshare.log leftovers
	try "${confine[@]}" "$mote" run "$@"
	[ ! -s leftovers ] || fail "left in /tmp: $(<leftovers)"
	rm -f leftovers
	[ "$(find . -type f ! -name out ! -name err | LC_ALL=C sort)" = \
		"$(grep -vxE '\./(out|err)' <<<"$before" || true)" ] || fail "left a file: $(ls)"
	still_alive
}

# mote came to its end in its own way: neither did it fail nor did a signal kill it. A guest's crash
# is told apart from mote's own by the report, which a dead mote does not write.
still_alive() {
	# The kit, too, can choose status 125, when something calls its entry with nonsense.
	[ "$status" -ne 125 ] || grep -q '^mote: guest kit: ' err || fail "mote failed"
	if [ "$status" -ge 128 ] && [ "$status" -le 192 ]; then
		grep -qE '^mote: (the guest|guest: out of memory)' err || fail "status $status without a report: did mote itself crash?"
	fi
	! grep -qE 'Sanitizer|runtime error' err || fail "undefined behaviour in mote"
}

# ---- looking ----

expect_status() { # STATUS
	[ "$status" -eq "$1" ] || fail "expected exit status $1"
}

expect_out() { # TEXT (without its last newline)
	printf '%s\n' "$1" | cmp -s - out || fail "expected this output: $1"
}

expect_no_out() {
	[ ! -s out ] || fail "expected no output"
}

expect_no_err() {
	[ ! -s err ] || fail "expected nothing on stderr"
}

expect_in() { # FILE REGEX
	grep -qE -- "$2" "$1" || fail "expected a line like \"$2\" in $1"
}

expect_not_in() { # FILE REGEX
	! grep -qE -- "$2" "$1" || fail "expected no line like \"$2\" in $1"
}

# mote's own failure: this status, one line on stderr and nothing else.
expect_error() { # STATUS REGEX
	expect_status "$1"
	expect_no_out
	[ "$(wc -l <err)" -eq 1 ] || fail "expected one line on stderr"
	expect_in err "^mote: .*($2)"
}

# A crash with everything that makes it readable. FUNCTION is the innermost, at FILE:line.
expect_crash() { # SIGNAL FUNCTION [FILE]
	local number=${1}
	number=$(kill -l "${1#SIG}")
	expect_status $((128 + number))
	expect_in err "^mote: the guest died of $1 \($number\)"
	expect_in err '^ +rip [0-9a-f]{16} '
	expect_in err '^ +rax +[0-9a-f]{16} '
	expect_in err "^ +#0 .* in $2\\+0x[0-9a-f]+${3:+ at .*$3:[0-9]+}"
}

# A guest behaves in the microVM as it does on Linux: same output, same exit status.
same_as_native() { # GUEST ARGUMENT...
	[ -x "$guests/$1" ] || fail "$guests/$1 is not built"
	try "$guests/$1" "${@:2}"
	mv out native.out
	local native_status=$status
	guest "$@"
	expect_status "$native_status"
	cmp -s native.out out || fail "natively the output is: $(head -c 2000 native.out)"
}

# Milliseconds since a moment that was taken from $EPOCHREALTIME.
since() { # MOMENT
	echo $(((${EPOCHREALTIME/[.,]/} - ${1/[.,]/}) / 1000))
}
