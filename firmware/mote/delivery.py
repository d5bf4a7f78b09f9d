"""From a reading that was taken to one that has arrived: the ring keeps it, `sending` carries it.

Every round of readings goes into the ring in flash first. Online it is then published live, all
metrics in one write; what could not be sent live goes out as backfill, oldest first, with the time
when it was made, beside the live readings and without delaying them (contract 2).
"""

import asyncio
import gc
import time

from mote import contract, log
from mote.clock import uptime
from mote.store.stamp import Stamp

# Readings that are taken together make one round: one write to the flash for all sensors.
GATHER_MS = 100
# Rounds that may wait to be sent live.
_LIVE_MAX = 8
# Pieces of the past that are remembered to have arrived; beyond, a part of it is sent twice.
_PIECES_MAX = 8
# Bytes that nobody else gets: enough to write a round when a portal beside takes all the rest.
_RESERVE = 2048


class Delivery:
    """Owes what `take` was given until the broker has it.

    `ring` keeps it and `clock` dates it; `boot` is the number of this start, for readings from
    before the time is known.
    """

    def __init__(self, ring, clock, boot):
        self.ring = ring
        self.clock = clock
        clock.on_step = self.redate
        self._boot = boot
        self._round = []
        self._stamp = None
        # Whether there are readings of this start without a time of day.
        self._undated = False
        # Readings that the flash did not take.
        self._unkept = 0
        # (number, taken at, readings) of rounds that can still go out live, oldest first.
        self.live = []
        # First and last of the rounds that arrived live while older ones were owed.
        self.arrived = []
        # The round whose connection broke in the middle, and the metrics of it that arrived.
        self.part = 0, ()
        # The last round of the message of backfill that is on its way.
        self.old = 0
        self.news = asyncio.Event()
        self._reserve = bytearray(_RESERVE)

    def __len__(self):
        """Readings that are owed."""
        return self.ring.pending() + len(self._round)

    @property
    def lost(self):
        """Readings that were dropped: the ring was full, or nobody will ever know their time."""
        return self.ring.lost + self.ring.undatable + self._unkept

    def take(self, metric, value):
        """Owe a reading taken now. It is in the flash, and published, after `GATHER_MS`."""
        if any(one[0] == metric for one in self._round):
            # It was late before and is on time now: with one time for both, they would be one row.
            self.keep()
        if not self._round:
            self._stamp = self._now()
            asyncio.create_task(self._gather())
        self._round.append((metric, value))

    def _now(self):
        if self.clock.known:
            return Stamp(self.clock.now_ms())
        self._undated = True
        return Stamp(uptime.ms(), self._boot)

    def date(self):
        """If the clock is known by now, what was taken before gets its time, and can go out."""
        if self._undated and self.clock.known:
            self._undated = False
            self.ring.date(self._boot, self.clock.boot_ms())
            self.news.set()

    def redate(self, since_ms, off_ms, from_start):
        """The clock was far off (`Clock.on_step`): date anew what it has dated. Raises OSError."""
        if self._round and self._stamp.boot is None:
            self._stamp.ms -= off_ms
        self.ring.redate(since_ms, off_ms)
        if from_start and not self._undated:
            # What was taken before the clock was set had its date by it.
            self.ring.date(self._boot, self.clock.boot_ms())

    async def _gather(self):
        await asyncio.sleep_ms(GATHER_MS)
        self.keep()

    def keep(self):
        """Write what was gathered, at once: before a restart that is asked for."""
        readings, self._round = self._round, []
        if not readings:
            return
        try:
            number = self._append(readings)
        except (OSError, MemoryError) as error:
            # A broken flash is no reason to keep silent: it goes out live, or is lost.
            log.error("store: a round could not be kept: %r" % error)
            self._unkept += len(readings)
            number = 0
        self.live.append((number, time.ticks_ms(), readings))
        # Without a connection nothing is live for long.
        del self.live[:-_LIVE_MAX]
        self.news.set()

    def _append(self, readings):
        try:
            return self.ring.append(self._stamp, readings)
        except MemoryError:
            self._reserve = None
            gc.collect()
        try:
            return self.ring.append(self._stamp, readings)
        finally:
            gc.collect()
            try:
                self._reserve = bytearray(_RESERVE)
            except MemoryError:
                # The next round tries again.
                pass

    def replay(self, since_ms):
        """Send again what the ring still has from unix time `since_ms` on; returns how many."""
        self.arrived = []
        # What is on its way does not answer for what is now owed before it.
        self.old = 0
        count = self.ring.replay(since_ms)
        self.news.set()
        return count

    def has_arrived(self, number, readings):
        """The live round `number` arrived, 0 for one that the flash did not take."""
        told = ["%s=%s" % (metric, contract.format_value(value)) for metric, value in readings]
        log.info(contract.LOG_PUBLISHED + ", ".join(told))
        if not number:
            self._unkept -= len(readings)
            return
        pieces = self.arrived
        if pieces and pieces[-1][1] == number - 1:
            pieces[-1] = pieces[-1][0], number
        else:
            pieces.append((number, number))
            del pieces[:-_PIECES_MAX]
        # Where nothing older is owed, nothing has to be remembered.
        while pieces and pieces[0][0] <= self.ring.mark + 1:
            self.ring.delivered(pieces.pop(0)[1])
