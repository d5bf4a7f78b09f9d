"""Stands for the module `socket` in a module under test, and counts what is opened and closed."""

import asyncio


class CountedSockets:
    """While it is entered, `module.socket` counts."""

    def __init__(self, module):
        self._module = module
        self._real = module.socket
        self.opened, self.closed = [], []

    def __enter__(self):
        self._module.socket = self
        return self

    def __exit__(self, *exc):
        self._module.socket = self._real

    def __getattr__(self, attribute):
        return getattr(self._real, attribute)

    def socket(self, family=None, kind=None):
        return _Counted(self, self._real.socket(family, kind))

    async def cancelled_after(self, ms, awaitable):
        """Cancel a task after `ms`; raises AssertionError when it ended before."""
        task = asyncio.create_task(awaitable)
        await asyncio.sleep_ms(ms)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return
        raise AssertionError("it ended before")


class _Counted:
    def __init__(self, counter, sock):
        self._counter = counter
        self._sock = sock
        counter.opened.append(self)

    def close(self):
        self._counter.closed.append(self)
        self._sock.close()

    def __getattr__(self, attribute):
        return getattr(self._sock, attribute)
