# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Resets in place and starts in shells, against exits of the same VM (restore.c); sourced by run.sh.
# shellcheck disable=SC2154 # $out and $mote are run.sh's

# A snapshot of request.c that does so many pages, or exits.
restore_snapshot() { # WHAT
	"$mote" run --snapshot "$out/request-$1.snap" "$out/request" -- "$1" >"$out/request.out" 2>"$out/restore.err"
}

restore_result() { # WHAT FIGURE LIMIT
	result "$1" "$(awk -F '\t' -v name="$2" '$1 == name { print $3 }' "$out/restore.tsv")" '<=' "$3" exits
}

bench_restore() {
	echo "== resets and shells (medians; exits of the same VM)"
	if ! { restore_snapshot exits && restore_snapshot 16 && restore_snapshot 128 &&
		"$out/restore" "$out"/request-{exits,16,128}.snap >"$out/restore.tsv" 2>"$out/restore.err"; }; then
		not_run "reset in place" "$(head -n 1 "$out/restore.err")"
		return
	fi
	awk -F '\t' '{ printf "%-24s %10s us %8s exits   %s pages written\n", $1, $2, $3, $4 }' "$out/restore.tsv"
	restore_result "reset and a request of 16 pages" "reset 16" 1.3
	restore_result "reset and a request of 128 pages" "reset 128" 2
	restore_result "prepared shell to the first instruction" "shell" 3
	restore_result "shell with another snapshot, to the same" "other snapshot" 15
	echo
}
