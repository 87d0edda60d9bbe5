#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exchanges pairs of paths again and again, each in one step: A B [C D]... SECONDS"""
import ctypes
import sys
import time

AT_FDCWD = -100
RENAME_EXCHANGE = 2


def main():
    *paths, seconds = sys.argv[1:]
    libc = ctypes.CDLL(None, use_errno=True)
    pairs = [(a.encode(), b.encode()) for a, b in zip(paths[::2], paths[1::2])]
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        # Twice, so that all is in its place at the end.
        for a, b in pairs + pairs:
            if libc.renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE):
                raise OSError(ctypes.get_errno(), "renameat2")
            time.sleep(0.0005)


main()
