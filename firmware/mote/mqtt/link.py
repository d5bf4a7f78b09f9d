"""The bytes between board and broker: one open TCP connection, with or without TLS over it."""

import asyncio
from errno import ECONNRESET, ENOTCONN, ETIMEDOUT

from mote import tasks

WRITE_S = 10
# Many PUBACKs come in one segment; one read for all of them is one wait instead of many.
_CHUNK = 256
# Of a long payload so much is handed on at once: a segment of TCP.
_PIECE = 1400


class Link:
    """An open connection. Every method raises OSError once it is gone or too slow."""

    def __init__(self, sock, stream, ahead=b""):
        self._sock = sock
        self._stream = asyncio.StreamReader(stream)
        self._ahead = ahead
        self._turn = asyncio.Lock()
        self._closed = False

    async def read_exactly(self, count):
        """`count` bytes, however long they take. Raises OSError(ECONNRESET) at the end."""
        while len(self._ahead) < count:
            # Polling a closed socket would wait for ever.
            if self._closed:
                raise OSError(ENOTCONN)
            more = await self._stream.read(_CHUNK)
            if not more:
                raise OSError(ECONNRESET)
            self._ahead += more
        data, self._ahead = self._ahead[:count], self._ahead[count:]
        return data

    async def read_into(self, buffer):
        """Fill `buffer`, a memoryview, however long it takes; raises OSError as `read_exactly`."""
        count = len(buffer)
        at = min(len(self._ahead), count)
        buffer[:at], self._ahead = self._ahead[:at], self._ahead[at:]
        while at < count:
            if self._closed:
                raise OSError(ENOTCONN)
            got = await self._stream.readinto(buffer[at:])
            if got == 0:
                raise OSError(ECONNRESET)
            # TLS may have nothing yet for what the network had.
            at += got or 0

    async def write(self, packet, payload=b""):
        """Send a packet whole, in one write, so that Nagle's algorithm has nothing to wait for.

        A long `payload` is sent behind it, in pieces and without a copy. Raises OSError(ETIMEDOUT)
        after 10 s without progress. After an error the stream is of no use: a part of the packet
        may be out.
        """
        async with self._turn:
            await self._write(packet)
            for at in range(0, len(payload), _PIECE):
                await self._write(payload[at : at + _PIECE])

    async def _write(self, data):
        if self._closed:
            raise OSError(ENOTCONN)
        # Mostly it goes out at once; a time-out costs a task, so it is for the rest only.
        sent = self._stream.s.write(data) or 0
        if sent < len(data):
            self._stream.write(data[sent:])
            await within(WRITE_S, self._stream.drain())

    def close(self):
        """Close both layers; a connection that is already gone is fine."""
        self._closed = True
        # A TLS layer that fails in its farewell would leave the socket open: ten is all there are.
        for layer in (self._stream.s, self._sock):
            try:
                layer.close()
            except OSError:
                pass


async def within(seconds, awaitable):
    """Its result. Raises OSError(ETIMEDOUT) when it is not there in time."""
    try:
        return await tasks.within(seconds, awaitable)
    except asyncio.TimeoutError:
        raise OSError(ETIMEDOUT) from None
