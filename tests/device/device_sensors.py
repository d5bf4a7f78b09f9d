"""Sensors: what is found, what it is called, and what is never published."""

import circuit
from circuit import WLAN, parts
from mote import log, sensors
from mote.sensors import analog, dht22, ds18b20

ONEWIRE, DHT, SDA = 15, 4, 21
ROM_A = b"\x28\x11\x22\x33\x44\x55\x66"
ROM_B = b"\x28\x12\x22\x33\x44\x55\x66"


def with_crc(data):
    return data + bytes((ds18b20.crc8(data),))


def scratchpad(low, high, configuration=0x7F):
    return with_crc(bytes((low, high, 0x4B, 0x46, configuration, 0xFF, 0x0C, 0x10)))


def answer(celsius, humidity):
    """A DHT22's five bytes, as section 7 of its datasheet has them."""
    heat, wet = round(abs(celsius) * 10) | (0x8000 if celsius < 0 else 0), round(humidity * 10)
    data = bytes((wet >> 8, wet & 0xFF, heat >> 8, heat & 0xFF))
    return data + bytes((sum(data) & 0xFF,))


def wire(**fitted):
    parts.clear()
    parts.update(fitted.get("pins", {}))
    WLAN.joined = True
    dht22._asked.clear()
    dht22.PERIOD_MS = 2000


def probes(**pads):
    return {with_crc(ROM_A): pads["a"], with_crc(ROM_B): pads["b"]}


async def everything(found):
    readings = []
    for sensor in found:
        readings += await sensor.read()
    return dict(readings)


class Warnings:
    """The warnings and errors that are logged inside the block."""

    def __enter__(self):
        self.lines = []
        log.tap = self.lines.append
        return self.lines

    def __exit__(self, *exc):
        log.tap = None


def test_the_crc_is_that_of_application_note_27():
    assert ds18b20.crc8(b"\x02\x1c\xb8\x01\x00\x00\x00") == 0xA2


def test_temperatures_are_those_of_table_1_of_the_ds18b20():
    for low, high, celsius in (
        (0xD0, 0x07, 125),
        (0x91, 0x01, 25.0625),
        (0x08, 0x00, 0.5),
        (0x00, 0x00, 0),
        (0xF8, 0xFF, -0.5),
        (0x6F, 0xFE, -25.0625),
        (0x90, 0xFC, -55),
    ):
        assert ds18b20.celsius(scratchpad(low, high)) == celsius


def test_what_is_no_temperature_is_refused():
    damaged = bytearray(scratchpad(0x91, 0x01))
    damaged[0] ^= 1
    # Table 1's value after power-on, and both sides of the range.
    for pad in (
        b"\xff" * 9,
        bytes(9),
        damaged,
        scratchpad(0x50, 0x05),
        scratchpad(0xD1, 0x07),
        scratchpad(0x8F, 0xFC),
        scratchpad(0xFF, 0x7F),
    ):
        try:
            ds18b20.celsius(pad)
        except ValueError:
            continue
        raise AssertionError(pad)


def test_bits_that_a_lower_resolution_leaves_undefined_are_not_read():
    # Table 2 and figure 10: 25.0625 °C with 9 to 12 bits.
    for configuration, celsius in ((0x1F, 25), (0x3F, 25), (0x5F, 25), (0x7F, 25.0625)):
        assert ds18b20.celsius(scratchpad(0x91, 0x01, configuration)) == celsius
    assert ds18b20.celsius(scratchpad(0x6F, 0xFE, 0x1F)) == -25.5


async def test_a_second_probe_carries_the_end_of_its_serial_number():
    wire(pins={ONEWIRE: probes(a=scratchpad(0x08, 0x00), b=scratchpad(0xF8, 0xFF))})
    found = sensors.open_all([{"type": "ds18b20", "pin": ONEWIRE}])
    assert await everything(found) == {"temperature": 0.5, "temperature_2212": -0.5}


async def test_a_probe_that_fails_leaves_the_others_alone():
    wire(pins={ONEWIRE: probes(a=b"\xff" * 9, b=scratchpad(0x08, 0x00))})
    found = sensors.open_all([{"type": "ds18b20", "pin": ONEWIRE}])
    with Warnings() as warnings:
        assert await everything(found) == {"temperature_2212": 0.5}
    assert "probe 2211" in warnings[0], warnings


async def test_auto_finds_what_answers_and_always_the_chip_and_its_radio():
    wire()
    assert await everything(sensors.open_all("auto")) == {"chip_temperature": 60, "rssi": -61}
    wire(
        pins={
            ONEWIRE: {with_crc(ROM_A): scratchpad(0x08, 0x00)},
            DHT: lambda: answer(21.5, 40.0),
            (SDA, 0x76): circuit.I2CPart(bytearray(b"\x61" * 256)),
        }
    )
    dht22.PERIOD_MS = 0
    assert await everything(sensors.open_all("auto")) == {
        "temperature": 21.5,
        "humidity": 40.0,
        "ds18b20_temperature": 0.5,
        "chip_temperature": 60,
        "rssi": -61,
    }


async def test_a_part_without_a_driver_is_named():
    wire(pins={(SDA, 0x76): circuit.I2CPart(bytearray(b"\x61" * 256))})
    with Warnings() as warnings:
        await everything(sensors.open_all("auto"))
    assert "0x76 answers BME680" in warnings[0], warnings


async def test_names_are_unique_and_a_given_name_comes_first():
    wire(
        pins={
            DHT: lambda: answer(20.0, 50.0),
            16: lambda: answer(10.0, 60.0),
            17: lambda: answer(5.0, 70.0),
        }
    )
    dht22.PERIOD_MS = 0
    found = sensors.open_all(
        [
            {"type": "dht22", "pin": DHT},
            {"type": "dht22", "pin": 16},
            {"type": "dht22", "pin": 17, "name": "cellar"},
            {"type": "chip"},
            {"type": "chip"},
        ]
    )
    assert [name for sensor in found for name in sensor.names] == [
        "temperature",
        "humidity",
        "dht22_temperature",
        "dht22_humidity",
        "cellar_temperature",
        "cellar_humidity",
        "chip_temperature",
        "chip_chip_temperature",
    ]


async def test_a_sensor_that_fails_is_logged_once_a_minute_and_comes_back():
    wire(pins={DHT: lambda: answer(120.0, 40.0)})
    dht22.PERIOD_MS = 0
    found = sensors.open_all([{"type": "dht22", "pin": DHT}, {"type": "chip"}])
    with Warnings() as warnings:
        for _ in range(3):
            assert await everything(found) == {"humidity": 40.0, "chip_temperature": 60}
    assert len(warnings) == 1 and "out of range" in warnings[0], warnings
    parts[DHT] = lambda: answer(20.0, 40.0)
    assert (await everything(found))["temperature"] == 20.0


async def test_a_listed_sensor_may_be_plugged_in_later():
    wire()
    found = sensors.open_all([{"type": "ds18b20", "pin": ONEWIRE}])
    assert await everything(found) == {}
    parts[ONEWIRE] = {with_crc(ROM_A): scratchpad(0x08, 0x00)}
    assert await everything(found) == {"temperature": 0.5}


async def test_a_dht22_is_not_asked_twice_in_two_seconds():
    import time

    asked = []

    def part():
        asked.append(time.ticks_ms())
        return answer(20.0, 40.0)

    wire(pins={DHT: part})
    assert dht22.find() == [{"type": "dht22", "pin": DHT}]
    await dht22.Driver({"pin": DHT}).read()
    assert time.ticks_diff(asked[1], asked[0]) >= 2000, asked


async def test_the_chip_answers_in_celsius_whatever_its_generation():
    wire()
    found = sensors.open_all([{"type": "chip"}])
    assert await everything(found) == {"chip_temperature": 60}
    circuit.esp32.mcu_temperature = lambda: 48
    try:
        assert await everything(found) == {"chip_temperature": 48}
    finally:
        del circuit.esp32.mcu_temperature


def test_a_dht22_answers_in_both_codes_for_negative_temperatures():
    for frame, temperature, humidity in (
        # Section 7 of the datasheet: 65.2 %RH with 35.1 °C, and with −10.1 °C.
        (b"\x02\x8c\x01\x5f\xee", 35.1, 65.2),
        (b"\x02\x8c\x80\x65\x73", -10.1, 65.2),
        # A public report of a part of another maker: two's complement.
        (b"\x02\xb2\xff\xe9\x9c", -2.3, 69.0),
        (b"\x02\x8c\x81\x90\x9f", -40, 65.2),
        (b"\x02\x8c\xfe\x70\xfc", -40, 65.2),
        (b"\x02\x8c\x80\x00\x0e", 0, 65.2),
        (b"\x02\x8c\x00\x00\x8e", 0, 65.2),
        (b"\x02\x8c\xff\xff\x8c", -0.1, 65.2),
    ):
        assert sum(frame[:4]) & 0xFF == frame[4]
        assert dht22.decoded(frame) == (temperature, humidity), frame


def test_every_temperature_of_the_range_is_the_same_in_both_codes():
    for tenths in range(-400, 801):
        signed = abs(tenths) | (0x8000 if tenths < 0 else 0)
        for raw in (signed, tenths & 0xFFFF):
            frame = bytes((1, 0, raw >> 8, raw & 0xFF, 0))
            assert dht22.decoded(frame) == (tenths / 10, 25.6), frame


def test_a_dht22_gives_the_value_that_is_good_without_the_one_that_is_not():
    temperature, humidity = dht22.decoded(b"\x02\x8c\x90\x00\x1e")
    assert humidity == 65.2 and isinstance(temperature, ValueError)
    temperature, humidity = dht22.decoded(b"\xff\xff\x00\xd7\xd5")
    assert temperature == 21.5 and isinstance(humidity, ValueError)


def test_answers_that_are_no_measurement_of_a_dht22():
    # Zeros, and 41 %RH with 23.4 °C of a DHT11 (its datasheet: whole number, then tenths).
    for frame, word in ((bytes(5), "zeros"), (b"\x29\x00\x17\x04\x44", "DHT11")):
        try:
            value = dht22.decoded(frame)
        except ValueError as error:
            assert word in str(error)
            continue
        raise AssertionError(value)


async def test_without_wifi_there_is_no_signal_to_publish():
    wire()
    WLAN.joined = False
    assert await everything(sensors.open_all([{"type": "rssi"}])) == {}


async def test_what_is_no_signal_is_not_published():
    wire()
    found = sensors.open_all([{"type": "rssi"}])
    try:
        for signal in (0, 31, -128):
            WLAN.rssi = signal
            assert await everything(found) == {}, signal
    finally:
        WLAN.rssi = -61
    assert await everything(found) == {"rssi": -61}


async def test_the_error_code_of_a_chip_without_a_temperature_sensor_is_not_published():
    wire()
    found = sensors.open_all([{"type": "chip"}])
    raw = circuit.esp32.raw_temperature
    try:
        circuit.esp32.raw_temperature = lambda: 128
        assert await everything(found) == {}
        circuit.esp32.raw_temperature = lambda: 130
        assert list(await everything(found)) == ["chip_temperature"]
        # A part that measures passes this value on its way.
        circuit.esp32.raw_temperature = lambda: 128
        assert round((await everything(found))["chip_temperature"], 1) == 53.3
        circuit.esp32.raw_temperature = lambda: 260
        assert await everything(found) == {}
    finally:
        circuit.esp32.raw_temperature = raw


async def test_a_voltage_at_an_end_of_the_converter_is_a_reading_only_where_the_map_has_it():
    for code, microvolts, volts, wanted in (
        (65535, 3_100_000, None, {}),
        (65535, 3_100_000, [1.2, 2.8], {}),
        (65535, 3_100_000, [0, 3.3], {"soil": 3.1 / 3.3 * 100}),
        (0, 0, None, {"soil": 0}),
        (0, 0, [1.2, 2.8], {}),
        (0, 0, [0, 3.3], {"soil": 0}),
    ):
        wire(pins={34: iter([microvolts] * 16)})
        options = {"type": "analog", "pin": 34, "name": "soil"}
        if volts:
            options.update(volts=volts, values=[0, 100])
        circuit.codes[34] = code
        got = await everything(sensors.open_all([options]))
        assert list(got) == list(wanted), (code, volts, got)
        for name in got:
            assert abs(got[name] - wanted[name]) < 0.01
    circuit.codes.clear()


async def test_an_analogue_input_is_the_mean_of_its_samples_in_volts_or_mapped():
    for options, value in (
        ({}, 1.0),
        ({"volts": [0.5, 2.5], "values": [0, 100]}, 25),
        ({"volts": [2.5, 0.5], "values": [0, 100]}, 75),
    ):
        wire(pins={34: iter([900_000, 1_100_000] * 8)})
        options.update(type="analog", pin=34, name="soil_moisture")
        found = sensors.open_all([options])
        assert await everything(found) == {"soil_moisture": value}, options


def test_a_voltage_beyond_the_map_is_held_at_its_end():
    assert analog.scaled(3.0, (0.5, 2.5), (0, 100)) == 100
    assert analog.scaled(0.1, (0.5, 2.5), (0, 100)) == 0
