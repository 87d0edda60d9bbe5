#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Seeds of fuzz_block: one request of each type, in a chain of three descriptors.
#
# usage: seed-block.sh DIRECTORY
set -euo pipefail
command -v python3 >/dev/null || exit 77

python3 - "$1" <<'PYTHON'
import struct, sys

def seed(name, kind, sector, data, how):
    memory = bytearray(0x4000)
    header, at, status = 0x3000, 0x3100, 0x3f00
    flags = 2 if kind in (0, 8) else 0
    struct.pack_into("<QIHH", memory, 0, header, 16, 1, 1)
    struct.pack_into("<QIHH", memory, 16, at, len(data), flags | 1, 2)
    struct.pack_into("<QIHH", memory, 32, status, 1, 2, 0)
    struct.pack_into("<HHH", memory, 1024, 0, 1, 0)
    struct.pack_into("<IIQ", memory, header, kind, 0, sector)
    memory[at:at + len(data)] = data
    with open(f"{sys.argv[1]}/{name}", "wb") as file:
        file.write(bytes([how]) + memory)

for how in (2, 3, 0, 10):
    seed(f"in-{how}", 0, 3, bytes(1024), how)
    seed(f"out-{how}", 1, 3, b"x" * 1024, how)
    seed(f"flush-{how}", 4, 0, bytes(1), how)
    seed(f"id-{how}", 8, 0, bytes(20), how)
    seed(f"discard-{how}", 11, 0, struct.pack("<QII", 8, 8, 0), how)
    seed(f"zeroes-{how}", 13, 0, struct.pack("<QII", 8, 8, 1) * 2, how)
PYTHON
