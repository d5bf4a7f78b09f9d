"""Listens to a board for as long as it takes: through its resets, and while it is unplugged."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from motekit.serial import ports
from motekit.serial.log import Line, Reader
from motekit.serial.ports import PortError

if TYPE_CHECKING:
    from serial import Serial

# How often a port that is gone is looked for, and how long a port that is back may take until it
# may be used (udev gives it its rights, ModemManager tries it); seconds.
LOOK_S = 0.1
SETTLE_S = 3.0
READ_S = 0.25


def lines(path: str, reader: Reader, notice: Callable[[str], None]) -> Iterator[Line]:
    """Every line that the board at `path` says; `notice` hears when it goes and comes.

    Ends only by PortError: at once when the port cannot be opened, later when it cannot come back.
    """
    number = next((port.serial_number for port in ports.find() if port.path == path), "")
    back_at: float | None = None
    said = ""
    while True:
        try:
            with ports.opened(path, READ_S) as wire:
                notice(f"{path} is back" if back_at else f"listening on {path}, Ctrl-C ends it")
                yield from _said(wire, reader)
        except PortError as error:
            if back_at is None:
                raise
            if time.monotonic() - back_at > SETTLE_S and str(error) != said:
                said = str(error)
                notice(f"{said}. Waiting for it")
            time.sleep(LOOK_S)
            continue
        if path.startswith("/dev/pts/"):
            # The number of a pseudo-terminal is given to the next window that opens.
            raise PortError(f"{path} is gone: its virtual board has ended. Start one: `mote sim`")
        notice(f"{path} is gone: unplugged, or restarting. Waiting for it")
        path = _awaited(path, number)
        back_at = time.monotonic()


def _said(wire: "Serial", reader: Reader) -> Iterator[Line]:
    """What is said until the port is gone."""
    try:
        while True:
            yield from reader.read(wire.read(wire.in_waiting or 1))
    except OSError:
        yield from reader.end()


def _awaited(path: str, number: str) -> str:
    """The path of the port once it is there again: the same, or one with the same chip."""
    while True:
        time.sleep(LOOK_S)
        found = ports.find()
        if Path(path).exists() or any(port.path == path for port in found):
            return path
        for port in found:
            if number and port.serial_number == number:
                return port.path
