"""DS18B20 thermometers on one wire, in °C. Maxim datasheet 19-7487, Rev 6."""

import asyncio

from machine import Pin
from onewire import OneWire

from mote import board

FAMILY = 0x28
_CONVERT, _READ_SCRATCHPAD = 0x44, 0xBE
_CONVERSION_MS = 750  # at 12 bits (table 2)
_POWER_ON_RAW = 85 * 16  # table 1, note: +85 °C until the first conversion
_LOWEST_RAW, _HIGHEST_RAW = -55 * 16, 125 * 16


def find():
    """One entry for the default pin when a probe answers there."""
    pin = board.pin("onewire")
    return [{"type": "ds18b20", "pin": pin}] if _probes(OneWire(Pin(pin))) else []


def crc8(data):
    """CRC-8 of Maxim's one-wire parts, x⁸+x⁵+x⁴+1, lowest bit first; 0 over data with its CRC."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc


def celsius(scratchpad):
    """The temperature in a scratchpad (figure 4), in steps of 1/16 °C. Raises ValueError.

    A probe that is gone reads as all ones, −127 °C in other drivers; a shorted wire as all zeros,
    which has a good CRC; one that lost its power, or takes it from the data line without a strong
    pull-up, as exactly 85 °C, which no room and hardly any boiler ever is.
    """
    if crc8(scratchpad) or not any(scratchpad):
        raise ValueError("bad CRC")
    raw = scratchpad[0] | scratchpad[1] << 8
    if raw == _POWER_ON_RAW:
        raise ValueError("85 C is its value after power-on: it had too little power to measure")
    if raw & 0x8000:
        raw -= 0x10000
    if not _LOWEST_RAW <= raw <= _HIGHEST_RAW:
        raise ValueError("%.1f C is out of range" % (raw / 16))
    # Figure 10 and table 2: with 9 to 11 bits the lowest ones are undefined.
    if scratchpad[4] & 0x9F == 0x1F:
        unused = 3 - (scratchpad[4] >> 5)
        raw = raw >> unused << unused
    return raw / 16


class Driver:
    """All probes on one pin; `metrics` has one name a probe, in the order of their ROM codes."""

    PERIOD_MS = _CONVERSION_MS

    def __init__(self, options):
        self._wire = OneWire(Pin(options["pin"]))
        self._roms = _probes(self._wire)
        if not self._roms:
            raise OSError("no DS18B20 answers on pin %d" % options["pin"])
        # The first takes the plain name; each other one carries the end of its serial number.
        self.metrics = ["temperature"] + ["temperature_" + _short(r) for r in self._roms[1:]]
        self._scratchpad = bytearray(9)

    async def read(self):
        """Convert on all probes at once, then ask each. Raises OneWireError when none is there."""
        self._wire.reset(True)
        self._wire.writebyte(OneWire.SKIP_ROM)
        self._wire.writebyte(_CONVERT)
        await asyncio.sleep_ms(_CONVERSION_MS)
        return [self._read_one(rom) for rom in self._roms]

    def _read_one(self, rom):
        self._wire.select_rom(rom)
        self._wire.writebyte(_READ_SCRATCHPAD)
        self._wire.readinto(self._scratchpad)
        try:
            return celsius(self._scratchpad)
        except ValueError as error:
            return ValueError("probe %s: %s" % (_short(rom), error))


def _probes(wire):
    # The search returns what it heard: a ROM code has a CRC of its own (figure 6).
    return sorted(bytes(rom) for rom in wire.scan() if rom[0] == FAMILY and not crc8(rom))


def _short(rom):
    # A ROM code is family, serial number with its lowest byte first, CRC.
    return "%02x%02x" % (rom[2], rom[1])
