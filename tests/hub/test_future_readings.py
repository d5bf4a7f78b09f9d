"""A reading dated in the hour to come is not the newest of its series, in store and on pages."""

import time
from pathlib import Path

from motekit.hub.dashboard.live import Latest, LiveState
from motekit.hub.dashboard.stream import Update
from motekit.hub.store import Reading, Store

SECOND_NS = 10**9


def test_it_waits_for_its_time(tmp_path: Path) -> None:
    now_ns = time.time_ns()
    live = Reading("a", "t", now_ns, 1.0)
    ahead = Reading("a", "t", now_ns + 1_800 * SECOND_NS, 9.0)
    later = Reading("a", "t", now_ns + 1, 2.0)
    store = Store(tmp_path / "readings.db")
    state = LiveState()
    state.begin(store.devices(), store.latest())
    # Also where it is the first of its series, which there is nothing else to show of.
    for readings, expected in (([ahead], None), ([live], live), ([ahead, later], later)):
        store.write(readings)
        state.apply(Update(readings))
        assert store.latest() == ([expected] if expected else [])
        shown = state.latest["a"]["t"]
        assert shown == Latest(expected.time_ns, expected.value) if expected else shown.value == 9.0
    store.close()
