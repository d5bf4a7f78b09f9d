"""A board that is short of memory for a moment, and what is no answer, on a real mosquitto.

The board is an Eclipse Paho client that answers by a list, in the words of the firmware.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from house_of_one import Broker
from mote import contract
from motekit import orders
from motekit.orders.conversation import MEMORY_ATTEMPTS
from paho.mqtt.enums import CallbackAPIVersion

pytestmark = pytest.mark.anyio
NO_MEMORY = {"ok": False, "error": f"too large: 748 bytes, {contract.NO_MEMORY}"}
DONE = {"ok": True, "at": 512}
# `motekit.orders` has a function of this name, too.
CONVERSATION = import_module("motekit.orders.conversation")


@asynccontextmanager
async def answering(folder: Path, answers: Iterator[Any]) -> AsyncIterator[orders.Server]:
    """A broker with a board `dev` that gives its next answer to each command."""
    broker = Broker(folder, "allow_anonymous true")
    await broker.start()
    board = mqtt.Client(CallbackAPIVersion.VERSION2)

    def subscribe(*_: Any) -> None:
        board.subscribe(contract.device_topic("dev", "cmd"), 1)

    def answer(_: Any, __: Any, message: mqtt.MQTTMessage) -> None:
        nonce = {"nonce": json.loads(message.payload)["nonce"]}
        for one in next(answers):
            board.publish(contract.device_topic("dev", "reply"), json.dumps(one | nonce), 1)

    board.on_connect, board.on_message = subscribe, answer
    board.connect("127.0.0.1", broker.port)
    board.loop_start()
    try:
        yield orders.Server("127.0.0.1", broker.port)
    finally:
        board.disconnect()
        board.loop_stop()
        await broker.stop()


async def test_a_board_that_is_short_of_memory_is_asked_again(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(CONVERSATION, "MEMORY_PAUSE_S", 0.05)
    answers = iter([[NO_MEMORY], [{"ok": False, "error": contract.NO_MEMORY}], [DONE]])
    async with answering(tmp_path, answers) as server, orders.conversation(server) as talk:
        found = await talk.ask("dev", 60, cmd="update", at=0, data="")
    assert found["at"] == 512 and next(answers, None) is None


async def test_a_board_that_stays_short_of_memory_is_believed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(CONVERSATION, "MEMORY_PAUSE_S", 0.01)
    asked = 0

    def never() -> Iterator[Any]:
        nonlocal asked
        while True:
            asked += 1
            yield [NO_MEMORY]

    async with answering(tmp_path, never()) as server, orders.conversation(server) as talk:
        found = await talk.ask("dev", 60, cmd="config")
    assert found["error"] == NO_MEMORY["error"] and asked == MEMORY_ATTEMPTS


@pytest.mark.parametrize("error", ["too large: 9000 bytes, at most 6144", "no such command"])
async def test_what_the_board_will_never_do_is_asked_once(tmp_path, error: str) -> None:
    answers = iter([[{"ok": False, "error": error}], [DONE]])
    async with answering(tmp_path, answers) as server, orders.conversation(server) as talk:
        assert (await talk.ask("dev", 60, cmd="config"))["error"] == error


async def test_what_is_no_answer_is_ignored(tmp_path) -> None:
    strange: list[dict[str, Any]] = [{}, {"ok": "yes"}, {"ok": None}, {"ok": 1}, DONE]
    async with answering(tmp_path, iter([strange])) as server, orders.conversation(server) as talk:
        assert (await talk.ask("dev", 60, cmd="config"))["ok"] is True
