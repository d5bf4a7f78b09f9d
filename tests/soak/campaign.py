"""Boards that number their readings, while everything around them is cut."""

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numbered
import verdict
from motesim import AccessPoint, BoardSpec, World
from motesim.board import VirtualBoard
from stores import BehindMosquitto, InHub, Store
from verdict import Report

# When nothing more comes for so long, the rest is lost.
DRAIN_S, DRAIN_LOOK_S = 60, 2
# The flash is cut in the middle of one of so many operations to come.
OPERATIONS = 120
KNOWS_TIME = "clock: set by"
# From knowing it to having it in the flash: the beat of the board, and a busy machine.
DATES_S = 3.0
TIME_S = 300
# How long a cut lasts, in seconds; one in so many is a long one.
OUTAGE_S, LONG_S, LONG_ONE_IN = (1.0, 8.0), (20.0, 40.0), 10
BETWEEN_S = (0.5, 3.0)
AROUND = ("wifi", "broker", "hub", "network")
POWER = ("power", "flash")
KINDS = len(AROUND + POWER)
# So many boards at a time are without power.
WITHOUT_POWER = 2
LOSS, DELAY_S = 0.3, 2.0
TOLD_EVERY_S = 30.0
# Boards that are cut take less than they could; so much longer, and something stands still.
PATIENCE = 3


class Member:
    """A board of the campaign, its counter, and where its readings go."""

    def __init__(self, board: VirtualBoard, counter: numbered.Counter, store: Store) -> None:
        self.board, self.counter, self.store = board, counter, store


class Campaign:
    """`boards` boards with a reading every `interval_s`, half of them on each kind of store.

    `tell` is told how far it is, now and then. `slack_s` is what a busy machine may be late.
    """

    def __init__(
        self, folder: Path, boards: int, interval_s: float, seed: int,
        tell: Callable[[str], None] = lambda _: None, slack_s: float = 0.0,
    ) -> None:  # fmt: skip
        self._folder = folder
        self._count, self._interval_s = boards, interval_s
        self._seed, self._tell = seed, tell
        self._wifi = AccessPoint("home", "a good password")
        self._stores: dict[str, Store] = {
            "broker.local": BehindMosquitto(folder / "mosquitto"),
            "hub.local": InHub(folder / "hub"),
        }
        self._members: list[Member] = []
        self._idle: list[Member] = []
        self._over = False
        self._dates_s = DATES_S + slack_s
        self.report = Report(slack_s)

    async def run(self, rounds: int) -> Report:
        """Cut until every board has taken `rounds` readings, and everything was cut.

        Then everything may arrive.

        Raises TimeoutError when boards stand still.
        """
        # What the radio loses is drawn from here.
        random.seed(self._seed)
        for store in self._stores.values():
            await store.start()
        try:
            async with World() as world:
                await self._set_up(world)
                async with asyncio.TaskGroup() as streams:
                    streams.create_task(self._cut_around(world))
                    for place in range(WITHOUT_POWER):
                        streams.create_task(self._cut_power(place))
                    await self._rounds(rounds)
                    self._over = True
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
        self._idle = list(self._members)
        await asyncio.gather(*(self._on(member) for member in self._members))

    async def _rounds(self, rounds: int) -> None:
        began, told = time.monotonic(), 0.0
        while (least := min(self._taken().values())) < rounds or len(self.report.cuts) < KINDS:
            passed_s = time.monotonic() - began
            if passed_s > PATIENCE * rounds * self._interval_s + TIME_S:
                raise TimeoutError(f"a board took {least} of {rounds} rounds only: {self._taken()}")
            if passed_s - told >= TOLD_EVERY_S:
                told = passed_s
                self._tell(
                    f"{least} of {rounds} rounds, {self._owed()} readings on their way, "
                    f"{sum(self.report.cuts.values())} cuts"
                )
            await asyncio.sleep(self._interval_s)

    def _taken(self) -> dict[str, int]:
        return {member.board.name: len(member.counter.taken) for member in self._members}

    async def _cut_around(self, world: World) -> None:
        chance = random.Random(f"{self._seed} around")
        for kind in _decks(chance, AROUND):
            if self._over:
                return
            long = not chance.randrange(LONG_ONE_IN)
            outage_s = chance.uniform(*(LONG_S if long else OUTAGE_S))
            since = time.time()
            await self._without(world, kind, outage_s)
            self._cut(kind, since)
            await asyncio.sleep(chance.uniform(*BETWEEN_S))

    async def _without(self, world: World, kind: str, outage_s: float) -> None:
        if kind == "wifi":
            world.switch(self._wifi, up=False)
            await asyncio.sleep(outage_s)
            world.switch(self._wifi, up=True)
        elif kind == "network":
            self._wifi.loss, self._wifi.delay_s = LOSS, DELAY_S
            await asyncio.sleep(outage_s)
            self._wifi.loss, self._wifi.delay_s = 0.0, 0.0
        else:
            store = self._stores[f"{kind}.local"]
            store.kill()
            await asyncio.sleep(outage_s)
            await store.start()

    async def _cut_power(self, place: int) -> None:
        chance = random.Random(f"{self._seed} power {place}")
        for kind in _decks(chance, POWER):
            await asyncio.sleep(chance.uniform(*BETWEEN_S))
            if self._over:
                return
            since = time.time()
            if not self._idle:
                continue
            member = self._idle.pop(chance.randrange(len(self._idle)))
            await self._off(member)
            if kind == "flash" and not await self._torn(member, chance.randrange(1, OPERATIONS)):
                kind = "power"
            # A board that lost its power has lost the time: what it takes before it knows it again
            # can only be dated if the power stays until then.
            await self._on(member)
            self._idle.append(member)
            self._cut(kind, since, member)

    async def _torn(self, member: Member, operation: int) -> bool:
        """Run the board until one of the writes to come is torn, whatever it is.

        False when all is over before; then it just lost its power.
        """
        board, since = member.board, member.board.serial.count
        first = len(member.counter.taken) + 1
        board.cut_at = operation
        await board.power_on()
        knew_at = 0.0
        async with asyncio.timeout(TIME_S):
            while board.powered:
                if not knew_at and any(KNOWS_TIME in line for line in board.log_since(since)):
                    knew_at = time.monotonic()
                if self._over:
                    board.cut_at = 0
                    await board.cut_power()
                await asyncio.sleep(0.02)
        member.counter.power_lost()
        if not knew_at or time.monotonic() - knew_at < self._dates_s:
            member.counter.undatable_from(first)
        return not self._over

    async def _on(self, member: Member) -> None:
        since = member.board.serial.count
        await member.board.power_on()
        await member.board.wait_for_log(KNOWS_TIME, TIME_S, since)
        await asyncio.sleep(self._dates_s)

    async def _off(self, member: Member) -> None:
        await member.board.cut_power()
        member.counter.power_lost()

    def _cut(self, kind: str, since: float, member: Member | None = None) -> None:
        self.report.cuts[kind] += 1
        what = f"{kind} of {member.board.name}" if member else kind
        self.report.outages.append((what, since, time.time()))

    async def _drain(self) -> None:
        """No more readings, until all that were taken are there or nothing more comes."""
        for member in self._members:
            member.counter.plugged_in = False
        owed, since = 0, time.monotonic()
        while time.monotonic() - since < DRAIN_S and (left := self._owed()):
            if left != owed:
                owed, since = left, time.monotonic()
                self._tell(f"nothing is cut any more, {owed} readings on their way")
            await asyncio.sleep(DRAIN_LOOK_S)

    def _owed(self) -> int:
        return sum(
            verdict.missing(store, {
                member.board.name: member.counter
                for member in self._members if member.store is store
            })
            for store in self._stores.values()
        )  # fmt: skip

    def _judge(self) -> None:
        report = self.report
        for store in self._stores.values():
            rows = store.rows()
            report.sent_twice += verdict.sent_twice(store)
            for member in self._members:
                if member.store is store:
                    name = member.board.name
                    report.judge(name, member.counter, rows.get(name, ()))


def _decks(chance: random.Random, kinds: tuple[str, ...]) -> Iterator[str]:
    """Each kind as often as the others, in an order of chance, for ever."""
    while True:
        yield from chance.sample(kinds, len(kinds))


def run(
    boards: int, rounds: int, interval_s: float, seed: int, tell: Callable[[str], None]
) -> Report:
    """A campaign in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="mote-campaign-") as folder:
        return asyncio.run(Campaign(Path(folder), boards, interval_s, seed, tell).run(rounds))
