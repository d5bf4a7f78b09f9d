"""Multicast DNS: searches, answered by a responder in the same loop."""

import asyncio
import random
import time

import port_sockets
from counted_sockets import CountedSockets
from mdns_packets import compressed, name, record, response, srv
from mote import config
from mote.mqtt import mdns
from mote.mqtt.mdns import PTR, SRV, A
from ports import bound
from still_time import StillTime

TURN_MS = 400
clock = StillTime(mdns)


class Network:
    """Answers each question (name in lower case, kind) by `say(name, kind, times asked)`.

    While it is `still`, only sleeping takes time.
    """

    def __init__(self, say, still=True):
        self.say = say
        self._still = still
        self.asked = []

    async def __aenter__(self):
        if self._still:
            clock.__enter__()
        self._before = mdns.GROUP, mdns.PORT
        self._sock, port = bound()
        mdns.GROUP, mdns.PORT = "127.0.0.1", port
        self._task = asyncio.create_task(self._serve())
        return self

    async def __aexit__(self, *exc):
        mdns.GROUP, mdns.PORT = self._before
        self._task.cancel()
        self._sock.close()
        if self._still:
            clock.__exit__()

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
        start = clock.ticks_ms()
        assert await mdns.resolve("Other.local.") == "10.0.0.7"
        assert time.ticks_diff(clock.ticks_ms(), start) < 300


async def test_resolve_asks_three_times():
    def late(asked, kind, times):
        return two_servers(asked, kind, times) if times == 3 else ()

    async with Network(late) as network:
        start = clock.ticks_ms()
        assert await mdns.resolve("other.local") == "10.0.0.7"
        assert 900 <= time.ticks_diff(clock.ticks_ms(), start) < 1300
    assert network.asked == [(OTHER_HOST, A)] * 3


async def test_an_unknown_name_is_none_within_the_wait():
    def another(asked, kind, times):
        return (response(record(OTHER_HOST, A, b"\1\2\3\4")),)

    async with Network(another):
        start = clock.ticks_ms()
        assert await mdns.resolve("nobody.local", TURN_MS) is None
        assert TURN_MS <= time.ticks_diff(clock.ticks_ms(), start) < TURN_MS + 200


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
        with clock:
            start = clock.ticks_ms()
            assert await mdns.browse() == []
            assert await mdns.resolve("hub.local") is None
            assert time.ticks_diff(clock.ticks_ms(), start) < 200
    finally:
        mdns.GROUP, mdns.PORT = before


async def test_a_flood_neither_fills_the_memory_nor_ends_the_search_late():
    def flood(asked, kind, times):
        hosts = [name("x%d" % (times * 100 + n), "_mqtt", "_tcp", "local") for n in range(20)]
        return [response(*[record(SERVICE_NAME, PTR, host) for host in hosts])] * 20

    took = []
    async with Network(flood, still=False):
        # Reading a flood takes real time, and a busy machine takes more of it now and then.
        for _ in range(10):
            start = time.ticks_ms()
            assert await mdns.browse(wait_ms=TURN_MS) == []
            took.append(time.ticks_diff(time.ticks_ms(), start))
            if took[-1] < TURN_MS + 400:
                return
    raise AssertionError(took)


async def test_every_search_closes_its_socket():
    async with Network(two_servers, still=False):
        with CountedSockets(mdns) as sockets:
            await mdns.browse(wait_ms=50)
            await mdns.resolve("other.local", 200)
            await sockets.cancelled_after(50, mdns.browse())
            mdns.GROUP = "255.255.255.255"
            await mdns.browse()
    assert len(sockets.opened) == 4 and sockets.opened == sockets.closed


async def test_empty_datagrams_on_the_way_keep_nothing_from_being_found():
    def disturbed(asked, kind, times):
        return (b"",) if times <= 3 else two_servers(asked, kind, times)

    real, mdns.socket = mdns.socket, port_sockets
    port_sockets.opened.clear()
    try:
        async with Network(disturbed):
            # The second server takes nine new sockets: one more than a search opens.
            assert shown(await mdns.browse(wait_ms=TURN_MS)) == [FIRST]
        async with Network(disturbed):
            assert await mdns.resolve("other.local", TURN_MS) == "10.0.0.7"
    finally:
        mdns.socket = real
    assert all(sock.closed for sock in port_sockets.opened)


async def test_empty_datagrams_without_end_are_no_flood_of_questions():
    real, mdns.socket = mdns.socket, port_sockets
    port_sockets.opened.clear()
    try:
        async with Network(lambda asked, kind, times: (b"",)) as network:
            assert await mdns.browse(wait_ms=TURN_MS) == []
    finally:
        mdns.socket = real
    assert len(network.asked) <= 10 and len(port_sockets.opened) == 9


# Hosts and ports that a responder may announce, and what the board makes of them: a server that it
# can save, or none.
HOSTILE = (
    (("Büro PC", "local"), 1883, "10.0.0.7"),
    (("my hub", "local"), 1883, "10.0.0.7"),
    (("a:99", "local"), 1883, "10.0.0.7"),
    (("a.b", "local"), 1883, "10.0.0.7"),
    (("back\\slash",), 1883, "10.0.0.7"),
    (("new\nline", "local"), 1883, "10.0.0.7"),
    (("\x00", "local"), 1883, "10.0.0.7"),
    (("<script>", "local"), 1883, "10.0.0.7"),
    (("user@host", "local"), 1883, "10.0.0.7"),
    (("mqtt://x",), 1883, "10.0.0.7"),
    (("x" * 63, "x" * 63, "x" * 63, "x" * 62), 1883, ()),
    (("x" * 63, "x" * 63, "x" * 63, "x" * 61), 1883, None),
    (("local", "local", "local"), 1883, None),
    (("hub", "local"), 65535, None),
    (("hub", "local"), 0, ()),
)


def announcing(*servers):
    """A responder of servers (instance label, labels of the host, port, address)."""
    found = []
    for label, host, port, address in servers:
        instance = name(label, "_mqtt", "_tcp", "local")
        found.append(record(SERVICE_NAME, PTR, instance))
        found.append(record(instance, SRV, srv(port, name(*host))))
        found.append(record(name(*host), A, address))
    return lambda asked, kind, times: (response(*found),)


async def browsed(*servers):
    async with Network(announcing(*servers)):
        return await mdns.browse(wait_ms=TURN_MS)


def saves(server):
    """Whether the configuration takes what was found."""
    document = {
        "version": 1,
        "id": "a",
        "wifi": [{"ssid": "Home"}],
        "mqtt": {"host": server.host, "port": server.port},
    }
    config.checked(document)
    return document["mqtt"]["host"] == server.host and document["mqtt"]["port"] == server.port


async def test_a_server_whose_name_or_port_cannot_be_saved_goes_by_its_address_or_not_at_all():
    for host, port, wanted in HOSTILE:
        found = await browsed(("One", host, port, b"\x0a\0\0\7"))
        if wanted == ():
            assert found == [], host
            continue
        (server,) = found
        assert server.host == (wanted or ".".join(host)), host
        assert server.port == port and saves(server)


async def test_addresses_that_no_host_has_are_not_taken():
    for address in (b"\0\0\0\0", b"\x7f\0\0\1", b"\xe0\0\0\xfb", b"\xff\xff\xff\xff"):
        assert await browsed(("One", ("hub", "local"), 1883, address)) == []
    (found,) = await browsed(
        ("One", ("hub", "local"), 1883, b"\x7f\0\0\1"),
        ("One", ("hub", "local"), 1883, b"\x0a\0\0\7"),
    )
    assert found.address == "10.0.0.7"


async def test_one_server_under_several_names_is_one():
    # One that is alone is taken without a question.
    def hub(label, host="hub", port=1883):
        return label, (host, "local"), port, b"\x0a\0\0\7"

    (found,) = await browsed(hub("A"), hub("B"), hub("C", "HUB"))
    assert (found.name, found.host) == ("A", "hub.local")
    # Of two records the one that can be right counts.
    (found,) = await browsed(hub("A", port=0), hub("A"))
    assert found.port == 1883


async def test_the_name_that_is_shown_has_no_control_characters():
    (found,) = await browsed(("a\x1b[2J\nb\x7f", ("hub", "local"), 1883, b"\x0a\0\0\7"))
    assert found.name == "a?[2J?b?"


async def test_no_answer_leads_to_a_server_that_cannot_be_saved():
    random.seed(11)
    real, packet = mdns._ask, b""

    async def answered(times, wait_ms, wanted):
        known = mdns.records(packet)
        wanted(known)
        return known

    labels = ("hub", "local", "Büro PC", "a:1", "\n", "", "x" * 63, "-", "_mqtt", "..", "\\", "@")
    mdns._ask = answered
    listed = 0
    try:
        for _ in range(4_000):
            host = name(*[random.choice(labels) for _ in range(random.randrange(1, 5))])
            instance = name(random.choice(labels) or "x", "_mqtt", "_tcp", "local")
            port = random.choice((0, 1, 1883, 65535, random.getrandbits(16)))
            address = bytes(random.getrandbits(8) for _ in range(4))
            packet = bytearray(
                response(
                    record(SERVICE_NAME, PTR, instance),
                    record(instance, SRV, srv(port, host)),
                    record(host, A, address),
                )
            )
            for _ in range(random.choice((0, 0, 1, 3))):
                packet[random.randrange(len(packet))] = random.getrandbits(8)
            for server in await mdns.browse():
                listed += 1
                assert saves(server), server.host
                assert min(server.name.encode() or b" ") >= 32
    finally:
        mdns._ask = real
    assert listed > 500
