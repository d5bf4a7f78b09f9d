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


class Driver:
    metrics = ("temperature", "humidity")
    PERIOD_MS = PERIOD_MS

    def __init__(self, options):
        self._pin = options["pin"]
        self._sensor = DHT22(Pin(self._pin))

    async def read(self):
        """Raises OSError without an answer, Exception on a bad sum, ValueError out of range."""
        since = _asked.get(self._pin)
        if since is not None:
            rest = PERIOD_MS - time.ticks_diff(time.ticks_ms(), since)
            # After a long pause the ticks have gone round, and the rest is anything.
            if 0 < rest <= PERIOD_MS:
                await asyncio.sleep_ms(rest)
        _measure(self._sensor, self._pin)
        temperature, humidity = self._sensor.temperature(), self._sensor.humidity()
        # Its range (section 5); a loose wire shows as numbers beyond it.
        if not (-40 <= temperature <= 80 and 0 <= humidity <= 100):
            raise ValueError("%.1f C, %.1f %%RH is out of range" % (temperature, humidity))
        return temperature, humidity


def _measure(sensor, pin):
    _asked[pin] = time.ticks_ms()
    sensor.measure()
