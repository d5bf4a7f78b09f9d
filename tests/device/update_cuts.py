"""Power cuts at every flash operation of an update, and what the board is after each.

The chip has the file system and, in front of it, two slots for MicroPython with the data of the
boot loader, whose rules are those of the virtual board. `main.py` is the one that is flashed.
"""

import gc
import sys

import cut_flash
import vfs

sys.path.append("sim/runtime/models")

import partition

# The other models are of a chip that is not here.
sys.path.pop()
SECTOR = 4096
# In sectors: of the whole chip, and where the file system begins.
CHIP, FILES = 128, 48
SLOT = 6 * SECTOR
partition.TWO_SLOTS = {"ota_0": (0x10, 16 * SECTOR, SLOT), "ota_1": (0x11, 32 * SECTOR, SLOT)}
loader = partition.Slots()


class _Esp32:
    Partition = partition.partition(loader)

    class NVS:
        # Outside of the file system: nothing that these tests cut.
        blobs = {}  # noqa: RUF012

        def __init__(self, name):
            pass

        def get_i32(self, key):
            raise OSError(key)

        def get_blob(self, key, buffer):
            if key not in self.blobs:
                raise OSError(key)
            data = self.blobs[key]
            buffer[: len(data)] = data
            return len(data)

        def set_blob(self, key, value):
            self.blobs[key] = value

        def commit(self):
            pass


class _Machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = range(1, 6)


class _Network:
    STA_IF = 0


sys.modules["esp32"], sys.modules["machine"] = _Esp32, _Machine
sys.modules["network"] = _Network

# All that is loaded on the way, now: later the root is a chip without it.
from mote import memory, update  # noqa: F401
from mote.commands import Refused
from mote.update import application, counter, image, incoming, slots, trial  # noqa: F401

memory.forget = lambda *modules: None
_root = vfs.VfsPosix("/")
with open("firmware/main.py") as _file:
    _MAIN = _file.read().split("\ntry:\n    _start()")[0]
assert "_choose" in _MAIN


class Files:
    """The block device of the file system: a part of the chip."""

    def __init__(self, flash):
        self._flash = flash

    def readblocks(self, block, buffer, offset=0):
        return self._flash.readblocks(FILES + block, buffer, offset)

    def writeblocks(self, block, buffer, offset=None):
        return self._flash.writeblocks(FILES + block, buffer, offset)

    def ioctl(self, operation, argument):
        if operation == 4:
            return CHIP - FILES
        return self._flash.ioctl(operation, argument + FILES if operation == 6 else argument)


class Slots:
    """The chip as the boot loader and `esp32.Partition` see it. Raises OSError without power."""

    def __init__(self, flash):
        self._flash = flash

    def read(self, place, buffer):
        buffer = memoryview(buffer)
        while len(buffer):
            # One sector after the other.
            piece = buffer[: SECTOR - place % SECTOR]
            _powered(self._flash.readblocks(place // SECTOR, piece, place % SECTOR))
            place, buffer = place + len(piece), buffer[len(piece) :]

    def write(self, place, data):
        _powered(self._flash.writeblocks(place // SECTOR, data, place % SECTOR))

    def erase(self, place):
        _powered(self._flash.ioctl(6, place // SECTOR))


def _powered(result):
    if result:
        raise OSError(-result)


class Chip:
    """A board's flash with `content`, its power cut in operation `cut_at`; mounted as the root."""

    def __init__(self, content, cut_at=0, kind=cut_flash.NOTHING):
        self.flash = cut_flash.Flash(content, cut_at, kind)

    def __enter__(self):
        vfs.umount("/")
        vfs.mount(vfs.VfsLfs2(Files(self.flash), **cut_flash._SIZES), "/")
        loader.attach(Slots(self.flash), True)
        return self

    def __exit__(self, *error):
        vfs.umount("/")
        vfs.mount(_root, "/")

    def start(self):
        """What happens until the application is loaded: the slot that it is loaded from."""
        loader.boot()
        chosen = started()
        slots.running = lambda: chosen
        return chosen


def started():
    """The slot that main.py chooses."""
    main = {"print": lambda *text: None}
    exec(_MAIN, main)
    return main["_choose"]()


def made(*changes):
    """The content of a chip after `changes`."""
    flash = cut_flash.Flash([None] * CHIP)
    vfs.VfsLfs2.mkfs(Files(flash), **cut_flash._SIZES)
    with Chip(flash.image()) as chip:
        for change in changes:
            change()
        return chip.flash.image()


def runs(slot, in_image="ota_0"):
    """The application and the MicroPython that are at work."""
    slots.running = lambda: slot
    loader.running = in_image


def cuts(content, change, *running):
    """Cut `change` everywhere while `running` is at work: each cut, and the chip after it."""
    operation = 1
    while True:
        for kind in cut_flash.KINDS:
            gc.collect()
            with Chip(content, operation, kind) as chip:
                runs(*running)
                try:
                    change()
                except (OSError, Refused):
                    # The power is off: nobody is told any more.
                    pass
                if not chip.flash.off:
                    assert operation > 1
                    return
                left = chip.flash.image()
            yield (operation, kind), left
        operation += 1


def survives(content, change, fault, *running):
    """Every cut, then `fault(chip)` on the board that gets its power back."""
    wrong = []
    count = 0
    for cut, left in cuts(content, change, *running):
        count += 1
        with Chip(left) as chip:
            try:
                found = fault(chip)
            except (OSError, Refused) as error:
                found = repr(error)
        if found:
            wrong.append((cut, found))
    assert count > 2 and not wrong, "%d of %d cuts: %s" % (len(wrong), count, wrong[:3])
    return count
