"""Mote, the firmware of a board: setup portal, sensors, delivery."""

__version__ = "0.1.0"
