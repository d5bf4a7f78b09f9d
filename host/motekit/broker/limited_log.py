"""Warnings that a client can cause: one a minute of each kind, with how many were left out."""

import logging

EVERY_S = 60.0
LOGGER = logging.getLogger("motekit.broker")


class LimitedLog:
    """Logs warnings of each kind at a limited rate; the kinds are a fixed set."""

    def __init__(self) -> None:
        # Kind -> when it was logged last, and how many were left out since.
        self._last: dict[str, tuple[float, int]] = {}

    def warn(self, now: float, kind: str, text: str, *values: object) -> None:
        """Log `text % values`, at most once a minute for each `kind`."""
        logged, left_out = self._last.get(kind, (-EVERY_S, 0))
        if now - logged < EVERY_S:
            self._last[kind] = logged, left_out + 1
            return
        self._last[kind] = now, 0
        if left_out:
            text += f" ({left_out} more like this since the last one)"
        LOGGER.warning(text, *values)


def shown(text: str) -> str:
    """Return text from a client as it may stand in a log: quoted, escaped and short."""
    return ascii(text if len(text) <= 64 else text[:64] + "...")
