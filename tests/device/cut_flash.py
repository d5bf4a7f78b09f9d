"""A NOR flash chip in RAM whose power goes away in the middle of a chosen operation.

Programming only clears bits and erasing sets a whole sector (W25Q32 datasheet, 8.2); each program
and each erase is one operation. When the power is gone every call is refused with EIO: a value, not
an exception, because an exception would jump over LittleFS and leave its structures half changed.
"""

import random

import vfs

SECTOR = 4096
# What the operation leaves behind that the cut falls into: nothing, its first half, or its first
# half and then cells that were still on their way.
KINDS = NOTHING, TORN, GARBAGE = "nothing", "torn", "garbage"
_ERASED = b"\xff" * SECTOR
_EIO = -5
# As on the board (ports/esp32).
_SIZES = {"progsize": 32, "readsize": 32, "lookahead": 32}


class Flash:
    """A block device over `image`, a list of sectors where None is an erased one."""

    def __init__(self, image, cut_at=0, kind=NOTHING, seed=0):
        self._sectors = list(image)
        self._cut_at = cut_at
        self._kind = kind
        self._seed = seed
        self.operations = 0
        self.erased = []
        self.off = False

    def image(self):
        """The content as it is now, for a chip that begins there."""
        # What was not touched is shared: it is in RAM once.
        return [bytes(one) if isinstance(one, bytearray) else one for one in self._sectors]

    def readblocks(self, block, buffer, offset=0):
        if self.off:
            return _EIO
        sector = self._sectors[block] or _ERASED
        buffer[:] = memoryview(sector)[offset : offset + len(buffer)]
        return 0

    def writeblocks(self, block, buffer, offset=None):
        if offset is None:
            if self.ioctl(6, block):
                return _EIO
            offset = 0
        if self._refused():
            return _EIO
        wanted = bytes(buffer)
        if self.off:
            # A cell that is programmed with a one stays as it is.
            wanted = _either(wanted, self._untouched(len(wanted), len(wanted) // 2))
        sector = self._sectors[block]
        if not isinstance(sector, bytearray):
            sector = self._sectors[block] = bytearray(sector or _ERASED)
        end = offset + len(wanted)
        sector[offset:end] = _both(sector[offset:end], wanted)
        return _EIO if self.off else 0

    def ioctl(self, operation, argument):
        if operation == 4:
            return len(self._sectors)
        if operation == 5:
            return SECTOR
        if operation == 6:
            return self._erase(argument)
        return 0

    def _erase(self, block):
        if self._refused():
            return _EIO
        before, self._sectors[block] = self._sectors[block], None
        self.erased.append(block)
        if not self.off:
            return 0
        if before is not None:
            # All the cells of a sector are on their way together.
            done = 0 if self._kind == GARBAGE else SECTOR // 2
            kept = self._untouched(SECTOR, done)
            flipped = bytes(255 - byte for byte in kept)
            self._sectors[block] = bytearray(_either(before, flipped))
        return _EIO

    def _refused(self):
        """Count an operation, cut the power when it is the one; True when the power was off."""
        if self.off:
            return True
        self.operations += 1
        self.off = self.operations == self._cut_at
        return False

    def _untouched(self, size, done):
        """A mask with ones for the cells that the cut spared, none in the first `done` bytes."""
        if self._kind == NOTHING:
            return b"\xff" * size
        if self._kind == TORN:
            return bytes(done) + b"\xff" * (size - done)
        # Another noise for each operation.
        random.seed(self._seed << 16 | self._cut_at)
        return bytes(done) + bytes(_noise(self._seed % 3) for _ in range(size - done))


def make_file_system(flash):
    vfs.VfsLfs2.mkfs(flash, **_SIZES)


def mount(flash, path):
    vfs.mount(vfs.VfsLfs2(flash, **_SIZES), path)


def _noise(kind):
    """A random byte, with half of the bits set, a quarter or three quarters."""
    byte = random.getrandbits(8)
    if kind == 1:
        byte &= random.getrandbits(8)
    elif kind == 2:
        byte |= random.getrandbits(8)
    return byte


def _both(a, b):
    return (int.from_bytes(a, "little") & int.from_bytes(b, "little")).to_bytes(len(a), "little")


def _either(a, b):
    return (int.from_bytes(a, "little") | int.from_bytes(b, "little")).to_bytes(len(a), "little")
