"""An official MicroPython image: which chip, which version, and where its file system goes."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from motekit.image import partitions
from motekit.image.errors import ImageError
from motekit.image.filesystem import BLOCK
from motekit.image.partitions import Partition

if TYPE_CHECKING:
    from esptool.loader import ESPLoader

OLDEST = (1, 24)
DOWNLOADS = "https://micropython.org/download/?port=esp32"
_BANNER = re.compile(rb"MicroPython v((\d+)\.(\d+)[\w.+-]*) on (\d{4}-\d\d-\d\d)")
_NONE = "it is not a MicroPython image for an ESP32: take one from " + DOWNLOADS
# Label and subtype of the partition of the files (MicroPython, ports/esp32/main.c).
_FILES, _FAT = "vfs", 0x81
# Bytes of an image before its chip is known: magic, and the chip in the extended header.
_MAGIC = 0xE9
_CHIP_AT = 12


@dataclass(frozen=True)
class Region:
    """A part of the flash, in bytes."""

    offset: int
    size: int


@dataclass(frozen=True)
class MicroPython:
    """What an image is. `chip` as in the board profiles, `family` as Espressif writes it.

    `offset` is where `data` goes in the flash; `version` as MicroPython says it, without the `v`.
    """

    chip: str
    family: str
    version: str
    offset: int
    partitions: tuple[Partition, ...]
    data: bytes = field(repr=False)

    def file_system(self, flash_size: int) -> Region:
        """Where this version looks for its files on a flash of `flash_size` bytes.

        In the partition `vfs`; without one, which is so from 1.26 on, from the end of the last
        partition to the end of the flash (MicroPython, ports/esp32/main.c). Raises ImageError.
        """
        own = next((one for one in self.partitions if one.name == _FILES), None)
        start = own.offset if own else max(one.end for one in self.partitions)
        end = own.end if own else flash_size // BLOCK * BLOCK
        # Two blocks is the smallest LittleFS.
        if end > flash_size or end - start < 2 * BLOCK:
            needed = end if own else start
            raise ImageError(
                f"a flash of {flash_size >> 20} MB is too small for {self}: its application "
                f"{'and files end' if own else 'ends'} at {needed >> 20} MB. Use a board with "
                "4 MB or more, and give its size with `--flash-size`"
            )
        return Region(start, end - start)

    def naming(self, region: Region) -> bytes:
        """`data` whose table names `region` as the partition of the files.

        With it a board mounts exactly what was written, however large its flash is.
        """
        entries = [one for one in self.partitions if one.name != _FILES]
        own = Partition(_FILES, "data", _FAT, region.offset, region.size)
        table = partitions.write([*entries, own])
        at = partitions.OFFSET - self.offset
        return self.data[:at] + table + self.data[at + len(table) :]

    def __str__(self) -> str:
        return f"MicroPython {self.version} for {self.family}"


def read(data: bytes) -> MicroPython:
    """What `data` is: a firmware file as downloaded, or a whole flash. Raises ImageError.

    Its bootloader and its application are checked by the digests inside them.
    """
    base, rom = _place(data)
    try:
        table = partitions.read(data[partitions.OFFSET - base :])
    except ImageError as error:
        raise ImageError(_NONE if b"MicroPython" not in data else str(error)) from None
    application = next((one for one in table if one.kind == "app"), None)
    if application is None:
        raise ImageError(_NONE)
    start = application.offset - base
    banner = _BANNER.search(data, start)
    if not banner:
        raise ImageError(_NONE)
    for at in (rom.BOOTLOADER_FLASH_OFFSET - base, start):
        _verify(rom, data[at:])
    found = MicroPython(
        rom.CHIP_NAME.replace("-", "").upper(),
        rom.CHIP_NAME,
        banner[1].decode(),
        base,
        table,
        data,
    )
    if (int(banner[2]), int(banner[3])) < OLDEST:
        raise ImageError(
            f"{found} is too old: Mote needs {'.'.join(map(str, OLDEST))} or later, from "
            + DOWNLOADS
        )
    return found


def _place(data: bytes) -> tuple[int, "type[ESPLoader]"]:
    """The flash offset of the first byte of `data`, and the chip by esptool's tables."""
    from esptool.targets import CHIP_DEFS

    roms = [rom for rom in CHIP_DEFS.values() if hasattr(rom, "IMAGE_CHIP_ID")]
    # A file as downloaded begins with the bootloader, a whole flash has it at the chip's offset.
    for start in sorted({0, *(rom.BOOTLOADER_FLASH_OFFSET for rom in roms)}):
        if len(data) <= start + _CHIP_AT + 1 or data[start] != _MAGIC:
            continue
        number = int.from_bytes(data[start + _CHIP_AT : start + _CHIP_AT + 2], "little")
        for rom in roms:
            if number == rom.IMAGE_CHIP_ID and start in (0, rom.BOOTLOADER_FLASH_OFFSET):
                return rom.BOOTLOADER_FLASH_OFFSET - start, rom
    raise ImageError(_NONE)


def _verify(rom: "type[ESPLoader]", data: bytes) -> None:
    from esptool.bin_image import LoadFirmwareImage

    try:
        image = LoadFirmwareImage(rom.CHIP_NAME, data)
    except Exception as error:
        # Where bytes are missing, esptool ends with whatever it stumbles over.
        raise ImageError(f"it is damaged ({error}): download it again") from error
    digest = image.append_digest and image.stored_digest != image.calc_digest
    if image.checksum != image.calculate_checksum() or digest:
        raise ImageError("it is damaged (its checksum is wrong): download it again")
