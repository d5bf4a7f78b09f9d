"""Flashes boards through esptool: keeps their settings, verifies, waits until they run."""

from motekit.flash.flasher import Flashed, Watch, Wish, flash
from motekit.flash.problems import FlashError
from motekit.flash.progress import Cancelled

__all__ = ["Cancelled", "FlashError", "Flashed", "Watch", "Wish", "flash"]
