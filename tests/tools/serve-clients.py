#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of `mote serve` that no HTTP tool is: slow, rude, many.

usage: serve-clients.py slow-reader SOCKET PATH    ask, read 1 KiB, then nothing until hung up on
       serve-clients.py leave SOCKET PATH          ask, read 1 KiB, and go away
"""
import socket
import sys
import time


def connect(path, timeout=30):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(timeout)
    client.connect(path)
    return client


def ask(path, target):
    client = connect(path)
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if not client.recv(1024).startswith(b"HTTP/1.1 200"):
        sys.exit("it is not answered")
    return client


def slow_reader(path, target):
    """Hung up on: sending fails then, though the answer's bytes that have arrived are still to be read."""
    client = ask(path, target)
    began = time.monotonic()
    try:
        while time.monotonic() - began < 30:
            client.send(b"\r")
            time.sleep(0.1)
    except OSError:
        pass
    print(f"cut after {time.monotonic() - began:.1f} s")


def leave(path, target):
    ask(path, target).close()


COMMANDS = {"slow-reader": slow_reader, "leave": leave}

if len(sys.argv) < 4 or sys.argv[1] not in COMMANDS:
    sys.exit(__doc__)
COMMANDS[sys.argv[1]](*sys.argv[2:])
