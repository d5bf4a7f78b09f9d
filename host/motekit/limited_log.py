"""Log what may happen thousands of times a second at a limited rate."""

import logging
import time
from collections.abc import Callable


class LimitedLog:
    """Passes one message per key and `every_s` seconds on, with the number of those left out."""

    def __init__(
        self,
        logger: logging.Logger,
        every_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._every_s = every_s
        self._clock = clock
        # Key -> (when it was logged last, how many were left out since).
        self._keys: dict[str, tuple[float, int]] = {}

    def log(self, level: int, key: str, text: str, *values: object) -> None:
        """Log `text % values`, unless a message with the same `key` was logged just before."""
        now = self._clock()
        logged, left_out = self._keys.get(key, (-self._every_s, 0))
        if now - logged < self._every_s:
            self._keys[key] = (logged, left_out + 1)
            return
        self._keys[key] = (now, 0)
        if left_out:
            text += f" ({left_out} more like this since the last time)"
        self._logger.log(level, text, *values)

    def forget(self, key: str) -> None:
        """Log the next message with this key at once."""
        self._keys.pop(key, None)
