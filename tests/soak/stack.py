"""The backend on Docker: 200,000 numbered readings while its services are killed in turn."""

import sys
from collections.abc import Callable
from pathlib import Path

NAMES = ("stack_lost",)
ENGINES = ("test",)
READINGS = 200_000
PER_SECOND = 2_000
ROUNDS = 3
SERVICES = ("mosquitto", "telegraf", "influxdb")


def run(figure: Callable[[str, float, str], None]) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "stack"))
    from measuring import fresh_stack
    from numbered_flow import Numbered

    with fresh_stack() as stack:
        flow = Numbered(stack, "soak", READINGS, PER_SECOND)
        flow.flow_while(*(lambda s=s: stack.kill(s) for s in SERVICES * ROUNDS))
        lost = flow.lost()
        figure("stack_lost", len(lost), "readings")
        assert not lost, f"such as {sorted(lost)[:5]}"
