"""The time of day out of uptime and time servers: right between the answers, and backwards only
where it was far ahead.

Whole milliseconds and whole ppm throughout: a float of the board has seven digits.
"""

import asyncio
import random

from mote import memory
from mote.clock import rtc, uptime

# Further behind than this, the clock steps. Two servers that differ by more contradict each other.
STEP_MS = 2_000
# Further ahead than this it steps back, and what it has dated meanwhile is dated anew: to wait for
# the truth would take 25 times as long as it is ahead.
STEP_BACK_MS = 60_000
# While it is off, the clock runs faster or slower by one part in 25: 4 %.
SLEW = 25
# No crystal is worse. Answers closer together than that tell more of the network than of it.
PPM_MAX = 200
PAIR_MS = 600_000
# Each pause is up to a quarter longer by chance: half an hour, and from 5 s to 5 min.
POLL_MS = 27 * 60_000
RETRY_FIRST_MS, RETRY_MAX_MS = 5_000, 240_000
# No true time is before 2025: an earlier one is that of a clock that was never set.
FIRST_MS = 1_735_689_600_000
_MILLION = 1_000_000
_POLLING = ("mote.clock.judging", "mote.clock.sntp", "mote.clock.floor")


class Clock:
    """Unix time in ms, from the first answer on, or from the RTC when that survived a reset.

    No time before `floor_ms` is believed. `on_step(since_ms, off_ms, from_start)` is called when
    the clock turns out to be far ahead, or behind by a negative `off_ms`, since it showed
    `since_ms`; `from_start` says that it has never been right in this start.
    """

    def __init__(self, uptime_ms=uptime.ms, ask=None, floor_ms=FIRST_MS):
        self.uptime, self.ask = uptime_ms, ask or _asked
        self.floor_ms = floor_ms
        self.on_step = None
        # True when a server told a time before the floor.
        self.too_early = False
        # True as soon as two servers have told the same time in this start. Until then `source` is
        # the only one that is believed; None: the RTC.
        self.sure = False
        self.source = None
        # Whether there is a connection to the MQTT server.
        self.online = False
        # What it showed when it was set, or when servers last said that it is right.
        self.right_ms = 0
        # At the uptime `at` it showed `_shown`, which was `_ahead` more than the truth.
        self.at = self._shown = self._ahead = 0
        self.known = False
        self.ppm = 0
        # (uptime, unix, round trip) of the answer that drift is measured from; None: only the RTC.
        self.since = None
        # Whose turn it is to be asked first, and until when others are not.
        self.turn = 0
        self.resting = {}
        rtc_ms = rtc.read()
        if rtc_ms >= floor_ms:
            self.at, self._shown = uptime_ms(), rtc_ms
            self.right_ms = rtc_ms
            self.known = True

    def now_ms(self):
        """Unix time in ms, less than before only after `on_step`; None until it is known."""
        return self._now(self.uptime()) if self.known else None

    def boot_ms(self):
        """Unix time of the boot, or None: with it, what happened at an uptime gets its date."""
        up = self.uptime()
        return self._now(up) - up if self.known else None

    def correct(self, unix_ms, trip_ms=0):
        """Believe that it is `unix_ms` now, known by a question that took `trip_ms`."""
        up = self.uptime()
        shown = self._now(up) if self.known else unix_ms
        self._learn(up, unix_ms, trip_ms)
        # A little ahead, it does not step: it waits for the truth to catch up.
        if not -STEP_MS <= shown - unix_ms <= STEP_BACK_MS:
            shown = unix_ms
        self.at, self._shown, self._ahead = up, shown, shown - unix_ms
        self.known = True

    async def poll(self, names):
        """Ask until answers can be believed (`judging`); False when the time is not known then."""
        from mote.clock import judging

        try:
            return await judging.poll(self, names)
        finally:
            # Twice an hour: in between its memory is of use to others.
            del judging
            memory.forget(*_POLLING)

    async def keep(self, servers):
        """Stay right until cancelled. `servers()` lists names or addresses; those behind the third
        are asked when the first three are silent.
        """
        retry_ms = RETRY_FIRST_MS
        while True:
            # With one server alone, or with none, it asks again soon.
            if await self.poll(servers()) and self.sure:
                pause_ms, retry_ms = POLL_MS, RETRY_FIRST_MS
            else:
                pause_ms, retry_ms = retry_ms, min(retry_ms * 2, RETRY_MAX_MS)
            await asyncio.sleep_ms(pause_ms + random.getrandbits(24) % (pause_ms // 4))

    def _now(self, up):
        passed = up - self.at
        slewing = min(passed, abs(self._ahead) * SLEW)
        rate = -_MILLION // SLEW if self._ahead > 0 else _MILLION // SLEW
        # One division for all: each of two could lose a millisecond on its own, and go back.
        return self._shown + (passed * (_MILLION + self.ppm) + slewing * rate) // _MILLION

    def truth(self, up):
        """What the clock would show without its slewing."""
        passed = up - self.at
        return self._shown - self._ahead + passed * (_MILLION + self.ppm) // _MILLION

    def _learn(self, up, unix_ms, trip_ms):
        if self.since:
            at, was_ms, was_trip_ms = self.since
            span = up - at
            if span <= PAIR_MS:
                return
            drift = ((unix_ms - was_ms - span) * _MILLION + span // 2) // span
            # How far the two round trips can have bent it: the less it says, the less it counts.
            doubt = (trip_ms + was_trip_ms) * _MILLION // (2 * span)
            # Beyond belief it is no drift: a server was set.
            if abs(drift) <= 2 * PPM_MAX + doubt:
                drift = min(max(drift, -PPM_MAX), PPM_MAX)
                weight = 16 + doubt
                self.ppm += ((drift - self.ppm) * 16 + weight // 2) // weight
        self.since = (up, unix_ms, trip_ms)


async def _asked(name):
    from mote.clock import sntp

    unix_ms, trip_ms = await sntp.ask(name)
    return unix_ms, trip_ms, sntp.answered
