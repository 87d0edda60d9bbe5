#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the documentation against the sources. Prints a line for each thing that is missing or wrong and
# exits with 1 when there is one.
#
#   docs/abi.md          every hypercall of abi.h, with its number and arguments, and no other; the ABI version
#   docs/syscalls.md     every system call of syscall_table.h, and no other (syscall-docs.sh --check)
#   docs/device-tree.md  every node and property that vmm/device_tree.c writes
#   docs/stats.md        every key and every phase that vmm/stats.c prints
#   docs/man/mote-run.1  every option of vmm/options.c; mote-restore.1 those that only it has
#   docs/man/mote-build.1  every option of packer/main.c
#   docs/man/mote-bench.1  every option of measure/bench_main.c
#   docs/man/mote-trace.1  every option of measure/trace_main.c
#   docs/startup-testing.md  every key of specifications (measure/spec.c) and of budgets (measure/measures.h)
#   all                  constants: a table row "| `MOTE_NAME` | `VALUE` |" has the value of abi.h; and links to
#                        files lead to files
#
# shellcheck disable=SC2016 # backquotes in single quotes are Markdown's
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
failures=0

wrong() {
	printf 'check-docs: %s\n' "$*" >&2
	failures=$((failures + 1))
}

# Fails unless a list from the sources has something on it: a pattern that no longer fits finds nothing.
nonempty() { # TEXT WHAT
	[ -n "$1" ] || wrong "found no $2 in the sources: check-docs.sh no longer fits them"
}

check_hypercalls() {
	local listed number name arguments rest
	listed=$(sed -nE 's/^[[:space:]]*X\(([0-9]+), ([a-z_]+), "([^"]*)".*/\1|\2|\3/p' include/mote/abi.h)
	nonempty "$listed" hypercalls
	while IFS='|' read -r number name arguments; do
		grep -qF "| $number | \`$name\` | ${arguments:-none} |" docs/abi.md ||
			wrong "docs/abi.md lacks the row | $number | \`$name\` | ${arguments:-none} | ..."
	done <<<"$listed"
	while read -r number name rest; do
		grep -qF "$number|${name//\`/}|" <<<"$listed" ||
			wrong "docs/abi.md has a hypercall $number $name that abi.h has not"
	done < <(sed -n '/^## Hypercalls/,/^## /p' docs/abi.md |
		sed -nE 's/^\| ([0-9]+) \| (`[a-z_]+`) \|.*/\1 \2 /p')
	number=$(sed -nE 's/^#define MOTE_ABI_VERSION ([0-9]+)$/\1/p' include/mote/abi.h)
	grep -q "ABI version $number\\b" docs/abi.md || wrong "docs/abi.md does not say ABI version $number"
}

check_device_tree() {
	local names name
	names=$(grep -oE '(fdt_property[a-z_0-9]*|fdt_begin_node|put_list|put_range)\(tree, "[^"]+"' vmm/device_tree.c |
		cut -d'"' -f2 | sort -u)
	nonempty "$names" "device tree properties"
	for name in $names; do
		grep -qF "\`$name\`" docs/device-tree.md || wrong "docs/device-tree.md lacks $name"
	done
}

check_stats() {
	local names name
	names=$(
		# keys of the object
		grep -oE '\\"[a-z_]+\\":' vmm/stats.c | tr -d '\\":'
		# phases and causes of exits
		grep -oE '^[[:space:]]*\{"[a-z_]+", "' vmm/stats.c | cut -d'"' -f2
		grep -oE '^[[:space:]]*\[[^]]*\] = "[a-z_]+"' vmm/stats.c | cut -d'"' -f2
		grep -oE 'X\([0-9]+, [a-z_]+,' include/mote/abi.h | tr -d ',' | cut -d' ' -f2
	)
	[ "$(wc -l <<<"$names")" -gt 20 ] || nonempty "" "keys of --stats"
	for name in $names; do
		grep -qF "\`$name\`" docs/stats.md || wrong "docs/stats.md lacks $name"
	done
}

check_page() { # PAGE OPTION...
	local page=$1 name
	shift
	nonempty "$*" "options for $page"
	for name; do
		grep -qE "^\.It Fl ([a-z] , Fl )?\\\\-${name//-/\\\\-}( |\$)" "$page" || wrong "$page lacks --$name"
	done
}

check_bench() {
	local keys key
	# shellcheck disable=SC2046
	check_page docs/man/mote-bench.1 \
		$(grep -oE '\{"[a-z-]+", (required|no)_argument' measure/bench_main.c | cut -d'"' -f2)
	# shellcheck disable=SC2046
	check_page docs/man/mote-trace.1 \
		$(grep -oE '&words, "--[a-z-]+"' measure/trace_main.c | cut -d'"' -f2 | cut -c3-) no-pages restore
	keys=$(
		sed -nE 's/^ +\{(\.name = )?"([a-z_]+)".*/\2/p' measure/spec.c
		sed -n '/define BENCH_BUDGETS/,/^$/s/.*X(\([a-z0-9_]*\),.*/\1/p' measure/measures.h | grep -v key
	)
	nonempty "$keys" "keys of specifications"
	for key in $keys; do
		grep -qF "\`$key\`" docs/startup-testing.md || wrong "docs/startup-testing.md lacks $key"
	done
}

# The entries of the table are on several lines each; the last word says which commands have it.
run_options() { # COMMANDS
	sed -n '/run_option_table\[\] = {/,/^};/p' vmm/options.c | tr -d '\n' | sed 's/},/},\n/g' |
		grep -E "($1)}," | grep -oE '\{"[a-z-]+", OPTION_' | cut -d'"' -f2
}

check_options() {
	# shellcheck disable=SC2046 # names of options are words
	check_page docs/man/mote-run.1 $(run_options 'RUN_ONLY|RUN_AND_RESTORE')
	# shellcheck disable=SC2046
	check_page docs/man/mote-restore.1 $(run_options RESTORE_ONLY)
	# shellcheck disable=SC2046
	check_page docs/man/mote-build.1 \
		$(grep -oE '\{"[a-z-]+", (required|no)_argument' packer/main.c | cut -d'"' -f2)
}

# The compiler compares: values in abi.h are expressions.
check_constants() {
	local rows line errors
	rows=$(sed -nE 's/^\| `(MOTE_[A-Z0-9_]+)` \| `([^`]+)` \|.*/\1 \2/p' README.md docs/*.md docs/*/*.md)
	nonempty "$rows" "constants in documents"
	errors=$({
		printf '#include "mote/abi.h"\n'
		awk '{ printf "_Static_assert((%s) == (%s), \"%s is documented as %s\");\n", $1, $2, $1, $2 }' <<<"$rows"
	} | gcc -std=gnu11 -Iinclude -fsyntax-only -x c - 2>&1 | sed -n 's/.*error: //p') || true
	while read -r line; do
		[ -z "$line" ] || wrong "$line"
	done <<<"$errors"
}

check_links() {
	local page target folder
	while IFS= read -r page; do
		folder=$(dirname "$page")
		while IFS= read -r target; do
			[ -e "$folder/${target%%#*}" ] || wrong "$page links to $target, which is not there"
		done < <(grep -oE '\]\([^)#][^)]*\)' "$page" | sed -E 's/^\]\(//; s/\)$//' | grep -vE '^[a-z]+:' || true)
	done < <(find . -path ./build -prune -o -name '*.md' -print)
}

scripts/syscall-docs.sh --check || wrong "docs/syscalls.md is out of date"
check_hypercalls
check_device_tree
check_stats
check_options
check_bench
check_constants
check_links
[ "$failures" -eq 0 ]
