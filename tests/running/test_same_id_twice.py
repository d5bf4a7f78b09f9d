"""Another client with the board's id: a real mosquitto ends the older connection each time."""

import asyncio
import json
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from mote import contract
from paho.mqtt.enums import CallbackAPIVersion
from test_obeying import Host, commanded

sys.path.append(str(Path(__file__).parents[1] / "states"))

from walked import hurried

pytestmark = pytest.mark.anyio


INFO = contract.device_topic("dev", "info")
STATUS = contract.device_topic("dev", "status")
# How often a board says who and that it is.
OFTEN = {"_OLD_WILL_MS": 1_000, "INFO_EVERY_MS": 2_000}


async def test_a_board_that_is_evicted_again_and_again_says_so(tmp_path: Path) -> None:
    tree = await asyncio.to_thread(hurried, tmp_path, session_ms=OFTEN, CONNECTION_STEADY_MS=10_000)
    async with commanded(tmp_path, tree) as host:
        other = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="dev")
        other.reconnect_delay_set(1, 1)
        other.connect("127.0.0.1", host.place.broker.port)
        other.loop_start()
        try:
            await host.board.wait_for_log(contract.LOG_EVICTED + "dev", 120)
            # In its info, for `mote devices`; its own connection lasts long enough to say it.
            await host.heard.wait_for(
                lambda topic, text: topic == INFO and contract.EVICTED in json.loads(text), 120
            )
        finally:
            other.disconnect()
            other.loop_stop()
        # Left alone, it soon says no more of it.
        since = len(host.heard.heard)
        async with asyncio.timeout(120):
            while not any(
                topic == INFO and contract.EVICTED not in json.loads(text)
                for topic, text in host.heard.heard[since:]
            ):
                await host.heard.more_than(len(host.heard.heard))


async def test_a_late_will_does_not_leave_a_board_offline(tmp_path: Path) -> None:
    tree = await asyncio.to_thread(hurried, tmp_path, session_ms=OFTEN)
    async with commanded(tmp_path, tree) as host:
        for _ in range(2):
            at = len(host.heard.heard)
            sent = await asyncio.create_subprocess_exec(
                "mosquitto_pub", "-p", str(host.place.broker.port), "-q", "1", "-r",
                "-t", STATUS, "-m", contract.OFFLINE,
            )  # fmt: skip
            assert await sent.wait() == 0
            # In the same connection the board says again that it is there, and who it is.
            for wanted in ((STATUS, contract.OFFLINE), (STATUS, contract.ONLINE), (INFO, "{")):
                at = await comes(host, at, *wanted)
        assert not any(contract.LOG_DISCONNECTED in line for line in host.board.log)


async def comes(host: Host, at: int, topic: str, start: str) -> int:
    """Wait for a message from number `at` on; returns the number of the one behind it."""
    async with asyncio.timeout(60):
        while True:
            for number, (of, text) in enumerate(host.heard.heard[at:], at + 1):
                if of == topic and text.startswith(start):
                    return number
            await host.heard.more_than(len(host.heard.heard))
