#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a command on a terminal of its own, by a script of what to await and what to type.

usage: pty-run.py [STEP]... -- COMMAND [ARGUMENT]...

Steps, in order:
  await:TEXT    wait until TEXT has appeared behind what was awaited before (5 seconds at most)
  type:TEXT     type TEXT; \\r, \\e and \\xNN stand for bytes
  size:ROWSxCOLUMNS  set the window size; the first comes before the command starts
  signal:NAME   send a signal to the command
  raw:yes|no    require that the terminal is, or is not, in raw mode now

Everything that appeared goes to stdout. The status is the command's (128 + signal when one killed it),
or 99 with a line on stderr when a step failed or the terminal was left in another mode.
"""
import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time

SIZE = "24x80"
seen = bytearray()


class Failure(Exception):
    pass


def set_size(fd, text):
    rows, columns = map(int, text.split("x"))
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def start(slave, command):
    pid = os.fork()
    if pid == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(slave, fd)
        os.closerange(3, 256)
        os.execvp(command[0], command)
    return pid


def pump(master, seconds):
    if select.select([master], [], [], seconds)[0]:
        seen.extend(os.read(master, 65536))


def await_text(master, text, start_at):
    limit = time.monotonic() + 5
    while True:
        at = seen.find(text, start_at)
        if at >= 0:
            return at + len(text)
        if time.monotonic() > limit:
            raise Failure(f"{text!r} did not appear")
        pump(master, 0.05)


def is_raw(slave):
    return not termios.tcgetattr(slave)[3] & termios.ICANON


def step(kind, value, master, slave, pid, position):
    text = value.replace("\\e", "\\x1b").encode().decode("unicode_escape").encode("latin-1")
    if kind == "await":
        return await_text(master, text, position)
    if kind == "type":
        os.write(master, text)
    elif kind == "size":
        set_size(slave, value)
    elif kind == "signal":
        os.kill(pid, getattr(signal, "SIG" + value))
    elif kind == "raw":
        if is_raw(slave) != (value == "yes"):
            raise Failure(f"raw:{value} does not hold")
    else:
        raise Failure(f"unknown step {kind}")
    return position


def wait_end(master, pid):
    limit = time.monotonic() + 5
    while True:
        pump(master, 0.02)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            while select.select([master], [], [], 0)[0]:
                seen.extend(os.read(master, 65536))
            if os.WIFSIGNALED(status):
                print(f"killed by signal {os.WTERMSIG(status)}", file=sys.stderr)
                return 128 + os.WTERMSIG(status)
            return os.WEXITSTATUS(status)
        if time.monotonic() > limit:
            raise Failure("the command did not end")


def main():
    split = sys.argv.index("--")
    steps = [word.partition(":")[::2] for word in sys.argv[1:split]]
    master, slave = pty.openpty()
    set_size(slave, SIZE)
    if steps and steps[0][0] == "size":
        set_size(slave, steps.pop(0)[1])
    before = termios.tcgetattr(slave)
    pid = start(slave, sys.argv[split + 1:])
    position = 0
    try:
        for kind, value in steps:
            position = step(kind, value, master, slave, pid, position)
        status = wait_end(master, pid)
        if termios.tcgetattr(slave) != before:
            raise Failure("the terminal was left in another mode")
    except Failure as failure:
        print(failure, file=sys.stderr)
        os.kill(pid, signal.SIGKILL)
        status = 99
    sys.stdout.buffer.write(seen)
    return status


sys.exit(main())
