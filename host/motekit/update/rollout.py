"""Rolls a fleet forward: a few boards first, then the rest in waves; the first failure stops it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from motekit.orders.conversation import Conversation
from motekit.orders.roster import Roster
from motekit.update.bundle import APPLICATION, Bundle
from motekit.update.send import Progress, UpdateError, send

# A board tells what it runs right after it said that the update is done.
TOLD_S = 60.0


class Outcome(StrEnum):
    """What became of one board."""

    UPDATED = "updated"
    # It tried the new version, and went back by itself.
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    # The command was interrupted; the board goes on from where it is.
    STOPPED = "stopped"
    # The rollout was over before its turn.
    UNTRIED = "not tried"


@dataclass
class Turn:
    """One board of a rollout; `error` says why it has not got the new version."""

    device: str
    bundle: Bundle
    outcome: Outcome = Outcome.UNTRIED
    error: str = ""


def waves(devices: list[str], canary: int, size: int) -> list[list[str]]:
    """Who is updated together, in order: `canary` boards, then `size` at a time."""
    first, rest = devices[:canary], devices[canary:]
    later = [rest[start : start + size] for start in range(0, len(rest), size)]
    return [first, *later] if first else later


async def roll_out(
    turns: list[list[Turn]], talk: Conversation, roster: Roster,
    watch: Callable[[str], Progress],
) -> bool:  # fmt: skip
    """Wave after wave, until all are updated or one is not; the outcomes are in `turns`.

    The roster has to watch the boards. True when every board runs its new version.
    """
    for wave in turns:
        await asyncio.gather(*(_turn(one, talk, roster, watch(one.device)) for one in wave))
        if any(one.outcome is not Outcome.UPDATED for one in wave):
            return False
    return True


async def _turn(turn: Turn, talk: Conversation, roster: Roster, progress: Progress) -> None:
    # Whoever is interrupted in the middle was not left untried.
    turn.outcome = Outcome.STOPPED
    turn.error = f"{turn.device}: stopped; the same command goes on where it was"
    try:
        await send(turn.bundle, turn.device, talk, progress)
        await _runs(turn, roster)
    except UpdateError as error:
        turn.error = str(error)
        turn.outcome = Outcome.ROLLED_BACK if error.rolled_back else Outcome.FAILED
        return
    turn.outcome, turn.error = Outcome.UPDATED, ""


async def _runs(turn: Turn, roster: Roster) -> None:
    """Returns when the board is online and says that it runs the version. Raises UpdateError."""
    wanted = turn.bundle.manifest["version"]
    async for _ in roster.until(TOLD_S):
        known = roster.device(turn.device)
        # What an image brings is the version of MicroPython, which a board does not tell.
        if known.online and turn.bundle.manifest["kind"] != APPLICATION:
            return
        if known.online and known.version == wanted:
            return
    raise UpdateError(
        f"{turn.device} said that it was updated, and is not seen online with {wanted}: "
        "look at it with `mote devices`"
    )
