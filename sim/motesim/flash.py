"""The flash chip of a board, as a file of its real size, and what is written on it at the factory.

The file system is at 0x200000 in blocks of 4096 bytes, as the ESP32 port mounts it (partition table
of ESP32_GENERIC, ports/esp32/partitions-4MiBplus.csv); with two slots for MicroPython it begins at
0x310000 (partitions-4MiB-ota.csv).
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from littlefs import LittleFS

FS_START = 0x200000
FS_START_TWO_SLOTS = 0x310000
FIRST_SLOT = 0x10000
BLOCK = 4096
DISK_VERSION = 0x00020001
SKIPPED = {"__pycache__"}


class Flash:
    """The flash in the file `path`; made blank (all ones) when it is not there."""

    def __init__(self, path: Path, size: int, two_slots: bool = False) -> None:
        self.path = path
        self.size = size
        self.two_slots = two_slots
        self.fs_start = FS_START_TWO_SLOTS if two_slots else FS_START
        if not path.exists():
            path.write_bytes(b"\xff" * size)
            if two_slots:
                # As after esptool: a first slot that the boot loader takes for an image.
                with path.open("r+b") as file:
                    file.seek(FIRST_SLOT)
                    file.write(b"\xe9")

    @property
    def fs_size(self) -> int:
        return self.size - self.fs_start

    def install(self, firmware: Path) -> None:
        """Copy a firmware tree to the root, as `mpremote fs cp -r` does to a board."""
        with self.mounted() as fs:
            for source in sorted(firmware.rglob("*")):
                place = source.relative_to(firmware)
                if SKIPPED & set(place.parts):
                    continue
                if source.is_dir():
                    fs.makedirs("/" + place.as_posix(), exist_ok=True)
                else:
                    self._write(fs, place.as_posix(), source.read_bytes())

    def write(self, name: str, data: bytes) -> None:
        """Write one file, its folders included."""
        with self.mounted() as fs:
            self._write(fs, name, data)

    def write_config(self, document: dict[str, Any]) -> None:
        self.write("config.json", json.dumps(document).encode())

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        with self.mounted() as fs, fs.open("/" + name.lstrip("/"), "rb") as file:
            return bytes(file.read())

    def remove(self, name: str) -> None:
        with self.mounted() as fs:
            fs.remove("/" + name.lstrip("/"))

    def files(self) -> dict[str, int]:
        """Every file's size in bytes by its path."""
        found = {}
        with self.mounted() as fs:
            for top, _, names in fs.walk("/"):
                for name in names:
                    place = PurePosixPath(top) / name
                    found[str(place)] = fs.stat(str(place)).size
        return found

    @contextmanager
    def mounted(self) -> Iterator[LittleFS]:
        """The file system, formatted if blank; changes are written back at the end."""
        whole = bytearray(self.path.read_bytes())
        part = whole[self.fs_start :]
        fs = LittleFS(
            block_size=BLOCK,
            block_count=len(part) // BLOCK,
            read_size=32,
            prog_size=32,
            cache_size=128,
            lookahead_size=32,
            block_cycles=100,
            name_max=255,
            disk_version=DISK_VERSION,
            mount=False,
        )
        fs.context.buffer = part
        if part[:BLOCK] == b"\xff" * BLOCK:
            fs.format()
        fs.mount()
        yield fs
        fs.unmount()
        whole[self.fs_start :] = fs.context.buffer
        self.path.write_bytes(whole)

    @staticmethod
    def _write(fs: LittleFS, name: str, data: bytes) -> None:
        place = PurePosixPath("/") / name
        if str(place.parent) != "/":
            fs.makedirs(str(place.parent), exist_ok=True)
        with fs.open(str(place), "wb") as file:
            file.write(data)
