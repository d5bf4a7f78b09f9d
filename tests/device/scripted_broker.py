"""A broker of a few lines in the same event loop, which a test makes as bad as it likes."""

import asyncio
import random

from mote.mqtt import connecting, protocol

CONNACK = b"\x20\x02\x00\x00"
PINGRESP = b"\xd0\x00"
# Below those of outgoing connections, and of the other tests.
_PORTS = range(10_000, 18_000)


class Broker:
    """Accepts one client after another; `script(broker)` plays the server's side of each."""

    def __init__(self, script):
        self._script = script
        self.failed = None

    async def __aenter__(self):
        # Others look for a port at the same moment: only who listens on it has it.
        for _ in range(200):
            self.port = random.choice(_PORTS)
            try:
                self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
                return self
            except OSError:
                continue
        raise OSError("no port is free")

    async def __aexit__(self, *exc):
        self._server.close()
        await self._server.wait_closed()
        if self.failed:
            raise self.failed

    async def _serve(self, reader, writer):
        self._reader = reader
        self._writer = writer
        try:
            await self._script(self)
        except (OSError, EOFError):
            pass
        except Exception as error:
            self.failed = error
        writer.close()
        await writer.wait_closed()

    async def packet(self):
        """(first byte, body) of the next packet."""
        first = (await self._reader.readexactly(1))[0]
        size = shift = 0
        while True:
            byte = (await self._reader.readexactly(1))[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                return first, await self._reader.readexactly(size)

    async def chunk(self):
        """What one segment brought."""
        return await self._reader.read(4096)

    async def send(self, data):
        self._writer.write(data)
        await self._writer.drain()

    async def accept(self):
        """Take CONNECT and let the client in; its body."""
        first, body = await self.packet()
        assert first == 0x10, first
        await self.send(CONNACK)
        return body

    async def acknowledge(self):
        """Acknowledge everything at QoS 1 and answer pings until the client goes."""
        while True:
            first, body = await self.packet()
            if first & 0xF6 == 0x32:
                await self.send(b"\x40\x02" + publish_id(body))
            elif first == 0xC0:
                await self.send(PINGRESP)
            elif first == 0x82:
                await self.send(b"\x90\x03" + body[:2] + b"\x01")
            elif first == 0xE0:
                return


def publish_id(body):
    """The packet identifier in the body of a PUBLISH at QoS 1."""
    start = 2 + (body[0] << 8 | body[1])
    return body[start : start + 2]


async def session(broker, **settings):
    """A session that is logged in to a scripted broker."""
    made = protocol.Session("dev", "127.0.0.1", broker.port, **settings)
    await made.connect(await connecting.connect(made.server, made.port))
    return made
