"""BME280 humidity, pressure and temperature sensor, Bosch datasheet BST-BME280-DS002.

The BMP280 (BST-BMP280-DS001) is the same without humidity, and another number.

The raw values are found by inverting the datasheet's compensation (section 4.2.3): what a driver
compensates with the calibration words below is the quantity that was set.
"""

import struct
import time

from motesim.parts.base import I2CPart, Quantity, invert

CHIP_ID, RESET, CTRL_HUM, STATUS, CTRL_MEAS, CONFIG = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4, 0xF5
PRESS_MSB, HUM_MSB = 0xF7, 0xFD
MEASURING = 0x08
# All three channels once: 1.25 + 2.3 + 2.3 + 0.575 + 2.3 + 0.575 ms (appendix B), at most.
MEASURE_S = 0.0093
# Calibration of the worked example for temperature and pressure in the BMP280 datasheet (3.12), and
# of an ordinary specimen for humidity.
T = (27504, 26435, -1000)
P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
H = (75, 362, 0, 315, 50, 30)


def t_fine(raw: int) -> float:
    var1 = (raw / 16384.0 - T[0] / 1024.0) * T[1]
    var2 = (raw / 131072.0 - T[0] / 8192.0) ** 2 * T[2]
    return var1 + var2


def pascals(raw: int, fine: float) -> float:
    var1 = fine / 2.0 - 64000.0
    var2 = var1 * var1 * P[5] / 32768.0 + var1 * P[4] * 2.0
    var2 = var2 / 4.0 + P[3] * 65536.0
    var1 = (P[2] * var1 * var1 / 524288.0 + P[1] * var1) / 524288.0
    var1 = (1.0 + var1 / 32768.0) * P[0]
    pressure = (1048576.0 - raw - var2 / 4096.0) * 6250.0 / var1
    var1 = P[8] * pressure * pressure / 2147483648.0
    var2 = pressure * P[7] / 32768.0
    return pressure + (var1 + var2 + P[6]) / 16.0


def relative_humidity(raw: int, fine: float) -> float:
    h = fine - 76800.0
    h = (raw - (H[3] * 64.0 + H[4] / 16384.0 * h)) * (
        H[1] / 65536.0 * (1.0 + H[5] / 67108864.0 * h * (1.0 + H[2] / 67108864.0 * h))
    )
    return h * (1.0 - H[0] * h / 524288.0)


class _Bosch(I2CPart):
    """What both parts have in common; the subclass says who it is and what it measures."""

    chip_id: int
    # The registers that keep what is written to them.
    writable: tuple[int, ...]

    def __init__(
        self, address: int, sda: int | None, scl: int | None, **quantities: Quantity
    ) -> None:
        super().__init__(**quantities)
        self.address, self.sda, self.scl = address, sda, scl
        self._registers = bytearray(256)
        self._pointer = 0
        # What a running measurement will write, and when: register and bytes.
        self._results: list[tuple[int, bytes]] = []
        self._ready = 0.0
        self.power_lost()

    def write(self, data: bytes) -> None:
        if len(data) == 1:
            self._pointer = data[0]
            return
        # Writes come as pairs of register and value (section 6.2.1).
        for register, value in zip(data[::2], data[1::2], strict=False):
            if register == RESET and value == 0xB6:
                self.power_lost()
            elif register in self.writable:
                self._registers[register] = value
                if register == CTRL_MEAS and value & 3:
                    self._measure(value)

    def read(self, count: int) -> bytes:
        self._finish()
        data = bytes(self._registers[self._pointer : self._pointer + count])
        self._pointer += count
        return data

    def power_lost(self) -> None:
        """Every register has its default again (table 18), and a measurement is gone."""
        self._results = []
        registers = self._registers
        registers[:] = bytes(256)
        registers[CHIP_ID] = self.chip_id
        registers[0x88:0xA0] = struct.pack("<Hhh", *T) + struct.pack("<H8h", *P)
        # Data of a channel that was not measured (section 5.4.7 to 5.4.9).
        registers[PRESS_MSB : PRESS_MSB + 6] = b"\x80\0\0\x80\0\0"

    def _measure(self, control: int) -> None:
        raw_t = invert(
            lambda r: t_fine(r) / 5120.0, self.value("temperature"), 0xFFFFF, rising=True
        )
        fine = t_fine(raw_t)
        raw_p = invert(
            lambda r: pascals(r, fine) / 100, self.value("pressure"), 0xFFFFF, rising=False
        )
        results = []
        if control >> 2 & 7:
            results.append((0xF7, (raw_p << 4).to_bytes(3, "big")))
        if control >> 5:
            results.append((0xFA, (raw_t << 4).to_bytes(3, "big")))
        self._results = results + self._measure_humidity(fine)
        self._registers[STATUS] |= MEASURING
        self._ready = time.monotonic() + MEASURE_S

    def _measure_humidity(self, fine: float) -> list[tuple[int, bytes]]:
        return []

    def _finish(self) -> None:
        """Bring the results of a measurement that is over."""
        registers = self._registers
        if not registers[STATUS] & MEASURING or time.monotonic() < self._ready:
            return
        registers[STATUS] &= ~MEASURING
        for register, data in self._results:
            registers[register : register + len(data)] = data
        if registers[CTRL_MEAS] & 3 == 3:
            # Normal mode goes on by itself (section 3.3.4).
            self._measure(registers[CTRL_MEAS])
        else:
            # Forced mode goes back to sleep by itself (section 3.3.3).
            registers[CTRL_MEAS] &= 0xFC


class Bme280(_Bosch):
    """`temperature` in °C, `humidity` in %RH, `pressure` in hPa."""

    chip_id = 0x60
    writable = (CTRL_HUM, CTRL_MEAS, CONFIG)

    def __init__(
        self,
        temperature: Quantity = 21.0,
        humidity: Quantity = 50.0,
        pressure: Quantity = 1013.25,
        address: int = 0x76,
        sda: int | None = None,
        scl: int | None = None,
    ) -> None:
        super().__init__(
            address, sda, scl, temperature=temperature, humidity=humidity, pressure=pressure
        )

    def power_lost(self) -> None:
        super().power_lost()
        registers = self._registers
        registers[0xA1] = H[0]
        h4, h5 = H[3], H[4]
        registers[0xE1:0xE8] = struct.pack("<hB", H[1], H[2]) + bytes(
            [h4 >> 4 & 0xFF, (h4 & 0xF) | (h5 & 0xF) << 4, h5 >> 4 & 0xFF, H[5]]
        )
        registers[HUM_MSB : HUM_MSB + 2] = b"\x80\0"

    def _measure_humidity(self, fine: float) -> list[tuple[int, bytes]]:
        if not self._registers[CTRL_HUM] & 7:
            return []
        raw = invert(
            lambda r: relative_humidity(r, fine), self.value("humidity"), 0xFFFF, rising=True
        )
        return [(HUM_MSB, raw.to_bytes(2, "big"))]


class Bmp280(_Bosch):
    """`temperature` in °C, `pressure` in hPa: also what is sold as a BME280."""

    chip_id = 0x58
    writable = (CTRL_MEAS, CONFIG)

    def __init__(
        self,
        temperature: Quantity = 21.0,
        pressure: Quantity = 1013.25,
        address: int = 0x76,
        sda: int | None = None,
        scl: int | None = None,
    ) -> None:
        super().__init__(address, sda, scl, temperature=temperature, pressure=pressure)
