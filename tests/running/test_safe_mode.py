"""Safe mode by the network: a board whose version crashes is mended with no cable and no visit."""

import json
import sys
import time
from pathlib import Path

import pytest
from mote import contract
from motekit import orders
from updated import CRASH, Owner, owned

sys.path.append(str(Path(__file__).parents[1] / "portal"))

from board_in_setup import ask, submit

pytestmark = pytest.mark.anyio
INFO = contract.device_topic("dev", "info")
PATIENCE_S = 60
SAFE_MODE_S = 8
SOON = ("mote/patience.py", r"^SAFE_MODE_MS = .*$", f"SAFE_MODE_MS = {SAFE_MODE_S * 1000}")


async def told(owner: Owner) -> dict[str, object]:
    """What the board says of itself, the first time."""
    await owner.heard.wait_for(lambda topic, _: topic == INFO, PATIENCE_S)
    return dict(json.loads(next(text for topic, text in owner.heard.heard if topic == INFO)))


async def test_an_update_mends_a_board_whose_version_crashes(tmp_path) -> None:
    async with owned(tmp_path, CRASH, crashes=5) as owner:
        info = await told(owner)
        assert info["safe_mode"] is True and info["crashes"] == 5 and info["version"] == "0.1.9"
        # The portal is open beside.
        assert b"RuntimeError: a bad release" in (await ask(owner.board)).body
        await owner.send(await owner.bundle("0.2.0"))
        await owner.board.wait_for_log(contract.LOG_UPDATED + "0.2.0", PATIENCE_S)
        await owner.board.wait_for_log(contract.LOG_FIRST_READING, PATIENCE_S)


async def test_nobody_at_the_portal_does_not_end_an_update_that_comes_in(tmp_path) -> None:
    async with owned(tmp_path, CRASH, SOON, crashes=5) as owner:
        await told(owner)
        bundle = await owner.bundle("0.2.0")
        server = orders.Server("127.0.0.1", owner.place.broker.port)
        async with orders.conversation(server) as talk:
            begin = {"manifest": bundle.text, "signature": bundle.signature.hex()}
            answer = await talk.ask("dev", PATIENCE_S, cmd="update", begin=begin)
            assert answer["ok"], answer
            began, since = time.monotonic(), len(owner.board.log)
            while time.monotonic() - began < SAFE_MODE_S + 2:
                # A piece that is not the next one: a sender that is slow.
                answer = await talk.ask("dev", PATIENCE_S, cmd="update", at=9, data="")
                assert answer["ok"], answer
        assert not any(contract.LOG_RESTART in line for line in owner.board.log[since:])


async def test_settings_are_tried_and_saved_at_its_portal_although_it_is_online(tmp_path) -> None:
    async with owned(tmp_path, CRASH, crashes=5) as owner:
        await told(owner)
        form = b"id=dev&ssid=home&password=&host=mqtt.local&port=1883&interval=7"
        # It opened by itself: whoever is in radio range changes nothing but the WiFi.
        assert (await submit(owner.board, "/save", form)).status == 422
        await owner.board.press("boot", 5)
        await owner.board.wait_for_log("setup: BOOT was held", PATIENCE_S)
        answer = await submit(owner.board, "/save", form)
        assert answer.status == 303
        await owner.board.wait_for_log(contract.LOG_SAVED, PATIENCE_S)
        # Its crashes are forgiven.
        since = len(owner.board.log)
        await owner.board.wait_for_log("crash 1 of 5", PATIENCE_S, since)
        await owner.board.cut_power()
        assert json.loads(owner.board.flash.read("config.json"))["interval"] == 7


async def test_what_only_running_can_do_is_refused_with_what_helps(tmp_path) -> None:
    async with owned(tmp_path, CRASH, crashes=5) as owner:
        await told(owner)
        server = orders.Server("127.0.0.1", owner.place.broker.port)
        async with orders.conversation(server) as talk:
            for command in ({"cmd": "replay", "since": 0}, {"cmd": "setup"}):
                answer = await talk.ask("dev", PATIENCE_S, **command)
                assert not answer["ok"] and "send an update" in answer["error"], answer
