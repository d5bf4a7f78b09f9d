"""The chip's own clock, which survives a reset and a deep sleep: it keeps UTC, as fields."""

import time

import machine

# What `time` counts from, 2000 on the ESP32 and 1970 elsewhere.
_EPOCH_S = 946_684_800 if time.gmtime(0)[0] == 2000 else 0


def read():
    """Its time in unix ms; of a chip that came to power, one of long ago."""
    year, month, day, _, hour, minute, second, us = machine.RTC().datetime()
    seconds = time.mktime((year, month, day, hour, minute, second, 0, 0)) + _EPOCH_S
    return seconds * 1000 + us // 1000


def write(unix_ms):
    """Set it."""
    year, month, day, hour, minute, second, weekday = time.gmtime(unix_ms // 1000 - _EPOCH_S)[:7]
    us = unix_ms % 1000 * 1000
    machine.RTC().datetime((year, month, day, weekday, hour, minute, second, us))
