"""Updates over the air of the application: a real broker, a real runtime, a virtual board."""

import asyncio
import json
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from mote import contract
from motekit import orders, update
from updated import (
    CRASH,
    HANGS,
    NEVER_ONLINE,
    NOT_EVEN_LOADED,
    SHORT_TRIAL,
    Change,
    Owner,
    owned,
)

pytestmark = pytest.mark.anyio
INFO = contract.device_topic("dev", "info")


async def runs(owner: Owner, version: str) -> None:
    """Returns when the last thing that the board says of itself is that it runs `version`."""
    async with asyncio.timeout(180):
        while True:
            told = [json.loads(payload) for topic, payload in owner.heard.heard if topic == INFO]
            if told and told[-1]["version"] == version:
                return
            await asyncio.sleep(0.05)


async def test_a_new_version_is_sent_switched_to_and_stays(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        steps: list[str] = []
        await owner.send(await owner.bundle("0.1.10"), lambda step, *_: steps.append(step))
        assert steps[0] == "checking" and steps[-1] == "trial" and steps.count("sending") > 20
        await runs(owner, "0.1.10")
        assert any(contract.LOG_UPDATED + "0.1.10" in line for line in owner.board.log)
        # And back into the first slot: both times the board keeps its key and its settings.
        await owner.send(await owner.bundle("0.2.0"))
        await runs(owner, "0.2.0")
        await owner.board.reset()
        await owner.board.wait_for_log("mote 0.2.0 on", 60)
        await owner.board.cut_power()
        files = owner.board.flash.files()
        assert json.loads(owner.board.flash.read("slots.json")) == {"slot": "a"}
        assert "/update.json" not in files and not any(f.startswith("/update/") for f in files)
        assert "/app_b/mote/app.mpy" in files


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ((CRASH,), "RuntimeError: a bad release"),
        ((NOT_EVEN_LOADED,), "no_such_module"),
        ((NEVER_ONLINE, SHORT_TRIAL), "did not get online"),
    ],
    ids=["crashes", "cannot be loaded", "never gets online"],
)
async def test_a_bad_version_makes_room_for_the_old_one_which_says_why(
    tmp_path, changes: tuple[Change, ...], words: str
) -> None:
    async with owned(tmp_path) as owner:
        bundle = await owner.bundle("0.2.0", *changes)
        with pytest.raises(update.UpdateError, match=words) as failed:
            await owner.send(bundle)
        assert failed.value.rolled_back and "rolled back" in str(failed.value)
        await runs(owner, "0.1.9")
        # And can be updated all the same.
        await owner.send(await owner.bundle("0.2.1"))
        await runs(owner, "0.2.1")


async def test_a_version_that_hangs_is_ended_by_the_watchdog_and_by_power_cycles(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        bundle = await owner.bundle("0.2.0", HANGS)
        sending = asyncio.create_task(owner.send(bundle))
        since = 0
        for _ in range(3):
            await owner.board.wait_for_log("mote 0.2.0 on", 60, since=since)
            since = len(owner.board.log)
            await owner.board.reset()
        with pytest.raises(update.UpdateError, match="rolled back"):
            await sending
        await runs(owner, "0.1.9")


async def test_it_goes_on_where_it_was_after_the_broker_and_the_board_were_away(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        bundle = await owner.bundle("0.2.0")
        there: list[int] = []
        sending = asyncio.create_task(
            owner.send(bundle, lambda _, done, total: there.append(done * 100 // total))
        )

        async def reached(percent: int) -> None:
            async with asyncio.timeout(300):
                while not there or there[-1] < percent:
                    assert not sending.done(), await sending
                    await asyncio.sleep(0.02)

        await reached(30)
        await owner.place.broker.stop()
        await owner.board.wait_for_log(contract.LOG_DISCONNECTED, 60)
        await owner.place.broker.start()
        await reached(60)
        await owner.board.cut_power()
        await owner.board.power_on()
        await sending
        assert there == sorted(there), "nothing that had arrived was wanted again"
        await runs(owner, "0.2.0")


async def test_what_is_not_for_this_board_is_refused_and_changes_nothing(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        good = await owner.bundle("0.2.0")
        stranger = ec.generate_private_key(ec.SECP256R1())
        foreign = replace(owner, key=stranger).signed(good)
        old = await owner.bundle("0.1.8")
        cases = {
            "signature is not by the key": foreign,
            "is not by the key that": replace(good, text=good.text.replace("0.2.0", "0.2.9")),
            "for ESP32C3, the board has ESP32": owner.signed(good, chip="ESP32C3"),
            "for the board tinypico, this is": owner.signed(good, board="tinypico"),
            "needs MicroPython 1.100": owner.signed(good, micropython="1.100"),
            r"needs \d+ KB of flash, \d+ KB are free": owner.signed(good, space=1 << 24),
            "0.1.8 is older than 0.1.9": old,
            "format 2": owner.signed(good, mote=2),
            "damaged": owner.signed(good, version=None),
            "has one slot for MicroPython": owner.signed(good, kind="image", version="2.0"),
        }
        for words, bundle in cases.items():
            with pytest.raises(update.UpdateError, match=words) as refused:
                await owner.send(bundle)
            assert not refused.value.rolled_back
        server = orders.Server("127.0.0.1", owner.place.broker.port)
        async with orders.conversation(server) as talk:
            for number, command in enumerate(
                ({"finish": True}, {"at": 0, "data": ""}, {"begin": 5}, {}, {"begin": {}})
            ):
                answer = await talk.ask("dev", 60, cmd="update", **command)
                assert answer["ok"] is False and answer["error"], (number, answer)
        assert not any(contract.LOG_RESTART in line for line in owner.board.log)
        # What allows a downgrade is signed with the rest.
        await owner.send(owner.signed(old, downgrade={"device": "dev"}))
        await runs(owner, "0.1.8")


async def test_a_piece_that_was_damaged_on_the_way_is_sent_again(tmp_path) -> None:
    async with owned(tmp_path) as owner:
        bundle = await owner.bundle("0.2.0")
        server = orders.Server("127.0.0.1", owner.place.broker.port)
        begin = {"manifest": bundle.text, "signature": bundle.signature.hex()}
        async with orders.conversation(server) as talk:
            began = await talk.ask("dev", 60, cmd="update", begin=begin)
            for data, words in (("AAA", "damaged"), ("AAAA", "arrived with 3 bytes")):
                refused = await talk.ask("dev", 60, cmd="update", at=0, data=data)
                assert not refused["ok"] and words in refused["error"], refused
        # A bit that turned shows when the file is whole.
        assert began["chunk"] < 5000 < bundle.manifest["first"]["size"]
        turned = bytearray(bundle.stream)
        turned[5000] ^= 1
        with pytest.raises(update.UpdateError, match="files arrived damaged"):
            await owner.send(replace(bundle, stream=bytes(turned)))
        await owner.send(bundle)
        await runs(owner, "0.2.0")
