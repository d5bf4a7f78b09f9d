"""Which rounds a wrong clock has dated: the file `shifts`. Loaded to open the ring, and to redate.

It is a list of u32 first and last round, i64 how many ms the clock was ahead (little-endian).
"""

import struct

_NAME = "/shifts"
_ENTRY, _SIZE = "<IIq", 16
LIMIT = 16


def read(folder):
    """Return the entries of the file."""
    try:
        with open(folder + _NAME, "rb") as f:
            data = f.read()
    except OSError:
        return ()
    return [struct.unpack_from(_ENTRY, data, at) for at in range(0, len(data) - _SIZE + 1, _SIZE)]


def add(folder, entry):
    """Write one more, and return all. It is on the flash when this returns."""
    entries = (list(read(folder)) + [entry])[-LIMIT:]
    with open(folder + _NAME, "wb") as f:
        f.write(b"".join([struct.pack(_ENTRY, *one) for one in entries]))
    return entries
