#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The host's side of a socket device, by the convention of mote(1)'s --vsock.

usage: vsock-host.py send PATH PORT          connect, send stdin, end that side, print what comes
       vsock-host.py lines PATH PORT COUNT   COUNT connections at a time, a line each, echoed
       vsock-host.py refused PATH TEXT...    send each TEXT: closed without an answer
       vsock-host.py trickle PATH PORT       the greeting byte by byte
       vsock-host.py serve PATH PORT TEXT    take one connection on PATH_PORT: print it, answer TEXT
"""
import os
import socket
import sys
import threading


def connect(path):
    peer = socket.socket(socket.AF_UNIX)
    peer.settimeout(10)
    peer.connect(path)
    return peer


def greet(path, port, pieces=False):
    peer = connect(path)
    text = b"CONNECT %d\n" % port
    for piece in [bytes([byte]) for byte in text] if pieces else [text]:
        peer.sendall(piece)
    line = b""
    while not line.endswith(b"\n"):
        byte = peer.recv(1)
        if not byte:
            sys.exit("closed after %r" % line)
        line += byte
    word, host_port = line.split()
    if word != b"OK" or not 0 < int(host_port) < 1 << 32:
        sys.exit("answered %r" % line)
    return peer


def receive_all(peer):
    while True:
        data = peer.recv(1 << 16)
        if not data:
            return
        sys.stdout.buffer.write(data)


def send(path, port, pieces=False):
    peer = greet(path, int(port), pieces)
    reader = threading.Thread(target=receive_all, args=(peer,))
    reader.start()
    peer.sendall(sys.stdin.buffer.read())
    peer.shutdown(socket.SHUT_WR)
    reader.join()


def lines(path, port, count):
    peers = [greet(path, int(port)) for _ in range(int(count))]
    for number, peer in enumerate(peers):
        peer.sendall(b"line %d\n" % number)
    for number, peer in enumerate(peers):
        answer = peer.recv(64)
        if answer != b"line %d\n" % number:
            sys.exit("connection %d was answered %r" % (number, answer))


def refused(path, *texts):
    for text in texts:
        peer = connect(path)
        peer.sendall(text.encode().decode("unicode_escape").encode("latin1"))
        try:
            answer = peer.recv(64)
        except ConnectionResetError:  # it was closed before all of TEXT was read
            continue
        if answer:
            sys.exit("%r was answered %r" % (text, answer))


def serve(path, port, text):
    name = "%s_%s" % (path, port)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(name)
    listener.listen()
    listener.settimeout(10)
    peer, _ = listener.accept()
    os.unlink(name)
    receive_all(peer)
    peer.sendall(text.encode())


def main():
    commands = {
        "send": send,
        "lines": lines,
        "refused": refused,
        "trickle": lambda path, port: send(path, port, True),
        "serve": serve,
    }
    if len(sys.argv) < 3 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](*sys.argv[2:])


if __name__ == "__main__":
    main()
