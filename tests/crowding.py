"""Limits of time that a person was promised, on a machine that others keep busy as well."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# Of work, to see how long it takes.
_SAMPLE_S = 0.2


def crowding() -> float:
    """How many times longer than alone a program takes just now, at least 1."""
    began, worked = time.monotonic(), time.thread_time()
    while time.thread_time() - worked < _SAMPLE_S:
        pass
    return max(1.0, (time.monotonic() - began) / _SAMPLE_S)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Asserts that the block takes no longer than this would be on a machine that is our own."""
    before = crowding()
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    times = max(before, crowding())
    assert took < seconds * times, f"{took:.1f} s, not {seconds}, {times:.1f} times as crowded"
