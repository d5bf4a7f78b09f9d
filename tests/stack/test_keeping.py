"""Backup, restore and upgrade of the running stack; boards fill what came after the backup."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from motekit.stack.installation import versions
from motesim import AccessPoint, BoardSpec, World
from motesim.board import VirtualBoard
from running_stack import RunningStack, eventually
from test_kills import saved_once

pytestmark = pytest.mark.stack

PASSPHRASE = "tulip gravel orbit mustard"
PATIENCE_S = 400
INTERVAL_S = 1
# A reading is dated with the beginning of its round; two that are missing show.
BESIDE_S = 1.25


@asynccontextmanager
async def board(stack: RunningStack, name: str) -> AsyncIterator[VirtualBoard]:
    """A virtual board that delivers to the stack with a login of its own, online."""
    password = stack.passwords(name)[name]
    async with World() as world:
        await world.add_access_point(AccessPoint("home", "a good password"))
        world.add_host("mqtt.local", "192.168.50.2", {1883: ("127.0.0.1", stack.port)})
        document = {
            "version": 1, "id": name, "interval": INTERVAL_S,
            "wifi": [{"ssid": "home", "password": "a good password"}],
            "mqtt": {"host": "mqtt.local", "user": name, "password": password},
        }  # fmt: skip
        made = await world.add_board(BoardSpec(name, config=document))
        await made.power_on()
        yield made


def measured(board: VirtualBoard) -> list[float]:
    """When the board asks its radio for the signal, from now on: what a reading is made of."""
    found: list[float] = []
    signal = board.radio.wlan_rssi

    def noted() -> int:
        found.append(time.time())
        return signal()

    board.radio.wlan_rssi = noted  # type: ignore[method-assign]
    return found


def times(stack: RunningStack, device: str, begin_s: float, end_s: float) -> list[float]:
    """When the readings of `device` between two times were made, in order."""
    rows = stack.rows(
        f"SELECT value FROM sensors WHERE device='{device}' AND metric='rssi' "
        f"AND time > {int(begin_s * 1e9)} AND time < {int(end_s * 1e9)}"
    )
    return [row["time"] / 1e9 for row in rows]


def missing(wanted: list[float], found: list[float]) -> list[float]:
    """What was measured when no reading was found."""
    return [one for one in wanted if not any(abs(one - other) < BESIDE_S for other in found)]


def test_an_empty_machine_gets_everything_back_and_boards_fill_the_rest(
    stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "MOTE_BACKUP_PASSPHRASE", PASSPHRASE)
    file = tmp_path / "everything.backup"
    secrets = {
        path.relative_to(stack.installation.secrets): path.read_bytes()
        for path in stack.installation.secrets.rglob("*")
        if path.is_file()
    }

    async def story() -> None:
        async with board(stack, "keeper") as keeper:
            began = time.time()
            await soon(lambda: len(times(stack, "keeper", began, time.time())) >= 3)
            taken = measured(keeper)
            # What waits in the broker for Telegraf is in the backup as well.
            waiting = stack.client("waiter")
            await there("stop", "telegraf")
            for number in range(50):
                waiting.publish("sensors/waiter/number", str(number), qos=1)
            waiting.publish("sensors/waiter/number", "50", qos=1).wait_for_publish(PATIENCE_S)
            await asyncio.to_thread(saved_once, stack)
            backed_up = time.time()
            await asyncio.to_thread(stack.mote, "backup", str(file))
            await there("start", "telegraf")
            after = time.time()
            await soon(lambda: len(times(stack, "keeper", after, time.time())) >= 8)
            await asyncio.to_thread(stack.mote, "down")
            destroyed = time.time()
            shutil.rmtree(stack.installation.state)
            await asyncio.to_thread(stack.mote, "restore", str(file), *stack.only())

            numbers = "SELECT distinct(value) FROM sensors WHERE device='waiter'"
            await soon(lambda: len(stack.rows(numbers)) == 51)
            assert times(stack, "keeper", began, backed_up)
            wanted = [one for one in taken if one < destroyed]
            assert len(wanted) >= 8
            await soon(lambda: not missing(wanted, times(stack, "keeper", began, time.time())))

    async def there(*command: str) -> None:
        await asyncio.to_thread(stack.compose, *command)

    asyncio.run(story())
    for path, text in secrets.items():
        assert (stack.installation.secrets / path).read_bytes() == text, path
    assert not stack.installation.exposed()
    assert file.stat().st_mode & 0o077 == 0
    content = file.read_bytes()
    assert not any(text in content for text in secrets.values() if text)


def test_a_killed_broker_makes_boards_send_again(stack: RunningStack) -> None:
    async def story() -> None:
        async with board(stack, "faithful"):
            await soon(lambda: times(stack, "faithful", 0, time.time()))
            before = len(stack.installation.losses.read_text().split())
            await asyncio.to_thread(stack.kill, "mosquitto")
            answered = stack.installation.data / "refill" / "answered" / "faithful"
            await soon(lambda: answered.exists() and int(answered.read_text()) > before)

    asyncio.run(story())


def test_a_living_backend_is_not_overwritten_unasked(stack: RunningStack, tmp_path: Path) -> None:
    file = tmp_path / "any.backup"
    stack.mote("backup", str(file))
    said = stack.mote_fails("restore", str(file))
    assert "--yes" in said and "there is a backend" in said and "not sealed" in said
    assert stack.rows("SHOW MEASUREMENTS")


def test_what_is_no_backup_or_damaged_changes_nothing(
    stack: RunningStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stack.environment, "MOTE_BACKUP_PASSPHRASE", PASSPHRASE)
    sealed = tmp_path / "sealed.backup"
    stack.mote("backup", str(sealed))
    nonsense = tmp_path / "nonsense.backup"
    nonsense.write_bytes(b"no backup at all")
    cut = tmp_path / "cut.backup"
    cut.write_bytes(sealed.read_bytes()[:-100])
    assert "not sealed" in stack.mote_fails("restore", "--yes", str(nonsense))
    assert str(cut) in stack.mote_fails("restore", "--yes", str(cut))
    with monkeypatch.context() as without:
        without.delitem(stack.environment, "MOTE_BACKUP_PASSPHRASE")
        assert str(nonsense) in stack.mote_fails("restore", "--yes", str(nonsense))
    monkeypatch.setitem(stack.environment, "MOTE_BACKUP_PASSPHRASE", "another")
    assert "passphrase" in stack.mote_fails("restore", "--yes", str(sealed))
    assert stack.rows("SHOW MEASUREMENTS")
    state = stack.installation.state
    assert list(state.parent.glob(f"{state.name}*")) == [state]


def test_an_upgrade_backs_up_first_and_says_how_to_go_back(
    stack: RunningStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = versions()["TELEGRAF_IMAGE"]
    old = f"{new}-old"
    subprocess.run(["docker", "tag", new, old], check=True)
    assert "already" in stack.mote("upgrade")
    # What the environment says precedes docker/versions.env: the version before this one.
    with monkeypatch.context() as before:
        before.setitem(stack.environment, "TELEGRAF_IMAGE", old)
        stack.mote("up", *stack.services)
    said = stack.mote("upgrade")
    assert f"telegraf: {old} → {new}" in said
    assert f"TELEGRAF_IMAGE={old}" in said
    backup = Path(said.rpartition("mote stack restore --yes ")[2].strip())
    assert backup.stat().st_size > 1000
    assert "already" in stack.mote("upgrade")
    subprocess.run(["docker", "rmi", old], check=True, stdout=subprocess.DEVNULL)


async def soon(true: Callable[[], object]) -> None:
    await asyncio.to_thread(eventually, true, PATIENCE_S)
