"""The chip's own temperature, in °C: of the die, some degrees above the room."""

import esp32

_NO_SENSOR_F = 128


def find():
    return [{"type": "chip"}]


class Driver:
    metrics = ("chip_temperature",)
    PERIOD_MS = 0

    def __init__(self, options):
        # Whether the part has ever answered anything but its error code.
        self._works = False

    async def read(self):
        if hasattr(esp32, "mcu_temperature"):
            celsius = esp32.mcu_temperature()
        else:
            # The first ESP32 answers in whole degrees Fahrenheit.
            raw = esp32.raw_temperature()
            # Chips without a working sensor say 128 for ever; others pass it on their way.
            self._works = self._works or raw != _NO_SENSOR_F
            if not self._works:
                return (None,)
            celsius = (raw - 32) / 1.8
        # The range that the chip is made for (ESP32 datasheet, 5.1: the junction).
        if not -40 <= celsius <= 125:
            return (ValueError("%.1f C is out of range" % celsius),)
        return (celsius,)
