"""The flash chip of a board: a file of its real size, and what is written on it at the factory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from littlefs import LittleFS
from motekit.image import Region, filesystem

# Where the official images of 4 MB and more look for their files, up to the end of the flash; with
# two slots for MicroPython (partitions-4MiB-ota.csv) there is less.
FILES_START = 0x200000
FILES_START_TWO_SLOTS = 0x310000
FIRST_SLOT = 0x10000
SKIPPED = {"__pycache__"}


class Flash:
    """The flash in the file `path`, `files_at` of it the file system's.

    Made blank (all ones) with `size` bytes when it is not there. With `two_slots` it has room for
    two images of MicroPython.
    """

    def __init__(
        self, path: Path, size: int, files_at: Region | None = None, two_slots: bool = False
    ) -> None:
        self.path = path
        self.two_slots = two_slots
        start = FILES_START_TWO_SLOTS if two_slots else FILES_START
        self.files_at = files_at or Region(start, size - start)
        if not path.exists():
            path.write_bytes(filesystem.blank(size))
            if two_slots:
                # As after esptool: a first slot that the boot loader takes for an image.
                with path.open("r+b") as file:
                    file.seek(FIRST_SLOT)
                    file.write(b"\xe9")

    @classmethod
    def written(cls, path: Path, image: bytes, files_at: Region) -> "Flash":
        """A flash with the very bytes of `image` on it."""
        path.write_bytes(image)
        return cls(path, len(image), files_at)

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
                    filesystem.write(fs, place.as_posix(), source.read_bytes())

    def write(self, name: str, data: bytes) -> None:
        """Write one file, its folders included."""
        with self.mounted() as fs:
            filesystem.write(fs, name, data)

    def write_config(self, document: dict[str, Any]) -> None:
        # As UTF-8: MicroPython's json does not put the halves of an escaped emoji together.
        self.write("config.json", json.dumps(document, ensure_ascii=False).encode())

    def read(self, name: str) -> bytes:
        """The content of a file. Raises FileNotFoundError."""
        with self.mounted() as fs, fs.open("/" + name.lstrip("/"), "rb") as file:
            return bytes(file.read())

    def remove(self, name: str) -> None:
        with self.mounted() as fs:
            fs.remove("/" + name.lstrip("/"))

    def files(self) -> dict[str, int]:
        """Every file's size in bytes by its path."""
        with self.mounted() as fs:
            return {path: len(data) for path, data in filesystem.content(fs).items()}

    @contextmanager
    def mounted(self) -> Iterator[LittleFS]:
        """The file system, formatted if blank; changes are written back at the end."""
        whole = bytearray(self.path.read_bytes())
        place = slice(self.files_at.offset, self.files_at.offset + self.files_at.size)
        region = whole[place]
        blank = region[: filesystem.BLOCK] == filesystem.blank(filesystem.BLOCK)
        fs = (filesystem.formatted if blank else filesystem.mounted)(region)
        yield fs
        fs.unmount()
        # Reading a file changes nothing, and a test reads hundreds.
        if whole[place] != region:
            whole[place] = region
            self.path.write_bytes(whole)
