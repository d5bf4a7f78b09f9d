"""The owner's password goes to the hub of its folder, and to no other program of this machine."""

import json
import socket
import threading
from pathlib import Path

import pytest
from motekit import login
from motekit.exits import DONE, FAILED
from motekit.hub import Hub, folder_lock, hub_state
from motekit.hub.accounts import Accounts
from motekit.hub.folder_lock import FolderLock
from motekit.hub.hub_state import HubState
from test_commands import mote

pytestmark = pytest.mark.anyio


class Listener:
    """A program on this machine that takes what it is sent for MQTT."""

    def __enter__(self) -> "Listener":
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.heard = b""
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def _listen(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            with client:
                self.heard += client.recv(4096)
                # CONNACK 5: not authorized.
                client.sendall(b"\x20\x02\0\5")

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.mark.parametrize("command", [("devices", "--once"), ("listen", "--timeout", "5")])
async def test_a_program_on_another_port_gets_no_password(tmp_path: Path, command) -> None:
    hub = Hub(tmp_path, mqtt_host="0.0.0.0", mqtt_port=0, http_port=None)
    await hub.start()
    try:
        with Listener() as listener:
            for host in ("localhost", "127.0.0.1"):
                server = ("--server", f"{host}:{listener.port}", "--data", str(tmp_path))
                shown = await run(*command, *server)
                assert shown.returncode == FAILED
                assert f"listens on port {hub.mqtt_port}" in shown.stderr
            assert listener.heard and hub.accounts.owner_password.encode() not in listener.heard
            assert b"owner" not in listener.heard
        # Without a port, and with its own, it is the hub.
        for server in ("localhost", f"localhost:{hub.mqtt_port}", f"127.0.0.1:{hub.mqtt_port}"):
            shown = await run(
                "devices", "--once", "--json", "--server", server, "--data", str(tmp_path)
            )
            assert shown.returncode == DONE, shown.stderr
            assert json.loads(shown.stdout) == []
    finally:
        await hub.stop()


async def run(*arguments: str):
    import asyncio

    return await asyncio.to_thread(mote, *arguments)


def test_who_takes_the_port_of_a_hub_that_ended_gets_no_password(tmp_path: Path) -> None:
    Accounts(tmp_path)
    with Listener() as listener:
        address = login.Address("127.0.0.1", listener.port, tls=False)
        state = HubState(4_000_000, "0.0.0.0", listener.port)
        hub_state.write(tmp_path, state)
        # What a killed hub leaves: the file, and a lock that nobody holds.
        (tmp_path / folder_lock.NAME).write_text("4000000\n")
        assert login.login("", address, tmp_path) == ("", "")
        shown = mote(
            "devices", "--once", "--server", f"localhost:{listener.port}", "--data", str(tmp_path)
        )
        assert shown.returncode == FAILED and b"owner" not in listener.heard
        # Another process has the folder, such as a restore: the file is not of it.
        lock = FolderLock(tmp_path)
        lock.acquire()
        assert login.login("", address, tmp_path) == ("", "")
        lock.release()


def test_only_the_address_that_is_the_hubs_counts(tmp_path: Path) -> None:
    import os

    owner = Accounts(tmp_path).owner_password
    lock = FolderLock(tmp_path)
    lock.acquire()
    cases = {
        # The hub's address -> addresses on the command line that are it, and that are not.
        "0.0.0.0": (["127.0.0.1", "localhost"], ["::1", "192.0.2.5", "localhost.evil"]),
        "::": (["127.0.0.1", "localhost", "::1"], ["192.0.2.5"]),
        "192.0.2.5": (["127.0.0.1", "localhost"], []),
        "::1": (["::1", "localhost"], []),
    }
    for host, (right, wrong) in cases.items():
        hub_state.write(tmp_path, HubState(os.getpid(), host, 1999))
        for text in right:
            address = login.here(text, tmp_path)
            assert login.login("", address, tmp_path) == ("owner", owner), (host, text)
            # Where it connects to is an address of the hub, never a name with several addresses.
            expected = "127.0.0.1" if host in ("0.0.0.0", "::") else host
            assert (address.host, address.port) == (expected, 1999)
        for text in wrong:
            address = login.server(f"[{text}]:1999" if ":" in text else f"{text}:1999")
            assert login.login("", address, tmp_path) == ("", ""), (host, text)
        assert login.login("", login.here("localhost:1998", tmp_path), tmp_path) == ("", "")
    lock.release()


def test_looking_for_a_hub_keeps_none_from_starting(tmp_path: Path) -> None:
    tmp_path.joinpath(folder_lock.NAME).write_text("1\n")
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            folder_lock.holder(tmp_path)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            lock = FolderLock(tmp_path)
            lock.acquire()
            lock.release()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
