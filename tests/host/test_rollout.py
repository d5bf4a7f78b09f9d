"""`mote update`: a fleet of virtual boards rolls forward, and stops where it has to."""

import asyncio
import json
from pathlib import Path

import mote
import pytest
from boards_online import Boards, boards
from motekit import update
from motekit.exits import DONE, FAILED, STOPPED
from motekit.update.rollout import waves
from terminal import running
from updated import Change, release

pytestmark = pytest.mark.anyio
# A release that is bad on one board only, as one with another sensor would be.
BAD_FOR_PLANT2: Change = (
    "mote/running.py",
    r"^async def run\(settings\):\n.*$",
    """\\g<0>
    if settings["id"] == "plant2":
        raise RuntimeError("a bad release")""",
)


def trees(folder: Path, version: str, *changes: Change) -> Path:
    """The firmware `version` for boards that take updates with the key that `mote` will find."""
    key = update.private_key(folder / "mote" / "update-key.pem")
    return release(folder, version, key, *changes)


async def version_of(there: Boards, *names: str) -> list[str]:
    found = {one["id"]: one for one in await there.json("devices", "--once", "--listen", "0")}
    return [found[name]["info"]["version"] for name in names]


@pytest.mark.timeout(1200)
async def test_the_first_failure_stops_it_and_says_who_has_what(tmp_path: Path) -> None:
    names = ("plant1", "plant2", "plant3")
    old = trees(tmp_path, "0.1.9")
    key = update.private_key(tmp_path / "mote" / "update-key.pem")
    new = trees(tmp_path, "0.2.0", BAD_FOR_PLANT2)
    file = tmp_path / "bad.bundle"
    update.make_application(new / "app_a", "0.2.0", key).write(file)
    async with boards(tmp_path, *names, tree=old) as there:
        command = ("update", "all", "--bundle", str(file), "--canary", "1", "--wave", "1")
        asked = await there.mote(*command)
        assert asked.returncode == FAILED and "add --yes" in asked.stderr
        assert "wave 2: plant2 0.1.9 -> 0.2.0" in asked.stderr
        done = await there.mote(*command, "--yes", "--json", timeout=900)
        assert done.returncode == FAILED, done.stderr
        told = {one["device"]: one for one in json.loads(done.stdout)}
        assert [told[n]["outcome"] for n in names] == ["updated", "rolled back", "not tried"]
        assert [told[n]["version"] for n in names] == ["0.2.0", "0.1.9", "0.1.9"]
        assert "RuntimeError: a bad release" in told["plant2"]["error"]
        assert "stopped at the first failure; left as they are: 1" in done.stderr
        assert await version_of(there, *names) == ["0.2.0", "0.1.9", "0.1.9"]
        assert not any("update" in line for line in there.place.boards[2].log)


@pytest.mark.timeout(1200)
async def test_without_a_file_it_is_our_own_firmware_built_for_the_board(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1", "plant2", tree=trees(tmp_path, "0.0.9")) as there:
        done = await there.mote("update", "plant1", "plant2", "--yes", timeout=900)
        assert done.returncode == DONE, done.stderr
        assert f"plant1: updated, has {mote.__version__}" in done.stdout
        assert "plant2: sending: 50 %" in done.stderr
        assert await version_of(there, "plant1", "plant2") == [mote.__version__] * 2
        again = await there.mote("update", "all")
        assert again.returncode == DONE and "Up to date" in again.stderr


async def test_a_board_with_another_key_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    theirs = trees(tmp_path / "theirs", "0.0.9")
    async with boards(tmp_path, "plant1", tree=theirs) as there:
        done = await there.mote("update", "plant1")
        assert done.returncode == FAILED
        assert "not by the key that this board was flashed with" in done.stderr
        assert "plant1: failed, has 0.0.9" in done.stdout


async def test_stopped_in_the_middle_it_says_so_and_goes_on_later(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1", tree=trees(tmp_path, "0.0.9")) as there:
        data = {"XDG_DATA_HOME": str(tmp_path)}
        with running("update", "plant1", *there.options(), **data) as sending:
            await asyncio.to_thread(sending.wait_err, "plant1: sending: 50 %")
            assert await asyncio.to_thread(sending.stop) == STOPPED
            sending.wait_out("plant1: stopped, has 0.0.9")
            sending.wait_err("the same command goes on where it was")
        done = await there.mote("update", "plant1")
        assert done.returncode == DONE, done.stderr
        # The half that was there is not sent again.
        assert "plant1: sending: 25 %" not in done.stderr


def test_waves() -> None:
    names = list("abcdef")
    assert waves(names, 1, 3) == [["a"], ["b", "c", "d"], ["e", "f"]]
    assert waves(names, 0, 10) == [names]
    assert waves(names, 9, 1) == [names]
