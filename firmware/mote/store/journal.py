"""The journal: the newest rounds, each in a small file of its own.

A file of up to 128 bytes lies inside the metadata log of LittleFS: writing it anew appends to that
log and erases nothing until the log of its folder is full. The files are never removed: the round
with number n is written over the one with number n - SLOTS, which is in a segment by then.
What the log of a folder carries over when it is full is what lies in the folder: the files are in
FOLDERS of them, so that a log takes more rounds before it is full again.

A file is
  u32 CRC-32 of all that follows, u32 number of the round, u32 readings taken with it,
  u8 place of the round in its chunk,
  varints: rounds and readings since the newest delivered one, lost, undatable, rounds since the
  newest one that was judged
  the record of the round (see `codec`)
All numbers are little-endian.
"""

import struct
from binascii import crc32

from mote.store import codec

SLOTS = 40
FOLDERS = 4
_FORMAT = "<IIB"
_CRC = 4


class State:
    """Where the ring stands after a round.

    `number` and `total` are of the newest round: how many rounds and readings were ever taken.
    `mark` and `marked` are the same of the newest delivered round. `lost` and `undatable` count
    readings; `judged` is the number of the newest round that they may have counted.
    """

    def __init__(self):
        self.number = self.total = 0
        self.mark = self.marked = 0
        self.lost = self.undatable = self.judged = 0


class Journal:
    """The files of the newest rounds, in the folders "0" to "3" of `folder`."""

    def __init__(self, folder):
        self._folder = folder

    def _path(self, number):
        slot = number % SLOTS
        return "%s/%d/%02d" % (self._folder, slot % FOLDERS, slot)

    def write(self, state, place, record):
        """Write the round `state.number`. It is on the flash when this returns."""
        body = bytearray(struct.pack(_FORMAT, state.number, state.total, place))
        for count in (
            state.number - state.mark,
            state.total - state.marked,
            state.lost,
            state.undatable,
            state.number - state.judged,
        ):
            body.extend(codec.varint(count))
        body.extend(record)
        with open(self._path(state.number), "wb") as f:
            f.write(struct.pack("<I", crc32(body)) + body)

    def read(self):
        """The newest state (None for an empty journal) and all rounds that are whole.

        The rounds are a dictionary: number to (total, place, record).
        """
        newest, rounds = None, {}
        for slot in range(SLOTS):
            found = self._read(self._path(slot))
            if found:
                state, place, record = found
                rounds[state.number] = (state.total, place, record)
                if newest is None or state.number > newest.number:
                    newest = state
        return newest, rounds

    def _read(self, path):
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            return None
        size = _CRC + struct.calcsize(_FORMAT)
        if len(data) < size + 5 or struct.unpack_from("<I", data)[0] != crc32(data[_CRC:]):
            return None
        state = State()
        state.number, state.total, place = struct.unpack_from(_FORMAT, data, _CRC)
        counts = []
        for _ in range(5):
            count, size = codec.read_varint(data, size)
            counts.append(count)
        state.mark = state.number - counts[0]
        state.marked = state.total - counts[1]
        state.lost, state.undatable = counts[2], counts[3]
        state.judged = state.number - counts[4]
        return state, place, data[size:]
