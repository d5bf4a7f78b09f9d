"""Counts how the board started: quick resets by a person, and crashes, over restarts.

Kept in NVS (esp32.NVS), not in RTC memory: a person's quick resets cut the power.
"""

import asyncio
import gc
import io
import os
import sys

from esp32 import NVS

from mote import log, patience, system

TRACE = "/crash.txt"
_TRACE_MAX = 1500
_QUICK, _CRASHES, _UNTOLD, _NONCE, _NUMBER = "quick", "crashes", "untold", "nonce", "starts"
# So many crashes: safe mode itself is among them.
_ALONE = patience.CRASHES + 1
# Bytes of a nonce: at most 40 characters of UTF-8.
_NONCE_MAX = 160


def begin(asked):
    """Count this start. `asked` is the reason of a restart that was ours, or an empty text.

    Returns "resets" after three quick ones, "crashed" after five crashes, else an empty text.
    """
    _set(_NUMBER, number() + 1)
    cause = system.reset_cause()
    if cause == "power-on":
        quick = _get(_QUICK) + 1
        _set(_QUICK, quick)
        if quick >= patience.QUICK_RESETS:
            _set(_QUICK, 0)
            return "resets"
    else:
        _set(_QUICK, 0)
        if cause == "watchdog":
            note("watchdog: nothing was done for %d s" % (system.WATCHDOG_MS // 1000))
        elif cause == "reset" and not asked:
            # Only the chip itself restarts without a word: a panic of its system software.
            note("the chip restarted itself (panic)")
    return "crashed" if _get(_CRASHES) >= patience.CRASHES else ""


def number():
    """The number of this start; none comes twice."""
    return _get(_NUMBER)


async def settle():
    """A board that runs on has not been reset quickly, and later has not crashed."""
    await asyncio.sleep_ms(patience.QUICK_RESET_MS)
    _set(_QUICK, 0)
    system.mark("steady")
    await asyncio.sleep_ms(patience.STEADY_MS)
    _set(_CRASHES, 0)


def crashed(error):
    """An exception that nobody expected ends this start: count it and keep its traceback."""
    gc.collect()
    try:
        text = io.StringIO()
        sys.print_exception(error, text)
        note(text.getvalue())
    except MemoryError:
        # What ran out of memory is counted, too.
        note(type(error).__name__)


def note(text):
    """Count a crash and keep `text` for the portal."""
    count = min(_get(_CRASHES) + 1, _ALONE)
    _set(_CRASHES, count)
    _set(_UNTOLD, 1)
    if count == _ALONE:
        # The portal goes on to show what led to safe mode.
        log.error("app: a crash in safe mode")
        return
    log.error("app: crash %d of %d" % (count, patience.CRASHES))
    try:
        with open(TRACE, "w") as file:
            file.write(text[-_TRACE_MAX:])
    except OSError as error:
        # A full flash must not hide the fault itself, which is on the serial port.
        log.warning("app: the traceback could not be kept: errno %s" % error.errno)


def traceback():
    """The text of the last crash, empty when there was none."""
    try:
        with open(TRACE) as file:
            return file.read()
    except OSError:
        return ""


def untold():
    """The text of a crash that nobody was told of yet, else an empty text."""
    return traceback() if _get(_UNTOLD) else ""


def told():
    """The crash is published: once is enough."""
    _set(_UNTOLD, 0)


def crashes():
    """How many crashes there were in a row."""
    return _get(_CRASHES)


def to_be_mended(reason, settings):
    """True in safe mode with settings, until it crashes itself: then the portal alone is left."""
    return reason == "crashed" and settings and crashes() < _ALONE


def keep_nonce(nonce):
    """Remember over a restart the command that led to it."""
    store = NVS("mote")
    store.set_blob(_NONCE, nonce.encode())
    store.commit()


def last_nonce():
    """The nonce of the command that led to the last restart by command, or an empty text."""
    buffer = bytearray(_NONCE_MAX)
    try:
        size = NVS("mote").get_blob(_NONCE, buffer)
    except OSError:
        return ""
    return str(buffer[:size], "utf-8")


def once_more():
    """Let the firmware start again; one more crash leads back to safe mode."""
    _set(_CRASHES, min(crashes(), patience.CRASHES - 1))


def forget():
    """Somebody saved settings: what was before does not count."""
    _set(_CRASHES, 0)
    try:
        os.remove(TRACE)
    except OSError:
        pass


def _get(key):
    try:
        return NVS("mote").get_i32(key)
    except OSError:
        return 0


def _set(key, value):
    # A commit takes 25 ms and wears the flash: only what changes is written.
    if _get(key) != value:
        store = NVS("mote")
        store.set_i32(key, value)
        store.commit()
