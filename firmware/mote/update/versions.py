"""Versions compared as Semantic Versioning 2.0.0 says: by their numbers, so 1.10 is after 1.9.

Runs on MicroPython and on CPython: board and sender judge alike.
"""


def key(text: str) -> tuple:
    """What versions are ordered by. Raises ValueError for what is no version.

    Fewer than three numbers stand for zeros; what follows a `+` does not count (10).
    """
    numbers, _, before = text.partition("+")[0].partition("-")
    release = [int(part) for part in numbers.split(".")]
    if len(release) > 3 or any(number < 0 for number in release):
        raise ValueError(text)
    release += [0] * (3 - len(release))
    # 11.3: a pre-release comes before its release; 11.4: numbers before words.
    marks = [(0, int(mark), "") if mark.isdigit() else (1, 0, mark) for mark in before.split(".")]
    return tuple(release), not before, marks


def older(one: str, other: str) -> bool:
    """True when `one` comes before `other`. Raises ValueError for what is no version."""
    return key(one) < key(other)
