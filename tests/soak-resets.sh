#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make soak-resets`: very many resets with random work between them (tests/guests/reset_work.c). The
# oracle looks at one in a hundred; descriptors, memory and the time a reset takes must not grow.
#
# usage: soak-resets.sh              (after `make all guests`)
#
# BUILD                 the build folder (build)
# SOAK_ROUNDS           how many starts (1000000)
#
# Prints what was found; exits with 1 where a start found something of another's, the oracle did, or
# something grew.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$(cd "${BUILD:-$root/build}" && pwd)
mote=$build/mote
rounds=${SOAK_ROUNDS:-1000000}
every=100
folder=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$folder"' EXIT

fail() {
	echo "soak-resets: $*" >&2
	exit 1
}

field() { # NAME
	sed -n "s/^$1:[[:space:]]*\\([0-9]*\\).*/\\1/p" "/proc/$pid/status" 2>/dev/null || true
}

# TIME CPU-TICKS DESCRIPTORS RSS ANONYMOUS PAGE-TABLES(KiB) STARTS-THAT-SPOKE
look() {
	local cpu files
	cpu=$(awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat" 2>/dev/null) || return 1
	files=$(find "/proc/$pid/fd" -type l 2>/dev/null | wc -l)
	[ -n "$(field VmRSS)" ] || return 1
	echo "${EPOCHREALTIME/[.,]/} $cpu $files $(field VmRSS) $(field RssAnon) $(field VmPTE)" \
		"$(wc -l <"$folder/out")"
}

cd "$folder"
"$mote" run --snapshot snap "$build/guests/reset_work"
begin=$EPOCHREALTIME
"$mote" restore -n "$rounds" --verify-reset=$every --stats snap >out 2>err &
pid=$!
while kill -0 "$pid" 2>/dev/null; do
	look >>looks || true
	sleep 0.5
done
status=0
wait "$pid" || status=$?
pid=
end=$EPOCHREALTIME

awk -v rounds="$rounds" -v every=$every -v seconds="$(awk "BEGIN { print $end - $begin }")" \
	-v spoke="$(wc -l <out)" -v ticks="$(getconf CLK_TCK)" '
# Microseconds a start, by the clock and of processor time: one start in 64 speaks.
function pace(from, to,    starts) {
	starts = (at[to] - at[from]) * rounds / spoke
	return starts ? sprintf("%.0f us each, %.0f of them on a processor", (time[to] - time[from]) / starts,
		(cpu[to] - cpu[from]) * 1e6 / ticks / starts) : "too few to say"
}
# The least, as some starts use much for a moment.
function least(figure, from, to,    i, low) {
	low = figure[from]
	for (i = from; i <= to; i++)
		if (figure[i] < low)
			low = figure[i]
	return low
}
function starts_cpu(from, to) {
	return at[to] > at[from] ? (cpu[to] - cpu[from]) / (at[to] - at[from]) : 0
}
{
	time[NR] = $1; cpu[NR] = $2; files[NR] = $3; rss[NR] = $4; anon[NR] = $5; pte[NR] = $6; at[NR] = $7
}
END {
	printf "%d starts in %.0f s, the oracle looked at %d\n", rounds, seconds, int(rounds / every)
	if (NR < 20) {
		print "too short to say whether anything grows"
		exit
	}
	first = 3
	for (low = first; low < NR && at[low] < spoke / 10; low++);
	for (high = NR; high > 1 && at[high] > spoke * 9 / 10; high--);
	printf "descriptors: %d at the begin, %d at the end\n", files[first], files[NR]
	printf "memory, the least in the first tenth and in the last: %d and %d KiB; anonymous %d and %d; page tables %d and %d\n",
		least(rss, first, low), least(rss, high, NR), least(anon, first, low), least(anon, high, NR),
		least(pte, first, low), least(pte, high, NR)
	printf "first tenth: %s; last tenth: %s\n", pace(1, low), pace(high, NR)
	if (files[NR] > files[first])
		exit 3
	if (least(rss, high, NR) > least(rss, first, low) + 1024)
		exit 4
	if (starts_cpu(high, NR) > 1.5 * starts_cpu(1, low))
		exit 5
}' looks || case $? in
3) fail "descriptors leak" ;;
4) fail "memory grows" ;;
5) fail "starts become slower" ;;
*) fail "its figures cannot be read" ;;
esac
grep -E '^ +[0-9]+ exits' err || true
! grep -m 3 -E 'the reset is not right|cannot reset|FAILED' out err || fail "a start found what it should not"
[ "$status" -eq 0 ] || fail "ended with status $status"
echo "pristine"
