"""TLS that verifies: the firmware's client on the real MicroPython runtime against a mosquitto."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from authority import DAY, NOW, Authority
from motekit import packages
from motesim.network.ports import free_port

ROOT = Path(__file__).parents[2]
RUNTIME = Path(sys.executable).with_name("micropython")
CLIENT = """
import asyncio, json, sys
sys.path[:] = [{firmware!r}, {umqtt!r}, ".frozen"]
class Chip:
    # Free, and free in one piece, of the memory that is not Python's.
    HEAP_DATA = 4
    idf_heap_info = lambda _: [(200_000, {free}, {largest}, 0)]
sys.modules["esp32"] = Chip
from mote.failure import Failure
from mote.mqtt import connecting
async def main():
    try:
        client = await connecting.log_in(json.loads({settings!r}))
        await client.announce()
        print("result", "connected")
        await client.leave()
    except Failure as failure:
        print("result", failure.reason, failure.detail)
asyncio.run(main())
"""


@dataclass
class Server:
    """A mosquitto that speaks TLS as the test wants it."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self, tls: str) -> None:
        self.port = free_port()
        file = self.folder / "mosquitto.conf"
        file.write_text(f"user root\nlistener {self.port} 127.0.0.1\nallow_anonymous true\n{tls}\n")
        self.process = subprocess.Popen(["mosquitto", "-c", str(file)], stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.02)
        raise TimeoutError("mosquitto does not start")

    def login(
        self,
        ca: str,
        host: str = "localhost",
        free: int = 100_000,
        largest: int = 90_000,
        insecure: bool = False,
        tls: bool = True,
    ) -> str:
        """What the firmware's client says of a login, with `ca` as its CA."""
        server = {"host": host, "port": self.port, "user": "", "password": "", "tls": tls}
        settings = json.dumps({"id": "dev", "mqtt": {**server, "ca": ca, "insecure": insecure}})
        code = CLIENT.format(
            firmware=str(ROOT / "firmware"),
            umqtt=str(packages.folder("umqtt-simple")),
            settings=settings,
            free=free,
            largest=largest,
        )
        script = self.folder / "client.py"
        script.write_text(code)
        done = subprocess.run([RUNTIME, script], capture_output=True, text=True, timeout=180)
        lines = [line for line in done.stdout.splitlines() if line.startswith("result ")]
        assert lines, done.stdout + done.stderr
        return lines[0].removeprefix("result ")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path)
    yield made
    if made.process:
        made.process.kill()
        made.process.wait()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("the home's own CA")


def test_a_server_with_the_right_ca_and_name_is_let_in(
    server: Server, authority: Authority
) -> None:
    server.start(authority.issue("localhost", server.folder))
    assert server.login(authority.pem) == "connected"


def test_a_certificate_of_another_ca_is_refused(server: Server, authority: Authority) -> None:
    server.start(Authority("somebody else").issue("localhost", server.folder))
    assert "not correctly signed" in server.login(authority.pem)


def test_a_certificate_for_another_name_is_refused(server: Server, authority: Authority) -> None:
    server.start(authority.issue("elsewhere.example", server.folder))
    assert "(CN) does not match" in server.login(authority.pem)


def test_an_expired_certificate_is_refused(server: Server, authority: Authority) -> None:
    server.start(authority.issue("localhost", server.folder, until=NOW - 2 * DAY))
    assert "expired" in server.login(authority.pem)


def test_a_server_without_tls_is_told_as_such(server: Server, authority: Authority) -> None:
    server.start("")
    assert "no_tls " in server.login(authority.pem)


def test_a_server_that_expects_tls_is_told_as_such(server: Server, authority: Authority) -> None:
    server.start(authority.issue("localhost", server.folder))
    assert "needs_tls " in server.login("", tls=False)


def test_a_ca_that_is_none_is_told_as_such(server: Server, authority: Authority) -> None:
    server.start(authority.issue("localhost", server.folder))
    assert "no certificate in PEM form" in server.login("nonsense")


def test_without_a_ca_no_server_is_accepted(server: Server, authority: Authority) -> None:
    server.start(authority.issue("localhost", server.folder))
    assert server.login("").strip() == "no_ca"


def test_who_asks_for_it_gets_a_connection_that_is_secret_but_not_verified(
    server: Server, authority: Authority
) -> None:
    server.start(authority.issue("anybody.example", server.folder))
    assert server.login("", insecure=True) == "connected"


def test_with_a_ca_the_server_is_verified_whatever_else_is_set(
    server: Server, authority: Authority
) -> None:
    server.start(authority.issue("anybody.example", server.folder))
    assert server.login(authority.pem, insecure=True) != "connected"


@pytest.mark.parametrize(("free", "largest"), [(33_000, 30_000), (60_000, 16_000)])
def test_a_board_without_the_memory_for_a_handshake_says_so(
    server: Server, authority: Authority, free: int, largest: int
) -> None:
    # With so little, a chip would say of this good certificate that nobody trusts it.
    server.start(authority.issue("localhost", server.folder))
    said = server.login(authority.pem, free=free, largest=largest)
    assert said.startswith(f"no_memory {free} bytes are free, {largest} in one piece")
