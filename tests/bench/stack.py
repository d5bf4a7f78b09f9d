"""The backend on Docker: readings a second from MQTT at QoS 1 into the database."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

NAMES = ("stack_ingest_per_s",)
ENGINES = ("test",)
READINGS = 60_000
# More than any machine does: the devices publish as fast as they are let.
UNLIMITED = 10**9


def run(figure: Callable[[str, float, str], None]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "stack"))
    from measuring import fresh_stack
    from numbered_flow import Numbered

    with fresh_stack() as stack:
        flow = Numbered(stack, "bench", READINGS, UNLIMITED)
        began = time.monotonic()
        flow.flow_while()
        lost = flow.lost()
        figure("stack_ingest_per_s", READINGS / (time.monotonic() - began), "1/s")
        assert not lost, f"{len(lost)} lost, such as {sorted(lost)[:5]}"
