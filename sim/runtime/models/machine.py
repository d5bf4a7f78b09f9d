"""`machine` of the ESP32 port, as far as the world models it; each call asks the world."""

import time

import world

PWRON_RESET = 1
HARD_RESET = 2
WDT_RESET = 3
DEEPSLEEP_RESET = 4
SOFT_RESET = 5
PIN_WAKE = 2
EXT0_WAKE = 2
TIMER_WAKE = 4


def reset():
    # The world cuts the process off: nothing that is still open gets flushed.
    world.ask("machine.reset")


def soft_reset():
    raise SystemExit


def deepsleep(time_ms=0):
    world.ask("machine.deepsleep", time_ms)


def lightsleep(time_ms=0):
    time.sleep_ms(time_ms)


def reset_cause():
    return world.ask("machine.reset_cause")


def unique_id():
    return world.from_hex(world.ask("machine.unique_id"))


def freq(hz=None):
    return 160_000_000


def idle():
    time.sleep_ms(1)


class Pin:
    IN = 1
    OUT = 3
    OPEN_DRAIN = 7
    PULL_DOWN = 1
    PULL_UP = 2
    IRQ_RISING = 1
    IRQ_FALLING = 2

    def __init__(self, id, mode=-1, pull=-1, *, value=None, drive=None):
        self._id = id._id if isinstance(id, Pin) else id
        world.ask("pin.init", self._id, mode, pull)
        if value is not None:
            self.value(value)

    def init(self, mode=-1, pull=-1, *, value=None, drive=None):
        self.__init__(self._id, mode, pull, value=value)

    def value(self, x=None):
        if x is None:
            return world.ask("pin.read", self._id)
        world.ask("pin.write", self._id, 1 if x else 0)
        return None

    __call__ = value

    def on(self):
        self.value(1)

    def off(self):
        self.value(0)


class ADC:
    ATTN_0DB = 0
    ATTN_2_5DB = 1
    ATTN_6DB = 2
    ATTN_11DB = 3
    WIDTH_12BIT = 12

    def __init__(self, pin, *, atten=ATTN_0DB):
        self._pin = pin._id if isinstance(pin, Pin) else pin
        world.ask("adc.init", self._pin, atten)
        self._atten = atten

    def atten(self, atten):
        world.ask("adc.init", self._pin, atten)
        self._atten = atten

    def read_uv(self):
        return world.ask("adc.read_uv", self._pin, self._atten)

    def read_u16(self):
        return world.ask("adc.read_raw", self._pin, self._atten) * 65535 // 4095

    def read(self):
        return world.ask("adc.read_raw", self._pin, self._atten)


class I2C:
    def __init__(self, id=0, *, scl=None, sda=None, freq=400_000, timeout=50_000):
        # Without pins the port takes the bus's own (ports/esp32/machine_i2c.h).
        default_scl, default_sda = world.ask("i2c.pins", id)
        self._scl = scl._id if scl else default_scl
        self._sda = sda._id if sda else default_sda

    def scan(self):
        return world.ask("i2c.scan", self._sda, self._scl)

    def readfrom(self, addr, nbytes, stop=True):
        return world.from_hex(world.ask("i2c.read", self._sda, self._scl, addr, nbytes))

    def writeto(self, addr, buf, stop=True):
        world.ask("i2c.write", self._sda, self._scl, addr, world.to_hex(buf))
        return len(buf)

    def readfrom_into(self, addr, buf, stop=True):
        buf[:] = self.readfrom(addr, len(buf))

    def readfrom_mem(self, addr, memaddr, nbytes, *, addrsize=8):
        self.writeto(addr, bytes((memaddr,)))
        return self.readfrom(addr, nbytes)

    def readfrom_mem_into(self, addr, memaddr, buf, *, addrsize=8):
        buf[:] = self.readfrom_mem(addr, memaddr, len(buf))

    def writeto_mem(self, addr, memaddr, buf, *, addrsize=8):
        self.writeto(addr, bytes((memaddr,)) + bytes(buf))


class SoftI2C(I2C):
    def __init__(self, scl, sda, *, freq=400_000, timeout=50_000):
        self._scl = scl._id
        self._sda = sda._id


class RTC:
    def datetime(self, datetimetuple=None):
        if datetimetuple is None:
            now = time.gmtime()
            return now[:3] + (now[6],) + now[3:6] + (time.time_ns() // 1000 % 1_000_000,)
        year, month, day, _, hour, minute, second, microsecond = datetimetuple
        time._set(time.mktime((year, month, day, hour, minute, second, 0, 0)), microsecond)
        return None

    def init(self, datetimetuple):
        self.datetime(datetimetuple)

    def memory(self, data=None):
        if data is None:
            return world.from_hex(world.ask("rtc.memory"))
        world.ask("rtc.set_memory", world.to_hex(data))
        return None


class WDT:
    def __init__(self, *, id=0, timeout=5000):
        world.ask("wdt.start", timeout)

    def feed(self):
        world.ask("wdt.feed")


class Timer:
    """Runs its callback from the scheduler of the runtime, as soft timers of the port do."""

    ONE_SHOT = 0
    PERIODIC = 1

    def __init__(self, id, **settings):
        self._id = id
        if settings:
            self.init(**settings)

    def init(self, *, mode=PERIODIC, freq=-1, period=-1, callback=None):
        # Only what feeds a watchdog beside the REPL is modelled: the world feeds it meanwhile.
        world.ask("timer.start", self._id, period if freq < 0 else int(1000 / freq))

    def deinit(self):
        world.ask("timer.stop", self._id)
