"""`time` of the ESP32 port: epoch 2000, ticks of 30 bits that start at power-on."""

import utime
import world
from utime import sleep, sleep_ms, sleep_us, ticks_cpu

_UNIX_2000 = 946_684_800
_PERIOD = 1 << 30
_HALF = 1 << 29
_started_us = utime.ticks_us()
_rtc = None


def ticks_us():
    return utime.ticks_diff(utime.ticks_us(), _started_us) & (_PERIOD - 1)


def ticks_ms():
    return utime.ticks_diff(utime.ticks_us(), _started_us) // 1000 & (_PERIOD - 1)


def ticks_add(ticks, delta):
    return (ticks + delta) & (_PERIOD - 1)


def ticks_diff(end, start):
    return ((end - start + _HALF) & (_PERIOD - 1)) - _HALF


def time_ns():
    global _rtc
    if _rtc is None:
        # The RTC runs on through resets: the world keeps where it stands against its own clock.
        _rtc = world.ask("rtc.offset_ns")
    return utime.time_ns() + _rtc


def time():
    return time_ns() // 1_000_000_000


def gmtime(seconds=None):
    return utime.gmtime((time() if seconds is None else seconds) + _UNIX_2000)[:8]


localtime = gmtime


def mktime(local):
    return int(utime.mktime(tuple(local[:8]) + (0,))) - _UNIX_2000


def _set(seconds, microseconds=0):
    global _rtc
    wanted = seconds * 1_000_000_000 + microseconds * 1000
    _rtc = wanted - utime.time_ns()
    world.ask("rtc.set", _rtc)
