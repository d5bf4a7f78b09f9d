"""Commands over MQTT, as the host sends them to a virtual board on a real mosquitto."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from house_of_one import Home, home
from mote import contract
from motesim import BoardSpec, VirtualBoard
from mqtt_ear import Ear, ear

sys.path.append(str(Path(__file__).parents[1] / "states"))

from walked import hurried

pytestmark = pytest.mark.anyio


class Host:
    """Sends commands to the board `dev` and hears its answers."""

    def __init__(self, place: Home, heard: Ear, board: VirtualBoard) -> None:
        self.place, self.heard, self.board = place, heard, board

    async def send(self, nonce: str, **command: Any) -> None:
        await self.say(json.dumps({"nonce": nonce, **command}))

    async def say(self, payload: str) -> None:
        await self.place.broker.command(payload)

    async def answer(self, nonce: str, since: int = 0, timeout_s: float = 60) -> dict[str, Any]:
        """The first answer to `nonce` among the messages from number `since` on."""

        def wanted(topic: str, payload: str) -> bool:
            of_ours = topic == contract.device_topic("dev", "reply")
            return of_ours and json.loads(payload).get("nonce") == nonce

        async def found() -> dict[str, Any]:
            while True:
                for topic, payload in self.heard.heard[since:]:
                    if wanted(topic, payload):
                        return dict(json.loads(payload))
                await asyncio.sleep(0.05)

        return await asyncio.wait_for(found(), timeout_s)

    async def ask(self, nonce: str, **command: Any) -> dict[str, Any]:
        since = len(self.heard.heard)
        await self.send(nonce, **command)
        return await self.answer(nonce, since)


@asynccontextmanager
async def commanded(
    folder: Path, tree: Path | None = None, heap_grows: bool = False
) -> AsyncIterator[Host]:
    """A board that is online, and somebody who commands it."""
    async with (
        home(folder) as place,
        ear([], "-p", str(place.broker.port), "-q", "1", "-t", "#") as heard,
    ):
        document = {
            "version": 1, "id": "dev", "interval": 1, "mqtt": {"host": "mqtt.local"},
            "wifi": [{"ssid": place.wifi.ssid, "password": place.wifi.password}],
            "portal_password": "portal secret",
        }  # fmt: skip
        board = await place.world.add_board(BoardSpec("dev", config=document, firmware=tree))
        board.core.heap_grows = heap_grows
        await board.power_on()
        await board.wait_for_log(contract.LOG_FIRST_READING, 60)
        yield Host(place, heard, board)


async def test_a_command_is_answered_with_its_nonce_and_a_copy_is_done_once(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        answer = await host.ask("n1", cmd="identify", seconds=2)
        assert answer == {"cmd": "identify", "nonce": "n1", "ok": True, "seconds": 2}
        assert await host.ask("n1", cmd="identify", seconds=2) == answer
        assert sum("commands: identify" in line for line in host.board.log) == 1


async def test_what_cannot_be_done_is_refused_with_a_reason(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        unknown = await host.ask("n1", cmd="explode")
        assert unknown["ok"] is False and "identify" in unknown["error"]
        assert (await host.ask("n2", cmd="identify", seconds="long"))["ok"] is False
        assert (await host.ask("n3", cmd="log", level="loud"))["ok"] is False
        bad = await host.ask("n4", cmd="config", config={"interval": 0})
        assert bad["ok"] is False and "interval must be at least 1" in bad["error"]


async def test_garbage_is_no_command_and_disturbs_nothing(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        for payload in ("", "no json", "[]", '{"cmd":"restart"}', '{"cmd":"restart","nonce":7}',
                        json.dumps({"cmd": "restart", "nonce": "n" * 41}), "x" * 5000):  # fmt: skip
            await host.say(payload)
        assert (await host.ask("n1", cmd="log", level="I"))["ok"]
        assert not any(contract.LOG_RESTART in line for line in host.board.log)


async def test_restart_is_answered_done_and_not_done_again_by_a_late_copy(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        assert (await host.ask("n1", cmd="restart"))["ok"]
        await host.board.wait_for_log(contract.LOG_RESTART, 60)
        began = len(host.board.log)
        await host.board.wait_for_log(contract.LOG_FIRST_READING, 60, since=began)
        assert (await host.ask("n1", cmd="restart"))["ok"]
        assert (await host.ask("n2", cmd="log", level="I"))["ok"]
        assert sum(contract.LOG_RESTART in line for line in host.board.log) == 1


async def test_setup_opens_the_portal(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        assert (await host.ask("n1", cmd="setup"))["ok"]
        await host.board.wait_for_log(contract.LOG_SETUP, 60)


async def test_the_configuration_is_told_without_its_secrets(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        told = await host.ask("n1", cmd="config")
        assert told["config"]["interval"] == 1 and told["config"]["portal_password"] is True
        said = json.dumps(told) + "\n".join(host.board.log)
        assert host.place.wifi.password not in said and "portal secret" not in said


async def test_a_new_configuration_is_tried_kept_and_reported(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        assert (await host.ask("n1", cmd="config", config={"interval": 2}))["probation"]
        since = len(host.heard.heard)
        await host.board.wait_for_log("a new configuration is tried", 60)
        final = await host.answer("n1", since)
        assert final == {"cmd": "config", "nonce": "n1", "ok": True, "done": True}
        assert (await host.ask("n2", cmd="config"))["config"]["interval"] == 2
        await host.board.cut_power()
        files = host.board.flash.files()
        assert "/config.old" not in files and "/config.note" not in files


async def test_one_that_does_not_get_the_board_online_is_rolled_back_by_itself(tmp_path) -> None:
    tree = await asyncio.to_thread(hurried, tmp_path)
    async with commanded(tmp_path, tree) as host:
        lost = {"wifi": [{"ssid": "no such network", "password": "never mind it"}]}
        assert (await host.ask("n1", cmd="config", config=lost))["probation"]
        since = len(host.heard.heard)
        await host.board.wait_for_log(contract.LOG_PROBATION_FAILED, 60)
        final = await host.answer("n1", since, 60)
        assert final["ok"] is False and "the old one is back" in final["error"]
        told = await host.ask("n2", cmd="config")
        assert told["config"]["wifi"][0]["ssid"] == host.place.wifi.ssid
        assert not any("never mind it" in line for line in host.board.log)
