# SPDX-License-Identifier: Apache-2.0
"""Snapshots of Mote, for Python programs.

    import mote
    import json, ssl, sqlite3          # whatever takes its time
    mote.snapshot_point()              # each start from the snapshot goes on here
    print(mote.arguments())

Outside Mote the functions do nothing. See docs/snapshots.md of Mote.

After a restore the generators that would repeat themselves are seeded anew before snapshot_point()
returns: `random`, OpenSSL's (`ssl`), the names of `tempfile`. What draws from the system each time
(`secrets`, `uuid.uuid4`, os.urandom) needs nothing. Not renewed: the secret of hash(), which strings
have been hashed with, and generators of other libraries or of one's own (random.Random(), NumPy):
on_restore() is for them.
"""
import ctypes
import gc
import os
import signal
import struct
import sys

POINT_PASSED, POINT_TAKEN, POINT_RESTORED = range(3)

_SYSCALL = 402  # mote/guest.h has these numbers
_MARK, _GENERATION, _SIGNAL, _ARGUMENTS, _ENVIRONMENT, _SERVE = range(6)

_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long
_callbacks = []
_seen = 0


def _call(operation, first=None, second=0):
    number, operation = ctypes.c_long(_SYSCALL), ctypes.c_long(operation)
    return _syscall(number, operation, first, ctypes.c_size_t(second))


def restores():
    """How often this program was restored; -1 outside Mote."""
    return max(_call(_GENERATION, ctypes.create_string_buffer(16)), -1)


def is_restored():
    return restores() > 0


def generation():
    """16 bytes that no other start has; zeros in the first, None outside Mote."""
    buffer = ctypes.create_string_buffer(16)
    return None if _call(_GENERATION, buffer) < 0 else buffer.raw


def on_restore(function):
    """Have function() called after each restore; also a decorator."""
    _callbacks.append(function)
    return function


def reseed():
    """Seed anew what would repeat itself in another start."""
    modules = sys.modules
    if "random" in modules:
        modules["random"].seed()
    if "_ssl" in modules:
        modules["_ssl"].RAND_add(os.urandom(48), 48.0)
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None


def _run_callbacks():
    global _seen
    now = restores()
    if now <= 0 or now == _seen:
        return
    _seen = now
    reseed()
    for function in list(_callbacks):
        function()


def snapshot_mark(name):
    """From here on the program may start, again and again. Returns POINT_*."""
    result = _call(_MARK, name.encode())
    if result == POINT_RESTORED:
        _run_callbacks()
    if result < 0 and restores() >= 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return max(result, POINT_PASSED)


def snapshot_point():
    """The mark that --snapshot takes where --snapshot-at does not say otherwise."""
    return snapshot_mark("point")


def watch(number=signal.SIGRTMAX - 1):
    """Call callbacks after restores elsewhere than at a mark, too: a signal tells of them."""
    signal.signal(number, lambda *_: _run_callbacks())
    return _call(_SIGNAL, ctypes.c_long(number)) == 0


def _strings(operation):
    size = 4096
    while True:
        buffer = ctypes.create_string_buffer(size)
        length = _call(operation, buffer, size)
        if length <= size:
            break
        size = length
    if length < 0:
        return None
    return [os.fsdecode(string) for string in buffer.raw[:length].split(b"\0")[:-1]]


def arguments():
    """All arguments of this start, the interpreter's name the first; sys.orig_argv outside Mote."""
    given = _strings(_ARGUMENTS)
    return sys.orig_argv if given is None else given


def environment():
    """The environment of this start; os.environ outside Mote."""
    given = _strings(_ENVIRONMENT)
    if given is None:
        return dict(os.environ)
    return dict(string.split("=", 1) for string in given if "=" in string)


# ---- functions: docs/functions.md ----

_BUFFER = 0x10000  # mote/function_wire.h
_NEXT, _MORE, _BODY = range(3)
_STREAM = 0xffffffffffffffff
_request_head = struct.Struct("<IIIIQQ")
_answer_head = struct.Struct("<IIIIQ")


class Request:
    """What was asked: method, path (with query), headers (names in lower case), body."""

    def __init__(self, taken):
        strings, count, body, _, self.body_size, self.deadline_ns = _request_head.unpack_from(taken)
        at = _request_head.size
        parts = taken[at:at + strings].decode("latin-1").split("\0")
        self.method, self.path = parts[0], parts[1]
        self.headers = {parts[2 + 2 * i].lower(): parts[3 + 2 * i] for i in range(count)}
        self._body = taken[at + strings:at + strings + body]

    @property
    def body(self):
        while len(self._body) < self.body_size:
            buffer = ctypes.create_string_buffer(_BUFFER)
            size = _serve_call(_BODY, b"", buffer)
            if size <= 0:
                break
            self._body += buffer.raw[:size]
        return self._body


def _serve_call(operation, given, buffer):
    call = struct.pack("<QQQQ", operation, ctypes.cast(given, ctypes.c_void_p).value if given else 0,
                       len(given), ctypes.addressof(buffer) if buffer else 0)
    return _call(_SERVE, call)


def _answer(result):
    """(status, headers, body), (status, body) or body: as bytes for the server."""
    status, headers, body = 200, {}, result
    if isinstance(result, tuple):
        status, body = result[0], result[-1]
        headers = result[1] if len(result) == 3 else {}
    if isinstance(body, str):
        body = body.encode()
    strings = "".join(f"{name}\0{value}\0" for name, value in dict(headers).items()).encode("latin-1")
    return _answer_head.pack(len(strings), len(headers), len(body) & 0xffffffff, status, len(body)) + strings + body


def serve(handler):
    """Answer requests by handler(request), under `mote serve`; the snapshot is taken here.

    The handler runs once: for each request the program starts from the snapshot again.
    """
    buffer, given = ctypes.create_string_buffer(_BUFFER), b""
    reseed()  # OpenSSL makes its generators when they are first used: not in each request
    # What is there now stays: a collection in a request would write to all of it.
    gc.collect()
    gc.freeze()
    while True:
        while len(given) > _BUFFER:
            if _serve_call(_MORE, given[:_BUFFER], None) < 0:
                return
            given = given[_BUFFER:]
        size = _serve_call(_NEXT, given, buffer)
        if size <= 0:
            raise OSError("there are no requests: start this program by `mote serve`")
        _run_callbacks()
        given = _answer(handler(Request(ctypes.string_at(buffer, size))))
