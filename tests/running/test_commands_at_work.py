"""What the commands change on a board, and what a hostile or careless one must not."""

import asyncio
import json
import statistics
from typing import Any

import pytest
from mote import contract
from mqtt_ear import intervals
from test_led import CONNECTED, IDENTIFY, Light
from test_obeying import Host, commanded
from walked import hurried

pytestmark = pytest.mark.anyio
STATUS = contract.device_topic("dev", "status")
SECRETS = ("a good password", "portal secret", "never tell this", "short!!")


async def statuses(host: Host, since: int, *wanted: str) -> None:
    """Returns when the status messages since then are these."""
    async with asyncio.timeout(90):
        while [p for t, p in host.heard.heard[since:] if t == STATUS][: len(wanted)] != [*wanted]:
            await asyncio.sleep(0.05)


def said(host: Host) -> str:
    """All that came out of the board: over the air and over the wire."""
    published = [payload for topic, payload in host.heard.heard if not topic.endswith("/cmd")]
    return "\n".join(published + host.board.log)


async def end_of_flashing(light: Light) -> tuple[int, float]:
    """Which change of the LED ends its flashing, and when that was."""
    await light.keeps(IDENTIFY, 1)
    at_work = len(light.seen)
    await light.keeps(CONNECTED, 6)
    times = [time for time, _ in light.seen]
    last = next(i for i in range(at_work, len(times)) if times[i + 1] - times[i] > 3)
    return last, times[last]


async def test_a_restart_is_answered_and_then_seen_as_offline_and_online(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        since = len(host.heard.heard)
        assert (await host.ask("n1", cmd="restart"))["ok"]
        answered = len(host.heard.heard)
        await statuses(host, since, contract.OFFLINE, contract.ONLINE)
        reply = contract.device_topic("dev", "reply")
        topics = [topic for topic, _ in host.heard.heard[since:]]
        assert topics.index(reply) < topics.index(STATUS) and answered


async def test_identify_flashes_the_led_for_its_time(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        light = Light(host.board)
        await light.keeps(CONNECTED, 6)
        since, asked = len(light.seen), asyncio.get_running_loop().time()
        assert (await host.ask("n1", cmd="identify", seconds=8))["ok"]
        last, ended = await end_of_flashing(light)
        # Never too early; and no more flashes than it has time for, whenever a busy machine ends.
        assert ended - asked > 7.9
        assert last - since < 8 * 20 + 5


async def test_a_second_identify_does_not_end_the_first_early(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        light = Light(host.board)
        # Of three the one that ends last counts, whenever it came.
        assert (await host.ask("n1", cmd="identify", seconds=2))["ok"]
        asked = asyncio.get_running_loop().time()
        assert (await host.ask("n2", cmd="identify", seconds=8))["ok"]
        assert (await host.ask("n3", cmd="identify", seconds=0.2))["ok"]
        _, ended = await end_of_flashing(light)
        assert ended - asked > 7.9


async def test_the_log_level_hides_and_shows_lines(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        assert (await host.ask("n1", cmd="log", level="W"))["level"] == "W"
        assert (await host.ask("n2", cmd="identify", seconds=0.1))["ok"]
        assert (await host.ask("n3", cmd="log", level="D"))["level"] == "D"
        assert (await host.ask("n4", cmd="identify", seconds=0.1))["ok"]
        await host.board.wait_for_log("commands: identify", 60)
        assert sum("commands: identify" in line for line in host.board.log) == 1


def nested(nonce: str, depth: int) -> str:
    deep = '{"a":' * depth + "1" + "}" * depth
    return f'{{"cmd":"config","nonce":"{nonce}","config":{deep}}}'


async def answers_again(host: Host) -> None:
    """A message that the memory does not hold may cost the connection, which comes back."""
    for number in range(20):
        await host.send(f"after{number}", cmd="log", level="I")
        try:
            assert (await host.answer(f"after{number}", timeout_s=10))["ok"]
            return
        except TimeoutError:
            continue
    raise AssertionError("no answer any more")


async def test_no_command_crashes_the_board(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        hostile: list[dict[str, Any]] = [
            {"cmd": "log"}, {"cmd": "log", "level": ""}, {"cmd": "log", "level": 5},
            {"cmd": "config", "config": 5}, {"cmd": "config", "config": None},
            {"cmd": "config", "config": []}, {"cmd": []}, {"cmd": {}}, {"cmd": None},
            {"cmd": "config", "config": {"wifi": [{"ssid": ["a long name of a network"]}]}},
            {"cmd": "config", "config": {"wifi": 5}}, {"cmd": "identify", "seconds": []},
        ]  # fmt: skip
        for number, command in enumerate(hostile):
            answer = await host.ask(f"n{number}", **command)
            assert answer["ok"] is False and answer["error"], command
        await host.say(nested("deep", 150))
        assert (await host.answer("deep"))["ok"] is False
        # So deep that the memory does not hold it: nobody can be answered.
        await host.say(nested("deeper", 800))
        await host.say("[" * 5000)
        await answers_again(host)
        assert not any(contract.LOG_RESTART in one or "crash" in one for one in host.board.log)


async def test_a_refused_configuration_changes_nothing_and_tells_no_secret(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        before = await host.ask("n1", cmd="config")
        for number, bad in enumerate(
            (
                {"interval": 0, "mqtt": {"password": "never tell this"}},
                {"portal_password": "short!!"},
                {"wifi": [{"ssid": "home", "password": "short!!"}]},
            )
        ):
            answer = await host.ask(f"bad{number}", cmd="config", config=bad)
            assert (answer["ok"] is False and "must be" in answer["error"]) or "8 to 63" in str(
                answer
            )
        after = await host.ask("n2", cmd="config")
        assert after["config"] == before["config"]
        assert not any(contract.LOG_RESTART in line for line in host.board.log)
        for secret in SECRETS:
            assert secret not in said(host), secret
        await host.board.cut_power()
        files = host.board.flash.files()
        assert not {"/config.old", "/config.note", "/config.new"} & set(files)


async def test_an_accepted_configuration_is_at_work_and_tells_no_secret(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        patch = {"interval": 2, "portal_password": "never tell this"}
        assert (await host.ask("n1", cmd="config", config=patch))["probation"]
        assert (await host.answer("n1", len(host.heard.heard)))["done"]
        # A copy that comes late gets the outcome, and starts nothing.
        since = len(host.heard.heard)
        await host.send("n1", cmd="config", config=patch)
        assert (await host.answer("n1", since))["done"]
        apart = await intervals(host.heard, "sensors/dev/rssi", 6)
        assert 1.5 < statistics.median(apart) < 3, apart
        assert sum(contract.LOG_RESTART in line for line in host.board.log) == 1
        for secret in SECRETS:
            assert secret not in said(host), secret


async def test_after_a_rollback_the_board_is_as_before_and_says_so_once_more(tmp_path) -> None:
    tree = await asyncio.to_thread(hurried, tmp_path)
    async with commanded(tmp_path, tree) as host:
        before = await host.ask("n0", cmd="config")
        lost = {"wifi": [{"ssid": "no such network", "password": "never tell this"}]}
        assert (await host.ask("n1", cmd="config", config=lost))["probation"]
        final = await host.answer("n1", len(host.heard.heard), 60)
        assert final["ok"] is False
        assert await host.ask("n1", cmd="config", config=lost) == final
        assert (await host.ask("n2", cmd="config"))["config"] == before["config"]
        for secret in SECRETS:
            assert secret not in said(host), secret
        await host.board.cut_power()
        assert json.loads(host.board.flash.read("config.json"))["wifi"][0]["ssid"] == "home"
        assert not {"/config.old", "/config.note"} & set(host.board.flash.files())
