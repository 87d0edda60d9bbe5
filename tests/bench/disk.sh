# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A disk inside against its file outside, both past the caches (disk.c); sourced by run.sh.
# shellcheck disable=SC2154 # $out, $mote, $build and the like are run.sh's

disk_mib=256
disk_rounds=7

# Middle of the numbers on stdin.
middle() {
	sort -g | awk '{ all[NR] = $1 } END { if (NR) print all[int((NR + 1) / 2)] }'
}

# The ratio inside to outside of each round, of which the middle one counts.
disk_ratio() { # MODE LIMIT WHAT UNIT
	local round inside outside ratios=
	for ((round = 0; round < disk_rounds; round++)); do
		if ! outside=$("$out/disk" "$1" "$out/disk.image") ||
			! inside=$("$mote" run --disk "$out/disk.image,ro,direct" "$out/disk" -- "$1" /dev/vda); then
			not_run "$3" "$out/disk failed"
			return
		fi
		printf '%s: %s %s inside, %s outside\n' "$1" "$inside" "$4" "$outside"
		ratios+=$(awk -v a="$inside" -v b="$outside" 'BEGIN { printf "%.3f", a / b }')$'\n'
	done
	result "$3" "$(printf '%s' "$ratios" | middle)" '>=' "$2" times
}

# How often a program that reads on through the page cache leaves the guest.
disk_exits() {
	local waits
	waits=$("$mote" run --stats --disk "$out/disk.image,ro" "$out/disk" -- cached /dev/vda 2>&1 >/dev/null |
		grep -o 'wait [0-9]*' | cut -d ' ' -f 2) || waits=
	if [ -z "$waits" ]; then
		not_run "disk: exits for each MiB through the cache" "$out/disk failed"
		return
	fi
	result "disk: exits for each MiB through the cache" \
		"$(awk -v n="$waits" -v m="$disk_mib" 'BEGIN { printf "%.2f", n / m }')" '<=' 4 exits
}

bench_disk() {
	echo "== disk ($disk_rounds rounds)"
	if ! head -c "${disk_mib}M" /dev/urandom >"$out/disk.image" || ! sync "$out/disk.image" ||
		! "$out/disk" random "$out/disk.image" >/dev/null 2>&1; then
		not_run "disk" "no space for $out/disk.image, or no O_DIRECT there"
		rm -f "$out/disk.image"
		return
	fi
	disk_ratio sequential 0.8 "disk: 1 MiB after 1 MiB, inside against outside" "MiB/s"
	disk_ratio random 0.5 "disk: 4 KiB anywhere, inside against outside" "reads/s"
	disk_exits
	rm -f "$out/disk.image"
	echo
}
