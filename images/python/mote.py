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
import os
import signal
import sys

POINT_PASSED, POINT_TAKEN, POINT_RESTORED = range(3)

_SYSCALL = 402  # mote/guest.h has these numbers
_MARK, _GENERATION, _SIGNAL, _ARGUMENTS, _ENVIRONMENT = range(5)

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
