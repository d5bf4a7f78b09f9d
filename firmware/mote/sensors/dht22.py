"""DHT22 (AM2302): temperature in °C and relative humidity in %RH. Aosong datasheet."""

import asyncio
import time

from dht import DHT22
from machine import Pin

from mote import board

# Section 7: "Collecting period should be : >2 second". Asked earlier it repeats itself.
PERIOD_MS = 2_000

_asked = {}


def find():
    """A DHT22 on its default pin answers a measurement."""
    options = {"type": "dht22", "pin": board.pin("dht")}
    try:
        _measure(DHT22(Pin(options["pin"])), options["pin"])
    except OSError:
        return []
    except Exception:
        # Forty bits with a wrong sum are an answer all the same.
        pass
    return [options]


def decoded(frame):
    """(temperature in °C, humidity in %RH) of the five bytes of an answer whose sum is right.

    A value that cannot be is a ValueError in its place. Section 7 has the sign in the highest bit
    of the temperature, and the magnitude below it; parts of other makers send two's complement.
    Within the range of section 5 no number can be both: 0x8000 to 0x8190 is the one, 0xFE70 to
    0xFFFF the other.
    """
    wet, heat = frame[0] << 8 | frame[1], frame[2] << 8 | frame[3]
    if not wet and not heat:
        raise ValueError("an answer of zeros is no measurement")
    if wet > 1000 and frame[0] <= 100 and frame[1] < 10 and frame[2] <= 60:
        # Whole numbers in the first and the third byte.
        raise ValueError("this is the answer of a DHT11, not of a DHT22")
    if heat & 0x8000:
        heat = 0x8000 - heat if heat <= 0x8000 + 400 else heat - 0x10000
    temperature, humidity = heat / 10, wet / 10
    if not -40 <= temperature <= 80:
        temperature = ValueError("%.1f C is out of range" % temperature)
    if humidity > 100:
        humidity = ValueError("%.1f %%RH is out of range" % humidity)
    return temperature, humidity


class Driver:
    metrics = ("temperature", "humidity")
    PERIOD_MS = PERIOD_MS

    def __init__(self, options):
        self._pin = options["pin"]
        self._sensor = DHT22(Pin(self._pin))

    async def read(self):
        """Raises OSError without an answer, Exception on a bad sum, ValueError as `decoded`."""
        since = _asked.get(self._pin)
        if since is not None:
            rest = PERIOD_MS - time.ticks_diff(time.ticks_ms(), since)
            # After a long pause the ticks have gone round, and the rest is anything.
            if 0 < rest <= PERIOD_MS:
                await asyncio.sleep_ms(rest)
        _measure(self._sensor, self._pin)
        # The library knows one of the two codes for negative temperatures.
        return decoded(self._sensor.buf)


def _measure(sensor, pin):
    _asked[pin] = time.ticks_ms()
    sensor.measure()
