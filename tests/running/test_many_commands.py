"""Commands that are too large or too many, through a real mosquitto: each is answered.

Judge: mosquitto with its default window of 20 messages, which withholds the next command until one
is acknowledged; the sender is Eclipse Paho.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest
from mote import contract
from paho.mqtt.enums import CallbackAPIVersion
from test_obeying import Host, commanded

pytestmark = pytest.mark.anyio
CMD, REPLY = contract.device_topic("dev", "cmd"), contract.device_topic("dev", "reply")
CA = "-----BEGIN CERTIFICATE-----\n" + "A" * 4000 + "\n-----END CERTIFICATE-----\n"


@contextmanager
def sender(port: int) -> Iterator[mqtt.Client]:
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def answers(host: Host) -> list[dict[str, object]]:
    return [json.loads(payload) for topic, payload in host.heard.heard if topic == REPLY]


async def until_answered(host: Host, count: int, timeout_s: float = 120) -> list[dict[str, object]]:
    async with asyncio.timeout(timeout_s):
        while len(found := answers(host)) < count:
            await asyncio.sleep(0.05)
    return found


async def test_commands_that_are_too_large_are_answered_and_later_ones_arrive(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        # More than the broker's window holds: not one may stay without its acknowledgement.
        with sender(host.place.broker.port) as client:
            for number in range(24):
                body = {"cmd": "config", "nonce": f"big{number}", "config": {"x": "y" * 9000}}
                client.publish(CMD, json.dumps(body), qos=1)
            client.publish(CMD, "z" * 30_000, qos=1)
            client.publish(CMD, json.dumps({"cmd": "log", "level": "I", "nonce": "last"}), qos=1)
            found = await until_answered(host, 26)
        assert [one.get("nonce") for one in found] == [
            *(f"big{n}" for n in range(24)),
            None,
            "last",
        ]
        for one in found[:24]:
            assert one["ok"] is False and str(one["error"]).startswith("too large: ")
        assert found[24]["ok"] is False and found[25]["ok"] is True
        assert not any(contract.LOG_DISCONNECTED in line for line in host.board.log)


async def test_two_hundred_commands_in_a_row_are_answered_in_their_order(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        before = await heap_low(host)
        await host.ask("one", cmd="config")
        cost = before - await heap_low(host)
        with sender(host.place.broker.port) as client:
            for number in range(200):
                command = {"cmd": "config", "nonce": f"n{number}"}
                client.publish(CMD, json.dumps(command), qos=1)
            found = (await until_answered(host, 201))[1:]
        assert [one["nonce"] for one in found] == [f"n{number}" for number in range(200)]
        assert all(one["ok"] for one in found)
        lost = sum(contract.LOG_DISCONNECTED in line for line in host.board.log)
        assert lost == 2, "the connection was lost, other than for the figure of the heap"
        # A flood costs the heap of a few commands.
        assert 0 < before - await heap_low(host) < 3 * cost


async def test_a_configuration_with_a_long_ca_is_tried(tmp_path) -> None:
    async with commanded(tmp_path) as host:
        answer = await host.ask("n1", cmd="config", config={"mqtt": {"ca": CA}})
        assert answer["ok"] is True, answer
        since = len(host.heard.heard)
        assert (await host.answer("n1", since))["done"] is True
        told = await host.ask("n2", cmd="config")
        assert told["config"]["mqtt"]["ca"] == CA


async def test_a_long_configuration_that_breaks_a_rule_is_taken_back_with_the_reason(
    tmp_path,
) -> None:
    async with commanded(tmp_path) as host:
        changes = {"mqtt": {"ca": CA}, "interval": 0}
        answer = await host.ask("n1", cmd="config", config=changes)
        since = len(host.heard.heard)
        if answer["ok"]:
            answer = await host.answer("n1", since)
        assert answer["ok"] is False and "interval must be at least 1" in answer["error"], answer
        assert (await host.ask("n2", cmd="config"))["config"]["mqtt"]["ca"] == ""


async def heap_low(host: Host) -> int:
    """The least that was free for Python, as the board tells on a new connection."""
    info = contract.device_topic("dev", "info")
    told = sum(topic == info for topic, _ in host.heard.heard)
    await host.place.broker.stop()
    await host.place.broker.start()
    async with asyncio.timeout(120):
        while len(found := [text for topic, text in host.heard.heard if topic == info]) <= told:
            await asyncio.sleep(0.1)
    return int(json.loads(found[-1])["heap_low"])
