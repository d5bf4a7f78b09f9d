"""BMP180: temperature in °C and pressure in hPa. Bosch BST-BMP180-DS000.

After a reset its data registers hold a default (table "Memory map"), which is no measurement.
"""

import asyncio
import struct

from machine import Pin, SoftI2C

from mote import board

_ADDRESS = 0x77
_CALIBRATION, _ID, _CHIP_ID, _CTRL_MEAS, _DATA = 0xAA, 0xD0, 0x55, 0xF4, 0xF6
# Eight samples a pressure, the least noise: table 3 gives the times, rounded up.
_OSS = 3
_TEMPERATURE, _PRESSURE = 0x2E, 0x34 | _OSS << 6
_TEMPERATURE_MS, _PRESSURE_MS = 5, 26
# A sleep may end up to one tick early: then it is waited for so many times more.
_MORE_WAITS, _MORE_MS = 4, 2
# Bit of ctrl_meas: a conversion runs. The bits below it keep what was started last.
_CONVERTING, _WHAT = 0x20, 0x1F
_NO_DATA = 0x80


def find():
    """The options of a BMP180 on the default pins."""
    options = {"type": "bmp180", "sda": board.pin("sda"), "scl": board.pin("scl")}
    return [options] if _answers(_bus(options)) else []


def compensated(words, raw_t, raw_p, oss=_OSS):
    """°C and hPa from the raw values, in the integers of figure 4.

    `words` are the calibration AC1 to MD, `oss` is the oversampling 0 to 3.
    """
    ac1, ac2, ac3, ac4, ac5, ac6, b1, b2, _, mc, md = words
    x1 = (raw_t - ac6) * ac5 >> 15
    b5 = x1 + (mc << 11) // (x1 + md)
    b6 = b5 - 4000
    square = b6 * b6 >> 12
    b3 = (((ac1 * 4 + (b2 * square >> 11) + (ac2 * b6 >> 11)) << oss) + 2) >> 2
    x3 = ((ac3 * b6 >> 13) + (b1 * square >> 16) + 2) >> 2
    b4 = ac4 * (x3 + 32768) >> 15
    p = (raw_p - b3) * (50000 >> oss) * 2 // b4
    x1 = (p >> 8) * (p >> 8) * 3038 >> 16
    return ((b5 + 8) >> 4) / 10, (p + ((x1 + (-7357 * p >> 16) + 3791) >> 4)) / 100


class Driver:
    metrics = ("temperature", "pressure")
    PERIOD_MS = 0

    def __init__(self, options):
        self._bus = _bus(options)
        self._set_up()

    def _set_up(self):
        if not _answers(self._bus):
            raise OSError("no BMP180 answers at 0x77")
        data = self._bus.readfrom_mem(_ADDRESS, _CALIBRATION, 22)
        self._words = struct.unpack(">hhhHHHhhhhh", data)
        # Section 3.4: a word of 0 or 0xFFFF shows that the communication does not work.
        if 0 in self._words or b"\xff\xff" in [data[i : i + 2] for i in range(0, 22, 2)]:
            raise OSError("its calibration cannot be read")

    async def read(self):
        """One measurement of each.

        Raises OSError when the sensor is gone or not ready, ValueError without a temperature: the
        pressure is compensated with it.
        """
        # The last command of the reading before; a reset clears it, and the part may be another.
        if self._bus.readfrom_mem(_ADDRESS, _CTRL_MEAS, 1)[0] & _WHAT != _PRESSURE & _WHAT:
            self._set_up()
        t = await self._measured(_TEMPERATURE, _TEMPERATURE_MS)
        p = await self._measured(_PRESSURE, _PRESSURE_MS)
        temperature, pressure = compensated(
            self._words, t[0] << 8 | t[1], (p[0] << 16 | p[1] << 8 | p[2]) >> 8 - _OSS
        )
        # The ranges of table 1, beyond which a part is broken.
        if not -40 <= temperature <= 85:
            raise ValueError("%.1f C is out of range" % temperature)
        if not 300 <= pressure <= 1100:
            pressure = ValueError("%.2f hPa is out of range" % pressure)
        return temperature, pressure

    async def _measured(self, what, time_ms):
        self._bus.writeto_mem(_ADDRESS, _CTRL_MEAS, bytes((what,)))
        await asyncio.sleep_ms(time_ms)
        for _ in range(_MORE_WAITS):
            # Control, one register without a meaning, then the data.
            data = self._bus.readfrom_mem(_ADDRESS, _CTRL_MEAS, 5)
            if not data[0] & _CONVERTING:
                break
            await asyncio.sleep_ms(_MORE_MS)
        else:
            raise OSError("the measurement does not end")
        data = data[2:]
        if data[0] == _NO_DATA and not data[1] and not (what != _TEMPERATURE and data[2]):
            raise OSError("it lost its power during the measurement")
        return data


def _answers(bus):
    # A BME280 may live at this address too: the chip's number decides.
    return _ADDRESS in bus.scan() and bus.readfrom_mem(_ADDRESS, _ID, 1)[0] == _CHIP_ID


def _bus(options):
    return SoftI2C(
        scl=Pin(options.get("scl", board.pin("scl"))),
        sda=Pin(options.get("sda", board.pin("sda"))),
        freq=100_000,
    )
