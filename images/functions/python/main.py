"""@NAME@: a function. The module mote says what there is."""
import json

import mote

answered = 0


def answer(request):
    global answered
    answered += 1  # always 1: each request begins with memory as it was at serve()
    body = json.dumps({"hello": "@NAME@", "method": request.method, "path": request.path, "answered": answered})
    return 200, {"Content-Type": "application/json"}, body + "\n"


# What takes its time goes here: it is done once, before the snapshot.
mote.serve(answer)
