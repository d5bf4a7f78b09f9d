"""A phone on a board's access point, for the browser of this machine.

The browser opens `http://127.0.0.1:<port>/`; the board sees a phone that asks for 192.168.4.1. The
names in the heads of requests and responses are exchanged, the bodies are left alone.
"""

import asyncio
import contextlib
from collections.abc import Callable

BOARD = b"192.168.4.1"
HEAD_LIMIT = 16 * 1024
REJOIN_S = 3.0


class Visitor:
    """A small reverse proxy; `portal_port` gives the board's port 80 on this machine, or None."""

    def __init__(self, portal_port: Callable[[], int | None]) -> None:
        self._portal_port = portal_port
        self._server: asyncio.Server | None = None
        self._away_until = 0.0
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def present(self) -> bool:
        """True while a browser has a connection open."""
        return bool(self._writers)

    async def open(self) -> None:
        """Listen; the port stays the same for the life of the board."""
        if self._server is None:
            self._server = await asyncio.start_server(
                self._visit, "127.0.0.1", self.port, limit=HEAD_LIMIT
            )
            self.port = self._server.sockets[0].getsockname()[1]

    async def drop(self, *, returns: bool = False) -> None:
        """The phone falls off the network; with `returns` it joins again by itself."""
        if returns:
            self._away_until = asyncio.get_running_loop().time() + REJOIN_S
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        if self._server:
            self._server.close()
        await self.drop()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            away = self._away_until - asyncio.get_running_loop().time()
            port = self._portal_port()
            if away > 0 or port is None:
                writer.transport.abort()
                return
            inner, outer = await asyncio.open_connection("127.0.0.1", port)
            self._writers.add(outer)
            try:
                await asyncio.gather(
                    self._forward(reader, outer, self._own_name(), BOARD),
                    self._forward(inner, writer, BOARD, self._own_name(), last=True),
                )
            finally:
                self._writers.discard(outer)
                outer.close()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            with contextlib.suppress(OSError):
                writer.close()

    def _own_name(self) -> bytes:
        return b"127.0.0.1:%d" % self.port

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        name: bytes,
        other: bytes,
        *,
        last: bool = False,
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        writer.write(head.replace(name, other))
        await writer.drain()
        length = _content_length(head)
        while True:
            if not last and length <= 0:
                return
            data = await reader.read(4096)
            if not data:
                return
            length -= len(data)
            writer.write(data)
            await writer.drain()


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            return int(value)
    return 0
