"""The flash chip: NOR rules, in a file of the world, and a power cut in the middle of an operation.

Programming only clears bits and erasing sets a whole 4 KiB sector (W25Q32 datasheet, 8.2). The file
system is the port's: LittleFS 2 with read and program size 32, lookahead 32 (ports/esp32).
"""

import idf_heap
import vfs
import world

SECTOR = 4096
# Made once, before the board gets its heap: a chip erases without memory.
_ERASED = b"\xff" * SECTOR
_host = vfs.VfsPosix("/")


class Chip:
    """The whole chip; counts its operations."""

    def __init__(self, path, cut_at):
        self._file = _host.open(path, "r+b")
        self._cut_at = cut_at
        self._operations = 0
        self._page = bytearray(SECTOR)

    def read(self, place, buffer):
        self._file.seek(place)
        self._file.readinto(buffer)

    def write(self, place, data):
        present = memoryview(self._page)[: len(data)]
        self.read(place, present)
        for i in range(len(data)):
            present[i] &= data[i]
        self._operate(place, present)

    def erase(self, place):
        """The sector at `place`."""
        self._operate(place, _ERASED)

    def _operate(self, place, data):
        idf_heap.look()
        self._operations += 1
        torn = self._operations == self._cut_at
        self._file.seek(place)
        self._file.write(memoryview(data)[: len(data) // 2] if torn else data)
        if torn:
            world.ask("flash.cut")


class Flash:
    """The block device of the file system's partition."""

    def __init__(self, chip, start, size):
        self._chip = chip
        self._start = start
        self._sectors = size // SECTOR

    def readblocks(self, block, buffer, offset=0):
        self._chip.read(self._start + block * SECTOR + offset, buffer)

    def writeblocks(self, block, buffer, offset=None):
        place = self._start + block * SECTOR
        if offset is None:
            self._chip.erase(place)
        self._chip.write(place + (offset or 0), buffer)

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._sectors
        if operation == 5:
            return SECTOR
        if operation == 6:
            self._chip.erase(self._start + argument * SECTOR)
        return 0


def file_system(chip, power):
    """The mounted-to-be file system of the board that `power` describes; made when it is blank."""
    device = Flash(chip, power["fs_start"], power["fs_size"])
    sizes = {"progsize": 32, "readsize": 32, "lookahead": 32}
    first = bytearray(SECTOR)
    device.readblocks(0, first)
    if first == _ERASED:
        vfs.VfsLfs2.mkfs(device, **sizes)
    return vfs.VfsLfs2(device, **sizes)
