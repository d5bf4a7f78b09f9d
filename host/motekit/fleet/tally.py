"""What a run counts, and how long acknowledgements took."""

import time
from collections import Counter
from dataclasses import dataclass, field

# Unix time that does not jump when the clock is set: all times of a run are on this one.
_BEGINNING = time.time() - time.monotonic()


def now() -> float:
    """Unix time in seconds; never goes backwards."""
    return _BEGINNING + time.monotonic()


class Latencies:
    """Counts of latencies in classes of 3 % width, from a microsecond to hours."""

    _FINE = 5

    def __init__(self) -> None:
        self._counts = [0] * (1 << 11)
        self.highest_s = 0.0

    def add(self, seconds: float) -> None:
        us = int(seconds * 1e6)
        # The upper bits of the number, and how far they were shifted, make the class.
        shift = max(us.bit_length() - self._FINE - 1, 0)
        self._counts[(shift << self._FINE) + (us >> shift)] += 1
        if seconds > self.highest_s:
            self.highest_s = seconds

    def percentile(self, part: float) -> float:
        """Seconds within which `part` (0 to 1) of all came; 0 when there was none."""
        wanted = part * sum(self._counts)
        seen = 0
        for index, count in enumerate(self._counts):
            seen += count
            if count and seen >= wanted:
                return min(self._upper(index), self.highest_s)
        return 0.0

    def _upper(self, index: int) -> float:
        shift = max((index >> self._FINE) - 1, 0)
        return float((index - (shift << self._FINE) + 1) << shift) / 1e6


@dataclass
class Tally:
    """Sums of a run.

    Readings: `taken`, `acknowledged` (once each, live or as backfill), `kept` for later,
    `backfilled`, `dropped` by a full store. Publishes that carry readings: `sent`, sent `again`,
    `answered`. Devices: `joined`, `left`, `outages`. Connections: `online`, `broken`, and the
    `failures` to make one, by reason.
    """

    taken: int = 0
    sent: int = 0
    answered: int = 0
    acknowledged: int = 0
    kept: int = 0
    backfilled: int = 0
    dropped: int = 0
    again: int = 0
    joined: int = 0
    left: int = 0
    outages: int = 0
    broken: int = 0
    online: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    latency: Latencies = field(default_factory=Latencies)
