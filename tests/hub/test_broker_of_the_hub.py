"""The hub's accounts, rights and store behind its broker."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from clients import WAIT_S, Client, new_hub, until, with_hub
from motekit.broker.backend import Account
from motekit.hub import Hub
from motekit.hub.accounts import Accounts
from motekit.hub.broker import HubBackend
from motekit.hub.ingest import Ingest
from motekit.hub.store import Store
from paho.mqtt.enums import CallbackAPIVersion

MOTE = Path(sys.executable).with_name("mote")
ADDRESS = "192.0.2.1"


class Named:
    """A client with an id of its own, and a session that is kept if wanted."""

    def __init__(self, hub: Hub, client_id: str, login: tuple[str, str], **more) -> None:
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, clean_session=more.get("clean", True)
        )
        self.client.username_pw_set(*login)
        if will := more.get("will"):
            self.client.will_set(*will)
        self.heard: list[tuple[str, str]] = []
        self.answer: tuple[int, bool] | None = None
        self.lost = False
        self.client.on_message = lambda c, d, m: self.heard.append((m.topic, m.payload.decode()))
        self.client.on_connect = lambda c, d, flags, reason, p: setattr(
            self, "answer", (reason.value, flags.session_present)
        )
        self.client.on_disconnect = lambda *_: setattr(self, "lost", True)
        self.client.connect("127.0.0.1", hub.mqtt_port)
        # Its own thread would connect again after it was refused or disconnected.
        self.client.loop_start()
        until(lambda: self.answer is not None)

    def subscribe(self, topic: str) -> None:
        done: list[int] = []
        self.client.on_subscribe = lambda *_: done.append(1)
        self.client.subscribe(topic, 1)
        until(lambda: bool(done))

    def publish(self, topic: str, payload: str, retain: bool = False) -> None:
        self.client.publish(topic, payload, 1, retain).wait_for_publish(WAIT_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    hub = new_hub(tmp_path, host="0.0.0.0")
    hub.test_login = ("plant1", hub.accounts.add("plant1"))
    hub.test_owner = ("owner", hub.accounts.owner_password)
    return hub


def test_a_wrong_password_does_nothing_to_the_board_whose_id_it_claims(hub: Hub) -> None:
    def story() -> None:
        will = ("devices/plant1/status", "offline", 1, True)
        board = Named(hub, "plant1", hub.test_login, will=will)
        board.subscribe("devices/plant1/cmd")
        attack = ("devices/plant1/cmd", '{"cmd":"restart"}', 1, False)
        for clean in (True, False):
            thief = Named(hub, "plant1", ("plant1", "wrong"), clean=clean, will=attack)
            # CONNACK 5 in the words of paho.
            assert thief.answer == (135, False)
            thief.close()
        owner = Named(hub, "laptop", hub.test_owner)
        owner.publish("devices/plant1/cmd", "{}")
        until(lambda: board.heard)
        assert board.heard == [("devices/plant1/cmd", "{}")] and not board.lost
        for client in (board, owner):
            client.close()

    with_hub(hub, story)


def test_a_device_gets_nothing_of_the_owners_session(hub: Hub) -> None:
    def story() -> None:
        owner = Named(hub, "laptop", hub.test_owner, clean=False)
        owner.subscribe("#")
        owner.close()
        board = Named(hub, "plant1", hub.test_login)
        board.publish("sensors/plant1/temperature", "1")
        for client_id in ("laptop", "telegraf-readings"):
            thief = Named(hub, client_id, hub.test_login, clean=False)
            # CONNACK 2 in the words of paho.
            assert thief.answer == (133, False) and thief.heard == []
            thief.close()
        owner = Named(hub, "laptop", hub.test_owner, clean=False)
        assert owner.answer == (0, True)
        until(lambda: owner.heard == [("sensors/plant1/temperature", "1")])
        for client in (board, owner):
            client.close()

    with_hub(hub, story)


def test_a_board_that_connects_again_is_online(hub: Hub) -> None:
    """Its old connection, which nobody has closed, leaves no `offline` behind."""

    def story() -> None:
        status, will = "devices/plant1/status", ("devices/plant1/status", "offline", 1, True)
        old = Named(hub, "plant1", hub.test_login, will=will)
        old.publish(status, "online", retain=True)
        # Paho would come back by itself.
        old.client.on_disconnect = lambda *_: setattr(old, "lost", True)
        old.client.reconnect_delay_set(3600, 3600)
        new = Named(hub, "plant1", hub.test_login, will=will)
        new.publish(status, "online", retain=True)
        until(lambda: old.lost)
        assert [one.online for one in hub.store.devices()] == [True]
        late = Named(hub, "laptop", hub.test_owner)
        late.subscribe(status)
        until(lambda: late.heard)
        assert late.heard == [(status, "online")]
        old.client.loop_stop()
        for client in (new, late):
            client.close()

    with_hub(hub, story)


def test_a_queue_and_a_status_outlive_a_killed_hub(tmp_path: Path) -> None:
    command = [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with subprocess.Popen(
        [*command, "--no-dashboard", "--json"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        port = json.loads(process.stdout.readline())["mqtt_port"]
        absent = mqtt.Client(CallbackAPIVersion.VERSION2, "absent", clean_session=False)
        granted: list[int] = []
        absent.on_connect = lambda *_: absent.subscribe("devices/plant1/#", 1)
        absent.on_subscribe = lambda *_: granted.append(1)
        absent.connect("127.0.0.1", port)
        absent.loop_start()
        until(lambda: granted)
        absent.disconnect()
        absent.loop_stop()
        board = Client(port, will="devices/plant1/status")
        board.publish("devices/plant1/status", "online", retain=True)
        board.publish("devices/plant1/cmd", '{"cmd":"identify"}')
        process.send_signal(signal.SIGKILL)
    board.close()
    hub = new_hub(tmp_path)

    def story() -> None:
        back = Named(hub, "absent", ("", ""), clean=False)
        assert back.answer == (0, True)

        def others() -> list[tuple[str, str]]:
            """What came but the hub's own command to a board that comes online."""
            return [one for one in back.heard if "replay" not in one[1]]

        until(lambda: len(others()) == 3)
        assert others() == [
            ("devices/plant1/status", "online"),
            ("devices/plant1/cmd", '{"cmd":"identify"}'),
            # The will of a client that was connected when the hub was killed.
            ("devices/plant1/status", "offline"),
        ]
        assert not hub.store.devices()[0].online
        back.close()

    with_hub(hub, story)


def test_who_may_use_which_client_id(tmp_path: Path) -> None:
    store = Store(tmp_path / "readings.db")
    ingest = Ingest(store)
    backend = HubBackend(Accounts(tmp_path), ingest, anonymous=False)
    device, owner = Account("plant1"), Account("owner", limited=False)
    allowed = {"plant1": True, "plant1/test": True, "plant10": False, "plant1-x": False, "": False}
    for client_id, expected in allowed.items():
        assert backend.may_use_client_id(device, client_id) is expected
        assert backend.may_use_client_id(owner, client_id)
    ingest.close()
    store.close()


def test_a_password_must_be_text_and_a_name_must_be_known(tmp_path: Path) -> None:
    store = Store(tmp_path / "readings.db")
    ingest, accounts = Ingest(store), Accounts(tmp_path)
    password = accounts.add("plant1").encode()
    for anonymous in (False, True):
        backend = HubBackend(accounts, ingest, anonymous=anonymous)
        assert backend.authenticate("plant1", password, ADDRESS) == Account("plant1", limited=True)
        owner = backend.authenticate("owner", accounts.owner_password.encode(), ADDRESS)
        assert owner == Account("owner", limited=False)
        for wrong in (b"", None, password + b"\0", b"\xff\xfe", b"x" * 60_000):
            assert backend.authenticate("plant1", wrong, ADDRESS) is None
            assert backend.authenticate("nobody", wrong, ADDRESS) is None
        expected = Account("", limited=False) if anonymous else None
        assert backend.authenticate(None, None, ADDRESS) == expected
        assert backend.authenticate("", b"", ADDRESS) == expected
    ingest.close()
    store.close()


def test_a_removed_account_is_disconnected(hub: Hub) -> None:
    def story() -> None:
        board = Named(hub, "plant1", hub.test_login)
        # As `mote hub remove` does, in a process of its own.
        Accounts(hub.data).remove("plant1")
        until(lambda: board.lost)
        board.client.loop_stop()

    with_hub(hub, story)


def test_the_hub_publishes_commands_as_any_other_client(tmp_path: Path) -> None:
    hub = new_hub(tmp_path)

    def story() -> None:
        board = Client(hub.mqtt_port)
        board.subscribe("devices/plant1/cmd")
        board.publish("devices/plant1/status", "online", retain=True)
        until(lambda: board.heard)
        [(topic, payload)] = board.heard
        assert topic == "devices/plant1/cmd" and json.loads(payload)["cmd"] == "replay"
        board.close()

    with_hub(hub, story)


def test_the_hub_of_an_empty_folder_starts_and_stops_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        for _ in range(2):
            hub = new_hub(tmp_path)
            await hub.start()
            await hub.stop()

    asyncio.run(run())
