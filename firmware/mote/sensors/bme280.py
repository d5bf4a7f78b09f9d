"""BME280: temperature in °C, humidity in %RH, pressure in hPa. Bosch BST-BME280-DS002.

The compensation is the datasheet's in integers (section 4.2.3): the board's floats have 24 bits of
mantissa, fewer than a pressure needs.
"""

import asyncio
import struct

from machine import Pin, SoftI2C

from mote import board

ADDRESSES = (0x76, 0x77)
_ID, _CHIP_ID = 0xD0, 0x60
_CTRL_HUM, _STATUS, _CTRL_MEAS, _CONFIG, _DATA = 0xF2, 0xF3, 0xF4, 0xF5, 0xF7
_MEASURING = 0x08
# Oversampling ×1 of everything, forced mode: "weather monitoring" of section 3.5.1.
_OSRS_H, _OSRS_T_P_FORCED = 0x01, 0x25
_MEASURE_MS = 10  # at most 9.3 ms (appendix B)
_ATTEMPTS = 5


def find():
    """The options of each BME280 on the default pins: one or two."""
    options = {"type": "bme280", "sda": board.pin("sda"), "scl": board.pin("scl")}
    found = []
    for address in _present(_bus(options)):
        one = dict(options)
        one["address"] = address
        found.append(one)
    return found


class Compensation:
    """The calibration words of one sensor and the formulae of section 4.2.3.

    `low` are the bytes of registers 0x88 to 0xA1, `high` those of 0xE1 to 0xE7.
    """

    def __init__(self, low, high):
        self._t = struct.unpack_from("<Hhh", low, 0)
        self._p = struct.unpack_from("<Hhhhhhhhh", low, 6)
        h2, h3 = struct.unpack_from("<hB", high, 0)
        h4 = _signed12(high[3] << 4 | high[4] & 0x0F)
        h5 = _signed12(high[5] << 4 | high[4] >> 4)
        self._h = (low[25], h2, h3, h4, h5, struct.unpack_from("<b", high, 6)[0])
        self._fine = 0

    def temperature(self, raw):
        """°C from the 20-bit value; the other two need its `t_fine`, so call it first."""
        t1, t2, t3 = self._t
        var1 = (((raw >> 3) - (t1 << 1)) * t2) >> 11
        delta = (raw >> 4) - t1
        var2 = (((delta * delta) >> 12) * t3) >> 14
        self._fine = var1 + var2
        return ((self._fine * 5 + 128) >> 8) / 100

    def pressure(self, raw):
        """hPa from the 20-bit value, None where the sensor divides by zero."""
        p1, p2, p3, p4, p5, p6, p7, p8, p9 = self._p
        var1 = self._fine - 128000
        var2 = var1 * var1 * p6 + ((var1 * p5) << 17) + (p4 << 35)
        var1 = ((var1 * var1 * p3) >> 8) + ((var1 * p2) << 12)
        var1 = (((1 << 47) + var1) * p1) >> 33
        if not var1:
            return None
        pressure = (((1048576 - raw) << 31) - var2) * 3125 // var1
        var1 = (p9 * (pressure >> 13) * (pressure >> 13)) >> 25
        var2 = (p8 * pressure) >> 19
        # In Q24.8 Pa; whole pascals first, so that a 32-bit float holds the hundredths of hPa.
        return (((pressure + var1 + var2) >> 8) + (p7 << 4)) // 256 / 100

    def humidity(self, raw):
        """%RH from the 16-bit value, 0 to 100."""
        h1, h2, h3, h4, h5, h6 = self._h
        fine = self._fine - 76800
        gain = (((((fine * h6) >> 10) * (((fine * h3) >> 11) + 32768)) >> 10) + 2097152) * h2
        value = (((raw << 14) - (h4 << 20) - h5 * fine + 16384) >> 15) * ((gain + 8192) >> 14)
        value -= ((((value >> 15) * (value >> 15)) >> 7) * h1) >> 4
        return (min(max(value, 0), 419430400) >> 12) / 1024


class Driver:
    metrics = ("temperature", "humidity", "pressure")
    PERIOD_MS = 0

    def __init__(self, options):
        self._bus = _bus(options)
        present = _present(self._bus)
        self._address = options.get("address") or (present[0] if present else ADDRESSES[0])
        if self._address not in present:
            raise OSError("no BME280 answers at 0x%02x" % self._address)
        low = self._bus.readfrom_mem(self._address, 0x88, 26)
        high = self._bus.readfrom_mem(self._address, 0xE1, 7)
        self._compensation = Compensation(low, high)
        self._data = bytearray(8)

    async def read(self):
        """One forced measurement. Raises OSError when the sensor is gone or never gets ready."""
        # Humidity oversampling takes effect with the write to ctrl_meas behind it (5.4.3).
        self._bus.writeto_mem(self._address, _CTRL_HUM, bytes((_OSRS_H,)))
        self._bus.writeto_mem(self._address, _CTRL_MEAS, bytes((_OSRS_T_P_FORCED,)))
        for _ in range(_ATTEMPTS):
            await asyncio.sleep_ms(_MEASURE_MS)
            if not self._bus.readfrom_mem(self._address, _STATUS, 1)[0] & _MEASURING:
                break
        else:
            raise OSError("the measurement does not end")
        data = self._data
        self._bus.readfrom_mem_into(self._address, _DATA, data)
        temperature = self._compensation.temperature(data[3] << 12 | data[4] << 4 | data[5] >> 4)
        pressure = self._compensation.pressure(data[0] << 12 | data[1] << 4 | data[2] >> 4)
        return temperature, self._compensation.humidity(data[6] << 8 | data[7]), pressure


def _present(bus):
    # Other parts live at these addresses too, the BMP280 among them: the chip's number decides.
    heard = [one for one in bus.scan() if one in ADDRESSES]
    return [one for one in heard if bus.readfrom_mem(one, _ID, 1)[0] == _CHIP_ID]


def _bus(options):
    return SoftI2C(
        scl=Pin(options.get("scl", board.pin("scl"))),
        sda=Pin(options.get("sda", board.pin("sda"))),
        freq=100_000,
    )


def _signed12(value):
    return value - 4096 if value & 0x800 else value
