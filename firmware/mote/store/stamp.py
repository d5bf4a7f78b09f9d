"""When a round of readings was taken, as far as the board knows."""


class Stamp:
    """A point in time in whole milliseconds, on one of two clocks.

    `boot` is None: `ms` counts from 1970 (UTC). `boot` is a number: `ms` counts from the start of
    the board with that number, and nobody knows yet when that was. The number of a start grows
    with every start and never comes again.
    """

    def __init__(self, ms, boot=None):
        self.ms = ms
        self.boot = boot
