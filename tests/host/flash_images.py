"""Images of MicroPython to build from: made here, true in structure, and official ones at hand.

Official ones are taken from the folder that MOTE_OFFICIAL_IMAGES names, and from the user's cache.
"""

import os
from pathlib import Path

from esptool.bin_image import (
    ELFSection,
    ESP32C3FirmwareImage,
    ESP32C6FirmwareImage,
    ESP32FirmwareImage,
    ESP32S3FirmwareImage,
)
from esptool.targets import CHIP_DEFS
from motekit import boards, places
from motekit.image import partitions
from motekit.image.partitions import Partition

STOCK = (
    Partition("nvs", "data", 0x02, 0x9000, 0x6000),
    Partition("phy_init", "data", 0x01, 0xF000, 0x1000),
    Partition("factory", "app", 0x00, 0x10000, 0x1F0000),
)
# Up to MicroPython 1.25 the table names the place of the files.
WITH_FILES = (*STOCK, Partition("vfs", "data", 0x81, 0x200000, 0x200000))
APPLICATION = 0x10000
# Data memory of every one of the chips.
RAM = 0x3FFC0000
CLASSES = {
    "esp32": ESP32FirmwareImage,
    "esp32s3": ESP32S3FirmwareImage,
    "esp32c3": ESP32C3FirmwareImage,
    "esp32c6": ESP32C6FirmwareImage,
}


def synthetic(
    chip: str = "esp32",
    version: str = "1.27.0",
    table: tuple[Partition, ...] = STOCK,
    banner: str = "MicroPython v{} on 2025-12-09",
    around: tuple[bytes, bytes] = (b"", b""),
) -> bytes:
    """A downloadable image: bootloader, table and application, with their checksums.

    `around` is what the application has before and after its banner.
    """
    rom = CHIP_DEFS[chip]
    content = banner.format(version).encode().join(around)
    application = _saved(chip, rom.DROM_MAP_START + 0x20, content)
    bootloader = _saved(chip, RAM, b"starts")
    start = rom.BOOTLOADER_FLASH_OFFSET
    image = bytearray(b"\xff" * (APPLICATION - start)) + application
    image[: len(bootloader)] = bootloader
    place = partitions.OFFSET - start
    entries = partitions.write(table)
    image[place : place + len(entries)] = entries
    return bytes(image)


def _saved(chip: str, address: int, content: bytes) -> bytes:
    made = CLASSES[chip]()
    made.segments = [ELFSection(b"", address, content.ljust(0x200, b"\0"), 0)]
    made.entrypoint = address
    return bytes(made.save(None))


def official() -> list[Path]:
    """The official images at hand, of the releases that the profiles pin."""
    names = {boards.micropython(one).file for one in boards.profiles().values()}
    folders = [Path(os.environ.get("MOTE_OFFICIAL_IMAGES", "/nowhere")), places.downloads()]
    found = {n: folder / n for n in names for folder in folders if (folder / n).is_file()}
    return [found[name] for name in sorted(found)]
