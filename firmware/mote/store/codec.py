"""Rounds of readings as bytes: records, which make sense only one after the other in their chunk.

A record is
  1 byte        the shape (which metrics, in which order) 0..126; 128 is added for a new clock
  clock         with the 128: u32 number of the start + 1, or 0 for UTC; u64 ms on that clock
                else: a varint, the ms since the record before
  shape         where its number is new: u8 metrics; for each u8 number of its name, and where
                that one is new: u8 length, the name
  values        a float32 for each metric
All numbers are little-endian. The first record of a chunk has a new clock and a new shape, so a
chunk needs nothing from outside.
"""

import struct

# A shape counts its metrics in a byte, and a record alone must fit in a segment.
METRICS = 250
SIZE = 4000
_NEW_CLOCK = 128
_CLOCK = "<IQ"


def varint(number):
    """`number` (0 or more) as bytes, 7 bits in each, the lowest first."""
    coded = bytearray()
    while number > 127:
        coded.append(number & 127 | 128)
        number >>= 7
    coded.append(number)
    return coded


def read_varint(data, at):
    """The number at `at`, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


class Codec:
    """What the records of one chunk have agreed on so far.

    After `step`, the record it has passed: `metrics` (names), `values_at` (where its values
    begin), `boot` (None for UTC), and its time in ms on that clock, `base` + `offset`: the base
    seldom changes, the offset is a small int.
    """

    def __init__(self):
        self.boot = None
        self.base = None
        self.offset = 0
        self.metrics = ()
        self.values_at = 0
        self._names = []
        self._shapes = []

    def encode(self, stamp, readings):
        """The record that could come next. Changes nothing: `step` over it does.

        Raises ValueError for a round that is too large.
        """
        shape = tuple([name for name, _ in readings])
        if len(shape) > METRICS:
            raise ValueError("a round has at most %d readings" % METRICS)
        known = shape in self._shapes
        coded = bytearray(1)
        coded[0] = self._shapes.index(shape) if known else len(self._shapes)
        passed = -1
        if self.base is not None and stamp.boot == self.boot:
            passed = stamp.ms - self.base - self.offset
        if 0 <= passed < 1 << 28:
            coded.extend(varint(passed))
        else:
            coded[0] |= _NEW_CLOCK
            boot = 0 if stamp.boot is None else stamp.boot + 1
            coded.extend(struct.pack(_CLOCK, boot, stamp.ms))
        if not known:
            self._encode_shape(coded, shape)
        for _, value in readings:
            coded.extend(struct.pack("<f", value))
        if len(coded) > SIZE:
            raise ValueError("a round has at most %d bytes" % SIZE)
        return bytes(coded)

    def _encode_shape(self, coded, shape):
        names = list(self._names)
        coded.append(len(shape))
        for name in shape:
            if name in names:
                coded.append(names.index(name))
                continue
            coded.append(len(names))
            names.append(name)
            name = name.encode()
            coded.append(len(name))
            coded.extend(name)

    def step(self, data, at=0):
        """Pass the record that begins at `at` in `data`; where the next one begins."""
        head = data[at]
        at += 1
        if head & _NEW_CLOCK:
            self.boot, self.base = read_clock(data, at)
            self.offset = 0
            at += struct.calcsize(_CLOCK)
        else:
            passed, at = read_varint(data, at)
            self.offset += passed
        shape = head & 127
        if shape == len(self._shapes):
            at = self._step_shape(data, at)
        self.metrics = self._shapes[shape]
        self.values_at = at
        return at + 4 * len(self.metrics)

    def _step_shape(self, data, at):
        shape = []
        count = data[at]
        at += 1
        for _ in range(count):
            name = data[at]
            at += 1
            if name == len(self._names):
                end = at + 1 + data[at]
                self._names.append(str(data[at + 1 : end], "utf-8"))
                at = end
            shape.append(self._names[name])
        self._shapes.append(tuple(shape))
        return at

    def values(self, data):
        """The (metric, value) pairs of the record in `data` that `step` has passed."""
        at = self.values_at
        pairs = []
        for name in self.metrics:
            pairs.append((name, struct.unpack_from("<f", data, at)[0]))
            at += 4
        return pairs


def read_clock(data, at):
    """The start (None for UTC) and the ms of the clock that is written at `at`."""
    boot, ms = struct.unpack_from(_CLOCK, data, at)
    return (boot - 1 if boot else None), ms
