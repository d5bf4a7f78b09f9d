"""Chunks: what a segment file is made of. Each can be read, and checked, without the others.

A chunk is a head of 32 bytes and then the records (see `codec`) of some rounds in a row:
  u16 mark, u16 length of the records in bytes, u32 CRC-32 of the records,
  u32 number of the first round, u32 readings that the ring had taken before it,
  u16 readings, u8 rounds, u8 0,
  u64 latest unix ms known of any round up to here, u32 CRC-32 of the head before it.
All numbers are little-endian. The head has a sum of its own, so that a damaged byte in the records
leaves the way to the next chunk; where the head is damaged, the next one is found by its mark.
"""

import struct
from binascii import crc32

_MARK = 0xC5AF
_MARK_BYTES = b"\xaf\xc5"
_FORMAT = "<HHIIIHBBQ"
SIZE = 32
_WINDOW = 256


class Head:
    """What a chunk says about itself; `peak_ms` is the latest time known up to its end."""

    def __init__(self, first, before, readings, rounds, peak_ms):
        self.first = first
        self.before = before
        self.readings = readings
        self.rounds = rounds
        self.peak_ms = peak_ms
        self.at = self.length = self.crc = 0

    @property
    def last(self):
        return self.first + self.rounds - 1

    @property
    def after(self):
        """The readings that the ring had taken with this chunk."""
        return self.before + self.readings


def write(f, head, records):
    """Write a chunk at the place where `f` is."""
    coded = struct.pack(
        _FORMAT,
        _MARK,
        len(records),
        crc32(records),
        head.first,
        head.before,
        head.readings,
        head.rounds,
        0,
        head.peak_ms,
    )
    f.write(coded)
    f.write(struct.pack("<I", crc32(coded)))
    f.write(records)


def heads(f):
    """The heads of all chunks in `f` whose head is whole, in order."""
    at = 0
    while at >= 0:
        f.seek(at)
        head = _parsed(f.read(SIZE))
        if head:
            head.at = at + SIZE
            yield head
            at = head.at + head.length
        else:
            at = _next_mark(f, at + 1)


def records(f, head):
    """The records of a chunk of `f` as bytes; None where they are damaged."""
    f.seek(head.at)
    data = f.read(head.length)
    return data if len(data) == head.length and crc32(data) == head.crc else None


def _parsed(data):
    if len(data) < SIZE or data[:2] != _MARK_BYTES:
        return None
    if struct.unpack_from("<I", data, SIZE - 4)[0] != crc32(memoryview(data)[: SIZE - 4]):
        return None
    _, length, crc, first, before, readings, rounds, _, peak_ms = struct.unpack_from(_FORMAT, data)
    head = Head(first, before, readings, rounds, peak_ms)
    head.length = length
    head.crc = crc
    return head


def _next_mark(f, at):
    """Where the mark of a chunk is, not before `at`; -1 when there is none."""
    while True:
        f.seek(at)
        window = f.read(_WINDOW)
        if len(window) < SIZE:
            return -1
        found = window.find(_MARK_BYTES)
        if found >= 0:
            return at + found
        at += len(window) - 1
