"""How long to wait before the next attempt: the longer the outage, the longer the pause."""

import random
import time

from mote import patience

# A pause is an eighth of the outage so far, from 1 to 60 s: a network that was away for a minute is
# found within seconds, and one that is away for hours is not asked every second.
_PART = 8


class Backoff:
    """One outage after another; `pause_ms` is asked before each attempt."""

    def __init__(self):
        self._since = None

    def failed(self):
        """An attempt failed or a connection was lost: the outage begins, unless one is on."""
        if self._since is None:
            self._since = time.ticks_ms()

    def over(self):
        """All is well for long enough: the next outage is a new one."""
        self._since = None

    def outage_ms(self):
        """Milliseconds since the outage began; 0 when there is none."""
        return 0 if self._since is None else time.ticks_diff(time.ticks_ms(), self._since)

    def pause_ms(self):
        """Milliseconds to wait, with jitter: a hundred boards do not come back in one second."""
        longest = self.outage_ms() // _PART
        longest = min(max(longest, patience.PAUSE_FIRST_MS), patience.PAUSE_MAX_MS)
        return longest // 2 + random.getrandbits(16) % (longest // 2 + 1)
