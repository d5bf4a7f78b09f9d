"""A world for the clock: time that passes by a number, a crystal that is off, time servers."""

import random
import time

from mote.clock import rtc
from mote.clock.clock import FIRST_MS, Clock

# 2026-03-04 05:06:07.250
NOW_MS = 1_772_600_767_250
MILLION = 1_000_000


class World:
    """`servers`: how far each one is off in ms, or the exception by which it answers.

    A question takes between `trips` ms; how they divide into there and back is chance.
    """

    def __init__(self, servers, crystal_ppm=0, trips=(0, 0), rtc_ms=0, up_ms=0):
        self.servers, self.asked = servers, []
        # Where it is not a server of its own that a name stands for.
        self.addresses = {}
        # What the clock has told of a time that was wrong.
        self.steps = []
        self.true_ms = NOW_MS
        self.rtc = []
        self._crystal_ppm, self._trips = crystal_ppm, trips
        self._rtc_ms, self._up_ms = rtc_ms, up_ms

    def clock(self, floor_ms=FIRST_MS):
        rtc.read = lambda: self._rtc_ms
        rtc.write = self.rtc.append
        clock = Clock(self.uptime_ms, self._ask, floor_ms)
        clock.on_step = lambda *step: self.steps.append(step)
        return clock

    def pass_ms(self, count):
        self.true_ms += count

    def uptime_ms(self):
        """A slow crystal counts less than passes: its ppm are what has to be added."""
        passed = self.true_ms - NOW_MS
        return self._up_ms + passed * MILLION // (MILLION + self._crystal_ppm)

    def error_ms(self, clock):
        return clock.now_ms() - self.true_ms

    async def _ask(self, name):
        self.asked.append(name)
        off = self.servers.get(name, OSError("no such name"))
        if isinstance(off, Exception):
            raise off
        least, most = self._trips
        trip = least + random.randrange(most - least + 1)
        back = random.randrange(trip + 1)
        self.pass_ms(trip)
        return self.true_ms + off - back + trip // 2, trip, self.addresses.get(name, name)


class Fields:
    """Puts `machine.RTC` in place, and a `time` that counts from the given epoch."""

    real = rtc.read, rtc.write

    def __init__(self, epoch_s):
        self._epoch_s = epoch_s
        self.fields = None

    def __enter__(self):
        self._before = rtc.time, rtc._EPOCH_S, rtc.machine
        self._stubbed = rtc.read, rtc.write
        rtc.time, rtc._EPOCH_S, rtc.machine = self, self._epoch_s, self
        rtc.read, rtc.write = Fields.real
        return self

    def __exit__(self, *exc):
        rtc.time, rtc._EPOCH_S, rtc.machine = self._before
        rtc.read, rtc.write = self._stubbed

    def RTC(self):  # noqa: N802
        return self

    def datetime(self, fields=None):
        if fields is None:
            return self.fields
        self.fields = fields
        return None

    def gmtime(self, seconds):
        return time.gmtime(seconds + self._epoch_s)[:8]

    def mktime(self, fields):
        year, month, day, hour, minute, second = fields[:6]
        # The runtime's own is in local time. March is the first month of this year.
        year, month = (year, month - 3) if month > 2 else (year - 1, month + 9)
        days = year * 365 + year // 4 - year // 100 + year // 400 + (month * 153 + 2) // 5 + day
        return ((days - 719_469) * 24 + hour) * 3600 + minute * 60 + second - self._epoch_s
