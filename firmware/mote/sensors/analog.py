"""A voltage on a pin of ADC1, as volts or mapped onto a quantity of its own.

`volts` and `values` are two pairs: the voltages that stand for the values; between and beyond them
the map is a straight line, held within the two values. At an end of the converter's range the
voltage is not known: it is a reading only where the map reaches that end.
"""

from machine import ADC, Pin

# One sample is off by some counts of noise (ESP-IDF, "ADC": multisampling).
_SAMPLES = 16
_HIGHEST = 65535


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
        self._check(volts)
        if not (self._volts and self._values):
            return (volts,)
        return (scaled(volts, self._volts, self._values),)

    def _check(self, volts):
        """Raises ValueError for a voltage that may be anything beyond what the converter sees."""
        code = self._adc.read_u16()
        mapped = self._volts and self._values
        if code == _HIGHEST and not (mapped and max(self._volts) >= volts):
            raise ValueError("at least %.2f V, more than the pin can measure" % volts)
        if code == 0 and mapped and min(self._volts) > volts:
            raise ValueError("0 V: is the sensor connected?")


def scaled(volts, between, values):
    """`volts` on the line through (between[0], values[0]) and (between[1], values[1])."""
    span = between[1] - between[0]
    if not span:
        return values[0]
    value = values[0] + (volts - between[0]) * (values[1] - values[0]) / span
    return min(max(value, min(values)), max(values))
