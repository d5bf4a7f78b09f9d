"""Keeps what the ring writes from wearing the same few blocks of the flash for years.

LittleFS takes free blocks in turn, all around the flash, and moves the blocks of a folder when
they were erased a hundred times. The ring does both at a steady pace, and where one pace is a
multiple of the other, the folders move among the same few blocks, time after time: a model of ten
years without a restart has found blocks with five times the erases of the others. So now and then
blocks are taken out of turn, as many as chance wants, and the paces part.
"""

import random

# In one of so many new segments, up to so many blocks (powers of two): one erase in twenty.
_SEGMENTS_BITS = 6
_BLOCKS_BITS = 6
# A file of this size does not lie inside its folder.
_SIZE = 160


class Turns:
    """Takes blocks by writing the file `path`, which holds nothing."""

    def __init__(self, path):
        self._path = path
        self.owed = 0

    def segment_begun(self):
        if not random.getrandbits(_SEGMENTS_BITS):
            self.owed = random.getrandbits(_BLOCKS_BITS)

    def take_one(self):
        """Take one of the blocks that are owed, if there are any; one at a time costs one erase."""
        if not self.owed:
            return
        self.owed -= 1
        try:
            with open(self._path, "wb") as f:
                f.write(bytes(_SIZE))
        except OSError:
            # Nothing depends on it.
            pass
