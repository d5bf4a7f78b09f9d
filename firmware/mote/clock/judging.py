"""Asks time servers, and judges whom to believe. Loaded for that, and forgotten.

The first time needs two servers that agree, and so does one that contradicts a clock that was
confirmed: a single falseticker moves nothing. Where only one answers, as in a network without the
internet, it is believed until a second one is there; where they contradict each other and no third
one decides, the MQTT server is, which judges the dates of what it gets by its own time.
"""

from errno import ETIMEDOUT

from mote import log
from mote.clock import Refused, rtc
from mote.clock.clock import FIRST_MS, PPM_MAX, STEP_BACK_MS, STEP_MS

# A server whose lookup failed, or that has no time, is asked last for this long: a lookup may stop
# everything for seconds. One that refused is not asked at all, one lost packet is no reason.
REST_MS, REFUSED_MS = 2 * 3_600_000, 3_600_000
# So many share the questions in turn and judge each other; the rest of the list is the fall-back.
JUDGES = 3
# So long after two servers have agreed, no later start believes in an earlier time (`floor`).
_GOOD_MS = 3_600_000
_MILLION = 1_000_000


async def poll(clock, names):
    """Ask until two servers agree, or one says that a confirmed clock is right.

    The first three of `names` are of the internet, the fourth is the MQTT server. False when the
    time is not known in the end.
    """
    heard = []
    for name in _order(clock, names):
        # A lookup that failed lately may stop everything: not for a second opinion.
        if heard and name in clock.resting:
            continue
        answer = await _answer(clock, name, names)
        if not answer:
            continue
        if clock.known and not _fits(clock, answer):
            log.warning("clock: %s is %d ms off" % (name, _off(clock, answer)))
        elif clock.sure and not heard:
            _believe(clock, answer)
            return True
        for other in heard:
            if _agree(answer, other):
                _believe(clock, answer, True)
                return True
        heard.append(answer)
        if clock.sure and len(heard) == JUDGES:
            break
    if heard:
        _decide(clock, heard, names)
    return bool(heard) and clock.known


def _decide(clock, heard, names):
    """Judge answers of which no two agree with each other."""
    for answer in heard:
        if clock.known and _fits(clock, answer):
            # The RTC is no server, and one server is no two.
            second = clock.source is not None and answer[3] != clock.source
            _believe(clock, answer, clock.sure or second)
            return
    if clock.sure:
        return
    if len(heard) == 1 and (clock.source in (None, heard[0][3])):
        _believe(clock, heard[0])
        return
    for answer in heard:
        if len(names) > JUDGES and answer[2] == names[JUDGES]:
            _believe(clock, answer)
            return
    if not clock.known:
        log.warning("clock: the time servers contradict each other, it is not set")


async def _answer(clock, name, names):
    """(unix time of the boot, round trip, name, address) by one server; None without an answer."""
    try:
        unix_ms, trip_ms, address = await clock.ask(name)
        if unix_ms < FIRST_MS:
            raise OSError("not set itself")
        if unix_ms < clock.floor_ms:
            clock.too_early = True
            log.warning("clock: %s tells a time before the floor" % name)
            raise OSError("before the floor")
    except OSError as error:
        log.debug("clock: %s: %r" % (name, error))
        refused = isinstance(error, Refused)
        if error.errno != ETIMEDOUT:
            until = clock.uptime() + (REFUSED_MS if refused else REST_MS)
            clock.resting[name] = until, refused
        return None
    clock.resting.pop(name, None)
    if name in names[:JUDGES]:
        # The internet is there again, and so may be the others.
        for other in list(clock.resting):
            if not clock.resting[other][1]:
                del clock.resting[other]
    return unix_ms - clock.uptime(), trip_ms, name, address


def _believe(clock, answer, sure=False):
    boot_ms, trip_ms, name, address = answer
    unix_ms = boot_ms + clock.uptime()
    off_ms = 0
    if not clock.known:
        log.info("clock: set by %s" % name)
        clock.right_ms = unix_ms
    elif not _fits(clock, answer):
        log.warning("clock: believed: %s" % name)
        off_ms = clock.now_ms() - unix_ms
    # What a drift explains was not wrong from its beginning on.
    far = abs(off_ms) > STEP_BACK_MS
    since_ms, from_start = clock.right_ms, not clock.sure
    if far and clock.source is None and not clock.sure:
        # It was taken from the RTC: what an earlier start has dated in the future is wrong, too.
        since_ms = min(since_ms, unix_ms)
    clock.correct(unix_ms, trip_ms)
    if sure and not clock.sure:
        log.info("clock: confirmed by %s" % name)
        clock.sure = True
        clock.sure_up = clock.uptime()
    if clock.sure or far:
        clock.right_ms = clock.now_ms()
    clock.source = address
    rtc.write(unix_ms)
    if clock.online and clock.sure and clock.uptime() - clock.sure_up >= _GOOD_MS:
        from mote.clock import floor

        floor.keep(clock)
    if far and clock.on_step:
        try:
            clock.on_step(since_ms, off_ms, from_start)
        except (OSError, MemoryError) as error:
            log.error("clock: readings keep a wrong date: %r" % error)
        else:
            log.warning("clock: what it dated wrongly is dated anew")


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
    """True when two servers, not one under two names, tell the same time."""
    return one[3] != other[3] and abs(one[0] - other[0]) <= STEP_MS
