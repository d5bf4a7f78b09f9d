"""Sessions that outlive a connection, and what waits in them (3.1.2.4, 3.1.2.11, 4.1, 4.4)."""

import pytest
import wire_format as wire
from driven_broker import V5, V311, DrivenBroker
from motekit.broker.limits import Limits

KEPT = {
    V311: {"clean": False},
    V5: {"clean": False, "listed": [(0x11, 3600)]},
}


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("version", [V311, V5])
def test_what_came_at_qos_1_and_2_while_a_client_was_absent_waits_for_it(
    version: int, restarted: bool
) -> None:
    world = DrivenBroker()
    client = world.connect("s", version, **KEPT[version])
    client.subscribe(("t", 2))
    client.disconnect()
    publisher = world.connect("p")
    for qos in range(3):
        publisher.publish("t", b"%d" % qos, qos, retain=True)
    if restarted:
        world.restart()
    back = world.connect("s", version, **KEPT[version])
    assert back.connack.session_present
    got = back.take_all()
    assert [(one.payload, one.qos) for one in got] == [(b"1", 1), (b"2", 2)]
    # What was queued is no answer to a SUBSCRIBE: its retain flag is not set (3.3.1.3).
    assert not any(one.retain for one in got)
    assert all(one.dup is restarted for one in got)


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("version", [V311, V5])
def test_what_was_not_acknowledged_is_sent_again_with_dup(version: int, restarted: bool) -> None:
    world = DrivenBroker()
    client = world.connect("s", version, **KEPT[version])
    client.subscribe(("t", 2))
    publisher = world.connect("p")
    publisher.publish("t", b"1", 1)
    publisher.publish("t", b"2", 2)
    publisher.publish("t", b"3", 2)
    first = client.take_all()
    client.send(wire.acknowledge(wire.PUBREC, first[1].packet_id))
    assert client.take(wire.PUBREL).packet_id == first[1].packet_id
    client.drop()
    if restarted:
        world.restart()
    back = world.connect("s", version, **KEPT[version])
    # PUBREL for what was received, PUBLISH with DUP and the same id for the rest (4.4).
    assert back.take(wire.PUBREL).packet_id == first[1].packet_id
    again = back.take_all()
    assert [(one.payload, one.qos, one.dup, one.packet_id) for one in again] == [
        (b"1", 1, True, first[0].packet_id),
        (b"3", 2, True, first[2].packet_id),
    ]
    back.send(
        wire.acknowledge(wire.PUBCOMP, first[1].packet_id),
        wire.acknowledge(wire.PUBACK, first[0].packet_id),
        wire.acknowledge(wire.PUBREC, first[2].packet_id),
    )
    assert back.take(wire.PUBREL).packet_id == first[2].packet_id
    back.send(wire.acknowledge(wire.PUBCOMP, first[2].packet_id))
    back.disconnect()
    world.restart()
    assert world.connect("s", version, **KEPT[version]).received == []
    assert not world.database.execute("SELECT * FROM mqtt_queue").fetchall()


def test_pubrel_goes_out_when_pubrec_is_durable() -> None:
    world = DrivenBroker()
    client = world.connect("s", clean=False)
    client.subscribe(("t", 2))
    world.connect("p").publish("t", b"1", 2)
    packet_id = client.take(wire.PUBLISH).packet_id
    world.auto_commit = False
    client.send(wire.acknowledge(wire.PUBREC, packet_id))
    assert client.received == []
    world.commit()
    assert client.take(wire.PUBREL).packet_id == packet_id


def test_a_refused_qos_2_message_is_over() -> None:
    world = DrivenBroker()
    client = world.connect("s", V5, **KEPT[V5])
    client.subscribe(("t", 2))
    world.connect("p").publish("t", b"1", 2)
    packet_id = client.take(wire.PUBLISH).packet_id
    client.send(wire.acknowledge(wire.PUBREC, packet_id, 0x97))
    assert client.received == [] and not world.broker.state.sessions["s"].packet_ids


def test_subscriptions_outlive_a_kill_and_a_clean_start_ends_them() -> None:
    world = DrivenBroker()
    client = world.connect("s", clean=False)
    client.subscribe(("a/+", 1), ("b", 0))
    client.send(wire.unsubscribe(5, "b"))
    client.take(wire.UNSUBACK)
    world.restart()
    client = world.connect("s", clean=False)
    assert client.connack.session_present
    publisher = world.connect("p")
    publisher.publish("a/1", b"x")
    publisher.publish("b", b"x")
    assert client.published() == [("a/1", b"x")]
    client.disconnect()
    publisher.publish("a/1", b"y", 1)
    clean = world.connect("s", clean=True)
    assert not clean.connack.session_present
    publisher.publish("a/1", b"z", 1)
    assert clean.received == []
    clean.disconnect()
    assert not world.connect("s", clean=False).connack.session_present
    world.restart()
    assert world.broker.state.sessions.keys() == {"s"}
    assert not world.broker.state.sessions["s"].subscriptions


def test_a_clean_session_ends_with_its_connection() -> None:
    world = DrivenBroker()
    client = world.connect("s")
    client.subscribe(("t", 1))
    client.drop()
    world.connect("p").publish("t", b"1", 1)
    assert not world.connect("s", clean=False).connack.session_present
    assert world.broker.state.queued_bytes == 0


def test_suback_of_a_kept_session_waits_until_it_is_durable() -> None:
    world = DrivenBroker()
    kept, clean = world.connect("a", clean=False), world.connect("b")
    world.auto_commit = False
    kept.send(wire.subscribe(1, ("t", 1)))
    clean.send(wire.subscribe(1, ("t", 1)))
    assert clean.take(wire.SUBACK).reasons == [1] and kept.received == []
    world.commit()
    assert kept.take(wire.SUBACK).reasons == [1]


def test_a_session_of_mqtt_5_ends_after_its_expiry_interval() -> None:
    world = DrivenBroker()
    for expiry_s, waited, present in ((5, 4, True), (5, 6, False), (0, 0, False), (None, 0, False)):
        listed = [] if expiry_s is None else [(0x11, expiry_s)]
        client = world.connect("s", V5, clean=True, listed=listed)
        client.subscribe(("t", 1))
        client.disconnect()
        world.wait(waited)
        back = world.connect("s", V5, clean=False)
        assert back.connack.session_present is present
        back.send(wire.disconnect(0, [] if present else None))
        world.wait(0.25)


def test_the_expiry_interval_goes_on_while_the_broker_is_down() -> None:
    world = DrivenBroker()
    world.connect("s", V5, clean=False, listed=[(0x11, 100)]).disconnect()
    world.connect("t", V5, clean=False, listed=[(0x11, 200)]).disconnect()
    world.now += 150
    world.restart()
    world.wait(0.25)
    assert world.broker.state.sessions.keys() == {"t"}
    world.restart()
    assert world.broker.state.sessions.keys() == {"t"}


def test_disconnect_may_change_the_expiry_interval_but_not_begin_one() -> None:
    world = DrivenBroker()
    client = world.connect("s", V5, listed=[(0x11, 1)])
    client.send(wire.disconnect(0, [(0x11, 5)]))
    world.wait(3)
    client = world.connect("s", V5, clean=False, listed=[(0x11, 1)])
    assert client.connack.session_present
    client.send(wire.disconnect(0, [(0x11, 0)]))
    client = world.connect("s", V5, clean=False)
    assert not client.connack.session_present
    client.send(wire.disconnect(0, [(0x11, 5)]))
    assert client.take(wire.DISCONNECT).reason == 0x82


def test_an_expiry_interval_that_is_too_long_is_shortened_and_told() -> None:
    world = DrivenBroker(Limits(session_expiry_s=1000))
    client = world.connect("s", V5, listed=[(0x11, 0xFFFFFFFF)])
    assert client.connack[0x11] == 1000
    client.disconnect()
    kept = world.connect("k", clean=False)
    kept.disconnect()
    world.wait(999)
    assert world.broker.state.sessions.keys() == {"s", "k"}
    world.wait(1)
    assert not world.broker.state.sessions


def test_packet_ids_wrap_and_none_is_used_twice_at_a_time() -> None:
    world = DrivenBroker(Limits(inflight=3))
    client, publisher = world.connect("s"), world.connect("p")
    client.subscribe(("t", 1))
    publisher.publish("t", b"first", 1)
    held = client.take(wire.PUBLISH).packet_id
    seen = []
    for start in range(0, 66_000, 60):
        publisher.send(*(wire.publish("t", b"x", 1, n + 1) for n in range(60)))
        publisher.take_all()
        while client.received:
            for one in client.take_all():
                seen.append(one.packet_id)
                client.send(wire.acknowledge(wire.PUBACK, one.packet_id))
        assert start >= 0
    assert len(seen) == 66_000 and held not in seen and 0 not in seen
    assert set(seen) == set(range(1, 65_536)) - {held}


# Wills


@pytest.mark.parametrize("version", [V311, V5])
@pytest.mark.parametrize("retain", [True, False])
def test_a_will_is_published_when_the_connection_breaks(version: int, retain: bool) -> None:
    world = DrivenBroker()
    watcher = world.connect("w")
    watcher.subscribe(("gone", 2))
    world.connect("c", version, will=("gone", b"c", 1, retain)).drop()
    message = watcher.take(wire.PUBLISH)
    assert (message.payload, message.qos) == (b"c", 1)
    late = world.connect("l")
    late.subscribe(("gone", 0))
    assert late.published() == ([("gone", b"c")] if retain else [])


@pytest.mark.parametrize("version", [V311, V5])
def test_a_will_is_discarded_by_disconnect(version: int) -> None:
    world = DrivenBroker()
    world.connect("c", version, will=("gone", b"c", 1, False)).disconnect()
    world.restart()
    assert world.committed == []


def test_mqtt_5_may_leave_with_its_will() -> None:
    world = DrivenBroker()
    world.connect("c", V5, will=("gone", b"c", 1, False)).send(wire.disconnect(4))
    assert [one.topic for one in world.committed] == ["gone"]


def test_a_will_with_properties_keeps_them() -> None:
    world = DrivenBroker()
    watcher = world.connect("w", V5)
    watcher.subscribe(("gone", 1))
    listed = [(0x03, "text/plain"), (0x26, ("a", "2")), (0x26, ("c", "3")), (0x02, 100)]
    world.connect("c", V5, will=("gone", b"c", 1, False), will_listed=listed).drop()
    assert watcher.take(wire.PUBLISH).listed == [*listed[:3], (0x02, 100)]


def test_the_wills_of_a_killed_broker_are_published_at_the_next_start() -> None:
    world = DrivenBroker()
    world.connect("a", will=("gone/a", b"offline", 1, True))
    world.connect("b", will=("gone/b", b"offline", 1, True)).disconnect()
    world.committed.clear()
    world.restart()
    assert [one.topic for one in world.committed] == ["gone/a"]
    world.restart()
    assert [one.topic for one in world.committed] == ["gone/a"]


def test_the_end_of_the_broker_publishes_all_wills() -> None:
    world = DrivenBroker()
    old, new = world.connect("a", will=("gone", b"a", 1, True)), world.connect("b", V5)
    world.broker.shut_down()
    world.settle()
    assert old.is_closed and new.take(wire.DISCONNECT).reason == 0x8B
    assert [one.payload for one in world.committed] == [b"a"]


@pytest.mark.parametrize(
    ("delay_s", "expiry_s", "after_s"), [(3, 5, 3), (5, 0, 0), (5, 2, 2), (0, 5, 0)]
)
def test_a_will_is_delayed_but_not_beyond_its_session(delay_s, expiry_s, after_s) -> None:
    world = DrivenBroker()
    client = world.connect(
        "c",
        V5,
        listed=[(0x11, expiry_s)],
        will=("gone", b"c", 1, False),
        will_listed=[(0x18, delay_s)],
    )
    client.drop()
    if after_s:
        world.wait(after_s - 0.25)
        assert world.committed == []
        world.wait(0.25)
    assert [one.topic for one in world.committed] == ["gone"]


@pytest.mark.parametrize("clean", [True, False])
def test_who_returns_in_time_stops_a_delayed_will_unless_its_session_ends(clean: bool) -> None:
    world = DrivenBroker()
    delayed = {"listed": [(0x11, 100)], "will": ("gone", b"c", 1, False)}
    client = world.connect("c", V5, will_listed=[(0x18, 10)], **delayed)
    client.drop()
    world.wait(5)
    back = world.connect("c", V5, clean=clean, listed=[(0x11, 100)])
    world.wait(20)
    assert len(world.committed) == (1 if clean else 0)
    back.disconnect()
    world.restart()
    assert len(world.committed) == (1 if clean else 0)
