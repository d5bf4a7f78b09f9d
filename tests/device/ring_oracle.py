"""What the ring promises, in the plainest way: a list of rounds in the memory of the test."""

import random
import struct
from array import array

from mote.store.ring import Ring
from mote.store.stamp import Stamp

NAMES = ("temperature", "humidity", "pressure", "rssi", "battery", "co2", "soil_moisture_2")
# Of the rounds that `readings_of` makes.
SIZES = (7, 5, 1, 4, 1, 0)
MOST = 4096
HOUR_MS = 3_600_000


def float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def five(i):
    """The `i`th round of five metrics."""
    return [(name, float32(20 + i % 97 / 7 + k)) for k, name in enumerate(NAMES[:5])]


def readings_of(code):
    """The readings that a list of rounds need not hold: made anew from a number."""
    names = (NAMES, NAMES[:5], NAMES[3:4], NAMES[2:6], (f"n{code}",), ())[code % 6]
    return [
        (name, float32((code * 7919 + k * 104_729) % 65_537 / 100 - 300))
        for k, name in enumerate(names)
    ]


class Oracle:
    """Does everything twice, with a ring and with a list, and compares."""

    def __init__(self, folder, limit):
        self._where = folder, limit
        # Of the rounds that are in the ring, by their number: few large pieces of memory.
        self._boots = array("h", [0] * MOST)
        self._times = array("q", [0] * MOST)
        self._codes = array("I", [0] * MOST)
        self._first, self._last = 1, 0
        self._dates = {}
        self._total = 0
        self.boot = 1
        # The clock of the board, and the unix ms at which it was at 0.
        self._ms, self._start = 500, 1_790_000_000_000
        self._knows_time = False
        self._now = {"mark": 0, "lost": 0, "undatable": 0, "judged": 0}
        self._saved = dict(self._now)
        self.ring = Ring(folder, limit, self.boot)

    def append(self):
        self._ms += random.choice((1, 10_000, 10_003, 900_000))
        stamp = Stamp(self._ms, self.boot)
        if self._knows_time:
            stamp = Stamp(self._start + self._ms)
        code = random.getrandbits(20)
        number = self.ring.append(stamp, readings_of(code))
        self._last += 1
        assert number == self._last and number - self._first < MOST, (number, self._last)
        self._boots[number % MOST] = -1 if stamp.boot is None else stamp.boot
        self._times[number % MOST] = stamp.ms
        self._codes[number % MOST] = code
        self._drop()
        self._saved = dict(self._now)

    def _drop(self):
        # What is gone is for the ring to choose: the oldest, and only whole segments.
        assert len(self.ring._segments) <= self.ring._most
        while self._first < self.ring._segments.first():
            if self._first > self._now["mark"]:
                self._now["lost"] += self._size(self._first)
                self._now["mark"] = self._first
                self._now["judged"] = max(self._first, self._now["judged"])
            self._first += 1

    def _size(self, number):
        return SIZES[self._codes[number % MOST] % 6]

    def _time(self, number):
        boot, ms = self._boots[number % MOST], self._times[number % MOST]
        if boot < 0:
            return ms
        return self._dates[boot] + ms if boot in self._dates else None

    def date(self):
        self._dates[self.boot] = self._start
        self.ring.date(self.boot, self._start)

    def set_clock(self):
        self.date()
        self._knows_time = True

    def step_back(self):
        """The clock was wrong, and is put right: later rounds are earlier."""
        if self._knows_time:
            self._start -= 60_000

    def peek_and_deliver(self):
        count = random.choice((1, 5, 50, 300))
        found = self.ring.peek(count)
        expected = self._peek(count)
        assert found == expected, (found[:2], expected[:2], len(found), len(expected))
        assert self.ring.peek(count) == found
        if found and random.random() < 0.8:
            number = random.choice(found)[0] if random.random() < 0.3 else found[-1][0]
            self.ring.delivered(number)
            self._now["mark"] = number
            self._now["judged"] = max(number, self._now["judged"])

    def _peek(self, count):
        owed = []
        now = self._now
        for number in range(max(now["mark"] + 1, self._first), self._last + 1):
            ms = self._time(number)
            readings = readings_of(self._codes[number % MOST])
            if ms is None:
                if self._boots[number % MOST] == self.boot:
                    break
                if number > now["judged"]:
                    now["undatable"] += len(readings)
                    now["judged"] = number
                if not owed:
                    now["mark"] = number
                continue
            if count <= 0 or (owed and len(readings) > count):
                break
            owed.append((number, ms, readings))
            count -= len(readings) or 1
        return owed

    def replay(self):
        since = self._start + self._ms - random.choice((0, HOUR_MS, 5 * HOUR_MS, 1000 * HOUR_MS))
        before = self.ring.pending()
        first, again = None, 0
        for number in range(self._first, self._now["mark"] + 1):
            ms = self._time(number)
            if first is None and ms is not None and ms >= since:
                first = number
            if first is not None:
                again += self._size(number)
        found = self.ring.replay(since)
        assert found == again, (found, again)
        assert self.ring.pending() == before + found
        if first is not None:
            self._now["mark"] = first - 1

    def restart(self):
        self.boot += 1
        self._ms = random.randint(100, 900)
        self._start += 2000 * HOUR_MS
        self._knows_time = False
        self.reopen()

    def reopen(self):
        # What was delivered since the last round is not known any more.
        self._now = dict(self._saved)
        self.ring = Ring(*self._where, self.boot)

    def check(self):
        now = self._now
        owed = 0
        for number in range(max(now["mark"] + 1, self._first), self._last + 1):
            owed += self._size(number)
        ring = self.ring
        assert ring.pending() == owed, (ring.pending(), owed)
        assert ring.lost == now["lost"], (ring.lost, now["lost"])
        assert ring.undatable == now["undatable"], (ring.undatable, now["undatable"])
