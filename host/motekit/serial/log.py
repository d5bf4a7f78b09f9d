"""The serial log of a board, line by line: events, tracebacks, and the rest."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from motekit.serial import sources
from motekit.serial.sources import Source

# Contract 5: `<level> <ms> <part>: <text>`.
EVENT = re.compile(r"(?P<level>[DIWE]) (?P<ms>\d+) (?P<part>[\w.-]+): (?P<text>.*)$")
LEVELS = "DIWE"
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"
BEGIN = "Traceback (most recent call last):"


@dataclass(frozen=True)
class Line:
    """One line as it was received at the Unix time `time`, in seconds.

    An event has level, part and the board's `ms` since its start. A line of a traceback is one of
    level E without a part, with the place it tells of where that is on this computer.
    """

    time: float
    raw: str
    kind: Literal["event", "traceback", "other"]
    level: str = ""
    ms: int | None = None
    part: str = ""
    text: str = ""
    source: Source | None = None


class Reader:
    """Makes lines of bytes as they come. `below` are the folders with the board's sources."""

    def __init__(self, below: list[Path], clock: Callable[[], float] = time.time) -> None:
        self._below = below
        self._clock = clock
        self._rest = b""
        self._in_traceback = False

    def read(self, data: bytes) -> list[Line]:
        """The lines that `data` completes."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [self._line(one) for one in whole]

    def end(self) -> list[Line]:
        """The board went away: what it had not finished is a line as well."""
        rest, self._rest = self._rest, b""
        lines = [self._line(rest)] if rest.strip() else []
        self._in_traceback = False
        return lines

    def _line(self, data: bytes) -> Line:
        text = data.decode(errors="replace").rstrip("\r")
        # A board may say what a terminal would obey: nothing of it is kept.
        raw = "".join(c if c.isprintable() or c == "\t" else UNPRINTABLE for c in text)
        now = self._clock()
        begins = raw.endswith(BEGIN)
        if begins or self._in_traceback:
            self._in_traceback = begins or raw.startswith("  ")
            found = sources.find(raw, self._below)
            return Line(now, raw, "traceback", level="E", text=raw, source=found)
        event = EVENT.match(raw)
        if not event:
            return Line(now, raw, "other", text=raw)
        level, ms, part, text = event.groups()
        return Line(now, raw, "event", level, int(ms), part, text)


def passes(line: Line, level: str, parts: list[str]) -> bool:
    """Whether a filter lets `line` through: from `level` up, and only of `parts` if there are any.

    A traceback always passes. What is no event passes where nothing was asked for.
    """
    if line.kind == "traceback":
        return True
    if line.kind == "other":
        return level == LEVELS[0] and not parts
    return LEVELS.index(line.level) >= LEVELS.index(level) and (not parts or line.part in parts)
