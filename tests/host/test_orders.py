"""`mote devices`, `restart`, `identify`, `replay`: real boards obey over a real mosquitto."""

import json
import time
from pathlib import Path

import pytest
from boards_online import boards
from mote import contract
from motekit.commands.orders import _moment
from motekit.exits import DONE, FAILED, USAGE
from terminal import Terminal, running

pytestmark = pytest.mark.anyio


async def test_the_table_shows_who_is_there_and_who_is_gone(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1", "plant2") as there:
        found = {one["id"]: one for one in await there.json("devices", "--once", "--listen", "30")}
        assert set(found) == {"plant1", "plant2"}
        assert all(one["online"] and one["info"]["version"] for one in found.values())
        assert found["plant1"]["readings"]["rssi"]["value"] < 0
        await there.place.boards[1].cut_power()
        eventually_gone = await there.json("devices", "--once")
        while eventually_gone[1]["online"]:
            eventually_gone = await there.json("devices", "--once")
        shown = await there.mote("devices")
        assert shown.returncode == DONE
        lines = {line.split()[0]: line for line in shown.stdout.splitlines()}
        assert " online " in lines["plant1"] and "dBm" in lines["plant1"]
        assert " offline " in lines["plant2"]


async def test_the_live_table_and_the_live_lines_follow_a_board(tmp_path: Path) -> None:
    import asyncio

    async with boards(tmp_path, "plant1") as there:
        terminal = Terminal("devices", *there.options())
        with running("devices", "--json", *there.options()) as lines:
            await asyncio.to_thread(terminal.wait_for, "plant1")
            await asyncio.to_thread(lines.wait_out, '"online": true')
            cut = time.time()
            await there.place.boards[0].cut_power()
            await asyncio.to_thread(terminal.wait_for, "offline since")
            await asyncio.to_thread(lines.wait_out, '"online": false')
            gone = next(line for line in lines.out if '"online": false' in line)
            assert json.loads(gone)["changed"] >= cut
            assert lines.stop() == 130
        terminal.type("\x03")
        assert await asyncio.to_thread(terminal.process.wait, 120) == 130


async def test_restart_ends_when_the_boards_are_online_again(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1", "plant2") as there:
        nobody = await there.mote("restart", "all")
        assert nobody.returncode == FAILED and "add --yes" in nobody.stderr
        assert "This restarts 2 boards: plant1, plant2" in nobody.stderr
        assert not any(contract.LOG_RESTART in x for b in there.place.boards for x in b.log)
        done = await there.json("restart", "all", "--yes")
        assert [one["device"] for one in done if one["ok"]] == ["plant1", "plant2"]
        for board in there.place.boards:
            assert sum(contract.LOG_RESTART in line for line in board.log) == 1


async def test_one_board_identifies_itself_and_sends_again_what_it_has(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1") as there:
        shown = await there.mote("identify", "plant1", "--seconds", "1")
        assert (shown.returncode, shown.stdout) == (DONE, "plant1 flashes for 1 s\n")
        assert any("commands: identify" in line for line in there.place.boards[0].log)
        # What was not yet delivered, or has no time yet, is not sent *again*.
        done = {"ok": True, "readings": 0}
        while not done["readings"]:
            (done,) = await there.json("replay", "plant1", "--since", "1h")
            assert done["ok"]


async def test_who_is_not_there_is_told_apart(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1") as there:
        unknown = await there.mote("identify", "plant9", "--wait", "0")
        assert unknown.returncode == FAILED and "nothing is known of plant9" in unknown.stderr
        await there.place.boards[0].cut_power()
        gone = await there.mote("identify", "plant1", "--wait", "60")
        # Until the server notices, a board without power is one that does not answer.
        while "is offline" not in gone.stderr:
            gone = await there.mote("identify", "plant1", "--wait", "0")
        assert gone.returncode == FAILED
        assert "look whether it has power" in gone.stderr
        bad = await there.mote("identify", "no/slash")
        assert bad.returncode == USAGE and "no device id" in bad.stderr


async def test_a_login_without_the_right_is_told_so(tmp_path: Path) -> None:
    rights = tmp_path / "rights"
    rights.write_text("topic read #\npattern write devices/+/status\npattern write devices/+/info\n"
                      "pattern write devices/+/reply\npattern write sensors/+/+\n")  # fmt: skip
    rights.chmod(0o600)
    options = f"allow_anonymous true\nacl_file {rights}"
    async with boards(tmp_path, "plant1", options=options) as there:
        shown = await there.mote("identify", "plant1")
        assert shown.returncode == FAILED
        assert "keep this login from writing devices/plant1/cmd" in shown.stderr


def test_since_is_a_span_or_a_date() -> None:
    assert _moment("90s", 1000) == 910
    assert _moment("1d", 100_000) == 13_600
    assert _moment("2026-05-01T12:00+00:00", 0) == 1_777_636_800
