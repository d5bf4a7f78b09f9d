"""The time of day out of uptime and time servers: never backwards, and right between the answers.

Whole milliseconds and whole ppm throughout: a float of the board has seven digits.
"""

import asyncio
import random
import time
from errno import ETIMEDOUT

from mote import log
from mote.clock import sntp, uptime

# Further behind than this, the clock steps. Two servers that differ by more contradict each other.
STEP_MS = 2_000
# While it is off, the clock runs faster or slower by one part in 25: 4 %.
SLEW = 25
# No crystal is worse. Answers closer together than that tell more of the network than of it.
PPM_MAX = 200
PAIR_MS = 600_000
# Each pause is up to a quarter longer by chance: half an hour, and from 5 s to 5 min.
POLL_MS = 27 * 60_000
RETRY_FIRST_MS, RETRY_MAX_MS = 5_000, 240_000
# A server whose lookup failed, or that has no time, is asked last for this long: a lookup may stop
# everything for seconds. One that refused is not asked at all, one lost packet is no reason.
REST_MS, REFUSED_MS = 2 * 3_600_000, 3_600_000
# So many share the questions in turn and judge each other; the rest of the list is the fall-back.
JUDGES = 3
# No true time is before 2025: an earlier one is that of a clock that was never set.
_FIRST_MS = 1_735_689_600_000
_MILLION = 1_000_000
# What `time` counts from, 2000 on the ESP32 and 1970 elsewhere.
_EPOCH_S = 946_684_800 if time.gmtime(0)[0] == 2000 else 0


class Clock:
    """Unix time in ms, from the first answer on, or from the RTC when that survived a reset."""

    def __init__(self, uptime_ms=uptime.ms, ask=sntp.ask):
        self._uptime, self._ask = uptime_ms, ask
        # At the uptime `_at` it showed `_shown`, which was `_ahead` more than the truth.
        self._at = self._shown = self._ahead = 0
        self.known = False
        self.ppm = 0
        # (uptime, unix, round trip) of the answer that drift is measured from; None: only the RTC.
        self._since = None
        self._turn = 0
        self._resting = {}
        rtc_ms = _read_rtc()
        if rtc_ms >= _FIRST_MS:
            self._at, self._shown = uptime_ms(), rtc_ms
            self.known = True

    def now_ms(self):
        """Unix time in ms, never less than before; None until it is known."""
        return self._now(self._uptime()) if self.known else None

    def boot_ms(self):
        """Unix time of the boot, or None: with it, what happened at an uptime gets its date."""
        up = self._uptime()
        return self._now(up) - up if self.known else None

    def correct(self, unix_ms, trip_ms=0):
        """Believe that it is `unix_ms` now, known by a question that took `trip_ms`."""
        up = self._uptime()
        shown = self._now(up) if self.known else unix_ms
        self._learn(up, unix_ms, trip_ms)
        # Ahead, it must never step: it waits for the truth to catch up.
        if shown - unix_ms < -STEP_MS:
            shown = unix_ms
        self._at, self._shown, self._ahead = up, shown, shown - unix_ms
        self.known = True

    async def poll(self, names):
        """Ask until one answer can be believed; False when nobody answers.

        One that contradicts a known clock needs a second of three to agree: a single falseticker
        moves nothing.
        """
        heard = []
        for name in self._order(names):
            answer = await self._answer(name)
            if not answer:
                continue
            if not self.known or (not heard and self._fits(answer)):
                self._believe(answer)
                return True
            if not self._fits(answer):
                log.warning("clock: %s is %d ms off" % (name, self._off(answer)))
            for other in heard:
                if _agree(answer, other):
                    self._believe(answer)
                    return True
            heard.append(answer)
            if len(heard) == JUDGES:
                break
        for answer in heard:
            # The RTC is no server: it may have drifted in a sleep, and has no voice against one.
            if self._fits(answer) or (self._since is None and len(heard) == 1):
                self._believe(answer)
                return True
        return bool(heard)

    async def keep(self, servers):
        """Stay right for ever. `servers()` lists names or addresses; those behind the third are
        asked when the first three are silent.
        """
        retry_ms = RETRY_FIRST_MS
        while True:
            if await self.poll(servers()):
                pause_ms, retry_ms = POLL_MS, RETRY_FIRST_MS
            else:
                pause_ms, retry_ms = retry_ms, min(retry_ms * 2, RETRY_MAX_MS)
            await asyncio.sleep_ms(pause_ms + random.getrandbits(24) % (pause_ms // 4))

    def _now(self, up):
        passed = up - self._at
        slewing = min(passed, abs(self._ahead) * SLEW)
        rate = -_MILLION // SLEW if self._ahead > 0 else _MILLION // SLEW
        # One division for all: each of two could lose a millisecond on its own, and go back.
        return self._shown + (passed * (_MILLION + self.ppm) + slewing * rate) // _MILLION

    def _truth(self, up):
        """What the clock would show without its slewing."""
        passed = up - self._at
        return self._shown - self._ahead + passed * (_MILLION + self.ppm) // _MILLION

    def _learn(self, up, unix_ms, trip_ms):
        if self._since:
            at, was_ms, was_trip_ms = self._since
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
        self._since = (up, unix_ms, trip_ms)

    async def _answer(self, name):
        """(unix time of the boot, round trip, name) by one server; None without an answer."""
        try:
            unix_ms, trip_ms = await self._ask(name)
            if unix_ms < _FIRST_MS:
                raise OSError("not set itself")
        except OSError as error:
            log.debug("clock: %s: %r" % (name, error))
            refused = isinstance(error, sntp.Refused)
            if error.errno != ETIMEDOUT:
                until = self._uptime() + (REFUSED_MS if refused else REST_MS)
                self._resting[name] = until, refused
            return None
        self._resting.pop(name, None)
        return unix_ms - self._uptime(), trip_ms, name

    def _believe(self, answer):
        boot_ms, trip_ms, name = answer
        if not self.known:
            log.info("clock: set by %s" % name)
        elif not self._fits(answer):
            log.warning("clock: believed: %s" % name)
        unix_ms = boot_ms + self._uptime()
        self.correct(unix_ms, trip_ms)
        _set_rtc(unix_ms)

    def _off(self, answer):
        up = self._uptime()
        return answer[0] + up - self._truth(up)

    def _fits(self, answer):
        """True where clock and answer may both be right, for as long as the crystal was alone."""
        alone_ms = self._uptime() - self._at
        return abs(self._off(answer)) <= STEP_MS + alone_ms * PPM_MAX // _MILLION

    def _order(self, names):
        """Each name once: the judges from another one each time, the fall-back, who rests."""
        up = self._uptime()
        for name in list(self._resting):
            if up >= self._resting[name][0] or name not in names:
                del self._resting[name]
        unique = []
        for name in names:
            if name and name not in unique:
                unique.append(name)
        judges, others = unique[:JUDGES], unique[JUDGES:]
        first = self._turn % len(judges) if judges else 0
        self._turn += 1
        ordered = judges[first:] + judges[:first] + others
        awake = [name for name in ordered if name not in self._resting]
        resting = [name for name in ordered if not self._resting.get(name, (0, True))[1]]
        return awake + resting


def _agree(one, other):
    return abs(one[0] - other[0]) <= STEP_MS


def _read_rtc():
    import machine

    year, month, day, _, hour, minute, second, us = machine.RTC().datetime()
    seconds = time.mktime((year, month, day, hour, minute, second, 0, 0)) + _EPOCH_S
    return seconds * 1000 + us // 1000


def _set_rtc(unix_ms):
    """The RTC takes UTC, as fields."""
    import machine

    year, month, day, hour, minute, second, weekday = time.gmtime(unix_ms // 1000 - _EPOCH_S)[:7]
    us = unix_ms % 1000 * 1000
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, us))
