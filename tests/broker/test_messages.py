"""PUBLISH and its acknowledgements, retained messages (3.3 to 3.7, 4.3, 4.4, 4.6)."""

import pytest
import wire_format as wire
from driven_broker import V5, V311, DrivenBroker
from motekit.broker.limits import Limits


@pytest.mark.parametrize("subscribed", [0, 1, 2])
@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("versions", [(V311, V311), (V311, V5), (V5, V311), (V5, V5)])
def test_a_message_arrives_once_at_the_lower_of_both_qos(subscribed, published, versions) -> None:
    world = DrivenBroker()
    subscriber = world.connect("s", versions[0])
    assert subscriber.subscribe(("a/b", subscribed)).reasons == [subscribed]
    world.connect("p", versions[1]).publish("a/b", b"x", published)
    message = subscriber.take(wire.PUBLISH)
    assert (message.topic, message.payload) == ("a/b", b"x")
    assert message.qos == min(subscribed, published)
    assert not message.retain and not message.dup
    assert bool(message.packet_id) == bool(message.qos)
    if message.qos == 1:
        subscriber.send(wire.acknowledge(wire.PUBACK, message.packet_id))
    if message.qos == 2:
        subscriber.send(wire.acknowledge(wire.PUBREC, message.packet_id))
        assert subscriber.take(wire.PUBREL).packet_id == message.packet_id
        subscriber.send(wire.acknowledge(wire.PUBCOMP, message.packet_id))
    assert subscriber.received == []
    assert not world.broker.state.sessions["s"].packet_ids


def test_nothing_is_acknowledged_or_delivered_before_it_is_durable() -> None:
    world = DrivenBroker(auto_commit=False)
    subscriber, publisher = world.connect("s"), world.connect("p")
    subscriber.subscribe(("#", 2))
    publisher.send(*(wire.publish("t", b"%d" % qos, qos, qos) for qos in range(3)))
    publisher.send(wire.PINGREQ_PACKET)
    assert [one.kind for one in publisher.take_all()] == [wire.PINGRESP]
    assert subscriber.received == []
    batch = world.commit()
    assert [(one.payload, one.qos) for one in batch.messages] == [(b"0", 0), (b"1", 1), (b"2", 2)]
    answers = [(one.kind, one.packet_id) for one in publisher.take_all()]
    assert answers == [(wire.PUBACK, 1), (wire.PUBREC, 2)]
    assert [one.payload for one in subscriber.take_all()] == [b"0", b"1", b"2"]


def test_while_one_batch_is_written_the_next_one_gathers() -> None:
    world = DrivenBroker(auto_commit=False)
    publisher = world.connect("p")
    publisher.send(wire.publish("t", b"1", 1, 1))
    batch = world.broker.take_batch()
    assert [one.payload for one in batch.content.messages] == [b"1"]
    publisher.send(wire.publish("t", b"2", 1, 2), wire.publish("t", b"3", 1, 3))
    assert world.broker.take_batch() is None
    assert publisher.received == []
    world.broker.committed()
    world.collect()
    assert publisher.take(wire.PUBACK).packet_id == 1 and publisher.received == []
    assert [one.payload for one in world.commit().messages] == [b"2", b"3"]
    assert [one.packet_id for one in publisher.take_all()] == [2, 3]


def test_what_a_client_sent_before_it_vanished_is_stored_without_it() -> None:
    world = DrivenBroker(auto_commit=False)
    publisher = world.connect("p", will=("gone", b"", 0, False))
    publisher.send(wire.publish("t", b"1", 1, 1))
    publisher.drop()
    assert [one.topic for one in world.commit().messages] == ["t", "gone"]


@pytest.mark.parametrize("version", [V311, V5])
def test_what_an_account_may_not_publish_is_acknowledged_in_order_and_dropped(version) -> None:
    world = DrivenBroker(auto_commit=False)
    device = world.connect("plant1", version, user="plant1", password="1")
    device.send(
        wire.publish("sensors/plant1/t", b"1", 1, 1, version=version),
        wire.publish("sensors/plant2/t", b"2", 1, 2, version=version),
        wire.publish("sensors/plant2/t", b"3", 2, 3, version=version),
        wire.publish("$SYS/broker/uptime", b"4", 1, 4, version=version),
        wire.publish("sensors/plant2/t", b"5", 0, version=version),
    )
    assert device.received == []
    assert [one.payload for one in world.commit().messages] == [b"1"]
    answers = device.take_all()
    assert [one.packet_id for one in answers] == [1, 2, 3, 4]
    expected = [0, 0x87, 0x87, 0x87] if version == V5 else [0] * 4
    assert [one.reason for one in answers] == expected
    # Alone, it waits for nothing.
    device.send(wire.publish("sensors/plant2/t", b"2", 1, 9, version=version))
    assert device.take(wire.PUBACK).packet_id == 9
    assert world.commit() is None


def test_a_copy_of_a_qos_2_message_is_acknowledged_and_not_delivered_again() -> None:
    world = DrivenBroker()
    publisher = world.connect("p", clean=False)
    publisher.send(wire.publish("t", b"1", 2, 7))
    assert publisher.take(wire.PUBREC).packet_id == 7
    publisher.send(wire.publish("t", b"1", 2, 7, dup=True))
    assert publisher.take(wire.PUBREC).packet_id == 7
    publisher.drop()
    world.restart()
    publisher = world.connect("p", clean=False)
    publisher.send(wire.publish("t", b"1", 2, 7, dup=True))
    assert publisher.take(wire.PUBREC).packet_id == 7
    assert len(world.committed) == 1
    publisher.send(wire.acknowledge(wire.PUBREL, 7), wire.acknowledge(wire.PUBREL, 7))
    assert [one.kind for one in publisher.take_all()] == [wire.PUBCOMP] * 2
    # Released, the id is free for another message.
    publisher.send(wire.publish("t", b"2", 2, 7))
    assert publisher.take(wire.PUBREC).packet_id == 7
    assert [one.payload for one in world.committed] == [b"1", b"2"]


def test_an_unknown_packet_id_is_told_to_mqtt_5() -> None:
    client = DrivenBroker().connect("a", V5)
    client.send(wire.acknowledge(wire.PUBREL, 5), wire.acknowledge(wire.PUBREC, 6))
    assert client.take(wire.PUBCOMP).reason == 0x92
    assert client.take(wire.PUBREL).reason == 0x92
    client.send(wire.acknowledge(wire.PUBACK, 7), wire.acknowledge(wire.PUBCOMP, 8))
    assert client.received == [] and not client.is_closed


def test_messages_come_in_the_order_in_which_they_were_published() -> None:
    world = DrivenBroker()
    subscriber, publisher = world.connect("s"), world.connect("p")
    subscriber.subscribe(("t", 1))
    for start in range(1, 2000, 100):
        numbers = range(start, start + 100)
        publisher.send(*(wire.publish("t", b"%d" % n, 1, n) for n in numbers))
    got = []
    while subscriber.received:
        for one in subscriber.take_all():
            got.append(int(one.payload))
            subscriber.send(wire.acknowledge(wire.PUBACK, one.packet_id))
    assert got == list(range(1, 2001))
    assert [one.packet_id for one in publisher.take_all()] == list(range(1, 2001))


def test_times_of_arrival_are_different_and_follow_the_clock_back() -> None:
    world = DrivenBroker()
    publisher = world.connect("p")
    publisher.send(*(wire.publish("t", b"%d" % n) for n in range(5)))
    times = [one.time_ns for one in world.committed]
    assert times == sorted(set(times)) and times[0] == world.unix_ns
    world.now -= 3600
    publisher.send(wire.publish("t", b"x"))
    assert world.committed[-1].time_ns == world.unix_ns


# Retained messages


def test_a_retained_message_comes_with_a_new_subscription_and_its_flag() -> None:
    world = DrivenBroker()
    publisher = world.connect("p")
    for qos in range(3):
        publisher.publish(f"r/{qos}", b"%d" % qos, qos, retain=True)
    publisher.publish("r/0", b"new", 0, retain=True)
    subscriber = world.connect("s")
    subscriber.subscribe(("r/+", 1))
    got = {one.topic: one for one in subscriber.take_all()}
    assert {topic: one.payload for topic, one in got.items()} == {
        "r/0": b"new", "r/1": b"1", "r/2": b"2",
    }  # fmt: skip
    assert all(one.retain for one in got.values())
    assert [got[f"r/{qos}"].qos for qos in range(3)] == [0, 1, 1]
    # A subscriber that is there already gets it as any other message.
    publisher.publish("r/0", b"later", 0, retain=True)
    assert not subscriber.take(wire.PUBLISH).retain
    # Again with each SUBSCRIBE.
    subscriber.subscribe(("r/1", 1))
    assert subscriber.published() == [("r/1", b"1")]


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_an_empty_payload_removes_what_is_retained(qos: int) -> None:
    world = DrivenBroker()
    publisher, watcher = world.connect("p"), world.connect("w")
    watcher.subscribe(("r", 0))
    publisher.publish("r", b"x", 1, retain=True)
    publisher.publish("r", b"", qos, retain=True)
    assert watcher.published() == [("r", b"x"), ("r", b"")]
    late = world.connect("s")
    late.subscribe(("#", 0))
    assert late.received == []
    world.restart()
    late = world.connect("s")
    late.subscribe(("#", 0))
    assert late.received == []


def test_retained_messages_outlive_a_kill() -> None:
    world = DrivenBroker()
    listed = [(0x03, "text/plain"), (0x26, ("a", "1")), (0x26, ("a", "2"))]
    world.connect("p", V5).publish("r", b"x", 1, retain=True, listed=listed)
    world.restart()
    subscriber = world.connect("s", V5)
    subscriber.subscribe(("#", 2))
    message = subscriber.take(wire.PUBLISH)
    assert (message.topic, message.payload, message.qos, message.retain) == ("r", b"x", 1, True)
    assert message.listed == listed


def test_who_subscribes_before_a_retained_message_is_durable_gets_it_afterwards() -> None:
    world = DrivenBroker(auto_commit=False)
    publisher, subscriber = world.connect("p"), world.connect("s")
    publisher.send(wire.publish("r", b"x", 1, 1, retain=True))
    subscriber.subscribe(("r", 1))
    assert subscriber.received == []
    world.commit()
    message = subscriber.take(wire.PUBLISH)
    assert message.payload == b"x" and message.retain and subscriber.received == []


def test_the_number_of_retained_messages_is_limited() -> None:
    world = DrivenBroker(Limits(retained_messages=3, account_retained=2))
    device = world.connect("plant1", V5, user="plant1", password="1")
    for number in range(3):
        topic = f"a/plant1/{number}"
        device.send(wire.publish(topic, b"x", 1, number + 1, retain=True, version=V5))
    assert [one.reason for one in device.take_all()] == [0, 0, 0x97]
    device.publish("a/plant1/0", b"y", 1, retain=True)
    device.publish("a/plant1/0", b"", 1, retain=True)
    device.publish("a/plant1/5", b"y", 1, retain=True)
    boss = world.connect("o", V5)
    boss.publish("a", b"x", 1, retain=True)
    boss.send(wire.publish("b", b"x", 1, 1, retain=True, version=V5))
    assert boss.take(wire.PUBACK).reason == 0x97


# What waits for a client


def test_no_more_than_the_window_is_sent_without_acknowledgement() -> None:
    world = DrivenBroker(Limits(inflight=5))
    subscriber, publisher = world.connect("s"), world.connect("p")
    subscriber.subscribe(("t", 2))
    for number in range(20):
        publisher.publish("t", b"%d" % number, 1 + number % 2)
    first = subscriber.take_all()
    assert [one.payload for one in first] == [b"0", b"1", b"2", b"3", b"4"]
    subscriber.send(wire.acknowledge(wire.PUBACK, first[0].packet_id))
    assert subscriber.take(wire.PUBLISH).payload == b"5"
    # A message at QoS 2 counts until PUBCOMP.
    subscriber.send(wire.acknowledge(wire.PUBREC, first[1].packet_id))
    subscriber.take(wire.PUBREL)
    assert subscriber.received == []
    subscriber.send(wire.acknowledge(wire.PUBCOMP, first[1].packet_id))
    assert subscriber.take(wire.PUBLISH).payload == b"6"


def test_a_queue_that_is_full_drops_what_is_new_and_counts_it() -> None:
    world = DrivenBroker(Limits(queue_messages=10))
    absent, publisher = world.connect("s", clean=False), world.connect("p")
    absent.subscribe(("t", 1))
    absent.disconnect()
    for number in range(25):
        publisher.publish("t", b"%d" % number, 1)
    assert world.broker.state.statistics["queue_dropped"] == 15
    back = world.connect("s", clean=False)
    got = [one.payload for one in back.take_all()]
    assert got == [b"%d" % number for number in range(10)]


def test_the_bytes_of_a_queue_and_of_all_queues_are_limited() -> None:
    limits = Limits(queue_bytes=10_000, all_queues_bytes=15_000)
    world = DrivenBroker(limits)
    for name in ("a", "b"):
        absent = world.connect(name, clean=False)
        absent.subscribe(("t", 1))
        absent.disconnect()
    publisher = world.connect("p")
    for _ in range(50):
        publisher.publish("t", bytes(1000), 1)
    state = world.broker.state
    assert 13_000 < state.queued_bytes <= 15_000
    world.connect("a", clean=True)
    world.connect("b", clean=True)
    assert state.queued_bytes == 0


def test_properties_count_as_what_is_kept() -> None:
    world = DrivenBroker(Limits(queue_bytes=10_000, retained_bytes=10_000))
    absent = world.connect("s", V5, clean=False, listed=[(0x11, 100)])
    absent.subscribe(("t/#", 1))
    absent.disconnect()
    publisher = world.connect("p", V5)
    large = [(0x26, ("k" * 1000, "v" * 3000))]
    for number in range(5):
        topic = f"t/{number}"
        publisher.send(wire.publish(topic, b"", 1, 1, version=V5, listed=large))
        publisher.send(wire.publish(topic, b"x", 1, 2, retain=True, version=V5, listed=large))
    assert world.broker.state.queued_bytes <= 10_000
    assert world.broker.state.statistics["queue_dropped"] == 5
    reasons = [one.reason for one in publisher.take_all()]
    assert reasons == [0, 0, 0, 0] + [0, 0x97] * 3


def test_messages_at_qos_0_are_dropped_when_a_client_does_not_read() -> None:
    world = DrivenBroker(Limits(output_bytes=10_000))
    slow, publisher = world.connect("s"), world.connect("p")
    slow.subscribe(("t", 0))
    slow.connection.backlog, slow.connection.writable = 10_001, False
    publisher.publish("t", b"lost")
    assert slow.received == [] and world.broker.state.statistics["output_dropped"] == 1
    slow.connection.backlog = 0
    slow.connection.writable_again()
    publisher.publish("t", b"there")
    assert slow.published() == [("t", b"there")]


def test_reading_stops_when_too_much_is_not_durable_and_goes_on_afterwards() -> None:
    world = DrivenBroker(Limits(uncommitted_bytes=5_000), auto_commit=False)
    publisher, other = world.connect("p", keep_alive=10), world.connect("q")
    for number in range(1, 10):
        publisher.send(wire.publish("t", bytes(1000), 1, number))
    assert not publisher.connection.wants_reading and other.connection.wants_reading
    # It is not to blame for its silence.
    world.wait(60)
    assert not publisher.is_closed
    world.commit()
    assert publisher.connection.wants_reading
    assert world.broker.state.uncommitted_bytes == 0


def test_all_connections_together_have_a_limit_of_what_is_not_durable() -> None:
    world = DrivenBroker(Limits(all_uncommitted_bytes=10_000), auto_commit=False)
    clients = [world.connect(f"c{number}") for number in range(10)]
    for client in clients:
        client.send(wire.publish("t", bytes(1000), 1, 1))
    assert not any(one.connection.wants_reading for one in clients)
    idle = world.connect("idle")
    assert idle.connection.wants_reading
    world.commit()
    assert all(one.connection.wants_reading for one in clients)
