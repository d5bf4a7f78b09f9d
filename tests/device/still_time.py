"""Time that passes only while everybody sleeps: on a busy machine nothing is late."""

import time
from asyncio import core

from mote.clock import uptime

# Ahead of the machine's own clock, by which asyncio takes in what is ready at once.
_AHEAD_MS = 1 << 24


class StillTime:
    """While it lasts, it is the clock of asyncio, of the uptime, and `time` in `modules`."""

    ticks_add = staticmethod(time.ticks_add)
    ticks_diff = staticmethod(time.ticks_diff)

    def __init__(self, *modules):
        self._modules = [uptime]
        self._modules.extend(modules)

    def __enter__(self):
        self._now = time.ticks_add(time.ticks_ms(), _AHEAD_MS)
        self._before = core.ticks, core._io_queue
        core.ticks, core._io_queue = self.ticks_ms, self
        for module in self._modules:
            module.time = self
        uptime._last = uptime._passed = self._now
        return self

    def __exit__(self, *_):
        core.ticks, core._io_queue = self._before
        for module in self._modules:
            module.time = time
        uptime._last = uptime._passed = time.ticks_ms()

    def ticks_ms(self):
        return self._now

    def sleep_ms(self, pause_ms):
        self._now = time.ticks_add(self._now, pause_ms)

    def wait_io_event(self, pause_ms):
        """The loop has nothing to do for so long, unless something comes."""
        if pause_ms > 0:
            self.sleep_ms(pause_ms)
            # What is on its way between two sockets has the time to arrive.
            pause_ms = 1
        self._before[1].wait_io_event(pause_ms)

    def __getattr__(self, name):
        return getattr(self._before[1], name)
