"""One TCP connection through the air: it can fall silent, lose packets, outlive a dead board."""

import asyncio
import contextlib
import random
import socket
from collections.abc import Callable

from motekit.supervision import logged

CHUNK = 4096
# A lost segment comes again after TCP's first retransmission time-out (RFC 6298: about a second).
RETRANSMIT_S = 1.0
CLOSE_S = 2.0
_holes: list[socket.socket] = []


def blackhole() -> tuple[str, int]:
    """An address that never answers: a listener whose queue is full drops every SYN."""
    if not _holes:
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        _holes.append(listener)
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            _holes.append(filler)
    address, port = _holes[0].getsockname()
    return address, port


class Relay:
    """Carries bytes between a board and `target` while `link` is set."""

    def __init__(
        self,
        target: tuple[str, int],
        link: asyncio.Event,
        loss: Callable[[], float],
        delay_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._target = target
        self._link = link
        self._loss = loss
        self._delay_s = delay_s
        self._server: asyncio.Server | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._board_alive = True
        self.on_end: Callable[[Relay], None] = lambda _: None

    async def open(self) -> tuple[str, int] | None:
        """The address to connect to; None when the target refuses."""
        try:
            reader, writer = await asyncio.open_connection(*self._target)
        except OSError:
            return None
        self._writers.append(writer)

        async def accepted(inner: asyncio.StreamReader, outer: asyncio.StreamWriter) -> None:
            if self._server:
                self._server.close()
            self._writers.append(outer)
            self._tasks = [
                asyncio.create_task(
                    logged("a connection", self._carry(inner, writer, from_board=True))
                ),
                asyncio.create_task(
                    logged("a connection", self._carry(reader, outer, from_board=False))
                ),
            ]
            # Of a board that is gone the other side hears nothing, until it gives up by itself.
            await asyncio.wait(self._tasks)
            await self.close()

        self._server = await asyncio.start_server(accepted, "127.0.0.1", 0)
        address, port = self._server.sockets[0].getsockname()
        return address, port

    def board_gone(self) -> None:
        """Its end is no more: what is on the way arrives nowhere, and nobody says goodbye."""
        self._board_alive = False

    async def close(self) -> None:
        self.on_end(self)
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.close()
            # What is still to be sent over a silent link is of no use to anyone.
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), CLOSE_S)

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_board: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                data = await reader.read(CHUNK)
                if not data:
                    break
                # A window of lwIP (5,760 bytes) a round trip is what a slow network lets through.
                if self._delay_s():
                    await asyncio.sleep(self._delay_s())
                while self._board_alive and random.random() < self._loss():
                    await asyncio.sleep(RETRANSMIT_S)
                if self._board_alive:
                    await self._link.wait()
                if self._board_alive:
                    writer.write(data)
                    await writer.drain()
        if self._board_alive or not from_board:
            await self._link.wait()
            with contextlib.suppress(OSError):
                writer.write_eof()
