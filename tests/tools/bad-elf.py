#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes ELF files that are wrong, each in one way, made from a good one.

usage: bad-elf.py GOOD FOLDER

A file is named after what is wrong with it. GOOD is a static x86-64 program of at least two segments.
"""
import os
import struct
import sys

HEADER = {  # field: offset, format (System V ABI, ELF-64)
    "class": (4, "B"), "data": (5, "B"), "ident_version": (6, "B"), "type": (16, "H"),
    "machine": (18, "H"), "entry": (24, "Q"), "phoff": (32, "Q"), "phentsize": (54, "H"),
    "phnum": (56, "H"),
}
SEGMENT = {"type": (0, "I"), "flags": (4, "I"), "offset": (8, "Q"), "vaddr": (16, "Q"),
           "filesz": (32, "Q"), "memsz": (40, "Q"), "align": (48, "Q")}
PT_LOAD, PF_X, PF_W, PF_R = 1, 1, 2, 4
TOP = 2**64 - 1


class Elf:
    def __init__(self, data):
        self.data = bytearray(data)
        count = self.header("phnum")
        self.loads = [i for i in range(count) if self.segment(i, "type") == PT_LOAD]

    def header(self, field, value=None):
        return self.access(HEADER[field][0], HEADER[field][1], value)

    def segment(self, index, field, value=None):
        at = 64 + index * 56 + SEGMENT[field][0]  # every linker puts them behind the header
        return self.access(at, SEGMENT[field][1], value)

    def access(self, at, kind, value):
        if value is None:
            return struct.unpack_from("<" + kind, self.data, at)[0]
        struct.pack_into("<" + kind, self.data, at, value)
        return value


def header(**fields):
    def change(elf):
        for field, value in fields.items():
            elf.header(field, value)
    return change


def load(which, **fields):
    """Changes the PT_LOAD number `which`; a value may be a function of the ELF file."""
    def change(elf):
        for field, value in fields.items():
            elf.segment(elf.loads[which], field, value(elf) if callable(value) else value)
    return change


def of(which, field, plus=0):
    return lambda elf: elf.segment(elf.loads[which], field) + plus


def every_load(**fields):
    def change(elf):
        for index in elf.loads:
            for field, value in fields.items():
                elf.segment(index, field, value)
    return change


CHANGES = {
    "class-32": header(**{"class": 1}),
    "class-0": header(**{"class": 0}),
    "big-endian": header(data=2),
    "version-0": header(ident_version=0),
    "machine-aarch64": header(machine=183),
    "machine-i386": header(machine=3),
    "type-object": header(type=1),
    "type-core": header(type=4),
    "type-none": header(type=0),
    "phnum-0": header(phnum=0),
    "phnum-65": header(phnum=65),
    "phnum-65535": header(phnum=65535),
    "phentsize-0": header(phentsize=0),
    "phentsize-32": header(phentsize=32),
    "phoff-wraps": header(phoff=TOP - 63),
    "phoff-wraps-into-file": header(phoff=TOP - 55),
    "phoff-beyond-end": header(phoff=1 << 40),
    "phoff-at-sign-bit": header(phoff=1 << 63),
    "entry-0": header(entry=0),
    "entry-outside": header(entry=0x10000000),
    "entry-in-kit": header(entry=0xffffffff80020000),
    "entry-noncanonical": header(entry=1 << 63),
    "entry-in-data": lambda elf: elf.header("entry", elf.segment(elf.loads[-1], "vaddr")),
    "no-load": every_load(type=0),
    "segments-overlap": load(1, vaddr=of(0, "vaddr")),
    "segments-share-page": load(1, vaddr=of(0, "vaddr", 0x800), offset=of(1, "offset", 0x800)),
    "segments-out-of-order": load(0, vaddr=of(-1, "vaddr", 0x100000)),
    "segment-wraps": load(-1, vaddr=TOP & ~0xfff, memsz=0x2000, filesz=0),
    "segment-wraps-to-itself": load(-1, memsz=TOP),
    "segment-size-max": load(-1, memsz=TOP - 0x404000),
    "segment-2-to-40": load(-1, memsz=1 << 40),
    "segment-2-to-47": load(-1, memsz=1 << 47),
    "segment-2-to-63": load(-1, memsz=1 << 63),
    "segment-beyond-memory": load(-1, memsz=1 << 30),
    "segment-at-0": load(0, vaddr=0),
    "segment-in-kit": load(-1, vaddr=0xffffffff80020000 | 0xfc0, memsz=0x1000),
    "segment-in-upper-half": load(-1, vaddr=0xffff800000000fc0),
    "segment-noncanonical": load(-1, vaddr=0x800000000fc0),
    "segment-below-end-of-user": load(-1, vaddr=0x7fffffffefc0),
    "filesz-over-memsz": load(-1, memsz=8),
    "filesz-without-memsz": load(-1, memsz=0),
    "filesz-beyond-end": load(-1, filesz=1 << 30, memsz=1 << 30),
    "filesz-max": load(-1, filesz=TOP, memsz=TOP),
    "offset-beyond-end": load(1, offset=1 << 40),
    "offset-wraps": load(1, offset=TOP & ~0xfff),
    "offset-misaligned": load(1, offset=of(1, "offset", 1)),
    "writable-and-executable": every_load(flags=PF_R | PF_W | PF_X),
    "nothing-executable": every_load(flags=PF_R),
    "all-ones-headers": lambda elf: elf.data.__setitem__(slice(64, 64 + 56 * 4), b"\xff" * 224),
    "all-zero-headers": lambda elf: elf.data.__setitem__(slice(64, 64 + 56 * 8), bytes(448)),
}


def main():
    good, folder = sys.argv[1:]
    with open(good, "rb") as file:
        data = file.read()
    os.makedirs(folder, exist_ok=True)
    for name, change in CHANGES.items():
        elf = Elf(data)
        change(elf)
        with open(os.path.join(folder, name), "wb") as file:
            file.write(elf.data)


main()
