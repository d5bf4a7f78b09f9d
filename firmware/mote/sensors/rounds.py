"""Readings at even intervals, counted from the first: lateness does not add up."""

import time


def following(due_ms, interval_ms, now_ms):
    """The ticks of the first round after now, on the grid that `due_ms` belongs to.

    Rounds that a long block made impossible are left out, and do not come all at once.
    """
    late_ms = max(time.ticks_diff(now_ms, due_ms), 0)
    return time.ticks_add(due_ms, (late_ms // interval_ms + 1) * interval_ms)
