"""One image for the flash of a board: official MicroPython, and the firmware as its files."""

from motekit.image.build import Image, Part, build, check
from motekit.image.errors import ImageError
from motekit.image.micropython import MicroPython, Region, read

__all__ = ["Image", "ImageError", "MicroPython", "Part", "Region", "build", "check", "read"]
