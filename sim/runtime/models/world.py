"""The wire between a virtual chip and the world around it: one question out, one answer back.

A question is a JSON line `[number, operation, [arguments]]`; an answer is six decimal digits of
length and a JSON list, `[number, "ok", value]` or `[number, "OSError", errno or text]`. The world
may take its time: a blocking call of the chip blocks here.
"""

import json

_out = open("/dev/fd/3", "wb")
_in = open("/dev/fd/4", "rb")
_asked = 0
# What of the process's heap is no board's.
taken = None
_ERRORS = {
    "KeyboardInterrupt": KeyboardInterrupt,
    "OSError": OSError,
    "TypeError": TypeError,
    "ValueError": ValueError,
}


def _read(count):
    data = _in.read(count)
    while len(data) < count:
        more = _in.read(count - len(data))
        if not more:
            raise SystemExit  # the world is gone
        data += more
    return data


def ask(operation, *arguments):
    """The world's answer. Raises what the world says silicon would raise."""
    global _asked
    _asked = number = _asked + 1
    _out.write(json.dumps([number, operation, arguments]).encode() + b"\n")
    answered = 0
    # A signal may end the wait for an answer, which then comes before the one to the next question.
    while answered != number:
        answered, kind, value = json.loads(_read(int(_read(6))))
    if kind != "ok":
        raise _ERRORS[kind](value)
    return value


def to_hex(data):
    """Bytes as JSON can carry them."""
    return "".join("%02x" % byte for byte in data)


def from_hex(text):
    return bytes(int(text[i : i + 2], 16) for i in range(0, len(text), 2))
