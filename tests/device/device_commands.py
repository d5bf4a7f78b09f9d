"""Commands without a broker: what is answered, and what is done how often."""

import asyncio
import json

from mote import log
from mote.commands import Commands, Refused
from still_time import StillTime


class Host:
    """Takes the answers; `broken` makes them not go out."""

    def __init__(self, **handlers):
        self.answers = []
        self.broken = False
        self.commands = Commands(lambda: handlers, self.take, "before")

    async def take(self, text):
        if self.broken:
            raise OSError(128)
        self.answers.append(json.loads(text))

    async def send(self, payload):
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.commands.received(payload)
        await asyncio.sleep_ms(20)


async def test_an_answer_bears_command_and_nonce_and_what_the_handler_says():
    async def work(command):
        return {"seen": command["x"]}

    host = Host(work=work)
    await host.send({"cmd": "work", "nonce": "a", "x": 5})
    assert host.answers == [{"cmd": "work", "nonce": "a", "ok": True, "seen": 5}]


async def test_a_copy_is_answered_again_and_done_once_even_while_the_first_is_at_work():
    done = []

    async def slow(command):
        done.append(command["nonce"])
        await asyncio.sleep_ms(60)
        return {"value": 1}

    host = Host(slow=slow)
    with StillTime():
        await host.send({"cmd": "slow", "nonce": "a"})
        await host.send({"cmd": "slow", "nonce": "a"})
        await asyncio.sleep_ms(100)
        await host.send({"cmd": "slow", "nonce": "a"})
    assert done == ["a"] and len(host.answers) == 3
    assert host.answers[-1] == {"cmd": "slow", "nonce": "a", "ok": True, "value": 1}


async def test_a_refusal_and_an_unknown_command_say_why():
    async def no(command):
        raise Refused("because")

    host = Host(no=no)
    await host.send({"cmd": "no", "nonce": "a"})
    await host.send({"cmd": "what", "nonce": "b"})
    assert host.answers[0]["error"] == "because" and not host.answers[0]["ok"]
    assert "known: no" in host.answers[1]["error"]


async def test_what_is_no_command_gets_no_answer():
    host = Host()
    for payload in (b"", b"\xff\xfe", b"[]", b"7", b"null", b'{"cmd":1}', b'{"cmd":"a","nonce":1}',
                    b'{"cmd":"a","nonce":""}', b"{" * 200, b"x" * 5000, b"[" * 5000,
                    b'{"cmd":"a"}', b'{"cmd":"a","nonce":"' + b"n" * 41 + b'"}'):  # fmt: skip
        await host.send(payload)
    assert host.answers == []


async def test_a_copy_while_the_first_is_at_work_is_not_told_ok_before_it_is():
    async def no(command):
        await asyncio.sleep_ms(60)
        raise Refused("after all")

    host = Host(no=no)
    with StillTime():
        await host.send({"cmd": "no", "nonce": "a"})
        await host.send({"cmd": "no", "nonce": "a"})
        assert host.answers == []
        await asyncio.sleep_ms(150)
    assert [answer["ok"] for answer in host.answers] == [False, False]


async def test_the_outcome_after_a_restart_is_also_what_a_copy_gets():
    host = Host()
    await host.commands.conclude("config", "before", "the old one is back")
    await host.send({"cmd": "config", "nonce": "before"})
    assert len(host.answers) == 2 and host.answers[0] == host.answers[1]
    assert host.answers[1]["ok"] is False


async def test_a_command_that_there_is_no_memory_for_is_refused():
    async def big(command):
        raise MemoryError

    host = Host(big=big)
    await host.send({"cmd": "big", "nonce": "a"})
    assert host.answers[0]["ok"] is False and "memory" in host.answers[0]["error"]


async def test_what_follows_comes_after_the_answer():
    order = []

    async def restart(command):
        return {}, lambda: order.append(("after", len(host.answers)))

    host = Host(restart=restart)
    await host.send({"cmd": "restart", "nonce": "a"})
    assert order == [("after", 1)]


async def test_an_answer_that_did_not_go_out_goes_out_with_the_next_copy():
    async def work(command):
        return {"value": 7}

    host = Host(work=work)
    host.broken = True
    lines = []
    log.tap = lines.append
    await host.send({"cmd": "work", "nonce": "a"})
    log.tap = None
    assert any("the answer did not go out" in line for line in lines), lines
    host.broken = False
    await host.send({"cmd": "work", "nonce": "a"})
    assert host.answers == [{"cmd": "work", "nonce": "a", "ok": True, "value": 7}]


async def test_the_command_of_the_last_restart_is_not_done_again():
    done = []

    async def restart(command):
        done.append(1)

    host = Host(restart=restart)
    await host.send({"cmd": "restart", "nonce": "before"})
    assert not done and host.answers[0]["ok"]


async def test_a_command_that_is_no_strict_json_is_answered_with_its_fault():
    async def work(command):
        return {"seen": command["config"]}

    host = Host(work=work)
    for number, (config, fault) in enumerate(
        (
            ('{"a": 1, "a": 2}', "'a' is there twice"),
            ('"\\ud83d"', "half of a character"),
            ("1e999", "too large"),
            ("[1 2]", "a comma"),
            ("[" * 20 + "]" * 20, "nested"),
        )
    ):
        await host.send(b'{"cmd":"work","nonce":"n%d","config":%s}' % (number, config.encode()))
        answer = host.answers[-1]
        assert answer["ok"] is False and answer["nonce"] == "n%d" % number, answer
        assert "not JSON: line 1" in answer["error"] and fault in answer["error"], answer


async def test_an_escaped_emoji_of_another_tool_is_one_character():
    async def work(command):
        return {"seen": command["ssid"]}

    host = Host(work=work)
    await host.send(b'{"cmd":"work","nonce":"a","ssid":"\\ud83d\\ude00"}')
    assert host.answers[-1]["seen"] == "\U0001f600"
