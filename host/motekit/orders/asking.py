"""Gives an order to a board and says, when nothing comes of it, why."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mote import contract, patience

from motekit.orders.conversation import Answer, Asked, Conversation, Message
from motekit.orders.roster import Device, Roster

ANSWER_S = 20.0
# A restart, and the way back into WiFi and to the server.
RETURN_S = 120.0
# From `online` to the first words about itself: it announces its metrics before.
INTRODUCTION_S = 30.0
# The trial of a configuration, then the way back with the old one.
OUTCOME_S = patience.PROBATION_MS / 1000 + 180
# The server sends what one publishes oneself at once.
_ECHO_S = 3.0
_UNKNOWN = "there is no command"


class OrderError(Exception):
    """A board has not done it; the text says why and what to do."""


class Orders:
    """Gives orders to boards; a board that is offline is waited for, `wait_s` seconds."""

    def __init__(self, talk: Conversation, roster: Roster, wait_s: float = 0) -> None:
        self._talk, self._roster, self._wait_s = talk, roster, wait_s

    async def present(self, device: str) -> Device:
        """What is known of `device`, which is online. Raises OrderError."""
        allowed = await self._roster.watch(device)
        async for _ in self._roster.until(self._wait_s):
            known = self._roster.device(device)
            if known.online:
                return known
        if not allowed:
            raise OrderError(
                f"the server does not let this login read {contract.device_topic(device, 'status')}"
                ": log in with one that may, such as the hub's owner"
            )
        if known.online is None:
            raise OrderError(
                f"nothing is known of {device} on this server: `mote devices` shows who is there"
            )
        raise OrderError(
            f"{device} is offline{since(known)}: look whether it has power and WiFi; "
            "--wait SECONDS waits until it is back"
        )

    async def introduced(self, device: str) -> Device:
        """The same when it has said what it is, which it does soon after it came. OrderError."""
        known = await self.present(device)
        async for _ in self._roster.until(INTRODUCTION_S):
            if known.info:
                return known
        raise OrderError(
            f"{device} is online and does not say what it is: restart it, or look at its serial "
            "log with `mote monitor`"
        )

    async def do(self, device: str, cmd: str, **entries: Any) -> Answer:
        """The answer of `device`. Raises OrderError."""
        async with self._under_way(device, cmd, **entries) as (_, answer):
            return answer

    async def restart(self, device: str) -> Device:
        """Returns when it is online again. Raises OrderError."""
        before = (await self.present(device)).arrivals
        await self.do(device, "restart")
        async for _ in self._roster.until(RETURN_S):
            known = self._roster.device(device)
            if known.online and known.arrivals > before:
                return known
        raise OrderError(
            f"{device} went to restart and is not online again after {RETURN_S:.0f} s: look at its "
            "serial log with `mote monitor`"
        )

    async def configure(self, device: str, patch: dict[str, Any]) -> None:
        """Merge `patch` into its configuration; returns when it is online with it. OrderError."""
        if contract.is_device_id(str(patch.get("id", ""))):
            # It tells the outcome under its new name.
            self._talk.hear_replies(patch["id"])
        async with self._under_way(device, "config", config=patch) as (asked, answer):
            try:
                answer = await asked.outcome(answer, OUTCOME_S)
            except TimeoutError:
                raise OrderError(
                    f"{device} went to try the new configuration and has not been heard of for "
                    f"{OUTCOME_S / 60:.0f} min. It takes the old one by itself when it cannot get "
                    "online: look whether it has power and WiFi"
                ) from None
            _judge(self._roster.device(device), "config", answer)

    @asynccontextmanager
    async def _under_way(
        self, device: str, cmd: str, **entries: Any
    ) -> AsyncIterator[tuple[Asked, Answer]]:
        known = await self.present(device)
        async with self._talk.asked(device, cmd=cmd, **entries) as asked:
            try:
                answer = await asked.answer(ANSWER_S)
            except TimeoutError:
                raise OrderError(await self._silence(known, asked)) from None
            _judge(known, cmd, answer)
            yield asked, answer

    async def _silence(self, device: Device, asked: Asked) -> str:
        """Why there is no answer."""
        if not self._roster.device(device.id).online:
            return f"{device.id} went offline before it answered: run the command again"
        reply = contract.device_topic(device.id, "reply")
        if not await self._talk.may_hear(reply):
            return f"the server does not let this login read {reply}"
        # Without a word a server drops what a login may not write: then it does not come back.
        if not await self._echoed(asked):
            return (
                f"{device.id} is online and does not answer: the server seems to keep this login "
                f"from writing {asked.topic}. Log in with one that may, such as the hub's owner"
            )
        return (
            f"{device.id} is online with firmware {device.version or '?'} and has not answered for "
            f"{ANSWER_S:.0f} s: it is busy, or its firmware is too old for commands. Try again, "
            "or look at its serial log with `mote monitor`"
        )

    async def _echoed(self, asked: Asked) -> bool:
        """Whether a copy of the command, which changes nothing, goes through the server."""
        back = asyncio.Event()

        def heard(message: Message) -> None:
            if message.payload == asked.payload.encode():
                back.set()

        self._talk.hear(asked.topic, heard)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ECHO_S):
                if not await self._talk.may_hear(asked.topic):
                    # Who may write may not read here: nothing is known.
                    return True
                asked.send()
                await back.wait()
        return back.is_set()


def since(device: Device) -> str:
    """` since 14:03` or with the day, or nothing when it is not known."""
    if not device.changed:
        return ""
    then = time.localtime(device.changed)
    today = time.localtime()[:3] == then[:3]
    return time.strftime(" since %H:%M:%S" if today else " since %Y-%m-%d %H:%M", then)


def _judge(device: Device, cmd: str, answer: Answer) -> None:
    if answer["ok"]:
        return
    error = str(answer.get("error", "refused"))
    if error.startswith(_UNKNOWN):
        raise OrderError(
            f"{device.id} has firmware {device.version or '?'}, which is too old for `{cmd}`: "
            f"bring it up to date with `mote update {device.id}`"
        )
    if error.startswith(contract.PASSWORD_NEEDED):
        raise OrderError(
            f"{device.id}: {error}: the board sends it only to the server that it was given for. "
            "Add mqtt.password to the same command, without a value: it prompts. Nothing entered "
            "means no login"
        )
    raise OrderError(f"{device.id}: {error}")
