"""Which board this is: its chip, its pins, its name, its button and its LED."""

import os

import network
from machine import Pin

from mote import contract
from mote.pins import PINS

_BUTTON_STEP_MS = 50


def chip():
    """The chip's name as the port gives it: ESP32, ESP32S3, ESP32C3."""
    return os.uname().machine.split()[-1]


def pin(role):
    """GPIO of a role (`sda`, `button`, …), -1 where the chip's bare board has none."""
    return PINS.get(chip(), PINS["ESP32"])[role]


def mac():
    """The station's MAC as twelve capital hex digits: the access point's own is one higher."""
    return "".join("%02X" % byte for byte in network.WLAN(network.STA_IF).config("mac"))


def default_id():
    """The name of a board that was given none, also that of its setup network."""
    return contract.AP_PREFIX + mac()


class Button:
    """The BOOT button, polled: `held_ms()` is how long it has been down, 0 when it is up."""

    STEP_MS = _BUTTON_STEP_MS

    def __init__(self):
        self._pin = Pin(pin("button"), Pin.IN, Pin.PULL_UP)
        self._held = 0

    def poll(self):
        """Call every `STEP_MS`. Milliseconds held so far, and whether it was let go just now."""
        held = self._held
        if self._pin.value() == 0:
            self._held += _BUTTON_STEP_MS
            return self._held, False
        self._held = 0
        return held, held > 0
