#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Writes seeds for fuzz_snapshot into the directory $1: a snapshot of hello, whole and cut down, as the
# target wants them.
set -eu

seeds=${1:?usage: seed-snapshot.sh DIRECTORY}
build=${BUILD:-$(dirname "$0")/../../build}
mkdir -p "$seeds"
command -v python3 >/dev/null && [ -x "$build/mote" ] && [ -x "$build/images/hello" ] || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$build/mote" run --mem 4M --snapshot "$work/a" --snapshot-at=main "$build/images/hello" || exit 77

python3 - "$work/a" "$seeds" <<'PYTHON'
import struct, sys

PARTS_AT, SECTIONS, EXTENTS, SUMS = 20480, range(0, 7), 12, 13
whole = open(sys.argv[1], "rb").read()
parts = [struct.unpack_from("<QQQ", whole, 368 + 24 * i) for i in range(16)]


def make(name, flags, extents, run):
    """A file of the sections of @whole, with other extents (frame, pages, is_zero) and a run."""
    placed = [b""] * 16
    for kind in SECTIONS:
        placed[kind] = whole[parts[kind][0]:parts[kind][0] + parts[kind][1]]
    pages = sum(n for _, n, zero in extents if not zero)
    size = sum(-(-len(p) // 16) * 16 for p in placed) + 16 * len(extents) + 16
    start = -(-(PARTS_AT + size) // 4096) * 4096
    at, index = start + 4096 * len(run), b""
    for frame, count, zero in extents:
        index += struct.pack("<IIQ", frame, count, 0 if zero else at)
        at += 0 if zero else 4096 * count
    placed[EXTENTS], placed[SUMS] = index, b"\0" * 8 if pages or run else b""
    head, body = bytearray(whole[:752]), b""
    for kind, part in enumerate(placed):
        where = (PARTS_AT + len(body), len(part), 0) if part else (0, 0, 0)
        struct.pack_into("<QQQ", head, 368 + 24 * kind, *where)
        body += part + b"\0" * (-len(part) % 16)
    body += b"\0" * (start - PARTS_AT - len(body)) + b"\1" * (at - start)
    struct.pack_into("<Q", head, 16, at)
    struct.pack_into("<QQQQ", head, 336, start, len(run), 0, pages)
    list_ = struct.pack("<QII", 0, len(run), 0) + b"".join(struct.pack("<I", f) for f in run)
    with open(sys.argv[2] + "/" + name, "wb") as out:
        out.write(bytes([flags]) + bytes(head) + list_.ljust(80, b"\0") + body)


make("one", 1, [(0, 1, False)], [])
make("none", 1, [], [])
make("run", 1, [(0, 1, False), (7, 1, False)], [0, 9])
make("layer", 3, [(1, 2, True), (3, 1, False), (16, 8, True)], [])
make("wrong", 0, [(0, 1, False)], [])
PYTHON
