"""The broker of the backend, a real Mosquitto with docker/mosquitto/mosquitto.conf: who gets in.

The attacks come from a client library that we did not write, through every listener.
"""

import re
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from motekit.stack.accounts import CLIENT_IDS
from motekit.stack.installation import DOCKER, Installation
from motesim.network.ports import free_port
from paho.mqtt.enums import CallbackAPIVersion

WAIT_S = 60
LISTENERS = ("1883", "8883", "9001")
# As a service has it in an installation of an earlier version, and in one made now.
SUFFIX = "-0123456789abcdef"
INTERNAL = [*CLIENT_IDS, *(f"{name}{SUFFIX}" for name in CLIENT_IDS)]
ATTACKERS = [("plant2", "right"), ("plant2", "wrong"), ("plant1", "wrong"), ("stranger", "x")]


class StackBroker:
    """The broker on ports of its own, for an installation with two devices."""

    def __init__(self, folder: Path) -> None:
        self.installation = Installation(folder / "state")
        self.installation.make(["localhost"])
        self.passwords = self.installation.accounts.add(["plant1", "plant2"])
        self.passwords["owner"] = self.installation.secret("mqtt")
        secret = self.installation.secrets / "telegraf" / "mqtt_password"
        self.passwords["telegraf"] = secret.read_text()
        self.ports = {inside: free_port() for inside in LISTENERS}
        (plugin,) = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
        text = (DOCKER / "mosquitto" / "mosquitto.conf").read_text()
        for before, after in (
            ("/usr/lib/mosquitto_dynamic_security.so", plugin),
            ("/mosquitto/config", DOCKER / "mosquitto"),
            ("/mosquitto/users", self.installation.broker),
            ("/mosquitto/certificates", self.installation.certificates),
            ("/mosquitto/data/", f"{folder}/"),
        ):
            text = text.replace(before, str(after))
        for inside, port in self.ports.items():
            text = re.sub(rf"^listener {inside}$", f"listener {port} 127.0.0.1", text, flags=re.M)
        self._file = folder / "mosquitto.conf"
        self._file.write_text(f"user root\n{text}")

    def start(self) -> None:
        self._process = subprocess.Popen(["mosquitto", "-c", self._file], stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def connect(
        self, user: str, password: str, client_id: str, listener: str = "1883", keep: bool = True
    ) -> "Client":
        """A client that asks to be let in; `keep` is a session that outlives its connection."""
        return Client(self, user, password, client_id, listener, keep)


class Client:
    """One connection, and what came of it."""

    def __init__(
        self,
        broker: StackBroker,
        user: str,
        password: str,
        client_id: str,
        listener: str,
        keep: bool,
    ) -> None:
        self.code = ""
        self.heard: list[bytes] = []
        self.lost = False
        self._subscribed = threading.Event()
        transport = "websockets" if listener == "9001" else "tcp"
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=not keep, transport=transport
        )
        if listener == "8883":
            authority = broker.installation.authority / "ca.crt"
            self._client.tls_set(str(authority), cert_reqs=ssl.CERT_REQUIRED)
        self._client.username_pw_set(user, password)
        self._client.will_set("devices/plant1/cmd", "a will of somebody else", qos=1)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_message = lambda _c, _d, message: self.heard.append(message.payload)
        self._client.on_subscribe = lambda *_details: self._subscribed.set()
        self._client.connect_timeout = WAIT_S

        def begun() -> bool:
            try:
                self._client.connect("localhost", broker.ports[listener])
            except ConnectionRefusedError:
                return False
            return True

        eventually(begun)
        self._client.loop_start()
        eventually(lambda: self.code)

    def _connected(self, _c: object, _d: object, _flags: object, code: object, _p: object) -> None:
        self.code = str(code)

    def _disconnected(self, *_details: object) -> None:
        self.lost = True
        # It does not come again by itself.
        self._client.disconnect()

    def subscribe(self, topic: str) -> None:
        self._subscribed.clear()
        self._client.subscribe(topic, qos=1)
        assert self._subscribed.wait(WAIT_S)

    def publish(self, topic: str, payload: str) -> None:
        self._client.publish(topic, payload, qos=1).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def eventually(true: Callable[[], object]) -> None:
    until = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


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
