"""The hub's folder is its owner's alone; a store that is locked at the start is waited for."""

import asyncio
import json
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
from clients import WAIT_S, Client, locked, new_hub, until, with_hub
from hub_with_dashboard import get_json
from motekit.hub import Hub, dropped
from motekit.hub.data_folder import close_to_others
from motekit.hub.store import Store
from paho.mqtt.enums import CallbackAPIVersion

MOTE = Path(sys.executable).with_name("mote")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_an_older_hub_left_open_is_closed_at_the_start(tmp_path: Path) -> None:
    data = tmp_path / "hub"
    with_hub(new_hub(data), lambda: None)
    # A log that is left over, as after a kill.
    writer = sqlite3.connect(data / "readings.db")
    writer.execute("CREATE TABLE more (x)")
    writer.commit()
    for path in (data, *data.iterdir()):
        path.chmod(0o755 if path.is_dir() else 0o644)
    (data / "notes.txt").write_text("of somebody")
    (data / "notes.txt").chmod(0o644)
    hub = new_hub(data)
    found = {path.name: mode(path) for path in data.iterdir()}
    assert found.pop("notes.txt") == 0o644
    assert {"readings.db", "readings.db-wal", "readings.db-shm", "accounts.json"} <= set(found)
    assert set(found.values()) == {0o600}, found
    # The folder has something of somebody in it: it may be used for more than the hub.
    assert mode(data) == 0o755
    hub.ingest.close()
    hub.store.close()
    writer.close()
    (data / "notes.txt").unlink()
    close_to_others(data)
    assert mode(data) == 0o700


def test_a_new_folder_is_closed_whatever_the_umask(tmp_path: Path) -> None:
    data = tmp_path / "new" / "hub"
    script = "import os, sys; from pathlib import Path; from motekit.hub import Hub; os.umask(0)\n"
    script += "hub = Hub(Path(sys.argv[1])); hub.ingest.close(); hub.store.close()"
    subprocess.run([sys.executable, "-c", script, data], check=True, timeout=WAIT_S)
    assert mode(data) == 0o700
    assert {mode(path) for path in data.iterdir()} == {0o600}


def test_links_and_other_peoples_folders_are_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("x")
    target.chmod(0o644)
    data = tmp_path / "hub"
    data.mkdir()
    data.chmod(0o755)
    (data / "owner.password").symlink_to(target)
    close_to_others(data)
    close_to_others(tmp_path / "missing")
    assert mode(target) == 0o644 and mode(data) == 0o755


def test_a_store_that_is_locked_at_the_start_is_waited_for(tmp_path: Path, caplog) -> None:
    Store(tmp_path / "readings.db").close()
    hub = Hub(tmp_path, mqtt_port=0, http_port=None)

    async def story() -> None:
        with locked(tmp_path / "readings.db"):
            starting = asyncio.create_task(hub.start())
            # Longer than SQLite waits by itself.
            await asyncio.to_thread(until, lambda: "The hub waits to start" in caplog.text)
            assert not starting.done()
        await starting
        client = await asyncio.to_thread(Client, hub.mqtt_port)
        await asyncio.to_thread(client.publish, "sensors/plant1/t", "1")
        client.close()
        await hub.stop()

    asyncio.run(story())
    assert "another program has locked" in caplog.text


def test_an_old_store_that_is_locked_is_waited_for_and_then_brought_up_to_date(
    tmp_path: Path,
) -> None:
    from motekit.hub import schema

    old = sqlite3.connect(tmp_path / "readings.db", isolation_level=None)
    old.executescript(schema._VERSION_1)
    old.execute("PRAGMA user_version = 1")
    old.close()
    command = [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with locked(tmp_path / "readings.db"):
        process = subprocess.Popen(
            [*command, "--no-dashboard", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr and process.stdout
        assert "The hub waits to start" in process.stderr.readline()
    assert json.loads(process.stdout.readline())["data"] == str(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(WAIT_S) == 0


def test_ctrl_c_ends_a_hub_that_waits(tmp_path: Path) -> None:
    Store(tmp_path / "readings.db").close()
    command = [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with locked(tmp_path / "readings.db"):
        process = subprocess.Popen(
            [*command, "--no-dashboard"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stderr
        assert "The hub waits to start" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(WAIT_S) == 0
        assert "Traceback" not in process.stderr.read()


def test_messages_that_a_full_queue_drops_are_shown(tmp_path: Path) -> None:
    hub = Hub(tmp_path, mqtt_port=0, http_port=0)

    def story() -> None:
        absent = mqtt.Client(CallbackAPIVersion.VERSION2, "absent", clean_session=False)
        subscribed: list[int] = []
        absent.on_connect = lambda *_: absent.subscribe("big/#", 1)
        absent.on_subscribe = lambda *_: subscribed.append(1)
        absent.connect("127.0.0.1", hub.mqtt_port)
        absent.loop_start()
        until(lambda: bool(subscribed))
        absent.disconnect()
        absent.loop_stop()
        client = Client(hub.mqtt_port)
        for _ in range(20):
            # 16 MiB wait for a client at most.
            client.publish("big/x", "x" * 1_000_000)
        client.close()
        until(lambda: get_json(hub, "api/hub")["dropped"])
        count = get_json(hub, "api/hub")["dropped"]["queue_dropped"]
        assert count == hub.dropped["queue_dropped"] >= 3
        shown = get_json(hub, "api/pages/overview")["dropped"]
        assert shown.startswith(f"{count} messages did not reach") and "queue" in shown
        from motekit.hub import hub_state

        until(lambda: hub_state.running(tmp_path).dropped == hub.dropped)

    with_hub(hub, story)


def test_the_sentence_names_every_reason_with_its_number() -> None:
    assert dropped.sentence({}) == ""
    said = dropped.sentence(dict.fromkeys(dropped.REASONS, 2))
    assert said.startswith("6 messages") and said.count(": 2 ") + said.count(", 2 ") == 3
