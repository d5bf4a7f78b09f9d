"""Boards that number their readings, while everything around them is cut: what became of each."""

import asyncio
import random
import tempfile
import time
from collections import Counter as Tally
from dataclasses import dataclass, field
from pathlib import Path

import numbered
from motesim import AccessPoint, BoardSpec, World
from motesim.board import VirtualBoard
from stores import BehindMosquitto, InHub, Store

DRAIN_S = 180
# The flash is cut in the middle of one of so many operations to come.
OPERATIONS = 120
KNOWS_TIME = "clock: set by"
# How long a cut lasts, in seconds.
OUTAGE_S = (1.0, 8.0)
LOSS, DELAY_S = 0.3, 2.0


@dataclass
class Report:
    """The sums of a campaign."""

    taken: int = 0
    sent_twice: int = 0
    lost: list[tuple[str, int]] = field(default_factory=list)
    misdated: list[tuple[str, int, float]] = field(default_factory=list)
    cuts: "Tally[str]" = field(default_factory=Tally)


@dataclass
class Member:
    """A board of the campaign, its counter, and where its readings go."""

    board: VirtualBoard
    counter: numbered.Counter
    store: Store


class Campaign:
    """`boards` boards with a reading every `interval_s`, half of them on each kind of store."""

    def __init__(self, folder: Path, boards: int, interval_s: float, seed: int) -> None:
        self._folder = folder
        self._count, self._interval_s = boards, interval_s
        self._random = random.Random(seed)
        self._wifi = AccessPoint("home", "a good password")
        self._stores: dict[str, Store] = {
            "broker.local": BehindMosquitto(folder / "mosquitto"),
            "hub.local": InHub(folder / "hub"),
        }
        self._members: list[Member] = []
        self.report = Report()

    async def run(self, seconds: float) -> Report:
        """Cut for `seconds`, then let everything arrive."""
        for store in self._stores.values():
            await store.start()
        try:
            async with World() as world:
                await self._set_up(world)
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    await self._cut(world)
                    await asyncio.sleep(self._random.uniform(0.5, 3.0))
                await self._drain()
            self._judge()
        finally:
            for store in self._stores.values():
                store.close()
        return self.report

    async def _set_up(self, world: World) -> None:
        await world.add_access_point(self._wifi)
        tree = await asyncio.to_thread(numbered.tree, self._folder, self._interval_s)
        for place, (name, store) in enumerate(self._stores.items()):
            world.add_host(name, f"192.168.50.{place + 2}", {1883: ("127.0.0.1", store.port)})
        for index in range(self._count):
            name, store = list(self._stores.items())[index % len(self._stores)]
            counter = numbered.Counter()
            document = {
                "version": 1,
                "id": f"board{index}",
                "wifi": [{"ssid": self._wifi.ssid, "password": self._wifi.password}],
                "mqtt": {"host": name},
                "interval": self._interval_s,
            }
            spec = BoardSpec(f"board{index}", parts=[counter], config=document, firmware=tree)
            board = await world.add_board(spec)
            self._members.append(Member(board, counter, store))
        await asyncio.gather(*(member.board.power_on() for member in self._members))
        await self._everyone_knows_the_time()

    async def _everyone_knows_the_time(self) -> None:
        for member in self._members:
            await member.board.wait_for_log(KNOWS_TIME, 60)

    async def _cut(self, world: World) -> None:
        kind = self._random.choice(["wifi", "broker", "hub", "power", "flash", "network"])
        outage_s = self._random.uniform(*OUTAGE_S)
        self.report.cuts[kind] += 1
        if kind == "wifi":
            world.switch(self._wifi, up=False)
            await asyncio.sleep(outage_s)
            world.switch(self._wifi, up=True)
        elif kind == "network":
            self._wifi.loss, self._wifi.delay_s = LOSS, DELAY_S
            await asyncio.sleep(outage_s)
            self._wifi.loss, self._wifi.delay_s = 0.0, 0.0
        elif kind in ("broker", "hub"):
            store = self._stores[f"{kind}.local"]
            store.kill()
            await asyncio.sleep(outage_s)
            await store.start()
        else:
            await self._cut_power(self._random.choice(self._members), in_flash=kind == "flash")

    async def _cut_power(self, member: Member, *, in_flash: bool) -> None:
        board = member.board
        await self._off(member)
        if in_flash:
            # One of the writes to come is torn, whatever it is.
            board.cut_at = self._random.randrange(1, OPERATIONS)
            started, since = time.time(), board.serial.count
            await board.power_on()
            async with asyncio.timeout(120):
                while board.powered:
                    await asyncio.sleep(0.02)
            member.counter.cuts.append(time.time())
            if not any(KNOWS_TIME in line for line in board.log_since(since)):
                member.counter.timeless.append((started, time.time()))
        # A board that lost its power has lost the time: what it takes before it knows it again can
        # only be dated if the power stays until then.
        since = board.serial.count
        await board.power_on()
        await board.wait_for_log(KNOWS_TIME, 120, since)

    async def _off(self, member: Member) -> None:
        member.counter.cuts.append(time.time())
        await member.board.cut_power()
        member.counter.cuts.append(time.time())

    async def _drain(self) -> None:
        """Until everything is there, or nothing more comes."""
        end = time.monotonic() + DRAIN_S
        while time.monotonic() < end:
            missing = sum(len(self._missing(member)) for member in self._members)
            if not missing:
                return
            await asyncio.sleep(1)

    def _rows(self, member: Member) -> dict[int, list[float]]:
        rows: dict[int, list[float]] = {}
        for device, at, value in member.store.stored():
            if device == member.board.name:
                rows.setdefault(int(value), []).append(at)
        return rows

    def _missing(self, member: Member) -> list[int]:
        rows = self._rows(member)
        # What was read a moment ago is still on its way.
        newest = time.time() - 5
        taken = member.counter.surely_taken()
        return [number for number, at in taken.items() if at < newest and number not in rows]

    def _judge(self) -> None:
        report = self.report
        for member in self._members:
            name = member.board.name
            report.taken += len(member.counter.surely_taken())
            report.lost += [(name, number) for number in self._missing(member)]
            for number, times in self._rows(member).items():
                true = member.counter.taken[number]
                report.sent_twice += len(times) - 1
                for at in times:
                    if not -numbered.DATED_S <= at - true <= numbered.LIVE_S:
                        report.misdated.append((name, number, at - true))


def run(boards: int, seconds: float, interval_s: float, seed: int) -> Report:
    """A campaign in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mote-campaign-") as folder:
        return asyncio.run(Campaign(Path(folder), boards, interval_s, seed).run(seconds))
