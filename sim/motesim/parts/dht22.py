"""DHT22 (AM2302) temperature and humidity sensor, Aosong datasheet."""

import time

from motesim.parts.base import Part, Quantity

# "Collecting period should be: >2 second" (section 7).
PERIOD_S = 2.0


class Dht22(Part):
    """`temperature` −40 to 80 °C, `humidity` 0 to 100 %RH, both in steps of 0.1.

    A `clone` sends negative temperatures in two's complement, as parts of other makers do: a public
    report has the answer 02 B2 FF E9, 69.0 %RH and −2.3 °C.
    """

    def __init__(
        self,
        pin: int | None = None,
        temperature: Quantity = 21.0,
        humidity: Quantity = 50.0,
        clone: bool = False,
    ) -> None:
        super().__init__(temperature=temperature, humidity=humidity)
        self.pin = pin
        self.clone = clone
        self.broken = False
        self._measured = -PERIOD_S
        self._frame = bytes(5)

    def power_lost(self) -> None:
        """It measures anew, however soon it is asked."""
        self._measured = -PERIOD_S

    def frame(self) -> bytes | None:
        """The 40 bits of an answer, or None from a part that does not answer.

        Asked again within two seconds it repeats its last measurement.
        """
        if self.broken:
            return None
        now = time.monotonic()
        if now - self._measured >= PERIOD_S:
            self._measured = now
            humidity = round(min(max(self.value("humidity"), 0), 100) * 10)
            celsius = round(min(max(self.value("temperature"), -40), 80) * 10)
            # Sign and magnitude, not two's complement (section 7.1).
            raw = abs(celsius) | (0x8000 if celsius < 0 else 0)
            if self.clone:
                raw = celsius & 0xFFFF
            data = humidity.to_bytes(2, "big") + raw.to_bytes(2, "big")
            self._frame = data + bytes([sum(data) & 0xFF])
        return self._frame
