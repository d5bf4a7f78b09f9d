"""Backfill: how fast what was stored in an outage arrives, and whether live readings keep pace.

A virtual board without WiFi for some minutes, with a reading of each of its metrics every second;
then the WiFi comes back. The times are those of a `mosquitto_sub` on the same mosquitto. The
board's code runs at the host's speed.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / room) for room in ("running", "e2e"))

from house_of_one import home
from mote import contract
from motesim.parts import Bme280, Dht22
from mqtt_ear import Ear, ear

# Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
os.environ["PATH"] += ":/usr/sbin:/sbin"

NAMES = ("backfill_per_s",)

# Six metrics a second, as there is no signal to measure: about 1,000 readings. After three minutes
# the portal would open, which is another state (`firmware/STATES.md`).
OUTAGE_S = 165
# No message of backfill for so long: it is done.
QUIET_S = 5
STEADY_S = 20
BACK_S = 120
TOPIC = contract.sensor_topic("dev", "temperature")
BACKFILL = contract.backfill_topic("dev")
LINE = "sensors,device=dev,"


def run(figure: Callable[[str, float, str], None]) -> None:
    asyncio.run(_run(figure))


async def _run(figure: Callable[[str, float, str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix="mote-bench-") as folder:
        async with home(Path(folder)) as place:
            # Each message with the time of its arrival; further lines of a message have none.
            options = ("-p", str(place.broker.port), "-q", "1", "-t", "#", "-F", "%t %U %p")
            async with ear([], *options) as heard:
                board = await place.board(Bme280(), Dht22())
                await heard.wait_for(lambda topic, _: topic == TOPIC, BACK_S)
                await board.wait_for_log("clock: set by", BACK_S)
                await asyncio.sleep(STEADY_S)
                place.world.switch(place.wifi, up=False)
                print(f"# without WiFi for {OUTAGE_S} s", flush=True)
                await asyncio.sleep(OUTAGE_S)
                before = len(heard.heard)
                place.world.switch(place.wifi, up=True)
                await heard.wait_for(lambda topic, _: topic == BACKFILL, BACK_S)
                async with asyncio.timeout(BACK_S):
                    while time.time() - _backfill(heard)[-1][0] < QUIET_S:
                        await asyncio.sleep(0.1)
                after = heard.heard[before:]
                figure_of(figure, _backfill(heard), _live(heard.heard[:before]), _live(after))


def figure_of(
    figure: Callable[[str, float, str], None],
    backfill: list[tuple[float, int]],
    before: list[float],
    after: list[float],
) -> None:
    began, ended = backfill[0][0], backfill[-1][0]
    readings = sum(count for _, count in backfill)
    # What came with the first message was on its way before the measuring began.
    figure("backfill_per_s", (readings - backfill[0][1]) / (ended - began), "1/s")
    figure("backfill_per_s.readings", readings, "")
    figure("backfill_per_s.messages", len(backfill), "")
    # The intervals that lie in the backfill at least in part.
    gaps = [late - early for early, late in pairwise(after) if late >= began and early <= ended]
    figure("backfill_live_interval_s", max(gaps), "s")
    calm = [late - early for early, late in pairwise(before)]
    figure("backfill_live_interval_s.before", max(calm), "s")


def _backfill(heard: Ear) -> list[tuple[float, int]]:
    """When each message of backfill came, and its readings: one in each line."""
    found: list[tuple[float, int]] = []
    for topic, payload in heard.heard:
        if topic == BACKFILL:
            found.append((float(payload.split()[0]), 1))
        elif topic.startswith(LINE):
            found[-1] = found[-1][0], found[-1][1] + 1
    return found


def _live(heard: list[tuple[str, str]]) -> list[float]:
    return [float(payload.split()[0]) for topic, payload in heard if topic == TOPIC]
