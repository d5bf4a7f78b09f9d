"""Nobody takes the session of Telegraf: what it was about to store arrives. And the way there."""

import json
import os
import subprocess

import paho.mqtt.client as mqtt
import pytest
from motekit.stack.accounts import CLIENT_IDS
from paho.mqtt.enums import CallbackAPIVersion
from running_stack import PATIENCE_S, RunningStack, eventually

pytestmark = pytest.mark.stack


def refused(stack: RunningStack, client_id: str, port: int, transport: str = "tcp") -> str:
    """What the broker answers a device that connects with somebody else's client id."""
    answers: list[str] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, transport=transport)
    client.username_pw_set("impostor", stack.passwords("impostor")["impostor"])
    client.on_connect = lambda _client, _data, _flags, code, _more: answers.append(str(code))
    client.connect_timeout = PATIENCE_S
    host = "127.0.0.1"
    if transport == "websockets":
        host = stack.address("mosquitto")
    elif port == stack.tls_port:
        client.tls_set(str(stack.installation.authority / "ca.crt"))
    client.connect_async(host, port)
    client.loop_start()
    eventually(lambda: answers)
    client.loop_stop()
    return answers[0]


def test_readings_that_wait_for_telegraf_survive_every_device(stack: RunningStack) -> None:
    suffix = stack.installation.settings()["MOTE_CLIENT_ID_SUFFIX"]
    assert len(suffix) > 30
    stack.passwords("impostor", "honest")
    stack.compose("stop", "telegraf")
    try:
        client = stack.client("honest")
        for number in range(5):
            client.publish("sensors/honest/number", str(number), qos=1).wait_for_publish(PATIENCE_S)
        for name in CLIENT_IDS:
            for port, transport in (
                (stack.port, "tcp"),
                (stack.tls_port, "tcp"),
                (9001, "websockets"),
            ):
                assert refused(stack, f"{name}{suffix}", port, transport) == "Not authorized"
    finally:
        stack.compose("start", "telegraf")
    query = "SELECT value FROM sensors WHERE device='honest'"
    eventually(lambda: len(stack.rows(query)) == 5)
    assert [row["value"] for row in stack.rows(query)] == [0, 1, 2, 3, 4]


def test_telegraf_has_the_client_ids_that_nobody_else_knows(stack: RunningStack) -> None:
    suffix = stack.installation.settings()["MOTE_CLIENT_ID_SUFFIX"]
    logged = stack.compose("logs", "--no-log-prefix", "mosquitto")
    for name in CLIENT_IDS:
        if name.startswith("telegraf-"):
            assert f"as {name}{suffix} (" in logged, name
            assert f"as {name} (" not in logged, name


def test_accounts_change_while_the_broker_runs(stack: RunningStack) -> None:
    def started() -> str:
        container = stack.compose("ps", "--quiet", "mosquitto").strip()
        command = ["docker", "inspect", "--format", "{{.State.StartedAt}}", container]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    before = started()
    bystander = stack.client("bystander")
    cut: list[object] = []
    bystander.on_disconnect = lambda *details: cut.append(details)
    answer = json.loads(stack.mote("add", "newcomer", "--json"))
    newcomer = stack.client("newcomer", answer[0]["password"])
    stack.mote("remove", "newcomer")
    eventually(lambda: not newcomer.is_connected())
    assert bystander.is_connected() and not cut and started() == before


def test_an_installation_of_an_earlier_version_is_upgraded(stack: RunningStack) -> None:
    """Accounts in a password file, client ids without a suffix: logins and what waits are kept.

    Afterwards its sessions have client ids that nobody else knows.
    """
    installation = stack.installation
    password = stack.passwords("veteran")["veteran"]
    suffix = installation.settings()["MOTE_CLIENT_ID_SUFFIX"]
    stack.set(MOTE_CLIENT_ID_SUFFIX="")
    stack.mote("up", *stack.services)
    accounts = installation.accounts.path
    old = accounts.with_name("passwd")
    known = json.loads(accounts.read_text())["clients"]
    lines = [
        f"{one['username']}:$7${one['iterations']}${one['salt']}${one['password']}\n"
        for one in known
    ]
    old.write_text("".join(lines))
    owner = accounts.stat()
    accounts.unlink()
    for path in (installation.state / "revisions").iterdir():
        path.unlink()
    os.chown(old, owner.st_uid, owner.st_gid)
    for key in ("MOTE_CLIENT_ID_SUFFIX", "MOTE_MQTT_ADDRESS", "MOTE_GRAFANA_ADDRESS"):
        installation.unset(key)
    try:
        # These are acknowledged, and wait in a session that is to be given up.
        stack.compose("stop", "telegraf")
        waiting = stack.client("veteran", password)
        for number in range(5):
            waiting.publish("sensors/veteran/number", str(number), qos=1).wait_for_publish(
                PATIENCE_S
            )
        waiting.disconnect()
        waiting.loop_stop()
        said = stack.mote("upgrade")
        assert "mosquitto: new configuration" in said and "telegraf: new configuration" in said
        assert not old.exists()
        taken = {one["username"]: one for one in json.loads(accounts.read_text())["clients"]}
        assert taken == {one["username"]: one for one in known}
        # It goes on with the port that its boards use, and with a suffix.
        settings = installation.settings()
        assert settings["MOTE_MQTT_ADDRESS"] == settings["MOTE_GRAFANA_ADDRESS"] == "0.0.0.0"
        assert len(settings["MOTE_CLIENT_ID_SUFFIX"]) == 33
        client = stack.client("veteran", password)
        client.publish("sensors/veteran/age", "40", qos=1).wait_for_publish(PATIENCE_S)
        query = "SELECT value FROM sensors WHERE device='veteran' AND metric='age'"
        assert eventually(lambda: stack.rows(query))[0]["value"] == 40
        query = "SELECT value FROM sensors WHERE device='veteran' AND metric='number'"
        eventually(lambda: {row["value"] for row in stack.rows(query)} == set(range(5)))
        logged = stack.compose("logs", "--no-log-prefix", "mosquitto")
        assert f"as telegraf-readings{settings['MOTE_CLIENT_ID_SUFFIX']} (" in logged
        assert "already" in stack.mote("upgrade")
    finally:
        installation.set("MOTE_CLIENT_ID_SUFFIX", suffix)
        for key in ("MOTE_MQTT_ADDRESS", "MOTE_GRAFANA_ADDRESS"):
            installation.set(key, "127.0.0.1")
        stack.mote("up", *stack.services)
