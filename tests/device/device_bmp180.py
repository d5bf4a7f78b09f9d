"""The BMP180's integers against the worked example of Bosch's datasheet."""

import struct

from circuit import parts
from mote.sensors import bmp180

SDA = 21
# BST-BMP180-DS000, figure 4: calibration, raw values and what becomes of them.
WORDS = (408, -72, -14383, 32741, 32757, 23153, 6190, 4, -32768, -8711, 2868)
RAW_T, RAW_P = 27898, 23843


def fitted(chip=0x55):
    registers = bytearray(256)
    registers[0xD0] = chip
    registers[0xAA:0xC0] = struct.pack(">hhhHHHhhhhh", *WORDS)
    parts.clear()
    parts[(SDA, 0x77)] = registers
    return registers


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
