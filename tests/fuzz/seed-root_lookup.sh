#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_root_lookup into the directory $1: a path and an image with links of all kinds.
set -eu

seeds=${1:?usage: seed-root_lookup.sh DIRECTORY}
command -v mkfs.erofs >/dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$seeds" "$work/tree/usr/bin" "$work/tree/etc"
printf 'program' >"$work/tree/usr/bin/program"
ln -s usr/bin "$work/tree/bin"
ln -s /usr/bin/program "$work/tree/etc/absolute"
ln -s ../../usr/../bin/./program "$work/tree/etc/relative"
ln -s loop "$work/tree/loop"
mkfs.erofs -x-1 -Enoinline_data "$work/plain" "$work/tree" >/dev/null 2>&1
mkfs.erofs -x-1 "$work/inline" "$work/tree" >/dev/null 2>&1
number=0
for image in plain inline; do
	for path in / /usr/bin/program /bin/program /etc/absolute /etc/relative //bin/../bin/program /loop \
		/usr/bin/program/behind /none; do
		number=$((number + 1))
		printf '%s\0' "$path" | cat - "$work/$image" >"$seeds/$number"
	done
done
