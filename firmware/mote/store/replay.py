"""Where a replay begins. Loaded for that, and forgotten."""

from mote.store import codec, rounds


def find(segments, gathered, boots, since_ms):
    """The first round at or after `since_ms` (unix): its number, and the readings before it.

    None when there is none. Reads a few chunks: every chunk knows the latest time of any round up
    to its end, which only grows, also when the clock was set back. What had no time when it was
    written is found as long as the clock was not set back over it.
    """

    def earlier(head, data):
        boot, ms = codec.read_clock(data, 1)
        ms = boots.unix_ms(boot, ms, head.first)
        peak_ms = boots.unix_ms(None, head.peak_ms, head.last)
        return (peak_ms if ms is None else max(ms, peak_ms)) < since_ms

    for number, before, one, _ in rounds.since(segments, gathered, segments.first_not(earlier)):
        ms = boots.unix_ms(one.boot, one.base, number)
        if ms is not None and ms + one.offset >= since_ms:
            return number, before
    return None
