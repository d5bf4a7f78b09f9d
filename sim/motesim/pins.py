"""The pins of a chip and what is wired to them."""

import random
from collections.abc import Callable
from typing import TypeVar

from motekit.boards import Pins as Wiring

from motesim.chips import Chip
from motesim.errors import Silicon
from motesim.parts import AnalogSource, Button, Dht22, Ds18b20, I2CPart, Part
from motesim.parts.ds18b20 import OneWireBus

ETIMEDOUT, ENODEV = 116, 19
# Noise of the ADC: a few counts of 12 bits (ESP32 datasheet, 4.1.2).
ADC_NOISE_UV = 1500
P = TypeVar("P", bound=Part)


class Pins:
    """Answers `pin.*`, `adc.*`, `i2c.*`, `onewire.*`, `dht.*` and `neopixel.*` of the models.

    `usual` are the board's usual pins, for parts that were given none.
    """

    def __init__(self, chip: Chip, parts: list[Part], usual: Wiring) -> None:
        self._chip = chip
        self.parts = parts
        self.levels: dict[int, int] = {}
        self.strips: dict[int, bytes] = {}
        self.buttons = {"boot": Button(usual.button)}
        # Told the number of each pin that the chip writes.
        self.watchers: list[Callable[[int], None]] = []
        for part in parts:
            if part.pin is None and isinstance(part, Dht22):
                part.pin = usual.dht
            if part.pin is None and isinstance(part, Ds18b20):
                part.pin = usual.onewire
            if isinstance(part, I2CPart) and part.sda is None:
                part.sda, part.scl = usual.sda, usual.scl
        self._buses: dict[int, OneWireBus] = {}
        self._noise = random.Random(1)

    def power_lost(self) -> None:
        self.levels.clear()
        self.strips.clear()
        self._buses.clear()
        for part in self.parts:
            part.power_lost()

    def pin_init(self, pin: int, mode: int, pull: int) -> None:
        if pin not in self._chip.pins:
            raise Silicon("ValueError", "invalid pin")
        if mode == 3 and pin in self._chip.input_only:
            raise Silicon("ValueError", "pin can only be input")

    def pin_read(self, pin: int) -> int:
        for button in self.buttons.values():
            if button.pin == pin:
                return button.level()
        return self.levels.get(pin, 1)

    def pin_write(self, pin: int, level: int) -> None:
        self.levels[pin] = level
        self._written(pin)

    def neopixel_write(self, pin: int, data: str) -> None:
        self.strips[pin] = bytes.fromhex(data)
        self._written(pin)

    def adc_init(self, pin: int, attenuation: int) -> None:
        if pin not in self._chip.adc_pins:
            raise Silicon("ValueError", "invalid pin")
        if not 0 <= attenuation <= 3:
            raise Silicon("ValueError", "invalid atten")

    def adc_read_uv(self, pin: int, attenuation: int) -> int:
        source = self._first(AnalogSource, pin)
        wanted = source.value("volts") * 1e6 if source else 142_000
        top = self._chip.adc_full_scale_uv[attenuation]
        noisy = wanted + self._noise.gauss(0, ADC_NOISE_UV)
        return int(min(max(noisy, 0), top))

    def adc_read_raw(self, pin: int, attenuation: int) -> int:
        top = self._chip.adc_full_scale_uv[attenuation]
        return min(4095, self.adc_read_uv(pin, attenuation) * 4095 // top)

    def i2c_pins(self, bus: int) -> tuple[int, int]:
        if not 0 <= bus < len(self._chip.i2c_pins):
            raise Silicon("ValueError", f"I2C({bus}) doesn't exist")
        return self._chip.i2c_pins[bus]

    def i2c_scan(self, sda: int, scl: int) -> list[int]:
        return sorted(part.address for part in self._on_bus(sda, scl))

    def i2c_read(self, sda: int, scl: int, address: int, count: int) -> str:
        return self._device(sda, scl, address).read(count).hex()

    def i2c_write(self, sda: int, scl: int, address: int, data: str) -> None:
        self._device(sda, scl, address).write(bytes.fromhex(data))

    def onewire_reset(self, pin: int) -> bool:
        return self._bus(pin).reset()

    def onewire_read(self, pin: int, bits: int) -> int:
        bus = self._bus(pin)
        return sum(bus.read_bit() << i for i in range(bits))

    def onewire_write(self, pin: int, value: int, bits: int) -> None:
        bus = self._bus(pin)
        for i in range(bits):
            bus.write_bit(value >> i & 1)

    def dht_read(self, pin: int) -> str:
        part = self._first(Dht22, pin)
        frame = part.frame() if part else None
        if frame is None:
            raise Silicon("OSError", ETIMEDOUT)
        return frame.hex()

    def _written(self, pin: int) -> None:
        for watcher in self.watchers:
            watcher(pin)

    def _first(self, kind: type[P], pin: int) -> P | None:
        return next((p for p in self.parts if isinstance(p, kind) and p.pin == pin), None)

    def _bus(self, pin: int) -> OneWireBus:
        if pin not in self._buses:
            wired = [p for p in self.parts if isinstance(p, Ds18b20) and p.pin == pin]
            self._buses[pin] = OneWireBus(wired)
        return self._buses[pin]

    def _on_bus(self, sda: int, scl: int) -> list[I2CPart]:
        wired = (p for p in self.parts if isinstance(p, I2CPart))
        return [p for p in wired if (p.sda, p.scl) == (sda, scl)]

    def _device(self, sda: int, scl: int, address: int) -> I2CPart:
        for part in self._on_bus(sda, scl):
            if part.address == address:
                return part
        raise Silicon("OSError", ENODEV)
