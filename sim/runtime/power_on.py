"""What happens in a chip between power and `main.py`: the part that silicon has in ROM.

Puts the models in place of the modules that only the ESP32 port has, mounts the flash, leaves the
firmware exactly the free heap of a board, and then runs boot.py and main.py as the port does.
Arguments: the folder of the models, the folder of the frozen packages, the board's heap in bytes.
"""

import gc
import sys

# More pieces than the models leave holes.
_PIECES = 4096
# More than what 32 names take, less than a table of 1280.
_LARGE_TABLE = 12_000
# The board's heap, kept in one piece while the models fill what is before and behind it.
_heap = bytearray(int(sys.argv[3]))
# Named before there is no memory for a name.
_taken = None

# asyncio's queue counts the runtime's own ticks, in C: it must not see the model of time.
sys.path[:] = [".frozen"]
import asyncio.core

# From here on modules bind to the models, which shadow what the runtime has built in.
sys.path[:] = [sys.argv[1], sys.argv[2], ".frozen"]
import asyncio.stream

import dht
import ds18x20
import errno
import esp32
import flash
import machine
import neopixel
import network
import ntptime
import onewire
import os
import socket
import time
import umqtt.simple
import vfs
import world


def make_room_for_names():
    """The table of names doubles when it is full: of the models' names the board must not notice.

    Afterwards there is room for 1280 more, as in the tables that a chip has made by then (10 to 640
    names each, py/qstr.c); `NAMES` in the world's core.py is what they take.
    """
    names = type("Names", (), {})
    count, before = 0, gc.mem_alloc()
    while gc.mem_alloc() - before < _LARGE_TABLE:
        before = gc.mem_alloc()
        for _ in range(32):
            setattr(names, "_%d" % count, None)
            count += 1


def take_the_rest():
    """All that is free now, so that only the board's heap is left: models cannot eat from it."""
    # The list has its length from the start: one that grows would leave holes behind itself.
    taken = [None] * _PIECES
    count = 0
    size = 1 << 20
    while size and count < _PIECES:
        try:
            taken[count] = bytearray(size)
            count += 1
        except MemoryError:
            size >>= 1
    return taken


def run(path):
    """Run a file of the board as the port does: False when it ended by an exception."""
    try:
        with open(path) as source:
            code = source.read()
    except OSError:
        return True
    try:
        exec(compile(code, path, "exec"), {"__name__": "__main__", "__file__": path})
    except SystemExit:
        world.ask("machine.soft_reset")
    except BaseException as error:
        sys.print_exception(error)
        return False
    return True


power = world.ask("power_on")
socket._mapped = power["mapped"]
vfs.umount("/")
_chip = flash.Chip(power["flash"], power["cut_at"])
esp32._slots.attach(_chip, power["two_slots"])
esp32._slots.boot()
world.ask("boot", esp32._slots.running, esp32._slots.release())
vfs.mount(flash.file_system(_chip, power), "/")
sys.path[:] = ["", ".frozen", "/lib"]
gc.disable()
make_room_for_names()
gc.enable()
gc.collect()
_taken = take_the_rest()
_heap = None
gc.collect()
world.ask("running", gc.mem_free(), gc.mem_alloc())
if run("/boot.py"):
    run("/main.py")
