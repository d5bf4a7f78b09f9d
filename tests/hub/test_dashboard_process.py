"""The dashboard's own process: it ends with its hub, comes back, and cannot hold the hub up."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest
from clients import Client, until
from hub_with_dashboard import get, get_json, with_dashboard
from motekit.hub import Hub, HubError
from motekit.hub.dashboard.stream import PENDING_MAX, Pending, Update
from motekit.hub.queries import StoreReader
from motekit.hub.store import Device, Reading

MOTE = Path(sys.executable).with_name("mote")
# More than pipe and memory together take while nobody reads.
FLOOD = 60_000


def dashboards_of(pid: int) -> list[psutil.Process]:
    """The dashboards' processes of process `pid`."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "motekit.hub.dashboard" in child.cmdline():
                found.append(child)
    return found


def dashboard_of(pid: int) -> psutil.Process:
    """The one dashboard's process of the hub with process number `pid`."""
    [dashboard] = dashboards_of(pid)
    return dashboard


def has_ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_hub_takes_its_dashboard_along(tmp_path) -> None:
    # What lies in the current folder is not for the hub, whatever its name.
    (tmp_path / "json.py").write_text("raise SystemExit('not this one')")
    command = [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with subprocess.Popen(
        [*command, "--port", "0", "--json"], stdout=subprocess.PIPE, cwd=tmp_path
    ) as hub:
        try:
            assert hub.stdout
            started = json.loads(hub.stdout.readline())
            assert started["dashboard"].startswith("http://127.0.0.1:")
            dashboard = dashboard_of(hub.pid)
        finally:
            hub.kill()
    until(lambda: has_ended(dashboard))


def test_a_hub_that_is_killed_while_it_starts_leaves_nothing_behind(tmp_path) -> None:
    command = [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with (tmp_path / "said").open("wb") as said:
        hub = subprocess.Popen([*command, "--port", "0"], stdout=said, stderr=said)
        try:
            until(lambda: dashboards_of(hub.pid))
            dashboard = dashboard_of(hub.pid)
        finally:
            hub.kill()
            hub.wait()
        until(lambda: has_ended(dashboard))
    assert (tmp_path / "said").read_bytes() == b""


def test_a_killed_dashboard_is_started_again_on_its_port_while_boards_go_on(
    tmp_path, caplog
) -> None:
    def story(hub: Hub) -> None:
        client = Client(hub.mqtt_port)
        client.publish("sensors/plant1/temperature", "1")
        dashboard_of(os.getpid()).kill()
        client.publish("sensors/plant1/temperature", "2")
        # The hub keeps the port: this waits for the next dashboard.
        latest = get_json(hub, "api/devices")[0]["readings"]["temperature"]
        assert latest["value"] == 2
        client.publish("devices/plant1/status", "online", retain=True)
        until(lambda: get_json(hub, "api/pages/overview")["devices"][0][1] == "online")
        assert sum("the dashboard ended" in record.message for record in caplog.records) == 1
        client.close()

    with_dashboard(tmp_path, story)


def test_a_dashboard_that_stands_still_neither_slows_nor_fills_the_hub(tmp_path) -> None:
    def story(hub: Hub) -> None:
        client = Client(hub.mqtt_port)
        client.publish("sensors/plant1/temperature", "1")
        until(lambda: get_json(hub, "api/pages/overview")["readings"])
        token = get_json(hub, "api/pages/overview")["token"]
        dashboard = dashboard_of(os.getpid())
        dashboard.suspend()
        try:
            before = psutil.Process().memory_info().rss
            lines = 500
            for first in range(0, FLOOD, lines):
                client.publish(
                    "backfill/plant1",
                    "\n".join(
                        f"sensors,device=plant1,metric=temperature value={n} {17 * 10**17 + n}"
                        for n in range(first, first + lines)
                    ),
                )
            client.publish("sensors/plant1/temperature", "42")
            grown = psutil.Process().memory_info().rss - before
            assert grown < 60 * 2**20, f"{grown / 2**20:.0f} MiB"
        finally:
            dashboard.resume()
        # What it missed it reads from the store, and pages begin anew.
        until(lambda: ["plant1", "temperature", 42.0] in newest(hub, ""))
        until(lambda: ["plant1", "temperature", 42.0] in newest(hub, token))
        client.close()

    with_dashboard(tmp_path, story)


def newest(hub: Hub, token: str) -> list[list[object]]:
    found = get_json(hub, f"api/pages/overview?after={token}")["readings"]
    return [[device, metric, value] for device, metric, _, value in found]


def test_while_the_hub_hangs_nobody_is_said_to_be_online(tmp_path) -> None:
    command = [MOTE, "hub", "--data", tmp_path, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with subprocess.Popen([*command, "--port", "0", "--json"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            started = json.loads(process.stdout.readline())
            client = Client(started["mqtt_port"])
            client.publish("devices/plant1/status", "online", retain=True)

            class Address:
                http_port = int(re.findall(r":(\d+)/", started["dashboard"])[0])

            assert get_json(Address, "api/devices")[0]["online"] is True
            assert get_json(Address, "api/pages/overview")["silent"] is False
            process.send_signal(signal.SIGSTOP)
            until(lambda: get_json(Address, "api/pages/overview")["silent"])
            assert get_json(Address, "api/devices")[0]["online"] is None
            process.send_signal(signal.SIGCONT)
            until(lambda: not get_json(Address, "api/pages/overview")["silent"])
            assert get_json(Address, "api/devices")[0]["online"] is True
            client.close()
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()


def test_a_taken_port_is_named_with_its_owner_and_nothing_stays_behind(tmp_path) -> None:
    import asyncio

    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        hub = Hub(tmp_path, mqtt_port=0, http_port=port)
        with pytest.raises(HubError, match=rf"port {port} \(dashboard\) is in use.*--port"):
            asyncio.run(hub.start())
    assert not dashboards_of(os.getpid())


def test_no_secret_is_on_the_command_line_or_in_the_environment(tmp_path) -> None:
    def story(hub: Hub) -> None:
        child = dashboard_of(os.getpid())
        known = " ".join(child.cmdline()) + " ".join(child.environ().values())
        assert hub.accounts.owner_password not in known
        assert get(hub, "api/devices")[0] == 401

    with_dashboard(tmp_path, story, host="0.0.0.0")


def test_the_hub_reaches_its_dashboard_by_ipv6(tmp_path) -> None:
    import urllib.request

    def story(hub: Hub) -> None:
        with urllib.request.urlopen(f"http://[::1]:{hub.http_port}/api/devices") as answer:
            assert json.load(answer) == []

    with_dashboard(tmp_path, story, host="::1")


def test_updates_come_out_as_they_went_in() -> None:
    update = Update(
        [Reading("a", "t", 2**62, -0.1), Reading("b", "t", 0, 1e-300)],
        [Device("a", True, 5, '{"x": "\\ud800"}')],
        "Storage is full",
        resync=True,
    )
    line = update.encode()
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert Update.decode(line) == update


def test_more_than_is_kept_becomes_one_request_to_read_the_store() -> None:
    pending = Pending()
    readings = [Reading("a", "t", n, 1.0) for n in range(PENDING_MAX)]
    pending.add_readings(readings)
    assert pending.take() == Update(readings)
    pending.add_readings(readings)
    pending.add_readings(readings[:1])
    pending.add_device(Device("a", True, 5, "{}"))
    assert pending.take() == Update(resync=True)
    pending.add_readings(readings[:1])
    assert pending.take() == Update(readings[:1])


def test_a_page_gets_what_changed_and_nothing_twice(tmp_path) -> None:
    def story(hub: Hub) -> None:
        client = Client(hub.mqtt_port)
        client.publish("sensors/plant1/temperature", "1")
        client.publish("sensors/plant2/temperature", "2")
        until(lambda: len(newest(hub, "")) == 2)
        first = get_json(hub, "api/pages/overview")
        assert first["full"] and [one[0] for one in first["devices"]] == ["plant1", "plant2"]
        again = get_json(hub, f"api/pages/overview?after={first['token']}")
        assert (again["devices"], again["readings"], again["metrics"]) == ([], [], [])
        client.publish("sensors/plant1/temperature", "3")
        client.publish("sensors/plant1/temperature", "4")
        client.publish("sensors/plant1/humidity", "50")
        until(lambda: len(newest(hub, again["token"])) == 2)
        changed = get_json(hub, f"api/pages/overview?after={again['token']}")
        assert sorted(row[1:4:2] for row in changed["readings"]) == [
            ["humidity", 50.0],
            ["temperature", 4.0],
        ]
        assert [metric[0] for metric in changed["metrics"]] == ["humidity"]
        charted = get_json(hub, f"api/pages/overview?after={again['token']}&metric=temperature")
        values = [value for _, metric, _, value in charted["readings"] if metric == "temperature"]
        assert sorted(values) == [3.0, 4.0]
        client.close()

    with_dashboard(tmp_path, story)


def test_an_old_time_that_arrives_late_changes_no_newest_value(tmp_path) -> None:
    def story(hub: Hub) -> None:
        client = Client(hub.mqtt_port)
        client.publish("sensors/plant1/temperature", "20")
        until(lambda: newest(hub, ""))
        token = get_json(hub, "api/pages/overview")["token"]
        long_ago = time.time_ns() - 3600 * 10**9
        line = f"sensors,device=plant1,metric=temperature value=5 {long_ago}"
        client.publish("backfill/plant1", line)
        address = "api/pages/device/plant1?range=24 h".replace(" ", "%20")
        until(lambda: newest(hub, token))
        assert newest(hub, token) == [["plant1", "temperature", 20.0]]
        history = get_json(hub, address)["series"]["temperature"]
        assert [row[1:] for row in history] == [[5.0, 5.0, 5.0], [20.0, 20.0, 20.0]]
        late = get_json(hub, f"{address}&after={token}")
        # Everything from the span of the late reading on.
        assert late["series"]["temperature"] == history
        client.close()

    with_dashboard(tmp_path, story)


def test_readers_can_neither_write_nor_hold_up_the_log_of_the_store(tmp_path) -> None:
    def story(hub: Hub) -> None:
        client = Client(hub.mqtt_port)
        for value in range(50):
            client.publish("sensors/plant1/temperature", str(value))
        address = "api/readings?device=plant1&metric=temperature&since=0"
        assert len(get_json(hub, address)) == 50
        with closing(sqlite3.connect(tmp_path / "readings.db")) as other:
            # Not busy, and the whole log is in the file: no reader holds an old state.
            assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
        reader = StoreReader(tmp_path / "readings.db")
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader._query("DELETE FROM reading")
        reader.close()
        client.close()

    with_dashboard(tmp_path, story)
    # Whoever copies the file of a hub that ended has everything.
    assert not list(tmp_path.glob("readings.db-*"))
