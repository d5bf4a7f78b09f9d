"""The BMP180's integers against the worked example of Bosch's datasheet."""

import struct

import circuit
from circuit import parts
from mote.sensors import bmp180

SDA = 21
# BST-BMP180-DS000, figure 4: calibration, raw values and what becomes of them.
WORDS = (408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)
RAW_T, RAW_P = 27898, 23843


class Part(circuit.I2CPart):
    """The part of the example; `cut` is the conversion with which it loses its power, once."""

    def __init__(self, chip=0x55):
        super().__init__(bytearray(256))
        self.chip = chip
        self.words = WORDS
        self.cut = None
        self.raw = RAW_T, RAW_P << 3
        # How often a conversion is still running when it is looked at.
        self.late = 0
        self._running = 0
        self.power_on()

    def power_on(self):
        self.registers[:] = bytes(256)
        self.registers[0xD0] = self.chip
        self.registers[0xAA:0xC0] = struct.pack(">hhhHHHhhhhh", *self.words)
        self.registers[0xF6] = 0x80

    def written(self, register):
        if register != 0xF4:
            return
        if self.registers[0xF4] & 0x1F == self.cut:
            self.cut = None
            self.power_on()
            return
        self._running = self.late
        if not self._running:
            self._finish()

    def read(self, register):
        if self._running and register == 0xF4:
            self._running -= 1
            if not self._running:
                self._finish()

    def _finish(self):
        self.registers[0xF4] &= ~0x20
        heat, weight = self.raw
        if self.registers[0xF4] & 0x1F == 0x0E:
            self.registers[0xF6:0xF8] = struct.pack(">H", heat)
        else:
            self.registers[0xF6:0xF9] = struct.pack(">I", weight << 5)[1:]


def fitted(chip=0x55):
    parts.clear()
    part = parts[(SDA, 0x77)] = Part(chip)
    return part


def driver():
    return bmp180.Driver({"type": "bmp180", "sda": SDA, "scl": 22})


async def fault(awaitable):
    try:
        value = await awaitable
    except (OSError, ValueError) as error:
        return str(error)
    raise AssertionError("it gave %r" % (value,))


def test_temperature_and_pressure_are_those_of_the_worked_example():
    assert bmp180.compensated(WORDS, RAW_T, RAW_P, 0) == (15.0, 699.64)


def test_a_sensor_is_found_by_its_number_and_by_nothing_else():
    fitted()
    assert [one["type"] for one in bmp180.find()] == ["bmp180"]
    fitted(chip=0x60)
    assert bmp180.find() == []


def test_what_is_not_there_cannot_be_opened():
    parts.clear()
    try:
        bmp180.Driver({"type": "bmp180", "sda": SDA, "scl": 22})
    except OSError as error:
        assert "BMP180" in str(error)
    else:
        raise AssertionError("it was opened")


async def test_a_reading_is_that_of_the_worked_example():
    fitted()
    temperature, pressure = await driver().read()
    # Three bits more of the same pressure: the last digits differ by the rounding.
    assert temperature == 15.0 and abs(pressure - 699.64) < 0.05, pressure


async def test_a_conversion_that_needs_longer_is_waited_for_and_one_without_end_is_an_error():
    part = fitted()
    opened = driver()
    for late in (1, 2, 3):
        part.late = late
        temperature, pressure = await opened.read()
        assert temperature == 15.0 and abs(pressure - 699.64) < 0.05, late
    part.late = 1000
    assert "does not end" in await fault(opened.read())
    part.late = 0
    assert (await opened.read())[0] == 15.0


async def test_power_lost_during_a_conversion_is_never_published():
    part = fitted()
    opened = driver()
    await opened.read()
    for what in (0x0E, 0x14):
        part.cut = what
        assert "lost its power" in await fault(opened.read())
    assert (await opened.read())[0] == 15.0


async def test_power_lost_between_readings_brings_the_calibration_of_the_part_that_is_there():
    part = fitted()
    opened = driver()
    await opened.read()
    part.words = tuple(word - 100 * (i == 5) for i, word in enumerate(WORDS))
    part.power_on()
    temperature, _ = await opened.read()
    assert temperature == bmp180.compensated(part.words, RAW_T, RAW_P << 3)[0] != 15.0


async def test_a_calibration_that_cannot_be_is_refused():
    for wrong in (0, -1):
        part = fitted()
        part.words = tuple(word if i else wrong for i, word in enumerate(WORDS))
        part.power_on()
        try:
            driver()
        except OSError as error:
            assert "calibration" in str(error)
            continue
        raise AssertionError(wrong)


async def test_what_is_out_of_range_is_no_value():
    part = fitted()
    opened = driver()
    part.raw = 65535, RAW_P << 3
    assert "range" in await fault(opened.read())
    part.raw = RAW_T, 0
    temperature, pressure = await opened.read()
    assert temperature == 15.0 and isinstance(pressure, ValueError)
