"""The hub's TLS, judged by the clients of Mosquitto, OpenSSL and curl, which verify it."""

import json
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from clients import WAIT_S, until, with_hub
from motekit import certificates
from motekit.hub import Hub, HubError, hub_state
from motekit.hub.accounts import Accounts
from motekit.hub.tls import HubCertificate, TlsOptions
from running_hub import mote, running

OWN = TlsOptions(port=0)


def published(port: int | None, login: tuple[str, str], *options: object, host: str = "127.0.0.1"):
    command = ["mosquitto_pub", "-h", host, "-p", str(port), "-u", login[0], "-P", login[1]]
    command += ["-q", "1", "-t", f"sensors/{login[0]}/t", "-m", "21.5", *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S)


def curl(*options: object) -> subprocess.CompletedProcess[str]:
    command = ["curl", "--silent", "--show-error", "--noproxy", "*", "--max-time", str(WAIT_S)]
    return subprocess.run([*command, *map(str, options)], capture_output=True, text=True)


def test_boards_and_browsers_on_other_computers_get_tls_only(tmp_path: Path) -> None:
    hub = Hub(tmp_path, "0.0.0.0", 0, "0.0.0.0", 0, OWN)
    board = ("plant1", hub.accounts.add("plant1"))

    def story() -> None:
        ca = tmp_path / "ca.crt"
        for host in ("127.0.0.1", "localhost"):
            sent = published(hub.tls_port, board, "--cafile", ca, host=host)
            assert sent.returncode == 0, sent.stderr
        until(lambda: hub.store.latest())
        # Who does not know the CA, or speaks no TLS, gets nothing through.
        assert published(hub.tls_port, board, "--tls-use-os-certs").returncode
        # On this computer without TLS, with a login all the same; nowhere else.
        assert published(hub.mqtt_port, board).returncode == 0
        assert published(hub.mqtt_port, ("plant1", "wrong")).returncode
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", hub.mqtt_port), 5):
            pass
        # The page: with the CA, with the login, with a cookie that travels encrypted only.
        page = f"https://localhost:{hub.http_port}"
        owner = f"owner:{hub.accounts.owner_password}"
        told = curl("--cacert", ca, "--user", owner, f"{page}/api/devices")
        assert json.loads(told.stdout)[0]["id"] == "plant1", told
        assert curl(f"{page}/api/devices").returncode == 60, "not trusted without the CA"
        form = ("--data", f"user=owner&password={hub.accounts.owner_password}")
        answer = curl("--cacert", ca, "--include", *form, f"{page}/login").stdout
        assert "303" in answer.splitlines()[0] and "; Secure" in answer
        assert curl("--cacert", ca, f"{page}/ca.crt").stdout == ca.read_text()
        assert curl(f"http://localhost:{hub.http_port}/login").returncode
        old = curl("--cacert", ca, "--tls-max", "1.1", f"{page}/login")
        assert old.returncode

    with_hub(hub, story)


def test_a_client_that_does_not_finish_its_handshake_is_closed_and_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub(tmp_path, "0.0.0.0", 0, http_port=None, tls=OWN)
    board = ("plant1", hub.accounts.add("plant1"))

    def story() -> None:
        address = ("127.0.0.1", hub.tls_port)
        silent = [socket.create_connection(address, WAIT_S) for _ in range(50)]
        plain = socket.create_connection(address, WAIT_S)
        plain.sendall(b"\x10\x0c\0\4MQTT\4\2\0\0\0\0")
        assert published(hub.tls_port, board, "--cafile", tmp_path / "ca.crt").returncode == 0
        # An alert or nothing, and certainly no CONNACK (0x20).
        assert plain.recv(1)[:1] != b"\x20"
        for one in silent:
            one.settimeout(WAIT_S)
            assert one.recv(1) == b"", "closed after the time for a login"
            one.close()
        until(lambda: not hub._broker.broker.connections)

    with_hub(hub, story)
    assert "No TLS with 127.0.0.1" in caplog.text and "Traceback" not in caplog.text


def test_a_login_right_behind_the_handshake_is_answered_encrypted(tmp_path: Path) -> None:
    hub = Hub(tmp_path, "0.0.0.0", 0, http_port=None, tls=OWN)
    password = hub.accounts.add("plant1").encode()
    body = b"\0\4MQTT\4\xc2\0\0\0\0\0\6plant1" + len(password).to_bytes(2, "big") + password

    def story() -> None:
        context = ssl.create_default_context(cafile=tmp_path / "ca.crt")
        for _ in range(30):
            client, wire = ssl.MemoryBIO(), ssl.MemoryBIO()
            link = context.wrap_bio(client, wire, server_hostname="127.0.0.1")
            with socket.create_connection(("127.0.0.1", hub.tls_port), WAIT_S) as raw:
                while True:
                    try:
                        link.do_handshake()
                        break
                    except ssl.SSLWantReadError:
                        raw.sendall(wire.read())
                        client.write(raw.recv(65_536))
                # In one piece: the end of the handshake, and the first packet.
                link.write(b"\x10" + bytes([len(body)]) + body)
                raw.sendall(wire.read())
                answer = b""
                while not answer:
                    try:
                        answer = link.read(4)
                    except ssl.SSLWantReadError:
                        client.write(raw.recv(65_536))
                assert answer == b"\x20\x02\0\0"

    with_hub(hub, story)


def test_a_given_certificate_is_shown_and_a_renewed_one_without_a_restart(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    certificates.ensure(given, given, ["hub.example", "127.0.0.1"])
    options = TlsOptions(0, given / "server.crt", given / "server.key")
    hub = Hub(tmp_path / "hub", "0.0.0.0", 0, http_port=None, tls=options)

    def shown() -> bytes:
        context = ssl.create_default_context(cafile=given / "ca.crt")
        raw = socket.create_connection(("127.0.0.1", hub.tls_port), WAIT_S)
        with context.wrap_socket(raw, server_hostname="hub.example") as secured:
            return secured.getpeercert(binary_form=True) or b""

    def story() -> None:
        before = shown()
        (given / "server.crt").unlink()
        certificates.ensure(given, given, ["hub.example", "127.0.0.1", "other.example"])
        hub._certificate.reload()
        assert shown() != before
        assert not (tmp_path / "hub" / "ca.key").exists() and hub.authority is None

    with_hub(hub, story)


@pytest.mark.parametrize("broken", ["missing", "text", "foreign key", "no key"])
def test_a_certificate_that_cannot_be_used_is_told_with_the_remedy(tmp_path: Path, broken) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    certificates.ensure(folder, folder, ["hub.example"])
    certificate, key = folder / "server.crt", folder / "server.key"
    if broken == "missing":
        certificate.unlink()
    elif broken == "text":
        certificate.write_text("no certificate")
    elif broken == "foreign key":
        key = folder / "ca.key"
    options = ["--tls-cert", certificate, *([] if broken == "no key" else ["--tls-key", key])]
    ports = ("--mqtt-port", "0", "--tls-port", "0", "--no-dashboard")
    told = mote("hub", "--data", tmp_path / "hub", *ports, *options)
    assert told.returncode == 1 and "Traceback" not in told.stderr
    last = told.stderr.splitlines()[-1]
    assert ("--tls-key" in last) if broken == "no key" else ("PEM" in last), told.stderr


def test_the_own_certificate_follows_the_names_and_addresses_of_the_computer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("hub").mkdir()
    data = tmp_path / "hub"
    first = HubCertificate(data, OWN, "0.0.0.0")
    authority = (data / "ca.crt").read_bytes()
    before = first.certificate.read_bytes()
    first.refresh()
    assert first.certificate.read_bytes() == before
    monkeypatch.setattr("motekit.hub.tls.own_addresses", lambda: ["192.0.2.77"])
    first.refresh()
    first.reload()
    assert first.certificate.read_bytes() != before
    # Boards trust the authority, which stays.
    assert (data / "ca.crt").read_bytes() == authority
    for name in ("ca.crt", "ca.key", "server.crt", "server.key"):
        assert (data / name).stat().st_mode & 0o077 == 0, name


# How a hub is started, and what its warning names: nothing is exposed on loopback or with TLS.
STARTS = {
    "the default": ((), ["the passwords of boards"], "mote hub --tls"),
    "loopback": (("--mqtt-host", "127.0.0.1"), [], ""),
    "tls": (("--tls", "--tls-port", "0"), [], ""),
    "also plain": (
        ("--tls", "--tls-port", "0", "--also-plain"), ["the passwords of boards"], "--also-plain",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", STARTS)
def test_what_others_can_read_is_said_with_the_command_that_ends_it(tmp_path: Path, how) -> None:
    options, exposed, remedy = STARTS[how]
    with running(tmp_path, *(options or ("--mqtt-host", "0.0.0.0"))) as (process, facts):
        assert facts["data"] == str(tmp_path)
        said = hub_state.running(tmp_path)
        assert said and said.pid == process.pid and bool(said.exposed) == bool(exposed)
        process.terminate()
        _, told = process.communicate(timeout=WAIT_S)
    assert all(what in told for what in exposed) and bool(told) == bool(exposed), told
    assert remedy in told
    assert hub_state.running(tmp_path) is None and hub_state.last(tmp_path) is not None


def test_the_dashboard_of_the_network_is_named_too(tmp_path: Path) -> None:
    hub = Hub(tmp_path, "127.0.0.1", 0, "0.0.0.0", 0)
    assert hub.exposed == ["the passwords and the pages of the dashboard"]
    hub.ingest.close()
    hub.store.close()


def test_a_restored_hub_is_the_one_that_boards_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only a sealed backup has the key of the authority.
    monkeypatch.setenv("MOTE_BACKUP_PASSPHRASE", "quiet lantern over frozen marsh")
    data, other, file = tmp_path / "hub", tmp_path / "other", tmp_path / "x.backup"
    with_hub(Hub(data, "0.0.0.0", 0, http_port=None, tls=OWN), lambda: None)
    names = ("ca.crt", "ca.key", "server.crt", "server.key")
    kept = {name: (data / name).read_bytes() for name in names}
    made = mote("hub", "backup", file, "--data", data)
    assert made.returncode == 0, made.stderr
    restored = mote("hub", "restore", file, "--data", other)
    assert restored.returncode == 0, restored.stderr
    assert (other / "ca.key").read_bytes() == kept["ca.key"]
    assert not (other / "hub.state").exists()
    hub = Hub(other, "0.0.0.0", 0, http_port=None, tls=OWN)
    board = ("plant1", Accounts(other).add("plant1"))
    ca = tmp_path / "what-the-board-has.crt"
    ca.write_bytes(kept["ca.crt"])
    with_hub(hub, lambda: check(published(hub.tls_port, board, "--cafile", ca)))


def check(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr


def test_a_hub_with_a_broken_authority_does_not_start_without_tls(tmp_path: Path) -> None:
    (tmp_path / "ca.key").write_text("broken")
    (tmp_path / "ca.crt").write_text("broken")
    hub = Hub(tmp_path, "0.0.0.0", 0, http_port=None, tls=OWN)
    began = time.monotonic()
    with pytest.raises(HubError, match=r"restore a backup of ca\.crt and ca\.key"):
        with_hub(hub, lambda: None)
    assert time.monotonic() - began < WAIT_S
