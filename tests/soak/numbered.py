"""A sensor whose readings are numbers in a row, and what became of each of them."""

import shutil
import time
from pathlib import Path

from motekit import boards, firmware, places
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
# From being read to being in the flash: the round is gathered, written, and nobody else may be in
# the way. A number that is read when the power goes is not taken yet (contract 2).
TAKEN_S = 1.0
# A live reading has the time of its arrival (contract 1): two seconds of waiting at most, then
# it goes as backfill, and what a network takes that loses a third of its packets.
LIVE_S = 10.0
DATED_S = 0.5


class Counter(I2CPart):
    """Gives 1, 2, 3 and so on, over restarts of the board; `taken` says when each was read."""

    address = ADDRESS

    def __init__(self) -> None:
        super().__init__()
        pins = boards.default_for("esp32").pins
        self.sda, self.scl = pins.sda, pins.scl
        self.taken: dict[int, float] = {}
        # When the power was cut.
        self.cuts: list[float] = []
        # From when to when a board ran that never knew the time: nobody can date what it took.
        self.timeless: list[tuple[float, float]] = []

    def read(self, count: int) -> bytes:
        number = len(self.taken) + 1
        self.taken[number] = time.time()
        return number.to_bytes(count, "big")

    def write(self, data: bytes) -> None:
        """It has no registers."""

    def surely_taken(self) -> dict[int, float]:
        """Without what was read just before the power went, or that nobody can date."""
        return {
            number: at for number, at in self.taken.items()
            if not any(at <= cut <= at + TAKEN_S for cut in self.cuts)
            and not any(start <= at <= end for start, end in self.timeless)
        }  # fmt: skip


def tree(folder: Path, interval_s: float) -> Path:
    """The firmware with the counter's driver, which may be read faster than a person may ask."""
    source = folder / "source"
    shutil.copytree(places.FIRMWARE, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "mote" / "sensors" / "dht22.py").write_text(DRIVER, encoding="utf-8")
    kinds = source / "mote" / "sensors" / "__init__.py"
    text = kinds.read_text(encoding="utf-8")
    only = text.replace(
        'KINDS = ("bme280", "dht22", "ds18b20", "chip", "rssi")', 'KINDS = ("dht22",)'
    )
    assert only != text
    kinds.write_text(only, encoding="utf-8")
    schema = source / "mote" / "config.schema.json"
    text = schema.read_text(encoding="utf-8")
    least = '"minimum": 1, "maximum": 86400'
    assert least in text
    quick = text.replace(least, f'"minimum": {interval_s}, "maximum": 86400')
    schema.write_text(quick, encoding="utf-8")
    # Power that comes and goes is what the campaign is about, and no person's wish.
    patience = source / "mote" / "patience.py"
    text = patience.read_text(encoding="utf-8")
    patient = text.replace("QUICK_RESETS = 3", "QUICK_RESETS = 1_000_000")
    assert patient != text
    patience.write_text(patient, encoding="utf-8")
    return firmware.build(boards.default_for("esp32"), source)
