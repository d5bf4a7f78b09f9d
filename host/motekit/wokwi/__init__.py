"""Wokwi projects on the virtual board: their files, their circuit, their scenarios."""
