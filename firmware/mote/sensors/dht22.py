"""DHT22 (AM2302): temperature in °C and relative humidity in %RH. Aosong datasheet."""

import asyncio
import time

from dht import DHT22
from machine import Pin

from mote import board

# "Collecting period should be: >2 second" (section 7): asked earlier it repeats itself.
_PERIOD_MS = 2000


def find():
    """A DHT22 on its default pin answers a measurement."""
    options = {"type": "dht22", "pin": board.pin("dht")}
    try:
        DHT22(Pin(options["pin"])).measure()
    except OSError:
        return []
    return [options]


class Driver:
    metrics = ("temperature", "humidity")

    def __init__(self, options):
        self._sensor = DHT22(Pin(options["pin"]))
        self._asked = None

    async def read(self):
        """Raises OSError when the sensor does not answer, ValueError for what it cannot measure."""
        if self._asked is not None:
            rest = _PERIOD_MS - time.ticks_diff(time.ticks_ms(), self._asked)
            if rest > 0:
                await asyncio.sleep_ms(rest)
        self._asked = time.ticks_ms()
        self._sensor.measure()
        temperature, humidity = self._sensor.temperature(), self._sensor.humidity()
        # Its range (section 5); a loose wire shows as numbers beyond it.
        if not (-40 <= temperature <= 80 and 0 <= humidity <= 100):
            raise ValueError("out of range")
        return temperature, humidity
