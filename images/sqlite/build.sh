#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the sqlite3 shell from Debian's source package as a static program for `mote run`.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
out=${1:-$root/build/images/sqlite3}
cc=${MOTE_CC:-$root/build/mote-cc}
src=$root/build/third_party/sqlite3

command -v tclsh >/dev/null || {
	echo "images/sqlite: tclsh is missing, which SQLite generates its sources with: install the package tcl" >&2
	exit 1
}
"$root/scripts/fetch-source.sh" sqlite3
mkdir -p "$(dirname "$out")"
# Sources are generated in a folder of this run alone, so that two runs never mix.
work=$(mktemp -d "$out.work.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The amalgamation and shell.c come from SQLite's own makefile and Tcl scripts, with host tools.
if ! env -u MAKEFLAGS -u MFLAGS make -s -C "$work" -f "$src/main.mk" \
	TOP="$src" BCC="gcc -O1" TCC=gcc NAWK=awk sqlite3.c shell.c >"$work/generate.log" 2>&1; then
	cat "$work/generate.log" >&2
	exit 1
fi
# No threads, extensions or line editing: one thread of one static program uses this library. The
# shell's .system and .shell would need fork, which a guest does not have.
"$cc" -O2 -g -DNDEBUG -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION -DSQLITE_NOHAVE_SYSTEM \
	-DSQLITE_ENABLE_MATH_FUNCTIONS -DHAVE_READLINE=0 -DHAVE_EDITLINE=0 \
	"$work/sqlite3.c" "$work/shell.c" -lm -o "$work/sqlite3"
mv "$work/sqlite3" "$out"
