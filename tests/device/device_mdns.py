"""Multicast DNS: packets made by hand, well and badly."""

import random

from mdns_packets import COMPRESSED, SERVICE, compressed, name, pointer, record, response, srv
from mote.mqtt import mdns
from mote.mqtt.mdns import PTR, SRV, A


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
