"""CONNECT and the packets before and after it (MQTT 3.1.1 and 5: 3.1, 3.2, 3.14, 4.13)."""

import pytest
import wire_format as wire
from driven_broker import V5, V311, DrivenBroker
from motekit.broker.limits import Limits


@pytest.mark.parametrize("version", [V311, V5])
def test_a_client_is_answered_with_connack_and_no_session(version: int) -> None:
    client = DrivenBroker().connect("a", version)
    assert not client.connack.session_present
    assert not client.is_closed


@pytest.mark.parametrize("version", [V311, V5])
def test_a_second_connect_ends_the_connection(version: int) -> None:
    client = DrivenBroker().connect("a", version)
    client.send(wire.connect("a", version=version))
    assert client.is_closed
    if version == V5:
        assert client.take(wire.DISCONNECT).reason == 0x82
    assert client.received == []


def test_a_wrong_protocol_name_is_closed_without_an_answer() -> None:
    client = DrivenBroker().client()
    client.send(wire.connect("a").replace(b"MQTT", b"hjhj"))
    assert client.is_closed and client.received == []


@pytest.mark.parametrize(("level", "reason"), [(1, 1), (3, 1), (6, 0x84), (0x83, 0x84)])
def test_an_unknown_protocol_level_is_told_so(level: int, reason: int) -> None:
    client = DrivenBroker().client(version=V5 if level > 5 else V311)
    packet = bytearray(wire.connect("a"))
    packet[8] = level
    client.send(bytes(packet))
    assert client.is_closed
    assert client.take(wire.CONNACK).reason == reason


def test_mqtt_3_1_is_told_that_its_version_is_not_supported() -> None:
    client = DrivenBroker().client()
    body = wire.text("MQIsdp") + bytes((3, 2, 0, 60)) + wire.text("a")
    client.send(wire.packet(0x10, body))
    assert client.is_closed and client.take(wire.CONNACK).reason == 1


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01", id="TLS"),
        pytest.param(wire.PINGREQ_PACKET, id="PINGREQ"),
        pytest.param(wire.publish("a", b"1"), id="PUBLISH"),
        pytest.param(wire.subscribe(1, ("#", 0)), id="SUBSCRIBE"),
        pytest.param(b"\x11" + wire.connect("a")[1:], id="reserved flags of the fixed header"),
        pytest.param(b"\x10\xff\xff\xff\xff\x01", id="remaining length of five bytes"),
        pytest.param(wire.connect("a")[:-1] + b"\x00", id="NUL in the client id"),
        pytest.param(wire.connect("a")[:-1] + b"\xff", id="invalid UTF-8 in the client id"),
        pytest.param(wire.packet(0x10, wire.connect("a")[2:] + b"x"), id="trailing bytes"),
        pytest.param(wire.packet(0x10, wire.connect("abc")[2:-1]), id="cut off"),
        pytest.param(b"\x10\x00", id="empty"),
    ],
)
def test_what_is_no_connect_is_closed_and_leaves_nothing(packet: bytes) -> None:
    world = DrivenBroker()
    client = world.client()
    client.send(packet)
    assert client.is_closed and client.received == []
    assert not world.broker.state.sessions and not world.broker.connections


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(0x03, id="reserved"),
        pytest.param(0x1E, id="will QoS 3"),
        pytest.param(0x0A, id="will QoS without a will"),
        pytest.param(0x22, id="will retain without a will"),
        pytest.param(0x42, id="password without a user name"),
    ],
)
def test_connect_flags_that_contradict_each_other_are_refused(flags: int) -> None:
    client = DrivenBroker().client()
    packet = bytearray(wire.connect("a", will=("t", b"w", 0, False)) + wire.text("x"))
    packet[1] += 3
    packet[9] = flags
    client.send(bytes(packet))
    assert client.is_closed and client.received == []


def test_mqtt_5_allows_a_password_without_a_user_name() -> None:
    DrivenBroker().connect("a", V5, password="x")


def test_a_zero_length_client_id_needs_a_clean_session() -> None:
    world = DrivenBroker()
    refused = world.client()
    refused.send(wire.connect("", clean=False))
    assert refused.take(wire.CONNACK).reason == 2 and refused.is_closed
    one, other = world.connect(""), world.connect("")
    assert not one.is_closed and not other.is_closed and len(world.broker.state.sessions) == 2


def test_mqtt_5_is_told_its_assigned_client_id() -> None:
    world = DrivenBroker()
    one, other = (world.connect("", V5, clean=clean) for clean in (True, False))
    assert one.connack[0x12] and other.connack[0x12]
    assert one.connack[0x12] != other.connack[0x12]
    assert world.connect("a", V5).connack[0x12] is None


def test_the_limits_of_the_broker_are_told_to_mqtt_5() -> None:
    limits = Limits(receive_maximum=7, packet_bytes=4096, topic_aliases=3, keep_alive_s=60)
    connack = DrivenBroker(limits).connect("a", V5, keep_alive=120).connack
    assert (connack[0x21], connack[0x27], connack[0x22], connack[0x13]) == (7, 4096, 3, 60)
    assert DrivenBroker(limits).connect("a", V5, keep_alive=30).connack[0x13] is None


def test_a_ping_is_answered() -> None:
    client = DrivenBroker().connect("a")
    client.send(wire.PINGREQ_PACKET * 2)
    assert [one.kind for one in client.take_all()] == [wire.PINGRESP] * 2


def test_a_client_is_silent_for_one_and_a_half_keep_alives_at_most() -> None:
    world = DrivenBroker()
    silent, talking = world.connect("a", keep_alive=10), world.connect("b", keep_alive=10)
    never = world.connect("c", keep_alive=0)
    world.wait(14.5)
    assert not silent.is_closed
    talking.send(wire.PINGREQ_PACKET)
    world.wait(0.5)
    assert silent.is_closed and not talking.is_closed
    world.wait(10_000)
    assert talking.is_closed and not never.is_closed


def test_mqtt_5_is_told_that_its_keep_alive_ended() -> None:
    world = DrivenBroker()
    client = world.connect("a", V5, keep_alive=10)
    world.wait(15)
    assert client.take(wire.DISCONNECT).reason == 0x8D


def test_who_sends_no_connect_or_only_a_part_of_it_is_closed_in_time() -> None:
    world = DrivenBroker()
    mute, slow = world.client(), world.client()
    packet = wire.connect("a")
    for byte in packet[:-1]:
        slow.feed(bytes((byte,)))
        world.wait(0.5)
    assert not slow.is_closed and not mute.is_closed
    world.wait(10 - 0.5 * (len(packet) - 1))
    assert slow.is_closed and mute.is_closed
    assert not world.broker.connections and not world.broker.state.sessions


def test_a_connect_may_come_in_single_bytes_with_what_follows() -> None:
    world = DrivenBroker()
    client = world.client()
    for byte in wire.connect("a") + wire.publish("t", b"1", 1, 5) + wire.PINGREQ_PACKET:
        client.feed(bytes((byte,)))
    kinds = [one.kind for one in client.take_all()]
    assert kinds == [wire.CONNACK, wire.PUBACK, wire.PINGRESP]


@pytest.mark.parametrize(
    "packet",
    [
        pytest.param(b"\x00\x00", id="type 0"),
        pytest.param(b"\xf0\x00", id="AUTH"),
        pytest.param(b"\x20\x02\x00\x00", id="CONNACK"),
        pytest.param(b"\x90\x03\x00\x01\x00", id="SUBACK"),
        pytest.param(b"\xc1\x00", id="flags of PINGREQ"),
        pytest.param(b"\xc0\x01\x00", id="PINGREQ with a body"),
        pytest.param(b"\x60\x02\x00\x01", id="flags of PUBREL"),
        pytest.param(b"\x80\x06\x00\x01\x00\x01a\x00", id="flags of SUBSCRIBE"),
        pytest.param(b"\x82\x02\x00\x01", id="SUBSCRIBE without a filter"),
        pytest.param(b"\x82\x06\x00\x00\x00\x01a\x00", id="SUBSCRIBE with packet id 0"),
        pytest.param(b"\x82\x06\x00\x01\x00\x01a\x03", id="SUBSCRIBE at QoS 3"),
        pytest.param(b"\x82\x06\x00\x01\x00\x01a\x80", id="SUBSCRIBE with reserved bits"),
        pytest.param(b"\xa2\x02\x00\x01", id="UNSUBSCRIBE without a filter"),
        pytest.param(b"\x40\x01\x00", id="PUBACK cut off"),
        pytest.param(b"\x36\x05\x00\x01a\x00\x01", id="PUBLISH at QoS 3"),
        pytest.param(b"\x38\x03\x00\x01a", id="PUBLISH at QoS 0 with DUP"),
        pytest.param(b"\x32\x05\x00\x01a\x00\x00", id="PUBLISH with packet id 0"),
        pytest.param(b"\x32\x03\x00\x01a", id="PUBLISH without its packet id"),
        pytest.param(b"\x30\x03\x00\x05a", id="PUBLISH with a topic beyond its end"),
        pytest.param(b"\x30\x00", id="PUBLISH that is empty"),
        pytest.param(wire.publish("", b"1"), id="PUBLISH without a topic"),
        pytest.param(wire.publish("a/#", b"1"), id="PUBLISH to #"),
        pytest.param(wire.publish("a/+/b", b"1"), id="PUBLISH to +"),
        pytest.param(wire.publish(b"a\x00b", b"1"), id="PUBLISH to a topic with NUL"),
        pytest.param(wire.publish(b"a\xff", b"1"), id="PUBLISH to a topic that is no UTF-8"),
        pytest.param(wire.publish(b"\xed\xa0\x80", b"1"), id="PUBLISH to a surrogate"),
        pytest.param(wire.publish(b"\xc0\x80", b"1"), id="PUBLISH to an overlong NUL"),
        pytest.param(wire.publish("a/" * 100, b"1"), id="PUBLISH with too many levels"),
        pytest.param(wire.publish("a" * 4097, b"1"), id="PUBLISH to a long topic"),
        pytest.param(b"\x30\x80\x80\x80\x80\x01", id="a remaining length of five bytes"),
        pytest.param(b"\x30\xff\xff\xff\x7f", id="a packet of 256 MB"),
    ],
)
@pytest.mark.parametrize("version", [V311, V5])
def test_a_broken_packet_ends_the_connection_and_publishes_the_will(
    packet: bytes, version: int
) -> None:
    world = DrivenBroker()
    watcher = world.connect("w")
    watcher.subscribe(("#", 0))
    client = world.connect("a", version, will=("gone", b"a", 0, False))
    client.send(packet)
    assert client.is_closed
    if version == V5:
        assert client.take(wire.DISCONNECT).reason >= 0x80
    assert client.received == []
    assert watcher.published() == [("gone", b"a")]


def test_disconnect_with_a_body_is_malformed_in_3_1_1() -> None:
    world = DrivenBroker()
    client = world.connect("a", will=("gone", b"a", 0, False))
    client.send(b"\xe0\x01\x00")
    assert client.is_closed and [one.topic for one in world.committed] == ["gone"]


def test_nothing_after_disconnect_is_looked_at() -> None:
    world = DrivenBroker()
    client = world.connect("a")
    client.send(wire.DISCONNECT_PACKET + wire.publish("t", b"1", 1, 1) + b"\xff\xff")
    assert client.is_closed and client.received == [] and world.committed == []


def test_the_largest_packet_is_accepted_and_one_byte_more_is_not() -> None:
    world = DrivenBroker(Limits(packet_bytes=1000))
    client = world.connect("a", V5)
    head = len(wire.publish("t", bytes(900), version=V5)) - 900
    client.send(wire.publish("t", bytes(1000 - head), version=V5))
    assert not client.is_closed and len(world.committed) == 1
    client.send(wire.publish("t", bytes(1001 - head), version=V5))
    assert client.take(wire.DISCONNECT).reason == 0x95 and client.is_closed


def test_a_connect_packet_is_small_before_anybody_is_verified() -> None:
    world = DrivenBroker()
    client = world.client()
    # Its length is enough: nothing is kept for a packet that will be refused.
    client.feed(b"\x10" + wire.variable(65 * 1024))
    assert client.is_closed
