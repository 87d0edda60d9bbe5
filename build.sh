#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The one command to build, run and test Mote on a Debian system: installs the packages that are
# missing (scripts/packages.txt says which and why), then calls make. Costs nothing when all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
	cat <<'TEXT'
usage: ./build.sh [COMMAND]

  ./build.sh           build into build/
  ./build.sh run       build, then run two programs in microVMs and show what happened
  ./build.sh test      build, then run all tests
  ./build.sh bench     build, then measure against the KVM floor and other sandboxes
  ./build.sh lint      check layout and run the static analysers
  ./build.sh fuzz      run each fuzz target for a minute
  ./build.sh ci        build, then run all tests, and each fuzz target for 20 seconds
  ./build.sh images    build the demo guests (Lua, SQLite, Go, Python)
  ./build.sh install   build, then make install (DESTDIR=, PREFIX=)
  ./build.sh clean     remove what was built

Anything else goes to make as it is, as does what follows a command: ./build.sh test V=1
Debian packages that a command needs and that are missing are named, then installed.
TEXT
}

die() {
	printf 'build.sh: %s\n' "$*" >&2
	exit 1
}

# Prints the packages of the groups in "$@", one a line.
packages_of() {
	awk -v groups=" $* " '!/^#/ && NF && index(groups, " " $1 " ") { print $2 }' scripts/packages.txt
}

# Prints the packages among "$@" that are not installed.
missing_of() {
	local installed
	# dpkg-query fails when it does not know a package, and names the others all the same.
	installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		awk '$1 == "installed" { print $2 }') || true
	printf '%s\n' "$@" | grep -vxF -e "$installed" || true
}

# Runs apt-get without questions, its output kept in a log that is shown only on failure ($log).
# Warnings about repositories that have nothing to do with Mote fail nothing.
apt() {
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" \
		</dev/null >>"$log" 2>&1
}

# Installs what is missing of the groups in "$@".
need() {
	local -a wanted missing as_root=()
	local package log
	if ! command -v dpkg-query >/dev/null; then
		printf 'build.sh: not a Debian system: see scripts/packages.txt for what has to be there\n' >&2
		return
	fi
	mapfile -t wanted < <(packages_of "$@")
	mapfile -t missing < <(missing_of "${wanted[@]}")
	[ ${#missing[@]} -gt 0 ] || return 0

	printf 'Missing Debian packages:\n'
	for package in "${missing[@]}"; do
		awk -v name="$package" '!/^#/ && $2 == name {
			$1 = $2 = ""
			printf "  %-18s %s\n", name, substr($0, 3)
		}' scripts/packages.txt
	done
	if [ "$(id -u)" -ne 0 ]; then
		command -v sudo >/dev/null || die "root is needed to install them. Run this as root, then again:
  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
		as_root=(sudo)
	fi
	printf 'Installing them with apt-get.\n'
	log=$(mktemp)
	# shellcheck disable=SC2064 # the name is wanted now
	trap "rm -f '$log'" EXIT
	apt update || true
	if ! apt install --no-install-recommends "${missing[@]}"; then
		tail -n 30 "$log" >&2
		die "apt-get could not install: ${missing[*]}"
	fi
}

jobs=-j$(nproc)

# Shows a command, runs it and says how long it took. A failure ends the script with its status.
show() {
	local start=${EPOCHREALTIME/[.,]/} status=0
	printf '\n$'
	printf ' %q' "$@"
	printf '\n'
	"$@" </dev/null || status=$?
	printf '  -- exit status %d, %d.%03d ms from start to end\n' "$status" \
		$(((${EPOCHREALTIME/[.,]/} - start) / 1000)) $(((${EPOCHREALTIME/[.,]/} - start) % 1000))
	if [ "$status" -ne 0 ]; then
		printf 'build.sh: that failed; build/mote doctor says what this machine lacks\n' >&2
		exit "$status"
	fi
}

run_demo() {
	printf 'A C program compiled by mote-cc, in a microVM of its own:\n'
	show build/mote run --stats build/images/hello
	printf '\nThe busybox of Debian, as it is installed:\n'
	# shellcheck disable=SC2016 # the guest's shell expands it
	show build/mote run /bin/busybox -- sh -c \
		'echo $((6*7)); while read l; do echo "[$l]"; done < /etc/os-release'
}

command=${1:-all}
[ $# -eq 0 ] || shift
case $command in
help | -h | --help)
	usage
	;;
clean)
	command -v make >/dev/null || need build
	make clean "$@"
	;;
run)
	need build demo
	make "$jobs" "$@"
	run_demo
	;;
test)
	need build demo images test
	make "$jobs" "$@"
	make "$jobs" test "$@"
	;;
ci)
	need build demo images test fuzz
	make "$jobs" "$@"
	make "$jobs" ci "$@"
	;;
bench)
	need build demo images bench
	make "$jobs" "$@"
	make bench "$@"
	;;
lint)
	need build test lint
	make "$jobs" lint "$@"
	;;
fuzz)
	need build fuzz
	make fuzz "$@"
	;;
images)
	need build demo images
	make "$jobs" images "$@"
	;;
*)
	need build
	make "$jobs" "$command" "$@"
	;;
esac
