"""A small MicroPython with what a chip's own description of its application says."""

import random
import struct

import flash_images

VERSION = "1.27.0"
# Bytes that cannot be compressed, so that there is something to write.
SIZE = 200_000


def made(chip: str = "esp32", version: str = VERSION, size: int = SIZE) -> bytes:
    """The file as it would be downloaded."""
    filler = random.Random(chip).randbytes(size)
    around = (description("micropython", f"v{version}"), filler)
    return flash_images.synthetic(chip, version, around=around)


def description(project: str, version: str) -> bytes:
    """What every application begins with (ESP-IDF, esp_app_desc_t)."""
    return struct.pack("<I12x32s32s", 0xABCD5432, version.encode(), project.encode()).ljust(
        256, b"\0"
    )
