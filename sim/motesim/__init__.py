"""The virtual board: the real firmware on the real MicroPython, in a modelled world."""
