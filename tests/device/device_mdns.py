"""Multicast DNS: packets made by hand, and searches answered by a responder in the same loop."""

import asyncio
import random
import socket
import struct
import time

from mote.mqtt import mdns
from mote.mqtt.mdns import PTR, SRV, A

SERVICE = "_mqtt._tcp.local"
TXT, AAAA, ANSWER, FLUSH = 16, 28, 0x8400, 0x8000
TURN_MS = 400


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


def refused(text):
    try:
        mdns.question(text, A)
    except ValueError:
        return True
    return False


def test_a_question_is_one_standard_query():
    head = b"\0\0\0\0\0\1\0\0\0\0\0\0"
    asked = mdns.question(SERVICE, PTR)
    assert asked == head + b"\x05_mqtt\x04_tcp\x05local\0" + b"\0\x0c\0\1"
    assert mdns.question("hub.local.", A) == head + b"\x03hub\x05local\0" + b"\0\1\0\1"
    assert mdns.question("Küche.local", SRV)[12:19] == b"\x06K\xc3\xbcche"


def test_a_dot_inside_a_label_stays_inside():
    asked = mdns.question("v2\\.0 a\\\\b._mqtt._tcp.local", SRV)
    assert asked[12:] == name("v2.0 a\\b", "_mqtt", "_tcp", "local") + b"\0\x21\0\1"
    owner = name("v2.0 a\\b", "local")
    assert mdns.records(response(record(owner, PTR, owner))) == [
        ("v2\\.0 a\\\\b.local", PTR, "v2\\.0 a\\\\b.local")
    ]


def test_a_name_that_no_packet_can_hold_is_refused():
    for text in ("", ".", "a..local", ".local", "x" * 64 + ".local", "abcdefg." * 31 + "abcdefg"):
        assert refused(text), text
    assert not refused("x" * 63 + ".local")
    assert not refused("abcdefg." * 31 + "abcde")


def test_a_compressed_response_is_read():
    assert mdns.records(compressed()) == COMPRESSED


def test_all_three_sections_are_read():
    host = name("hub", "local")
    found = [record(host, A, bytes((10, 0, 0, last))) for last in (1, 2, 3)]
    read = mdns.records(response(*found, sections=(1, 1, 1)))
    assert [value for _, _, value in read] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_what_is_no_successful_response_holds_nothing():
    good = record(name("hub", "local"), A, b"\1\2\3\4")
    assert len(mdns.records(response(good))) == 1
    for flags in (0, 0x0400, 0x8403, 0xA400):
        assert mdns.records(response(good, flags=flags)) == [], hex(flags)
    assert mdns.records(response(record(name("hub"), A, b"\1\2\3\4", family=3))) == []


def test_a_truncated_response_gives_what_is_whole():
    packet = compressed()
    for length in range(len(packet)):
        read = mdns.records(packet[:length])
        assert read == COMPRESSED[: len(read)] and len(read) < 3, length
    # The counts promise more than there is.
    assert len(mdns.records(packet[:-1])) == 2


def test_pointers_that_lead_nowhere_end_the_reading():
    good = record(name("hub", "local"), A, b"\1\2\3\4")
    here = 12 + len(good)
    loops = {
        "itself": pointer(here),
        "forth and back": pointer(here + 2) + pointer(here),
        "a label and back": b"\1a" + pointer(here),
        "behind the end": pointer(0x3FFF),
        "half a pointer": b"\xc0",
        "reserved kinds of label": b"\x80a\0",
        "no UTF-8": b"\2\xff\xfe\0",
    }
    for what, owner in loops.items():
        bad = record(owner, A, b"\5\6\7\x08")
        if len(owner) == 1:
            bad = owner
        assert mdns.records(response(good, bad)) == [("hub.local", A, "1.2.3.4")], what


def test_a_record_whose_data_has_another_size_than_it_says_ends_the_reading():
    owner = name("hub", "local")
    for kind, data in (
        (A, b"\1\2\3"),
        (A, b"\1\2\3\4\5"),
        (PTR, name("a") + b"x"),
        (PTR, b"\1"),
        (PTR, b""),
        (SRV, b"\0\0"),
        (SRV, srv(1, name("a")) + b"x"),
    ):
        after = record(owner, A, b"\1\2\3\4")
        assert mdns.records(response(record(owner, kind, data), after)) == [], (kind, data)


def test_names_and_records_without_measure_are_cut():
    assert mdns.records(response(record(name(*["x" * 63] * 4), A, b"\1\2\3\4"))) == []
    many = [record(b"\0", A, b"\1\2\3\4")] * 300
    assert len(mdns.records(response(*many))) == 48


def test_a_thousand_random_packets_raise_nothing():
    random.seed(1)
    whole = compressed()
    for _ in range(1000):
        packet = bytearray(whole)
        for _ in range(random.randrange(1, 8)):
            packet[random.randrange(len(packet))] = random.getrandbits(8)
        mdns.records(bytes(packet[: random.randrange(len(packet) + 1)]))
        noise = bytes(random.getrandbits(8) for _ in range(random.randrange(80)))
        mdns.records(noise)
        mdns.records(b"\0\0\x84\0\0\0\0\xff\0\0\0\0" + noise)


class Network:
    """Answers each question (name in lower case, kind) by `say(name, kind, times asked)`."""

    def __init__(self, say):
        self.say = say
        self.asked = []

    async def __aenter__(self):
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._before = mdns.GROUP, mdns.PORT
        for port in range(30000, 32000, 7):
            try:
                self._sock.bind(socket.getaddrinfo("127.0.0.1", port)[0][-1])
                break
            except OSError:
                continue
        mdns.GROUP, mdns.PORT = "127.0.0.1", port
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *exc):
        mdns.GROUP, mdns.PORT = self._before
        self._task.cancel()
        self._sock.close()

    async def _serve(self):
        while True:
            await asyncio.sleep_ms(5)
            try:
                packet, sender = self._sock.recvfrom(1500)
            except OSError:
                continue
            asked, kind = packet[12:-4], packet[-3]
            self.asked.append((asked, kind))
            for answer in self.say(asked, kind, self.asked.count((asked, kind))):
                self._sock.sendto(answer, sender)


SERVICE_NAME = name("_mqtt", "_tcp", "local")
OTHER = name("a.b", "_mqtt", "_tcp", "local")
OTHER_HOST = name("other", "local")


def two_servers(asked, kind, times):
    """One answers with everything, twice; the other has to be asked for each part."""
    if (asked, kind) == (SERVICE_NAME, PTR):
        return compressed(), compressed(), response(record(SERVICE_NAME, PTR, OTHER))
    if (asked, kind) == (OTHER, SRV):
        return (response(record(OTHER, SRV, srv(8883, OTHER_HOST))),)
    if (asked, kind) == (OTHER_HOST, A):
        return (response(record(OTHER_HOST, A, b"\x0a\0\0\7")),)
    return ()


def shown(servers):
    return [(one.name, one.host, one.address, one.port) for one in servers]


FIRST = ("My House", "HUB.local", "192.168.1.2", 1883)
SECOND = ("a.b", "other.local", "10.0.0.7", 8883)


async def test_browse_finds_two_servers_and_asks_for_what_an_answer_lacks():
    async with Network(two_servers) as network:
        assert shown(await mdns.browse(wait_ms=TURN_MS)) == [FIRST, SECOND]
    assert network.asked == [(SERVICE_NAME, PTR), (OTHER, SRV), (OTHER_HOST, A)]


async def test_browse_asks_a_second_time():
    def deaf(asked, kind, times):
        return two_servers(asked, kind, times) if times > 1 or kind != PTR else ()

    async with Network(deaf) as network:
        assert shown(await mdns.browse(wait_ms=800)) == [FIRST, SECOND]
    assert network.asked.count((SERVICE_NAME, PTR)) == 2


async def test_a_follow_up_that_gets_lost_is_asked_again():
    def forgetful(asked, kind, times):
        return two_servers(asked, kind, times) if times > 1 or kind != SRV else ()

    async with Network(forgetful) as network:
        assert shown(await mdns.browse(wait_ms=800)) == [FIRST, SECOND]
    assert network.asked.count((OTHER, SRV)) == 2


async def test_a_server_without_address_or_host_is_not_listed():
    gone = name("gone", "_mqtt", "_tcp", "local")
    foreign = name("printer", "_ipp", "_tcp", "local")

    def incomplete(asked, kind, times):
        if kind == A:
            return ()
        if kind == SRV:
            return (response(record(gone, SRV, srv(0, b"\0"))),) if asked == gone else ()
        pointers = [record(SERVICE_NAME, PTR, to) for to in (OTHER, gone, foreign, b"\0")]
        return b"", b"noise", response(*pointers), compressed()

    async with Network(incomplete) as network:
        assert shown(await mdns.browse(wait_ms=TURN_MS)) == [FIRST]
    assert (b"\0", A) not in network.asked
    assert (foreign, SRV) not in network.asked


async def test_another_service_is_browsed_by_its_name():
    http, web = name("_http", "_tcp", "local"), name("Web", "_http", "_tcp", "local")

    def say(asked, kind, times):
        found = record(http, PTR, web), record(web, SRV, srv(80, OTHER_HOST))
        return two_servers(asked, kind, times) if kind == A else (response(*found),)

    async with Network(say):
        found = await mdns.browse("_HTTP._tcp.local", TURN_MS)
    assert shown(found) == [("Web", "other.local", "10.0.0.7", 80)]


async def test_resolve_returns_at_the_first_answer():
    async with Network(two_servers):
        start = time.ticks_ms()
        assert await mdns.resolve("Other.local.") == "10.0.0.7"
        assert time.ticks_diff(time.ticks_ms(), start) < 300


async def test_resolve_asks_three_times():
    def late(asked, kind, times):
        return two_servers(asked, kind, times) if times == 3 else ()

    async with Network(late) as network:
        start = time.ticks_ms()
        assert await mdns.resolve("other.local") == "10.0.0.7"
        assert 900 <= time.ticks_diff(time.ticks_ms(), start) < 1300
    assert network.asked == [(OTHER_HOST, A)] * 3


async def test_an_unknown_name_is_none_within_the_wait():
    def another(asked, kind, times):
        return (response(record(OTHER_HOST, A, b"\1\2\3\4")),)

    async with Network(another):
        start = time.ticks_ms()
        assert await mdns.resolve("nobody.local", TURN_MS) is None
        assert TURN_MS <= time.ticks_diff(time.ticks_ms(), start) < TURN_MS + 200


async def test_a_name_that_is_not_local_or_not_a_name_is_never_asked():
    async with Network(two_servers) as network:
        for text in ("", "local", ".local", "example.org", "a..local", "x" * 64 + ".local"):
            assert await mdns.resolve(text, TURN_MS) is None, text
    assert network.asked == []


async def test_without_a_network_there_is_nothing_at_once():
    before = mdns.GROUP, mdns.PORT
    # A socket that may not broadcast refuses this address as one without a network does.
    mdns.GROUP, mdns.PORT = "255.255.255.255", 5353
    try:
        start = time.ticks_ms()
        assert await mdns.browse() == []
        assert await mdns.resolve("hub.local") is None
        assert time.ticks_diff(time.ticks_ms(), start) < 200
    finally:
        mdns.GROUP, mdns.PORT = before


async def test_a_flood_neither_fills_the_memory_nor_ends_the_search_late():
    def flood(asked, kind, times):
        hosts = [name("x%d" % (times * 100 + n), "_mqtt", "_tcp", "local") for n in range(20)]
        return [response(*[record(SERVICE_NAME, PTR, host) for host in hosts])] * 20

    async with Network(flood):
        start = time.ticks_ms()
        assert await mdns.browse(wait_ms=TURN_MS) == []
        assert time.ticks_diff(time.ticks_ms(), start) < TURN_MS + 400


async def test_every_search_closes_its_socket():
    opened, closed = [], []
    real = mdns.socket

    class Counted:
        AF_INET, SOCK_DGRAM = real.AF_INET, real.SOCK_DGRAM
        getaddrinfo = staticmethod(real.getaddrinfo)

        def __init__(self):
            self._sock = real.socket(real.AF_INET, real.SOCK_DGRAM)
            opened.append(self)

        @staticmethod
        def socket(family, kind):
            return Counted()

        def close(self):
            closed.append(self)
            self._sock.close()

        def __getattr__(self, attribute):
            return getattr(self._sock, attribute)

    async with Network(two_servers):
        mdns.socket = Counted
        try:
            await mdns.browse(wait_ms=50)
            await mdns.resolve("other.local", 200)
            task = asyncio.create_task(mdns.browse())
            await asyncio.sleep_ms(50)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                opened.append("cancelled")
            mdns.GROUP = "255.255.255.255"
            await mdns.browse()
        finally:
            mdns.socket = real
    opened.remove("cancelled")
    assert len(opened) == 4 and opened == closed
