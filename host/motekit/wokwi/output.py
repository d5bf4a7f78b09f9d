"""What a run prints, as `wokwi-cli` does: the serial port, and between its lines the steps."""

import re
from collections.abc import Callable

import typer

from motekit.terminal import SerialFilter

_STYLE = re.compile(r"\x1b\[[0-9;]*m")
Write = Callable[[bytes], None]


class Output:
    """Serial bytes and messages; a message never stands in the middle of a line."""

    def __init__(
        self, write: Write, name: str, *, quiet: bool = False, colour: bool = False
    ) -> None:
        self._write = write
        self._name = name
        self._quiet = quiet
        self._colour = colour
        # As wokwi-cli, which leaves a line free before the first step.
        self._at_start = False
        # A message took the line end that the board has not sent yet.
        self._skip = False
        self._ended = False
        self._filter = SerialFilter()

    def end(self) -> None:
        """The verdict stands last: what is said while the board is switched off is left out."""
        self._ended = True

    def status(self, text: str) -> None:
        """What --quiet leaves out."""
        if not self._quiet:
            self._write(text.encode() + b"\n")

    def serial(self, data: bytes) -> None:
        if self._ended:
            return
        if self._skip:
            for end in (b"\r\n", b"\n"):
                if data.startswith(end):
                    data = data[len(end) :]
                    break
        self._skip = False
        if data := self._filter.pass_on(data):
            self._at_start = data.endswith(b"\n")
            self._write(data)

    def step(self, text: str) -> None:
        """What a step of the scenario did."""
        self.line(f"{typer.style(f'[{self._name}]', fg='cyan')} {text}")

    def line(self, text: str) -> None:
        if self._ended:
            return
        if not self._at_start:
            self._write(b"\n")
            self._skip = True
            text = text.removeprefix("\n")
        self._at_start = True
        self._write((text if self._colour else _STYLE.sub("", text)).encode() + b"\n")
