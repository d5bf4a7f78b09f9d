"""Multicast DNS packets made by hand, as responders send them."""

import struct

from mote.mqtt.mdns import PTR, SRV, A

SERVICE = "_mqtt._tcp.local"
TXT, AAAA, ANSWER, FLUSH = 16, 28, 0x8400, 0x8000


def name(*labels):
    return b"".join(bytes((len(label.encode()),)) + label.encode() for label in labels) + b"\0"


def record(owner, kind, data, family=1):
    return owner + struct.pack("!HHIH", kind, family, 10, len(data)) + data


def response(*found, flags=ANSWER, questions=b"", asked=0, sections=None):
    counts = sections or (len(found), 0, 0)
    return struct.pack("!HHHHHH", 0, flags, asked, *counts) + questions + b"".join(found)


def srv(port, target):
    return struct.pack("!HHH", 0, 0, port) + target


def compressed():
    """PTR, TXT, SRV, AAAA and A as a responder sends them, each name written once."""
    packet = response(sections=(1, 0, 4), asked=1)
    service = len(packet)
    packet += name("_mqtt", "_tcp", "local") + struct.pack("!HH", PTR, 1)
    local = pointer(service + 11)
    instance = len(packet) + 12
    packet += record(pointer(service), PTR, b"\x08My House" + pointer(service))
    packet += record(pointer(instance), TXT, b"\x03a=b")
    host = len(packet) + 12 + 6
    packet += record(pointer(instance), SRV, srv(1883, b"\x03HUB" + local), 1 | FLUSH)
    packet += record(pointer(host), AAAA, bytes(16))
    return packet + record(pointer(host), A, b"\xc0\xa8\x01\x02", 1 | FLUSH)


def pointer(place):
    return struct.pack("!H", 0xC000 | place)


COMPRESSED = [
    (SERVICE, PTR, "My House._mqtt._tcp.local"),
    ("my house._mqtt._tcp.local", SRV, (1883, "HUB.local")),
    ("hub.local", A, "192.168.1.2"),
]
