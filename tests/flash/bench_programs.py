"""What a board at the bench does after a reset: says what a real one says, by what it holds."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bench_board import BenchBoard
from littlefs import LittleFS
from mote import contract
from motekit import image
from motekit.image import filesystem

NETWORK = contract.AP_PREFIX + "240AC4E29526"
BROWN_OUT = b"\r\nBrownout detector was triggered\r\n\r\nets Jul 29 2019 12:21:46\r\n"
# After so long without a computer the test is over, and the thread may end.
ABANDONED_S = 60.0
CORRUPT = b"The filesystem appears to be corrupted. If you had important data there, you\r\n"


def bootloader(board: BenchBoard) -> None:
    """Starts Mote if the whole of it is in the flash; else says so, as the ROM does."""
    try:
        names = files(board)
        runs = {"/main.py", "/boot.py", "/app_a/mote/app.mpy"} <= names.keys()
    except image.ImageError:
        runs = False
    if not runs:
        board.say(b"invalid header: 0xffffffff\r\n" * 3)
        return
    board.say(f"I 120 {contract.LOG_BOOT}0.1.0 on ESP32 after power-on\r\n".encode())
    if "/config.json" not in names:
        board.say(f"I 900 {contract.LOG_SETUP}{NETWORK} (no password), then\r\n".encode())


def says(text: bytes) -> Callable[[BenchBoard], None]:
    """A program that says the same for ever: whether somebody listens, a board cannot know."""

    def program(board: BenchBoard) -> None:
        resets, listened = board.resets, time.monotonic()
        while board.resets == resets and time.monotonic() - listened < ABANDONED_S:
            if board.listened:
                listened = time.monotonic()
            board.say(text)
            time.sleep(0.05)

    return program


def files(board: BenchBoard) -> dict[str, bytes]:
    """What is in the file system of the board. Raises ImageError when it has none."""
    with _mounted(board) as fs:
        return filesystem.content(fs)


def add(board: BenchBoard, own: dict[str, bytes]) -> None:
    """Write files onto a board, as its own program does."""
    with _mounted(board) as fs:
        for name, data in own.items():
            filesystem.write(fs, name, data)


def remove(board: BenchBoard, name: str) -> None:
    with _mounted(board) as fs:
        fs.remove(name)


@contextmanager
def _mounted(board: BenchBoard) -> Iterator[LittleFS]:
    whole = bytes(board.flash.data)
    region = image.read(whole).file_system(len(whole))
    place = slice(region.offset, region.offset + region.size)
    part = bytearray(whole[place])
    fs = filesystem.mounted(part)
    yield fs
    fs.unmount()
    if part != whole[place]:
        board.flash.data[place] = part
