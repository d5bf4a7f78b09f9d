"""DS18B20 digital thermometer, Maxim datasheet 19-7487: ROM commands, scratchpad, conversion."""

import time

from motesim.parts.base import Part, Quantity

SEARCH_ROM, READ_ROM, MATCH_ROM, SKIP_ROM = 0xF0, 0x33, 0x55, 0xCC
CONVERT_T, READ_SCRATCHPAD, WRITE_SCRATCHPAD = 0x44, 0xBE, 0x4E
FAMILY = 0x28
POWER_ON_RAW = 85 * 16
CONVERSION_S = 0.75  # at 12 bits, table 2


def crc8(data: bytes) -> int:
    """Dallas CRC: x^8 + x^5 + x^4 + 1, least significant bit first (figure 11)."""
    crc = 0
    for byte in data:
        for _ in range(8):
            mix = (crc ^ byte) & 1
            crc = crc >> 1 ^ (0x8C if mix else 0)
            byte >>= 1
    return crc


class Ds18b20(Part):
    """`temperature` −55 to 125 °C in steps of 1/16. `serial` makes the ROM code unique."""

    def __init__(
        self, pin: int | None = None, temperature: Quantity = 21.0, serial: int = 0x1D4C8A
    ) -> None:
        super().__init__(temperature=temperature)
        self.pin = pin
        rom = bytes([FAMILY]) + serial.to_bytes(6, "little")
        self.rom = rom + bytes([crc8(rom)])
        self._raw = POWER_ON_RAW
        self._alarms = b"\x4b\x46"
        self._ready = 0.0
        self._pending: int | None = None

    def power_lost(self) -> None:
        """The scratchpad goes back to +85 °C."""
        self._raw, self._pending = POWER_ON_RAW, None

    def convert(self) -> None:
        """Start a conversion; the scratchpad changes when it is over."""
        celsius = min(max(self.value("temperature"), -55), 125)
        self._pending = round(celsius * 16)
        self._ready = time.monotonic() + CONVERSION_S

    @property
    def busy(self) -> bool:
        return self._pending is not None and time.monotonic() < self._ready

    def scratchpad(self) -> bytes:
        if self._pending is not None and not self.busy:
            self._raw, self._pending = self._pending, None
        body = (self._raw & 0xFFFF).to_bytes(2, "little") + self._alarms + b"\x7f\xff\x0c\x10"
        return body + bytes([crc8(body)])

    def write_scratchpad(self, data: bytes) -> None:
        self._alarms = data[:2]


class OneWireBus:
    """All parts on one pin, bit by bit: a slot is the AND of what everyone drives (open drain)."""

    def __init__(self, parts: list[Ds18b20]) -> None:
        self.parts = parts
        self._selected: list[Ds18b20] = []
        self._command: int | None = None
        self._in = 0
        self._count = 0
        self._written = b""
        self._out: list[int] = []
        self._search_place = 0

    def reset(self) -> bool:
        """A reset pulse; True when a presence pulse answers."""
        self._selected, self._command = list(self.parts), None
        self._in = self._count = self._search_place = 0
        self._written, self._out = b"", []
        return bool(self.parts)

    def write_bit(self, bit: int) -> None:
        if self._command == SEARCH_ROM:
            place = self._search_place // 3
            self._selected = [p for p in self._selected if _bit(p.rom, place) == bit]
            self._search_place += 1
            return
        self._in |= bit << self._count
        self._count += 1
        if self._count == 8:
            byte, self._in, self._count = self._in, 0, 0
            self._byte_written(byte)

    def read_bit(self) -> int:
        if self._command == SEARCH_ROM:
            place, turn = divmod(self._search_place, 3)
            self._search_place += 1
            if place >= 64:
                return 1
            driven = [_bit(p.rom, place) ^ turn for p in self._selected]
            return min(driven, default=1)
        if self._command == CONVERT_T:
            return 0 if any(p.busy for p in self._selected) else 1
        return self._out.pop(0) if self._out else 1

    def _byte_written(self, byte: int) -> None:
        if self._command in (None, SKIP_ROM):
            self._command = byte
            if byte == CONVERT_T:
                for part in self._selected:
                    part.convert()
            elif byte == READ_SCRATCHPAD:
                self._drive([p.scratchpad() for p in self._selected])
            elif byte == READ_ROM:
                self._drive([p.rom for p in self._selected])
            elif byte == MATCH_ROM:
                self._written = b""
        elif self._command == MATCH_ROM:
            self._written += bytes([byte])
            if len(self._written) == 8:
                self._selected = [p for p in self._selected if p.rom == self._written]
                self._command = None
        elif self._command == WRITE_SCRATCHPAD:
            self._written += bytes([byte])
            if len(self._written) == 3:
                for part in self._selected:
                    part.write_scratchpad(self._written)

    def _drive(self, answers: list[bytes]) -> None:
        bits = [[_bit(answer, i) for i in range(len(answer) * 8)] for answer in answers]
        self._out = [min(slot) for slot in zip(*bits, strict=True)]


def _bit(data: bytes, place: int) -> int:
    return data[place // 8] >> place % 8 & 1
