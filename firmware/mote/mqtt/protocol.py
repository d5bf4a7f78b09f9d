"""MQTT 3.1.1 over a link, without standing still: `umqtt.simple` with its wire replaced.

Kept of the library: the constructor, `set_last_will`, `set_callback`, the attributes and
`MQTTException`. Replaced is what sends a packet in pieces, waits with the whole board, takes one
packet for another, or leaves a socket open. Clause numbers are those of the OASIS standard.
"""

import asyncio
import gc
import time
from errno import ECONNRESET, ENOMEM, ENOTCONN, ETIMEDOUT

from umqtt.simple import MQTTClient, MQTTException

from mote import tasks
from mote.mqtt import link, packets
from mote.mqtt.packets import ProtocolError

ANSWER_S = 10
# Bytes of the one buffer for what arrives, bigger than the longest command: a configuration with
# its CA. Of a longer message its beginning is kept, and its end.
RECEIVE_MAX = 6144
_HEAD = 512
_TAIL = 128
# The answers of a broker are shorter.
_ACKNOWLEDGEMENT_MAX = 16
# As much as a short command and a piece of an update need.
_RECEIVE_LEAST = 1536
# Messages that were posted and are waited for; a dictionary of more grows in long pieces.
_POSTED_MAX = 48
# A longer payload is not copied into its packet.
_LONG = 1024
# How often answers that are due, and the silence of the broker, are looked at.
_WATCH_MS = 1_000


class Session(MQTTClient):
    """One connection to a broker; a lost one is not used again.

    `closed` is set when it is gone, from then on every call raises OSError(ENOTCONN).

    The callback gets (topic, payload), where the payload is a view of the receive buffer, and may
    return an awaitable: nothing more is read before that is done. It must not wait for the broker.
    A message that is too long goes to `on_too_long(topic, excerpt, size)` instead, with its
    beginning and its end. A message is acknowledged when it is done; if the awaitable gives the
    identifier of an answer that was posted, when the broker has that: a flood of commands waits in
    the broker, and not in the heap.
    """

    def __init__(self, client_id, server, port=0, user=None, password=None, keepalive=0):
        super().__init__(client_id, server, port, user, password, keepalive)
        self.closed = asyncio.Event()
        # Why the connection ended, for the log; None when it was closed on purpose.
        self.reason = None
        self._link = None
        # Packet identifier -> the answer that it waits for.
        self._awaited = {}
        self._tasks = []
        self._sent_ms = 0
        self._heard_ms = 0
        # The longest message that is received, headers not counted; set before `subscribe`.
        self.receive_max = RECEIVE_MAX
        self._buffer = None
        self.on_too_long = None
        # Packet identifier of a message that was posted -> of the one that it answers, or 0.
        self.posted = {}
        self._posted_ms = 0
        # Told the packet identifier of what was posted when the broker has it.
        self.on_arrived = None
        # Whether a message is being worked on, and when the last one was done.
        self._paused = False
        self._resumed_ms = 0

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
        self._sent_ms = self._heard_ms = self._resumed_ms = time.ticks_ms()
        for work in (self._read(), self._watch()):
            self._tasks.append(tasks.start(self._until_lost(work)))
        return answer[2] & 1

    async def publish(self, topic, msg, retain=False, qos=0):
        """Send a message; at QoS 1 return when the broker has acknowledged it (4.3.2).

        Any number may wait at the same time, and be acknowledged in any order. Raises OSError when
        the connection is gone, or when no acknowledgement comes for 10 s.
        """
        awaited = _Answer(packets.PUBACK, asyncio.Event())
        pid = self._expect(awaited) if qos else 0
        packet, payload = _split(topic, msg, retain, qos, pid)
        if qos:
            await self._answered(awaited, packet, payload)
        else:
            await self._send(packet, payload)

    async def post(self, topic, msg):
        """Send a message at QoS 1 and do not wait for the broker; its packet identifier.

        It is in `posted` until it has arrived. Raises OSError as `publish`.
        """
        pid = self._next_id()
        if not self.posted:
            self._posted_ms = time.ticks_ms()
        # Some brokers send more than their window: what is beyond is sent, and not kept.
        if len(self.posted) < _POSTED_MAX:
            self.posted[pid] = 0
        packet, payload = _split(topic, msg, False, 1, pid)
        await self._send(packet, payload)
        return pid

    async def publish_all(self, messages, news):
        """Send (topic, payload) pairs at QoS 1, in one write, and do not wait for the broker.

        Returns what is `left` to be acknowledged: a list of one number for each message, in order,
        from which the broker takes. `news` is set when that is done, or the connection is gone.
        Raises OSError as `publish`.
        """
        awaited = _Answer(packets.PUBACK, news)
        packet = bytearray()
        for topic, payload in messages:
            pid = self._expect(awaited)
            packet.extend(packets.publish(topic, payload.encode(), False, 1, pid))
        await self._send(packet)
        return awaited.left

    async def subscribe(self, topic, qos=0):
        """Subscribe, with messages going to the callback.

        Raises MQTTException(0x80) when the broker refuses (3.9.3), OSError as `publish`, and
        MemoryError when there is no room for the receive buffer.
        """
        self._reserve()
        awaited = _Answer(packets.SUBACK, asyncio.Event())
        pid = self._expect(awaited)
        if await self._answered(awaited, packets.subscribe(topic, qos, pid)) == 0x80:
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
        for awaited in self._awaited.values():
            awaited.news.set()
        if self._link:
            self._link.close()

    async def _connack(self):
        try:
            answer = await link.within(ANSWER_S, self._link.read_exactly(4))
        except OSError as error:
            # 3.2.2.3: a server that cannot read CONNECT closes without an answer.
            if error.errno == ECONNRESET:
                raise ProtocolError(packets.CLOSED) from None
            raise
        if answer[0] != packets.CONNACK or answer[1] != 2:
            # The type of an alert (RFC 8446, 5.1), which is no packet of MQTT.
            raise ProtocolError(packets.TLS_ALERT if answer[0] == 0x15 else "not a CONNACK")
        if answer[3]:
            raise MQTTException(answer[3])
        return answer

    def _expect(self, awaited):
        """A packet identifier for what gets the answer `awaited`."""
        pid = self._next_id()
        self._awaited[pid] = awaited
        awaited.left.append(pid)
        return pid

    def _next_id(self):
        # 1 to 65535, and none that still waits for its answer (2.3.1).
        while True:
            self.pid = self.pid % 0xFFFF + 1
            if self.pid not in self._awaited and self.pid not in self.posted:
                return self.pid

    async def _send(self, packet, payload=b""):
        if self.closed.is_set():
            raise OSError(ENOTCONN)
        try:
            if payload:
                await self._link.write(packet, payload)
            else:
                await self._link.write(packet)
        except OSError as error:
            self.close(error)
            raise
        self._sent_ms = time.ticks_ms()

    async def _answered(self, awaited, packet, payload=b""):
        try:
            await self._send(packet, payload)
            await awaited.news.wait()
            if awaited.left:
                raise OSError(ENOTCONN)
            return awaited.code
        finally:
            # Given up, it is nobody's, and its time does not run out.
            for pid in awaited.left:
                del self._awaited[pid]

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
            if first & 0xF0 == packets.PUBLISH:
                await self._take(first, size)
                continue
            if size > _ACKNOWLEDGEMENT_MAX:
                raise ProtocolError("an answer of %d bytes" % size)
            body = await self._link.read_exactly(size)
            self._heard_ms = time.ticks_ms()
            await self._handle(first & 0xF0, body)

    def _reserve(self):
        # Once: a flood of long messages must not make Python's heap grow (MEMORY.md).
        while self._buffer is None:
            gc.collect()
            try:
                self._buffer = bytearray(self.receive_max)
            except MemoryError:
                # A fragmented heap must not keep the board offline: less is taken until the
                # next connection, and what is longer is answered with `too large`.
                if self.receive_max <= _RECEIVE_LEAST:
                    raise
                self.receive_max = max(self.receive_max // 2, _RECEIVE_LEAST)

    async def _take(self, first, size):
        """Receive a message, hand it on and, when it is done, acknowledge it."""
        self._reserve()
        body = memoryview(self._buffer)
        if size > self.receive_max:
            body = body[: await self._excerpt(size)]
        else:
            body = body[:size]
            await self._link.read_into(body)
        self._heard_ms = time.ticks_ms()
        topic, payload, pid = packets.published(first, body)
        self._paused, answer = True, None
        try:
            if size > self.receive_max:
                work = self.on_too_long and self.on_too_long(topic, payload, size)
            else:
                work = self.cb and self.cb(topic, payload)
            # What a long message leads to needs memory itself: its buffer lives as long as it is
            # read, and the next message reserves another.
            body = payload = None
            if size > _LONG:
                self._buffer = None
            if work:
                answer = await work
        finally:
            self._paused = False
            self._resumed_ms = time.ticks_ms()
        if pid and answer in self.posted:
            self.posted[answer] = pid
        elif pid:
            await self._send(packets.puback(pid))

    async def _excerpt(self, size):
        """Read a message that is too long; how many bytes of the buffer hold head and tail."""
        body = memoryview(self._buffer)
        await self._link.read_into(body[:_HEAD])
        left, end = size - _HEAD, _HEAD
        while True:
            # What was read last may end a message whose last piece is shorter than a tail.
            kept = min(end - _HEAD, _TAIL)
            start = _HEAD + kept
            body[_HEAD:start] = body[end - kept : end]
            if not left:
                return start
            end = start + min(left, self.receive_max - _HEAD - _TAIL)
            await self._link.read_into(body[start:end])
            left -= end - start
            self._heard_ms = time.ticks_ms()

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

    async def _handle(self, kind, body):
        if kind == packets.PUBACK and len(body) == 2 and packets.packet_id(body) in self.posted:
            await self._has_arrived(packets.packet_id(body))
        elif kind in (packets.PUBACK, packets.SUBACK):
            self._arrived(kind, body)
        elif kind != packets.PINGRESP:
            raise ProtocolError("a packet that only a client sends")

    async def _has_arrived(self, pid):
        answered = self.posted.pop(pid)
        self._posted_ms = time.ticks_ms()
        if self.on_arrived:
            self.on_arrived(pid)
        if answered:
            await self._send(packets.puback(answered))

    def _arrived(self, kind, body):
        pid = packets.packet_id(body)
        awaited = self._awaited.get(pid)
        # The answer to something that has been given up is nobody's.
        if awaited and awaited.kind == kind and len(body) == awaited.size:
            del self._awaited[pid]
            awaited.left.remove(pid)
            awaited.code = body[-1]
            if not awaited.left:
                awaited.news.set()

    async def _watch(self):
        """Want every answer in time; ping when either direction was quiet for half the keep-alive.

        The broker drops a client that is silent (3.1.2.10); a broker that is silent is gone.
        """
        quiet_ms = self.keepalive * 500
        # When the ping went out that has no answer yet.
        pinged_ms = None
        while True:
            await asyncio.sleep_ms(min(_WATCH_MS, quiet_ms or _WATCH_MS))
            now, answer_ms = time.ticks_ms(), int(ANSWER_S * 1000)
            # While nothing is read, a broker that answers cannot be told from one that does not.
            read_ms = -1 if self._paused else time.ticks_diff(now, self._resumed_ms)
            for awaited in self._awaited.values():
                if min(read_ms, time.ticks_diff(now, awaited.sent_ms)) >= answer_ms:
                    raise OSError(ETIMEDOUT)
            # They are acknowledged in their order: each one is progress.
            posted_ms = time.ticks_diff(now, self._posted_ms) if self.posted else -1
            if min(read_ms, posted_ms) >= answer_ms:
                raise OSError(ETIMEDOUT)
            heard_ms = time.ticks_diff(now, self._heard_ms)
            if pinged_ms is not None:
                since_ping_ms = time.ticks_diff(now, pinged_ms)
                if heard_ms <= since_ping_ms:
                    pinged_ms = None
                elif min(read_ms, since_ping_ms) >= min(quiet_ms, answer_ms):
                    raise OSError(ETIMEDOUT)
            elif quiet_ms and max(heard_ms, time.ticks_diff(now, self._sent_ms)) >= quiet_ms:
                await self._send(packets.packet(packets.PINGREQ))
                pinged_ms = now


def _split(topic, msg, retain, qos, pid):
    """A PUBLISH, and what of its payload is sent behind it because it is long."""
    payload = memoryview(msg)
    if len(payload) > _LONG:
        return packets.publish(topic, b"", retain, qos, pid, len(payload)), payload
    return packets.publish(topic, bytes(payload), retain, qos, pid), b""


class _Answer:
    """What one or more packets with an identifier wait for: `left` are those without an answer."""

    def __init__(self, kind, news):
        self.kind = kind
        self.size = 2 if kind == packets.PUBACK else 3
        self.left = []
        self.code = 0
        self.news = news
        self.sent_ms = time.ticks_ms()
