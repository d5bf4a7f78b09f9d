"""Finds brokers and `.local` names on the network by one-shot multicast DNS (RFC 6762 section 5.1).

The questions leave from an ephemeral port, which makes this a legacy unicast querier (section 6.7):
the answers come to that port alone, so no multicast group has to be joined. Times are in ms.
"""

import asyncio
import socket
import struct
import time

from mote import log, utf8

GROUP, PORT = "224.0.0.251", 5353
A, PTR, SRV = 1, 12, 33

_HEADER, _IN, _POLL_MS = 12, 1, 20
_LABEL_MAX, _NAME_MAX, _PACKET_MAX = 63, 254, 1472
# What a hostile network can cost: labels and pointers a name, records kept, packets a turn.
_STEPS_MAX, _RECORDS_MAX, _PACKETS_MAX = 64, 48, 8
# An empty datagram closes a socket of the ESP32 port for receiving (modsocket.c). A search opens
# this many new ones.
_NEW_SOCKETS_MAX = 8


# What the configuration takes as the name of a server, without the colon before a port.
_HOST = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_HOST_MAX = 253


class Server:
    """One instance of a service: instance label, host name, dotted address and port.

    All of it is checked: `host` and `port` can be saved, `name` has no control characters.
    """

    def __init__(self, name, host, address, port):
        self.name, self.host = name, host
        self.address, self.port = address, port


def question(name, kind):
    """The packet that asks for `name` (RFC 1035 section 4.1); ValueError for an impossible name.

    A dot and a backslash inside a label have a backslash before them (RFC 6763 section 4.3).
    """
    labels = [label.encode() for label in _labels(name)]
    sizes = [len(label) for label in labels]
    if min(sizes) == 0 or max(sizes) > _LABEL_MAX or sum(sizes) + len(sizes) > _NAME_MAX:
        raise ValueError("name %r" % name)
    encoded = b"".join(bytes((len(label),)) + label for label in labels)
    # A multicast query has the identifier 0 (RFC 6762 section 18.1).
    return struct.pack("!6H", 0, 0, 1, 0, 0, 0) + encoded + struct.pack("!BHH", 0, kind, _IN)


def records(packet):
    """(name in lower case, kind, value) of the A, PTR and SRV records in all three sections.

    Values: dotted address, name, (port, target). Never raises: a damaged packet gives the records
    before the damage. What is no successful response gives none (RFC 6762 sections 18.3, 18.11).
    """
    found = []
    try:
        if _number(packet, 2) & 0xF80F != 0x8000:
            return found
        place = _HEADER
        for _ in range(_number(packet, 4)):
            place = _name(packet, place)[1] + 4
        for _ in range(_number(packet, 6) + _number(packet, 8) + _number(packet, 10)):
            owner, place = _name(packet, place)
            # The top bit of the class is the cache-flush bit (RFC 6762 section 10.2).
            kind, family = _number(packet, place), _number(packet, place + 2) & 0x7FFF
            start = place + 10
            place = start + _number(packet, place + 8)
            if place > len(packet) or len(found) >= _RECORDS_MAX:
                break
            if family == _IN and kind in (A, PTR, SRV):
                found.append((owner.lower(), kind, _value(packet, kind, start, place)))
    except (IndexError, ValueError):
        pass
    return found


async def browse(service="_mqtt._tcp.local", wait_ms=1500):
    """Servers of one service, sorted by name, after `wait_ms` (RFC 6763 section 4).

    Only what has both a port and an address by then is listed, each host and port once; no network
    gives an empty list. A host whose name cannot be saved ("Büro PC.local") goes by its address.
    """
    suffix = "." + service.lower()
    servers = {}

    def wanted(known):
        # Never empty: who answers late is a server, too.
        names = [(service, PTR)]
        for instance in _values(known, service, PTR):
            if not instance.lower().endswith(suffix):
                continue
            told = _values(known, instance, SRV)
            port, host = next((one for one in told if one[0]), told[0] if told else (0, None))
            addresses = _values(known, host, A) if host else []
            address = next((one for one in addresses if _is_of_a_host(one)), None)
            if address:
                # Nothing listens on port 0.
                if port:
                    name = ".".join(_labels(instance[: -len(suffix)]))
                    host = host if _can_be_saved(host) else address
                    servers[instance.lower()] = Server(_readable(name), host, address, port)
            # The root as host says that there is no such server (RFC 2782).
            elif host != "":
                names.append((host, A) if host else (instance, SRV))
        return names

    await _ask((0, 500), wait_ms, wanted)
    found = {}
    for server in sorted(servers.values(), key=lambda server: server.name):
        found.setdefault((server.host.lower(), server.port), server)
    return sorted(found.values(), key=lambda server: server.name)


async def resolve(name, wait_ms=2000):
    """Dotted address of a `.local` name by the first answer, None without one in `wait_ms`.

    Other names are not asked for: they belong to the ordinary DNS (RFC 6762 section 3).
    """
    name = name.lower().rstrip(".")
    if not name.endswith(".local"):
        return None
    known = await _ask(
        (0, 300, 900), wait_ms, lambda known: [] if _values(known, name, A) else [(name, A)]
    )
    return (_values(known, name, A) or [None])[0]


async def _ask(times, wait_ms, wanted):
    """Records heard while asking what `wanted(records)` lists, until that is empty or time is up.

    What is still open is asked again at each of `times` (ms); without a network the search ends.
    """
    known, sock, new_sockets = [], None, 0
    try:
        sock = _open()
        group = socket.getaddrinfo(GROUP, PORT)[0][-1]
        start = time.ticks_ms()
        while True:
            passed = time.ticks_diff(time.ticks_ms(), start)
            names = wanted(known)
            if not names or passed >= wait_ms:
                break
            if times and passed >= times[0]:
                times = times[1:]
                asked = set()
            for one in set(names) - asked:
                asked.add(one)
                sock.sendto(question(*one), group)
            await asyncio.sleep_ms(_POLL_MS)
            if not _hear(sock, known) and new_sockets < _NEW_SOCKETS_MAX:
                new_sockets += 1
                sock.close()
                sock = _open()
                # The answers to what was asked went to the port of the socket before.
                asked = set()
    except (OSError, ValueError) as error:
        log.debug("mdns: %r" % error)
    finally:
        if sock:
            sock.close()
    return known


def _open():
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    return sock


def _hear(sock, known):
    """Add the records that have arrived to `known`; False when an empty datagram ended the socket.

    Several packets a turn, because the network stack keeps few; not all: a flood has no end.
    """
    for _ in range(_PACKETS_MAX):
        try:
            packet = sock.recvfrom(_PACKET_MAX)[0]
        except OSError:
            break
        if not packet:
            return False
        for record in records(packet):
            if record not in known and len(known) < _RECORDS_MAX:
                known.append(record)
    return True


def _values(known, name, kind):
    name = name.lower()
    return [value for owner, its, value in known if its == kind and owner == name]


def _value(packet, kind, start, end):
    if kind == A and end == start + 4:
        return ".".join(str(part) for part in packet[start:end])
    # Priority and weight rank several servers of one name; an instance here has one.
    name, stop = _name(packet, start + 6 if kind == SRV else start)
    if kind == A or stop != end:
        raise ValueError("record size")
    return name if kind == PTR else (_number(packet, start + 4), name)


def _name(packet, place):
    """The name and the index behind it (RFC 1035 section 4.1.4); IndexError or ValueError."""
    labels = []
    total = end = 0
    for _ in range(_STEPS_MAX):
        size = packet[place]
        if size >= 0xC0:
            # The name ends behind its first pointer, wherever that leads.
            end = end or place + 2
            place = (size & 0x3F) << 8 | packet[place + 1]
            continue
        place += 1
        if size == 0:
            return ".".join(labels), end or place
        label = packet[place : place + size]
        total += size + 1
        if size > _LABEL_MAX or len(label) < size or total > _NAME_MAX:
            raise ValueError("name")
        if not utf8.is_valid(label):
            raise ValueError("name")
        labels.append(str(label, "utf-8").replace("\\", "\\\\").replace(".", "\\."))
        place += size
    raise ValueError("name without end")


def _can_be_saved(host):
    data = host.encode()
    return len(data) <= _HOST_MAX and all(c in _HOST for c in data)


def _is_of_a_host(address):
    """Neither "this network", nor loopback, multicast or broadcast (RFC 6890)."""
    first = int(address.split(".")[0])
    return first not in (0, 127) and first < 224


def _readable(name):
    return str(bytes(c if c >= 32 and c != 127 else 63 for c in name.encode()), "utf-8")


def _labels(name):
    # Two characters that no label of a service has stand in for the escapes (RFC 6763 4.1.1).
    text = name.replace("\\\\", "\0").replace("\\.", "\1").rstrip(".")
    return [label.replace("\1", ".").replace("\0", "\\") for label in text.split(".")]


def _number(packet, place):
    return packet[place] << 8 | packet[place + 1]
