"""Improv over serial: WiFi from the computer at the USB cable. Loaded while the portal is open."""
