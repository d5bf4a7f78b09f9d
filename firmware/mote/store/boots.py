"""When the board's starts were: what turns their monotonic times into times of day.

The file is a list of u32 number of the start, u64 unix ms of its beginning (little-endian).
"""

import struct

# The oldest are forgotten: by then their rounds are delivered or overwritten.
LIMIT = 64
_ENTRY = "<IQ"
_SIZE = 12


class Boots:
    """The dates of the last starts that have one, kept in the file `path`."""

    def __init__(self, path):
        self._path = path
        self._dates = {}
        # What `redate` has written: (first round, last round, ms that the clock was ahead).
        self.shifts = ()
        try:
            with open(path, "rb") as f:
                data = f.read()
        except OSError:
            return
        for at in range(0, len(data) - _SIZE + 1, _SIZE):
            boot, ms = struct.unpack_from(_ENTRY, data, at)
            self._dates[boot] = ms

    def date(self, boot, unix_ms):
        """The start `boot` was at `unix_ms`. On the flash when it returns."""
        if self._dates.get(boot) == unix_ms:
            return
        dates = dict(self._dates)
        dates[boot] = unix_ms
        kept = sorted(dates)[-LIMIT:]
        with open(self._path, "wb") as f:
            f.write(b"".join([struct.pack(_ENTRY, one, dates[one]) for one in kept]))
        self._dates = {one: dates[one] for one in kept}

    def unix_ms(self, boot, ms, number):
        """The time of day of `ms` on the clock of `boot` (None: UTC) in the round `number`.

        None while it is unknown.
        """
        if boot is None:
            for first, last, off_ms in self.shifts:
                if first <= number <= last:
                    ms -= off_ms
            return ms
        start = self._dates.get(boot)
        return None if start is None else start + ms
