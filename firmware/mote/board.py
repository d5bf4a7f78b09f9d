"""Which board this is: its chip, its pins, its name, its button."""

import asyncio
import json
import os
import time

import network
from machine import Pin

from mote import contract, log, patience

_PROFILE = __file__.rsplit("/", 1)[0] + "/board.json"
# Written at the factory or at flashing time, kept when the configuration is erased.
_FACTORY = "/factory.json"
_STEP_MS = 50
_profile = {}


def profile():
    """The board's profile, written when the firmware was made: key, chip, pins, led, txpower."""
    if not _profile:
        with open(_PROFILE) as file:
            _profile.update(json.load(file))
    return _profile


def chip():
    """The chip's name as the port gives it: ESP32, ESP32S3, ESP32C3."""
    return os.uname().machine.split()[-1]


def check_profile():
    """Say aloud when the firmware was made for another chip: its pins are wrong here."""
    if profile()["chip"] != chip():
        made_for = (profile()["chip"], profile()["key"], chip())
        log.error("app: this firmware is for %s (%s), the chip is %s: flash it anew" % made_for)


def pin(role):
    """GPIO of a role: sda, scl, onewire, dht, analog, button."""
    return profile()["pins"][role]


def mac():
    """The station's MAC as twelve capital hex digits: the access point's own is one higher."""
    return "".join("%02X" % byte for byte in network.WLAN(network.STA_IF).config("mac"))


def default_id():
    """The name of a board that was given none, also that of its setup network."""
    return contract.AP_PREFIX + mac()


def portal_password(settings):
    """What protects the setup network: from the settings, else as flashed, else nothing."""
    if settings and settings["portal_password"]:
        return settings["portal_password"]
    try:
        with open(_FACTORY) as file:
            return json.load(file).get("portal_password", "")
    except (OSError, ValueError):
        return ""


async def watch_button(show, held):
    """Call `held("button")` when BOOT is let go after 3 s, `held("erased")` at 10 s; for ever.

    `show` is told "setup" and "error" while it is held, so that a person sees when to let go.
    """
    button = Pin(pin("button"), Pin.IN, Pin.PULL_UP)
    pressed_ms = None
    while True:
        if button.value() == 0:
            if pressed_ms is None:
                pressed_ms, seen_ms = time.ticks_ms(), 0
            before_ms, seen_ms = seen_ms, time.ticks_diff(time.ticks_ms(), pressed_ms)
            if before_ms < patience.HOLD_FOR_SETUP_MS <= seen_ms:
                show("setup")
            if before_ms < patience.HOLD_TO_ERASE_MS <= seen_ms:
                show("error")
                held("erased")
        elif pressed_ms is not None:
            if patience.HOLD_FOR_SETUP_MS <= seen_ms < patience.HOLD_TO_ERASE_MS:
                held("button")
            pressed_ms = None
        await asyncio.sleep_ms(_STEP_MS)
