"""One connection to the broker: login, a window of unacknowledged publishes, keep-alive.

What was not acknowledged when the connection broke is sent again, marked as a duplicate; a reading
that waited too long for that goes to its device's store, because live topics carry no time.
"""

import asyncio
import ssl
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, cast

from motekit.fleet import wire
from motekit.fleet.device import Device, Message
from motekit.fleet.tally import Tally, now

CONNECT_S = 15.0
# A broker that acknowledges nothing for so long is as good as gone.
ANSWER_S = 20.0
KEEP_ALIVE_S = 20
# An unacknowledged reading that is older is not live any more.
FRESH_S = 5.0


class Refused(Exception):
    """The broker did not let us in; the text says why."""


@dataclass(frozen=True)
class Server:
    """Where the broker is; `tls` is None for plain TCP, `window` the publishes in flight."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    window: int = 100


class Login(NamedTuple):
    """Who connects, and the last will as (topic, payload)."""

    client: str
    user: str = ""
    password: str = ""
    will: tuple[str, str] | None = None


class Connection(asyncio.Protocol):
    """The connection of one device, or of many that share it; opened again after it was closed."""

    def __init__(self, server: Server, login: Login, tally: Tally) -> None:
        self._server = server
        self._login = login
        self._tally = tally
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[int] | None = None
        self._rest = b""
        self._in_flight: dict[int, Message] = {}
        self._last_id = 0
        self._paused = False
        self._said = 0.0
        # Since when the broker owes an answer; 0 while it owes none.
        self._asked = 0.0
        self.up = False
        self.closed = asyncio.Event()
        self.closed.set()
        self.devices: list[Device] = []
        self.waiting: deque[Message] = deque()
        self._behind: deque[Device] = deque()

    @property
    def full(self) -> bool:
        """Whether as much waits as fits into the window: more would only wait longer."""
        return len(self.waiting) >= self._server.window

    @property
    def idle(self) -> bool:
        """Whether nothing is owed to the broker."""
        return not (self.waiting or self._in_flight or any(d.store for d in self.devices))

    async def open(self) -> None:
        """Connect, log in, say who is there, send again. Raises OSError or Refused."""
        # The transport before this one may still be on its way out.
        await self.closed.wait()
        loop = asyncio.get_running_loop()
        self._answer = loop.create_future()
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(
                    lambda: self, self._server.host, self._server.port, ssl=self._server.tls
                )
                code = await self._answer
        except BaseException:
            self.cut()
            raise
        if code:
            self.cut()
            raise Refused(wire.REFUSED.get(code, f"return code {code}"))
        self.up = True
        self._tally.online += 1
        self._resume()

    def put(self, message: Message) -> None:
        """Owe a message; `flush` sends it."""
        self.waiting.append(message)

    def welcome(self, device: Device) -> None:
        """A device is there, on a connection that is open: it says so, and begins to measure."""
        assert self._transport
        address = self._transport.get_extra_info("sockname")[0]
        self.waiting.extend(device.hello(now(), address))
        self.catch_up(device)
        self.flush()

    def flush(self) -> None:
        """Send what the window has room for, in as few writes as can be."""
        while self.up and not self._paused:
            packets = []
            for _ in range(self._server.window - len(self._in_flight)):
                message = self._next()
                if message is None:
                    break
                packets.append(self._packet(message))
            if not packets:
                return
            self._write(packets)

    def catch_up(self, device: Device) -> None:
        """Send what `device` has kept, beside what is live."""
        device.store = deque(sorted(device.store, key=lambda message: message.made))
        self._behind.append(device)

    def tend(self) -> None:
        """Keep the connection alive, or give it up; to be called every second or so."""
        time_s = now()
        if self.up and self._asked and time_s - self._asked > ANSWER_S:
            self._tally.broken += 1
            self.cut()
        elif self.up and time_s - self._said > KEEP_ALIVE_S / 2:
            self._asked = self._asked or time_s
            self._write([wire.PINGREQ])

    def cut(self) -> None:
        """Break the connection without a word: the broker publishes the last will."""
        self._down()
        if self._transport:
            self._transport.abort()

    def leave(self) -> None:
        """End the connection properly."""
        if self.up and self._transport:
            self._write([wire.DISCONNECT])
            self._transport.close()
        self._down()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.closed.clear()
        self._transport = cast(asyncio.Transport, transport)
        self._rest = b""
        self._paused = False
        self._asked = 0.0
        name, user, password, will = self._login
        self._write([wire.connect(name, KEEP_ALIVE_S, user, password, will)])

    def data_received(self, data: bytes) -> None:
        time_s = now()
        try:
            acknowledged, others, self._rest = wire.read(self._rest + data)
        except wire.ProtocolError:
            self.cut()
            return
        for kind, body in others:
            if kind == wire.CONNACK and self._answer and not self._answer.done():
                self._answer.set_result(body[1])
        for packet_id in acknowledged:
            message = self._in_flight.pop(packet_id, None)
            if message and message.readings:
                self._count(message, time_s)
        self._asked = time_s if self._in_flight else 0.0
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError("the broker hung up"))
        self._tally.broken += self.up
        self._down()
        self._transport = None
        self.closed.set()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.flush()

    def _down(self) -> None:
        self._tally.online -= self.up
        self.up = False

    def _resume(self) -> None:
        time_s = now()
        unsure, self._in_flight = self._in_flight, {}
        waiting, self.waiting = self.waiting, deque()
        packets = []
        for message in unsure.values():
            if not _went_stale(message, time_s):
                self._tally.again += 1
                packets.append(self._packet(message, wire.DUP))
        self.waiting.extend(m for m in waiting if not _went_stale(m, time_s))
        if packets:
            self._write(packets)
        for device in self.devices:
            if device.present:
                self.welcome(device)
            else:
                self.catch_up(device)
        self.flush()

    def _next(self) -> Message | None:
        if self.waiting:
            return self.waiting.popleft()
        # Backfill leaves half of the window free, so that no live reading waits for it.
        while self._behind and len(self._in_flight) <= self._server.window // 2:
            device = self._behind[0]
            if device.store and not device.cut_off:
                return device.backfill()
            self._behind.popleft()
        return None

    def _packet(self, message: Message, dup: int = 0) -> bytes:
        topic = message.topic
        if message.readings and not dup:
            self._tally.sent += 1
        if not topic.acknowledged:
            return wire.publish(topic.flags, topic.field, message.payload)
        packet_id = self._last_id % wire.LAST_ID + 1
        while packet_id in self._in_flight:
            packet_id = packet_id % wire.LAST_ID + 1
        self._last_id = packet_id
        self._in_flight[packet_id] = message
        return wire.publish(topic.flags | dup, topic.field, message.payload, packet_id)

    def _write(self, packets: list[bytes]) -> None:
        assert self._transport
        self._said = now()
        if self._in_flight and not self._asked:
            self._asked = self._said
        self._transport.write(b"".join(packets))

    def _count(self, message: Message, time_s: float) -> None:
        self._tally.acknowledged += message.readings
        self._tally.answered += 1
        if message.topic.line:
            self._tally.latency.add(time_s - message.made)
        else:
            self._tally.backfilled += message.readings


def _went_stale(message: Message, time_s: float) -> bool:
    """Whether a reading is too old to go live; then it is in its device's store."""
    if not message.topic.line or time_s - message.made < FRESH_S:
        return False
    message.topic.device.keep(message)
    return True
