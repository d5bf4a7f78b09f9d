"""Run background work so that an error in it is never silent.

Work that ends with an exception is logged with its traceback. Work that must go on is started again
after a pause that grows; nothing just stops.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

LOGGER = logging.getLogger(__name__)
PAUSE_MIN_S = 0.5
PAUSE_MAX_S = 30.0
# Work that went on for this long before it failed begins with the shortest pause again.
STEADY_S = 60.0


class Supervisor:
    """The background tasks of one owner, for one event loop; `stop` ends all of them."""

    def __init__(self) -> None:
        # The event loop itself keeps only weak references to tasks.
        self._tasks: set[asyncio.Task[Any]] = set()

    def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run `work` until it returns; after an exception it is logged and run again."""
        return self._add(name, _restarted(name, work))

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` once; an exception is logged."""
        return self._add(name, logged(name, work))

    async def stop(self) -> None:
        """Cancel every task and wait until all have ended."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _add(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class Backoff:
    """The pause before work that failed is started again."""

    def __init__(self, pause_min_s: float = PAUSE_MIN_S, pause_max_s: float = PAUSE_MAX_S) -> None:
        self._min_s, self._max_s = pause_min_s, pause_max_s
        self._pause_s = pause_min_s
        self._began = time.monotonic()

    def pause_s(self) -> float:
        """Return the seconds to wait now: twice as many as the last time, up to the greatest."""
        if time.monotonic() - self._began >= STEADY_S:
            self._pause_s = self._min_s
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, self._max_s)
        self._began = time.monotonic() + pause_s
        return pause_s


def keep_in_thread(name: str, work: Callable[[], None]) -> threading.Thread:
    """Run `work` in a daemon thread until it returns; restarted after an exception."""

    def run() -> None:
        backoff = Backoff()
        while True:
            try:
                work()
            except Exception:
                pause_s = backoff.pause_s()
                LOGGER.exception("%s failed; it starts again in %.1f s", name, pause_s)
                time.sleep(pause_s)
            else:
                return

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def guarded(name: str, call: Callable[..., None]) -> Callable[..., None]:
    """Return `call` for a library that calls back: an exception is logged and goes no further."""

    def guard(*values: Any, **named: Any) -> None:
        try:
            call(*values, **named)
        except Exception:
            LOGGER.exception("%s failed", name)

    return guard


async def logged(name: str, work: Coroutine[Any, Any, None]) -> None:
    """Await `work`, for a task whose result nobody awaits; an exception is logged."""
    try:
        await work
    except Exception:
        LOGGER.exception("%s failed", name)


async def _restarted(name: str, work: Callable[[], Awaitable[None]]) -> None:
    backoff = Backoff()
    while True:
        try:
            await work()
        except Exception:
            pause_s = backoff.pause_s()
            LOGGER.exception("%s failed; it starts again in %.1f s", name, pause_s)
            await asyncio.sleep(pause_s)
        else:
            return
