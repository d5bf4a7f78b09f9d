"""Topic filters and subscriptions (3.8 to 3.11, 4.7, 4.8)."""

import pytest
import wire_format as wire
from driven_broker import V5, V311, DrivenBroker
from hypothesis import given
from hypothesis import strategies as st
from motekit.broker import topics
from motekit.broker.backend import Subscription
from motekit.broker.limits import Limits
from paho.mqtt.client import topic_matches_sub

LEVELS = st.sampled_from(["", "a", "b", "ab", "$SYS", " ", "ü"])
NAMES = st.lists(LEVELS, min_size=1, max_size=4).map("/".join).filter(bool)
FILTERS = (
    st.tuples(
        st.lists(st.one_of(LEVELS, st.just("+")), max_size=3),
        st.one_of(LEVELS, st.sampled_from(["+", "#"])),
    )
    .map(lambda parts: "/".join([*parts[0], parts[1]]))
    .filter(bool)
)


@given(st.lists(FILTERS, min_size=1, max_size=6), NAMES)
def test_the_tree_finds_what_paho_says_that_matches(filters: list[str], name: str) -> None:
    """Judge: `topic_matches_sub` of paho-mqtt."""
    tree: topics.SubscriptionTree[str] = topics.SubscriptionTree()
    for one in filters:
        tree.add(one, Subscription(one, 0))
    expected = {one for one in filters if topic_matches_sub(one, name)}
    assert {one.subscriber for one in tree.match(name).direct} == expected
    assert {one for one in filters if topics.matcher(one)(name)} == expected
    for one in filters:
        tree.remove(one, one)
        assert one not in {match.subscriber for match in tree.match(name).direct}
    assert tree._root.is_empty()


@pytest.mark.parametrize(
    ("topic_filter", "name", "expected"),
    [
        # Examples of 4.7.1.2, 4.7.1.3 and 4.7.2.
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("#", "$SYS/a", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/a", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
        ("ACCOUNTS", "Accounts", False),
        ("#", "/", True),
        ("+/#", "a\nb", True),
        ("a", "a/", False),
    ],
)
def test_the_examples_of_the_standard(topic_filter: str, name: str, expected: bool) -> None:
    tree: topics.SubscriptionTree[str] = topics.SubscriptionTree()
    tree.add("s", Subscription(topic_filter, 0))
    assert bool(tree.match(name).direct) is expected
    assert topics.matcher(topic_filter)(name) is expected


@pytest.mark.parametrize("bad", ["", "a#", "a/#/b", "#/a", "a+", "+a", "a/b+/c", "##", "a/" * 80])
def test_a_filter_that_is_not_valid(bad: str) -> None:
    world = DrivenBroker()
    client = world.connect("a")
    client.send(wire.subscribe(1, ("ok", 1), (bad, 1)))
    # 4.8.0 of 3.1.1: a protocol violation closes the connection.
    assert client.is_closed and client.received == []
    modern = world.connect("b", V5)
    assert modern.subscribe(("ok", 1), (bad, 1)).reasons == [1, 0x8F]


@pytest.mark.parametrize("bad", [b"\xff", b"a\x00", b"\xed\xa0\x80"])
@pytest.mark.parametrize("version", [V311, V5])
def test_a_filter_that_is_no_text_ends_the_connection(bad: bytes, version: int) -> None:
    client = DrivenBroker().connect("a", version)
    client.send(wire.subscribe(1, (bad, 0), version=version))
    assert client.is_closed


@pytest.mark.parametrize("bad", ["$share/g", "$share//a", "$share/g/", "$share/+/a", "$share/g#/a"])
def test_a_shared_subscription_needs_a_group_and_a_filter(bad: str) -> None:
    assert DrivenBroker().connect("b", V5).subscribe((bad, 1)).reasons == [0x8F]


def test_a_filter_that_is_not_allowed_is_refused_alone() -> None:
    world = DrivenBroker()
    for version, reason in ((V311, 0x80), (V5, 0x87)):
        client = world.connect("a", version)
        suback = client.subscribe(
            ("test/nosubscribe", 2), ("$share/g/test/nosubscribe", 1), ("b", 1)
        )
        assert suback.reasons == [reason, reason, 1]
        device = world.connect("plant1", version, user="plant1", password="1")
        wanted = ("#", "devices/plant2/cmd", "devices/+/cmd", "$share/g/#", "devices/plant1/cmd")
        suback = device.subscribe(*((one, 1) for one in wanted))
        assert suback.reasons == [reason] * 4 + [1]


@pytest.mark.parametrize("version", [V311, V5])
def test_overlapping_subscriptions_deliver_once_at_the_highest_qos(version: int) -> None:
    world = DrivenBroker()
    client = world.connect("s", version)
    client.subscribe(("a/#", 2), ("a/+", 1), ("#", 0))
    world.connect("p").publish("a/b", b"x", 2)
    assert client.take(wire.PUBLISH).qos == 2 and client.received == []


def test_a_subscription_replaces_the_one_with_the_same_filter() -> None:
    world = DrivenBroker()
    client, publisher = world.connect("s"), world.connect("p")
    client.subscribe(("a", 0))
    client.subscribe(("a", 1))
    publisher.publish("a", b"x", 1)
    assert client.take(wire.PUBLISH).qos == 1 and client.received == []


@pytest.mark.parametrize("version", [V311, V5])
def test_unsubscribe_ends_a_subscription_and_is_always_answered(version: int) -> None:
    world = DrivenBroker()
    client, publisher = world.connect("s", version), world.connect("p")
    client.subscribe(("a", 1), ("b", 1))
    client.send(wire.unsubscribe(7, "a", "none", version=version))
    unsuback = client.take(wire.UNSUBACK)
    assert unsuback.packet_id == 7
    assert unsuback.reasons == ([] if version == V311 else [0, 0x11])
    publisher.publish("a", b"x", 1)
    publisher.publish("b", b"y", 1)
    assert client.published() == [("b", b"y")]


def test_the_number_of_subscriptions_is_limited() -> None:
    world = DrivenBroker(Limits(subscriptions=2))
    client = world.connect("a", V5)
    assert client.subscribe(("a", 1), ("b", 1), ("c", 1), ("a", 0)).reasons == [1, 1, 0x97, 0]
    assert world.connect("b").subscribe(("a", 1), ("b", 1), ("c", 1)).reasons == [1, 1, 0x80]


# Options of MQTT 5


def test_no_local_keeps_back_what_the_client_itself_has_published() -> None:
    world = DrivenBroker()
    one, other = world.connect("a", V5), world.connect("b", V5)
    one.subscribe(("t", 1 | 0x04))
    other.subscribe(("t", 1 | 0x04))
    one.publish("t", b"x", 1)
    assert one.received == [] and other.published() == [("t", b"x")]
    # Another subscription of the same client that matches has no such option.
    one.subscribe(("#", 0))
    one.publish("t", b"y")
    assert one.take(wire.PUBLISH).qos == 0


def test_no_local_of_a_shared_subscription_is_a_protocol_error() -> None:
    client = DrivenBroker().connect("a", V5)
    client.send(wire.subscribe(1, ("$share/g/t", 1 | 0x04), version=V5))
    assert client.take(wire.DISCONNECT).reason == 0x82


def test_retain_as_published_keeps_the_flag() -> None:
    world = DrivenBroker()
    kept, cleared, publisher = (world.connect(name, V5) for name in "abc")
    kept.subscribe(("t", 0x08))
    cleared.subscribe(("t", 0))
    publisher.publish("t", b"1", retain=True)
    publisher.publish("t", b"2")
    assert [one.retain for one in kept.take_all()] == [True, False]
    assert [one.retain for one in cleared.take_all()] == [False, False]


@pytest.mark.parametrize(("handling", "first", "again"), [(0, 1, 1), (1, 1, 0), (2, 0, 0)])
def test_retain_handling(handling: int, first: int, again: int) -> None:
    world = DrivenBroker()
    world.connect("p").publish("t", b"1", retain=True)
    client = world.connect("a", V5)
    client.subscribe(("+", handling << 4))
    assert len(client.take_all()) == first
    client.subscribe(("+", handling << 4))
    assert len(client.take_all()) == again


def test_subscription_identifiers_come_with_the_message() -> None:
    world = DrivenBroker()
    client, plain = world.connect("a", V5), world.connect("b", V5)
    client.subscribe(("t", 1), listed=[(0x0B, 456_789)])
    client.subscribe(("t/#", 0), listed=[(0x0B, 2)])
    client.subscribe(("#", 0))
    plain.subscribe(("t", 1))
    plain.publish("t", b"x", 1, retain=True)
    assert client.take(wire.PUBLISH).listed == [(0x0B, 2), (0x0B, 456_789)]
    assert plain.take(wire.PUBLISH).listed == []
    client.subscribe(("t", 1), listed=[(0x0B, 7)])
    message = client.take(wire.PUBLISH)
    assert message.retain and message.listed == [(0x0B, 7)]


@pytest.mark.parametrize("identifier", [0, 1])
def test_a_subscription_identifier_of_0_or_of_a_publisher_is_an_error(identifier: int) -> None:
    world = DrivenBroker()
    client = world.connect("a", V5)
    if identifier:
        client.send(wire.publish("t", b"", version=V5, listed=[(0x0B, 1)]))
    else:
        client.send(wire.subscribe(1, ("t", 0), version=V5, listed=[(0x0B, 0)]))
    assert client.take(wire.DISCONNECT).reason in (0x81, 0x82) and client.is_closed


def test_a_shared_subscription_delivers_each_message_to_one_of_its_group() -> None:
    world = DrivenBroker()
    one, other, alone = (world.connect(name, V5) for name in "abc")
    for client in (one, other):
        client.subscribe(("$share/g/t/#", 1))
    alone.subscribe(("$share/h/t/+", 1), ("t/x", 1))
    publisher = world.connect("p")
    for number in range(10):
        publisher.publish("t/x", b"%d" % number, 1)
    shares = [len(client.take_all()) for client in (one, other, alone)]
    assert shares == [5, 5, 20]
    one.disconnect()
    publisher.publish("t/x", b"x", 1)
    assert len(other.take_all()) == 1
    # None that is retained (4.8.2).
    publisher.publish("t/r", b"r", retain=True)
    other.take_all()
    other.subscribe(("$share/g/t/#", 1))
    assert other.received == []


def test_a_group_prefers_who_is_connected_and_keeps_messages_if_nobody_is() -> None:
    world = DrivenBroker()
    kept = world.connect("a", V5, clean=False, listed=[(0x11, 100)])
    kept.subscribe(("$share/g/t", 1))
    kept.disconnect()
    there = world.connect("b", V5)
    there.subscribe(("$share/g/t", 1))
    publisher = world.connect("p")
    for _ in range(4):
        publisher.publish("t", b"x", 1)
    assert len(there.take_all()) == 4
    there.disconnect()
    publisher.publish("t", b"y", 1)
    world.restart()
    back = world.connect("a", V5, clean=False, listed=[(0x11, 100)])
    assert back.published() == [("t", b"y")]
