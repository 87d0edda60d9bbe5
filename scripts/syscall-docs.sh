#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Writes the table of docs/syscalls.md anew from guestkit/libc-shim/syscall_table.h. Notes that stand in
# the table are kept: they are edited there, and nowhere else.
#
# usage: syscall-docs.sh [--check]
#
# --check  change nothing; fail where the page would change
#
# Either way it fails where the page's second table, of calls that are not served, has one that is.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
table=$root/guestkit/libc-shim/syscall_table.h
page=$root/docs/syscalls.md

fail() {
	printf 'syscall-docs: %s\n' "$*" >&2
	exit 1
}

case ${1-} in
'' | --check) ;;
*) fail "usage: scripts/syscall-docs.sh [--check]" ;;
esac

# "NUMBER NAME" of each call served, in order of number.
served() {
	sed -nE 's/^SYSCALL\(([0-9]+), ([a-z0-9_]+), "[^"]*"\)$/\1 \2/p' "$table" | sort -n
}

lines=$(grep -c '^SYSCALL(' "$table") || fail "$table lists no system calls"
[ "$(served | wc -l)" -eq "$lines" ] || fail "a line of $table is not SYSCALL(number, name, \"letters\")"
twice=$(served | cut -d' ' -f1 | uniq -d)
[ -z "$twice" ] || fail "$table has a number twice: ${twice//$'\n'/ }"
for mark in served not-served; do
	for end in begin end; do
		[ "$(grep -cx "<!-- $mark: $end -->" "$page")" -eq 1 ] ||
			fail "$page needs the line <!-- $mark: $end --> once"
	done
done

# Rows between the marks of a table, without its head: | number | `name` | note |
rows() { # MARK
	sed -n "/^<!-- $1: begin -->\$/,/^<!-- $1: end -->\$/p" "$page" | grep -E '^\| [0-9]+ \|' || true
}

# shellcheck disable=SC2016 # the backquotes are Markdown's
both=$(join -j 1 <(served | cut -d' ' -f2 | sort) \
	<(rows not-served | sed -E 's/^\| [0-9]+ \| `([a-z0-9_]+)` .*/\1/' | sort))
[ -z "$both" ] || fail "docs/syscalls.md says that these are not served, and they are: ${both//$'\n'/ }"

new=$(mktemp)
trap 'rm -f "$new"' EXIT
awk -v calls="$(served)" '
	function print_table(   i, n, line, part) {
		print "| number | call | note |"
		print "|---|---|---|"
		n = split(calls, line, "\n")
		for (i = 1; i <= n; i++) {
			split(line[i], part, " ")
			print "| " part[1] " | `" part[2] "` | " note[part[2]] (note[part[2]] == "" ? "|" : " |")
		}
	}
	# First pass: the notes.
	NR == FNR {
		if ($0 == "<!-- served: begin -->") inside = 1
		else if ($0 == "<!-- served: end -->") inside = 0
		else if (inside && match($0, /^\| [0-9]+ \| `[a-z0-9_]+` \| ?/)) {
			rest = substr($0, RLENGTH + 1)
			sub(/ ?\|$/, "", rest)
			split($0, part, "`")
			note[part[2]] = rest
		}
		next
	}
	$0 == "<!-- served: begin -->" { print; print_table(); skip = 1; next }
	$0 == "<!-- served: end -->" { skip = 0 }
	!skip { print }
' "$page" "$page" >"$new"

if cmp -s "$new" "$page"; then
	exit 0
elif [ "${1-}" = --check ]; then
	diff -u "$page" "$new" >&2 || true
	fail "the table of docs/syscalls.md is not that of syscall_table.h: run scripts/syscall-docs.sh"
else
	cat "$new" >"$page"
fi
