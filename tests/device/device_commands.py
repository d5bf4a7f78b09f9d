"""Commands without a broker: what is answered, and what is done how often."""

import asyncio
import json

from mote import log
from mote.commands import Commands, Refused
from mote.mqtt import connecting, packets, protocol
from scripted_broker import Broker, publish_id
from still_time import StillTime


class Host:
    """Takes the answers; `broken` makes them not go out, `silent` does not acknowledge them."""

    def __init__(self, **handlers):
        self.answers = []
        self.broken = self.silent = False
        self.commands = Commands(lambda: handlers, self.post, "before")

    async def post(self, text):
        if self.broken:
            raise OSError(128)
        self.answers.append(json.loads(text))
        return len(self.answers) if self.silent else 0

    def acknowledge(self):
        """The broker has everything that was sent so far."""
        for number in range(len(self.answers)):
            self.commands.has_arrived(number + 1)

    async def send(self, payload):
        """Send a command, and wait a moment: a slow one is done later."""
        payload = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.task = asyncio.create_task(self.commands.received(payload))
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
    await host.send({"cmd": "work", "nonce": "a"})
    assert host.answers == []
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
        return {"seen": command["config"]["ssid"]}

    host = Host(work=work)
    await host.send(b'{"cmd":"work","nonce":"a","config":{"ssid":"\\ud83d\\ude00"}}')
    assert host.answers[-1]["seen"] == "\U0001f600"


async def test_the_next_command_is_not_taken_before_the_last_is_answered():
    order = []

    async def slow(command):
        order.append("begin " + command["nonce"])
        await asyncio.sleep_ms(50)
        order.append("end " + command["nonce"])

    host = Host(slow=slow)
    for nonce in "ab":
        await host.commands.received(json.dumps({"cmd": "slow", "nonce": nonce}).encode())
        order.append("answered %d" % len(host.answers))
    assert order == ["begin a", "end a", "answered 1", "begin b", "end b", "answered 2"], order


async def test_an_answer_waits_for_a_connection_and_goes_out_by_itself():
    async def work(command):
        return {"value": 7}

    host = Host(work=work)
    host.broken = True
    await host.send({"cmd": "work", "nonce": "a"})
    host.broken = False
    await host.commands.connected()
    assert host.answers == [{"cmd": "work", "nonce": "a", "ok": True, "value": 7}]
    # Acknowledged, it is not sent once more.
    await host.commands.connected()
    assert len(host.answers) == 1


async def test_an_answer_whose_connection_broke_before_its_acknowledgement_is_sent_again():
    async def work(command):
        return {}

    host = Host(work=work)
    host.silent = True
    await host.send({"cmd": "work", "nonce": "a"})
    host.commands.disconnected()
    await host.commands.connected()
    assert [answer["nonce"] for answer in host.answers] == ["a", "a"]
    host.acknowledge()
    host.commands.disconnected()
    await host.commands.connected()
    assert len(host.answers) == 2


async def test_a_connection_that_breaks_in_the_middle_does_not_break_the_command_off():
    done = []

    async def slow(command):
        await asyncio.sleep_ms(50)
        done.append(1)

    host = Host(slow=slow)
    reader = asyncio.create_task(host.commands.received(b'{"cmd":"slow","nonce":"a"}'))
    await asyncio.sleep_ms(20)
    host.broken = True
    reader.cancel()
    host.commands.disconnected()
    await asyncio.sleep_ms(80)
    host.broken = False
    await host.commands.connected()
    assert done == [1] and host.answers[0]["ok"]


async def test_many_answers_that_nobody_acknowledges_are_bounded_and_said_to_be_unsure():
    async def work(command):
        return {"value": "x" * 200}

    host = Host(work=work)
    host.silent = True
    for i in range(50):
        await host.commands.received(json.dumps({"cmd": "work", "nonce": str(i)}).encode())
    assert len(host.answers) == 50
    kept = sum(len(entry.text) for entry in host.commands._entries)
    assert kept <= 2048 + 300 and len(host.commands._entries) <= 8, kept
    lines = []
    log.tap = lines.append
    host.commands.disconnected(50)
    log.tap = None
    sent_again = len(host.commands._entries)
    assert any("%d answers may not have arrived" % (50 - sent_again) in line for line in lines)
    await host.commands.connected()
    assert [one["nonce"] for one in host.answers[50:]] == [
        str(i) for i in range(50 - sent_again, 50)
    ]


async def test_answers_that_wait_too_long_for_a_connection_are_given_up_aloud():
    async def work(command):
        return {}

    host = Host(work=work)
    host.broken = True
    lines = []
    log.tap = lines.append
    for i in range(12):
        await host.commands.received(json.dumps({"cmd": "work", "nonce": str(i)}).encode())
    log.tap = None
    # One place is that of the command before the restart.
    assert sum("given up" in line for line in lines) == 4, lines
    host.broken = False
    await host.commands.connected()
    assert [one["nonce"] for one in host.answers] == [str(i) for i in range(4, 12)]


async def test_a_long_answer_is_kept_until_it_has_arrived():
    async def work(command):
        return {"value": "x" * 5000}

    host = Host(work=work)
    host.broken = True
    await host.send({"cmd": "work", "nonce": "a"})
    host.broken = False
    await host.commands.connected()
    assert len(host.answers[0]["value"]) == 5000


async def test_a_restart_waits_until_its_answer_has_arrived():
    left = []

    async def restart(command):
        return {}, lambda: left.append(1)

    host = Host(restart=restart)
    host.silent = True
    await host.send({"cmd": "restart", "nonce": "a"})
    assert not left
    # Not even a lost connection hurries it.
    host.commands.disconnected()
    await host.commands.connected()
    await asyncio.sleep_ms(20)
    assert not left and len(host.answers) == 2
    host.acknowledge()
    await asyncio.sleep_ms(20)
    assert left == [1]


async def test_a_command_that_is_too_large_is_answered_with_its_nonce_where_it_is_found():
    host = Host()
    for excerpt, cmd, nonce in (
        (b'{"cmd":"config","nonce":"n1","config":{"mqtt":{"ca":"AAAA', "config", "n1"),
        (
            b'{"cmd": "config", "config": {"mqtt": {"ca": "AAAAAAAA"}}, "nonce" : "n2"}',
            "config",
            "n2",
        ),
        (b'{"config":{"ca":"AAAA', None, None),
        (b'{"nonce":"' + b"n" * 41 + b'"', None, None),
        (b'{"nonce":"\xff\xfe"', None, None),
        (b'{"nonce":"a\\u0041"', None, None),
        (b"", None, None),
    ):
        since = len(host.answers)
        await host.commands.too_large(memoryview(excerpt), 20000, 6144)
        answer = host.answers[since]
        assert answer["ok"] is False and answer["error"].startswith("too large: 20000 bytes")
        assert (answer.get("cmd"), answer.get("nonce")) == (cmd, nonce), answer


async def test_a_command_of_the_wrong_kind_and_a_handler_that_fails_end_nothing():
    async def bad(command):
        raise KeyError("what")

    host = Host(bad=bad)
    await host.send(b'{"cmd":["bad"],"nonce":"a"}')
    assert host.answers[0]["nonce"] == "a" and host.answers[0]["ok"] is False
    assert host.answers[0]["error"] == "cmd must be the name of a command"
    await host.send({"cmd": "bad", "nonce": "b"})
    assert host.answers[1]["ok"] is False and "KeyError" in host.answers[1]["error"]
    await host.send({"cmd": "bad", "nonce": "c"})
    assert len(host.answers) == 3


async def test_an_answer_survives_a_broker_that_goes_before_it_acknowledges():
    heard = []

    async def script(broker):
        await broker.accept()
        if not heard:
            command = b'{"cmd":"work","nonce":"a"}'
            await broker.send(packets.publish("devices/d/cmd", command, False, 1, 7))
        _, body = await broker.packet()
        heard.append(body[4 + body[1] :])
        if len(heard) == 2:
            await broker.send(b"\x40\x02" + publish_id(body))
            await broker.packet()

    async def work(command):
        return {}

    connection = []
    commands = Commands(lambda: {"work": work}, lambda text: connection[-1].post("reply", text))
    async with Broker(script) as broker:
        for _ in range(2):
            one = protocol.Session("dev", "127.0.0.1", broker.port)
            connection.append(one)
            one.set_callback(lambda topic, message: commands.received(message))
            one.on_arrived = commands.has_arrived
            await one.connect(await connecting.connect(one.server, one.port))
            await commands.connected()
            if len(heard) < 2 and len(connection) == 1:
                await asyncio.wait_for(one.closed.wait(), 60)
                commands.disconnected()
        while commands._entries[0].pid != 0:
            await asyncio.sleep_ms(10)
        one.close()
    assert len(heard) == 2 and heard[0] == heard[1]
    assert json.loads(heard[0]) == {"cmd": "work", "nonce": "a", "ok": True}
