"""The LED: one pattern for each state, on a plain LED or an RGB one (WS2812)."""

import asyncio
import time

from machine import Pin

from mote import board

# State -> (colour of an RGB LED, milliseconds lit and dark in turn). Dim: it sits on a desk.
PATTERNS = {
    "setup": ((0, 0, 32), (1000, 1000)),
    "joining": ((24, 16, 0), (100, 400)),
    "connected": ((0, 24, 0), (50, 4950)),
    "error": ((32, 0, 0), (100, 150, 100, 150, 100, 1400)),
    "identify": ((24, 24, 24), (50, 50)),
}
_DARK = (0, 0, 0)
_STEP_MS = 500
_state = "joining"
# Ticks at which the board has been identified long enough, None when nobody asked which it is.
_identify_end = None
_changed = asyncio.Event()


def show(state):
    """Show a state from now on; while the board is identified only "setup" is seen at once."""
    global _state, _identify_end
    if state == "setup":
        # The BOOT button's answer to who holds it.
        _identify_end = None
    if state != _state:
        _state = state
        _changed.set()


async def identify(duration_ms):
    """Show which board this is for a while; of several calls the one that ends last counts."""
    global _identify_end
    end = time.ticks_add(time.ticks_ms(), duration_ms)
    if _identify_end is not None:
        if time.ticks_diff(end, _identify_end) > 0:
            _identify_end = end
        return
    _identify_end = end
    _changed.set()
    while _identify_end is not None:
        rest_ms = time.ticks_diff(_identify_end, time.ticks_ms())
        if rest_ms <= 0:
            _identify_end = None
        else:
            await asyncio.sleep_ms(min(rest_ms, _STEP_MS))
    _changed.set()


async def run():
    """Drive the board's LED for ever; a board without one costs nothing."""
    light = _light(board.profile()["led"])
    while light:
        colour, steps = PATTERNS[_state if _identify_end is None else "identify"]
        _changed.clear()
        for i, duration_ms in enumerate(steps):
            light(_DARK if i % 2 else colour)
            try:
                await asyncio.wait_for_ms(_changed.wait(), duration_ms)
                break
            except asyncio.TimeoutError:
                pass


def _light(led):
    """A function that lights the LED in a colour, None where the board has none."""
    if led["kind"] == "none":
        return None
    pin = Pin(led["pin"], Pin.OUT)
    if led["kind"] == "plain":
        lit = 0 if led["inverted"] else 1
        return lambda colour: pin.value(lit if colour != _DARK else 1 - lit)
    from neopixel import NeoPixel

    strip = NeoPixel(pin, 1)

    def write(colour):
        strip[0] = colour
        strip.write()

    return write
