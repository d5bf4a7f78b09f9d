"""A voltage on a pin of ADC1, as volts or mapped onto a quantity of its own.

`volts` and `values` are two pairs: the voltages that stand for the values; between and beyond them
the map is a straight line, held within the two values.
"""

from machine import ADC, Pin

# One sample is off by some counts of noise (ESP-IDF, "ADC": multisampling).
_SAMPLES = 16


class Driver:
    # The metric is called as the configuration says.
    metrics = (None,)
    PERIOD_MS = 0

    def __init__(self, options):
        self._adc = ADC(Pin(options["pin"]), atten=ADC.ATTN_11DB)
        self._volts = options.get("volts")
        self._values = options.get("values")

    async def read(self):
        """The mean of sixteen samples in V, or the value that it stands for."""
        total = 0
        for _ in range(_SAMPLES):
            total += self._adc.read_uv()
        volts = total // _SAMPLES / 1_000_000
        if not (self._volts and self._values):
            return (volts,)
        return (scaled(volts, self._volts, self._values),)


def scaled(volts, between, values):
    """`volts` on the line through (between[0], values[0]) and (between[1], values[1])."""
    span = between[1] - between[0]
    if not span:
        return values[0]
    value = values[0] + (volts - between[0]) * (values[1] - values[0]) / span
    return min(max(value, min(values)), max(values))
