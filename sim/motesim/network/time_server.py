"""A time server of the internet, as the loopback world knows it: answers by SNTP (RFC 4330)."""

import asyncio
import struct
import time

_MODE_SERVER = 4
_VERSION = 4
_STRATUM = 2
_UNIX_1900 = 2_208_988_800


class TimeServer(asyncio.DatagramProtocol):
    """Tells this machine's time, `ahead_s` seconds ahead of it; silent while `off`."""

    def __init__(self) -> None:
        self.ahead_s = 0.0
        self.off = False
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> tuple[str, int]:
        """Where it answers."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        host, port = self._transport.get_extra_info("sockname")
        return str(host), int(port)

    def close(self) -> None:
        if self._transport:
            self._transport.close()

    def datagram_received(self, data: bytes, sender: tuple[str | object, int]) -> None:
        if len(data) < 48 or self.off or not self._transport:
            return
        now = self._timestamp()
        head = struct.pack("!BBbb", _VERSION << 3 | _MODE_SERVER, _STRATUM, 6, -20)
        # Reference, originate (what the client sent as its own time), receive, transmit.
        answer = head + bytes(12) + now + data[40:48] + now + self._timestamp()
        self._transport.sendto(answer, sender)

    def _timestamp(self) -> bytes:
        now = time.time() + self.ahead_s + _UNIX_1900
        return struct.pack("!II", int(now) % (1 << 32), int(now % 1 * (1 << 32)))
