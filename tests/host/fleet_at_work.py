"""A fleet at a real mosquitto, with an ear beside it and a line between that can be cut."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from house_of_one import Broker
from motekit.fleet.connection import Server
from motekit.fleet.fleet import Fleet
from motekit.fleet.plan import Plan
from motekit.fleet.verify import Stored, Verdict, judge
from motekit.payloads import parse_backfill_line
from mqtt_ear import Ear, ear

# By default mosquitto drops what a slow subscriber has not taken.
OPEN = "allow_anonymous true\nmax_inflight_messages 0\nmax_queued_messages 0"
HEARD_S = 200
# What an outage kept is never heard live: so late is only what has not its own time.
LATE_S = 60


@dataclass
class Relay:
    """A line to a broker: it keeps what was sent, can withhold the answers, and can be cut."""

    port: int
    mute: bool = False
    sent: list[bytearray] = field(default_factory=list)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers += [writer, back]
        self.sent.append(bytearray())
        kept = self.sent[-1]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pump(reader, back, kept.extend))
            tasks.create_task(self._pump(there, writer, None))

    def cut(self) -> None:
        """Every connection breaks."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        keep: Callable[[bytes], None] | None,
    ) -> None:
        try:
            while data := await reader.read(65_536):
                if keep:
                    keep(data)
                if keep or not self.mute:
                    writer.write(data)
        except OSError:
            pass
        finally:
            writer.close()


@asynccontextmanager
async def relay(port: int) -> AsyncIterator[tuple[Relay, int]]:
    """A line to the broker at `port`, and the port to use instead."""
    line = Relay(port)
    server = await asyncio.start_server(line.take, "127.0.0.1", 0)
    try:
        yield line, server.sockets[0].getsockname()[1]
    finally:
        line.cut()
        server.close()


@asynccontextmanager
async def world(folder: Path, options: str = OPEN) -> AsyncIterator[tuple[Broker, Ear]]:
    """A mosquitto, and all that it hands on, with the time of it; see `messages`."""
    broker = Broker(folder, options)
    await broker.start()
    try:
        told = ("-p", str(broker.port), "-q", "1", "-t", "#", "-F", "%t %U %x")
        async with ear([], *told) as heard:
            # A subscription is there when the first retained or other message comes.
            await _heard_at_all(broker.port, heard)
            yield broker, heard
    finally:
        await broker.stop()


async def _heard_at_all(port: int, heard: Ear) -> None:
    while not heard.heard:
        publish = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", "-p", str(port), "-t", "test/ready", "-m", "1")
        )
        await publish.wait()


def fleet(port: int, window: int = 100, **plan: Any) -> Fleet:
    """A fleet that numbers its readings, for the broker at `port`."""
    server = Server("127.0.0.1", port, window=window)
    return Fleet(Plan(server, **{"numbered": True, "away_s": 1, **plan}))


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(HEARD_S):
        while not condition():
            await asyncio.sleep(0.01)


def messages(heard: Ear) -> Iterator[tuple[str, float, str]]:
    """Topic, Unix time and payload of what was heard."""
    for topic, text in heard.heard:
        time_s, _, payload = text.partition(" ")
        yield topic, float(time_s), bytes.fromhex(payload).decode()


def arrived(heard: Ear) -> Iterator[Stored]:
    """What a database would have stored of it: live readings with the time of their arrival."""
    for topic, time_s, payload in messages(heard):
        level = topic.split("/")
        if level[0] == "sensors":
            yield Stored(level[1], level[2], time_s, float(payload))
        elif level[0] == "backfill":
            for line in payload.splitlines():
                one = parse_backfill_line(level[1], line.encode(), time.time_ns())
                metric, time_ns, value = one
                yield Stored(level[1], metric, time_ns / 1e9, value)


async def judged(done: Fleet, heard: Ear) -> Verdict:
    """The verdict when all has been heard, or nothing more comes."""
    try:
        async with asyncio.timeout(HEARD_S):
            while (verdict := judge(done.devices, arrived(heard), LATE_S)).lost:
                await asyncio.sleep(0.2)
    except TimeoutError:
        pass
    return verdict
