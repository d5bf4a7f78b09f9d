"""How the fleet gets in: TLS that verifies, a login a device, and what it says when it may not."""

import json
import resource
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from authority import Authority
from fleet_at_work import OPEN, fleet, judged, world
from house_of_one import Broker
from motekit.exits import DONE, FAILED
from motekit.fleet import plan
from motekit.fleet.connection import Server
from motekit.fleet.plan import Plan, PlanError, allow_connections, read_accounts

pytestmark = pytest.mark.anyio
MOTE = Path(sys.executable).with_name("mote")
# Whoever runs the tests may have a hub of its own, whose owner the command would be.
NO_HUB = "/nonexistent"


def mote_fleet(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [MOTE, "fleet", "--data", NO_HUB, *options], capture_output=True, text=True, timeout=180
    )


async def test_tls_verifies_the_broker(tmp_path: Path) -> None:
    authority = Authority("the home's own CA")
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "other.pem").write_text(Authority("somebody else").pem)
    (tmp_path / "none.pem").write_text("nonsense")
    tls = authority.issue("localhost", tmp_path)
    broker = Broker(tmp_path, f"{OPEN}\n{tls}")
    await broker.start()
    try:
        options = ("--devices", "5", "--rate", "100", "--seconds", "1", "--json", "--broker")
        url = f"mqtts://localhost:{broker.port}"
        done = mote_fleet(*options, url, "--ca", str(tmp_path / "ca.pem"))
        assert done.returncode == DONE, done.stderr
        report = json.loads(done.stdout)
        assert report["acknowledged"] == report["taken"] > 10
        for file, complaint in (
            ("other.pem", "CERTIFICATE_VERIFY_FAILED"),
            ("none.pem", "no certificate in PEM form"),
        ):
            refused = mote_fleet(*options, url, "--ca", str(tmp_path / file))
            assert refused.returncode == FAILED and complaint in refused.stderr
        wrong_name = mote_fleet(
            *options, f"mqtts://127.0.0.1:{broker.port}", "--ca", str(tmp_path / "ca.pem")
        )
        assert wrong_name.returncode == FAILED and "IP address mismatch" in wrong_name.stderr
    finally:
        await broker.stop()


RIGHTS = """
topic read #
topic write test/ready
pattern write sensors/%u/+
pattern write backfill/%u
pattern write devices/%u/status
pattern write devices/%u/info
"""


def guarded(folder: Path, accounts: dict[str, str]) -> str:
    """Configuration of a broker where each account may write its own topics only."""
    passwords = folder / "passwords"
    passwords.touch(mode=0o600)
    for name, password in accounts.items():
        subprocess.run(["mosquitto_passwd", "-b", passwords, name, password], check=True)
    (folder / "rights").write_text(RIGHTS)
    (folder / "rights").chmod(0o600)
    return f"{OPEN}\npassword_file {passwords}\nacl_file {folder}/rights"


async def test_every_device_has_its_own_login(tmp_path: Path) -> None:
    accounts = {f"plant{number}": secrets.token_hex(8) for number in range(4)}
    async with world(tmp_path, guarded(tmp_path, accounts)) as (broker, heard):
        # A publish that is denied is acknowledged all the same: only what is heard counts.
        run = fleet(broker.port, devices=4, rate=200, seconds=4, outages=1800, accounts=accounts)
        await run.run()
        verdict = await judged(run, heard)
        wrong = {**accounts, "plant2": "wrong"}
        file = tmp_path / "accounts.csv"
        file.write_text("id,password\n" + "".join(f"{n},{p}\n" for n, p in wrong.items()))
        options = ("--devices", "4", "--rate", "100", "--seconds", "2", "--accounts", str(file))
        shown = mote_fleet("--broker", f"127.0.0.1:{broker.port}", *options)
    assert run.tally.outages > 0
    assert verdict.lost == verdict.strange == 0
    assert shown.returncode == FAILED
    assert "1 of 4 devices never got in: not authorised" in shown.stderr
    assert not any(password in shown.stdout + shown.stderr for password in wrong.values())


async def test_a_login_that_is_refused_says_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MOTE_PASSWORD", "wrong")
    async with world(tmp_path, guarded(tmp_path, {"me": "right"})) as (broker, _):
        shown = mote_fleet("--broker", f"mqtt://127.0.0.1:{broker.port}", "--user", "me")
    assert shown.returncode == FAILED
    assert "does not let fleet-001 in: not authorised" in shown.stderr
    assert "Check --user and MOTE_PASSWORD" in shown.stderr


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "has no account"),
        ("plant1,a\nplant 2,b\n", "line 2: expected id,password .* found 'plant 2'"),
        ("plant1,a\nplant1,b\n", "line 2: .* found 'plant1'"),
        ("plant1,a,secret\n", "line 1: .* found 'plant1'$"),
    ],
)
def test_a_list_of_accounts_that_is_wrong_is_told_by_its_line(
    tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "accounts.csv"
    file.write_text(text)
    with pytest.raises(PlanError, match=complaint):
        read_accounts(file)
    with pytest.raises(PlanError, match="cannot be read"):
        read_accounts(tmp_path / "missing.csv")


def test_accounts_and_a_shared_connection_exclude_each_other() -> None:
    server = Server("127.0.0.1", 1)
    with pytest.raises(PlanError, match="exclude each other"):
        Plan(server, devices=1, connections=1, accounts={"plant1": "a"})
    with pytest.raises(PlanError, match="2 devices, but only 1 accounts"):
        Plan(server, devices=2, accounts={"plant1": "a"})
    with pytest.raises(PlanError, match="choose another --prefix"):
        Plan(server, prefix="no/slashes")


@pytest.fixture
def few_files() -> Iterator[int]:
    """This process may open few files; the greatest number it may ask for."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_limit_of_open_files_is_raised_or_named(
    few_files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    allow_connections(200)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == 264

    def refused(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(plan.resource, "setrlimit", refused)
    with pytest.raises(PlanError, match=r"ulimit -n 1064.*--connections 100"):
        allow_connections(1000)
    monkeypatch.undo()


@pytest.mark.parametrize("broker", ["http://here", "mqtt://", "mqtt://here:port"])
def test_a_broker_that_is_none_is_told(broker: str) -> None:
    shown = mote_fleet("--broker", broker)
    assert shown.returncode == FAILED and "mqtts://name for TLS" in shown.stderr


def test_a_password_in_the_address_is_refused_and_not_repeated() -> None:
    shown = mote_fleet("--broker", "mqtt://me:word@here")
    assert shown.returncode == FAILED and "--user or --accounts" in shown.stderr
    assert "word@" not in shown.stderr
