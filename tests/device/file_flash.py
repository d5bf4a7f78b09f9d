"""A flash chip as large as a board's, in a file: the heap of the tests is for the firmware."""

import os
from array import array

import cut_flash
import vfs

PLACE = "/chip"
SECTOR = cut_flash.SECTOR
_ERASED = b"\xff" * SECTOR


class FileFlash:
    """A block device of `sectors` erased sectors; `erases` counts for each of them."""

    def __init__(self, sectors):
        self._sectors = sectors
        self.erases = array("I", [0] * sectors)
        self.programmed = 0
        path = f"/tmp/flash-{int.from_bytes(os.urandom(8), 'little')}"
        self._file = open(path, "w+b")  # noqa: PTH123, SIM115
        # The file lives as long as it is open: an interrupted test leaves nothing behind.
        os.remove(path)  # noqa: PTH107
        for _ in range(sectors):
            self._file.write(_ERASED)

    def close(self):
        self._file.close()

    def readblocks(self, block, buffer, offset=0):
        self._file.seek(block * SECTOR + offset)
        self._file.readinto(buffer)
        return 0

    def writeblocks(self, block, buffer, offset=0):
        self._file.seek(block * SECTOR + offset)
        self._file.write(buffer)
        self.programmed += len(buffer)
        return 0

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._sectors
        if operation == 5:
            return SECTOR
        if operation == 6:
            self.erases[argument] += 1
            self._file.seek(argument * SECTOR)
            self._file.write(_ERASED)
        return 0


class Chip:
    """`with Chip(sectors) as flash`: a new file system at PLACE."""

    def __init__(self, sectors):
        self.flash = FileFlash(sectors)

    def __enter__(self):
        cut_flash.make_file_system(self.flash)
        cut_flash.mount(self.flash, PLACE)
        return self.flash

    def __exit__(self, *_):
        vfs.umount(PLACE)
        self.flash.close()


def used(folder=PLACE):
    """The sectors of the mounted file system that are in use."""
    size = os.statvfs(folder)
    # LittleFS counts the two sectors of a folder a second time where the folder is entered.
    return size[2] - size[3] - 2 * _folders(folder)


def _folders(folder):
    inside = [entry[0] for entry in os.ilistdir(folder) if entry[1] == 0x4000]
    return len(inside) + sum([_folders(folder + "/" + name) for name in inside])
