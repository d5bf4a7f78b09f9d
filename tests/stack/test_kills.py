"""`kill -9` of each service, one after the other, while numbered readings flow: none is lost."""

import time

import pytest
from numbered_flow import Numbered
from running_stack import PATIENCE_S, RunningStack, eventually

pytestmark = pytest.mark.stack

READINGS = 20_000
PER_SECOND = 1_000


def test_a_kill_of_each_service_loses_nothing(stack: RunningStack) -> None:
    flow = Numbered(stack, "killed", READINGS, PER_SECOND)
    flow.flow_while(*(lambda s=s: stack.kill(s) for s in ("mosquitto", "telegraf", "influxdb")))
    missing = flow.lost()
    assert not missing, f"{len(missing)} of {READINGS} lost, such as {sorted(missing)[:5]}"


def test_readings_wait_in_the_broker_and_survive_its_kill(stack: RunningStack) -> None:
    """With nobody there to take them on, they are on the broker's disk alone."""
    flow = Numbered(stack, "waiting", 2_000, 2_000)
    stack.compose("stop", "telegraf")
    try:
        flow.flow_while()
        saved_once(stack)
        stack.kill("mosquitto")
    finally:
        stack.compose("start", "telegraf")
    assert not flow.lost()


def saved_once(stack: RunningStack) -> None:
    """Wait until the broker has written what it had acknowledged before this call."""
    queue = stack.installation.data / "mosquitto" / "mosquitto.db"
    now = time.time()
    # A change makes it write; it writes everything, at the end of a turn of its loop.
    owner = stack.client("owner", stack.installation.secret("mqtt"))
    owner.publish("test/change", str(now), qos=1, retain=True).wait_for_publish(PATIENCE_S)
    eventually(lambda: queue.stat().st_mtime > now)
