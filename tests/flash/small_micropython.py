"""A small image in the format of the official ones (ESP-IDF, App Image Format), for any chip."""

import functools
import hashlib
import operator
import random
import struct

from esptool.targets import CHIP_DEFS
from motekit.image import partitions
from motekit.image.partitions import Partition

VERSION = "1.27.0"
APPLICATION_AT = 0x10000
# Where a segment may lie that is read from flash, and one that is loaded into RAM (any chip).
_MAPPED = {"esp32": 0x3F400020, "esp32s3": 0x3C000020, "esp32c3": 0x3C000020, "esp32c6": 0x42000020}
_LOADED = {"esp32": 0x3FFF0018, "esp32s3": 0x3FCE2820, "esp32c3": 0x3FCD5820, "esp32c6": 0x40875720}


def made(chip: str = "esp32", size: int = 200_000, version: str = VERSION) -> bytes:
    """The file as it would be downloaded; `size` is that of its application."""
    rom = CHIP_DEFS[chip]
    base = rom.BOOTLOADER_FLASH_OFFSET
    table = partitions.write(
        [
            Partition("nvs", "data", 2, 0x9000, 0x6000),
            Partition("phy_init", "data", 1, 0xF000, 0x1000),
            Partition("factory", "app", 0, APPLICATION_AT, 0x1F0000),
        ]
    )
    banner = f"MicroPython v{version} on 2025-12-09; Generic board\0".encode()
    filler = random.Random(chip).randbytes(size - 1000)
    application = description("micropython", f"v{version}") + banner + filler
    image = bytearray(b"\xff" * (APPLICATION_AT - base))
    loader = segment(rom.IMAGE_CHIP_ID, _LOADED[chip], b"bootloader" * 600)
    image[: len(loader)] = loader
    image[partitions.OFFSET - base : partitions.OFFSET - base + len(table)] = table
    return bytes(image) + segment(rom.IMAGE_CHIP_ID, _MAPPED[chip], application)


def description(project: str, version: str) -> bytes:
    """esp_app_desc_t, which begins every application."""
    names = (version.encode(), project.encode(), b"12:00:00", b"Dec  9 2025", b"v5.5.1")
    return struct.pack("<II8x32s32s16s16s32s", 0xABCD5432, 0, *names).ljust(256, b"\0")


def segment(chip: int, address: int, data: bytes) -> bytes:
    """An image of one segment, with checksum and digest."""
    data = data.ljust(-(-len(data) // 4) * 4, b"\0")
    head = struct.pack("<BBBBI", 0xE9, 1, 2, 0x2F, address)
    head += struct.pack("<B3xHBHH4xB", 0xEE, chip, 0, 0, 0xFFFF, 1)
    image = head + struct.pack("<II", address, len(data)) + data
    image += bytes(15 - len(image) % 16)
    image += bytes([functools.reduce(operator.xor, data, 0xEF)])
    return image + hashlib.sha256(image).digest()
