"""BME280 humidity, pressure and temperature sensor, Bosch datasheet BST-BME280-DS002.

The raw values are found by inverting the datasheet's compensation (section 4.2.3): what a driver
compensates with the calibration words below is the quantity that was set.
"""

import struct

from motesim.parts.base import I2CPart, Quantity, invert

CHIP_ID, RESET, CTRL_HUM, STATUS, CTRL_MEAS, CONFIG = 0xD0, 0xE0, 0xF2, 0xF3, 0xF4, 0xF5
PRESS_MSB = 0xF7
ID = 0x60
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


class Bme280(I2CPart):
    """`temperature` in °C, `humidity` in %RH, `pressure` in hPa."""

    def __init__(
        self,
        temperature: Quantity = 21.0,
        humidity: Quantity = 50.0,
        pressure: Quantity = 1013.25,
        address: int = 0x76,
        sda: int | None = None,
        scl: int | None = None,
    ) -> None:
        super().__init__(temperature=temperature, humidity=humidity, pressure=pressure)
        self.address, self.sda, self.scl = address, sda, scl
        self._registers = bytearray(256)
        self._pointer = 0
        self._power_on()

    def write(self, data: bytes) -> None:
        if len(data) == 1:
            self._pointer = data[0]
            return
        # Writes come as pairs of register and value (section 6.2.1).
        for register, value in zip(data[::2], data[1::2], strict=False):
            if register == RESET and value == 0xB6:
                self._power_on()
            elif register in (CTRL_HUM, CTRL_MEAS, CONFIG):
                self._registers[register] = value
                if register == CTRL_MEAS and value & 3:
                    self._measure(value)

    def read(self, count: int) -> bytes:
        data = bytes(self._registers[self._pointer : self._pointer + count])
        self._pointer += count
        return data

    def _power_on(self) -> None:
        registers = self._registers
        registers[:] = bytes(256)
        registers[CHIP_ID] = ID
        registers[0x88:0xA0] = struct.pack("<Hhh", *T) + struct.pack("<H8h", *P)
        registers[0xA1] = H[0]
        h4, h5 = H[3], H[4]
        registers[0xE1:0xE8] = struct.pack("<hB", H[1], H[2]) + bytes(
            [h4 >> 4 & 0xFF, (h4 & 0xF) | (h5 & 0xF) << 4, h5 >> 4 & 0xFF, H[5]]
        )
        # Skipped channels read 0x80000 and 0x8000 (section 5.4.7 to 5.4.9).
        registers[PRESS_MSB : PRESS_MSB + 8] = b"\x80\0\0\x80\0\0\x80\0"

    def _measure(self, control: int) -> None:
        raw_t = invert(
            lambda r: t_fine(r) / 5120.0, self.value("temperature"), 0xFFFFF, rising=True
        )
        fine = t_fine(raw_t)
        raw_p = invert(
            lambda r: pascals(r, fine) / 100, self.value("pressure"), 0xFFFFF, rising=False
        )
        raw_h = invert(
            lambda r: relative_humidity(r, fine), self.value("humidity"), 0xFFFF, rising=True
        )
        registers = self._registers
        if control >> 2 & 7:
            registers[0xF7:0xFA] = (raw_p << 4).to_bytes(3, "big")
        if control >> 5:
            registers[0xFA:0xFD] = (raw_t << 4).to_bytes(3, "big")
        if registers[CTRL_HUM] & 7:
            registers[0xFD:0xFF] = raw_h.to_bytes(2, "big")
        # Forced mode goes back to sleep by itself (section 3.3.3).
        if control & 3 != 3:
            registers[CTRL_MEAS] = control & 0xFC
