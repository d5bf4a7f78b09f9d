"""The rounds since the last segment was written: they become its next chunk."""

from mote.store import chunk
from mote.store.codec import Codec
from mote.store.journal import SLOTS

# Four of them fill a segment, and a damaged byte costs no more than one.
CHUNK = 1024


class Gathering(Codec):
    """A chunk that grows: `first` is its first round, `before` the readings taken before that.

    The `records` lie in one piece of memory that is taken once: many small ones that stay would
    leave the heap in pieces.
    """

    def __init__(self):
        self._memory = bytearray(CHUNK - chunk.SIZE)
        self.begin(1, 0)

    def begin(self, first, before):
        """Forget what was gathered."""
        super().__init__()
        self.first = first
        self.before = before
        self.rounds = self.readings = self._length = 0

    @property
    def records(self):
        return memoryview(self._memory)[: self._length]

    def takes(self, record):
        """True when there is room for `record`; a chunk has room for one of any size."""
        full = self.rounds == SLOTS or self._length + len(record) > CHUNK - chunk.SIZE
        return not self.rounds or not full

    def add(self, record):
        self.step(record)
        end = self._length + len(record)
        if end > len(self._memory):
            # A round of this size is the only one in its chunk.
            self._memory = bytearray(end)
        self._memory[self._length : end] = record
        self._length = end
        self.rounds += 1
        self.readings += len(self.metrics)

    def head(self, peak_ms):
        return chunk.Head(self.first, self.before, self.readings, self.rounds, peak_ms)
