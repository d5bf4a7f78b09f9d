"""Sensors: what is wired to the board, found by itself or listed in the configuration.

A driver is a file here. It has `find()`, the options of what answers on the default pins, and a
class `Driver(options)` with `metrics`, its plain metric names, `PERIOD_MS`, the least time from one
reading to the next, and `async read()`, one value a metric: a number, None where there is nothing
to say, or the exception that stands in the way of this value only. A driver that reads more than
one part says in `kind` which it found. A driver that is not installed is a sensor that is not
there.

A reading is what a part has measured: its defaults after a reset, its error codes and what is
beyond the range of its datasheet are errors.
"""

import time

from mote import contract, log, memory

# In the order in which they take the plain metric names.
KINDS = ("bme280", "bmp180", "dht22", "ds18b20", "chip", "rssi")
_COMPLAIN_EVERY_MS = 60_000


class Sensor:
    """A driver with the metric names that it publishes under; a fault of it stays its own."""

    def __init__(self, options, taken):
        # The driver, and the part that it drives.
        self.driver = self.kind = options["type"]
        self.names = ()
        self._options = options
        self._taken = taken
        self._driver = None
        self._complained = None
        self._open()

    def interval_ms(self, wanted_ms):
        """The time between readings: what is wanted, or what the part needs."""
        return max(wanted_ms, self._driver.PERIOD_MS if self._driver else 0)

    async def read(self):
        """(metric, value) of each quantity. What fails is left out, and logged once a minute.

        A sensor that could not be opened is tried again each time: it may have been plugged in.
        """
        if not self._driver and not self._open():
            return []
        try:
            values = await self._driver.read()
        except Exception as error:
            self._complain(error)
            return []
        readings = []
        for name, value in zip(self.names, values):
            if isinstance(value, Exception):
                self._complain(value)
            elif value is not None:
                readings.append((name, value))
        return readings

    def _open(self):
        try:
            self._driver = _module(self.driver).Driver(self._options)
        except Exception as error:
            self._complain(error)
            return False
        self.kind = getattr(self._driver, "kind", self.kind)
        metrics = self._driver.metrics
        self.names = [_name(self.kind, m, self._options, self._taken) for m in metrics]
        log.info("sensors: %s as %s" % (self.kind, ", ".join(self.names)))
        return True

    def _complain(self, error):
        now = time.ticks_ms()
        if self._complained is None or time.ticks_diff(now, self._complained) >= _COMPLAIN_EVERY_MS:
            self._complained = now
            log.warning("sensors: %s gives no reading: %r" % (self.kind, error))


def open_all(wanted):
    """The sensors of a configuration: `wanted` is "auto" or a list of options."""
    taken = set()
    sensors = [Sensor(options, taken) for options in (_found() if wanted == "auto" else wanted)]
    # What looked for its part in vain needs no memory.
    used = [sensor.driver for sensor in sensors]
    memory.forget(*("mote.sensors." + kind for kind in KINDS if kind not in used))
    return sensors


def _module(kind):
    return getattr(__import__("mote.sensors." + kind).sensors, kind)


def _found():
    options = []
    for kind in KINDS:
        try:
            options.extend(_module(kind).find())
        except Exception as error:
            # A bus that is shorted, or a driver that is not there, must not hide other sensors.
            log.debug("sensors: looking for %s: %r" % (kind, error))
    return options


def _name(kind, metric, options, taken):
    """A name of its own: plain, then with the driver's name, then numbered."""
    given = options.get("name")
    if given:
        # The one quantity of an analogue input is called as the person says.
        name = given + "_" + metric if metric else given
    else:
        name = metric if metric not in taken else kind + "_" + metric
    base = name = name[: contract.METRIC_MAX]
    number = 2
    while name in taken:
        name = "%s_%d" % (base[: contract.METRIC_MAX - 3], number)
        number += 1
    taken.add(name)
    return name
