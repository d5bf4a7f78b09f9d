"""BMP180 pressure and temperature sensor, Bosch datasheet BST-BMP180-DS000.

The raw values are found by inverting the datasheet's algorithm (figure 4): what a driver makes of
them with the calibration words below is the quantity that was set.
"""

import struct
import time

from motesim.parts.base import I2CPart, Quantity, invert

CHIP_ID, RESET, CTRL_MEAS, OUT_MSB = 0xD0, 0xE0, 0xF4, 0xF6
CONVERTING = 0x20
ID = 0x55
TEMPERATURE, PRESSURE = 0x2E, 0x34
# The longest conversions, for each oversampling (table 3).
TEMPERATURE_S, PRESSURE_S = 0.0045, (0.0045, 0.0075, 0.0135, 0.0255)
# The calibration of the worked example: AC1 to AC6, B1, B2, MB, MC, MD.
WORDS = (408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)
AC1, AC2, AC3, AC4, AC5, AC6, B1, B2, _, MC, MD = WORDS


def b5(raw: int) -> float:
    x1 = (raw - AC6) * AC5 / 32768
    return x1 + MC * 2048 / (x1 + MD)


def pascals(raw: int, heat: float, oss: int) -> float:
    b6 = heat - 4000
    b3 = (AC1 * 4 + B2 * (b6 * b6 / 4096) / 2048 + AC2 * b6 / 2048) * (1 << oss) / 4
    x3 = (AC3 * b6 / 8192 + B1 * (b6 * b6 / 4096) / 65536) / 4
    b4 = AC4 * (x3 + 32768) / 32768
    p = (raw - b3) * (50000 >> oss) * 2 / b4
    return p + ((p / 256) ** 2 * 3038 / 65536 - 7357 * p / 65536 + 3791) / 16


class Bmp180(I2CPart):
    """`temperature` in °C, `pressure` in hPa."""

    address = 0x77

    def __init__(
        self,
        temperature: Quantity = 21.0,
        pressure: Quantity = 1013.25,
        sda: int | None = None,
        scl: int | None = None,
    ) -> None:
        super().__init__(temperature=temperature, pressure=pressure)
        self.sda, self.scl = sda, scl
        self._registers = bytearray(256)
        self._pointer = 0
        # What a running conversion will write, and when.
        self._result: bytes | None = None
        self._ready = 0.0
        self.power_lost()

    def power_lost(self) -> None:
        """Every register has its default again (section 4), and a conversion is gone."""
        self._result = None
        self._registers[:] = bytes(256)
        self._registers[CHIP_ID] = ID
        self._registers[0xAA:0xC0] = struct.pack(">hhhHHHhhhhh", *WORDS)
        self._registers[OUT_MSB] = 0x80

    def write(self, data: bytes) -> None:
        self._pointer = data[0]
        if len(data) == 2 and data[0] == CTRL_MEAS:
            self._registers[CTRL_MEAS] = data[1]
            self._measure(data[1])
        elif len(data) == 2 and data[0] == RESET and data[1] == 0xB6:
            self.power_lost()

    def read(self, count: int) -> bytes:
        if self._result is not None and time.monotonic() >= self._ready:
            self._registers[OUT_MSB : OUT_MSB + len(self._result)] = self._result
            # "Start of conversion" falls back when the data are there (section 4).
            self._registers[CTRL_MEAS] &= ~CONVERTING
            self._result = None
        data = bytes(self._registers[self._pointer : self._pointer + count])
        self._pointer += count
        return data

    def _measure(self, control: int) -> None:
        raw_t = invert(lambda raw: b5(raw) / 160, self.value("temperature"), 0xFFFF, rising=True)
        if control == TEMPERATURE:
            self._result = raw_t.to_bytes(2, "big")
            self._ready = time.monotonic() + TEMPERATURE_S
        elif control & 0x3F == PRESSURE:
            # The more samples are taken, the more bits there are (section 3.3.1).
            oss = control >> 6
            heat = b5(raw_t)
            hpa = self.value("pressure")
            top = (1 << (16 + oss)) - 1
            raw = invert(lambda raw: pascals(raw, heat, oss) / 100, hpa, top, rising=True)
            self._result = (raw << (8 - oss)).to_bytes(3, "big")
            self._ready = time.monotonic() + PRESSURE_S[oss]
