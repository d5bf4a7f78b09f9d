"""Makes what goes onto a board out of `firmware/`: compiled modules, packed pages, its pins."""

from motekit.firmware.factory import write_factory
from motekit.firmware.lean import made_lean
from motekit.firmware.tree import SLOT, FirmwareError, build

__all__ = ["SLOT", "FirmwareError", "build", "made_lean", "write_factory"]
