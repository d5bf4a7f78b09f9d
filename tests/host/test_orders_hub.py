"""The commands for boards on the hub's own broker: its owner's login, its rights, its memory."""

import asyncio
import json
import time
from pathlib import Path

import pytest
from authority import Authority
from house_of_one import Broker
from mote import contract
from motekit.exits import DONE, FAILED
from motekit.hub import Hub
from test_commands import mote

pytestmark = pytest.mark.anyio


async def say(hub: Hub, login: tuple[str, str], topic: str, payload: str) -> None:
    options = ("-p", str(hub.mqtt_port), "-u", login[0], "-P", login[1], "-q", "1", "-r")
    sent = await asyncio.create_subprocess_exec(
        "mosquitto_pub", *options, "-t", topic, "-m", payload
    )
    assert await sent.wait() == 0


async def test_the_owner_sees_the_boards_and_since_when_one_is_gone(tmp_path: Path) -> None:
    hub = Hub(tmp_path, mqtt_host="0.0.0.0", mqtt_port=0, http_port=None)
    await hub.start()
    try:
        login = "plant1", hub.accounts.add("plant1")
        server = ("--server", f"127.0.0.1:{hub.mqtt_port}")
        options = (*server, "--data", str(tmp_path))
        began = time.time()
        await say(hub, login, "devices/plant1/info", '{"version": "0.1.0", "rssi": -50}')
        await say(hub, login, "devices/plant1/status", "offline")
        shown = await asyncio.to_thread(mote, "devices", "--once", "--json", *options)
        (told,) = json.loads(shown.stdout)
        assert shown.returncode == DONE and told["info"]["version"] == "0.1.0"
        assert told["hint"] is None
        assert not told["online"] and began <= told["changed"] <= time.time()
        asked = await asyncio.to_thread(mote, "restart", "plant1", "--wait", "0", *options)
        assert asked.returncode == FAILED and "plant1 is offline since " in asked.stderr
        await say(hub, login, "devices/plant1/info", json.dumps({contract.SAFE_MODE: True}))
        await say(hub, login, "devices/plant1/status", "online")
        shown = await asyncio.to_thread(mote, "devices", "--once", *options)
        assert "safe mode" in shown.stdout and hub.store.devices()[0].state == "safe mode"
        assert "evicts" not in shown.stdout
        await say(hub, login, "devices/plant1/info", json.dumps({contract.EVICTED: 3}))
        shown = await asyncio.to_thread(mote, "devices", "--once", *options)
        hint = "plant1: another client with the same id evicts it again and again"
        assert hint in shown.stdout
        shown = await asyncio.to_thread(mote, "devices", "--once", "--json", *options)
        assert json.loads(shown.stdout)[0]["hint"].startswith(hint)
        await say(hub, login, "devices/plant1/info", json.dumps({contract.SAFE_MODE: True}))
        # An info that is no object is refused; the one before it stays.
        await say(hub, login, "devices/plant1/info", "[1]")
        assert hub.ingest.refused == 1 and hub.store.devices()[0].state == "safe mode"
        # A board's login reads its own commands, and nothing of the others.
        for command in (("devices",), ("restart", "plant1", "--wait", "0")):
            refused = await asyncio.to_thread(
                mote, *command, *server, "--user", "plant1", MOTE_PASSWORD=login[1]
            )
            assert refused.returncode == FAILED
            assert "does not let this login read devices/" in refused.stderr
            assert login[1] not in refused.stdout + refused.stderr
    finally:
        await hub.stop()


async def test_tls_is_verified_by_the_ca_that_was_given(tmp_path: Path) -> None:
    ours, other = Authority("the home's own CA"), Authority("somebody else")
    (tmp_path / "ca.pem").write_text(ours.pem)
    (tmp_path / "other.pem").write_text(other.pem)
    (tmp_path / "none.pem").write_text("nonsense")
    tls = ours.issue("localhost", tmp_path)
    broker = Broker(tmp_path, f"allow_anonymous true\n{tls}")
    await broker.start()
    try:
        options = ("devices", "--once", "--json", "--data", str(tmp_path))
        server = ("--server", f"localhost:{broker.port}")
        for file, code, words in (
            ("ca.pem", DONE, ""),
            ("other.pem", FAILED, "check its name, and that --ca is its own CA"),
            ("none.pem", FAILED, "none.pem holds no certificate in PEM form"),
        ):
            shown = await asyncio.to_thread(mote, *options, *server, "--ca", str(tmp_path / file))
            assert shown.returncode == code and words in shown.stderr, shown.stderr
    finally:
        await broker.stop()
