"""From a reading that was taken to one that has arrived: the ring keeps it, MQTT carries it.

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
# A live topic has no time of its own: what waited longer than this is sent as backfill.
LIVE_MS = 2_000
# Rounds that may wait to be sent live.
_LIVE_MAX = 8
# Readings in one message of backfill: about a kilobyte.
BACKFILL_READINGS = 16
# Pieces of the past that are remembered to have arrived; beyond, a part of it is sent twice.
_PIECES_MAX = 8
_NEVER = 1 << 32


class Delivery:
    """Owes what `take` was given until the broker has it.

    `ring` keeps it and `clock` dates it; `boot` is the number of this start, for readings from
    before the time is known.
    """

    def __init__(self, device, ring, clock, boot):
        self._device = device
        self._ring = ring
        self._clock = clock
        self._boot = boot
        self._round = []
        self._stamp = None
        # Whether there are readings of this start without a time of day.
        self._undated = False
        # Readings that the flash did not take.
        self._unkept = 0
        # (number, taken at, readings) of rounds that can still go out live, oldest first.
        self._live = []
        # First and last of the rounds that arrived live while older ones were owed.
        self._arrived = []
        # The round whose connection broke in the middle, and the metrics of it that arrived.
        self._part = 0, ()
        # The last round of the message of backfill that is on its way.
        self._old = 0
        self._news = asyncio.Event()

    def __len__(self):
        """Readings that are owed."""
        return self._ring.pending() + len(self._round)

    @property
    def lost(self):
        """Readings that were dropped: the ring was full, or nobody will ever know their time."""
        return self._ring.lost + self._ring.undatable + self._unkept

    def take(self, metric, value):
        """Owe a reading taken now. It is in the flash, and published, after `GATHER_MS`."""
        if not self._round:
            self._stamp = self._now()
            asyncio.create_task(self._gather())
        self._round.append((metric, value))

    def _now(self):
        if self._clock.known:
            return Stamp(self._clock.now_ms())
        self._undated = True
        return Stamp(uptime.ms(), self._boot)

    def date(self):
        """If the clock is known by now, what was taken before gets its time, and can go out."""
        if self._undated and self._clock.known:
            self._undated = False
            self._ring.date(self._boot, self._clock.boot_ms())
            self._news.set()

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
        self._live.append((number, time.ticks_ms(), readings))
        # Without a connection nothing is live for long.
        del self._live[:-_LIVE_MAX]
        self._news.set()

    def _append(self, readings):
        try:
            return self._ring.append(self._stamp, readings)
        except MemoryError:
            # Beside an open portal there is little: once more when all of it is in one piece.
            gc.collect()
            return self._ring.append(self._stamp, readings)

    def replay(self, since_ms):
        """Send again what the ring still has from unix time `since_ms` on; returns how many."""
        self._arrived = []
        # What is on its way does not answer for what is now owed before it.
        self._old = 0
        count = self._ring.replay(since_ms)
        self._news.set()
        return count

    async def deliver(self, client, delivered=lambda: None):
        """Send what is owed until the connection is gone; `delivered` is told of each live round.

        A live round and a message of backfill may be on their way at the same time.
        """
        topic = contract.backfill_topic(self._device)
        live, live_left, old_left = None, (), ()
        self._old = 0
        try:
            while True:
                self._news.clear()
                if live and not live_left:
                    self._has_arrived(*live)
                    live = None
                    delivered()
                if self._old and not old_left:
                    self._ring.delivered(self._old)
                    self._old = 0
                if not live:
                    live = self._next_live()
                    if live:
                        live_left = await client.publish_all(self._messages(live), self._news)
                        ids = tuple(live_left)
                if not old_left:
                    self._old, payload = self._next_old(live)
                    if payload:
                        old_left = await client.publish_all(((topic, payload),), self._news)
                    elif self._old:
                        continue
                await self._news.wait()
        except OSError as error:
            # A broker that does not acknowledge is as good as gone.
            client.close(error)
        finally:
            if live and live_left:
                self._keep_part(live, [pid not in live_left for pid in ids])

    def _next_live(self):
        """(number, readings) of the oldest round that can still go out live, or None."""
        while self._live:
            number, taken_ms, readings = self._live.pop(0)
            if time.ticks_diff(time.ticks_ms(), taken_ms) <= LIVE_MS:
                return number, readings
        return None

    def _messages(self, live):
        for metric, value in live[1]:
            yield contract.sensor_topic(self._device, metric), contract.format_value(value)

    def _has_arrived(self, number, readings):
        if not number:
            self._unkept -= len(readings)
            return
        pieces = self._arrived
        if pieces and pieces[-1][1] == number - 1:
            pieces[-1] = pieces[-1][0], number
        else:
            pieces.append((number, number))
            del pieces[:-_PIECES_MAX]
        # Where nothing older is owed, nothing has to be remembered.
        while pieces and pieces[0][0] <= self._ring.mark + 1:
            self._ring.delivered(pieces.pop(0)[1])

    def _keep_part(self, live, arrived):
        """The connection broke in the middle of a round: what arrived is not sent once more."""
        number, readings = live
        self._part = number, [one[0] for one, there in zip(readings, arrived) if there]

    def _next_old(self, live):
        """The next message of backfill: the number of its last round, and its text.

        (0, "") when there is none. The text is empty when those rounds arrived by other ways.
        """
        if not self._clock.known or not self._ring.pending():
            return 0, ""
        first_live = min([one[0] for one in [live] + self._live if one and one[0]] or [_NEVER])
        last, lines = 0, []
        for number, unix_ms, readings in self._ring.peek(BACKFILL_READINGS):
            if number >= first_live:
                break
            last = number
            if not any(first <= number <= end for first, end in self._arrived):
                self._add_lines(lines, number, unix_ms, readings)
        return last, "\n".join(lines)

    def _add_lines(self, lines, number, unix_ms, readings):
        there = self._part[1] if self._part[0] == number else ()
        for metric, value in readings:
            if metric not in there:
                # The time is in nanoseconds, and made of milliseconds.
                lines.append(
                    "sensors,device=%s,metric=%s value=%s %d000000"
                    % (self._device, metric, contract.format_value(value), unix_ms)
                )
