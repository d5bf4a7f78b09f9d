"""The chip's own temperature, in °C: of the die, some degrees above the room."""

import esp32


def find():
    return [{"type": "chip"}]


class Driver:
    metrics = ("chip_temperature",)
    PERIOD_MS = 0

    def __init__(self, options):
        pass

    async def read(self):
        if hasattr(esp32, "mcu_temperature"):
            return (esp32.mcu_temperature(),)
        # The first ESP32 answers in whole degrees Fahrenheit.
        return ((esp32.raw_temperature() - 32) / 1.8,)
