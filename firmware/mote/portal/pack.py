"""Sends a packed page: its fixed parts come deflated from the file, what changes is stored between.

A page is a list of records, written by the host when it makes the firmware: a kind, the length of
a name, the name. `T` is a fixed part (sizes packed and plain, CRC-32, and the power of x that the
checksum before it is multiplied by); `S` a slot; `B` begins a section that is shown or not, `E`
ends it; `W` is a word for the slots. One pass through the file, a quarter of a kilobyte in memory.
"""

import binascii
import struct

# RFC 1952, 2.3: deflate, no name, no time, unknown system.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
# RFC 1951, 3.2.6: a last block with nothing in it.
_LAST = b"\x03\x00"
_POLYNOMIAL = 0xEDB88320
_WINDOW_BITS = 10
_PIECE = 256


def length(path, view, packed=True):
    """How many bytes `pieces` gives: they are made once more, as there is no room for all."""
    stream = _Stream() if packed else _Counted()
    return sum(len(piece) for piece in _made(path, view, stream))


def pieces(path, view, packed=True):
    """Bytes of the page at `path`: one gzip stream, or plain HTML when not `packed`.

    `view.shows(name)` tells whether a section is shown; `view.fill(name, words)` gives the text of
    a slot, or several.
    """
    return _made(path, view, _Stream() if packed else _Plain())


def _made(path, view, stream):
    words = {}
    hidden = 0
    with open(path, "rb") as file:
        while True:
            kind = file.read(1)
            if not kind:
                break
            name = str(file.read(file.read(1)[0]), "ascii")
            if kind == b"T":
                size, plain, checksum, power = struct.unpack("<HHII", file.read(12))
                if hidden:
                    file.seek(size, 1)
                    continue
                for piece in stream.fixed(file, size, plain, checksum, power):
                    yield piece
            elif kind == b"W":
                size = struct.unpack("<H", file.read(2))[0]
                if hidden:
                    # They take memory: who has words needs them where they are shown.
                    file.seek(size, 1)
                else:
                    words[name] = str(file.read(size), "utf-8")
            elif kind == b"B":
                if hidden or not view.shows(name):
                    hidden += 1
            elif kind == b"E":
                hidden -= 1 if hidden else 0
            elif not hidden:
                texts = view.fill(name, words)
                for text in (texts,) if isinstance(texts, str) else texts:
                    for piece in stream.text(text.encode()):
                        yield piece
    for piece in stream.end():
        yield piece


class _Stream:
    """A gzip stream. A fixed part ends in the head of a stored block, whose length follows it."""

    def __init__(self):
        self._crc = 0
        self._size = 0
        self._open = False
        self._waiting = b""

    def fixed(self, file, size, plain, checksum, power):
        for piece in self._flush():
            yield piece
        if not self._size:
            yield _HEAD
        self._crc = _times(power, self._crc) ^ checksum
        self._size += plain
        self._open = True
        while size:
            piece = file.read(min(size, _PIECE))
            size -= len(piece)
            yield piece

    def text(self, data):
        self._waiting += data
        if len(self._waiting) > _PIECE:
            return self._flush()
        return ()

    def end(self):
        for piece in self._flush():
            yield piece
        yield _LAST + struct.pack("<II", self._crc, self._size)

    def _flush(self):
        """What waits, as a stored block (RFC 1951, 3.2.4)."""
        data, self._waiting = self._waiting, b""
        if data or self._open:
            size = len(data)
            self._crc = binascii.crc32(data, self._crc)
            self._size += size
            yield (b"" if self._open else b"\x00") + struct.pack("<HH", size, size ^ 0xFFFF) + data
            self._open = False


class _Plain:
    """For the few that take no gzip: curl, a text browser."""

    def fixed(self, file, size, plain, checksum, power):
        import deflate

        end = file.tell() + size
        # It takes from the file what it needs for so many bytes, and no more of it than that.
        source = deflate.DeflateIO(file, deflate.RAW, _WINDOW_BITS)
        while plain:
            piece = source.read(min(plain, _PIECE))
            plain -= len(piece)
            yield piece
        file.seek(end)

    def text(self, data):
        yield data

    def end(self):
        return ()


class _Counted(_Plain):
    """As plain, for the length alone: what is unpacked has its length written before it."""

    def fixed(self, file, size, plain, checksum, power):
        file.seek(size, 1)
        yield range(plain)


def _times(a, b):
    """The product of two polynomials over GF(2), modulo the one of CRC-32, bits reflected."""
    product = 0
    mask = 1 << 31
    while a and b:
        if a & mask:
            product ^= b
            a ^= mask
        mask >>= 1
        b = b >> 1 ^ _POLYNOMIAL if b & 1 else b >> 1
    return product
