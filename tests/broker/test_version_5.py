"""What MQTT 5 adds to messages and flow control (3.1.2.11, 3.3.2.3, 3.3.4, 4.9)."""

import pytest
import wire_format as wire
from driven_broker import V5, V311, DrivenBroker
from motekit.broker.limits import Limits

FORWARDED = [
    (0x01, 1), (0x03, "text/plain"), (0x08, "answers/1"), (0x09, b"\x00\xff"),
    (0x26, ("a", "2")), (0x26, ("c", "3")), (0x26, ("a", "2")),
]  # fmt: skip


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_properties_of_a_message_are_passed_on_in_their_order(qos: int) -> None:
    world = DrivenBroker()
    modern, old = world.connect("a", V5), world.connect("b", V311)
    for client in (modern, old):
        client.subscribe(("t", 2))
    world.connect("p", V5).publish("t", b"x", qos, listed=FORWARDED)
    assert modern.take(wire.PUBLISH).listed == FORWARDED
    assert old.published() == [("t", b"x")]


def test_a_message_that_has_expired_is_not_delivered_and_the_rest_says_what_is_left() -> None:
    world = DrivenBroker()
    absent = world.connect("s", V5, clean=False, listed=[(0x11, 1000)])
    absent.subscribe(("t", 2))
    absent.disconnect()
    publisher = world.connect("p", V5)
    for expiry_s in (1, 6):
        for qos in (1, 2):
            publisher.publish("t", b"%d" % expiry_s, qos, listed=[(0x02, expiry_s)])
    publisher.publish("r", b"short", 1, retain=True, listed=[(0x02, 2)])
    publisher.publish("r2", b"long", 1, retain=True, listed=[(0x02, 20)])
    world.wait(3)
    back = world.connect("s", V5, clean=False, listed=[(0x11, 1000)])
    got = back.take_all()
    assert [(one.payload, one[0x02]) for one in got] == [(b"6", 3), (b"6", 3)]
    late = world.connect("l", V5)
    late.subscribe(("+", 1))
    message = late.take(wire.PUBLISH)
    assert (message.payload, message[0x02], late.received) == (b"long", 17, [])
    world.restart()
    assert not world.database.execute("SELECT * FROM mqtt_retained WHERE topic = 'r'").fetchall()


def test_no_more_messages_than_the_clients_receive_maximum_are_under_way() -> None:
    world = DrivenBroker()
    client = world.connect("s", V5, listed=[(0x21, 2)])
    client.subscribe(("t", 2))
    publisher = world.connect("p")
    for number in range(4):
        publisher.publish("t", b"%d" % number, 1)
    publisher.publish("t", b"free")
    first, second, free = client.take_all()
    assert free.payload == b"free"
    client.send(wire.acknowledge(wire.PUBACK, first.packet_id))
    assert client.take(wire.PUBLISH).payload == b"2" and client.received == []
    assert second.payload == b"1"


def test_a_receive_maximum_that_shrinks_holds_for_what_is_sent_again() -> None:
    world = DrivenBroker()
    kept = [(0x11, 1000)]
    client = world.connect("s", V5, clean=False, listed=kept)
    client.subscribe(("t", 1))
    publisher = world.connect("p")
    for number in range(5):
        publisher.publish("t", b"%d" % number, 1)
    assert len(client.take_all()) == 5
    client.drop()
    back = world.connect("s", V5, clean=False, listed=[*kept, (0x21, 2)])
    got = back.take_all()
    assert [(one.payload, one.dup) for one in got] == [(b"0", True), (b"1", True)]


@pytest.mark.parametrize("qos", [1, 2])
def test_who_exceeds_the_receive_maximum_of_the_broker_is_disconnected(qos: int) -> None:
    world = DrivenBroker(Limits(receive_maximum=10), auto_commit=False)
    client = world.connect("a", V5)
    for number in range(1, 11):
        client.send(wire.publish("t", b"x", qos, number, version=V5))
    world.commit()
    assert len(client.take_all()) == 10
    for number in range(11, 21):
        client.send(wire.publish("t", b"x", qos, number, version=V5))
        if client.is_closed:
            break
    client.send(wire.publish("t", b"x", qos, 21, version=V5))
    assert client.is_closed
    assert client.take_all()[-1].reason == 0x93


def test_a_message_larger_than_the_client_accepts_is_left_out() -> None:
    world = DrivenBroker()
    client = world.connect("s", V5, listed=[(0x27, 64)])
    client.subscribe(("t", 1))
    publisher = world.connect("p")
    for size in (32, 64, 33):
        publisher.publish("t", bytes(size), 1)
    got = client.take_all()
    assert [len(one.payload) for one in got] == [32, 33]
    # It is done with: it takes no place in the window, and does not come back.
    assert len(world.broker.state.sessions["s"].packet_ids) == 2


def test_a_topic_alias_of_a_publisher_stands_for_its_topic_on_that_connection() -> None:
    world = DrivenBroker()
    watcher, client = world.connect("w"), world.connect("a", V5)
    watcher.subscribe(("#", 0))
    client.publish("one", b"1", listed=[(0x23, 1)])
    client.publish("", b"2", listed=[(0x23, 1)])
    client.publish("two", b"3", 1, listed=[(0x23, 1)])
    client.publish("", b"4", 2, listed=[(0x23, 1)])
    assert watcher.published() == [
        ("one", b"1"), ("one", b"2"), ("two", b"3"), ("two", b"4"),
    ]  # fmt: skip
    again = world.connect("a", V5)
    again.send(wire.publish("", b"5", version=V5, listed=[(0x23, 1)]))
    assert again.take(wire.DISCONNECT).reason == 0x94


@pytest.mark.parametrize("alias", [0, 4])
def test_a_topic_alias_beyond_the_maximum_is_refused(alias: int) -> None:
    client = DrivenBroker(Limits(topic_aliases=3)).connect("a", V5)
    client.send(wire.publish("t", b"", version=V5, listed=[(0x23, alias)]))
    assert client.take(wire.DISCONNECT).reason == 0x94


def test_the_broker_uses_topic_aliases_if_the_client_allows_them() -> None:
    world = DrivenBroker()
    client, other = world.connect("s", V5, listed=[(0x22, 1)]), world.connect("o", V5)
    for one in (client, other):
        one.subscribe(("#", 2))
    publisher = world.connect("p")
    for topic in ("long/topic", "long/topic", "another"):
        publisher.publish(topic, b"x")
    got = [(one.topic, one[0x23]) for one in client.take_all()]
    assert got == [("long/topic", 1), ("", 1), ("another", None)]
    assert [one[0x23] for one in other.take_all()] == [None] * 3


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param([(0x01, 2)], id="payload format 2"),
        pytest.param([(0x01, 1), (0x01, 1)], id="twice"),
        pytest.param([(0x11, 5)], id="session expiry in PUBLISH"),
        pytest.param([(0x08, "a/#")], id="response topic with a wildcard"),
        pytest.param([(0x03, b"\xff")], id="content type that is no UTF-8"),
    ],
)
def test_properties_that_break_the_standard_end_the_connection(listed) -> None:
    client = DrivenBroker().connect("a", V5)
    client.send(wire.publish("t", b"", version=V5, listed=listed))
    assert client.take(wire.DISCONNECT).reason >= 0x80 and client.is_closed


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"\x00\x01t\x05\x01\x01", id="longer than the packet"),
        pytest.param(b"\x00\x01t\x01\x7f", id="unknown identifier"),
        pytest.param(b"\x00\x01t\x01\x02", id="value cut off"),
        pytest.param(b"\x00\x01t\x80\x00", id="length not in its shortest form"),
        pytest.param(b"\x00\x01t\xff\xff\xff\xff\x01", id="length without an end"),
        pytest.param(b"\x00\x01t\x06\x03\x00\x09abc", id="text beyond the properties"),
    ],
)
def test_properties_that_cannot_be_read_end_the_connection(body: bytes) -> None:
    client = DrivenBroker().connect("a", V5)
    client.send(wire.packet(0x30, body))
    assert client.take(wire.DISCONNECT).reason == 0x81 and client.is_closed


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param([(0x21, 0)], id="receive maximum 0"),
        pytest.param([(0x27, 0)], id="maximum packet size 0"),
        pytest.param([(0x17, 2)], id="request problem information 2"),
        pytest.param([(0x11, 1), (0x11, 2)], id="session expiry twice"),
        pytest.param([(0x16, b"x")], id="authentication data without a method"),
        pytest.param([(0x24, 1)], id="a property of CONNACK"),
    ],
)
def test_connect_properties_that_break_the_standard_are_closed(listed) -> None:
    client = DrivenBroker().client(version=V5)
    client.send(wire.connect("a", version=V5, listed=listed))
    assert client.is_closed
