"""MQTT 3.1.1 and 5 from a client's side, written for these tests from the OASIS standards.

Independent of `motekit.broker`, so that the broker's codec is not judged by itself.
"""

import struct
from dataclasses import dataclass, field
from typing import Any

V311, V5 = 4, 5
CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 2, 3, 4, 5, 6, 7
SUBACK, UNSUBACK, PINGRESP, DISCONNECT = 9, 11, 13, 14
PINGREQ_PACKET, DISCONNECT_PACKET = b"\xc0\x00", b"\xe0\x00"

# Property identifier -> format: struct code, "s" string, "b" binary, "p" pair, "v" variable.
FORMATS = {
    0x01: "B", 0x02: "I", 0x03: "s", 0x08: "s", 0x09: "b", 0x0B: "v", 0x11: "I", 0x12: "s",
    0x13: "H", 0x15: "s", 0x16: "b", 0x17: "B", 0x18: "I", 0x19: "B", 0x1A: "s", 0x1C: "s",
    0x1F: "s", 0x21: "H", 0x22: "H", 0x23: "H", 0x24: "B", 0x25: "B", 0x26: "p", 0x27: "I",
    0x28: "B", 0x29: "B", 0x2A: "B",
}  # fmt: skip


def text(value: str | bytes) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!H", len(data)) + data


def variable(value: int) -> bytes:
    encoded = b""
    while True:
        value, digit = divmod(value, 128)
        encoded += bytes((digit | (0x80 if value else 0),))
        if not value:
            return encoded


def packet(first: int, body: bytes = b"") -> bytes:
    return bytes((first,)) + variable(len(body)) + body


def properties(listed: list[tuple[int, Any]] | None) -> bytes:
    encoded = b""
    for identifier, value in listed or []:
        encoded += bytes((identifier,))
        form = FORMATS[identifier]
        if form in "sb":
            encoded += text(value)
        elif form == "p":
            encoded += text(value[0]) + text(value[1])
        elif form == "v":
            encoded += variable(value)
        else:
            encoded += struct.pack("!" + form, value)
    return variable(len(encoded)) + encoded


def connect(
    client_id: str = "",
    *,
    version: int = V311,
    clean: bool = True,
    keep_alive: int = 0,
    user: str | None = None,
    password: str | bytes | None = None,
    will: tuple[str, bytes, int, bool] | None = None,
    listed: list[tuple[int, Any]] | None = None,
    will_listed: list[tuple[int, Any]] | None = None,
) -> bytes:
    flags = 2 * clean
    body = text(client_id)
    if will:
        topic, payload, qos, retain = will
        flags |= 0x04 | qos << 3 | 0x20 * retain
        body += (properties(will_listed) if version == V5 else b"") + text(topic) + text(payload)
    if user is not None:
        flags |= 0x80
        body += text(user)
    if password is not None:
        flags |= 0x40
        body += text(password)
    head = text("MQTT") + bytes((version, flags)) + struct.pack("!H", keep_alive)
    return packet(0x10, head + (properties(listed) if version == V5 else b"") + body)


def publish(
    topic: str | bytes,
    payload: bytes = b"",
    qos: int = 0,
    packet_id: int = 0,
    *,
    retain: bool = False,
    dup: bool = False,
    version: int = V311,
    listed: list[tuple[int, Any]] | None = None,
) -> bytes:
    body = text(topic) + (struct.pack("!H", packet_id) if qos else b"")
    body += (properties(listed) if version == V5 else b"") + payload
    return packet(0x30 | qos << 1 | retain | dup << 3, body)


def subscribe(
    packet_id: int,
    *filters: tuple[str, int],
    version: int = V311,
    listed: list[tuple[int, Any]] | None = None,
) -> bytes:
    body = struct.pack("!H", packet_id) + (properties(listed) if version == V5 else b"")
    return packet(0x82, body + b"".join(text(one) + bytes((options,)) for one, options in filters))


def unsubscribe(packet_id: int, *filters: str, version: int = V311) -> bytes:
    body = struct.pack("!H", packet_id) + (b"\x00" if version == V5 else b"")
    return packet(0xA2, body + b"".join(text(one) for one in filters))


def acknowledge(kind: int, packet_id: int, reason: int | None = None) -> bytes:
    body = struct.pack("!H", packet_id) + (b"" if reason is None else bytes((reason,)))
    return packet(kind << 4 | (2 if kind == PUBREL else 0), body)


def disconnect(reason: int, listed: list[tuple[int, Any]] | None = None) -> bytes:
    return packet(0xE0, bytes((reason,)) + properties(listed))


@dataclass
class Packet:
    """A packet that the broker has sent."""

    kind: int
    flags: int
    packet_id: int = 0
    topic: str = ""
    payload: bytes = b""
    session_present: bool = False
    reasons: list[int] = field(default_factory=list)
    listed: list[tuple[int, Any]] = field(default_factory=list)

    @property
    def qos(self) -> int:
        return self.flags >> 1 & 3

    @property
    def retain(self) -> bool:
        return bool(self.flags & 1)

    @property
    def dup(self) -> bool:
        return bool(self.flags & 8)

    @property
    def reason(self) -> int:
        return self.reasons[0]

    def __getitem__(self, identifier: int) -> Any:
        """The value of a property, None if it is not there."""
        return dict(self.listed).get(identifier)


class Reader:
    """Fields of one packet, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, size: int) -> bytes:
        assert len(self.data) >= size, "a packet of the broker is cut off"
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def integer(self, code: str) -> int:
        return struct.unpack("!" + code, self.take(struct.calcsize("!" + code)))[0]

    def binary(self) -> bytes:
        return self.take(self.integer("H"))

    def variable(self) -> int:
        value = 0
        for place in range(4):
            digit = self.integer("B")
            value |= (digit & 0x7F) << 7 * place
            if digit < 0x80:
                return value
        raise AssertionError("a variable byte integer of the broker does not end")

    def properties(self) -> list[tuple[int, Any]]:
        inner = Reader(self.take(self.variable()))
        found: list[tuple[int, Any]] = []
        while inner.data:
            identifier = inner.integer("B")
            form = FORMATS[identifier]
            if form == "s":
                value: Any = inner.binary().decode()
            elif form == "b":
                value = inner.binary()
            elif form == "p":
                value = inner.binary().decode(), inner.binary().decode()
            elif form == "v":
                value = inner.variable()
            else:
                value = inner.integer(form)
            found.append((identifier, value))
        return found


def split(stream: bytes, version: int) -> tuple[list[Packet], bytes]:
    """All whole packets in what the broker has sent, and the rest."""
    found = []
    while len(stream) >= 2:
        size = shift = 0
        at = 1
        while True:
            if at >= len(stream):
                return found, stream
            size |= (stream[at] & 0x7F) << shift
            shift += 7
            at += 1
            if stream[at - 1] < 0x80:
                break
        if len(stream) < at + size:
            break
        found.append(_parse(stream[0], Reader(stream[at : at + size]), version))
        stream = stream[at + size :]
    return found, stream


def _parse(first: int, body: Reader, version: int) -> Packet:
    one = Packet(first >> 4, first & 0x0F)
    if one.kind == CONNACK:
        one.session_present = bool(body.integer("B"))
        one.reasons = [body.integer("B")]
        if body.data:
            one.listed = body.properties()
    elif one.kind == PUBLISH:
        one.topic = body.binary().decode()
        one.packet_id = body.integer("H") if one.qos else 0
        if version == V5:
            one.listed = body.properties()
        one.payload, body.data = body.data, b""
    elif one.kind in (PUBACK, PUBREC, PUBREL, PUBCOMP):
        one.packet_id = body.integer("H")
        one.reasons = [body.integer("B") if body.data else 0]
        if body.data:
            one.listed = body.properties()
    elif one.kind in (SUBACK, UNSUBACK):
        one.packet_id = body.integer("H")
        if version == V5:
            one.listed = body.properties()
        one.reasons, body.data = list(body.data), b""
    elif one.kind == DISCONNECT:
        one.reasons = [body.integer("B") if body.data else 0]
        if body.data:
            one.listed = body.properties()
    assert not body.data, "a packet of the broker is longer than its fields"
    return one
