"""A sensor whose readings are numbers in a row, and the firmware that reads it faster."""

import shutil
import time
from errno import ENODEV
from pathlib import Path

from motekit import boards, firmware, places
from motesim.errors import Silicon
from motesim.parts import I2CPart

METRIC = "number"
ADDRESS = 0x42
DRIVER = f'''
"""Reads the next number of the part at {ADDRESS:#x}."""
from machine import I2C, Pin
from mote import board
def find(): return [{{"type": "dht22"}}]
class Driver:
    metrics = ("{METRIC}",)
    PERIOD_MS = 0
    def __init__(self, options):
        self._bus = I2C(0, sda=Pin(board.pin("sda")), scl=Pin(board.pin("scl")))
    async def read(self):
        return (int.from_bytes(self._bus.readfrom({ADDRESS}, 4), "big"),)
'''
# The configuration of a board has this interval unless a person chooses another.
INTERVAL_S = 10.0
# A round is written 0.1 s after it was begun.
GATHERED_S = 0.1


class Counter(I2CPart):
    """Gives 1, 2, 3 and so on, over restarts of the board; `taken` says when each was read."""

    address = ADDRESS

    def __init__(self) -> None:
        super().__init__()
        pins = boards.default_for("esp32").pins
        self.sda, self.scl = pins.sda, pins.scl
        # The number n was read at the Unix time `taken[n - 1]`.
        self.taken: list[float] = []
        self.plugged_in = True
        self._excused: set[int] = set()

    def read(self, count: int) -> bytes:
        if not self.plugged_in:
            raise Silicon("OSError", ENODEV)
        self.taken.append(time.time())
        return len(self.taken).to_bytes(count, "big")

    def write(self, data: bytes) -> None:
        """It has no registers."""

    def power_lost(self) -> None:
        """The number that was read last may not have been in the flash yet (contract 2).

        The one before it was, as the board writes a round before it takes the next, unless it was
        read late and the last one followed at once.
        """
        number = len(self.taken)
        self._excused.add(number)
        while number > 1 and self.taken[number - 1] - self.taken[number - 2] < GATHERED_S:
            number -= 1
            self._excused.add(number)

    def undatable_from(self, number: int) -> None:
        """Nobody can date what was read since: the power went before the board knew the time."""
        self._excused.update(range(number, len(self.taken) + 1))

    def owed(self) -> set[int]:
        """The numbers that have to arrive."""
        return set(range(1, len(self.taken) + 1)) - self._excused


def tree(folder: Path, interval_s: float) -> Path:
    """The firmware with the counter's driver, which may be read faster than a person may ask.

    What depends on how often things are cut, and not on how long anything takes, has the pace of
    the interval too.
    """
    source = folder / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "mote" / "sensors" / "dht22.py").write_text(DRIVER, encoding="utf-8")
    _change(
        source / "mote" / "sensors" / "__init__.py",
        'KINDS = ("bme280", "bmp180", "dht22", "ds18b20", "chip", "rssi")',
        'KINDS = ("dht22",)',
    )
    _change(
        source / "mote" / "config.schema.json",
        '"minimum": 1, "maximum": 86400',
        f'"minimum": {interval_s}, "maximum": 86400',
    )
    patience = source / "mote" / "patience.py"
    # Power that comes and goes is what the campaign is about, and no person's wish.
    _change(patience, "QUICK_RESETS = 3", "QUICK_RESETS = 1_000_000")
    # Else the outages of hours are one to the board, and its pauses grow to a minute: 40 of a day.
    steady_ms = int(60_000 * interval_s / INTERVAL_S)
    _change(patience, "CONNECTION_STEADY_MS = 60_000", f"CONNECTION_STEADY_MS = {steady_ms}")
    return firmware.build(boards.default_for("esp32"), source)


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text, f"{file.name} has no {old!r} any more: change it here as well"
    file.write_text(text.replace(old, new), encoding="utf-8")
