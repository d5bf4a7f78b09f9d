"""Accounts of a running Mosquitto change, and who may command boards: with the real broker.

The clients are paho's; `mosquitto_sub` and `mosquitto_pub` run the scripts of the stack.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from motekit import acl
from motekit.acl import Role
from motekit.stack import broker as live
from motekit.stack.installation import DOCKER
from stack_broker import LISTENERS, Client, StackBroker, eventually

REFUSED = ("Not authorized", "Bad user name or password")


@pytest.fixture
def broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackBroker]:
    # As in its container: the broker cannot change the file of its accounts.
    monkeypatch.setattr("motekit.stack.broker.Compose", NoRestart)
    NoRestart.count = 0
    made = StackBroker(tmp_path)
    made.start()
    try:
        owner = made.passwords["owner"]
        eventually(lambda: made.connect("owner", owner, "", keep=False).code == "Success")
        yield made
    finally:
        made.stop()


class NoRestart:
    """In the place of Compose: counts how often the broker would have been restarted."""

    count = 0

    def __init__(self, _installation: object) -> None:
        pass

    def restart(self, _service: str) -> bool:
        NoRestart.count += 1
        return False


def secret(broker: StackBroker, name: str) -> str:
    return (broker.installation.secrets / "owner" / f"{name}_password").read_text()


def login(broker: StackBroker, name: str, password: str) -> Client:
    return broker.connect(name, password, name)


def test_a_new_account_cuts_no_connection(broker: StackBroker) -> None:
    bystander = login(broker, "plant1", broker.passwords["plant1"])
    bystander.subscribe("devices/plant1/cmd")
    waiting = broker.connect("telegraf", broker.passwords["telegraf"], "waits")
    waiting.subscribe("sensors/#")
    waiting.close()
    bystander.publish("sensors/plant1/t", "1")
    accounts = broker.installation.accounts
    made = accounts.add([f"new-{number}" for number in range(250)])
    assert live.tell(broker.installation, made)
    for name in ("new-0", "new-249"):
        new = login(broker, name, made[name])
        assert new.code == "Success"
        new.close()
    accounts.remove("new-0")
    leaving = login(broker, "new-1", made["new-1"])
    accounts.remove("new-1")
    assert live.tell(broker.installation, {}, ("new-0", "new-1"))
    eventually(lambda: leaving.lost)
    for name in ("new-0", "new-1"):
        assert login(broker, name, made[name]).code in REFUSED
    # A new password: the old one is of no use at once.
    accounts.put("new-2", "another password")
    assert live.tell(broker.installation, {"new-2": "another password"})
    assert login(broker, "new-2", made["new-2"]).code in REFUSED
    assert login(broker, "new-2", "another password").code == "Success"
    # A device is bound to its client id as before, and nobody else noticed anything.
    assert broker.connect("new-3", made["new-3"], "plant1").code in REFUSED
    owner = broker.connect("owner", broker.passwords["owner"], "", keep=False)
    owner.publish("devices/plant1/cmd", "still there")
    eventually(lambda: bystander.heard)
    assert bystander.heard == [b"still there"] and not bystander.lost
    waiting = broker.connect("telegraf", broker.passwords["telegraf"], "waits")
    eventually(lambda: waiting.heard)
    assert waiting.heard == [b"1"] and NoRestart.count == 0


def test_the_broker_has_the_same_accounts_after_a_restart(broker: StackBroker) -> None:
    accounts = broker.installation.accounts
    made = accounts.add(["board"]) | accounts.add(["anna"], Role.VIEWER)
    live.tell(broker.installation, {"board": made["board"]})
    live.tell(broker.installation, {"anna": made["anna"]}, role=Role.VIEWER)
    assert accounts.people() == {"anna": Role.VIEWER} and "board" in accounts.devices()
    broker.stop()
    broker.start()
    assert login(broker, "board", made["board"]).code == "Success"
    assert login(broker, "anna", made["anna"]).code == "Success"


def test_a_broker_that_cannot_be_told_is_restarted(broker: StackBroker) -> None:
    (broker.installation.secrets / "owner" / "control_password").write_text("what it was not")
    made = broker.installation.accounts.add(["late"])
    assert not live.tell(broker.installation, made)
    assert NoRestart.count == 1


def test_another_program_in_the_place_of_the_broker_gets_no_password(broker: StackBroker) -> None:
    """It has a certificate, of another authority: `mote` says nothing to it."""
    for name in ("ca.crt", "ca.key"):
        (broker.installation.authority / name).unlink()
    shutil.rmtree(broker.installation.certificates)
    kept = broker.installation.certificates
    kept.mkdir()
    broker.installation.make()
    assert not live.tell(broker.installation, {"x": "y"})
    assert NoRestart.count == 1


def test_a_viewer_sees_readings_and_changes_nothing(broker: StackBroker) -> None:
    made = broker.installation.accounts.add(["anna", "status"], Role.VIEWER)
    live.tell(broker.installation, made, role=Role.VIEWER)
    board = login(broker, "plant1", broker.passwords["plant1"])
    board.subscribe("devices/plant1/cmd")
    viewer = login(broker, "anna", made["anna"])
    viewer.subscribe("#")
    owner = broker.connect("owner", broker.passwords["owner"], "", keep=False)
    owner.subscribe("#")
    for topic in ("devices/plant1/cmd", "sensors/anna/t", "devices/anna/status", "any", "a/b/c"):
        viewer.publish(topic, "by the viewer")
    # A command may carry passwords: nobody reads it who only looks on.
    owner.publish("devices/plant1/cmd", "secret")
    board.publish("devices/plant1/reply", "answer")
    board.publish("sensors/plant1/t", "21.5")
    eventually(lambda: viewer.heard)
    assert viewer.heard == [b"21.5"]
    eventually(lambda: b"21.5" in owner.heard)
    assert b"by the viewer" not in owner.heard and board.heard == [b"secret"]
    # Nor does a viewer disturb a session of somebody else, or of another viewer.
    for client_id in ("plant1", "", "waits", "status"):
        refused = broker.connect("anna", made["anna"], client_id, keep=bool(client_id))
        assert refused.code in REFUSED
    assert not board.lost
    for listener in LISTENERS:
        assert broker.connect("status", made["status"], "status", listener).code == "Success"


def test_nobody_but_mote_changes_accounts(broker: StackBroker) -> None:
    command = {"command": "createClient", "username": "evil", "password": "evil"}
    asked = json.dumps({"commands": [command]})
    passwords = {**broker.passwords, "control": secret(broker, "control")}
    passwords |= {name: secret(broker, name.replace("-", "_")) for name in ("refill", "health")}
    for user in ("owner", "telegraf", "refill", "health", "plant1"):
        client_id = user if user == "plant1" else ""
        one = broker.connect(user, passwords[user], client_id, keep=bool(client_id))
        assert one.code == "Success"
        one.publish("$CONTROL/dynamic-security/v1", asked)
        one.close()
    assert broker.connect("evil", "evil", "evil").code in REFUSED
    by_mote = broker.connect("control", passwords["control"], "", keep=False)
    by_mote.publish("$CONTROL/dynamic-security/v1", asked)
    assert broker.connect("evil", "evil", "evil").code == "Success"


@pytest.fixture
def gate(broker: StackBroker, tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """The gate as its container runs it, with the programs of this machine."""
    folder = tmp_path / "login"
    folder.mkdir()
    for name in ("mosquitto_sub", "mosquitto_pub"):
        written = broker.installation.logins / "replay-gate" / name
        options = written.read_text().replace("-h mosquitto", "-h 127.0.0.1")
        (folder / name).write_text(f"{options}-p {broker.ports['1883']}\n")
    process = subprocess.Popen(
        ["sh", DOCKER / "replay-gate" / "gate.sh"],
        env=os.environ | {"XDG_CONFIG_HOME": str(folder), "MOTE_CLIENT_ID_SUFFIX": "-x"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    os.killpg(process.pid, 9)
    process.wait()


def test_the_gate_makes_replay_commands_and_no_others(
    broker: StackBroker, gate: "subprocess.Popen[str]"
) -> None:
    """Hostile requests by the login of `refill`, in the words of a shell and of JSON."""
    board = login(broker, "plant1", broker.passwords["plant1"])
    board.subscribe("devices/plant1/cmd")
    refill = broker.connect("refill", secret(broker, "refill"), "", keep=False)

    def ask(payload: str | bytes, device: str = "plant1") -> None:
        refill.publish(f"internal/replay/{device}", payload)

    def answered() -> list[bytes]:
        ask("1 0 0")
        return board.heard

    eventually(answered)
    first = {"cmd": "replay", "nonce": "refill-1-0", "since": 0}
    assert json.loads(board.heard[0]) == first
    board.heard.clear()
    # Its own login commands nobody, whatever it says.
    for command in ('{"cmd":"restart"}', json.dumps(first)):
        refill.publish("devices/plant1/cmd", command)
    for payload in (
        '{"cmd":"restart","nonce":"x"}',
        '1 0 0,"cmd":"restart"',
        '1 0 0"}',
        "1 0",
        "1 0 0 0",
        "1  0 0",
        " 1 0 0",
        "1 0 0 ",
        "1 0 0\n",
        "1\t0 0",
        "1 0 -1",
        "1 0 1.5",
        "1 0 1e9",
        "1 0 007",
        "1 0 $(id)",
        "$(touch /tmp/x) 0 0",
        "`id` 0 0",
        "* * *",
        "1 0 " + "9" * 60,
        "",
        "\u0661 \u0660 \u0660",
        b"\xff\x00\x01",
        b"1 0 0\x00",
        "%s %s %s",
        "-- 0 0",
        "x" * 5000,
    ):
        ask(payload)
    for device in ("plant1/x", "plant 1", "../plant1", "pl%t", "x" * 33, "", "-x y"):
        ask("1 0 0", device)
    ask("3 1764590000 1764500000")
    wanted = {"cmd": "replay", "nonce": "refill-3-1764590000", "since": 1764500000}
    eventually(lambda: any(json.loads(one) == wanted for one in board.heard))
    heard = [json.loads(one) for one in board.heard]
    # The first request may have been made several times before there was an answer.
    assert [one for one in heard if one != first] == [wanted]
    assert gate.poll() is None


def test_the_rights_of_the_gate_are_in_no_other_service() -> None:
    commanders = {
        name
        for name in acl.SERVICES
        if acl.STACK.may_publish(name, "devices/plant1/cmd")
        or acl.STACK.may_publish(name, "internal/replay/plant1")
    }
    assert commanders == {"refill", "replay-gate"}
    assert not acl.STACK.may_publish("refill", "devices/plant1/cmd")
    assert not acl.STACK.may_publish("replay-gate", "sensors/plant1/t")
    for device in ("plant1", "internal", "replay"):
        assert not acl.STACK.may_publish(device, "internal/replay/plant1")
        assert not acl.STACK.may_publish(device, f"internal/replay/{device}")
