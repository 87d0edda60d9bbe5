#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the golden snapshot of this version: hello, about to start, with the CPU features that every
# host has. Once, when a version is released; files that are here are never made again.
set -eu

golden=$(cd "$(dirname "$0")" && pwd)
build=${BUILD:-$golden/../../build}
version=$("$build/mote" --version | sed 's/^mote //; s/ .*//')
work=$(mktemp -d)
trap 'rm -rf "$work" /tmp/hello' EXIT

# The path of the program is in the file: one that tells nothing.
cp "$build/images/hello" /tmp/hello
env -i PATH=/usr/bin:/bin "$build/mote" run --mem 16M --cpu=baseline --snapshot "$work/a" \
	--snapshot-at=main /tmp/hello
zstd -q --ultra -22 --check -f "$work/a" -o "$golden/$version.snap.zst"
