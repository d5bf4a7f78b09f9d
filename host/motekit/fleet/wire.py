"""MQTT 3.1.1 as a publisher needs it: packets to bytes and back (OASIS standard, 2014).

A client library takes 20 to 100 µs a publish; here the topic is encoded once and a publish is one
concatenation, so that thousands of them go out in one write.
"""

from collections.abc import Sequence

CONNACK = 0x20
PUBACK = 0x40
PINGRESP = 0xD0
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
DUP = 0x08
LAST_ID = 0xFFFF

_PUBLISH = 0x30
_RETAIN = 0x01
_CLEAN_SESSION = 0x02
_WILL_QOS1_RETAINED = 0x04 | 0x08 | 0x20
_PASSWORD = 0x40
_USER = 0x80

# 3.2.2.3: what the server says when it does not let a client in.
REFUSED = {
    1: "it does not speak MQTT 3.1.1",
    2: "it does not accept this client id",
    3: "it is not available",
    4: "wrong user name or password",
    5: "not authorised",
}


class ProtocolError(Exception):
    """The other side sent what MQTT does not allow."""


def text(value: str) -> bytes:
    """A string as MQTT writes it: two bytes of length, then UTF-8."""
    encoded = value.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def connect(
    client: str,
    keep_alive_s: int,
    user: str = "",
    password: str = "",
    will: tuple[str, str] | None = None,
) -> bytes:
    """CONNECT with a clean session; `will` is topic and payload, retained at QoS 1."""
    flags = _CLEAN_SESSION
    payload = text(client)
    if will:
        flags |= _WILL_QOS1_RETAINED
        payload += text(will[0]) + text(will[1])
    if user:
        flags |= _USER | _PASSWORD
        payload += text(user) + text(password)
    body = text("MQTT") + bytes((4, flags)) + keep_alive_s.to_bytes(2, "big") + payload
    return b"\x10" + _length(len(body)) + body


def publish_flags(qos: int, retain: bool = False) -> int:
    """The first byte of a PUBLISH."""
    return _PUBLISH | qos << 1 | (_RETAIN if retain else 0)


def publish(flags: int, topic: bytes, payload: bytes, packet_id: int = 0) -> bytes:
    """PUBLISH; `topic` comes from `text`, `packet_id` (1 to 65,535) is left out at QoS 0."""
    if packet_id:
        topic += packet_id.to_bytes(2, "big")
    size = len(topic) + len(payload)
    head = bytes((flags, size)) if size < 0x80 else bytes((flags,)) + _length(size)
    return head + topic + payload


def read(data: bytes) -> tuple[Sequence[int], list[tuple[int, bytes]], bytes]:
    """Acknowledged packet ids, other packets as (type, body), and the beginning of the next one.

    Raises ProtocolError for a length that is none.
    """
    count = len(data) >> 2
    # Under load nearly all that comes is acknowledgements, four bytes each: no loop over bytes.
    if data[::4] == b"\x40" * count and data[1::4] == b"\x02" * count and len(data) == count << 2:
        return [h << 8 | low for h, low in zip(data[2::4], data[3::4], strict=True)], [], b""
    acknowledged, others, at = [], [], 0
    while (found := _body(data, at)) is not None:
        begin, end = found
        if data[at] == PUBACK:
            acknowledged.append(int.from_bytes(data[begin:end], "big"))
        else:
            others.append((data[at], data[begin:end]))
        at = end
    return acknowledged, others, data[at:]


def _body(data: bytes, at: int) -> tuple[int, int] | None:
    """Where the body of the packet at `at` begins and ends; None while it is not all there."""
    size = shift = 0
    for place in range(at + 1, min(at + 5, len(data))):
        size |= (data[place] & 0x7F) << shift
        shift += 7
        if data[place] < 0x80:
            end = place + 1 + size
            return (place + 1, end) if end <= len(data) else None
    if len(data) >= at + 5:
        raise ProtocolError("a packet's length has more than four bytes")
    return None


def _length(size: int) -> bytes:
    """Remaining length, 2.2.3: seven bits a byte, the lowest first."""
    encoded = bytearray()
    while size >= 0x80:
        encoded.append(size & 0x7F | 0x80)
        size >>= 7
    encoded.append(size)
    return bytes(encoded)
