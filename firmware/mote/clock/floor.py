"""The time before which no time is believed where it judges certificates.

It is when the firmware was built, or the last good time. That is kept once a day at most, by a
clock that two servers have confirmed an hour ago, while the connection to the MQTT server holds,
whose certificate was verified.
Erasing the board takes it back to the build.
"""

from esp32 import NVS

from mote import board, log
from mote.clock.clock import FIRST_MS, Clock

KEY = "floor"
_MINUTE_MS = 60_000
_DAY = 24 * 60


def read(server):
    """Return the floor in unix ms for a board with this MQTT server, settings."""
    if not (server["tls"] and server["ca"]):
        # Nothing is judged by the time, and a build on a computer with a wrong clock does no harm.
        return FIRST_MS
    return max(FIRST_MS, board.profile().get("built", 0) * 1000, _kept() * _MINUTE_MS)


def clock(server):
    """Return a clock that believes no time which would make an expired certificate good."""
    return Clock(floor_ms=read(server))


def keep(clock):
    """Remember the time of `clock`, which is confirmed, if nothing speaks against it."""
    minutes = clock.now_ms() // _MINUTE_MS
    try:
        # Online, with TLS: the certificate is valid at this time.
        if clock.online and clock.floor_ms > FIRST_MS and minutes >= _kept() + _DAY:
            store = NVS("mote")
            store.set_i32(KEY, minutes)
            store.commit()
    except OSError as error:
        log.warning("clock: the good time is not kept: errno %s" % error.errno)


def _kept():
    try:
        return NVS("mote").get_i32(KEY)
    except OSError:
        return 0
