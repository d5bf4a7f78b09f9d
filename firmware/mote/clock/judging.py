"""Asks time servers, and judges whom to believe. Loaded for that, and forgotten."""

from errno import ETIMEDOUT

from mote import log
from mote.clock import Refused, rtc
from mote.clock.clock import FIRST_MS, PPM_MAX, STEP_MS

# A server whose lookup failed, or that has no time, is asked last for this long: a lookup may stop
# everything for seconds. One that refused is not asked at all, one lost packet is no reason.
REST_MS, REFUSED_MS = 2 * 3_600_000, 3_600_000
# So many share the questions in turn and judge each other; the rest of the list is the fall-back.
JUDGES = 3
_MILLION = 1_000_000


async def poll(clock, names):
    """Ask until one answer can be believed; False when nobody answers.

    One that contradicts a known clock needs a second of three to agree: a single falseticker
    moves nothing.
    """
    heard = []
    for name in _order(clock, names):
        answer = await _answer(clock, name)
        if not answer:
            continue
        if not clock.known or (not heard and _fits(clock, answer)):
            _believe(clock, answer)
            return True
        if not _fits(clock, answer):
            log.warning("clock: %s is %d ms off" % (name, _off(clock, answer)))
        for other in heard:
            if _agree(answer, other):
                _believe(clock, answer)
                return True
        heard.append(answer)
        if len(heard) == JUDGES:
            break
    for answer in heard:
        # The RTC is no server: it may have drifted in a sleep, and has no voice against one.
        if _fits(clock, answer) or (clock.since is None and len(heard) == 1):
            _believe(clock, answer)
            return True
    return bool(heard)


async def _answer(clock, name):
    """(unix time of the boot, round trip, name) by one server; None without an answer."""
    try:
        unix_ms, trip_ms = await clock.ask(name)
        if unix_ms < FIRST_MS:
            raise OSError("not set itself")
    except OSError as error:
        log.debug("clock: %s: %r" % (name, error))
        refused = isinstance(error, Refused)
        if error.errno != ETIMEDOUT:
            until = clock.uptime() + (REFUSED_MS if refused else REST_MS)
            clock.resting[name] = until, refused
        return None
    clock.resting.pop(name, None)
    return unix_ms - clock.uptime(), trip_ms, name


def _believe(clock, answer):
    boot_ms, trip_ms, name = answer
    if not clock.known:
        log.info("clock: set by %s" % name)
    elif not _fits(clock, answer):
        log.warning("clock: believed: %s" % name)
    unix_ms = boot_ms + clock.uptime()
    clock.correct(unix_ms, trip_ms)
    rtc.write(unix_ms)


def _off(clock, answer):
    up = clock.uptime()
    return answer[0] + up - clock.truth(up)


def _fits(clock, answer):
    """True where clock and answer may both be right, for as long as the crystal was alone."""
    alone_ms = clock.uptime() - clock.at
    return abs(_off(clock, answer)) <= STEP_MS + alone_ms * PPM_MAX // _MILLION


def _order(clock, names):
    """Each name once: the judges from another one each time, the fall-back, who rests."""
    up = clock.uptime()
    for name in list(clock.resting):
        if up >= clock.resting[name][0] or name not in names:
            del clock.resting[name]
    unique = []
    for name in names:
        if name and name not in unique:
            unique.append(name)
    judges, others = unique[:JUDGES], unique[JUDGES:]
    first = clock.turn % len(judges) if judges else 0
    clock.turn += 1
    ordered = judges[first:] + judges[:first] + others
    awake = [name for name in ordered if name not in clock.resting]
    resting = [name for name in ordered if not clock.resting.get(name, (0, True))[1]]
    return awake + resting


def _agree(one, other):
    return abs(one[0] - other[0]) <= STEP_MS
