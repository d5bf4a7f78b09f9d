"""A clock, a broker and a board for the tests of delivery."""

import asyncio

from file_flash import PLACE
from mote import delivery
from mote.delivery import Delivery
from mote.store.ring import Ring

FOLDER = PLACE + "/store"
NOW_MS = 1_790_000_000_000
STEP_MS = 10_000


class Time:
    """A clock of the test: unknown until it is told."""

    def __init__(self, known=True):
        self.known = known
        self.ms = NOW_MS

    def now_ms(self):
        return self.ms if self.known else None

    def boot_ms(self):
        return NOW_MS - 50_000


class Broker:
    """Stands for a client: keeps what comes, and acknowledges when the test says so."""

    def __init__(self, at_once=True):
        self.sent = []
        self.on_their_way = []
        self.at_once = at_once
        self.reason = None
        self._pid = 0

    async def publish_all(self, messages, news):
        if self.reason:
            raise OSError(128)
        left = []
        for topic, payload in messages:
            self._pid += 1
            left.append(self._pid)
            self.sent.append((topic, payload))
        self.on_their_way.append((left, news, topic))
        if self.at_once:
            self.acknowledge()
        return left

    def acknowledge(self, messages=None):
        """What is on its way has arrived, or the first `messages` of it."""
        for left, news, _ in self.on_their_way:
            while left and messages != 0:
                left.pop(0)
                messages = messages - 1 if messages else None
            if not left:
                news.set()
        self.on_their_way = [one for one in self.on_their_way if one[0]]

    def close(self, reason=None):
        self.reason = reason or "closed"

    def live(self):
        return [(t, p) for t, p in self.sent if t.startswith("sensors/")]

    def lines(self):
        """Every line of backfill."""
        return [line for t, p in self.sent if t == "backfill/dev" for line in p.split("\n")]


async def settled():
    for _ in range(40):
        await asyncio.sleep_ms(0)


class Board:
    """A delivery on a flash of its own, and the connection that it has."""

    def __init__(self, known=True, boot=1):
        self.time = Time(known)
        self.boot = boot
        self.start()
        self._task = None

    def start(self):
        self.delivery = Delivery("dev", Ring(FOLDER, boot=self.boot), self.time, self.boot)

    async def takes(self, *rounds):
        for readings in rounds:
            for metric in sorted(readings):
                self.delivery.take(metric, readings[metric])
            self.delivery.keep()
            self.time.ms += STEP_MS
            await settled()

    async def takes_unseen(self, *values):
        """Rounds that have waited too long to go out live."""
        await self.takes(*[{"t": value} for value in values])
        self.delivery._live.clear()

    async def online(self, broker):
        self._task = asyncio.create_task(self.delivery.deliver(broker))
        await settled()
        return broker

    async def offline(self):
        self._task.cancel()
        await settled()


def line(metric, value, ms):
    return "sensors,device=dev,metric=%s value=%s %d000000" % (metric, value, ms)


class Quick:
    """While it lasts, a round is too old to go out live after `ms`."""

    def __init__(self, ms):
        self._ms = ms

    def __enter__(self):
        self._before = delivery.LIVE_MS
        delivery.LIVE_MS = self._ms

    def __exit__(self, *_):
        delivery.LIVE_MS = self._before
