#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of `mote serve` that no HTTP tool is: slow, rude, many, and mistrustful.

usage: serve-clients.py slow-reader SOCKET PATH      ask, read 1 KiB, then nothing until hung up on
       serve-clients.py leave SOCKET PATH            ask, read 1 KiB, and go away
       serve-clients.py slow-writer SOCKET SECONDS   send a request a byte at a time, within that time
       serve-clients.py silent SOCKET                send half a request, then nothing until hung up on
       serve-clients.py idle SOCKET COUNT            COUNT connections that ask nothing; the next one is answered
       serve-clients.py refused SOCKET COUNT         the same; the next one is hung up on
       serve-clients.py malformed SOCKET             what is no HTTP: none of it is answered by a status of success
       serve-clients.py bodies SOCKET COUNT SIZE     COUNT clients that send SIZE bytes of a body, and not its last;
                                                     says which was the first that was answered, and what
       serve-clients.py vanish SOCKET COUNT          ask, or begin to, and go away at once, in some ways
       serve-clients.py tenants SOCKET REQUESTS      two tenants by turns ask tests/guests/function_tenant.c
"""
import resource
import socket
import sys
import threading
import time

CLIENTS = 8  # of the tenants


def connect(path, timeout=30):
    """A path, or ADDRESS:PORT."""
    host, _, port = path.rpartition(":")
    client = socket.socket(socket.AF_INET if host else socket.AF_UNIX)
    client.connect((host, int(port)) if host else path)
    client.settimeout(timeout)
    return client


def request(target):
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def ask(path, target):
    client = connect(path)
    client.sendall(request(target))
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


def slow_writer(path, seconds):
    client = connect(path)
    text = request("/slow")
    for byte in text:
        client.send(bytes([byte]))
        time.sleep(float(seconds) / len(text))
    print(client.recv(4096).split(b"\r\n")[0].decode())


def silent(path):
    client = connect(path)
    client.sendall(b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
    began = time.monotonic()
    while client.recv(4096):
        pass
    print(f"cut after {time.monotonic() - began:.1f} s")


def many(path, count):
    """Half of them have begun a request, as far as it goes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count + 100:
        sys.exit(f"the limit of open files is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count + 100), hard))
    clients = [connect(path) for _ in range(count)]
    for client in clients[::2]:
        client.sendall(b"GET / HTTP/1.1\r\nHost:")
    return clients


def idle(path, count):
    clients = many(path, int(count))
    worst = 0
    for _ in range(20):
        began = time.monotonic()
        ask(path, "/next").close()
        worst = max(worst, time.monotonic() - began)
    # Each of them is served as well, when it asks at last.
    for number in (0, 1, len(clients) // 2, len(clients) - 1):
        client = clients[number]
        client.sendall(b" localhost\r\n\r\n" if number % 2 == 0 else request("/late"))
        if not client.recv(1024).startswith(b"HTTP/1.1 200"):
            sys.exit(f"connection {number} is not answered")
    print(f"answered within {worst * 1000:.0f} ms beside {len(clients)} connections")


def refused(path, count):
    clients = many(path, int(count))
    time.sleep(0.5)
    began = time.monotonic()
    try:
        late = connect(path)
        late.sendall(request("/late"))
        if late.recv(1024):
            sys.exit("one more is answered")
    except OSError:
        pass
    print(f"refused after {(time.monotonic() - began) * 1000:.0f} ms")
    clients[1].close()
    time.sleep(0.5)
    ask(path, "/again").close()


MALFORMED = (
    b"GET\r\n\r\n",
    b"\0" * 5000,
    b"\xff" * 100000,
    b"\r\n" * 50000,
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\nx",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nshort",
    b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
    b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"G" * 100000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nA" + b"a" * 100000 + b": b\r\n\r\n",
)


def malformed(path):
    for text in MALFORMED:
        client = connect(path, 1)
        answer = b""
        try:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            answer = client.recv(4096)
        except OSError:
            pass
        if answer.startswith(b"HTTP/1.1 2"):
            sys.exit(f"answered: {text[:60]}: {answer[:60]}")
        client.close()


def vanish(path, count):
    texts = (
        request("/x"),
        request("/slowly/3/20"),
        request("/much/30"),
        b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 5000,
        request("/x")[:20],
        request("/x") * 10,
    )
    for number in range(int(count)):
        client = connect(path)
        client.sendall(texts[number % len(texts)])
        if number % 5 == 0:
            time.sleep(0.002)
        client.close()


def bodies(path, count, size):
    clients = []
    for _ in range(int(count)):
        client = connect(path)
        clients.append(client)
        client.sendall(f"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {int(size) + 1}\r\n\r\n".encode())
        client.sendall(b"x" * int(size))
    time.sleep(0.5)
    for number, client in enumerate(clients):
        client.sendall(b"x")
        answer = client.recv(4096).split(b"\r\n")[0].decode()
        if not answer.endswith("200 OK"):
            print(f"{number} {answer}")
            return
    print("all are answered")


class Tenant(threading.Thread):
    """One connection on which two tenants take turns. What it finds wrong is in `wrong`."""

    def __init__(self, path, first, count):
        super().__init__()
        self.stream = connect(path)
        self.numbers = range(first, first + count)
        self.seen = set()
        self.wrong = None

    def one(self, number):
        target = f"/{'ab'[number % 2]}/{number}{'/all' if number % 100 < 2 else ''}"
        self.stream.sendall(request(target))
        answer = b""
        while b"\r\n\r\n" not in answer:
            part = self.stream.recv(65536)
            if not part:
                return f"{target}: hung up"
            answer += part
        head, body = answer.split(b"\r\n\r\n", 1)
        length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
        while len(body) < length:
            body += self.stream.recv(65536)
        words = body.decode(errors="replace").split(" ")
        if len(words) != 3 or words[0] != "clean" or words[2] != target:
            return f"{target}: {body.decode(errors='replace')}"
        self.seen.add(words[1])
        return None

    def run(self):
        try:
            for number in self.numbers:
                self.wrong = self.one(number)
                if self.wrong:
                    return
        except Exception as error:  # pylint: disable=broad-except
            self.wrong = repr(error)


def tenants(path, requests):
    share = int(requests) // CLIENTS
    began = time.monotonic()
    threads = [Tenant(path, i * share, share) for i in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wrong = [thread.wrong for thread in threads if thread.wrong]
    if wrong:
        sys.exit("\n".join(wrong))
    if len(set().union(*(thread.seen for thread in threads))) != share * CLIENTS:
        sys.exit("two requests have drawn the same random numbers")
    print(f"{share * CLIENTS} clean in {time.monotonic() - began:.1f} s")


COMMANDS = {
    "slow-reader": slow_reader,
    "leave": leave,
    "slow-writer": slow_writer,
    "silent": silent,
    "idle": idle,
    "refused": refused,
    "malformed": malformed,
    "tenants": tenants,
    "bodies": bodies,
    "vanish": vanish,
}

if len(sys.argv) < 3 or sys.argv[1] not in COMMANDS:
    sys.exit(__doc__)
COMMANDS[sys.argv[1]](*sys.argv[2:])
