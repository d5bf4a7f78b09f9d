"""The BME280's integers against Bosch's figures and against its floating-point formulae."""

import struct

import circuit
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


class Part(circuit.I2CPart):
    """A sensor with the example's raw values; `cut` loses its power with that write to ctrl_meas.

    `chip` is its number. Defaults are those of table 18.
    """

    def __init__(self, chip=0x60):
        super().__init__(bytearray(256))
        self.chip = chip
        self.cuts = 0
        self.ends = True
        self.data = (RAW_T, RAW_P, 30000)
        self.power_on()

    def power_on(self):
        self.registers[:] = bytes(256)
        self.registers[0xD0] = self.chip
        self.registers[0x88:0xA2], self.registers[0xE1:0xE8] = calibration()
        self._hold(0x80000, 0x80000, 0x8000)

    def written(self, register):
        if register != 0xF4 or not self.registers[0xF4] & 3:
            return
        if self.cuts:
            self.cuts -= 1
            self.power_on()
        elif self.ends:
            self.registers[0xF4] &= 0xFC
            self._hold(*self.data)
        else:
            self.registers[0xF3] = 0x08

    def _hold(self, heat, weight, wet):
        weight, heat = weight << 4, heat << 4
        self.registers[0xF7:0xFF] = struct.pack(
            ">BHBHH", weight >> 16, weight & 0xFFFF, heat >> 16, heat & 0xFFFF, wet
        )


def fitted(address=0x76, chip=0x60):
    """The part, alone on the bus."""
    parts.clear()
    part = parts[(SDA, address)] = Part(chip)
    return part


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


async def raised(awaitable, kind):
    try:
        value = await awaitable
    except kind as error:
        return str(error)
    raise AssertionError("it gave %r" % (value,))


async def test_a_reading_is_one_forced_measurement():
    part = fitted()
    temperature, humidity, pressure = await driver().read()
    assert temperature == 25.08 and abs(pressure - 1006.53) < 0.01
    assert abs(humidity - humidity_in_floats(30000, 128422, H4, H5)) < 0.1
    assert part.registers[0xF2] == 0x01 and part.registers[0xF4] == 0x24


async def test_a_measurement_that_never_ends_is_an_error():
    part = fitted()
    opened = driver()
    part.ends = False
    assert "does not end" in await raised(opened.read(), OSError)


async def test_power_lost_between_start_and_read_is_never_published():
    part = fitted()
    opened = driver()
    for cuts in (1, 2):
        part.cuts = cuts
        if cuts == 1:
            # Measured again at once.
            assert (await opened.read())[0] == 25.08
        else:
            assert "lost its power" in await raised(opened.read(), OSError)
    assert (await opened.read())[0] == 25.08


async def test_power_lost_between_readings_brings_the_calibration_of_the_part_that_is_there():
    part = fitted()
    opened = driver()
    await opened.read()
    part.power_on()
    # The worked example with another dig_T1 is another temperature: the part was exchanged.
    part.registers[0x88:0x8A] = struct.pack("<H", 27000)
    warmer = (await opened.read())[0]
    floats = bme280.Compensation(bytes(part.registers[0x88:0xA2]), bytes(part.registers[0xE1:0xE8]))
    assert warmer == floats.temperature(RAW_T) > 25.08


async def test_another_part_in_its_place_is_named_and_gives_no_reading():
    part = fitted()
    opened = driver()
    part.chip = 0x58
    part.power_on()
    assert "0x58" in await raised(opened.read(), OSError)


async def test_what_a_channel_reads_without_a_measurement_is_no_value():
    part = fitted()
    opened = driver()
    part.data = (RAW_T, 0x80000, 0x8000)
    temperature, humidity, pressure = await opened.read()
    assert temperature == 25.08
    assert isinstance(humidity, ValueError) and isinstance(pressure, ValueError)
    part.data = (0x80000, RAW_P, 30000)
    await raised(opened.read(), ValueError)


async def test_what_is_out_of_range_is_no_value():
    part = fitted()
    opened = driver()
    for raw in (0, 0xFFFFF, 200000):
        part.data = (raw, RAW_P, 30000)
        await raised(opened.read(), ValueError)
    for raw in (0, 0xFFFFF):
        part.data = (RAW_T, raw, 0xFFFF)
        temperature, humidity, pressure = await opened.read()
        assert temperature == 25.08
        assert isinstance(humidity, ValueError) and isinstance(pressure, ValueError)


def test_a_part_without_calibration_is_refused():
    part = fitted()
    for constant in (b"\0", b"\xff"):
        part.registers[0x88:0xA2] = constant * 26
        try:
            driver()
        except OSError as error:
            assert "calibration" in str(error)
            continue
        raise AssertionError("taken")


async def test_a_bmp280_that_is_sold_as_a_bme280_is_named_and_read():
    fitted(chip=0x58)
    for options in ({}, {"address": 0x76}):
        opened = driver(**options)
        assert opened.kind == "bmp280" and opened.metrics == ("temperature", "pressure")
        temperature, pressure = await opened.read()
        assert temperature == 25.08 and abs(pressure - 1006.53) < 0.01
    assert [one["address"] for one in bme280.find()] == [0x76]


async def test_a_bmp280_that_lost_its_power_is_not_published():
    part = fitted(chip=0x58)
    opened = driver()
    part.cuts = 2
    assert "lost its power" in await raised(opened.read(), OSError)
    part.power_on()
    assert (await opened.read())[0] == 25.08


def test_other_parts_are_named():
    for chip, name in ((0x61, "BME680"), (0x55, "BMP180"), (0x33, "unknown")):
        fitted(chip=chip)
        for options in ({}, {"address": 0x76}):
            try:
                driver(**options)
            except OSError as error:
                told = str(error)
                assert name in told and "0x76" in told and "0x%02x" % chip in told, told
                continue
            raise AssertionError("taken")
        assert bme280.find() == []
    parts.clear()
    try:
        driver()
    except OSError as error:
        assert "no BME280 answers at 0x76" in str(error)
    else:
        raise AssertionError("taken")


async def test_the_second_address_is_found_without_being_named():
    fitted(address=0x77)
    assert (await driver().read())[0] == 25.08
