#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks layout and runs the static analysers; `make lint` calls it after generating what they include.
#
# usage: lint.sh [format|shell|cppcheck|tidy|fix]...     (all but fix when none is named)
#
# BUILD  the build folder (build)
#
# `fix` puts the layout right. The exit status is 1 when a check has findings, 2 when a tool is missing.
# shellcheck disable=SC2317 # the checks are called by name, through run()
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
BUILD=${BUILD:-build}
libfdt=$BUILD/third_party/device-tree-compiler/libfdt
lwip=$BUILD/third_party/lwip/src/include
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

# Runs a check and says how it went.
run() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then
		printf 'lint: %s: ok\n' "$name"
	else
		printf 'lint: %s: FAILED\n' "$name"
		status=1
	fi
}

c_folders=(vmm libmote serve packer measure guestkit virtio snapshot include tests tools images)
# The flags of the makefile as far as an analyser needs them.
common=(-std=gnu11 -D_GNU_SOURCE '-DMOTE_VERSION="0"' -I. -Iinclude "-I$BUILD" -isystem "$libfdt" -isystem "$BUILD/xxhash"
	-isystem "$BUILD/third_party/libb2/src" -isystem "$BUILD/blake2")
kit=(-Iguestkit/net -isystem "$lwip" -ffreestanding -nostdlib -mcmodel=kernel -fno-pic -mno-red-zone -fno-stack-protector)

format() { # OPTIONS...
	need clang-format
	files "${c_folders[@]}" -- c h | xargs clang-format "$@"
}

# The last argument is the file, those before it are compiler flags. Counts of warnings in the headers
# of others go to stderr and are not shown.
tidy_one() {
	local out
	out=$(clang-tidy --quiet "${@:$#}" -- "${@:1:$#-1}" 2>/dev/null) || {
		printf '%s\n' "$out"
		return 1
	}
}
export -f tidy_one

# Reads names of files; the arguments are compiler flags.
tidy_files() {
	xargs -r -P "$jobs_max" -n 1 bash -c 'tidy_one "$@"' tidy "$@"
}

tidy() {
	local failed=0
	need clang-tidy
	files vmm libmote packer measure virtio snapshot tools -- c | tidy_files "${common[@]}" || failed=1
	files guestkit -- c | tidy_files "${common[@]}" "${kit[@]}" || failed=1
	return "$failed"
}

cpp_check() {
	local -a options=(--quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c
		--enable=warning --enable=portability --enable=performance
		--suppressions-list=scripts/cppcheck.txt --platform=unix64 -j "$jobs_max"
		-D_GNU_SOURCE -D__x86_64__ '-DMOTE_VERSION="0"' -I. -Iinclude "-I$BUILD")
	need cppcheck
	files vmm libmote packer measure guestkit virtio snapshot tools tests/guests tests/bench images -- c |
		cppcheck "${options[@]}" --file-list=-
}

# Every shell script: by its extension, else by its first line.
shell_files() {
	files scripts tests images -- sh
	grep -rlE --exclude='*.*' '^#!.*[/ ](ba)?sh$' scripts tests images .ci tools || true
	printf '%s\n' build.sh guestkit/mote-cc.in
}

shell() {
	need shellcheck
	shell_files | sort -u | xargs shellcheck -x -P SCRIPTDIR
}

[ $# -gt 0 ] || set -- format shell cppcheck tidy
for check; do
	case $check in
	fix) format -i ;;
	format) run format format --dry-run -Werror ;;
	shell) run shell shell ;;
	cppcheck) run cppcheck cpp_check ;;
	tidy) run tidy tidy ;;
	*)
		printf 'usage: lint.sh [format|shell|cppcheck|tidy|fix]...\n' >&2
		exit 2
		;;
	esac
done
exit "$status"
