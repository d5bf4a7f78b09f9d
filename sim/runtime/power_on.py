"""What happens in a chip between power and `main.py`: the part that silicon has in ROM.

Puts the models in place of the modules that only the ESP32 port has, mounts the flash, leaves the
firmware exactly the free heap of a board, and then runs boot.py and main.py as the port does.
Arguments: the folder of the models, the folder of the frozen packages, the board's heap in bytes.

The REPL sees the names of this file's globals, as boot.py and main.py do: nothing else
is left in them.
"""

# What the port's own _boot.py leaves in the REPL (ports/esp32/modules/_boot.py).
import gc
import vfs


def power_on():  # noqa: PLR0915
    import sys

    models, frozen, heap = sys.argv[1:]
    # The board's heap, kept in one piece while the models fill what is before and behind it.
    kept = bytearray(int(heap))

    # asyncio's queue counts the runtime's own ticks, in C: it must not see the model of time.
    sys.path[:] = [".frozen"]
    import asyncio.core

    # From here on modules bind to the models, which shadow what the runtime has built in.
    sys.path[:] = [models, frozen, ".frozen"]
    import asyncio.stream

    import console
    import dht
    import ds18x20
    import errno
    import esp32
    import flash
    import idf_heap
    import machine
    import neopixel
    import network
    import ntptime
    import onewire
    import os
    import socket
    import time
    import umqtt.simple
    import world

    def take_the_rest():
        """All that is free now, so that only the board's heap is left: models eat none of it."""
        # It has its length from the start: a list that grows would leave holes behind itself.
        # More pieces than the models leave holes.
        taken = [None] * 4096
        count = 0
        size = 1 << 20
        while size and count < len(taken):
            try:
                taken[count] = bytearray(size)
                count += 1
            except MemoryError:
                size >>= 1
        return taken

    def make_room_for_names():
        """The table of names doubles when it is full: of the models' the board must not notice.

        Afterwards there is room for 1280 more, as in the tables that a chip has made by then (10 to
        640 names each, py/qstr.c); `NAMES` in the world's core.py is what they take.
        """
        names = type("Names", (), {})
        count, before = 0, gc.mem_alloc()
        # More than what 32 names take, less than a table of 1280.
        while gc.mem_alloc() - before < 12_000:
            before = gc.mem_alloc()
            for _ in range(32):
                setattr(names, "_%d" % count, None)
                count += 1

    def run(path):
        """Run a file of the board as the port does: False when it ended by an exception."""
        try:
            with open(path) as source:
                code = source.read()
        except OSError:
            return True
        names = globals()
        names["__file__"] = path
        try:
            exec(compile(code, path, "exec"), names)
        except SystemExit:
            world.ask("machine.soft_reset")
        except BaseException as error:
            sys.print_exception(error)
            return False
        return True

    # Out of sight and not out of memory: what it has taken is no board's.
    world.power_on = globals().pop("power_on")
    power = world.ask("power_on")
    socket._mapped = power["mapped"]
    vfs.umount("/")
    chip = flash.Chip(power["flash"], power["cut_at"])
    esp32._slots.attach(chip, power["two_slots"])
    esp32._slots.boot()
    world.ask("boot", esp32._slots.running, esp32._slots.release())
    vfs.mount(flash.file_system(chip, power), "/")
    sys.path[:] = ["", ".frozen", "/lib"]
    console.install()
    gc.disable()
    make_room_for_names()
    gc.enable()
    gc.collect()
    world.taken = take_the_rest()
    del kept
    gc.collect()
    idf_heap.running()
    world.ask("running", gc.mem_free(), gc.mem_alloc())
    if run("boot.py") and not power["raw_repl"]:
        run("main.py")
    world.ask("serial.repl")


power_on()
