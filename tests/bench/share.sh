# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A tree of small files on a share (tree.c), inside a microVM and outside; sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote and the like are run.sh's

share_files=2000

share_make_tree() {
	local folder file
	[ "$(find "$out/tree" -type f 2>/dev/null | wc -l)" -ne $share_files ] || return 0
	rm -rf "$out/tree"
	for ((folder = 0; folder < 40; folder++)); do
		mkdir -p "$out/tree/folder-$folder"
		for ((file = 0; file < share_files / 40; file++)); do
			head -c 3000 /dev/zero >"$out/tree/folder-$folder/file-$file"
		done
	done
}

# Exits of a run with so many passes over the tree; what it printed stays in share.out.
share_exits() { # PASSES
	"$mote" run --stats --share "$out/tree:/tree,ro" "$out/tree-walk" -- /tree "$1" \
		>"$out/share.out" 2>"$out/share.err" || return 1
	awk '$2 == "exits:" { print $1 }' "$out/share.err"
}

# Microseconds of a pass in the output of the program: the fastest of some runs.
share_fastest() { # PASS COMMAND...
	local round pass=$1
	shift
	for ((round = 0; round < micro_rounds; round++)); do
		"$@" | sed -n "${pass}p" | cut -d ' ' -f 3 || return 1
	done | sort -n | head -n 1
}

bench_share() {
	local none one two inside outside
	local walk=("$mote" run --share "$out/tree:/tree,ro" "$out/tree-walk" -- /tree)
	echo "== a tree of $share_files small files on a share (fastest of $micro_rounds runs)"
	share_make_tree
	if ! none=$(share_exits 0) || ! one=$(share_exits 1) || ! two=$(share_exits 2); then
		not_run "share: a tree of small files" "mote failed: $(head -n 1 "$out/share.err")"
		return
	fi
	printf 'exits: %d without, %d with one pass, %d with two\n' "$none" "$one" "$two"
	result "share: exits a file, first pass" \
		"$(awk -v a="$one" -v b="$none" -v n=$share_files 'BEGIN { printf "%.3f", (a - b) / n }')" \
		'<=' 2.2 exits
	result "share: exits a file, second pass" \
		"$(awk -v a="$two" -v b="$one" -v n=$share_files 'BEGIN { printf "%.3f", (a - b) / n }')" \
		'<=' 0.1 exits
	for pass in 1 2; do
		outside=$(share_fastest $pass "$out/tree-walk" "$out/tree" 2)
		inside=$(share_fastest $pass "${walk[@]}" 2)
		printf 'pass %d: outside %8d us   inside %8d us\n' "$pass" "$outside" "$inside"
	done
	result "share: second pass, mote against native" \
		"$(awk -v a="$inside" -v b="$outside" 'BEGIN { printf "%.3f", a / b }')" '<=' 3 times
	echo
}
