"""MQTT 3.1.1 packets over a link, without blocking: `umqtt.simple` with its wire replaced.

Kept of the library: the constructor, `set_last_will`, `set_callback`, the attributes and
`MQTTException`. Replaced is all that writes a packet in pieces, counts lengths in characters, lets
packet ids grow without end, or waits with the whole board standing still. Clause numbers are those
of the OASIS standard.
"""

import asyncio
import struct
import time

from mote.mqtt import link
from umqtt.simple import MQTTClient, MQTTException

ANSWER_S = 10
PACKET_MAX = 2048
_CONNECT, _CONNACK, _PUBLISH, _PUBACK = 0x10, 0x20, 0x30, 0x40
_SUBSCRIBE, _SUBACK, _PINGREQ, _PINGRESP, _DISCONNECT = 0x82, 0x90, 0xC0, 0xD0, 0xE0
_ETIMEDOUT = 116


def text(value):
    """A length-prefixed UTF-8 string (1.5.3); lengths are bytes, not characters."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def packet(first, body):
    """A control packet: type and flags, remaining length in 7-bit groups (2.2.3), body."""
    head = bytearray((first,))
    size = len(body)
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + body


class NotMqtt(Exception):
    """The other side does not speak MQTT 3.1.1."""


class Session(MQTTClient):
    """One connection to a broker. Any await raises OSError once the connection is gone."""

    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0):
        super().__init__(client_id, server, port, user, password, keepalive)
        self.closed = asyncio.Event()
        self._link = None
        self._waiting = {}
        self._reader = None
        self._keeper = None
        self._heard_ms = 0

    async def connect(self, tls=False, ca="", progress=lambda step: None, clean_session=True):
        """Connect and log in; returns whether the broker kept a session (3.2.2.2).

        Raises Failure on the way to the server, MQTTException with the return code of a refusal
        (3.2.2.3), NotMqtt, or OSError.
        """
        self._link = await link.connect(self.server, self.port, tls, ca, progress)
        progress("login")
        try:
            await self._link.write(self._connect_packet(clean_session))
            answer = await _within(self._link.read(4))
            if answer[0] != _CONNACK or answer[1] != 2:
                raise NotMqtt
            if answer[3]:
                raise MQTTException(answer[3])
        except Exception:
            await self._link.close()
            raise
        self._heard_ms = time.ticks_ms()
        self._reader = asyncio.create_task(self._read())
        if self.keepalive:
            self._keeper = asyncio.create_task(self._keep())
        return answer[2] & 1

    async def publish(self, topic, msg, retain=False, qos=0, dup=False):
        """Send a message; at QoS 1 returns when the broker has acknowledged it (4.3.2).

        Raises OSError(ETIMEDOUT) when the acknowledgement stays out for 10 s.
        """
        payload = msg.encode() if isinstance(msg, str) else msg
        first = _PUBLISH | dup << 3 | qos << 1 | retain
        if not qos:
            await self._send(packet(first, text(topic) + payload))
            return
        pid = self._next_id()
        body = text(topic) + struct.pack("!H", pid) + payload
        await self._answered(_PUBACK, pid, packet(first, body))

    async def subscribe(self, topic, qos=0):
        """Subscribe; raises MQTTException when the broker refuses (3.9.3)."""
        pid = self._next_id()
        body = struct.pack("!H", pid) + text(topic) + bytes((qos,))
        answer = await self._answered(_SUBACK, pid, packet(_SUBSCRIBE, body))
        if answer[2] == 0x80:
            raise MQTTException(0x80)

    async def disconnect(self):
        """Say goodbye, so that the broker keeps the last will to itself (3.14), and close."""
        try:
            await self._send(packet(_DISCONNECT, b""))
        except OSError:
            pass
        await self.close()

    async def close(self):
        """Close without a word; everything that still waits gets OSError."""
        self.closed.set()
        for task in (self._reader, self._keeper):
            if task and task is not asyncio.current_task():
                task.cancel()
        for slot in self._waiting.values():
            slot[0].set()
        await self._link.close()

    def _connect_packet(self, clean_session):
        flags = clean_session << 1
        payload = text(self.client_id)
        if self.lw_topic:
            flags |= 0x04 | self.lw_qos << 3 | self.lw_retain << 5
            payload += text(self.lw_topic) + text(self.lw_msg)
        if self.user:
            flags |= 0xC0
            payload += text(self.user) + text(self.pswd or "")
        head = text("MQTT") + struct.pack("!BBH", 4, flags, self.keepalive)
        return packet(_CONNECT, head + payload)

    def _next_id(self):
        # Ids are 1 to 65535 and not in use (2.3.1).
        while True:
            self.pid = self.pid % 65535 + 1
            if self.pid not in self._waiting:
                return self.pid

    async def _send(self, data):
        if self.closed.is_set():
            raise OSError(128)
        await self._link.write(data)

    async def _answered(self, kind, pid, data):
        slot = [asyncio.Event(), kind, None]
        self._waiting[pid] = slot
        try:
            await self._send(data)
            await _within(slot[0].wait())
            if slot[2] is None:
                raise OSError(128)
            return slot[2]
        finally:
            del self._waiting[pid]

    async def _read(self):
        try:
            while True:
                first = (await self._link.read(1))[0]
                size = await self._remaining_length()
                if size > PACKET_MAX:
                    raise OSError(12)
                body = await self._link.read(size) if size else b""
                self._heard_ms = time.ticks_ms()
                await self._handle(first, body)
        except (OSError, NotMqtt):
            await self.close()

    async def _remaining_length(self):
        size = shift = 0
        while True:
            byte = (await self._link.read(1))[0]
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return size
            shift += 7
            if shift > 21:
                raise NotMqtt

    async def _handle(self, first, body):
        kind = first & 0xF0
        if kind == _PUBLISH:
            await self._received(first, body)
        elif kind in (_PUBACK, _SUBACK) and len(body) >= 2:
            slot = self._waiting.get(body[0] << 8 | body[1])
            if slot and slot[1] == kind:
                slot[2] = body
                slot[0].set()

    async def _received(self, first, body):
        if len(body) < 2:
            raise NotMqtt
        end = 2 + (body[0] << 8 | body[1])
        topic = body[2:end]
        if first & 0x06:
            pid = body[end : end + 2]
            end += 2
        if self.cb:
            self.cb(topic, body[end:])
        if first & 0x06:
            await self._send(packet(_PUBACK, pid))

    async def _keep(self):
        """Ping when it was quiet for half the keep-alive, and look for the answer (3.1.2.10)."""
        quiet_ms = self.keepalive * 500
        try:
            while True:
                await asyncio.sleep_ms(quiet_ms)
                if time.ticks_diff(time.ticks_ms(), self._heard_ms) < quiet_ms:
                    continue
                before = self._heard_ms
                await self._send(packet(_PINGREQ, b""))
                await asyncio.sleep(ANSWER_S)
                if self._heard_ms == before:
                    raise OSError(_ETIMEDOUT)
        except OSError:
            await self.close()


async def _within(awaitable):
    try:
        return await asyncio.wait_for(awaitable, ANSWER_S)
    except asyncio.TimeoutError:
        raise OSError(_ETIMEDOUT) from None
