"""The BME280's integers against Bosch's figures and against its floating-point formulae."""

import struct

from circuit import parts
from mote.sensors import bme280

SDA = 21
# Calibration of the worked example: BST-BMP280-DS001, section 3.12; the formulae are the same.
T = (27504, 26435, -1000)
P = (36477, -10685, 3024, 2855, 140, -7, 15500, -14600, 6000)
RAW_T, RAW_P = 519888, 415148
# Humidity words as sensors carry them; H4 and H5 share a byte, here one of them negative.
H1, H2, H3, H4, H5, H6 = 75, 362, 0, 325, -50, 30


def calibration(h4=H4, h5=H5):
    """Registers 0x88 to 0xA1 and 0xE1 to 0xE7 (table 16)."""
    low = struct.pack("<Hhh", *T) + struct.pack("<Hhhhhhhhh", *P) + bytes((0, H1))
    shared = (h4 & 0x0F) | (h5 & 0x0F) << 4
    high = struct.pack("<hB", H2, H3) + bytes((h4 >> 4 & 0xFF, shared, h5 >> 4 & 0xFF, H6))
    return low, high


def humidity_in_floats(raw, fine, h4, h5):
    """Section 8.1 of BST-BME280-DS002, in double precision."""
    x = fine - 76800.0
    y = raw - (h4 * 64.0 + h5 / 16384.0 * x)
    y *= H2 / 65536.0 * (1 + H6 / 67108864.0 * x * (1 + H3 / 67108864.0 * x))
    return y * (1 - H1 * y / 524288.0)


def fitted(address=0x76, chip=0x60):
    """A sensor on the bus, with the example's raw values measured."""
    registers = bytearray(256)
    registers[0xD0] = chip
    registers[0x88:0xA2], registers[0xE1:0xE8] = calibration()
    pressure, temperature = RAW_P << 4, RAW_T << 4
    measured = struct.pack(
        ">BHBHH", pressure >> 16, pressure & 0xFFFF, temperature >> 16, temperature & 0xFFFF, 30000
    )
    registers[0xF7:0xFF] = measured
    parts.clear()
    parts[(SDA, address)] = registers
    return registers


def driver(**options):
    options.update(type="bme280", sda=SDA, scl=22)
    return bme280.Driver(options)


def test_temperature_and_pressure_are_those_of_the_worked_example():
    compensation = bme280.Compensation(*calibration())
    assert compensation.temperature(RAW_T) == 25.08
    assert abs(compensation.pressure(RAW_P) - 1006.5327) < 0.01


def test_humidity_agrees_with_the_floating_point_formula():
    for h4, h5 in ((325, 50), (325, -50), (-100, 50)):
        compensation = bme280.Compensation(*calibration(h4, h5))
        compensation.temperature(RAW_T)
        for raw in (22000, 26000, 30000, 34000):
            wanted = min(max(humidity_in_floats(raw, 128422, h4, h5), 0), 100)
            assert abs(compensation.humidity(raw) - wanted) < 0.1, (h4, h5, raw, wanted)


def test_humidity_stays_between_0_and_100():
    compensation = bme280.Compensation(*calibration())
    compensation.temperature(RAW_T)
    assert compensation.humidity(0) == 0
    assert compensation.humidity(65535) == 100


def test_a_calibration_of_zeros_gives_no_pressure_instead_of_a_division_by_zero():
    compensation = bme280.Compensation(bytes(26), bytes(7))
    compensation.temperature(RAW_T)
    assert compensation.pressure(RAW_P) is None


async def test_a_reading_is_one_forced_measurement():
    registers = fitted()
    temperature, humidity, pressure = await driver().read()
    assert temperature == 25.08 and abs(pressure - 1006.53) < 0.01
    assert abs(humidity - humidity_in_floats(30000, 128422, H4, H5)) < 0.1
    assert registers[0xF2] == 0x01 and registers[0xF4] & 0x03 in (1, 2)


async def test_a_measurement_that_never_ends_is_an_error():
    registers = fitted()
    registers[0xF3] = 0x08
    try:
        await driver().read()
    except OSError:
        return
    raise AssertionError("it gave values")


def test_a_bmp280_at_the_same_address_is_not_taken_for_one():
    fitted(chip=0x58)
    for options in ({}, {"address": 0x76}):
        try:
            driver(**options)
        except OSError as error:
            assert "0x76" in str(error), error
            continue
        raise AssertionError("taken")


async def test_the_second_address_is_found_without_being_named():
    fitted(address=0x77)
    assert (await driver().read())[0] == 25.08
