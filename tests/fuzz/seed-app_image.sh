#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_app_image into the directory $1: images as mote build makes them, and manifests.
set -eu

seeds=${1:?usage: seed-app_image.sh DIRECTORY}
build=${BUILD:-$(dirname "$0")/../../build}
mkdir -p "$seeds"
[ -x "$build/mote-build" ] && [ -x "$build/images/hello" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$build/mote-build" -o "$seeds/hello" "$build/images/hello" one two
"$build/mote-build" -o "$seeds/options" --env A=1 --env "B=$(printf 'x\ny')" --cwd /tmp --mem 64M \
	"$build/images/hello"
if command -v mkfs.erofs >/dev/null; then
	mkdir -p "$work/tree/bin"
	cp "$build/images/hello" "$work/tree/bin"
	"$build/mote-build" -o "$seeds/entry" --root "$work/tree" --entry /bin/hello
fi
printf 'entry /bin/sh\narg -c\narg \\x0a\\x5c\nenv A=1\ncwd /\nmem 67108864\n' >"$seeds/manifest"
