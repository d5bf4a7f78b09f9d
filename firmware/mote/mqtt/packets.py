"""MQTT 3.1.1 control packets as bytes. Clause numbers are those of the OASIS standard."""

import struct

CONNECT, CONNACK = 0x10, 0x20
PUBLISH, PUBACK = 0x30, 0x40
SUBSCRIBE, SUBACK = 0x82, 0x90
PINGREQ, PINGRESP = 0xC0, 0xD0
DISCONNECT = 0xE0
# Bits of a PUBLISH packet's first byte (3.3.1).
RETAIN = 0x01
_QOS_SHIFT = 1
_QOS_MASK = 0x06


# What a ProtocolError says of a server that may want TLS, or not.
CLOSED = "closed without an answer"
TLS_ALERT = "a TLS alert"


class ProtocolError(Exception):
    """The other side broke MQTT 3.1.1, or does not speak it."""


def string(value):
    """A length-prefixed UTF-8 string (1.5.3) from text or bytes: the length counts bytes.

    Raises ValueError above 65,535 bytes.
    """
    data = value.encode() if isinstance(value, str) else value
    if len(data) > 0xFFFF:
        raise ValueError("an MQTT string holds 65535 bytes")
    return struct.pack("!H", len(data)) + data


def packet(first, *parts, more=0):
    """A control packet: type and flags, remaining length (2.2.3), then the parts.

    `more` bytes of it are sent behind what this returns. Raises ValueError above 268,435,455 bytes.
    """
    size = sum(len(part) for part in parts) + more
    if size >= 1 << 28:
        raise ValueError("an MQTT packet holds 256 MB")
    head = bytearray((first,))
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    head.append(size)
    return bytes(head) + b"".join(parts)


def connect(client, clean_session):
    """CONNECT (3.1) with the identity, last will and credentials that an `MQTTClient` holds."""
    flags = clean_session << 1
    payload = string(client.client_id)
    if client.lw_topic:
        flags |= 0x04 | client.lw_qos << 3 | client.lw_retain << 5
        payload += string(client.lw_topic) + string(client.lw_msg)
    if client.user:
        flags |= 0x80
        payload += string(client.user)
        # A password without a user name is not allowed (3.1.2.9).
        if client.pswd:
            flags |= 0x40
            payload += string(client.pswd)
    return packet(CONNECT, string("MQTT"), struct.pack("!BBH", 4, flags, client.keepalive), payload)


def publish(topic, payload, retain, qos, pid, more=0):
    """PUBLISH (3.3); `pid` is left out at QoS 0, `more` bytes of the payload come behind it."""
    first = PUBLISH | qos << _QOS_SHIFT | (RETAIN if retain else 0)
    head = struct.pack("!H", pid) if qos else b""
    return packet(first, string(topic), head, payload, more=more)


def subscribe(topic, qos, pid):
    """SUBSCRIBE to one topic filter (3.8)."""
    return packet(SUBSCRIBE, struct.pack("!H", pid), string(topic), bytes((qos,)))


def puback(pid):
    """PUBACK (3.4)."""
    return packet(PUBACK, struct.pack("!H", pid))


def packet_id(body):
    """The identifier that PUBACK and SUBACK begin with (2.3.1). Raises ProtocolError."""
    if len(body) < 2:
        raise ProtocolError("a packet without its identifier")
    return body[0] << 8 | body[1]


def published(first, body):
    """(topic, payload, pid) of a received PUBLISH; pid is 0 at QoS 0. Raises ProtocolError.

    The payload is a part of `body`: a view of it, where that is one.
    """
    qos = (first & _QOS_MASK) >> _QOS_SHIFT
    start = 2 + packet_id(body)
    pid = 0
    # QoS 2 was never asked for, and a broker must not send above what was granted (3.8.4).
    if qos > 1 or len(body) < start + 2 * qos:
        raise ProtocolError("a broken PUBLISH")
    if qos:
        pid = packet_id(body[start : start + 2])
    return bytes(body[2:start]), body[start + 2 * qos :], pid
