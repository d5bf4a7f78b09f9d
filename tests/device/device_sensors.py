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


def scratchpad(low, high):
    return with_crc(bytes((low, high, 0x4B, 0x46, 0x7F, 0xFF, 0x0C, 0x10)))


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
    for pad in (b"\xff" * 9, bytes(9), scratchpad(0x50, 0x05), damaged):
        try:
            ds18b20.celsius(pad)
        except ValueError:
            continue
        raise AssertionError(pad)


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
            DHT: lambda: (21.5, 40.0),
            (SDA, 0x76): bytearray(b"\x58" * 256),
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


async def test_names_are_unique_and_a_given_name_comes_first():
    wire(pins={DHT: lambda: (20.0, 50.0), 16: lambda: (10.0, 60.0), 17: lambda: (5.0, 70.0)})
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
    wire(pins={DHT: lambda: (120.0, 40.0)})
    dht22.PERIOD_MS = 0
    found = sensors.open_all([{"type": "dht22", "pin": DHT}, {"type": "chip"}])
    with Warnings() as warnings:
        for _ in range(3):
            assert await everything(found) == {"chip_temperature": 60}
    assert len(warnings) == 1 and "out of range" in warnings[0], warnings
    parts[DHT] = lambda: (20.0, 40.0)
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
        return 20.0, 40.0

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


async def test_without_wifi_there_is_no_signal_to_publish():
    wire()
    WLAN.joined = False
    assert await everything(sensors.open_all([{"type": "rssi"}])) == {}


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
