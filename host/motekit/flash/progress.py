"""What esptool says, sent to whoever flashes in this thread: its logger is one for the process.

Imported before esptool, which then takes this logger for its own.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from esp_pylib.logger import EspLog, EspLogBase

# Called with bytes done and bytes in all of the step under way.
Step = Callable[[int, int], None]


class Cancelled(Exception):
    """The person stopped it; raised inside the thread that flashes."""


class _Listener(threading.local):
    step: Step | None = None
    cancelled: threading.Event | None = None


class _Router(EspLogBase):
    """Keeps esptool's talk to itself and hands its progress to the thread's listener."""

    def __init__(self) -> None:
        self.listener = _Listener()

    def print(self, *args: Any, **kwargs: Any) -> None:
        if self.listener.cancelled and self.listener.cancelled.is_set():
            raise Cancelled

    def err(self, *args: Any, suggestion: str | None = None) -> None:
        self.print()

    def warn(self, *args: Any, suggestion: str | None = None) -> None:
        self.print()

    def note(self, *args: Any) -> None:
        self.print()

    def hint(self, *args: Any) -> None:
        self.print()

    def debug(self, *args: Any) -> None:
        self.print()

    def set_verbosity(self, mode: int | str) -> None:
        """Nothing is shown, however much there would be."""

    def progress_bar(
        self,
        cur_iter: int,
        total_iters: int,
        prefix: str = "",
        suffix: str = "",
        bar_length: int = 30,
    ) -> None:
        self.print()
        if self.listener.step:
            self.listener.step(cur_iter, total_iters)


_ROUTER = _Router()
EspLog.set_logger(_ROUTER)


@contextmanager
def cancellable(cancelled: threading.Event) -> Iterator[None]:
    """While inside, esptool in this thread raises Cancelled as soon as `cancelled` is set."""
    _ROUTER.listener.cancelled = cancelled
    try:
        yield
    finally:
        _ROUTER.listener.cancelled = None


@contextmanager
def reported(step: Step) -> Iterator[None]:
    """While inside, `step` hears of the progress of esptool in this thread."""
    _ROUTER.listener.step = step
    try:
        yield
    finally:
        _ROUTER.listener.step = None
