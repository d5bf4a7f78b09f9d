"""`onewire` of the port: bits on a bus, and the ROM search (Maxim application note 187)."""

import world
from machine import Pin


class OneWireError(Exception):
    pass


class OneWire:
    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self.pin = pin
        self.pin.init(Pin.OPEN_DRAIN, Pin.PULL_UP)

    def reset(self, required=False):
        present = world.ask("onewire.reset", self.pin._id)
        if required and not present:
            raise OneWireError
        return present

    def readbit(self):
        return world.ask("onewire.read", self.pin._id, 1)

    def readbyte(self):
        return world.ask("onewire.read", self.pin._id, 8)

    def readinto(self, buf):
        for i in range(len(buf)):
            buf[i] = self.readbyte()

    def writebit(self, value):
        world.ask("onewire.write", self.pin._id, 1 if value else 0, 1)

    def writebyte(self, value):
        world.ask("onewire.write", self.pin._id, value, 8)

    def write(self, buf):
        for byte in buf:
            self.writebyte(byte)

    def select_rom(self, rom):
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self):
        found = []
        rom, discrepancy = bytearray(8), 65
        while discrepancy:
            rom, discrepancy = self._search(rom, discrepancy)
            if rom is None:
                break
            found.append(rom)
        return found

    def crc8(self, data):
        """Dallas CRC-8, polynomial x^8+x^5+x^4+1, least significant bit first."""
        crc = 0
        for byte in data:
            for _ in range(8):
                mix = (crc ^ byte) & 1
                crc >>= 1
                if mix:
                    crc ^= 0x8C
                byte >>= 1
        return crc

    def _search(self, last, discrepancy):
        if not self.reset():
            return None, 0
        self.writebyte(self.SEARCH_ROM)
        rom = bytearray(8)
        fork = 0
        place = 64
        for index in range(8):
            for bit in range(8):
                true, complement = self.readbit(), self.readbit()
                if true and complement:
                    return None, 0
                if not true and not complement:
                    # Devices differ here: go as last time, the other way at the last fork.
                    if discrepancy > place or (last[index] >> bit & 1 and place != discrepancy):
                        true = 1
                        fork = place
                self.writebit(true)
                rom[index] |= true << bit
                place -= 1
        return rom, fork
