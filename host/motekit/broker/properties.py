"""Properties of MQTT 5 packets (section 2.2.2)."""

from collections.abc import Callable, Iterable
from typing import Any

from motekit.broker import fields
from motekit.broker.backend import PropertyList
from motekit.broker.errors import MalformedPacket, ProtocolError

PAYLOAD_FORMAT_INDICATOR = 0x01
MESSAGE_EXPIRY_INTERVAL = 0x02
CONTENT_TYPE = 0x03
RESPONSE_TOPIC = 0x08
CORRELATION_DATA = 0x09
SUBSCRIPTION_IDENTIFIER = 0x0B
SESSION_EXPIRY_INTERVAL = 0x11
ASSIGNED_CLIENT_IDENTIFIER = 0x12
SERVER_KEEP_ALIVE = 0x13
AUTHENTICATION_METHOD = 0x15
AUTHENTICATION_DATA = 0x16
REQUEST_PROBLEM_INFORMATION = 0x17
WILL_DELAY_INTERVAL = 0x18
REQUEST_RESPONSE_INFORMATION = 0x19
RESPONSE_INFORMATION = 0x1A
SERVER_REFERENCE = 0x1C
REASON_STRING = 0x1F
RECEIVE_MAXIMUM = 0x21
TOPIC_ALIAS_MAXIMUM = 0x22
TOPIC_ALIAS = 0x23
MAXIMUM_QOS = 0x24
RETAIN_AVAILABLE = 0x25
USER_PROPERTY = 0x26
MAXIMUM_PACKET_SIZE = 0x27
WILDCARD_SUBSCRIPTION_AVAILABLE = 0x28
SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29
SHARED_SUBSCRIPTION_AVAILABLE = 0x2A

# What a client may send in each packet (table 2-4).
PUBLISH = frozenset(
    (
        PAYLOAD_FORMAT_INDICATOR,
        MESSAGE_EXPIRY_INTERVAL,
        CONTENT_TYPE,
        RESPONSE_TOPIC,
        CORRELATION_DATA,
        TOPIC_ALIAS,
        USER_PROPERTY,
    )
)
WILL = PUBLISH - {TOPIC_ALIAS} | {WILL_DELAY_INTERVAL}
CONNECT = frozenset(
    (
        SESSION_EXPIRY_INTERVAL,
        AUTHENTICATION_METHOD,
        AUTHENTICATION_DATA,
        REQUEST_PROBLEM_INFORMATION,
        REQUEST_RESPONSE_INFORMATION,
        RECEIVE_MAXIMUM,
        TOPIC_ALIAS_MAXIMUM,
        USER_PROPERTY,
        MAXIMUM_PACKET_SIZE,
    )
)
ACKNOWLEDGEMENT = frozenset((REASON_STRING, USER_PROPERTY))
SUBSCRIBE = frozenset((SUBSCRIPTION_IDENTIFIER, USER_PROPERTY))
UNSUBSCRIBE = frozenset((USER_PROPERTY,))
DISCONNECT = frozenset((SESSION_EXPIRY_INTERVAL, REASON_STRING, USER_PROPERTY))
# What is passed on to subscribers unchanged (3.3.2.3); the expiry interval is computed anew.
FORWARDED = PUBLISH - {TOPIC_ALIAS, MESSAGE_EXPIRY_INTERVAL}

_ONE_BYTE = frozenset(
    (
        PAYLOAD_FORMAT_INDICATOR,
        REQUEST_PROBLEM_INFORMATION,
        REQUEST_RESPONSE_INFORMATION,
        MAXIMUM_QOS,
        RETAIN_AVAILABLE,
        WILDCARD_SUBSCRIPTION_AVAILABLE,
        SUBSCRIPTION_IDENTIFIER_AVAILABLE,
        SHARED_SUBSCRIPTION_AVAILABLE,
    )
)
_TWO_BYTES = frozenset((SERVER_KEEP_ALIVE, RECEIVE_MAXIMUM, TOPIC_ALIAS_MAXIMUM, TOPIC_ALIAS))
_FOUR_BYTES = frozenset(
    (MESSAGE_EXPIRY_INTERVAL, SESSION_EXPIRY_INTERVAL, WILL_DELAY_INTERVAL, MAXIMUM_PACKET_SIZE)
)
_TEXT = frozenset(
    (
        CONTENT_TYPE,
        RESPONSE_TOPIC,
        ASSIGNED_CLIENT_IDENTIFIER,
        AUTHENTICATION_METHOD,
        RESPONSE_INFORMATION,
        SERVER_REFERENCE,
        REASON_STRING,
    )
)
_BINARY = frozenset((CORRELATION_DATA, AUTHENTICATION_DATA))
# Where 0 is a protocol error.
_NOT_ZERO = frozenset((RECEIVE_MAXIMUM, MAXIMUM_PACKET_SIZE, SUBSCRIPTION_IDENTIFIER))

_Read = Callable[[bytes, int, int], tuple[Any, int]]


def _integer(size: int) -> _Read:
    return lambda data, at, end: fields.read_integer(data, at, end, size)


def _pair(data: bytes, at: int, end: int) -> tuple[tuple[str, str], int]:
    key, at = fields.read_utf8(data, at, end)
    value, at = fields.read_utf8(data, at, end)
    return (key, value), at


_READERS: dict[int, _Read] = {
    **dict.fromkeys(_ONE_BYTE, _integer(1)),
    **dict.fromkeys(_TWO_BYTES, _integer(2)),
    **dict.fromkeys(_FOUR_BYTES, _integer(4)),
    **dict.fromkeys(_TEXT, fields.read_utf8),
    **dict.fromkeys(_BINARY, fields.read_bytes),
    SUBSCRIPTION_IDENTIFIER: fields.read_variable_integer,
    USER_PROPERTY: _pair,
}


def decode(data: bytes, at: int, end: int, allowed: frozenset[int]) -> tuple[PropertyList, int]:
    """Return the properties that begin at `at`, and where the next field begins.

    Raises MalformedPacket, or ProtocolError for a property that is repeated, out of range or not
    `allowed` in this packet.
    """
    size, at = fields.read_variable_integer(data, at, end)
    if not size:
        return (), at
    stop = at + size
    if stop > end:
        raise MalformedPacket("the properties are longer than their packet")
    found: list[tuple[int, Any]] = []
    seen: set[int] = set()
    while at < stop:
        identifier = data[at]
        if identifier not in allowed:
            raise MalformedPacket(f"property 0x{identifier:02X} is not allowed in this packet")
        value, at = _READERS[identifier](data, at + 1, stop)
        if identifier != USER_PROPERTY:
            if identifier in seen:
                raise ProtocolError(f"property 0x{identifier:02X} is repeated")
            seen.add(identifier)
            _check(identifier, value)
        found.append((identifier, value))
    return tuple(found), at


def encode(properties: Iterable[tuple[int, Any]]) -> bytes:
    """Return properties with their length before them."""
    encoded = bytearray()
    for identifier, value in properties:
        encoded.append(identifier)
        if identifier == USER_PROPERTY:
            encoded += fields.write_utf8(value[0]) + fields.write_utf8(value[1])
        elif identifier in _TEXT:
            encoded += fields.write_utf8(value)
        elif identifier in _BINARY:
            encoded += fields.write_bytes(value)
        elif identifier in _FOUR_BYTES:
            encoded += value.to_bytes(4, "big")
        elif identifier in _TWO_BYTES:
            encoded += value.to_bytes(2, "big")
        elif identifier in _ONE_BYTE:
            encoded.append(value)
        else:
            encoded += fields.write_variable_integer(value)
    return fields.write_variable_integer(len(encoded)) + bytes(encoded)


def decode_forwarded(data: bytes) -> PropertyList:
    """Return what `encode` made of the properties of a message."""
    return decode(data, 0, len(data), FORWARDED)[0] if data else ()


def _check(identifier: int, value: Any) -> None:
    if identifier in _NOT_ZERO and not value:
        raise ProtocolError(f"property 0x{identifier:02X} is 0")
    if identifier in _ONE_BYTE and value > 1:
        raise ProtocolError(f"property 0x{identifier:02X} is neither 0 nor 1")
