"""Sends a bundle to one board over MQTT, and waits until the new version has proven itself.

Whatever is lost on the way is sent again from where the board says that it is. What the commands
mean is written in `firmware/mote/UPDATES.md`.
"""

import base64
from collections import Counter
from collections.abc import Callable
from typing import Any

from mote import patience

from motekit.orders.conversation import Answer, Conversation
from motekit.update.bundle import Bundle

# A board that does not answer for this long at the beginning is not there; in the middle it may be
# restarting, or its WiFi or the server.
FIRST_ANSWER_S = 60.0
SILENCE_S = 300.0
# The trial, and the time that the old version takes to come back and say so.
OUTCOME_S = patience.UPDATE_TRIAL_MS / 1000 + 300
# How often the same part of a bundle may be refused for the same reason, and for any reason. Losing
# the connection is one (the board wants to begin again), data damaged on the way another.
SAME_REFUSALS = 3
ALL_REFUSALS = 12
CHECKING, SENDING, TRIAL = "checking", "sending", "trial"
# Told (step, bytes that are there, bytes in all).
Progress = Callable[[str, int, int], None]


class UpdateError(Exception):
    """A board has not got the new version; the text says why. With `rolled_back` it tried it."""

    def __init__(self, text: str, *, rolled_back: bool = False) -> None:
        super().__init__(text)
        self.rolled_back = rolled_back


async def send(
    bundle: Bundle, device: str, talk: Conversation, progress: Progress = lambda *_: None
) -> None:
    """Returns when `device` runs the new version and is online with it. Raises UpdateError.

    Any number of these may run in one conversation, for different devices.
    """
    total = len(bundle.stream)
    progress(CHECKING, 0, total)
    offset, chunk = await _begin(bundle, device, talk, FIRST_ANSWER_S)
    refusals: Counter[str] = Counter()
    furthest = offset
    while offset < total:
        progress(SENDING, offset, total)
        data = base64.b64encode(bundle.stream[offset : offset + chunk]).decode("ascii")
        answer = await _ask(talk, device, SILENCE_S, at=offset, data=data)
        if answer["ok"] and answer["at"] > offset:
            offset = answer["at"]
            # What is only sent again is no way forward.
            if offset > furthest:
                furthest = offset
                refusals.clear()
            continue
        reason = str(answer.get("error", "it takes no more"))
        refusals[reason] += 1
        if refusals[reason] > SAME_REFUSALS or refusals.total() > ALL_REFUSALS:
            raise UpdateError(f"{device}: {reason}")
        offset, chunk = await _begin(bundle, device, talk, SILENCE_S)
    progress(TRIAL, total, total)
    await _finish(device, talk)


async def _begin(
    bundle: Bundle, device: str, talk: Conversation, timeout: float
) -> tuple[int, int]:
    """From which byte on the board wants the stream, and how many of them at a time."""
    begin = {"manifest": bundle.text, "signature": bundle.signature.hex()}
    answer = await _ask(talk, device, timeout, begin=begin)
    if not answer["ok"]:
        raise UpdateError(f"{device}: {answer['error']}")
    return int(answer["at"]), int(answer["chunk"])


async def _finish(device: str, talk: Conversation) -> None:
    async with talk.asked(device, cmd="update", finish=True) as asked:
        try:
            answer = await asked.answer(SILENCE_S)
        except TimeoutError:
            raise _silent(device, SILENCE_S) from None
        # What is refused now was never tried; the outcome of the trial comes by the same nonce.
        tried = bool(answer["ok"])
        try:
            answer = await asked.outcome(answer, OUTCOME_S)
        except TimeoutError:
            raise UpdateError(
                f"{device} went to try the new version and has not been heard of for "
                f"{OUTCOME_S / 60:.0f} min: it goes back to the old one by itself when it cannot "
                "get online; look whether it has power and WiFi"
            ) from None
        if not answer["ok"]:
            raise UpdateError(f"{device}: {answer['error']}", rolled_back=tried)


async def _ask(talk: Conversation, device: str, timeout: float, **command: Any) -> Answer:
    try:
        return await talk.ask(device, timeout, cmd="update", **command)
    except TimeoutError:
        raise _silent(device, timeout) from None


def _silent(device: str, timeout: float) -> UpdateError:
    return UpdateError(
        f"{device} has not answered for {timeout:.0f} s: is it on, and connected to this server? "
        "An update goes on where it was when it is sent again"
    )
