"""Frames of Improv over serial, version 1 (https://www.improv-wifi.com/serial/).

`IMPROV`, the version, type, length, data, and the sum of all these bytes modulo 256.
"""

# Types.
STATE, ERROR, COMMAND, RESULT = 1, 2, 3, 4
# The command that asks for networks, with its data, of which there are none.
NETWORKS = b"\x04\x00"

_HEADER = b"IMPROV\x01"


def frame(kind, data):
    """The bytes of one frame. A line of its own: clients skip everything else up to a line feed."""
    packed = _HEADER + bytes((kind, len(data))) + data
    return b"\n" + packed + bytes((_sum(packed),)) + b"\n"


def result(command, texts):
    """The frame that answers `command` with `texts`."""
    data = b""
    for text in texts:
        text = text.encode()
        data += bytes((len(text),)) + text
    return frame(RESULT, bytes((command, len(data))) + data)


def content(rest):
    """Type and data of a frame by what is behind its header; type 0 when its checksum is wrong."""
    if _sum(_HEADER + rest[:-1]) != rest[-1]:
        return 0, b""
    return rest[0], bytes(rest[2:-1])


def _sum(data):
    return sum(data) & 255
