"""The virtual board: the real firmware on the real MicroPython, in a modelled world."""

from motesim.air import AccessPoint
from motesim.board import BoardSpec, VirtualBoard
from motesim.world import World

__all__ = ["AccessPoint", "BoardSpec", "VirtualBoard", "World"]
