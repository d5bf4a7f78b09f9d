"""How a hub starts and stops on real machines: one a folder, any address, damaged or full disks."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clients import Client, until, with_hub
from motekit.credentials import AccountError
from motekit.hub import Hub, HubError
from motekit.hub.accounts import Accounts
from motekit.hub.folder_lock import FolderLock
from motekit.hub.listening import ListenError, join, listen
from motekit.hub.queries import Reading, StoreReader
from motekit.hub.store import Store, StoreError
from running_hub import fill, mote, running, small_disk

MOTE = Path(sys.executable).with_name("mote")
# What the file has for an account: salt and hash.
ENTRY = "0:" + "0" * 64


def test_a_second_hub_on_the_same_folder_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as (process, facts):
        client = Client(int(str(facts["mqtt_port"])))
        client.publish("devices/plant1/status", "online", retain=True)
        second = mote("hub", "--data", tmp_path, "--mqtt-port", "0", "--no-dashboard")
        assert second.returncode == 1
        said = f'a hub (process {process.pid}) is already using the data folder "{tmp_path}"'
        assert said in second.stderr and "Traceback" not in second.stderr
        client.publish("sensors/plant1/temperature", "1")
        listed = mote("hub", "list", "--data", tmp_path, "--json")
        assert (listed.returncode, json.loads(listed.stdout)) == (0, [])
        client.close()
        (device,) = StoreReader(tmp_path / "readings.db").devices()
        assert device.online
        process.send_signal(signal.SIGKILL)
        process.wait()
    # The lock of a killed hub is none.
    with_hub(Hub(tmp_path, mqtt_port=0, http_port=None), lambda: None)


def test_a_killed_hub_knows_until_when_a_board_was_there(tmp_path: Path) -> None:
    with running(tmp_path) as (process, facts):
        client = Client(int(str(facts["mqtt_port"])), will="devices/plant1/status")
        client.publish("devices/plant1/status", "online", retain=True)
        client.publish("sensors/plant1/temperature", "1")
        process.kill()
        process.wait()
        client.close()
    store = StoreReader(tmp_path / "readings.db")
    (read_ns,) = store.last_by_device().values()
    assert [one.online for one in store.devices()] == [True]
    for _ in range(2):
        with running(tmp_path) as (process, facts):
            client = Client(int(str(facts["mqtt_port"])))
            client.subscribe("devices/+/status")
            # The will of the board, which the hub that was killed could not publish.
            until(lambda heard=client.heard: ("devices/plant1/status", "offline") in heard)
            client.close()
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
        (device,) = store.devices()
        assert (device.online, device.changed_ns) == (False, read_ns)
    assert (tmp_path / "readings.db").stat().st_mode & 0o077 == 0


def test_a_lock_ends_with_its_process_and_a_leftover_file_locks_nothing(tmp_path: Path) -> None:
    (tmp_path / "hub.lock").write_text("1\n")
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()
    first.acquire()
    with pytest.raises(Exception, match=f"process {os.getpid()}"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


@pytest.mark.parametrize("host", ["::1", "[::1]", "::", "0.0.0.0", "localhost"])
def test_boards_reach_the_hub_at_addresses_of_both_kinds(tmp_path: Path, host: str) -> None:
    if ":" in host and not socket.has_ipv6:
        pytest.skip("no IPv6")
    with running(tmp_path, "--mqtt-host", host) as (_, facts):
        port = int(str(facts["mqtt_port"]))
        addresses = {"::": ["::1", "127.0.0.1"], "0.0.0.0": ["127.0.0.1"]}
        for address in addresses.get(host, [host.strip("[]")]):
            with socket.create_connection((address, port), 60) as wire:
                # A CONNECT without a user, which the hub answers in one way or the other.
                wire.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a")
                assert wire.recv(4)[:2] == b"\x20\x02"


def test_an_address_that_cannot_be_had_is_named_with_the_option_to_change(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=r'"10\.1\.2\.3" \(MQTT\) is not an address of this comp.*'
                       r"127\.0\.0\.1.*--mqtt-host$"):  # fmt: skip
        listen("10.1.2.3", 0, "MQTT", "--mqtt-port", "--mqtt-host")
    with pytest.raises(ListenError, match=r'"no such host".*--mqtt-host'):
        listen("no such host", 0, "MQTT", "--mqtt-port", "--mqtt-host")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        name = Path("/proc/self/comm").read_text().strip()
        with pytest.raises(HubError) as caught:
            asyncio.run(Hub(tmp_path, mqtt_port=port, http_port=None).start())
        assert str(caught.value) == (
            f"port {port} (MQTT) is in use by {name} (process {os.getpid()}). Stop that, or choose "
            "another port with --mqtt-port"
        )
    assert join("::1", 1883) == "[::1]:1883" and join("[::1]", 1) == "[::1]:1"
    assert Hub(tmp_path, http_host="::1", http_port=80).dashboard_url == "http://[::1]:80/"
    for options in (("--mqtt-port", "99999"), ("--port", "-1"), ("--mqtt-port", "x")):
        done = mote("hub", "--data", tmp_path, *options)
        assert done.returncode == 2 and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"plant1": 5}',
        '{"plant1": "x"}',
        f'{{"a": "{ENTRY}", "a": "{ENTRY}"}}',
        f'{{"../x": "{ENTRY}"}}',
        f'{{"\\ud800": "{ENTRY}"}}',
        "[" * 100_000,
    ],
    ids=range(9),
)
def test_damaged_accounts_are_named_with_the_way_out(tmp_path: Path, text: str) -> None:
    accounts = Accounts(tmp_path)
    password = accounts.add("plant1")
    file = tmp_path / "accounts.json"
    file.write_text(text)
    with pytest.raises(AccountError, match=r"accounts\.json\" are damaged .*mote hub restore"):
        Accounts(tmp_path)
    with pytest.raises(HubError, match=r"accounts\.json"):
        Hub(tmp_path)
    # A hub that runs goes on with the accounts that it has read, and makes no new file of them.
    assert accounts.verify("plant1", password) and not accounts.verify("plant1", "\ud800")
    with pytest.raises(AccountError):
        accounts.put("plant2", "x")
    assert file.read_text() == text


def test_commands_on_accounts_say_what_is_wrong_and_make_nothing(tmp_path: Path) -> None:
    typo = tmp_path / "typo"
    for command in (("list",), ("remove", "plant1")):
        done = mote("hub", *command, "--data", typo)
        assert done.returncode == 1 and f'no accounts in "{typo}"' in done.stderr, done.stderr
    assert not typo.exists()
    Accounts(tmp_path)
    (tmp_path / "accounts.json").write_text("{")
    for command in (("list",), ("add", "plant1"), ("remove", "plant1"), ()):
        done = mote("hub", *command, "--data", tmp_path)
        assert done.returncode == 1 and "are damaged" in done.stderr, done.stderr
        assert "Traceback" not in done.stderr


def test_health_checks_that_connect_and_close_are_not_worth_a_line(tmp_path: Path) -> None:
    with running(tmp_path) as (process, facts):
        port = int(str(facts["mqtt_port"]))
        for _ in range(200):
            socket.create_connection(("127.0.0.1", port), 60).close()
        client = Client(port)
        client.publish("sensors/plant1/temperature", "1")
        client.close()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=120)
        assert (process.returncode, errors) == (0, "")


def test_a_full_disk_is_said_once_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk, running(disk) as (process, facts):
        client = Client(int(str(facts["mqtt_port"])))
        client.publish("sensors/plant1/temperature", "1")
        filler = fill(disk)
        sent = 0
        # The log of the store may have room for some.
        late = None
        while late is None:
            sent += 1
            assert sent < 20_000
            info = client._client.publish("sensors/plant1/humidity", str(sent), 1)
            try:
                info.wait_for_publish(3)
            except RuntimeError:
                raise AssertionError("the connection is lost") from None
            late = None if info.is_published() else info
        began = time.monotonic()
        client.subscribe("devices/+/cmd")
        assert time.monotonic() - began < 60 and not late.is_published()
        filler.unlink()
        late.wait_for_publish(120)
        client.publish("devices/plant1/status", "online", retain=True)
        client.close()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=120)
        lines = errors.splitlines()
        assert "Traceback" not in errors and len(lines) == 2, errors
        assert f"the disk that holds {disk} is full: make room there" in lines[0]
        assert "stored again" in lines[1]
        assert json.loads(output)["readings"] == sent + 1


def test_the_log_of_the_store_does_not_keep_a_small_disk_full(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "2m") as disk:
        begin_ns = time.time_ns()
        # Written again and again they take no more room in the store, but ever more in its log,
        # which SQLite folds into the store at 4 MB.
        readings = [Reading("a", "t", begin_ns + n, 1.0) for n in range(1_000)]
        was_full = 0
        for turns in (1, 200):
            store = Store(disk / "readings.db")
            try:
                for _ in range(turns):
                    try:
                        store.write(readings)
                    except StoreError:
                        was_full += 1
                        store.write(readings)
            finally:
                store.close()
        assert was_full


def test_a_hub_stops_and_does_not_start_on_a_full_disk_without_a_traceback(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "1m") as disk:
        with running(disk) as (process, facts):
            client = Client(int(str(facts["mqtt_port"])))
            client.publish("sensors/plant1/temperature", "1")
            fill(disk)
            for number in range(300):
                client._client.publish("sensors/plant1/humidity", str(number), 1)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=120)
            assert process.returncode == 0 and "Traceback" not in errors, errors
            client.close()
        (disk / "filler").unlink()
        # This one folds the log of the store into it: the next needs room for a new one.
        with_hub(Hub(disk, mqtt_port=0, http_port=None), lambda: None)
        fill(disk)
        again = mote("hub", "--data", disk, "--mqtt-port", "0", "--no-dashboard")
        assert again.returncode == 1 and "full" in again.stderr and "make room" in again.stderr
        assert "Traceback" not in again.stderr


def test_a_read_only_file_system_is_named(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        with_hub(Hub(disk, mqtt_port=0, http_port=None), lambda: None)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        done = mote("hub", "--data", disk, "--mqtt-port", "0", "--no-dashboard")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert str(disk) in done.stderr and "writ" in done.stderr
        listed = mote("hub", "list", "--data", disk, "--json")
        assert (listed.returncode, listed.stdout) == (0, "[]\n")
        empty = mote("hub", "--data", disk / "new", "--mqtt-port", "0", "--no-dashboard")
        assert empty.returncode == 1 and "Read-only file system" in empty.stderr
        assert "Traceback" not in empty.stderr
