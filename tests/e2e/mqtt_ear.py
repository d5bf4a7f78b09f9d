"""An independent ear: what `mosquitto_sub` hears on a broker, line by line."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise


class Ear:
    """Messages heard so far as (topic, payload), and a way to await one."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self._news = asyncio.Condition()

    async def listen(self, stream: asyncio.StreamReader) -> None:
        while line := await stream.readline():
            topic, _, payload = line.decode().rstrip("\n").partition(" ")
            async with self._news:
                self.heard.append((topic, payload))
                self._news.notify_all()

    async def more_than(self, count: int) -> None:
        """Returns when more than `count` messages have been heard."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.heard) > count)

    async def wait_for(
        self, wanted: Callable[[str, str], bool], timeout_s: float
    ) -> tuple[str, str]:
        """The first message, past or to come, that `wanted(topic, payload)` accepts."""

        def found() -> tuple[str, str] | None:
            return next((m for m in self.heard if wanted(*m)), None)

        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: found() is not None), timeout_s)
        message = found()
        assert message
        return message


async def intervals(heard: Ear, topic: str, count: int) -> list[float]:
    """Seconds between the next `count` + 1 messages on `topic`."""
    loop = asyncio.get_running_loop()
    since, times = len(heard.heard), []
    async with asyncio.timeout(120):
        while len(times) <= count:
            await heard.more_than(since)
            times += [loop.time() for one, _ in heard.heard[since:] if one == topic]
            since = len(heard.heard)
    return [after - before for before, after in pairwise(times)]


@asynccontextmanager
async def ear(prefix: list[str], *options: str) -> AsyncIterator[Ear]:
    """Runs `mosquitto_sub -v` behind `prefix` with `options`, and gives what it hears."""
    process = await asyncio.create_subprocess_exec(
        *prefix, "mosquitto_sub", "-v", *options, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout
    heard = Ear()
    listening = asyncio.create_task(heard.listen(process.stdout))
    try:
        yield heard
    finally:
        # Its handler of a polite signal takes a lock that its own thread may hold, and stays.
        process.kill()
        await process.wait()
        await listening
