"""Running: how fast a board is back after an outage of the WiFi or a reset, and its heap.

Boards in homes of their own, each with a real mosquitto, all at the same time. The air around the
temperature sensor changes when the WiFi comes back or the reset begins: a message counts when it
says so, and none that was under way before is taken for the first one.

Joining takes as long as on silicon; the code itself runs at the host's speed.
"""

import asyncio
import itertools
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.extend(str(Path(__file__).parents[1] / room) for room in ("running", "e2e"))

from house_of_one import Home, home
from mote import contract
from motesim import VirtualBoard
from motesim.core import WIDTH_RATIO
from motesim.parts import Bme280
from mqtt_ear import Ear, ear

# Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
os.environ["PATH"] += ":/usr/sbin:/sbin"

NAMES = ("reconnect_s", "boot_to_publish_ms", "run_heap_peak")

HOMES = 5
CUTS = 10
OUTAGE_S = (3, 20)
# The connection holds for so long between cuts.
HOLD_S = 5
# A connection that held for a minute forgets the outages before it: a few cuts of that kind.
STEADY_CUTS = 3
STEADY_S = 61
RESETS = 2
# Three resets within 10 s would open the portal.
APART_S = 12
BACK_S = 120
TOPIC = contract.sensor_topic("dev", "temperature")
INFO = contract.device_topic("dev", "info")
SEED = 1


@dataclass
class Measured:
    """Of one board: seconds of each outage and the way back, of each start, bytes of the heap."""

    cuts: list[tuple[float, float]] = field(default_factory=list)
    noticed: int = 0
    boots: list[float] = field(default_factory=list)
    heap: int = 0

    @property
    def back(self) -> list[float]:
        return [back for _, back in self.cuts]


def run(figure: Callable[[str, float, str], None]) -> None:
    often, steady = asyncio.run(_all())
    for one in (*often, *steady):
        print("# outage and way back, s:", *(f"{away:.1f}>{back:.1f}" for away, back in one.cuts))
    cuts = [back for one in often for back in one.back]
    figure("reconnect_s", statistics.median(cuts), "s")
    figure("reconnect_s.worst", max(cuts), "s")
    figure("reconnect_s.cuts", len(cuts), "")
    # A short outage ends before the radio misses enough beacons, and breaks no connection.
    figure("reconnect_s.cuts_noticed", sum(one.noticed for one in often), "")
    rare = [back for one in steady for back in one.back]
    figure("reconnect_s.steady", statistics.median(rare), "s")
    figure("reconnect_s.steady_worst", max(rare), "s")
    boots = [seconds for one in often for seconds in one.boots]
    figure("boot_to_publish_ms", statistics.median(boots) * 1000, "ms")
    heap = max(one.heap for one in often)
    figure("run_heap_peak", heap, "B")
    figure("run_heap_peak.esp32_estimate", heap / WIDTH_RATIO, "B")


async def _all() -> tuple[list[Measured], list[Measured]]:
    often = [_one(SEED + number, CUTS, HOLD_S, RESETS) for number in range(HOMES)]
    steady = [_one(SEED + HOMES + number, STEADY_CUTS, STEADY_S, 0) for number in range(HOMES)]
    done = await asyncio.gather(*often, *steady)
    return done[:HOMES], done[HOMES:]


async def _one(seed: int, cuts: int, hold_s: float, resets: int) -> Measured:
    chance = random.Random(seed)
    measured = Measured()
    with tempfile.TemporaryDirectory(prefix="mote-bench-") as folder:
        async with home(Path(folder)) as place:
            options = ("-p", str(place.broker.port), "-q", "1", "-t", "#")
            async with ear([], *options) as heard:
                board = await place.board(Bme280(temperature=0))
                air = _Air(board, heard)
                await air.told(air.turn())
                for _ in range(cuts):
                    await asyncio.sleep(hold_s + chance.random())
                    await _cut(place, board, air, chance.uniform(*OUTAGE_S), measured)
                measured.heap = board.core.heap_at_start[0] - _heap_low(heard)
                for _ in range(resets):
                    await asyncio.sleep(APART_S + chance.random())
                    began = time.monotonic()
                    turned = air.turn()
                    await board.reset()
                    await air.told(turned)
                    measured.boots.append(time.monotonic() - began)
    return measured


class _Air:
    """The air around a board's sensor, and what the broker hears of its temperature."""

    def __init__(self, board: VirtualBoard, heard: Ear) -> None:
        self._board = board
        self._heard = heard
        self._next = itertools.count(10)

    def turn(self) -> int:
        """Make it a degree warmer; the temperature that none of the readings had before."""
        celsius = next(self._next)
        self._board.set("temperature", celsius)
        return celsius

    async def told(self, celsius: int) -> None:
        """Returns when the broker has a reading of `celsius`."""
        await self._heard.wait_for(
            lambda topic, payload: topic == TOPIC and round(float(payload)) == celsius, BACK_S
        )


async def _cut(
    place: Home, board: VirtualBoard, air: _Air, outage: float, measured: Measured
) -> None:
    before = board.serial.count
    place.world.switch(place.wifi, up=False)
    await asyncio.sleep(outage)
    began = time.monotonic()
    turned = air.turn()
    place.world.switch(place.wifi, up=True)
    await air.told(turned)
    measured.cuts.append((outage, time.monotonic() - began))
    log = board.log[len(board.log) - (board.serial.count - before) :]
    measured.noticed += any(contract.LOG_DISCONNECTED in line for line in log)


def _heap_low(heard: Ear) -> int:
    """The least free heap that the board has told of."""
    told = [json.loads(payload) for topic, payload in heard.heard if topic == INFO]
    return min(info["heap_low"] for info in told)
