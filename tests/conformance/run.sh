#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs the conformance programs on Linux and in microVMs, and compares what each case printed.
#
# usage: run.sh [PROGRAM[.CASE]]...     (all programs when none is named)
#        run.sh --record FOLDER         writes what the programs print on Linux, and runs nothing else
#        run.sh --recorded FOLDER       compares with that instead of running the programs on Linux
#
# PROGRAM-share runs a program in a folder that is shared with the guest (mote run --share) instead of in
# the guest's memory; its cases are PROGRAM-share.CASE in known.txt.
#
# BUILD              the build folder (build); the programs are in $BUILD/conformance/
# CONFORMANCE_LIMIT  seconds that the cases that share a process may take (20)
#
# known.txt beside this script names the cases that are allowed to differ, and why. A case that is there
# and does not differ fails, too. The last two lines are a summary and the total, "N passed, N failed, N
# skipped", in which the known ones are skipped. The exit status is 1 when a case failed.
#
# POSIX shell and busybox are enough: stock-kvm-guest.sh runs this in the lab.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
BUILD=$(cd "${BUILD:-$here/../../build}" && pwd)
programs=$BUILD/conformance
limit=${CONFORMANCE_LIMIT:-20}
mode=both recorded=
# What is about files runs on a share, too.
on_shares='attributes files files_calls paths'

case ${1-} in
--record | --recorded)
	mode=${1#--}
	mkdir -p "$2"
	recorded=$(cd "$2" && pwd)
	shift 2
	;;
esac

work=$(mktemp -d)
# A folder in memory, as the guest's /tmp is: file systems differ in many a detail.
scratch=$(mktemp -d /dev/shm/conformance.XXXXXX 2>/dev/null || mktemp -d)
trap 'rm -rf "$work" "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
# shellcheck disable=SC3045 # dash and busybox have both
ulimit -c 0
# shellcheck disable=SC3045
ulimit -n 1024
export LC_ALL=C

# On Linux the program leads a session, too, as process 1 of a guest does.
run_on_linux() { # PROGRAM ARGUMENT...
	rm -rf "$scratch/run"
	mkdir "$scratch/run"
	program=$programs/${1%-share}
	shift
	(cd "$scratch/run" && exec env -i PATH=/bin timeout -k 1 "$limit" setsid "$program" "$@")
}

# A program with a root image is in it, and nowhere else.
run_in_mote() { # PROGRAM ARGUMENT...
	name=$1
	shift
	case $name in
	*-share)
		rm -rf "$scratch/share"
		mkdir "$scratch/share"
		timeout -k 1 "$limit" "$BUILD/mote" run --share "$scratch/share:/tmp" --cwd /tmp \
			"$programs/${name%-share}" -- "$@"
		return
		;;
	esac
	if [ -e "$programs/$name.erofs" ]; then
		set -- --root "$programs/$name.erofs" "/$name" -- "$@"
	else
		set -- "$programs/$name" -- "$@"
	fi
	timeout -k 1 "$limit" "$BUILD/mote" run --cwd /tmp "$@"
}

# Runs the cases FIRST to LAST, as many in one process as share one, and goes on behind a case that ends
# the process. A case that is still running when time is up is named.
run_cases() { # SIDE PROGRAM FIRST LAST OUT
	next=$3
	: >"$5"
	: >"$5.err"
	while [ "$next" -le "$4" ]; do
		status=0
		"run_$1" "$2" "$next" "$4" </dev/null >"$work/part" 2>>"$5.err" || status=$?
		seen=$(grep -c '^== [a-z]' "$work/part" || true)
		grep -v '^== [A-Z]*$' "$work/part" >>"$5" || true
		case $(tail -n 1 "$work/part") in
		'== END') return ;;
		'== NEXT') ;;
		*)
			if [ "$seen" -eq 0 ]; then
				printf '%s: ended with status %d before its first case\n' "$2" "$status"
				tail -n 5 "$5.err"
				return
			fi
			[ "$status" -ne 124 ] || status='124: out of time'
			printf 'ended with status %s\n' "$status" >>"$5"
			;;
		esac
		next=$((next + seen))
	done
}

# Prints a verdict for each case of the list, and below it what differs.
compare() { # PROGRAM LIST LINUX MOTE
	awk -v program="$1" -v known_file="$here/known.txt" '
		BEGIN {
			while ((getline line < known_file) > 0)
				if (split(line, word, " ") > 1 && word[1] !~ /^#/)
					known[word[1]] = 1
		}
		side == "list" { names[++count] = $0; next }
		/^== / { current = $2; ran[side, current] = 1; next }
		current { text[side, current, ++lines[side, current]] = $0 }
		function differences(name, most, i, shown) {
			most = lines["linux", name]
			if (lines["mote", name] > most)
				most = lines["mote", name]
			for (i = 1; i <= most; i++) {
				if (text["linux", name, i] == text["mote", name, i])
					continue
				if (++shown <= 5)
					printf "    Linux: %s\n    mote:  %s\n", text["linux", name, i], text["mote", name, i]
			}
			return shown
		}
		END {
			for (n = 1; n <= count; n++) {
				name = names[n]
				full = program "." name
				most = lines["linux", name]
				for (i = 1; i <= most && text["linux", name, i] == text["mote", name, i]; i++)
					;
				same = i > most && lines["mote", name] == most
				if (!most || text["linux", name, most] ~ /out of time$/)
					printf "%s: FAILED: says nothing on Linux, or does not end there\n", full
				else if (same && known[full])
					printf "%s: FAILED: is as on Linux now: take it out of known.txt\n", full
				else if (same)
					printf "%s: ok\n", full
				else if (known[full])
					printf "%s: differs, as known\n", full
				else {
					printf "%s: FAILED: differs\n", full
					differences(name)
				}
			}
		}' side=list "$2" side=linux "$3" side=mote "$4"
}

run_program() { # PROGRAM [CASE]
	if [ ! -x "$programs/${1%-share}" ]; then
		printf 'run.sh: %s is missing: run make conformance-programs first\n' \
			"$programs/${1%-share}" >&2
		exit 2
	fi
	"$programs/${1%-share}" list >"$work/list"
	first=0 last=$(($(wc -l <"$work/list") - 1))
	if [ -n "${2-}" ]; then
		if ! grep -qx "$2" "$work/list"; then
			printf 'run.sh: there is no case %s in %s\n' "$2" "$1" >&2
			exit 2
		fi
		first=$(($(grep -nx "$2" "$work/list" | cut -d: -f1) - 1))
		last=$first
		printf '%s\n' "$2" >"$work/list"
	fi
	linux=$work/linux
	[ "$mode" = both ] || linux=$recorded/$1
	[ "$mode" = recorded ] || run_cases on_linux "$1" "$first" "$last" "$linux"
	[ "$mode" != record ] || return 0
	run_cases in_mote "$1" "$first" "$last" "$work/mote"
	compare "$1" "$work/list" "$linux" "$work/mote" >"$work/verdicts"
	cat "$work/verdicts" >>"$work/results"
	grep -vE '^[^ ]*: (ok|differs, as known)$' "$work/verdicts" || return 0
	tail -n 20 "$work/mote.err" | sed 's/^/    stderr: /'
}

if [ "$mode" != record ] && [ ! -e /dev/kvm ]; then
	printf 'conformance: skipped: there is no /dev/kvm\n0 passed, 0 failed, 1 skipped\n'
	exit 0
fi
if [ "$mode" != recorded ] && [ "$(id -u)" -ne 0 ]; then
	printf 'conformance: skipped: a guest runs as root, and so must what it is compared with\n'
	printf '0 passed, 0 failed, 1 skipped\n'
	exit 0
fi
if [ $# -eq 0 ]; then
	for file in "$programs"/*; do
		case $file in
		*.erofs | *.tree) ;;
		*) set -- "$@" "${file##*/}" ;;
		esac
	done
	for name in $on_shares; do
		set -- "$@" "$name-share"
	done
fi
: >"$work/results"
for selection; do
	case $selection in
	*.*) run_program "${selection%%.*}" "${selection#*.}" ;;
	*) run_program "$selection" ;;
	esac
done
[ "$mode" != record ] || exit 0

count() { # VERDICT
	grep -cE "^[^ ]*: $1" "$work/results" || true
}
passed=$(count 'ok$') failed=$(count FAILED) known=$(count 'differs, as known$')
printf 'conformance: %d cases, %d differ, %d of them known\n' $((passed + failed + known)) \
	$((failed + known)) "$known"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$known"
[ "$failed" -eq 0 ]
