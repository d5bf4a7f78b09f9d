"""The image of a board: how long `mote image` builds, from official parts that are at hand.

Without an official image here, one that is made for the tests stands in: it is smaller, and read
faster; what the firmware adds is the same.
"""

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "host"))

import flash_images
from motekit import boards, firmware, image

NAMES = ("image_build_s",)
ROUNDS = 5


def run(figure: Callable[[str, float, str], None]) -> None:
    """From nothing compiled to the bytes of a whole flash; the median of some rounds."""
    profile = boards.default_for("esp32")
    at_hand = [file for file in flash_images.official() if "GENERIC-" in file.name]
    data = at_hand[0].read_bytes() if at_hand else flash_images.synthetic()
    took = []
    for _ in range(ROUNDS):
        shutil.rmtree(firmware.build(profile))
        began = time.perf_counter()
        made = image.build(profile, image.read(data))
        made.whole()
        took.append(time.perf_counter() - began)
    figure("image_build_s", statistics.median(took), "s")
