"""The segment files: chunks of rounds, about a block of the flash in each file.

A file is named by the number of its first round (8 hex digits). LittleFS gives a file whole blocks
and copies the last one when something is appended: a chunk costs one erase, and after a power cut
it is there or not, as a whole. Nothing here keeps a file open.
"""

import os
from array import array

from mote.store import chunk

BLOCK = 4096
_NAME = "%08x"


class Segments:
    """The files in `folder`, oldest first."""

    def __init__(self, folder):
        self._folder = folder
        # The first `_count` are in use: memory that is taken once leaves the heap whole.
        self._firsts = array("I", sorted(self._named()))
        self._count = len(self._firsts)

    def __len__(self):
        return self._count

    def first(self):
        """The number of the oldest round; 0 when there is no segment."""
        return self._firsts[0] if self._count else 0

    def _named(self):
        """The numbers that are file names, not in order."""
        firsts = []
        for name in os.listdir(self._folder):
            try:
                first = int(name, 16)
            except ValueError:
                continue
            # Anything else is not a segment, and nobody else's business is touched here.
            if name == _NAME % first:
                firsts.append(first)
        return firsts

    def _path(self, first):
        return self._folder + "/" + _NAME % first

    def add(self, head, records):
        """Write a chunk behind all others; True when it began a new segment.

        It is on the flash when this returns.
        """
        last = self._count - 1
        if last >= 0:
            size = os.stat(self._path(self._firsts[last]))[6]
        if last < 0 or size + chunk.SIZE + len(records) > BLOCK:
            last += 1
        first = self._firsts[last] if last < self._count else head.first
        with open(self._path(first), "ab") as f:
            chunk.write(f, head, records)
        if last < self._count:
            return False
        if last < len(self._firsts):
            self._firsts[last] = first
        else:
            self._firsts.append(first)
        self._count += 1
        return True

    def drop_oldest(self):
        os.remove(self._path(self._firsts[0]))
        self._count -= 1
        for i in range(self._count):
            self._firsts[i] = self._firsts[i + 1]

    def chunk_at(self, number):
        """The first chunk that can be read and ends at or after `number`: its head and records.

        (None, None) when there is none.
        """
        for i in range(self._holding(number), self._count):
            with open(self._path(self._firsts[i]), "rb") as f:
                for head in chunk.heads(f):
                    if head.last >= number:
                        data = chunk.records(f, head)
                        if data is not None:
                            return head, data
        return None, None

    def last_head(self):
        """The head of the newest chunk; None when there is none."""
        for i in range(self._count - 1, -1, -1):
            last = None
            with open(self._path(self._firsts[i]), "rb") as f:
                for head in chunk.heads(f):
                    last = head
            if last:
                return last
        return None

    def _holding(self, number):
        """The place of the last segment that begins at or before `number`, or 0."""
        low, high = 0, self._count
        while high - low > 1:
            middle = (low + high) // 2
            if self._firsts[middle] <= number:
                low = middle
            else:
                high = middle
        return low

    def first_not(self, before):
        """The number from which to look for the first chunk of which `before` is not true.

        `before(head, data)` must be true for a first part of the ring and false for the rest.
        """
        low, high = 0, self._count
        while low < high:
            middle = (low + high) // 2
            head, data = self.chunk_at(self._firsts[middle])
            if head is None or not before(head, data):
                high = middle
            else:
                low = middle + 1
        return self._firsts[low - 1] if low else 0
