"""Makes the device's sources smaller in memory before they are compiled; they do the same.

MicroPython keeps every name of a module, a method, an argument in RAM, once for each spelling, and
every constant of a module as a variable: a quarter of all that Mote needs. Lines stay where they
are: a traceback names file and line as in the source.
"""

from motekit.firmware.lean import constants, names
from motekit.firmware.lean.edits import Program

__all__ = ["Program", "made_lean"]


def made_lean(program: Program) -> Program:
    """All Python files of the device, which are one program, by their place on it."""
    return names.shortened(constants.folded(program))
