"""The partition table of an ESP32 flash (ESP-IDF, Partition Tables: Binary Partition Table)."""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from motekit.image.errors import ImageError

OFFSET = 0x8000
SIZE = 0xC00
_ENTRY = struct.Struct("<2sBBII16sI")
_MAGIC = b"\xaa\x50"
_DIGEST_MAGIC = b"\xeb\xeb" + b"\xff" * 14
_TYPES = {0: "app", 1: "data"}


@dataclass(frozen=True)
class Partition:
    """One entry: `kind` is app or data, or its number; `offset` and `size` in bytes."""

    name: str
    kind: str
    subtype: int
    offset: int
    size: int
    flags: int = 0

    @property
    def end(self) -> int:
        return self.offset + self.size


def read(table: bytes) -> tuple[Partition, ...]:
    """The entries of a table, whose digest is checked. Raises ImageError."""
    found: list[Partition] = []
    for place in range(0, min(len(table), SIZE), _ENTRY.size):
        entry = table[place : place + _ENTRY.size]
        if entry.startswith(_DIGEST_MAGIC):
            if hashlib.md5(table[:place]).digest() != entry[16:]:
                break
            return tuple(found)
        if len(entry) < _ENTRY.size or not entry.startswith(_MAGIC):
            break
        _, kind, subtype, offset, size, name, flags = _ENTRY.unpack(entry)
        label = name.rstrip(b"\0").decode("ascii", "replace")
        found.append(Partition(label, _TYPES.get(kind, str(kind)), subtype, offset, size, flags))
    raise ImageError("its partition table is damaged or missing: download the image again")


def write(entries: Iterable[Partition]) -> bytes:
    """The table of `entries`, with its digest."""
    numbers = {name: number for number, name in _TYPES.items()}
    table = b"".join(
        _ENTRY.pack(
            _MAGIC,
            numbers[one.kind] if one.kind in numbers else int(one.kind),
            one.subtype,
            one.offset,
            one.size,
            one.name.encode("ascii"),
            one.flags,
        )
        for one in entries
    )
    return (table + _DIGEST_MAGIC + hashlib.md5(table).digest()).ljust(SIZE, b"\xff")
