"""Frames of Improv over serial, version 1 (https://www.improv-wifi.com/serial/).

`IMPROV`, the version, type, length, data, and the sum of all these bytes modulo 256.
"""

# Types.
STATE, ERROR, COMMAND, RESULT = 1, 2, 3, 4
# What `Reader.take` says beside the data of a command.
BROKEN, INTERRUPT = 1, 2

_HEADER = b"IMPROV\x01"
_VERSION, _CTRL_C = 1, 3
_TYPE, _LENGTH, _DATA = 7, 8, 9


def frame(kind, data):
    """The bytes of one frame. A line of its own: clients skip everything else up to a line feed."""
    packed = _HEADER + bytes((kind, len(data))) + data
    return b"\n" + packed + bytes((sum(packed) & 255,)) + b"\n"


def result(command, texts):
    """The frame that answers `command` with `texts`."""
    data = b""
    for text in texts:
        text = text.encode()
        data += bytes((len(text),)) + text
    return frame(RESULT, bytes((command, len(data))) + data)


class Reader:
    """Finds commands in what is typed, byte by byte."""

    def __init__(self):
        self._kept = bytearray()
        self._before = 0

    def take(self, byte):
        """The data of the command that ends with `byte`, BROKEN, INTERRUPT, or None.

        Every command holds the byte of Ctrl-C, as its type: only one outside a frame interrupts.
        """
        kept, before = self._kept, self._before
        self._before = byte
        count = len(kept)
        if count < len(_HEADER) and byte != _HEADER[count]:
            self._kept = bytearray()
            if byte == _HEADER[0]:
                self._kept.append(byte)
            # Behind a version it is the type of a frame whose head was lost while the chip started.
            return INTERRUPT if byte == _CTRL_C and before != _VERSION else None
        kept.append(byte)
        if count < _DATA or count < _DATA + kept[_LENGTH]:
            return None
        self._kept = bytearray()
        if sum(kept[:-1]) & 255 != byte:
            return BROKEN
        return bytes(kept[_DATA:-1]) if kept[_TYPE] == COMMAND else None

    def silence(self):
        """Nothing came for a while: what is there of a frame is no frame."""
        self._kept = bytearray()
