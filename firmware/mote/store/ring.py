"""The ring: every round of readings, from being taken until newer ones need its place.

What is promised: a round is on the flash when `append` returns, and a power cut at any moment
after that loses nothing. Readings that were not delivered stay until the ring is full of newer
ones; the delivered ones stay as long, and can be delivered once more.
"""

from mote import memory
from mote.store import rounds
from mote.store.boots import Boots
from mote.store.gathering import CHUNK
from mote.store.journal import Journal
from mote.store.segments import BLOCK, Segments
from mote.store.wear import Turns

# ENOSPC: MicroPython's errno does not have it.
_NO_SPACE = 28
# Five metrics every 10 to 60 s with ordinary names: rounds in a chunk.
_METRICS, _ROUNDS = 5, 38


class Ring:
    """The readings in `folder`, in at most `limit` bytes of flash (default: what it can spare).

    `boot` is the number of this start of the board. Without it, rounds of an earlier start that
    nobody dated are waited for until the first round that has a number of a start.
    """

    def __init__(self, folder="/store", limit=None, boot=None):
        from mote.store import recovery

        recovery.make_folders(folder)
        self._folder = folder
        self._segments = Segments(folder + "/segments")
        self._journal = Journal(folder)
        self._boots = Boots(folder + "/boots")
        self._turns = Turns(folder + "/turns")
        found = recovery.recover(folder, self._segments, self._journal, self._boots)
        self._state, self._gathered, self._peak_ms = found
        self._most = recovery.most_segments(folder, limit, len(self._segments))
        memory.forget("mote.store.recovery", "mote.store.shifts")
        self._boot = boot
        # The first round of this start.
        self._begin = self._state.number + 1
        # Of the last round that `peek` gave: its number, and the readings taken with it.
        self._peeked = (0, 0)
        self._drop_what_is_gone()

    @property
    def lost(self):
        """Readings that were dropped undelivered, because the ring was full or flash damaged."""
        return self._state.lost

    @property
    def mark(self):
        """The number of the newest round that is not owed, nor any before it."""
        return self._state.mark

    @property
    def undatable(self):
        """Readings that were skipped: the board restarted before it knew the time."""
        return self._state.undatable

    @property
    def capacity(self):
        """The readings that are surely kept, in rounds of five metrics."""
        return (self._most - 1) * (BLOCK // CHUNK) * _ROUNDS * _METRICS

    def pending(self):
        """The number of readings that are not delivered yet."""
        return self._state.total - self._state.marked

    def append(self, stamp, readings):
        """Store a round, a list of (metric, value), taken at `stamp`; returns its number.

        Raises OSError when the flash fails, ValueError for a round of more than 250 readings or
        4000 bytes.
        """
        record = self._gathered.encode(stamp, readings)
        if not self._gathered.takes(record):
            self._turn_over()
            record = self._gathered.encode(stamp, readings)
        state = self._state
        state.number += 1
        state.total += len(readings)
        try:
            self._making_room(self._journal.write, state, self._gathered.rounds, record)
        except (OSError, MemoryError):
            state.number -= 1
            state.total -= len(readings)
            raise
        self._gathered.add(record)
        if stamp.boot is not None:
            self._boot = stamp.boot
        ms = self._boots.unix_ms(stamp.boot, stamp.ms, state.number)
        if ms is not None and ms > self._peak_ms:
            self._peak_ms = ms
        # Only now does the flash know what was delivered, so that it is not counted as lost.
        while len(self._segments) > self._most:
            self._drop_oldest()
        self._turns.take_one()
        return state.number

    def date(self, boot, unix_ms_of_boot):
        """From now on, the rounds of the start `boot` have a time. Persisted at once."""
        self._making_room(self._boots.date, boot, unix_ms_of_boot)
        if self._boot is None or boot > self._boot:
            self._boot = boot

    def redate(self, since_ms, off_ms):
        """The clock was off by `off_ms` since it showed `since_ms`: its rounds get other times.

        Persisted at once.
        """
        from mote.store import redate

        found = redate.find(
            self._segments, self._gathered, self._boots, self._begin, since_ms, off_ms
        )
        if found:
            entry = found, self._state.number, off_ms
            self._boots.shifts = self._making_room(redate.add, self._folder, entry)
            self._peak_ms = max(self._peak_ms - max(off_ms, 0), 0)
        memory.forget(*redate.MODULES)

    def delivered(self, number):
        """Every round up to `number` has arrived. Persisted with the next `append`."""
        state = self._state
        number = min(number, state.number)
        if number <= state.mark:
            return
        total = state.total
        if number == self._peeked[0]:
            total = self._peeked[1]
        elif number < state.number:
            for _, before, _, _ in self._rounds(number + 1):
                total = before
                break
        state.mark, state.marked = number, total
        state.judged = max(state.judged, number)

    def peek(self, count):
        """The oldest rounds that are owed and have a time: (number, unix ms, [(metric, value)]).

        At most `count` readings, but never less than a round. A round of this start that has no
        time yet ends the list.
        """
        state = self._state
        owed = []
        total = state.marked
        for number, before, one, data in self._rounds(state.mark + 1):
            if before > total and number - 1 > state.judged:
                state.lost += before - total
                state.judged = number - 1
            if not owed:
                state.mark, state.marked = number - 1, before
            size = len(one.metrics)
            total = before + size
            ms = self._boots.unix_ms(one.boot, one.base, number)
            if ms is not None:
                if count <= 0 or (owed and size > count):
                    break
                owed.append((number, ms + one.offset, one.values(data)))
                count -= size or 1
                self._peeked = number, total
            elif self._boot is None or self._boot == one.boot:
                break
            else:
                if number > state.judged:
                    state.undatable += size
                    state.judged = number
                if not owed:
                    state.mark, state.marked = number, total
        return owed

    def replay(self, since_ms):
        """Owe every round again from the first one on that is not older than `since_ms` (unix).

        Returns how many readings those are that were delivered before.
        """
        from mote.store import replay

        state = self._state
        found = replay.find(self._segments, self._gathered, self._boots, since_ms)
        memory.forget("mote.store.replay")
        if not found or found[0] > state.mark:
            return 0
        again = state.marked - found[1]
        state.mark, state.marked = found[0] - 1, found[1]
        return again

    def _rounds(self, number):
        return rounds.since(self._segments, self._gathered, number)

    def _turn_over(self):
        head = self._gathered.head(self._peak_ms)
        if self._making_room(self._segments.add, head, self._gathered.records):
            self._turns.segment_begun()
        self._gathered.begin(self._state.number + 1, self._state.total)

    def _making_room(self, write, *what):
        """Write; while the flash is fuller than was planned for, at the cost of the oldest."""
        while True:
            try:
                return write(*what)
            except OSError as error:
                if error.errno != _NO_SPACE or not len(self._segments):
                    raise
            self._drop_oldest()

    def _drop_oldest(self):
        self._segments.drop_oldest()
        self._drop_what_is_gone()

    def _drop_what_is_gone(self):
        """Count what was owed and is not there any more: a power cut may come before the count."""
        state = self._state
        for number, before, _, _ in self._rounds(0):
            if number > state.mark + 1:
                state.lost += max(before - state.marked, 0)
                state.mark, state.marked = number - 1, before
                state.judged = max(state.judged, state.mark)
            break
