"""Makes what goes onto a board out of `firmware/`: compiled modules, packed pages, its pins."""

from motekit.firmware.factory import write_factory
from motekit.firmware.tree import SLOT, FirmwareError, build

__all__ = ["SLOT", "FirmwareError", "build", "write_factory"]
