#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of a control socket that are not well-behaved.

    control.py ask SOCKET LINE...    send lines over one connection, print the answers
    control.py hostile SOCKET        bad requests: each is refused, whole or in pieces
    control.py random SOCKET COUNT   lines made of anything
    control.py crowd SOCKET COUNT    that many connections at a time, each asks
    control.py silent SOCKET COUNT   connections that send nothing, beside one that asks
    control.py deaf SOCKET           asks for ever and reads nothing
    control.py files SOCKET          descriptors that nobody asked for
    control.py latency SOCKET COUNT  prints the median and the longest time to an answer in ms
    control.py refused SOCKET        connects, and must be hung up on
"""
import array
import json
import os
import random
import socket
import struct
import sys
import time

STATUS = b'{"command": "status"}\n'


def connect(path):
    peer = socket.socket(socket.AF_UNIX)
    limit = struct.pack("ll", 20, 0)  # of the kernel: one of Python's would not wait for a place in the backlog
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    peer.connect(path)
    return peer


def line_from(peer):
    text = b""
    while not text.endswith(b"\n"):
        part = peer.recv(65536)
        if not part:
            raise EOFError(text)
        text += part
    return json.loads(text)


def ask(path, request):
    with connect(path) as peer:
        peer.sendall(request)
        return line_from(peer)


def is_fine(path):
    assert ask(path, STATUS)["ok"], "it does not serve any more"


def hostile(path):
    bad = [
        b"", b"{}", b"[]", b"1", b"null", b'"status"', b"{", b"}", b"{]", b"\0", b"\xff\xfe", b"{" * 2000, b"[" * 2000,
        b'{"command":1}', b'{"command":"statu"}', b'{"command":"status","command":"kill"}',
        b'{"command":"status","x":1}', b'{"command":"balloon"}', b'{"command":"balloon","bytes":-1}',
        b'{"command":"balloon","bytes":1e9}', b'{"command":"balloon","bytes":"1"}', b'{"Command":"kill"}',
        b'{"command":{"command":"kill"}}', b'{"command":"kill\\u0000"}', b'{"command":"kill" "x":1}',
        b'{"command":"kill"}{"command":"kill"}', b'{"command":"' + b"k" * 3000 + b'"}', b'{"command":"snapshot"}',
    ]
    for request in bad:
        answer = ask(path, request + b"\n")
        assert answer["ok"] is False and answer["error"], request
    with connect(path) as peer:  # in pieces, many lines at once, and a half
        for byte in STATUS:
            peer.sendall(bytes([byte]))
        assert line_from(peer)["ok"]
        peer.sendall(b"x\n" * 3 + STATUS + b'{"comm')
        seen = b""
        while seen.count(b"\n") < 4:
            seen += peer.recv(65536)
        answers = [json.loads(text)["ok"] for text in seen.splitlines()]
        assert answers == [False, False, False, True], answers
    with connect(path) as peer:  # no end of the line
        try:
            peer.sendall(b" " * 100000)
            answer = line_from(peer)
            assert answer["error"] == "the line is too long", answer
            assert peer.recv(1) == b""
        except (BrokenPipeError, ConnectionResetError):
            pass
    is_fine(path)


def random_lines(path, count):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    source = random.Random(seed)
    pieces = [b"{", b"}", b'"', b"command", b":", b",", b"status", b"pause", b"\\", b"\\u", b"d83d", b"true", b"1",
              b" ", b"\0", b"\xff", b"\xe2\x82\xac", b"[", b'"command":', b'{"command":', b'"resume"', b"bytes"]
    for _ in range(count):
        text = b"".join(source.choice(pieces) for _ in range(source.randrange(12)))
        answer = ask(path, text.replace(b"\n", b"") + b"\n")
        assert answer["ok"] in (True, False)
        if answer["ok"]:
            ask(path, b'{"command":"resume"}\n')
    is_fine(path)


def crowd(path, count):
    served = 0
    peers = []
    for _ in range(count):
        peer = connect(path)
        peer.sendall(STATUS)
        peers.append(peer)
    for peer in peers:
        try:
            served += line_from(peer)["ok"]
        except (EOFError, ConnectionResetError):
            pass
        peer.close()
    print(served, "served")
    assert served > count * 9 // 10, served
    is_fine(path)


def silent(path, count):
    peers = [connect(path) for _ in range(count)]
    for _ in range(20):
        is_fine(path)
    time.sleep(2.5)
    gone = 0
    for peer in peers:
        peer.setblocking(False)
        try:
            gone += peer.recv(1) == b""
        except BlockingIOError:
            pass
    assert gone == count, f"{count - gone} silent ones are still connected"
    is_fine(path)


def deaf(path):
    with connect(path) as peer:
        try:
            for _ in range(200000):
                peer.sendall(STATUS)
            raise AssertionError("it never hung up")
        except (BrokenPipeError, ConnectionResetError):
            pass
    is_fine(path)


def files(path):
    for count in (1, 2, 3, 200):
        with connect(path) as peer, open("/dev/null", "rb") as null:
            for _ in range(20):
                peer.sendmsg([STATUS], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                                         array.array("i", [null.fileno()] * count))])
                assert line_from(peer)["ok"]
    pid = ask(path, STATUS)["pid"]
    is_open = len(os.listdir(f"/proc/{pid}/fd"))
    assert is_open < 30, f"{is_open} descriptors are open"


def latency(path, count):
    times = []
    for _ in range(count):
        start = time.monotonic()
        ask(path, STATUS)
        times.append((time.monotonic() - start) * 1000)
        time.sleep(0.013)
    times.sort()
    print(f"{times[len(times) // 2]:.2f} {times[-1]:.2f}")


def refused(path):
    with connect(path) as peer:
        try:
            peer.sendall(STATUS)
            assert peer.recv(1) == b"", "it was served"
        except (BrokenPipeError, ConnectionResetError):
            pass


def main(what, path, *rest):
    if what == "ask":
        with connect(path) as peer:
            for text in rest:
                peer.sendall(text.encode() + b"\n")
                print(json.dumps(line_from(peer)))
    else:
        {"hostile": hostile, "random": random_lines, "crowd": crowd, "silent": silent, "deaf": deaf, "files": files,
         "latency": latency, "refused": refused}[what](path, *map(int, rest))


main(*sys.argv[1:])
