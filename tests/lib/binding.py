# SPDX-License-Identifier: Apache-2.0
"""images/embed/mote_embed.py: what the example in docs/libmote.md does not do. usage: binding.py GUESTS SNAPSHOT"""
import os
import sys
import threading
import time

import mote_embed as mote

guests, snapshot = sys.argv[1:]


def raises(code, function, *arguments, **keywords):
    try:
        function(*arguments, **keywords)
    except mote.Error as error:
        assert error.code == code, (error.code, error)
        return
    raise AssertionError("no error")


raises(mote.STATUS_FAILED, mote.create, ["x"], nonsense=1)
raises(mote.STATUS_NOT_FOUND, mote.create, ["/nowhere"])
raises(mote.STATUS_CANNOT_RUN, mote.restore, guests + "/status")

# Arguments, variables and streams.
read, write = os.pipe()
with mote.create([guests + "/args", "word"], streams=(-1, write, -1), env=["A=1", "B=2"], mem="16M") as vm:
    os.close(write)
    assert vm.run() == mote.Event(mote.EXITED, 0, 0, 0)
    raises(mote.STATUS_FAILED, vm.run)
with os.fdopen(read) as stream:
    text = stream.read()
assert "argument [word]" in text and "variable [A=1]" in text and "variable [B=2]" in text, text
raises(mote.STATUS_FAILED, vm.run)  # closed

# Another thread interrupts.
with mote.create([guests + "/spin"], streams=(-1, -1, -1)) as vm:
    assert vm.run(timeout=0.02).name == "timeout"
    threading.Thread(target=lambda: (time.sleep(0.05), vm.interrupt())).start()
    assert vm.run().type == mote.INTERRUPTED

# Bodies with any bytes; errors of calls.
body = bytes(range(256)) * 1000
with mote.restore(snapshot, streams=(-1, -1, -1)) as vm:
    assert vm.call("POST", "/echo", body=body).body == body
    vm.reset()
    raises(mote.STATUS_SIGNAL_BASE + 11, vm.call, "GET", "/crash")
    vm.reset()
    answer = vm.call("GET", "/status")
    assert answer.status == 418 and answer.run_ns > 0
    raises(mote.STATUS_FAILED, vm.call, "GET", "no\nline")
    assert vm.statistics()["resets"] == 2
