"""`mote config` with virtual boards: accepted, refused, and without a word of a secret."""

import json
from pathlib import Path

import pytest
from boards_online import boards
from mote import contract
from motekit.exits import DONE, FAILED, USAGE

pytestmark = pytest.mark.anyio


async def test_what_is_set_is_tried_kept_and_told(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1") as there:
        shown = await there.mote("config", "get", "plant1", "interval")
        assert (shown.returncode, shown.stdout) == (DONE, "1\n")
        patch = tmp_path / "patch.json"
        patch.write_text(json.dumps({"portal_password": "never tell this"}))
        done = await there.mote("config", "set", "plant1", "interval=2", "mqtt.user=42")
        assert done.returncode == DONE, done.stderr
        assert done.stdout == "plant1 is online with the new configuration\n"
        from_file = await there.mote("config", "set", "plant1", "--file", str(patch))
        assert from_file.returncode == DONE, from_file.stderr
        told = await there.json("config", "get", "plant1")
        assert told["interval"] == 2 and told["portal_password"] is True
        # Text stays text, though it looks like a number.
        assert told["mqtt"] == {**told["mqtt"], "host": "mqtt.local", "user": "42"}
        said = json.dumps(told) + from_file.stdout + from_file.stderr
        assert "never tell this" not in said and there.place.wifi.password not in said


async def test_what_the_board_refuses_changes_nothing(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1") as there:
        before = await there.json("config", "get", "plant1")
        file = tmp_path / "patch.json"
        file.write_text('{"interval": 0}')
        refused = await there.mote("config", "set", "plant1", "--file", str(file))
        assert refused.returncode == FAILED
        assert "plant1: interval must be at least 1" in refused.stderr
        assert await there.json("config", "get", "plant1") == before
        assert not any(contract.LOG_RESTART in line for line in there.place.boards[0].log)


async def test_several_boards_are_asked_about_and_an_id_is_for_one(tmp_path: Path) -> None:
    async with boards(tmp_path, "plant1", "plant2") as there:
        asked = await there.mote("config", "set", "all", "interval=3")
        assert asked.returncode == FAILED and "add --yes" in asked.stderr
        assert "This changes interval of 2 boards: plant1, plant2" in asked.stderr
        twins = await there.mote("config", "set", "plant1,plant2", "id=plant3", "--yes")
        assert twins.returncode == USAGE
        done = await there.json("config", "set", "plant1,plant2", "interval=3", "--yes")
        assert [one["ok"] for one in done] == [True, True]
        # A new name is a new topic: the outcome is heard all the same.
        renamed = await there.mote("config", "set", "plant2", "id=plant3")
        assert renamed.returncode == DONE, renamed.stderr
        assert (await there.json("config", "get", "plant3"))["interval"] == 3


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("intervall=3",), "no entry 'intervall'"),
        (("interval",), "has no =VALUE"),
        (("interval=abc",), "interval must be a number, not 'abc'"),
        (("interval=nan",), "interval must be a number, not 'nan'"),
        (("interval=0",), "interval 0 is less than the minimum of 1"),
        (("mqtt.port=70000",), "mqtt.port 70000 is greater"),
        (("mqtt.tls=maybe",), "mqtt.tls must be true or false"),
        (("sensors=[1",), "sensors must be a word or a list in JSON"),
        ((), "give either entries or --file"),
    ],
)
async def test_what_is_no_entry_is_told_before_anybody_is_asked(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    async with boards(tmp_path) as there:
        shown = await there.mote("config", "set", "plant1", *arguments)
        assert shown.returncode == USAGE and complaint in shown.stderr
