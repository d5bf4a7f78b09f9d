"""Listens to a board on its serial line: why it does not obey, and whether it started."""

import re
import time
from dataclasses import dataclass
from typing import Any

from mote import contract

from motekit.flash import problems

# A read of the port returns after so long when nothing comes; seconds.
_PAUSE_S = 0.1
_LINE = rb"^[DIWE] (\d+) "
_STARTED = re.compile(_LINE + re.escape(contract.LOG_BOOT.encode()) + rb"(\S+) on (\S+)", re.M)
_SETUP = re.compile(_LINE + re.escape(contract.LOG_SETUP.encode()) + rb"(\S+) ", re.M)
# Seconds of listening to a board that did not answer: two rounds of a brown-out loop.
_DIAGNOSIS_S = 3.0


@dataclass(frozen=True)
class Started:
    """The firmware's version, and the name of its setup network when that is open."""

    version: str
    network: str


def diagnosed(port: Any) -> problems.FlashError | None:
    """What the board at the open `port` says about why it does not answer, if it says anything."""
    wire = b""
    end = time.monotonic() + _DIAGNOSIS_S
    while time.monotonic() < end:
        wire += _heard(port)
        if found := problems.said(wire, "brown-out"):
            return found
    return problems.said(wire)


def started(port: Any, seconds: float, setup: bool) -> Started:
    """Wait for the line that Mote says first; with `setup`, until its setup network is open.

    Raises FlashError with what the board said instead.
    """
    wire = b""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        wire += _heard(port)
        boot = _STARTED.search(wire)
        network = _SETUP.search(wire)
        if boot and (network or not setup):
            name = network[2].decode("ascii", "replace") if network else ""
            return Started(boot[2].decode("ascii", "replace"), name)
        # One can happen while the supply settles; two are a loop.
        if wire.count(b"Brownout detector") > 1:
            break
        if found := problems.said(wire, "flash-unreadable", "file-system"):
            raise found
    raise problems.said(wire, "brown-out") or problems.not_started(wire, seconds)


def _heard(port: Any) -> bytes:
    """What came in. A board whose USB is in the chip itself goes away while it restarts."""
    try:
        if not port.is_open:
            port.open()
        port.timeout = _PAUSE_S
        return bytes(port.read(port.in_waiting or 1))
    except OSError:
        port.close()
        time.sleep(_PAUSE_S)
        return b""
