"""Commands, and what they leave of the heap that a chip has beside Python's: WiFi and network.

Python's heap grows here as on a chip, out of the network's (`idf_heap` of the simulator); mosquitto
delivers with its default window of 20 messages, Eclipse Paho sends.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mote import contract
from test_many_commands import CMD, sender, until_answered
from test_obeying import Host, commanded

pytestmark = pytest.mark.anyio
# With less nothing is sent or received.
LEAST_BESIDE = 3 * 1024
LONGEST = 6144
CA = "-----BEGIN CERTIFICATE-----\n" + ("A" * 64 + "\n") * 62 + "-----END CERTIFICATE-----\n"


@asynccontextmanager
async def on_a_chip(folder: Path) -> AsyncIterator[Host]:
    async with commanded(folder, heap_grows=True) as host:
        yield host
        core = host.board.core
        assert core.python_grew == [], "Python's heap has taken of the network's"
        assert core.beside_low > LEAST_BESIDE


def sized(size: int, **command: Any) -> str:
    """A command of `size` bytes."""
    text = json.dumps({**command, "filler": ""})
    return text[:-2] + "x" * (size - len(text)) + '"}'


async def test_a_command_that_fills_the_receive_buffer(tmp_path: Path) -> None:
    async with on_a_chip(tmp_path) as host:
        with sender(host.place.broker.port) as client:
            # The topic and the packet identifier are in the buffer, too.
            longest = LONGEST - len(CMD) - 4
            for number, size in enumerate((longest, longest, LONGEST, 2 * LONGEST)):
                client.publish(CMD, sized(size, cmd="log", level="I", nonce=f"n{number}"), qos=1)
            found = await until_answered(host, 4)
        assert [one["ok"] for one in found] == [True, True, False, False]
        assert not any(contract.LOG_DISCONNECTED in line for line in host.board.log)


async def test_a_configuration_with_a_ca_of_4_kb(tmp_path: Path) -> None:
    async with on_a_chip(tmp_path) as host:
        answer = await host.ask("n1", cmd="config", config={"mqtt": {"ca": CA}})
        assert answer["ok"], answer
        outcome = await host.answer("n1", len(host.heard.heard))
        assert outcome["ok"], outcome


NOT_JSON = [
    ('"interval": 2, "interval": 3', "'interval' is there twice"),
    ('"interval": NaN', "a value is expected"),
    ('"interval": 1e39', "a number is too large"),
    ('"interval": 02', "a number is expected"),
    (r'"portal_password": "half \ud83d"', "half of a character"),
    ('"interval": 2,', "a name in double quotes is expected"),
]


async def test_a_long_configuration_that_is_no_json_is_refused_as_a_short_one_is(
    tmp_path: Path,
) -> None:
    async with on_a_chip(tmp_path) as host:
        ca = json.dumps({"ca": CA})
        for number, (wrong, reason) in enumerate(NOT_JSON):
            for name, mqtt in (("short", "{}"), ("long", ca)):
                nonce = f"{name}{number}"
                config = f'"mqtt": {mqtt}, {wrong}'
                await host.say(f'{{"cmd":"config","nonce":"{nonce}","config":{{{config}}}}}')
                answer = await host.answer(nonce)
                assert answer["ok"] is False and reason in answer["error"], answer
                assert answer["cmd"] == "config"


async def test_an_escaped_emoji_in_a_long_configuration_is_one_character(tmp_path: Path) -> None:
    async with on_a_chip(tmp_path) as host:
        command = {
            "cmd": "config",
            "nonce": "n1",
            "config": {"mqtt": {"ca": CA, "user": "plant 🌱"}},
        }
        await host.say(json.dumps(command, ensure_ascii=True))
        assert (await host.answer("n1"))["ok"]
        outcome = await host.answer("n1", len(host.heard.heard))
        assert outcome["ok"], outcome
        told = await host.ask("n2", cmd="config")
        assert told["config"]["mqtt"]["user"] == "plant 🌱"
        assert told["config"]["mqtt"]["ca"] == CA


async def test_two_hundred_commands_in_a_row(tmp_path: Path) -> None:
    async with on_a_chip(tmp_path) as host:
        with sender(host.place.broker.port) as client:
            for number in range(200):
                client.publish(CMD, json.dumps({"cmd": "config", "nonce": f"n{number}"}), qos=1)
            found = await until_answered(host, 200)
        assert all(one["ok"] for one in found)
        assert not any(contract.LOG_DISCONNECTED in line for line in host.board.log)
