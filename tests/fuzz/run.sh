#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs libFuzzer targets, each for a while, from seeds and what earlier runs have found.
#
# usage: run.sh SECONDS TARGET...
#
# BUILD      the build folder (build). $BUILD/fuzz/corpus/NAME holds the corpus of fuzz_NAME, which grows
#            from run to run; $BUILD/fuzz/findings/ the inputs that broke a target.
# FUZZ_JOBS  targets at a time (2)
#
# Seeds come from seed-NAME.sh beside this script, once; its exit status 77 means that a tool it needs
# is missing. The last line is the total, alone. The exit status is 1 when a target found something.
set -euo pipefail

fuzz=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BUILD=${BUILD:-$fuzz/../../build}
findings=$BUILD/fuzz/findings
jobs_max=${FUZZ_JOBS:-2}

# Fill the corpus, unless it was filled by the present seed script.
make_seeds() { # NAME CORPUS
	local script=$fuzz/seed-$1.sh status=0
	mkdir -p "$2"
	[ -x "$script" ] || return 0
	[ ! "$2/.seeded" -nt "$script" ] || return 0
	"$script" "$2" || status=$?
	case $status in
	0) touch "$2/.seeded" ;;
	77) printf 'fuzz_%s: no seeds\n' "$1" ;;
	*)
		printf '%s failed with status %d\n' "$script" "$status" >&2
		return 1
		;;
	esac
}

run_target() { # SECONDS TARGET
	local name corpus log status=0 artifact
	name=$(basename "$2")
	name=${name#fuzz_}
	corpus=$BUILD/fuzz/corpus/$name
	log=$BUILD/fuzz/$name.log
	make_seeds "$name" "$corpus" || return 1
	"$2" -max_total_time="$1" -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
		-artifact_prefix="$findings/$name-" "$corpus" </dev/null >"$log" 2>&1 || status=$?
	if [ "$status" -eq 0 ]; then
		printf 'fuzz_%s: ok, %s inputs in %d s, corpus of %d\n' "$name" \
			"$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")" "$1" \
			"$(find "$corpus" -type f ! -name .seeded | wc -l)"
		return 0
	fi
	tail -n 40 "$log" | sed 's/^/    /'
	artifact=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
	printf 'fuzz_%s: FAILED with status %d; the log is %s\n' "$name" "$status" "$log"
	[ -z "$artifact" ] || printf 'run it again with: %s %s\n' "$2" "$artifact"
	return 1
}

if [ $# -lt 2 ] || ! [[ $1 =~ ^[1-9][0-9]*$ ]]; then
	printf 'usage: run.sh SECONDS TARGET...\n' >&2
	exit 2
fi
seconds=$1
shift
mkdir -p "$findings"
results=$(mktemp)
trap 'rm -f "$results"' EXIT

# Its output in one piece, since others run beside it.
run_one() { # SECONDS TARGET
	local output result=failed
	output=$(run_target "$@" 2>&1) && result=passed
	printf '%s\n' "$output"
	echo "$result" >>"$results"
}

for target; do
	while [ "$(jobs -rp | wc -l)" -ge "$jobs_max" ]; do
		wait -n || true
	done
	run_one "$seconds" "$target" &
done
wait
failed=$(($# - $(grep -cx passed "$results" || true)))
printf '%d passed, %d failed, 0 skipped\n' $(($# - failed)) "$failed"
[ "$failed" -eq 0 ]
