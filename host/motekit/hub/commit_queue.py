"""Gather single messages into batches for `Ingest.commit`, for a broker that has no batches."""

import asyncio
import time

from motekit.broker.backend import Batch, CommitError, Message
from motekit.hub.ingest import Ingest

# So long a batch gathers: whoever waits for its acknowledgement waits as long.
GATHER_S = 0.001
RETRY_S = 1.0


class CommitQueue:
    """Messages in the order of their arrival, until they are stored."""

    def __init__(self, ingest: Ingest) -> None:
        self._ingest = ingest
        self._pending: list[Message] = []
        self._news = asyncio.Event()
        # How many messages came, how many of them are stored, and who waits for more of those.
        self._came = self._stored = 0
        self._progress = asyncio.Event()
        self._last_ns = 0

    def add(self, topic: str, payload: bytes) -> None:
        """Take a message that the broker has accepted."""
        now_ns = time.time_ns()
        if self._last_ns - 1_000_000_000 < now_ns <= self._last_ns:
            now_ns = self._last_ns + 1
        self._last_ns = now_ns
        self._pending.append(Message(topic, payload, 1, False, time_ns=now_ns))
        self._came += 1
        self._news.set()

    async def written(self) -> None:
        """Wait until everything that came so far is in the store."""
        came = self._came
        while self._stored < came:
            await self._progress.wait()

    async def run(self) -> None:
        """Commit what comes, until cancelled."""
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_S)
            try:
                await self.flush()
            except CommitError:
                await asyncio.sleep(RETRY_S)

    async def flush(self) -> None:
        """Write what is pending. Raises CommitError; then it is pending still."""
        batch, self._pending = self._pending, []
        self._news.clear()
        if not batch:
            return
        try:
            await self._ingest.commit(Batch(messages=batch))
        except BaseException:
            self._pending = batch + self._pending
            self._news.set()
            raise
        self._stored += len(batch)
        progress, self._progress = self._progress, asyncio.Event()
        progress.set()
