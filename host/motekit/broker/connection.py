"""One client's connection: bytes in, packets handled, bytes out. Without sockets or a clock."""

import logging

from motekit.broker import admission, packets, properties, reason_codes, topics
from motekit.broker.backend import (
    Account,
    Message,
    PacketIdReceived,
    PacketIdReleased,
    PropertyList,
)
from motekit.broker.errors import MalformedPacket, ProtocolError
from motekit.broker.fields import decode_utf8, write_utf8
from motekit.broker.packets import V5, V311
from motekit.broker.pending import Pending
from motekit.broker.session import Delivery, Session, Will, memory_bytes
from motekit.broker.state import Acknowledged, Acknowledgements, BrokerState
from motekit.limited_log import LimitedLog

# 3.1.2.10: after one and a half keep-alive intervals without a packet.
KEEP_ALIVE_FACTOR = 1.5
_CACHED_TOPICS = 256
_DUP, _RETAIN = 0x08, 0x01


class Connection(Acknowledged):
    """A connection; `address` is for the log.

    The caller passes what it received to `receive`, sends what `take_output` returns, and closes
    the connection when `is_closing`. `changed` collects the connections with something to do.
    """

    def __init__(
        self,
        state: BrokerState,
        changed: dict["Connection", None],
        pending: "Pending[Connection]",
        log: LimitedLog,
        address: str,
    ) -> None:
        self.address = address
        self.session: Session | None = None
        self.is_closing = False
        # The broker ends it: what the client is still sending must not cost it the reason.
        self.is_ended_by_broker = False
        # Kept by the caller: what the transport has not sent yet, and whether that is too much.
        self.backlog = 0
        self.writable = True
        self.opened = self.last_received = state.now
        self.window = 0
        self.keep_alive_s = 0
        self.uncommitted_bytes = 0
        self._state = state
        self._limits = state.limits
        self._changed = changed
        self._pending = pending
        # What the caller keeps of the connection, such as its transport.
        self.owner: object = None
        self._log = log
        self._output: list[bytes] = []
        self._output_bytes = 0
        self._partial = bytearray()
        # How many bytes a partial packet must have before it is looked at again.
        self._needed = 0
        self._largest = state.limits.connect_packet_bytes
        self._version = V311
        self._account = Account("")
        self._will: Will | None = None
        self._will_delay_s = 0
        self._clean_expiry = True
        # Encoded topic -> topic and whether it may be published to.
        self._topics: dict[bytes, tuple[str, bool]] = {}
        self._aliases_in: dict[int, bytes] = {}
        self._aliases_out: dict[str, int] = {}
        self._aliases_out_maximum = 0
        self._client_maximum = 0
        self._is_small_client = False
        self._unacknowledged = 0

    @property
    def account(self) -> Account:
        """The account of the client, once it is verified."""
        return self._account

    @property
    def wants_reading(self) -> bool:
        """Whether more may be read from the client: bounds what is held in memory for it."""
        limits = self._limits
        return (
            self.writable
            and self.uncommitted_bytes < limits.uncommitted_bytes
            and (
                not self.uncommitted_bytes
                or self._state.uncommitted_bytes < limits.all_uncommitted_bytes
            )
        )

    def take_output(self) -> bytes:
        """Return what has to be sent."""
        output, self._output = self._output, []
        self._output_bytes = 0
        return output[0] if len(output) == 1 else b"".join(output)

    # What comes in

    def receive(self, data: bytes) -> None:
        """Handle bytes from the client; the time of the state is set."""
        if self.is_closing:
            return
        self.last_received = self._state.now
        if self._partial:
            self._partial += data
            if len(self._partial) < self._needed:
                return
            data = bytes(self._partial)
            self._partial.clear()
        try:
            at = self._packets(data)
        except ProtocolError as error:
            self._fail(error)
            return
        if at < len(data) and not self.is_closing:
            self._partial += data[at:] if at else data

    def failed(self) -> None:
        """End the connection after a fault of the broker itself."""
        self._state.statistics["internal_errors"] += 1
        self.end(reason_codes.UNSPECIFIED_ERROR)

    def lost(self) -> None:
        """The transport is gone, without DISCONNECT if this comes first."""
        if not self.is_closing:
            self._close(publish_will=True)

    def writable_again(self) -> None:
        """The transport has sent most of what it had."""
        self.writable = True
        if self.session:
            self._state.pump(self.session)

    def end(self, reason: int, text: str = "") -> None:
        """Disconnect the client; its will is published if its account still may."""
        if self.is_closing:
            return
        self.is_ended_by_broker = self.session is not None
        if self.session and self._version == V5:
            packet = packets.disconnect(reason, text)
            if len(packet) > self._client_maximum:
                packet = packets.disconnect(reason)
            self._send(packet)
        self._close(publish_will=True)

    def check_time(self) -> None:
        """End the connection if its client was silent for too long."""
        now = self._state.now
        if self.is_closing:
            return
        if self.session is None:
            if now - self.opened >= self._limits.connect_timeout_s:
                self._state.statistics["connect_timeouts"] += 1
                self._close(publish_will=False)
        elif self.keep_alive_s:
            silent_s = now - self.last_received
            if silent_s >= self.keep_alive_s * KEEP_ALIVE_FACTOR and self.wants_reading:
                self.end(reason_codes.KEEP_ALIVE_TIMEOUT)

    def reading_again(self) -> None:
        """Reading was paused by the broker: the client was not silent by itself."""
        self.last_received = self._state.now

    def committed(self, acknowledgements: Acknowledgements) -> None:
        """Send what was held back until the batch was durable."""
        self.uncommitted_bytes -= acknowledgements.size
        self._unacknowledged -= acknowledgements.qos1
        if self.is_closing:
            return
        if acknowledgements.data:
            self._send(bytes(acknowledgements.data))
        else:
            # It may be read from again.
            self._changed[self] = None

    def _packets(self, data: bytes) -> int:
        """Handle the whole packets in `data`; returns where the first partial one begins."""
        at, size = 0, len(data)
        largest = self._largest
        if self.session is None and size and data[0] != packets.CONNECT:
            raise ProtocolError("the first packet is not CONNECT")
        while size - at >= 2:
            length = data[at + 1]
            body = at + 2
            if length > 0x7F:
                length &= 0x7F
                for shift in (7, 14, 21):
                    if body >= size:
                        self._needed = size - at + 1
                        return at
                    byte = data[body]
                    body += 1
                    length |= (byte & 0x7F) << shift
                    if byte < 0x80:
                        break
                else:
                    raise MalformedPacket("the remaining length has more than four bytes")
            end = body + length
            if end - at > largest:
                raise ProtocolError("the packet is too large", reason_codes.PACKET_TOO_LARGE)
            if end > size:
                self._needed = end - at
                return at
            first = data[at]
            if first >> 4 == 3:
                self._publish(first, data, body, end)
            else:
                self._handle(first, data, body, end)
                largest = self._largest
            at = end
            if self.is_closing:
                return size
        self._needed = size - at + 1
        return at

    def _handle(self, first: int, data: bytes, body: int, end: int) -> None:
        if self.session is None:
            if first != packets.CONNECT:
                raise ProtocolError("the first packet is not CONNECT")
            self._connect(data, body, end)
            return
        if first == packets.PINGREQ:
            if body != end:
                raise MalformedPacket("PINGREQ has a body")
            self._send(packets.PINGRESP_PACKET)
            return
        handler = _HANDLERS.get(first)
        if handler is None:
            if first in (packets.CONNECT, packets.AUTH):
                raise ProtocolError("an unexpected CONNECT or AUTH")
            raise MalformedPacket(f"a packet that begins with 0x{first:02X}")
        handler(self, self.session, data, body, end)

    # CONNECT

    def _connect(self, data: bytes, body: int, end: int) -> None:
        state = self._state
        try:
            connect = packets.decode_connect(data, body, end)
        except packets.UnsupportedVersion as unsupported:
            version = V5 if unsupported.level > V5 else V311
            reason = reason_codes.UNSUPPORTED_PROTOCOL_VERSION
            code = reason if version == V5 else reason_codes.connack_v311(reason)
            self._send(packets.connack(version, code or 0))
            self._close(publish_will=False)
            return
        self._version = connect.version
        admitted = admission.admit(state, connect, self.address)
        if isinstance(admitted, admission.Refusal):
            self._refuse(connect, admitted)
            return
        session = self.session = admitted.session
        self._account = admitted.account
        self._pending.discard(self)
        will, self._will_delay_s = connect.will, connect.will_delay_s
        if will:
            will.account, will.client_id = session.account, session.client_id
            if connect.will_expiry_s is not None:
                will.expires_ns = connect.will_expiry_s * 1_000_000_000
            self._will = Will(will, admitted.account)
        limits = self._limits
        self._largest = limits.packet_bytes
        self.window = min(connect.receive_maximum, limits.inflight)
        self._client_maximum = connect.maximum_packet_bytes
        # What comes in at most goes out with a few properties more.
        self._is_small_client = self._client_maximum < 2 * limits.packet_bytes
        self._aliases_out_maximum = min(connect.topic_alias_maximum, limits.topic_aliases)
        self._clean_expiry = not admitted.expiry_s
        self.keep_alive_s = connect.keep_alive_s
        if connect.version == V5 and not 0 < connect.keep_alive_s <= limits.keep_alive_s:
            self.keep_alive_s = limits.keep_alive_s
        state.attach(session, self, admitted.expiry_s, will)
        self._send(
            packets.connack(
                connect.version,
                reason_codes.SUCCESS,
                admitted.session_present,
                self._connack_properties(connect, admitted),
            )
        )
        self._report_evictions(session)
        if admitted.session_present:
            state.resend(session)

    def _connack_properties(
        self, connect: packets.Connect, admitted: admission.Admission
    ) -> PropertyList:
        if connect.version != V5:
            return ()
        limits = self._limits
        found: list[tuple[int, object]] = [
            (properties.RECEIVE_MAXIMUM, limits.receive_maximum),
            (properties.MAXIMUM_PACKET_SIZE, limits.packet_bytes),
            (properties.TOPIC_ALIAS_MAXIMUM, limits.topic_aliases),
        ]
        if admitted.expiry_s != connect.expiry_s:
            found.append((properties.SESSION_EXPIRY_INTERVAL, admitted.expiry_s))
        if admitted.has_assigned_id:
            found.append((properties.ASSIGNED_CLIENT_IDENTIFIER, admitted.session.client_id))
        if self.keep_alive_s != connect.keep_alive_s:
            found.append((properties.SERVER_KEEP_ALIVE, self.keep_alive_s))
        return tuple(found)

    def _refuse(self, connect: packets.Connect, refusal: admission.Refusal) -> None:
        self._state.statistics["refused_logins"] += 1
        self._log.log(
            logging.WARNING,
            "refused",
            "Refused client %s of user %s from %s: %s",
            shown(connect.client_id),
            shown(connect.username or ""),
            self.address,
            refusal.text,
        )
        if connect.version == V5:
            self._send(packets.connack(V5, refusal.reason))
        else:
            code = reason_codes.connack_v311(refusal.reason)
            if code is not None:
                self._send(packets.connack(V311, code))
        self._close(publish_will=False)

    def _report_evictions(self, session: Session) -> None:
        if self._state.is_evicted_repeatedly(session.client_id):
            self._log.log(
                logging.WARNING,
                "evictions",
                "Two clients connect as %s and evict each other, the last one from %s: give each "
                "device its own id",
                shown(session.client_id),
                self.address,
            )

    # PUBLISH and its acknowledgements

    def _publish(self, first: int, data: bytes, body: int, end: int) -> None:
        session, state = self.session, self._state
        if session is None:
            raise ProtocolError("the first packet is not CONNECT")
        qos = first >> 1 & 3
        if qos == 3 or (first & _DUP and not qos):
            raise MalformedPacket("the flags of PUBLISH are not valid")
        at = body + 2
        if at > end:
            raise MalformedPacket("PUBLISH is cut off")
        start, at = at, at + (data[body] << 8 | data[body + 1])
        if at > end:
            raise MalformedPacket("PUBLISH is cut off")
        encoded = data[start:at]
        packet_id = 0
        if qos:
            start, at = at, at + 2
            if at > end:
                raise MalformedPacket("PUBLISH is cut off")
            packet_id = data[start] << 8 | data[start + 1]
            if not packet_id:
                raise ProtocolError("the packet id is 0")
        listed: PropertyList = ()
        expires_ns = 0
        if self._version == V5:
            listed, at = properties.decode(data, at, end, properties.PUBLISH)
            if listed:
                encoded, expiry_s, listed = self._message_properties(encoded, listed)
                if expiry_s is not None:
                    expires_ns = state.unix_ns(state.now) + expiry_s * 1_000_000_000
        known = self._topics.get(encoded)
        if known is None:
            known = self._check_topic(encoded)
        message = Message(
            known[0],
            data[at:end],
            qos,
            bool(first & _RETAIN),
            listed,
            session.account,
            session.client_id,
            0,
            expires_ns,
        )
        if qos:
            reason = 0 if known[1] else reason_codes.NOT_AUTHORIZED
            self._accept(session, message, packet_id, reason)
        elif known[1]:
            self._take(session, message)
        else:
            state.statistics["denied"] += 1

    def _accept(self, session: Session, message: Message, packet_id: int, reason: int) -> None:
        """Take a message at QoS 1 or 2, and acknowledge it when it is durable."""
        state = self._state
        if self._unacknowledged + len(session.received) >= self._limits.receive_maximum:
            known = message.qos == 2 and packet_id in session.received
            if self._version == V5 and not known:
                raise ProtocolError(
                    "more messages than the receive maximum",
                    reason_codes.RECEIVE_MAXIMUM_EXCEEDED,
                )
        if message.retain and message.payload and not reason:
            reason = self._check_retained(message)
        if reason:
            state.statistics["denied"] += 1
        answer = packets.PUBACK if message.qos == 1 else packets.PUBREC
        if message.qos == 1:
            if not reason:
                self._take(session, message)
        elif packet_id not in session.received and not reason:
            if session.expiry_s:
                state.change(PacketIdReceived(session.client_id, packet_id))
            session.received.add(packet_id)
            self._take(session, message)
        # MQTT 3.1.1 cannot tell a client that it may not publish (3.3.5).
        told = reason if self._version == V5 else 0
        self._send_committed(
            packets.acknowledgement(answer, packet_id, told), counted=message.qos == 1
        )

    def _take(self, session: Session, message: Message) -> None:
        state = self._state
        message.time_ns = state.stamp()
        size = memory_bytes(message)
        self.uncommitted_bytes += size
        state.uncommitted_bytes += size
        state.batch.of(self).size += size
        state.publish(message, session)

    def _check_topic(self, encoded: bytes) -> tuple[str, bool]:
        topic = decode_utf8(encoded)
        if not topics.is_valid_name(topic, self._limits):
            raise ProtocolError("the topic name is not valid", reason_codes.TOPIC_NAME_INVALID)
        allowed = not topic.startswith("$SYS/")
        allowed = allowed and self._state.backend.may_publish(self._account, topic)
        if not allowed:
            self._log.log(
                logging.WARNING,
                "denied",
                "%s may not publish to %s: ignored",
                self._who,
                shown(topic),
            )
        if len(encoded) <= topics.CACHED_CHARACTERS:
            if len(self._topics) >= _CACHED_TOPICS:
                self._topics.clear()
            self._topics[encoded] = topic, allowed
        return topic, allowed

    def _check_retained(self, message: Message) -> int:
        if self._state.may_retain(message, self._account.limited):
            return reason_codes.SUCCESS
        self._log.log(
            logging.WARNING,
            "retained",
            "%s has too many retained messages: %s is not retained",
            self._who,
            shown(message.topic),
        )
        return reason_codes.QUOTA_EXCEEDED

    def _message_properties(
        self, encoded: bytes, listed: PropertyList
    ) -> tuple[bytes, int | None, PropertyList]:
        """Resolve the topic alias; return topic, expiry interval and what is passed on."""
        found = dict(listed)
        alias = found.get(properties.TOPIC_ALIAS)
        if alias is not None:
            if not 0 < alias <= self._limits.topic_aliases:
                raise ProtocolError("the topic alias", reason_codes.TOPIC_ALIAS_INVALID)
            if encoded:
                self._aliases_in[alias] = encoded
            elif alias in self._aliases_in:
                encoded = self._aliases_in[alias]
            else:
                # 3.3.2.3.4: a protocol error.
                raise ProtocolError("an unknown topic alias", reason_codes.TOPIC_ALIAS_INVALID)
        response = found.get(properties.RESPONSE_TOPIC)
        if response is not None and not topics.is_valid_name(response, self._limits):
            raise ProtocolError("the response topic is not valid", reason_codes.TOPIC_NAME_INVALID)
        kept = tuple(one for one in listed if one[0] in properties.FORWARDED)
        return encoded, found.get(properties.MESSAGE_EXPIRY_INTERVAL), kept

    def _pubrel(self, session: Session, data: bytes, body: int, end: int) -> None:
        packet_id, _ = packets.decode_acknowledgement(data, body, end, self._version)
        reason = reason_codes.SUCCESS
        if packet_id in session.received:
            session.received.discard(packet_id)
            if session.expiry_s:
                self._state.change(PacketIdReleased(session.client_id, packet_id))
        elif self._version == V5:
            reason = reason_codes.PACKET_IDENTIFIER_NOT_FOUND
        self._send_committed(packets.acknowledgement(packets.PUBCOMP, packet_id, reason))

    def _puback(self, session: Session, data: bytes, body: int, end: int) -> None:
        packet_id, _ = packets.decode_acknowledgement(data, body, end, self._version)
        self._state.acknowledged(session, packet_id, 1)

    def _pubrec(self, session: Session, data: bytes, body: int, end: int) -> None:
        packet_id, reason = packets.decode_acknowledgement(data, body, end, self._version)
        if reason >= reason_codes.UNSPECIFIED_ERROR:
            # 4.3.3: the message is not delivered, and the packet id is free again.
            self._state.acknowledged(session, packet_id, 2)
            return
        found = self._state.received(session, packet_id)
        if found or self._version == V311:
            self._send_committed(packets.acknowledgement(packets.PUBREL, packet_id))
        else:
            self._send_committed(
                packets.acknowledgement(
                    packets.PUBREL, packet_id, reason_codes.PACKET_IDENTIFIER_NOT_FOUND
                )
            )

    def _pubcomp(self, session: Session, data: bytes, body: int, end: int) -> None:
        packet_id, _ = packets.decode_acknowledgement(data, body, end, self._version)
        self._state.completed(session, packet_id)

    # Subscriptions

    def _subscribe(self, session: Session, data: bytes, body: int, end: int) -> None:
        packet_id, wanted = packets.decode_subscribe(data, body, end, self._version)
        reasons, granted = [], []
        for subscription in wanted:
            reason = self._check_subscription(session, subscription.topic_filter)
            if reason < reason_codes.UNSPECIFIED_ERROR:
                shared = subscription.topic_filter.startswith(topics.SHARED)
                if shared and subscription.no_local:
                    # 3.8.3.1.
                    raise ProtocolError("no local for a shared subscription")
                reason = subscription.qos
                is_new = subscription.topic_filter not in session.subscriptions
                self._state.subscribe(session, subscription)
                handling = subscription.retain_handling
                if not shared and (handling == 0 or (handling == 1 and is_new)):
                    granted.append(subscription)
            elif self._version == V311:
                reason = 0x80
            reasons.append(reason)
        answer = packets.suback(self._version, packet_id, reasons)
        if session.expiry_s:
            self._send_committed(answer)
        else:
            self._send(answer)
        for subscription in granted:
            self._state.send_retained(session, subscription)

    def _check_subscription(self, session: Session, topic_filter: str) -> int:
        inner = topic_filter
        try:
            if shared := topics.split_shared(topic_filter):
                inner = shared[1]
            valid = topics.is_valid_filter(inner, self._limits)
        except ValueError:
            valid = False
        if not valid:
            if self._version == V311:
                raise ProtocolError("a topic filter is not valid")
            return reason_codes.TOPIC_FILTER_INVALID
        if not self._state.backend.may_subscribe(self._account, inner):
            self._log.log(
                logging.WARNING,
                "denied",
                "%s may not subscribe to %s",
                self._who,
                shown(topic_filter),
            )
            return reason_codes.NOT_AUTHORIZED
        full = len(session.subscriptions) >= self._limits.subscriptions
        if full and topic_filter not in session.subscriptions:
            return reason_codes.QUOTA_EXCEEDED
        return reason_codes.SUCCESS

    def _unsubscribe(self, session: Session, data: bytes, body: int, end: int) -> None:
        packet_id, filters = packets.decode_unsubscribe(data, body, end, self._version)
        reasons = [
            reason_codes.SUCCESS
            if self._state.unsubscribe(session, one)
            else reason_codes.NO_SUBSCRIPTION_EXISTED
            for one in filters
        ]
        answer = packets.unsuback(self._version, packet_id, reasons)
        if session.expiry_s:
            self._send_committed(answer)
        else:
            self._send(answer)

    # The end

    def _disconnect(self, session: Session, data: bytes, body: int, end: int) -> None:
        reason, expiry_s = packets.decode_disconnect(data, body, end, self._version)
        if expiry_s is not None:
            if self._clean_expiry and expiry_s:
                raise ProtocolError("DISCONNECT extends a session that was not to be kept")
            self._state.set_expiry(session, min(expiry_s, self._limits.session_expiry_s))
        self._close(publish_will=reason != reason_codes.SUCCESS)

    @property
    def _who(self) -> str:
        name = self._account.name
        return f"Account {shown(name)}" if name else "An anonymous client"

    def _fail(self, error: ProtocolError) -> None:
        self._state.statistics["protocol_errors"] += 1
        session = self.session
        self._log.log(
            logging.WARNING,
            "protocol" if session else "no MQTT",
            "Closed the connection of client %s from %s: %s",
            shown(session.client_id if session else ""),
            self.address,
            error,
        )
        self.end(error.reason, str(error))

    def _close(self, publish_will: bool) -> None:
        self.is_closing = True
        self._partial.clear()
        self._topics.clear()
        self._changed[self] = None
        self._pending.discard(self)
        if self.session:
            self._state.detach(self.session, self._will, self._will_delay_s, publish_will)
            self._will = None

    # What goes out

    def send_publish(self, delivery: Delivery) -> bool:
        """Send a message; False, with nothing sent, if the client does not accept its size."""
        message = delivery.message
        if not delivery.qos and self._output_bytes + self.backlog > self._limits.output_bytes:
            self._state.statistics["output_dropped"] += 1
            return False
        first = packets.PUBLISH | delivery.qos << 1
        if delivery.retain:
            first |= _RETAIN
        if delivery.duplicate:
            first |= _DUP
        topic, listed = message.topic, b""
        if self._version == V5:
            if self._is_small_client and not self._fits(delivery):
                return False
            topic, listed = self._outgoing_properties(delivery)
        self._send(
            packets.publish(first, write_utf8(topic), delivery.packet_id, listed, message.payload)
        )
        return True

    def _fits(self, delivery: Delivery) -> bool:
        """Return whether the client accepts a packet of this size (3.1.2.11.4)."""
        message = delivery.message
        listed = properties.encode(self._plain_properties(delivery))
        # Type, remaining length, topic with its length, packet id, and a topic alias.
        size = len(message.topic.encode()) + len(listed) + len(message.payload) + 12
        return size <= self._client_maximum

    def _plain_properties(self, delivery: Delivery) -> list[tuple[int, object]]:
        message = delivery.message
        listed: list[tuple[int, object]] = list(message.properties)
        left_s = self._state.remaining_s(message)
        if left_s is not None:
            listed.append((properties.MESSAGE_EXPIRY_INTERVAL, left_s))
        listed += [(properties.SUBSCRIPTION_IDENTIFIER, one) for one in delivery.identifiers]
        return listed

    def _outgoing_properties(self, delivery: Delivery) -> tuple[str, bytes]:
        """Return the topic, empty if its alias is known, and the encoded properties."""
        topic = delivery.message.topic
        if not self._aliases_out_maximum:
            simple = not (
                delivery.message.properties or delivery.message.expires_ns or delivery.identifiers
            )
            return topic, b"\x00" if simple else properties.encode(self._plain_properties(delivery))
        listed = self._plain_properties(delivery)
        alias = self._aliases_out.get(topic)
        if alias is not None:
            listed.append((properties.TOPIC_ALIAS, alias))
            topic = ""
        elif len(self._aliases_out) < self._aliases_out_maximum:
            alias = self._aliases_out[topic] = len(self._aliases_out) + 1
            listed.append((properties.TOPIC_ALIAS, alias))
        return topic, properties.encode(listed)

    def send_pubrel(self, packet_id: int) -> None:
        """Send PUBREL."""
        self._send(packets.acknowledgement(packets.PUBREL, packet_id))

    def _send(self, packet: bytes) -> None:
        self._output.append(packet)
        self._output_bytes += len(packet)
        self._changed[self] = None

    def _send_committed(self, packet: bytes, counted: bool = False) -> None:
        """Send a packet when everything before it is durable; in the order of these calls."""
        held = self._state.hold_until_committed(self)
        if held is None:
            self._send(packet)
            return
        held.data += packet
        if counted:
            held.qos1 += 1
            self._unacknowledged += 1


def shown(text: str) -> str:
    """Return text from a client as it may stand in a log: quoted, escaped and short."""
    return ascii(text if len(text) <= 64 else text[:64] + "...")


_HANDLERS = {
    packets.PUBACK: Connection._puback,
    packets.PUBREC: Connection._pubrec,
    packets.PUBREL: Connection._pubrel,
    packets.PUBCOMP: Connection._pubcomp,
    packets.SUBSCRIBE: Connection._subscribe,
    packets.UNSUBSCRIBE: Connection._unsubscribe,
    packets.DISCONNECT: Connection._disconnect,
}
