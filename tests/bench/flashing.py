"""Flashing: bytes and seconds from a blank board to its first line, beside the usual way.

The usual way is two passes: esptool writes MicroPython, then mpremote copies the firmware's files.
Both on the same stand-in: the mock bootloader behind a line that takes the time of its rate, then a
virtual board that starts from what was written. The time in which silicon erases its flash is in
neither; mpremote talks at 115,200 baud, as it always does.
"""

import asyncio
import os
import pty
import subprocess
import sys
import tempfile
import threading
import time
import tty
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / room) for room in ("flash", "host"))

import flash_images
import small_micropython
from bench_board import BenchBoard
from bench_flash import Notes, flashed
from handover import Handover, at_the_bench
from mote import contract
from motekit import boards, firmware, image, places
from motekit.flash import Wish
from motekit.flash.chip import Chip
from motekit.image import Part, filesystem
from motesim import World

NAMES = ("flash_bytes", "flash_to_running_s")
BAUDS = (460_800, 921_600)
# As large as the official image after compression, where that is not at hand.
COMPRESSED = 1_100_000


def run(figure: Callable[[str, float, str], None]) -> None:
    """The first figures are at the rate that mote flash has by itself, the others say theirs."""
    data = _micropython()
    places.data = lambda: Path(tempfile.gettempdir()) / "mote-bench"
    # Compiled once for each state of the sources, not for each board.
    tree = firmware.build(boards.default_for("esp32"))
    for baud in BAUDS:
        suffix = "" if baud == Wish.baud else f".{baud}"
        bytes_one, seconds_one = asyncio.run(_one_pass(data, baud))
        bytes_two, seconds_two = asyncio.run(_two_passes(data, baud, tree))
        if not suffix:
            figure("flash_bytes", bytes_one, "B")
            figure("flash_bytes.two_pass", bytes_two, "B")
        figure(f"flash_to_running_s{suffix}", seconds_one, "s")
        figure(f"flash_to_running_s{suffix}.two_pass", seconds_two, "s")


def _micropython() -> bytes:
    for file in flash_images.official():
        data = file.read_bytes()
        if image.read(data).chip == "ESP32":
            print(f"# {file.name}")
            return data
    print("# MicroPython is a stand-in of its size: MOTE_OFFICIAL_IMAGES names no official one")
    return small_micropython.made(size=COMPRESSED)


async def _one_pass(data: bytes, baud: int) -> tuple[int, float]:
    runtime = image.read(data)
    async with World() as world:
        bench = BenchBoard(boots=Handover(world).boots, paced=True)
        wish = Wish(runtime=lambda board, watch: runtime, baud=baud)
        began = time.monotonic()
        await at_the_bench(flashed, bench, wish, Notes())
        return bench.line.seen, time.monotonic() - began


async def _two_passes(data: bytes, baud: int, tree: Path) -> tuple[int, float]:
    async with World() as world:
        bench = BenchBoard(boots=Handover(world).boots, paced=True)
        began = time.monotonic()
        await at_the_bench(_written_by_esptool, bench, data, baud)
        while "start1" not in world.boards:
            await asyncio.sleep(0.01)
        board = world.boards["start1"]
        with ExitStack() as stack:
            slow = stack.enter_context(SlowPort(board.serial_path))
            command = ["mpremote", "connect", slow.path, "fs", "cp", "-r", f"{tree}/.", ":"]
            copying = [Path(sys.executable).with_name(command[0]), *command[1:], "+", "reset"]
            await asyncio.to_thread(subprocess.run, copying, check=True, capture_output=True)
            await board.wait_for_log(contract.LOG_BOOT, 60)
            return bench.line.seen + slow.count, time.monotonic() - began


def _written_by_esptool(bench: BenchBoard, data: bytes, baud: int) -> None:
    """As `esptool write-flash` does, and the file system that MicroPython then makes."""
    runtime = image.read(data)
    with bench.opened("bench") as port:
        chip = Chip.listening("bench", port, baud)
        chip.write(Part("micropython", runtime.offset, data), lambda done, total: None)
        region = runtime.file_system(bench.size)
        bench.flash.data[region.offset :] = filesystem.made({}, region.size)
        chip.restart()


class SlowPort:
    """A PTY at `path` through which bytes take their time; `count` of them went to the board."""

    def __init__(self, board: str) -> None:
        self._board = os.open(board, os.O_RDWR | os.O_NOCTTY)
        self._outer, self._end = pty.openpty()
        tty.setraw(self._end)
        self.path = os.ttyname(self._end)
        self.count = 0

    def __enter__(self) -> "SlowPort":
        for source, target in ((self._outer, self._board), (self._board, self._outer)):
            threading.Thread(target=self._carry, args=(source, target), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._outer, self._end, self._board):
            os.close(end)

    def _carry(self, source: int, target: int) -> None:
        with suppress(OSError):
            while data := os.read(source, 4096):
                time.sleep(10 * len(data) / contract.BAUD)
                os.write(target, data)
                if target == self._board:
                    self.count += len(data)
