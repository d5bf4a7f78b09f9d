"""The broker on a real socket, in a thread with an event loop of its own."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import wire_format as wire
from driven_broker import Accounts
from motekit.broker.backend import Batch, CommitError, SavedState
from motekit.broker.limits import Limits
from motekit.broker.server import Server
from wire_format import V5, V311, Packet

WAIT_S = 90


class Storage(Accounts):
    """Accounts, and a store that the test can make slow or fail."""

    def __init__(self) -> None:
        super().__init__()
        self.committed: list[bytes] = []
        self.is_failing = False
        self.attempts = 0

    def load(self) -> SavedState:
        return SavedState()

    async def commit(self, batch: Batch) -> None:
        self.attempts += 1
        if self.is_failing:
            raise CommitError("the disk is full")
        self.committed += [one.payload for one in batch.messages]


class RunningBroker:
    """`with RunningBroker() as broker:`; `port` is that of its listener on loopback."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.storage = Storage()
        self._limits = limits
        self._started = threading.Event()

    def __enter__(self) -> "RunningBroker":
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))
        self._thread.start()
        assert self._started.wait(WAIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    async def _run(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = listener.getsockname()[1]
        self.server = Server(self.storage, [listener], self._limits)
        self.loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await self.server.start()
        self._started.set()
        await self._stopped.wait()
        await self.server.stop()

    @property
    def statistics(self) -> dict[str, int]:
        return self.server.broker.state.statistics

    def connection(self) -> "Wire":
        """A TCP connection that has sent nothing."""
        return Wire(self.port)

    def connect(self, client_id: str = "", version: int = V311, **more: Any) -> "Wire":
        """A client that the broker has let in."""
        client = Wire(self.port, version)
        client.send(wire.connect(client_id, version=version, **more))
        assert client.take(wire.CONNACK).reason == 0
        return client


class Wire:
    """A client that sends and reads packets itself."""

    def __init__(self, port: int, version: int = V311) -> None:
        self.version = version
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)
        self._rest = b""
        self._packets: list[Packet] = []

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def take(self, kind: int) -> Packet:
        """The next packet, which must be of this kind."""
        while not self._packets:
            data = self.socket.recv(65_536)
            assert data, f"closed, no packet of type {kind}"
            self._packets, self._rest = wire.split(self._rest + data, self.version)
        first = self._packets.pop(0)
        assert first.kind == kind, first
        return first

    def is_closed_by_peer(self, seconds: float = WAIT_S) -> bool:
        """Wait for the end of the connection; what comes before it is thrown away."""
        self.socket.settimeout(seconds)
        try:
            while self.socket.recv(65_536):
                pass
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()


def until(condition: Callable[[], object], seconds: float = WAIT_S) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


__all__ = ["V5", "V311", "RunningBroker", "Wire", "until"]
