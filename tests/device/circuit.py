"""Parts on the pins of a board: puts what only the ESP32 port has in the place of its modules.

Import it before `mote.sensors`. `parts` is what is wired: pin or (sda, address) -> part. On I2C a
part is its `registers`; `written(register)` and `read(register)` are what it does after a write to
or a read from one of them.
"""

import sys

parts = {}
# What an ADC reads as a code of 16 bits, by pin, where it matters.
codes = {}


class Pin:
    IN, OUT, OPEN_DRAIN, PULL_UP = 1, 3, 7, 2

    def __init__(self, number, *settings):
        self.number = number


class SoftI2C:
    def __init__(self, scl, sda, freq):
        self._sda = sda.number

    def scan(self):
        return sorted(key[1] for key in parts if isinstance(key, tuple) and key[0] == self._sda)

    def _registers(self, address):
        if (self._sda, address) not in parts:
            raise OSError(19)
        return parts[(self._sda, address)].registers

    def readfrom_mem(self, address, register, count):
        data = bytes(self._registers(address)[register : register + count])
        parts[(self._sda, address)].read(register)
        return data

    def readfrom_mem_into(self, address, register, buffer):
        buffer[:] = self.readfrom_mem(address, register, len(buffer))

    def writeto_mem(self, address, register, data):
        self._registers(address)[register : register + len(data)] = data
        parts[(self._sda, address)].written(register)


class I2CPart:
    """Registers that keep what is written."""

    def __init__(self, registers):
        self.registers = registers

    def written(self, register):
        pass

    def read(self, register):
        """Called after a read that begins at `register`."""


class ADC:
    ATTN_11DB = 3

    def __init__(self, pin, atten):
        assert atten == ADC.ATTN_11DB
        self._pin = pin.number

    def read_uv(self):
        return next(parts[self._pin])

    def read_u16(self):
        return codes.get(self._pin, 20000)


class OneWire:
    SKIP_ROM = 0xCC

    def __init__(self, pin):
        self._pin = pin.number
        self._selected = None

    def _probes(self):
        return parts.get(self._pin, {})

    def scan(self):
        return [bytearray(rom) for rom in self._probes()]

    def reset(self, required=False):
        if required and not self._probes():
            raise OSError("no presence pulse")

    def writebyte(self, value):
        pass

    def select_rom(self, rom):
        self._selected = bytes(rom)

    def readinto(self, buffer):
        buffer[:] = self._probes().get(self._selected, b"\xff" * 9)


class DHT22:
    def __init__(self, pin):
        self._pin = pin.number

    def measure(self):
        part = parts.get(self._pin)
        if part is None:
            raise OSError(116)
        self.buf = part()


class WLAN:
    joined = True
    rssi = -61

    def __init__(self, interface):
        pass

    def isconnected(self):
        return WLAN.joined

    def status(self, what):
        return WLAN.rssi


class _Module:
    def __init__(self, **names):
        for name in names:
            setattr(self, name, names[name])


class _Uname:
    machine = "Generic ESP32 module with ESP32"


esp32 = _Module(raw_temperature=lambda: 140)
sys.modules["machine"] = _Module(Pin=Pin, SoftI2C=SoftI2C, ADC=ADC)
sys.modules["onewire"] = _Module(OneWire=OneWire)
sys.modules["dht"] = _Module(DHT22=DHT22)
sys.modules["network"] = _Module(WLAN=WLAN, STA_IF=0)
sys.modules["esp32"] = esp32
sys.modules["os"] = _Module(uname=_Uname)
