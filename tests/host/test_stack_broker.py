"""The broker of the backend, a real Mosquitto with docker/mosquitto/mosquitto.conf: who gets in.

The attacks come from a client library that we did not write, through every listener.
"""

from collections.abc import Iterator

import pytest
from motekit.stack.accounts import CLIENT_IDS
from stack_broker import LISTENERS, StackBroker, eventually

# As a service has it in an installation of an earlier version, and in one made now.
SUFFIX = "-0123456789abcdef"
INTERNAL = [*CLIENT_IDS, *(f"{name}{SUFFIX}" for name in CLIENT_IDS)]
ATTACKERS = [("plant2", "right"), ("plant2", "wrong"), ("plant1", "wrong"), ("stranger", "x")]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackBroker]:
    made = StackBroker(tmp_path_factory.mktemp("broker"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=LISTENERS)
def listener(request: pytest.FixtureRequest) -> str:
    return request.param


def attack(broker: StackBroker, listener: str, client_ids: list[str]) -> None:
    """Try to take each session, with a clean one: the broker lets none in."""
    # Mosquitto looks at its websockets ten times a second only.
    attackers = ATTACKERS[:1] if listener == "9001" else ATTACKERS
    for client_id in client_ids:
        for user, password in attackers:
            right = broker.passwords.get(user, "") if password == "right" else password
            attacker = broker.connect(user, right, client_id, listener, keep=False)
            assert attacker.code in ("Not authorized", "Bad user name or password"), client_id
            attacker.close()


def test_the_queue_of_a_service_survives_every_device(broker: StackBroker, listener: str) -> None:
    """What waits for Telegraf was acknowledged: nobody else may end the session that holds it."""
    password = broker.passwords["telegraf"]
    for client_id in INTERNAL:
        service = broker.connect("telegraf", password, client_id)
        service.subscribe(f"sensors/plant1/{listener}")
        service.close()
    device = broker.connect("plant1", broker.passwords["plant1"], "plant1")
    for number in range(5):
        device.publish(f"sensors/plant1/{listener}", str(number))
    device.close()
    attack(broker, listener, INTERNAL)
    for client_id in INTERNAL:
        service = broker.connect("telegraf", password, client_id)
        eventually(lambda one=service: len(one.heard) == 5)
        assert service.heard == [b"0", b"1", b"2", b"3", b"4"], client_id
        service.close()


def test_the_session_of_a_device_is_its_own(broker: StackBroker, listener: str) -> None:
    password = broker.passwords["plant1"]
    board = broker.connect("plant1", password, "plant1")
    board.subscribe("devices/plant1/cmd")
    # At work: nobody disconnects it or publishes a will in its place.
    attack(broker, listener, ["plant1"])
    owner = broker.connect("owner", broker.passwords["owner"], "", keep=False)
    owner.publish("devices/plant1/cmd", "first")
    eventually(lambda: board.heard)
    assert board.heard == [b"first"] and not board.lost
    board.close()
    # Away: what waits for it stays.
    owner.publish("devices/plant1/cmd", "second")
    attack(broker, listener, ["plant1"])
    board = broker.connect("plant1", password, "plant1", listener)
    eventually(lambda: board.heard)
    assert board.heard == [b"second"]
    board.close()
    owner.close()


def test_a_device_has_no_client_id_but_its_own(broker: StackBroker, listener: str) -> None:
    for client_id in ("", "plant1", "plant2x", "PLANT2", "owner", "plant2\u00e4"):
        keep = bool(client_id)
        other = broker.connect("plant2", broker.passwords["plant2"], client_id, listener, keep)
        assert other.code == "Not authorized", client_id
        other.close()


def test_several_clients_of_the_owner_work_at_once(broker: StackBroker, listener: str) -> None:
    password = broker.passwords["owner"]
    # Tools choose their ids themselves, or leave it to the broker.
    owners = [
        broker.connect("owner", password, client_id, listener, keep=False)
        for client_id in ("", "", "mqttx_1f2e3d4c", "mosq-a", "mote/1")
    ]
    for one in owners:
        one.subscribe("test/#")
    owners[0].publish("test/several", "hello")
    for one in owners:
        eventually(lambda client=one: client.heard)
        assert one.heard == [b"hello"] and not one.lost
        one.close()
