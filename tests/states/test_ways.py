"""Every row of STATES.md is walked by a test, and its times are those of the firmware."""

import re

import test_states  # noqa: F401
import test_trials_and_faults  # noqa: F401
from walked import patience
from ways import ROWS, STATES, UNITS, WALKED


def test_every_way_is_walked() -> None:
    assert {row[0] for row in ROWS} == WALKED


def test_the_documented_times_are_those_of_the_firmware() -> None:
    times = patience()
    named = set(re.findall(r"`([A-Z_]+)`", STATES))
    assert named == set(times), named ^ set(times)
    for row in ROWS:
        told = {
            int(number) * UNITS[unit]
            for number, unit in re.findall(r"(\d+) (s|min)\b", " ".join(row[2:5]))
        }
        for name in re.findall(r"`([A-Z_]+_MS)`", row[5]):
            assert times[name] in told, (row[0], name)
