"""BME280 and BMP280: temperature in °C, pressure in hPa; the BME280 also humidity in %RH.

Bosch BST-BME280-DS002 and BST-BMP280-DS001: same registers, same formulae. The compensation is the
datasheet's in integers (section 4.2.3): the board's floats have 24 bits of mantissa, fewer than a
pressure needs.

A part that lost its power answers with the defaults of its registers (table 18): ctrl_meas and
ctrl_hum tell, before and after each measurement. It is then set up again, with its calibration.
"""

import asyncio
import struct
import time

from machine import Pin, SoftI2C

from mote import board, log

ADDRESSES = (0x76, 0x77)
_ID, _BME280, _BMP280 = 0xD0, 0x60, 0x58
# What else lives at these addresses, or is sold as a BME280.
_CHIPS = {0x55: "BMP180", 0x56: "BMP280 sample", 0x57: "BMP280 sample", 0x61: "BME680"}
_CHIPS[_BME280], _CHIPS[_BMP280] = "BME280", "BMP280"
_CTRL_HUM, _STATUS, _CTRL_MEAS, _CONFIG = 0xF2, 0xF3, 0xF4, 0xF5
# One read from ctrl_hum to hum_lsb: control, status and data of the same moment.
_REGISTERS = 13
_MEASURING, _COPYING_CALIBRATION = 0x08, 0x01
# Oversampling ×1 of everything, forced mode: "weather monitoring" of section 3.5.1.
_OSRS_H, _OSRS_T_P, _FORCED, _MODE = 0x01, 0x24, 0x01, 0x03
_MEASURE_MS = 10  # at most 9.3 ms (appendix B)
_START_UP_MS = 2  # table 1
_ATTEMPTS = 5
# The data registers after a reset, and of a channel that was not measured (5.4.7 to 5.4.9).
_NO_DATA_20, _NO_DATA_16 = 0x80000, 0x8000


def find():
    """The options of each sensor on the default pins: one or two."""
    options = {"type": "bme280", "sda": board.pin("sda"), "scl": board.pin("scl")}
    found = []
    for address, chip in _present(_bus(options)):
        if chip in (_BME280, _BMP280):
            one = dict(options)
            one["address"] = address
            found.append(one)
        elif chip != 0x55:
            # The BMP180 has a driver of its own.
            log.warning("sensors: " + _unsupported(address, chip))
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
    PERIOD_MS = 0

    def __init__(self, options):
        self._bus = _bus(options)
        present = _present(self._bus)
        usable = [address for address, chip in present if chip in (_BME280, _BMP280)]
        self._address = options.get("address") or (usable[0] if usable else ADDRESSES[0])
        if self._address not in usable:
            raise OSError(_unsupported(self._address, dict(present).get(self._address)))
        self._chip = dict(present)[self._address]
        self.metrics = ("temperature", "pressure")
        self.kind = "bmp280"
        if self._chip == _BME280:
            self.kind, self.metrics = "bme280", ("temperature", "humidity", "pressure")
        self._registers = bytearray(_REGISTERS)
        self._set_up()

    async def read(self):
        """One forced measurement.

        Raises OSError when the sensor is gone, never gets ready or loses its power meanwhile,
        ValueError without a temperature: everything else is compensated with it.
        """
        for _ in range(2):
            self._refresh()
            if not self._is_set_up():
                self._set_up()
            self._write(_CTRL_MEAS, _OSRS_T_P | _FORCED)
            await self._measured()
            if self._is_set_up():
                return self._values()
        raise OSError("it lost its power during the measurement")

    def _set_up(self):
        chip = self._bus.readfrom_mem(self._address, _ID, 1)[0]
        if chip != self._chip:
            # Its metrics have their names already.
            raise OSError("it was exchanged for another part (id 0x%02x): restart the board" % chip)
        for _ in range(_ATTEMPTS):
            if not self._bus.readfrom_mem(self._address, _STATUS, 1)[0] & _COPYING_CALIBRATION:
                break
            time.sleep_ms(_START_UP_MS)
        low = self._bus.readfrom_mem(self._address, 0x88, 26)
        high = self._bus.readfrom_mem(self._address, 0xE1, 7)
        if low.count(low[:1]) == len(low):
            raise OSError("it has no calibration")
        self._compensation = Compensation(low, high)
        self._write(_CONFIG, 0)
        # Humidity oversampling takes effect with the write to ctrl_meas behind it (5.4.3).
        if self._chip == _BME280:
            self._write(_CTRL_HUM, _OSRS_H)
        self._write(_CTRL_MEAS, _OSRS_T_P)

    async def _measured(self):
        for _ in range(_ATTEMPTS):
            await asyncio.sleep_ms(_MEASURE_MS)
            self._refresh()
            # Forced mode ends in sleep mode (3.3.3).
            if not self._registers[1] & _MEASURING and not self._registers[2] & _MODE:
                return
        raise OSError("the measurement does not end")

    def _refresh(self):
        self._bus.readfrom_mem_into(self._address, _CTRL_HUM, self._registers)

    def _is_set_up(self):
        """False after a reset."""
        humidity_on = self._chip == _BMP280 or self._registers[0] & 7 == _OSRS_H
        return humidity_on and self._registers[2] & ~_MODE == _OSRS_T_P

    def _values(self):
        data, compensation = self._registers, self._compensation
        raw = _raw_20(data, 8)
        temperature = compensation.temperature(raw)
        # The ranges of table 1, beyond which a part is broken.
        if raw == _NO_DATA_20 or not -40 <= temperature <= 85:
            raise ValueError("no temperature, raw 0x%05x" % raw)
        raw = _raw_20(data, 5)
        pressure = compensation.pressure(raw)
        if raw == _NO_DATA_20 or pressure is None or not 300 <= pressure <= 1100:
            pressure = ValueError("no pressure, raw 0x%05x" % raw)
        if self._chip == _BMP280:
            return temperature, pressure
        raw = data[11] << 8 | data[12]
        humidity = compensation.humidity(raw)
        if raw in (0, _NO_DATA_16, 0xFFFF):
            humidity = ValueError("no humidity, raw 0x%04x" % raw)
        return temperature, humidity, pressure

    def _write(self, register, value):
        self._bus.writeto_mem(self._address, register, bytes((value,)))


def _present(bus):
    """(address, chip id) of each part that answers."""
    heard = [one for one in bus.scan() if one in ADDRESSES]
    return [(one, bus.readfrom_mem(one, _ID, 1)[0]) for one in heard]


def _unsupported(address, chip):
    """What to say of `address`, where a part with the id `chip` answers, None for no part."""
    if chip is None:
        return "no BME280 answers at 0x%02x" % address
    name = _CHIPS.get(chip, "an unknown part")
    return "at 0x%02x answers %s (id 0x%02x), not a BME280 or BMP280" % (address, name, chip)


def _raw_20(data, at):
    return data[at] << 12 | data[at + 1] << 4 | data[at + 2] >> 4


def _bus(options):
    return SoftI2C(
        scl=Pin(options.get("scl", board.pin("scl"))),
        sda=Pin(options.get("sda", board.pin("sda"))),
        freq=100_000,
    )


def _signed12(value):
    return value - 4096 if value & 0x800 else value
