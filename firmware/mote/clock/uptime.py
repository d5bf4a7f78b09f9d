"""Milliseconds since boot that never wrap: `time.ticks_ms` starts anew after 12 days."""

import time

_last = time.ticks_ms()
# The ticks start at boot, not when this file is imported.
_passed = _last


def ms():
    """Milliseconds since boot, never less than before.

    Ask at least every 6 days: half a turn of the ticks is as far as their difference can tell.
    """
    global _last, _passed
    now = time.ticks_ms()
    step = time.ticks_diff(now, _last)
    # A step back is an interrupt or a thread that asked in between.
    if step > 0:
        _last = now
        _passed += step
    return _passed
