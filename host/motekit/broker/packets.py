"""Control packets of MQTT 3.1.1 and 5: strict decoding of what clients send, and encoding.

Clause numbers are those of MQTT 5 where both versions agree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from motekit.broker import fields, properties, reason_codes
from motekit.broker.backend import Message, PropertyList, Subscription
from motekit.broker.errors import MalformedPacket, ProtocolError

CONNECT, CONNACK = 0x10, 0x20
PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x30, 0x40, 0x50, 0x62, 0x70
SUBSCRIBE, SUBACK = 0x82, 0x90
UNSUBSCRIBE, UNSUBACK = 0xA2, 0xB0
PINGREQ, PINGRESP = 0xC0, 0xD0
DISCONNECT, AUTH = 0xE0, 0xF0

PINGRESP_PACKET = b"\xd0\x00"
V311, V5 = 4, 5
NO_EXPIRY = 0xFFFFFFFF

_CONNECT_RESERVED, _CLEAN, _WILL, _WILL_QOS, _WILL_RETAIN = 0x01, 0x02, 0x04, 0x18, 0x20
_PASSWORD, _USER_NAME = 0x40, 0x80


class UnsupportedVersion(Exception):
    """CONNECT names a protocol level that this broker does not speak; `level` is that."""

    def __init__(self, level: int) -> None:
        super().__init__(f"protocol level {level}")
        self.level = level


@dataclass(slots=True)
class Connect:
    """A CONNECT packet. `will` has no time yet; `expiry_s` is as in MQTT 5."""

    version: int
    client_id: str
    clean_start: bool
    keep_alive_s: int
    username: str | None
    password: bytes | None
    will: Message | None
    will_delay_s: int
    will_expiry_s: int | None
    expiry_s: int
    receive_maximum: int
    maximum_packet_bytes: int
    topic_alias_maximum: int
    authentication_method: str | None


def decode_connect(data: bytes, at: int, end: int) -> Connect:
    """Decode the body of CONNECT. Raises ProtocolError, UnsupportedVersion."""
    name, at = fields.read_bytes(data, at, end)
    if name != b"MQTT":
        # MQTT 3.1 has the name MQIsdp and level 3.
        if name == b"MQIsdp":
            raise UnsupportedVersion(3)
        raise ProtocolError("the protocol name is not MQTT")
    version, at = fields.read_integer(data, at, end, 1)
    if version not in (V311, V5):
        raise UnsupportedVersion(version)
    flags, at = fields.read_integer(data, at, end, 1)
    _check_connect_flags(flags, version)
    keep_alive_s, at = fields.read_integer(data, at, end, 2)
    found: dict[int, object] = {}
    if version == V5:
        listed, at = properties.decode(data, at, end, properties.CONNECT)
        found = dict(listed)
    client_id, at = fields.read_utf8(data, at, end)
    will, will_delay_s, will_expiry_s = None, 0, None
    if flags & _WILL:
        will, will_delay_s, will_expiry_s, at = _decode_will(data, at, end, flags, version)
    username = password = None
    if flags & _USER_NAME:
        username, at = fields.read_utf8(data, at, end)
    if flags & _PASSWORD:
        password, at = fields.read_bytes(data, at, end)
    if at != end:
        raise MalformedPacket("CONNECT is longer than its fields")
    clean_start = bool(flags & _CLEAN)
    expiry_s = _integer(found, properties.SESSION_EXPIRY_INTERVAL, 0)
    if version == V311 and not clean_start:
        expiry_s = NO_EXPIRY
    if properties.AUTHENTICATION_DATA in found and properties.AUTHENTICATION_METHOD not in found:
        raise ProtocolError("authentication data without a method")
    method = found.get(properties.AUTHENTICATION_METHOD)
    return Connect(
        version,
        client_id,
        clean_start,
        keep_alive_s,
        username,
        password,
        will,
        will_delay_s,
        will_expiry_s,
        expiry_s,
        _integer(found, properties.RECEIVE_MAXIMUM, 65_535),
        _integer(found, properties.MAXIMUM_PACKET_SIZE, fields.MAX_VARIABLE_INTEGER + 5),
        _integer(found, properties.TOPIC_ALIAS_MAXIMUM, 0),
        None if method is None else str(method),
    )


def _integer(found: dict[int, object], identifier: int, default: int) -> int:
    value = found.get(identifier, default)
    assert isinstance(value, int)
    return value


def _check_connect_flags(flags: int, version: int) -> None:
    if flags & _CONNECT_RESERVED:
        raise MalformedPacket("the reserved flag of CONNECT is set")
    if flags & _WILL_QOS == _WILL_QOS:
        raise MalformedPacket("the will has QoS 3")
    if not flags & _WILL and flags & (_WILL_QOS | _WILL_RETAIN):
        raise MalformedPacket("flags of a will without a will")
    if version == V311 and flags & _PASSWORD and not flags & _USER_NAME:
        raise MalformedPacket("a password without a user name")


def _decode_will(
    data: bytes, at: int, end: int, flags: int, version: int
) -> tuple[Message, int, int | None, int]:
    listed: PropertyList = ()
    if version == V5:
        listed, at = properties.decode(data, at, end, properties.WILL)
    topic, at = fields.read_utf8(data, at, end)
    payload, at = fields.read_bytes(data, at, end)
    found: dict[int, object] = dict(listed)
    expiry_s = None
    if properties.MESSAGE_EXPIRY_INTERVAL in found:
        expiry_s = _integer(found, properties.MESSAGE_EXPIRY_INTERVAL, 0)
    kept = tuple(one for one in listed if one[0] in properties.FORWARDED)
    will = Message(topic, payload, (flags & _WILL_QOS) >> 3, bool(flags & _WILL_RETAIN), kept)
    return will, _integer(found, properties.WILL_DELAY_INTERVAL, 0), expiry_s, at


def decode_acknowledgement(data: bytes, at: int, end: int, version: int) -> tuple[int, int]:
    """Return (packet id, reason code) of PUBACK, PUBREC, PUBREL or PUBCOMP."""
    packet_id, at = _packet_id(data, at, end)
    if at == end:
        return packet_id, reason_codes.SUCCESS
    if version == V311:
        raise MalformedPacket("an acknowledgement is longer than its packet id")
    reason, at = fields.read_integer(data, at, end, 1)
    if at != end:
        _, at = properties.decode(data, at, end, properties.ACKNOWLEDGEMENT)
    if at != end:
        raise MalformedPacket("an acknowledgement is longer than its fields")
    return packet_id, reason


def decode_subscribe(
    data: bytes, at: int, end: int, version: int
) -> tuple[int, list[Subscription]]:
    """Return (packet id, subscriptions) of SUBSCRIBE; filters are not validated."""
    packet_id, at = _packet_id(data, at, end)
    identifier = 0
    if version == V5:
        listed, at = properties.decode(data, at, end, properties.SUBSCRIBE)
        identifier = _integer(dict(listed), properties.SUBSCRIPTION_IDENTIFIER, 0)
    subscriptions = []
    while at < end:
        topic_filter, at = fields.read_utf8(data, at, end)
        options, at = fields.read_integer(data, at, end, 1)
        qos, handling = options & 0x03, options >> 4 & 0x03
        if qos == 3 or handling == 3 or options & (0xC0 if version == V5 else 0xFC):
            raise MalformedPacket("the options of a subscription have reserved bits set")
        subscriptions.append(
            Subscription(
                topic_filter, qos, bool(options & 0x04), bool(options & 0x08), handling, identifier
            )
        )
    if not subscriptions:
        raise ProtocolError("SUBSCRIBE without a topic filter")
    return packet_id, subscriptions


def decode_unsubscribe(data: bytes, at: int, end: int, version: int) -> tuple[int, list[str]]:
    """Return (packet id, topic filters) of UNSUBSCRIBE."""
    packet_id, at = _packet_id(data, at, end)
    if version == V5:
        _, at = properties.decode(data, at, end, properties.UNSUBSCRIBE)
    filters = []
    while at < end:
        topic_filter, at = fields.read_utf8(data, at, end)
        filters.append(topic_filter)
    if not filters:
        raise ProtocolError("UNSUBSCRIBE without a topic filter")
    return packet_id, filters


def decode_disconnect(data: bytes, at: int, end: int, version: int) -> tuple[int, int | None]:
    """Return (reason code, session expiry interval or None) of DISCONNECT."""
    if at == end:
        return reason_codes.SUCCESS, None
    if version == V311:
        raise MalformedPacket("DISCONNECT has a body")
    reason, at = fields.read_integer(data, at, end, 1)
    expiry_s: int | None = None
    if at != end:
        listed, at = properties.decode(data, at, end, properties.DISCONNECT)
        found: dict[int, object] = dict(listed)
        if properties.SESSION_EXPIRY_INTERVAL in found:
            expiry_s = _integer(found, properties.SESSION_EXPIRY_INTERVAL, 0)
    if at != end:
        raise MalformedPacket("DISCONNECT is longer than its fields")
    return reason, expiry_s


def encode(first: int, body: bytes) -> bytes:
    """Return a packet: type and flags, remaining length, body."""
    return bytes((first,)) + fields.write_variable_integer(len(body)) + body


def connack(
    version: int, reason: int, session_present: bool = False, listed: PropertyList = ()
) -> bytes:
    """CONNACK; `reason` is a return code in MQTT 3.1.1."""
    body = bytes((session_present, reason))
    if version == V5:
        body += properties.encode(listed)
    return encode(CONNACK, body)


def acknowledgement(first: int, packet_id: int, reason: int = 0) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP; a `reason` other than 0 for MQTT 5 only."""
    if not reason:
        return bytes((first, 2, packet_id >> 8, packet_id & 0xFF))
    return bytes((first, 3, packet_id >> 8, packet_id & 0xFF, reason))


def suback(version: int, packet_id: int, reasons: Sequence[int]) -> bytes:
    """SUBACK with one reason code for each topic filter."""
    none = b"\x00" if version == V5 else b""
    return encode(SUBACK, packet_id.to_bytes(2, "big") + none + bytes(reasons))


def unsuback(version: int, packet_id: int, reasons: Iterable[int]) -> bytes:
    """UNSUBACK; MQTT 3.1.1 has no reason codes in it."""
    body = packet_id.to_bytes(2, "big")
    if version == V5:
        body += b"\x00" + bytes(reasons)
    return encode(UNSUBACK, body)


def disconnect(reason: int, text: str = "") -> bytes:
    """DISCONNECT of a server, which exists in MQTT 5 only."""
    if not text:
        return encode(DISCONNECT, bytes((reason,)))
    explained = properties.encode(((properties.REASON_STRING, text),))
    return encode(DISCONNECT, bytes((reason,)) + explained)


def publish(first: int, topic: bytes, packet_id: int, listed: bytes, payload: bytes) -> bytes:
    """PUBLISH; `topic` and `listed` (the properties of MQTT 5) are encoded, id 0 is left out."""
    if packet_id:
        topic += packet_id.to_bytes(2, "big")
    size = len(topic) + len(listed) + len(payload)
    if size < 0x80:
        return bytes((first, size)) + topic + listed + payload
    return bytes((first,)) + fields.write_variable_integer(size) + topic + listed + payload


def _packet_id(data: bytes, at: int, end: int) -> tuple[int, int]:
    packet_id, at = fields.read_integer(data, at, end, 2)
    if not packet_id:
        raise ProtocolError("the packet id is 0")
    return packet_id, at
