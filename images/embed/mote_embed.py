# SPDX-License-Identifier: Apache-2.0
"""libmote from Python, by ctypes, in one file.

    import mote_embed as mote

    with mote.create(["./app"], mem="64M") as vm:
        event = vm.run(timeout=5)
        print(event.name, event.status)

    with mote.restore("app.snap") as vm:
        answer = vm.call("GET", "/hello")
        print(answer.status, answer.body)
        vm.reset()

What goes wrong raises mote.Error, with the library's code and text. A VM is for one thread at a time, as
in C; vm.interrupt() is for any. ctypes lets other threads run while a call lasts.

The library is found as libmote.so.0, or named by the variable MOTE_LIBRARY.
"""
import ctypes
import os
from ctypes import POINTER, byref, c_char, c_char_p, c_int, c_int32, c_size_t, c_uint32, c_uint64, c_void_p
from typing import NamedTuple

EXITED, CRASHED, OUT_OF_MEMORY, POINT, TIMEOUT, INTERRUPTED, REQUEST = range(1, 8)
EVENTS = {EXITED: "exited", CRASHED: "crashed", OUT_OF_MEMORY: "out of memory", POINT: "point",
          TIMEOUT: "timeout", INTERRUPTED: "interrupted", REQUEST: "request"}

STATUS_INTERRUPTED, STATUS_TIMEOUT, STATUS_FAILED, STATUS_CANNOT_RUN, STATUS_NOT_FOUND = range(123, 128)
STATUS_SIGNAL_BASE, STATUS_OUT_OF_MEMORY = 128, 137

_NO_LIMIT = 2**64 - 1


# The structures of mote/mote.h, in its order.

class _Error(ctypes.Structure):
    _fields_ = [("code", c_int), ("text", c_char * 1024)]


class _Event(ctypes.Structure):
    _fields_ = [("type", c_uint32), ("status", c_int32), ("signal", c_int32), ("point", c_uint32),
                ("reserved", c_uint64 * 6)]


class _Header(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class _Request(ctypes.Structure):
    _fields_ = [("method", c_char_p), ("target", c_char_p), ("headers", POINTER(_Header)), ("header_count", c_size_t),
                ("body", c_char_p), ("body_size", c_size_t), ("timeout_ns", c_uint64), ("answer_max", c_size_t),
                ("reserved", c_uint64 * 6)]


class _Answer(ctypes.Structure):
    _fields_ = [("status", c_uint32), ("reserved_status", c_uint32), ("headers", POINTER(_Header)),
                ("header_count", c_size_t), ("body", c_void_p), ("body_size", c_size_t), ("run_ns", c_uint64),
                ("reserved", c_uint64 * 6)]


class _Statistics(ctypes.Structure):
    _fields_ = [("size", c_size_t)] + [(name, c_uint64) for name in (
        "exits", "hypercalls", "runs", "resets", "reset_pages", "make_ns", "run_ns", "reset_ns")]


def _load():
    library = ctypes.CDLL(os.environ.get("MOTE_LIBRARY", "libmote.so.0"))
    error = POINTER(_Error)
    for name, result, *arguments in (
            ("mote_version", c_char_p),
            ("mote_config_new", c_void_p),
            ("mote_config_set", c_int, c_void_p, c_char_p, c_char_p, error),
            ("mote_config_arguments", c_int, c_void_p, c_int, POINTER(c_char_p), error),
            ("mote_config_streams", c_int, c_void_p, c_int, c_int, c_int, error),
            ("mote_config_free", None, c_void_p),
            ("mote_create", c_void_p, c_void_p, error),
            ("mote_restore", c_void_p, c_void_p, c_char_p, error),
            ("mote_run", c_int, c_void_p, c_uint64, POINTER(_Event), error),
            ("mote_interrupt", None, c_void_p),
            ("mote_snapshot", c_int, c_void_p, c_char_p, error),
            ("mote_reset", c_int, c_void_p, error),
            ("mote_call", c_int, c_void_p, POINTER(_Request), POINTER(_Answer), error),
            ("mote_statistics", c_int, c_void_p, POINTER(_Statistics), error),
            ("mote_close", None, c_void_p)):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


_mote = _load()


class Error(Exception):
    """What failed: .code is one of STATUS_*, or STATUS_SIGNAL_BASE plus a signal."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class Event(NamedTuple):
    type: int
    status: int
    signal: int
    point: int

    @property
    def name(self):
        return EVENTS.get(self.type, "?")


class Answer(NamedTuple):
    status: int
    headers: list
    body: bytes
    run_ns: int


def _check(function, *arguments):
    error = _Error()
    result = function(*arguments, byref(error))
    # A pointer that is NULL is None.
    if result is None or (function.restype is c_int and result < 0):
        raise Error(error.code, error.text.decode(errors="replace"))
    return result


def _bytes(text):
    return text if text is None or isinstance(text, bytes) else os.fsencode(text)


def _ns(seconds, none):
    return none if seconds is None else int(seconds * 1e9)


def version():
    return _mote.mote_version().decode()


class _Config:
    """Options by name, '_' for '-'; True sets one without a value, a list repeats one."""

    def __init__(self, arguments, streams, options):
        self.handle = _mote.mote_config_new()
        if not self.handle:
            raise MemoryError
        try:
            if arguments:
                words = [_bytes(word) for word in arguments]
                _check(_mote.mote_config_arguments, self.handle, len(words), (c_char_p * len(words))(*words))
            if streams:
                _check(_mote.mote_config_streams, self.handle, *streams)
            for name, value in options.items():
                for one in value if isinstance(value, (list, tuple)) else [value]:
                    _check(_mote.mote_config_set, self.handle, _bytes(name.replace("_", "-")),
                           None if one is True else _bytes(str(one) if isinstance(one, (int, float)) else one))
        except BaseException:
            self.free()
            raise

    def free(self):
        _mote.mote_config_free(self.handle)


def create(arguments, streams=None, **options):
    """Boot a program: create(["./app", "argument"], streams=(0, 1, 2), mem="64M", env=["A=1", "B=2"])."""
    return _make(arguments, streams, options, lambda config: _check(_mote.mote_create, config))


def restore(snapshot, arguments=None, streams=None, **options):
    """Start from a snapshot; arguments, argv[0] included, take the place of what it had."""
    return _make(arguments, streams, options, lambda config: _check(_mote.mote_restore, config, _bytes(snapshot)))


def _make(arguments, streams, options, start):
    config = _Config(arguments, streams, options)
    try:
        return VM(start(config.handle))
    finally:
        config.free()


class VM:
    """A microVM of create() or restore(); a context manager, which closes it."""

    def __init__(self, handle):
        self._handle = handle

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def __del__(self):
        self.close()

    def _open(self):
        if not self._handle:
            raise Error(STATUS_FAILED, "the VM is closed")
        return self._handle

    def run(self, timeout=None):
        """Run until an Event; timeout in seconds."""
        event = _Event()
        _check(_mote.mote_run, self._open(), _ns(timeout, _NO_LIMIT), byref(event))
        return Event(event.type, event.status, event.signal, event.point)

    def call(self, method, target, headers=(), body=b"", timeout=None, answer_max=0):
        """Give a function a request: an Answer."""
        headers = [(_bytes(name), _bytes(value)) for name, value in dict(headers).items()]
        request = _Request(method=_bytes(method), target=_bytes(target), headers=(_Header * len(headers))(*headers),
                           header_count=len(headers), body=body, body_size=len(body), timeout_ns=_ns(timeout, 0),
                           answer_max=answer_max)
        answer = _Answer()
        _check(_mote.mote_call, self._open(), byref(request), byref(answer))
        return Answer(answer.status,
                      [(answer.headers[i].name.decode("latin-1"), answer.headers[i].value.decode("latin-1"))
                       for i in range(answer.header_count)],
                      ctypes.string_at(answer.body, answer.body_size) if answer.body_size else b"", answer.run_ns)

    def snapshot(self, path):
        _check(_mote.mote_snapshot, self._open(), _bytes(path))

    def reset(self):
        _check(_mote.mote_reset, self._open())

    def interrupt(self):
        """Make run() or call() of another thread return."""
        _mote.mote_interrupt(self._open())

    def statistics(self):
        """What it has cost, by name."""
        statistics = _Statistics(size=ctypes.sizeof(_Statistics))
        _check(_mote.mote_statistics, self._open(), byref(statistics))
        return {name: getattr(statistics, name) for name, _ in _Statistics._fields_[1:]}

    def close(self):
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            _mote.mote_close(handle)
