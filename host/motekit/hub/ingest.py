"""From messages to rows: readings, backfill and status, batched into the store."""

import asyncio
import contextlib
import json
import logging
import math
import time
from collections.abc import Callable
from typing import Any

from mote import contract

from motekit.hub.store import Reading, Store, StoreError

LOGGER = logging.getLogger(__name__)
# So long a batch gathers: whoever waits for its acknowledgement waits as long.
GATHER_S = 0.001
RETRY_S = 1.0
COMPLAIN_EVERY_S = 60.0
Listener = Callable[[Reading], None]


class Ingest:
    """Takes every message that the broker accepted; `listeners` are told each reading at once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: list[Reading] = []
        self._news = asyncio.Event()
        # Set when what is pending is in the store; the same of what is just being written.
        self._next = asyncio.Event()
        self._underway: list[asyncio.Event] = []
        self._task: asyncio.Task[None] | None = None
        self._complained = -COMPLAIN_EVERY_S
        self._refused_before = 0
        self.refused = 0
        self.accepted = 0
        self.listeners: list[Listener] = []
        # Told the name of each device that comes online.
        self.arrivals: list[Callable[[str], None]] = []
        # Told each answer of a device to a command.
        self.answers: list[Callable[[str, dict[str, Any]], None]] = []

    def start(self) -> None:
        self._task = asyncio.create_task(self._commit())

    async def stop(self) -> None:
        """Write what is pending. Raises StoreError if that cannot be done."""
        if self._task:
            self._task.cancel()
        await self._flush()

    async def written(self) -> None:
        """Until everything that came so far is in the store: a killed hub has it from then on."""
        if self._pending:
            await self._next.wait()
        elif self._underway:
            await self._underway[-1].wait()

    def message(self, topic: str, payload: bytes) -> None:
        """One message from the broker."""
        level = topic.split("/")
        if level[0] == "sensors":
            self._reading(level, payload)
        elif level[0] == "backfill" and len(level) == 2:
            for line in payload.splitlines():
                self._backfill(level[1], line)
        elif self.answers and level[0] == "devices" and level[2:] == ["reply"]:
            self._answer(level[1], payload)

    def retained(self, topic: str, payload: bytes) -> None:
        """A retained message, a last will among them."""
        level = topic.split("/")
        if len(level) != 3 or level[0] != "devices" or not contract.is_device_id(level[1]):
            return
        if level[2] == "status":
            online = payload.decode(errors="replace") == contract.ONLINE
            self._store.set_status(level[1], online=online, time_ns=time.time_ns())
            for listener in self.arrivals if online else ():
                listener(level[1])
        elif level[2] == "info":
            try:
                self._store.set_info(level[1], json.dumps(json.loads(payload)))
            except ValueError:
                self._refuse(topic, payload)

    def _answer(self, device: str, payload: bytes) -> None:
        with contextlib.suppress(ValueError):
            answer = json.loads(payload)
            if isinstance(answer, dict):
                for listener in self.answers:
                    listener(device, answer)

    def _reading(self, level: list[str], payload: bytes) -> None:
        value = parse_float(payload)
        named = len(level) == 3 and contract.is_device_id(level[1]) and contract.is_metric(level[2])
        if value is None or not named:
            self._refuse("/".join(level), payload)
            return
        self._accept(Reading(level[1], level[2], time.time_ns(), value))

    def _backfill(self, device: str, line: bytes) -> None:
        reading = parse_line(device, line)
        if reading is None:
            self._refuse(contract.backfill_topic(device), line)
        else:
            self._accept(reading)

    def _accept(self, reading: Reading) -> None:
        self.accepted += 1
        self._pending.append(reading)
        self._news.set()
        for listener in self.listeners:
            listener(reading)

    def _refuse(self, topic: str, payload: bytes) -> None:
        """Count it, and say so at most once a minute: one bad device must not fill the log."""
        self.refused += 1
        now = time.monotonic()
        if now - self._complained >= COMPLAIN_EVERY_S:
            self._complained = now
            new = self.refused - self._refused_before
            self._refused_before = self.refused
            LOGGER.warning("%d payloads refused, the last on %s: %.40r", new, topic, payload)

    async def _commit(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(GATHER_S)
            try:
                await self._flush()
            except StoreError as error:
                LOGGER.error("%s; %d readings wait in memory", error, len(self._pending))
                self._news.set()
                await asyncio.sleep(RETRY_S)

    async def _flush(self) -> None:
        batch, self._pending = self._pending, []
        if not batch:
            return
        self._underway.append(self._next)
        self._next = asyncio.Event()
        try:
            await asyncio.to_thread(self._store.write, batch)
        except BaseException:
            self._pending = batch + self._pending
            raise
        for written in self._underway:
            written.set()
        self._underway.clear()


def parse_float(payload: bytes) -> float | None:
    """The reading in a payload: a finite decimal float in ASCII, else None."""
    try:
        text = payload.decode("ascii").strip()
        value = float(text)
    except ValueError:
        return None
    # Python reads 1_000 as a number; no other consumer of the topic does.
    return value if math.isfinite(value) and "_" not in text else None


def parse_line(device: str, line: bytes) -> Reading | None:
    """One line of backfill: `sensors,device=<id>,metric=<metric> value=<float> <ns>`, else None.

    Names need no escapes in line protocol: the contract's characters have none that do.
    """
    try:
        tags, field, time_ns = line.decode("ascii").split(" ")
        measurement, device_tag, metric_tag = tags.split(",")
        key, _, number = field.partition("=")
        value = parse_float(number.encode())
    except ValueError:
        return None
    metric = metric_tag.removeprefix("metric=")
    expected = (measurement, device_tag, key) == ("sensors", f"device={device}", "value")
    if not expected or value is None or not contract.is_metric(metric) or not time_ns.isdigit():
        return None
    return Reading(device, metric, int(time_ns), value)
