"""DS18B20 thermometers on one wire, in °C. Maxim datasheet 19-7487."""

import asyncio

from machine import Pin
from onewire import OneWire

from mote import board

FAMILY = 0x28
_CONVERT, _READ_SCRATCHPAD = 0x44, 0xBE
_CONVERSION_MS = 750  # at 12 bits (table 2)
_POWER_ON_RAW = 85 * 16


def find():
    """One entry for the default pin when a probe answers there."""
    pin = board.pin("onewire")
    return [{"type": "ds18b20", "pin": pin}] if _probes(OneWire(Pin(pin))) else []


def celsius(scratchpad):
    """The temperature in a scratchpad (figure 4), in steps of 1/16 °C."""
    raw = scratchpad[0] | scratchpad[1] << 8
    return (raw - 65536 if raw & 0x8000 else raw) / 16


class Driver:
    """All probes on one pin; `metrics` has one name a probe, in the order of their ROM codes."""

    def __init__(self, options):
        self._wire = OneWire(Pin(options["pin"]))
        self._roms = _probes(self._wire)
        if not self._roms:
            raise OSError("no DS18B20 answers on pin %d" % options["pin"])
        # Further probes carry the end of their ROM code, so that names survive another probe.
        self.metrics = ["temperature"] + ["temperature_" + _short(r) for r in self._roms[1:]]
        self._scratchpad = bytearray(9)

    async def read(self):
        """Every probe converts at once. Raises OSError when none is there, ValueError on a bad CRC."""
        self._wire.reset(True)
        self._wire.writebyte(OneWire.SKIP_ROM)
        self._wire.writebyte(_CONVERT)
        await asyncio.sleep_ms(_CONVERSION_MS)
        return [self._read_one(rom) for rom in self._roms]

    def _read_one(self, rom):
        self._wire.select_rom(rom)
        self._wire.writebyte(_READ_SCRATCHPAD)
        pad = self._scratchpad
        self._wire.readinto(pad)
        # A missing probe reads as all ones (−127 in other drivers), a shorted wire as all zeros: the
        # first has a bad CRC, the second a good one.
        if self._wire.crc8(pad) or not any(pad):
            raise ValueError("probe %s: bad CRC" % _short(rom))
        if pad[0] | pad[1] << 8 == _POWER_ON_RAW and pad[6] == 0x0C:
            # +85 °C with its power-on mark is what it holds before any conversion.
            raise ValueError("probe %s lost its power" % _short(rom))
        return celsius(pad)


def _probes(wire):
    return sorted(bytes(rom) for rom in wire.scan() if rom[0] == FAMILY)


def _short(rom):
    return "%02x%02x" % (rom[2], rom[1])
