"""Sensors: what is wired to the board, found by itself or listed in the configuration.

A driver is a file here with a class `Driver`: `Driver(options)` for one sensor, `metrics` (its plain
metric names), `async read()` giving one value a metric, and a module function `find()` that lists the
options of what is wired to the default pins. Files that are not installed are sensors that are not
there.
"""

import time

from mote import contract, log

# In the order in which they take the plain metric names.
KINDS = ("bme280", "dht22", "ds18b20", "chip", "rssi")
_LOG_EVERY_MS = 60_000


class Sensor:
    """A driver with the metric names that it publishes under; a fault of it stays its own."""

    def __init__(self, kind, driver, names):
        self.kind = kind
        self.names = names
        self._driver = driver
        self._complained = None

    async def read(self):
        """(metric, value) of each quantity; empty when the sensor fails, which is logged."""
        try:
            values = await self._driver.read()
        except Exception as error:
            self._complain(error)
            return []
        self._complained = None
        return [(name, value) for name, value in zip(self.names, values) if value is not None]

    def _complain(self, error):
        now = time.ticks_ms()
        if self._complained is None or time.ticks_diff(now, self._complained) > _LOG_EVERY_MS:
            self._complained = now
            log.warning("sensors: %s gives no reading: %r" % (self.kind, error))


def open_all(wanted):
    """The sensors of a configuration: `wanted` is "auto" or a list of options."""
    options = _found() if wanted == "auto" else wanted
    sensors = []
    taken = set()
    for one in options:
        sensor = _open(one, taken)
        if sensor:
            sensors.append(sensor)
            log.info("sensors: %s as %s" % (sensor.kind, ", ".join(sensor.names)))
    return sensors


def _module(kind):
    return getattr(__import__("mote.sensors." + kind).sensors, kind)


def _found():
    options = []
    for kind in KINDS:
        try:
            options.extend(_module(kind).find())
        except ImportError:
            continue
        except Exception as error:
            # A bus that is shorted or not there at all must not hide the other sensors.
            log.debug("sensors: looking for %s: %r" % (kind, error))
    return options


def _open(options, taken):
    kind = options["type"]
    try:
        driver = _module(kind).Driver(options)
    except Exception as error:
        log.error("sensors: %s cannot be used: %r" % (kind, error))
        return None
    return Sensor(kind, driver, [_name(m, options, taken) for m in driver.metrics])


def _name(metric, options, taken):
    """A name of its own: plain, then with the driver's name, then numbered."""
    given = options.get("name")
    if given:
        # The one quantity of an analogue input is called as the person says.
        name = given if metric is None else given + "_" + metric
    else:
        name = metric
        if name in taken:
            name = options["type"] + "_" + metric
    name = name[: contract.METRIC_MAX]
    base = name
    number = 2
    while name in taken:
        name = "%s_%d" % (base[: contract.METRIC_MAX - 4], number)
        number += 1
    taken.add(name)
    return name
