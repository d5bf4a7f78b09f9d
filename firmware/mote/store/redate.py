"""Which rounds a wrong clock has dated. Loaded to redate them, and forgotten."""

from mote.store import replay, rounds, shifts

MODULES = ("mote.store.redate", "mote.store.replay", "mote.store.shifts")
add = shifts.add


def find(segments, gathered, boots, begin, since_ms, off_ms):
    """The first round that a clock has dated which was `off_ms` ahead since it showed `since_ms`.

    0 when there is none. Where the clock was behind, by a negative `off_ms`, it is a round of this
    start, which began with the round `begin`.
    """
    if off_ms > 0:
        found = replay.find(segments, gathered, boots, since_ms)
        return found[0] if found else 0
    # Times of before are later than the wrong ones: these begin where the clock was set back.
    first = before_ms = 0
    for number, _, one, _ in rounds.since(segments, gathered, begin):
        if one.boot is None:
            ms = boots.unix_ms(None, one.base, number) + one.offset
            if ms >= since_ms and (not first or ms < before_ms):
                first = number
            before_ms = ms
    return first
