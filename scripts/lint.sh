#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks layout and runs the static analysers; `make lint` calls it after generating what they include.
#
# usage: lint.sh [format|tidy|cppcheck|shell|fix]...     (all but fix when none is named)
#
# BUILD  the build folder (build)
#
# `fix` puts the layout right. The exit status is 1 when a check has findings, 2 when a tool is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=${BUILD:-build}
libfdt=$BUILD/third_party/device-tree-compiler/libfdt
jobs_max=${LINT_JOBS:-2}
status=0

# Files of the repository that end in one of the extensions; those of the build folder are not.
files() { # FOLDERS... -- EXTENSIONS...
	local -a folders=() names=()
	while [ "$1" != -- ]; do
		[ ! -d "$1" ] || folders+=("$1")
		shift
	done
	shift
	for extension; do
		names+=(-o -name "*.$extension")
	done
	find "${folders[@]}" -type f \( "${names[@]:1}" \) | sort
}

need() { # TOOL
	command -v "$1" >/dev/null && return
	printf 'lint.sh: %s is not installed: ./build.sh lint installs it\n' "$1" >&2
	exit 2
}

# Says how a check went.
report() { # NAME STATUS
	if [ "$2" -eq 0 ]; then
		printf 'lint: %s: ok\n' "$1"
	else
		printf 'lint: %s: FAILED\n' "$1"
		status=1
	fi
}

c_folders=(vmm guestkit virtio snapshot include tests tools images)

check_format() {
	need clang-format
	files "${c_folders[@]}" -- c h | xargs clang-format --dry-run -Werror
}

fix_format() {
	need clang-format
	files "${c_folders[@]}" -- c h | xargs clang-format -i
}

# The flags of the makefile as far as an analyser needs them.
common=(-std=gnu11 -D_GNU_SOURCE '-DMOTE_VERSION="0"' -I. -Iinclude "-I$BUILD" -isystem "$libfdt")
kit=(-ffreestanding -nostdlib -mcmodel=kernel -fno-pic -mno-red-zone -fno-stack-protector)

check_tidy() {
	local failed=0
	need clang-tidy
	tidy "${common[@]}" < <(files vmm virtio snapshot tools -- c) || failed=1
	tidy "${common[@]}" "${kit[@]}" < <(files guestkit -- c) || failed=1
	return "$failed"
}

# Reads names of files; the arguments are compiler flags.
tidy() {
	local log failed=0
	log=$(mktemp)
	# One log a process: xargs keeps the processes apart, and only findings are shown.
	tr '\n' '\0' | FLAGS="$(printf '%q ' "$@")" xargs -0 -r -P "$jobs_max" -n 1 bash -c '
		eval "flags=($FLAGS)"
		out=$(clang-tidy --quiet "$1" -- "${flags[@]}" 2>/dev/null) || {
			printf "%s\n" "$out"
			exit 1
		}' tidy >"$log" || failed=1
	cat "$log"
	rm -f "$log"
	return "$failed"
}

check_cppcheck() {
	local -a options=(--quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c
		--enable=warning,portability,performance --suppressions-list=scripts/cppcheck.txt
		--platform=unix64 -j "$jobs_max" -D_GNU_SOURCE -D__x86_64__ -D__STDC__
		'-DMOTE_VERSION="0"' -I. -Iinclude "-I$BUILD")
	need cppcheck
	files vmm guestkit virtio snapshot tools tests/guests tests/bench images -- c |
		cppcheck "${options[@]}" --file-list=-
}

check_shell() {
	need shellcheck
	{
		files scripts tests images .ci -- sh
		# Those without an extension say what they are in their first line.
		grep -rlE --exclude-dir=build --exclude='*.*' '^#!.*\<(ba)?sh$' \
			scripts tests images guestkit .ci tools || true
		printf '%s\n' build.sh
		# A template, but shell all the same.
		printf '%s\n' guestkit/mote-cc.in
	} | sort -u | xargs shellcheck -x -P SCRIPTDIR
}

[ $# -gt 0 ] || set -- format shell cppcheck tidy
for check; do
	case $check in
	fix) fix_format ;;
	format | tidy | cppcheck | shell)
		result=0
		"check_$check" || result=1
		report "$check" "$result"
		;;
	*)
		printf 'usage: lint.sh [format|tidy|cppcheck|shell|fix]...\n' >&2
		exit 2
		;;
	esac
done
exit "$status"
