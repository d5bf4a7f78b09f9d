"""The models of sensors, read by drivers that others wrote.

Judges: the CircuitPython drivers of Adafruit for BME280, BMP280, DHT22 and DS18B20, and the package
`bmp180` for the BMP180. They run on CPython over adapters for a bus of one model.
"""

import sys
import types
from collections.abc import Callable

import pytest
from motesim.parts import Bme280, Bmp180, Bmp280, Dht22, Ds18b20, I2CPart
from motesim.parts.ds18b20 import OneWireBus

bme280 = pytest.importorskip("adafruit_bme280.basic", reason="CircuitPython drivers: Linux x86-64")
bmp280 = pytest.importorskip("adafruit_bmp280")

TEMPERATURES = (-40, -12.5, 0, 21.53, 84.9)


class I2CBus:
    """`busio.I2C` as CircuitPython's drivers use it, with one part on it."""

    def __init__(self, part: I2CPart) -> None:
        self._part = part

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def writeto(self, address: int, buffer: bytes, start: int = 0, end: int | None = None) -> None:
        assert address == self._part.address
        self._part.write(bytes(buffer[start:end]))

    def readfrom_into(
        self, address: int, buffer: bytearray, start: int = 0, end: int | None = None
    ) -> None:
        assert address == self._part.address
        end = len(buffer) if end is None else end
        buffer[start:end] = self._part.read(end - start)

    def writeto_then_readfrom(self, address: int, out: bytes, into: bytearray, **ends: int) -> None:
        self.writeto(address, out, ends.get("out_start", 0), ends.get("out_end"))
        self.readfrom_into(address, into, ends.get("in_start", 0), ends.get("in_end"))


class SMBus:
    """`smbus2.SMBus` with one part on it."""

    def __init__(self, part: I2CPart) -> None:
        self._part = part

    def read_byte_data(self, address: int, register: int) -> int:
        assert address == self._part.address
        self._part.write(bytes([register]))
        return self._part.read(1)[0]

    def write_byte_data(self, address: int, register: int, value: int) -> None:
        assert address == self._part.address
        self._part.write(bytes([register, value]))


@pytest.mark.parametrize("celsius", TEMPERATURES)
def test_a_bme280(celsius: float) -> None:
    part = Bme280(temperature=celsius, humidity=91, pressure=980.4)
    driver = bme280.Adafruit_BME280_I2C(I2CBus(part), address=0x76)
    assert driver.temperature == pytest.approx(celsius, abs=0.01)
    assert driver.humidity == pytest.approx(91, abs=0.05)
    assert driver.pressure == pytest.approx(980.4, abs=0.05)


@pytest.mark.parametrize("celsius", TEMPERATURES)
def test_a_bmp280(celsius: float) -> None:
    part = Bmp280(temperature=celsius, pressure=1051.2)
    driver = bmp280.Adafruit_BMP280_I2C(I2CBus(part), address=0x76)
    assert driver.temperature == pytest.approx(celsius, abs=0.01)
    assert driver.pressure == pytest.approx(1051.2, abs=0.05)


def test_a_bmp280_is_no_bme280_to_them_either() -> None:
    with pytest.raises(RuntimeError, match="0x58"):
        bme280.Adafruit_BME280_I2C(I2CBus(Bmp280()), address=0x76)


def test_what_a_bme280_answers_after_it_lost_its_power() -> None:
    part = Bme280(temperature=5, pressure=900)
    driver = bme280.Adafruit_BME280_I2C(I2CBus(part), address=0x76)
    assert driver.temperature == pytest.approx(5, abs=0.01)
    part.power_lost()
    part.write(bytes([0xF7]))
    assert part.read(8) == b"\x80\0\0\x80\0\0\x80\0"
    # What a driver that does not look makes of it: the values of the report.
    fine = bme280.Adafruit_BME280_I2C(I2CBus(part), address=0x76)
    part.power_lost()
    fine._read24 = lambda register: float(0x80000 << 4)  # type: ignore[method-assign]
    fine._get_status = lambda: 0  # type: ignore[method-assign]
    assert fine.temperature == pytest.approx(26.46, abs=0.01)
    assert fine.pressure == pytest.approx(820, abs=1)


@pytest.mark.parametrize("celsius", TEMPERATURES)
def test_a_bmp180(celsius: float) -> None:
    driver_of = pytest.importorskip("bmp180.bmp180").BMP180
    part = Bmp180(temperature=celsius, pressure=999.9)
    driver = driver_of.__new__(driver_of)
    driver.bus, driver.addr = SMBus(part), 0x77
    driver._load_calibration()
    assert driver.read_temperature() == pytest.approx(celsius, abs=0.1)
    assert driver.read_pressure() == pytest.approx(99990, abs=20)


def _pulses(frame: bytes) -> list[int]:
    """Low and high times in µs, as section 7 of the DHT22's datasheet has them."""
    bits = (byte >> place & 1 for byte in frame for place in range(7, -1, -1))
    return [time for bit in bits for time in (50, 70 if bit else 26)]


@pytest.mark.parametrize(("celsius", "humidity"), [(-40, 0.1), (-10.1, 65.2), (0, 40), (80, 100)])
def test_a_dht22(celsius: float, humidity: float) -> None:
    dht = pytest.importorskip("adafruit_dht")
    part = Dht22(temperature=celsius, humidity=humidity)
    driver = dht.DHT22(None, use_pulseio=False)
    driver._get_pulses_bitbang = lambda: _pulses(part.frame() or b"")
    assert (driver.temperature, driver.humidity) == (celsius, humidity)


def test_a_clone_of_the_dht22_sends_the_bytes_of_the_report() -> None:
    # A public report of a part that no driver of this collection understands.
    part = Dht22(temperature=-2.3, humidity=69, clone=True)
    assert part.frame() == b"\x02\xb2\xff\xe9\x9c"
    assert Dht22(temperature=21.5, clone=True).frame() == Dht22(temperature=21.5).frame()


@pytest.fixture
def one_wire(monkeypatch: pytest.MonkeyPatch) -> Callable[[OneWireBus], object]:
    """`adafruit_onewire` over a bus of the simulator."""
    port = types.ModuleType("onewireio")

    class OneWire:
        def __init__(self, bus: OneWireBus) -> None:
            self.read_bit, self.write_bit = bus.read_bit, bus.write_bit
            # True when nobody answers.
            self.reset = lambda: not bus.reset()

    port.OneWire = OneWire  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onewireio", port)
    monkeypatch.delitem(sys.modules, "adafruit_onewire.bus", raising=False)
    bus = pytest.importorskip("adafruit_onewire.bus")
    made: Callable[[OneWireBus], object] = bus.OneWireBus
    return made


def test_ds18b20s_on_one_wire(one_wire: Callable[[OneWireBus], object]) -> None:
    ds18x20 = pytest.importorskip("adafruit_ds18x20")
    parts = [Ds18b20(temperature=-10.125, serial=1), Ds18b20(temperature=25.0625, serial=2)]
    bus = one_wire(OneWireBus(parts))
    drivers = [ds18x20.DS18X20(bus, found) for found in bus.scan()]  # type: ignore[attr-defined]
    assert sorted(driver.temperature for driver in drivers) == [-10.125, 25.0625]
    for part in parts:
        part.power_lost()
    # The value after power-on, which is no measurement.
    assert [driver.read_temperature() for driver in drivers] == [85, 85]
