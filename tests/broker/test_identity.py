"""Nothing of a session is touched before its client is verified; a session has one account."""

import pytest
import wire_format as wire
from driven_broker import V5, V311, DrivenBroker
from motekit.broker.limits import Limits

WILL = ("devices/plant1/status", b"offline", 1, True)
ATTACK = ("devices/plant1/cmd", b'{"cmd":"restart"}', 1, False)


def plant1(world: DrivenBroker, version: int = V311, **more):
    return world.connect("plant1", version, user="plant1", password="1", **more)


def owner(world: DrivenBroker, client_id: str = "", version: int = V311, **more):
    return world.connect(client_id, version, user="owner", password="o", **more)


def refused(world: DrivenBroker, client_id: str, version: int = V311, **more) -> int:
    """The reason of a refusal, after which the connection is closed."""
    client = world.client(version=version)
    client.send(wire.connect(client_id, version=version, **more))
    connack = client.take(wire.CONNACK)
    assert client.is_closed and client.received == [] and not connack.session_present
    return connack.reason


@pytest.mark.parametrize("version", [V311, V5])
@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("will", [None, ATTACK])
@pytest.mark.parametrize(
    "login", [("plant1", "wrong"), ("plant1", None), ("owner", "1"), ("x", "1")]
)
def test_a_refused_login_changes_nothing_for_the_client_whose_id_it_claims(
    version: int, clean: bool, will, login
) -> None:
    world = DrivenBroker()
    device = plant1(world, will=WILL, keep_alive=20)
    device.subscribe(("devices/plant1/cmd", 1))
    user, password = login
    reason = refused(world, "plant1", version, clean=clean, will=will, user=user, password=password)
    assert reason == (5 if version == V311 else 0x86)
    assert world.committed == [] and not device.is_closed
    # It hears commands, and is still watched: its keep-alive ends it, and its will is published.
    boss = owner(world)
    boss.publish("devices/plant1/cmd", b"{}", 1)
    assert device.published() == [("devices/plant1/cmd", b"{}")]
    world.wait(30)
    assert device.is_closed
    assert [(one.topic, one.payload) for one in world.committed][-1] == WILL[:2]


def test_a_refused_login_leaves_nothing_in_memory() -> None:
    world = DrivenBroker()
    for number in range(200):
        assert refused(world, f"x{number}", clean=False, will=ATTACK, user="x", password="y") == 5
    state = world.broker.state
    assert not state.sessions and not world.broker.connections and not world.committed
    assert not world.database.execute("SELECT count(*) FROM mqtt_session").fetchone()[0]
    assert not world.database.execute("SELECT count(*) FROM mqtt_will").fetchone()[0]


def test_a_refused_login_does_not_lend_its_name_to_an_open_connection() -> None:
    world = DrivenBroker()
    device = plant1(world)
    assert refused(world, "plant1", user="owner", password="wrong") == 5
    assert device.subscribe(("#", 1)).reason == 0x80
    other = world.client()
    # In the same piece as the refused CONNECT: not looked at.
    claim = wire.connect("plant1", user="owner", password="wrong")
    other.send(claim, wire.subscribe(1, ("#", 1)), wire.publish("devices/plant1/cmd", b"{}"))
    assert [one.kind for one in other.take_all()] == [wire.CONNACK]
    assert world.committed == []


def test_a_device_may_use_its_own_client_ids_only() -> None:
    world = DrivenBroker()
    for version, reason in ((V311, 2), (V5, 0x85)):
        for client_id in ("owner-laptop", "plant2", "plant1x", "plant", "telegraf-readings"):
            assert refused(world, client_id, version, user="plant1", password="1") == reason
    assert not plant1(world).is_closed
    world.connect("plant1/test", user="plant1", password="1")
    world.connect("", user="plant1", password="1")


def test_a_device_does_not_inherit_the_session_of_the_owner() -> None:
    world = DrivenBroker()
    boss = owner(world, "laptop", clean=False)
    boss.subscribe(("sensors/#", 1))
    boss.disconnect()
    plant1(world).publish("sensors/plant1/t", b"1", 1)
    assert refused(world, "laptop", clean=False, user="plant1", password="1") == 2
    again = owner(world, "laptop", clean=False)
    assert again.connack.session_present
    assert again.published() == [("sensors/plant1/t", b"1")]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("clean", [True, False])
def test_a_session_of_another_account_is_neither_taken_over_nor_ended(
    connected: bool, clean: bool
) -> None:
    world = DrivenBroker()
    boss = owner(world, "laptop", clean=False, will=("bye", b"boss", 0, False))
    boss.subscribe(("a", 1))
    if not connected:
        boss.drop()
    before = len(world.committed)
    assert refused(world, "laptop", clean=clean) == 2
    assert len(world.committed) == before and boss.is_closed is not connected
    boss = owner(world, "laptop", clean=False)
    assert boss.connack.session_present


def test_the_id_that_is_an_accounts_name_belongs_to_that_account() -> None:
    world = DrivenBroker()
    boss = owner(world, "plant1", clean=False)
    boss.subscribe(("devices/plant1/cmd", 1))
    device = plant1(world, clean=False)
    assert boss.is_closed
    # Ended, not inherited.
    assert not device.connack.session_present
    owner(world).publish("devices/plant1/cmd", b"{}", 1)
    assert device.received == []
    assert refused(world, "plant1", user="owner", password="o") == 2
    assert not device.is_closed


@pytest.mark.parametrize("version", [V311, V5])
def test_a_reconnect_ends_the_old_connection_and_its_will_comes_first(version: int) -> None:
    # MQTT-3.1.4-2 (3.1.4-3 in MQTT 5).
    world = DrivenBroker()
    watcher = owner(world)
    watcher.subscribe(("devices/+/status", 1))
    old = plant1(world, version, will=WILL)
    old.publish("devices/plant1/status", b"online", 1, retain=True)
    new = plant1(world, version, will=WILL)
    assert old.is_closed and not new.is_closed
    if version == V5:
        assert old.take(wire.DISCONNECT).reason == 0x8E
    new.publish("devices/plant1/status", b"online", 1, retain=True)
    # What is left of the old connection, later.
    old.drop()
    world.wait(80)
    assert [payload for _, payload in watcher.published()] == [b"online", b"offline", b"online"]
    late = owner(world)
    late.subscribe(("devices/+/status", 1))
    assert late.published() == [("devices/plant1/status", b"online")]


def test_a_packet_of_a_connection_that_was_taken_over_is_not_handled() -> None:
    world = DrivenBroker()
    old = plant1(world)
    plant1(world)
    old.connection.receive(wire.publish("sensors/plant1/t", b"1", 1, 1))
    world.settle()
    assert world.committed == []


def test_a_will_needs_the_right_to_be_published_before_anybody_is_let_in() -> None:
    world = DrivenBroker()
    device = plant1(world)
    login = {"user": "plant1", "password": "1"}
    for will in (
        ATTACK[:1] and ("devices/plant2/status", b"offline", 1, True),
        ("#", b"", 0, False),
    ):
        assert refused(world, "plant1", V5, will=will, **login) in (0x87, 0x90)
        client = world.client()
        client.send(wire.connect("plant1", will=will, **login))
        assert client.is_closed
    assert world.committed == [] and not device.is_closed


def test_on_the_network_a_client_without_a_name_is_refused() -> None:
    world = DrivenBroker()
    world.accounts.is_anonymous_allowed = False
    assert refused(world, "a") == 5
    assert refused(world, "a", V5) == 0x87
    assert refused(world, "a", V5, password="1") == 0x87


def test_extended_authentication_is_refused() -> None:
    assert refused(DrivenBroker(), "a", V5, listed=[(0x15, "SCRAM-SHA-1")]) == 0x8C


def test_a_removed_account_is_disconnected_and_its_sessions_end() -> None:
    world = DrivenBroker()
    connected = plant1(world, V5, will=WILL)
    absent = world.connect("plant1/2", user="plant1", password="1", clean=False)
    absent.disconnect()
    other = world.connect("plant2", user="plant2", password="2")
    anonymous = world.connect("x")
    world.wait(10)
    assert not connected.is_closed
    del world.accounts.passwords["plant1"]
    world.wait(2.25)
    assert connected.take(wire.DISCONNECT).reason == 0x87
    assert connected.is_closed and not other.is_closed and not anonymous.is_closed
    assert world.broker.state.sessions.keys() == {"plant2", "x"}
    assert [one.payload for one in world.committed] == [b"offline"]
    world.restart()
    assert not world.broker.state.sessions


def test_an_account_has_a_limited_number_of_connections_and_sessions() -> None:
    world = DrivenBroker(Limits(account_connections=2, account_sessions=3))
    login = {"user": "plant1", "password": "1"}
    first = world.connect("plant1", clean=False, **login)
    second = world.connect("plant1/2", clean=False, **login)
    assert refused(world, "plant1/3", V5, **login) == 0x97
    assert refused(world, "plant1/3", **login) == 3
    # Its own place it may take again.
    world.connect("plant1/2", clean=False, **login)
    assert second.is_closed
    first.disconnect()
    third = world.connect("plant1/3", clean=False, **login)
    third.disconnect()
    assert refused(world, "plant1/4", V5, **login) == 0x97
    # The owner has as many as it wants.
    for _ in range(10):
        owner(world)


def test_connections_that_do_not_log_in_make_room_for_those_who_do() -> None:
    world = DrivenBroker(Limits(pending_connections=5, pending_per_address=3))
    same = [world.client("192.0.2.7") for _ in range(4)]
    assert [one.is_closed for one in same] == [True, False, False, False]
    others = [world.client(f"192.0.2.{number}") for number in range(20, 23)]
    assert [one.is_closed for one in same] == [True, True, False, False]
    assert not any(one.is_closed for one in others)
    others[0].send(wire.connect("a"))
    assert others[0].take(wire.CONNACK).reason == 0
    for number in range(30, 40):
        world.client(f"192.0.2.{number}")
    assert not others[0].is_closed
    assert len(world.broker.connections) == 6


def test_beyond_the_limit_of_connections_only_those_without_a_login_give_way() -> None:
    world = DrivenBroker(Limits(connections=3))
    clients = [world.connect(f"c{number}") for number in range(2)]
    waiting = world.client()
    late = world.client()
    assert waiting.is_closed and not late.is_closed
    late.send(wire.connect("c2"))
    assert world.broker.open("192.0.2.9") is None
    assert not any(one.is_closed for one in [*clients, late])
    clients[0].disconnect()
    assert world.broker.open("192.0.2.9") is not None


def test_who_is_evicted_again_and_again_is_named_in_the_log(caplog) -> None:
    world = DrivenBroker()
    for _ in range(6):
        plant1(world)
        world.wait(1)
    lines = [record.message for record in caplog.records if "evict" in record.message]
    assert len(lines) == 1 and "'plant1'" in lines[0] and "192.0.2.1" in lines[0]


def test_refused_logins_are_logged_once_a_minute_and_escaped(caplog) -> None:
    world = DrivenBroker()
    for _ in range(1000):
        refused(world, "a\x1b[2Jb", user="[red]", password="x")
    assert len(caplog.records) == 1
    assert "\x1b" not in caplog.text and "'[red]'" in caplog.text
    world.wait(60)
    refused(world, "a", user="b", password="x")
    assert "999 more" in caplog.records[-1].message
