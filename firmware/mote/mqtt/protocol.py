"""MQTT 3.1.1 over a link, without standing still: `umqtt.simple` with its wire replaced.

Kept of the library: the constructor, `set_last_will`, `set_callback`, the attributes and
`MQTTException`. Replaced is what sends a packet in pieces, waits with the whole board, takes one
packet for another, or leaves a socket open. Clause numbers are those of the OASIS standard.
"""

import asyncio
import time
from errno import ECONNRESET, ENOMEM, ENOTCONN, ETIMEDOUT

from umqtt.simple import MQTTClient, MQTTException

from mote.mqtt import link, packets
from mote.mqtt.packets import ProtocolError

ANSWER_S = 10
# Bigger than the longest command, a configuration with its CA; more is thrown away unread.
RECEIVE_MAX = 6144
_DISCARD = 512


class Session(MQTTClient):
    """One connection to a broker; a lost one is not used again.

    `closed` is set when it is gone, from then on every call raises OSError(ENOTCONN).
    """

    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0):
        super().__init__(client_id, server, port, user, password, keepalive)
        self.closed = asyncio.Event()
        # Why the connection ended, for the log; None when it was closed on purpose.
        self.reason = None
        self._link = None
        self._answers = {}
        self._tasks = []
        self._sent_ms = 0
        self._heard_ms = 0

    async def connect(self, over, clean_session=True):
        """Log in over an open link; returns whether the broker kept a session (3.2.2.2).

        Raises MQTTException with the return code of a refusal (3.2.2.3), ProtocolError when the
        other side closes or answers anything else, OSError and what TLS raises.
        """
        self._link = over
        try:
            await over.write(packets.connect(self, clean_session))
            answer = await self._connack()
        except BaseException:
            over.close()
            raise
        self._sent_ms = self._heard_ms = time.ticks_ms()
        self._tasks.append(asyncio.create_task(self._until_lost(self._read())))
        if self.keepalive:
            self._tasks.append(asyncio.create_task(self._until_lost(self._keep_alive())))
        return answer[2] & 1

    async def publish(self, topic, msg, retain=False, qos=0):
        """Send a message; at QoS 1 return when the broker has acknowledged it (4.3.2).

        Any number may wait at the same time, and be acknowledged in any order. Raises OSError when
        the connection is gone, or when no acknowledgement comes for 10 s.
        """
        payload = msg.encode() if isinstance(msg, str) else msg
        if not qos:
            await self._send(packets.publish(topic, payload, retain, 0, 0))
            return
        pid = self._next_id()
        packet = packets.publish(topic, payload, retain, qos, pid)
        await self._answered(packets.PUBACK, pid, packet)

    async def subscribe(self, topic, qos=0):
        """Subscribe, with messages going to the callback as (topic, payload), both bytes.

        Raises MQTTException(0x80) when the broker refuses (3.9.3), OSError as `publish`.
        """
        pid = self._next_id()
        answer = await self._answered(packets.SUBACK, pid, packets.subscribe(topic, qos, pid))
        if answer[2] == 0x80:
            raise MQTTException(0x80)

    async def disconnect(self):
        """Say goodbye, so that the broker keeps the last will to itself (3.14), and close."""
        try:
            await self._send(packets.packet(packets.DISCONNECT))
        except OSError:
            pass
        self.close()

    def close(self, reason=None):
        """Close without a word; everything that waits for an answer gets OSError."""
        if self.closed.is_set():
            return
        self.reason = reason
        self.closed.set()
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        for answer in self._answers.values():
            answer.arrived.set()
        if self._link:
            self._link.close()

    async def _connack(self):
        try:
            answer = await link.within(ANSWER_S, self._link.read_exactly(4))
        except OSError as error:
            # 3.2.2.3: a server that cannot read CONNECT closes without an answer.
            if error.errno == ECONNRESET:
                raise ProtocolError("closed without an answer") from None
            raise
        if answer[0] != packets.CONNACK or answer[1] != 2:
            raise ProtocolError("not a CONNACK")
        if answer[3]:
            raise MQTTException(answer[3])
        return answer

    def _next_id(self):
        # 1 to 65535, and none that still waits for its answer (2.3.1).
        while True:
            self.pid = self.pid % 0xFFFF + 1
            if self.pid not in self._answers:
                return self.pid

    async def _send(self, packet):
        if self.closed.is_set():
            raise OSError(ENOTCONN)
        try:
            await self._link.write(packet)
        except OSError as error:
            self.close(error)
            raise
        self._sent_ms = time.ticks_ms()

    async def _answered(self, kind, pid, packet):
        answer = self._answers[pid] = _Answer(kind)
        try:
            await self._send(packet)
            await link.within(ANSWER_S, answer.arrived.wait())
            if answer.body is None:
                raise OSError(ENOTCONN)
            return answer.body
        finally:
            del self._answers[pid]

    async def _until_lost(self, work):
        try:
            await work
        except (OSError, ProtocolError) as error:
            self.close(error)
        except MemoryError:
            # What somebody sends must not end more than this connection.
            self.close(OSError(ENOMEM))

    async def _read(self):
        while True:
            first = (await self._link.read_exactly(1))[0]
            size = await self._remaining_length()
            if size > RECEIVE_MAX:
                # Not acknowledged either; a clean session does not send it again (4.4).
                await self._discard(size)
                continue
            body = await self._link.read_exactly(size)
            self._heard_ms = time.ticks_ms()
            await self._handle(first, body)
            # Not to be in the heap beside the next one.
            body = None

    async def _remaining_length(self):
        size = shift = 0
        while True:
            byte = (await self._link.read_exactly(1))[0]
            size |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return size
            shift += 7
            if shift > 21:
                raise ProtocolError("a length of more than four bytes")

    async def _discard(self, size):
        while size:
            size -= len(await self._link.read_exactly(min(size, _DISCARD)))
            self._heard_ms = time.ticks_ms()

    async def _handle(self, first, body):
        kind = first & 0xF0
        if kind == packets.PUBLISH:
            topic, payload, pid = packets.published(first, body)
            if self.cb:
                self.cb(topic, payload)
            if pid:
                await self._send(packets.puback(pid))
        elif kind in (packets.PUBACK, packets.SUBACK):
            answer = self._answers.get(packets.packet_id(body))
            # The answer to something that has been given up is nobody's.
            if answer and answer.kind == kind and len(body) == answer.size:
                answer.body = body
                answer.arrived.set()
        elif kind != packets.PINGRESP:
            raise ProtocolError("a packet that only a client sends")

    async def _keep_alive(self):
        """Ping when either direction was quiet for half the keep-alive, and want an answer.

        The broker drops a client that is silent (3.1.2.10); a broker that is silent is gone.
        """
        quiet_ms = self.keepalive * 500
        while True:
            now = time.ticks_ms()
            since_ms = max(
                time.ticks_diff(now, self._sent_ms), time.ticks_diff(now, self._heard_ms)
            )
            if since_ms < quiet_ms:
                await asyncio.sleep_ms(quiet_ms - since_ms)
                continue
            await self._send(packets.packet(packets.PINGREQ))
            await asyncio.sleep_ms(min(quiet_ms, ANSWER_S * 1000))
            if time.ticks_diff(self._heard_ms, now) < 0:
                raise OSError(ETIMEDOUT)


class _Answer:
    """What a packet with an identifier waits for."""

    def __init__(self, kind):
        self.kind = kind
        self.size = 2 if kind == packets.PUBACK else 3
        self.body = None
        self.arrived = asyncio.Event()
