"""How far each board is: a bar each on a terminal, a few plain lines in a log."""

import threading
import time
from types import TracebackType
from typing import Protocol, Self

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.prompt import Confirm
from rich.text import Text

from motekit.flash.flasher import Watch
from motekit.terminal import styled
from motekit.terminal_console import SafeConsole

QUARTERS = 4


class Display(Protocol):
    """Shows several boards at once; a context, so that a terminal is left as it was found."""

    def watch(self, port: str) -> Watch:
        """Who shows the board at `port`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def on(console: SafeConsole, *, asks: bool) -> Display:
    """The display that fits `console`; with `asks` there is a person who answers questions."""
    return Bars(console, asks) if console.is_terminal else Lines(console)


class Lines:
    """One line a step and a quarter, each with the name of the port."""

    def __init__(self, console: SafeConsole) -> None:
        self._console = console

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def watch(self, port: str) -> Watch:
        return _LinesOf(self._console, port)


class _LinesOf:
    def __init__(self, console: SafeConsole, port: str) -> None:
        self._console = console
        self._port = port
        self._step = ""
        self._began = 0.0
        self._quarter = 0

    def begins(self, what: str) -> None:
        if what != self._step:
            self._step = what
            self._began = time.monotonic()
            self._quarter = 0
            self._say(what)

    def progress(self, done: int, total: int) -> None:
        quarter = QUARTERS * done // (total or 1)
        if quarter > self._quarter:
            self._quarter = quarter
            speed = done / max(time.monotonic() - self._began, 0.001)
            left = (total - done) / max(speed, 1)
            self._say(
                f"{self._step}: {100 * quarter // QUARTERS} % of {total / 1e6:.1f} MB, "
                f"{speed / 1000:.0f} kB/s, {left:.0f} s left"
            )

    def note(self, text: str) -> None:
        self._say(text)

    def agrees(self, holds: str) -> bool:
        # Nobody is there to be asked.
        return False

    def _say(self, text: str) -> None:
        self._console.print(f"{self._port}: {text}", soft_wrap=True)


class _Known:
    """A column that stays empty where nobody knows how much there is to do."""

    def render(self, task: Task) -> Text:
        return super().render(task) if task.total else Text()  # type: ignore[misc]


class _Size(_Known, DownloadColumn):
    """How much of how much."""


class _Speed(_Known, TransferSpeedColumn):
    """How much a second."""


class _Left(_Known, TimeRemainingColumn):
    """How long it takes on."""


class Bars:
    """A bar a board, with speed and time left."""

    def __init__(self, console: SafeConsole, asks: bool) -> None:
        self._console = console
        self._asks = asks
        # One question at a time.
        self._asking = threading.Lock()
        self._progress = Progress(
            TextColumn("{task.fields[port]}", style="bold", markup=False),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            _Size(),
            _Speed(),
            _Left(),
            console=console,
            expand=True,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def watch(self, port: str) -> Watch:
        task = self._progress.add_task("waiting", port=port, total=None)
        return _BarOf(self, self._progress, task, port)

    def asks(self, port: str, holds: str) -> bool:
        if not self._asks:
            return False
        with self._asking:
            self._progress.stop()
            try:
                return Confirm.ask(
                    styled(
                        f"{port}: this board is no board of Mote, it holds {holds}. "
                        "Erase all of it?"
                    ),
                    console=self._console,
                    default=False,
                )
            finally:
                self._progress.start()


class _BarOf:
    def __init__(self, bars: Bars, progress: Progress, task: TaskID, port: str) -> None:
        self._bars = bars
        self._progress = progress
        self._task = task
        self._port = port
        self._step = ""

    def begins(self, what: str) -> None:
        if what != self._step:
            self._step = what
            self._progress.reset(self._task, description=what, total=None)

    def progress(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def note(self, text: str) -> None:
        self._progress.console.print(f"{self._port}: {text}", soft_wrap=True)

    def agrees(self, holds: str) -> bool:
        return self._bars.asks(self._port, holds)
