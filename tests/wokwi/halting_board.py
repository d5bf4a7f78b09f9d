"""A virtual board that halts, by the account of a client of Wokwi's simulator.

Wokwi's simulation stands still between commands. The virtual board runs in real time: while it is
paused, what it says is held back and the clock of the simulation stands, but the board runs on.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from motekit.wokwi import project as projects
from motekit.wokwi import rig, wiring
from motekit.wokwi.diagram import read as read_diagram

SECOND = 1_000_000_000
Tell = Callable[[str, dict[str, Any]], None]


@dataclass
class PausePoint:
    """Where the simulation is to halt: at `nanos` of its clock, or after it has said `wanted`."""

    nanos: int | None = None
    wanted: bytes = b""
    heard: bytearray = field(default_factory=bytearray)

    def end_in(self, data: bytes) -> int | None:
        """How much of `data` is heard when it is time to halt."""
        if not self.wanted:
            return None
        at = (self.heard + data).find(self.wanted)
        return None if at < 0 else at + len(self.wanted) - len(self.heard)

    def hear(self, data: bytes) -> None:
        # An end that may be a beginning of what is wanted, and no more.
        self.heard = (self.heard + data)[max(0, len(self.heard + data) - len(self.wanted) + 1) :]


class HaltingBoard:
    """There is a board from `set_up` on, off until `resume`; `tell` takes its events."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._leaving = AsyncExitStack()
        self.rig: rig.Rig | None = None
        self._points: dict[str, PausePoint] = {}
        self._held = bytearray()
        self._listened: dict[tuple[str, str], int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._ran = 0
        self._since: int | None = None

    @property
    def running(self) -> bool:
        return self._since is not None

    @property
    def nanos(self) -> int:
        """How long it has run without its pauses."""
        return self._ran + (0 if self._since is None else self._now() - self._since)

    async def set_up(self, folder: Path) -> None:
        """The project in `folder`, from its beginning. Raises ProjectError."""
        await self.close()
        project = projects.read(folder)
        circuit = wiring.circuit(read_diagram(project.diagram))
        scratch = Path(self._leaving.enter_context(TemporaryDirectory(prefix="mote-cloud-board-")))
        made = rig.assembled(project, circuit, scratch, self._hear, lambda chip, text: None)
        self.rig = await self._leaving.enter_async_context(made)
        self.rig.board.pins.watchers.append(lambda pin: self.look_at_pins())

    async def close(self) -> None:
        self._ran, self._since, self.rig = 0, None, None
        self._held.clear()
        self._listened.clear()
        self._set_timer()
        await self._leaving.aclose()

    async def resume(self, pause_after: int | None = None) -> None:
        """Let it run on; `pause_after` so many nanoseconds it halts again."""
        if pause_after is not None:
            self.halt_at("", PausePoint(self.nanos + pause_after))
        await self.rig.board.power_on()
        if not self.running:
            self._since = self._now()
            self._deliver()
            self._set_timer()

    def pause(self, point: str = "") -> None:
        self._ran, self._since = self.nanos, None
        self._tell("sim:pause", {"pausePoint": point, "pausePointInfo": {}} if point else {})

    def halt_at(self, name: str, point: PausePoint) -> None:
        self._points[name] = point
        self._set_timer()

    def forget(self, name: str) -> bool:
        """Halt there no more; whether it would have."""
        return self._points.pop(name, None) is not None

    def watch(self, part: str, pin: str, *, listen: bool) -> None:
        """Tell of each change of a pin, or no more."""
        self._listened.pop((part, pin), None)
        if listen:
            self._listened[part, pin] = self.rig.level(part, pin)

    def look_at_pins(self) -> None:
        for (part, pin), before in list(self._listened.items()):
            level = self.rig.level(part, pin)
            if level != before:
                self._listened[part, pin] = level
                self._tell("pin:change", {"part": part, "pin": pin, "value": bool(level)})

    def _hear(self, data: bytes) -> None:
        self._held += data
        self._deliver()

    def _deliver(self) -> None:
        """What the board has said, up to where it is to halt."""
        while self.running and self._held:
            data = bytes(self._held)
            found = {name: point.end_in(data) for name, point in self._points.items()}
            ends = sorted((end, name) for name, end in found.items() if end is not None)
            end, name = ends[0] if ends else (len(data), "")
            del self._held[:end]
            for point in self._points.values():
                point.hear(data[:end])
            self._tell("serial-monitor:data", {"bytes": list(data[:end])})
            if ends:
                del self._points[name]
                self.pause(name)

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        times = [(p.nanos, name) for name, p in self._points.items() if p.nanos is not None]
        if times and self.running:
            nanos, name = min(times)
            left = max(0, nanos - self.nanos) / SECOND
            self._timer = self._loop.call_later(left, self._time_is_over, name)

    def _time_is_over(self, name: str) -> None:
        if self.running and self._points.pop(name, None):
            self.pause(name)

    def _now(self) -> int:
        return int(self._loop.time() * SECOND)
