"""`mote restart`, `mote identify`, `mote replay`: one order to one board or several."""

import re
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.commands import meeting

if TYPE_CHECKING:
    from motekit.flash import Watch

RESTART = f"Example: mote restart greenhouse\n\n{meeting.ENDS}"
IDENTIFY = f"Example: mote identify greenhouse --seconds 30\n\n{meeting.ENDS}"
REPLAY = f"Example: mote replay greenhouse --since 2h\n\n{meeting.ENDS}"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Devices = Annotated[
    list[str], typer.Argument(metavar="DEVICE|all", help="Devices; all: all that are online.")
]


def restart(
    device: Devices,
    wait: meeting.Wait = meeting.WAIT_S,
    yes: meeting.Yes = False,
    as_json: meeting.AsJson = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Restart boards, and wait until they are online again."""
    names = meeting.boards(device)
    where = meeting.server(server, user, ca, data)

    async def work() -> list[meeting.Result]:
        async with meeting.meeting(where, wait, data) as met:

            async def one(name: str, watch: "Watch") -> meeting.Result:
                watch.begins("restarting")
                return {"version": (await met.orders.restart(name)).version}

            return await meeting.each(await meeting.chosen(met, names, "restarts {}", yes), one)

    meeting.tell(meeting.run(work()), as_json, lambda r: f"{r['device']} is online again")


def identify(
    device: Devices,
    seconds: Annotated[float, typer.Option(min=0.1, max=300, help="For how long.")] = 10,
    wait: meeting.Wait = meeting.WAIT_S,
    yes: meeting.Yes = False,
    as_json: meeting.AsJson = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Let the LED of a board flash: which one is it?"""
    names = meeting.boards(device)
    where = meeting.server(server, user, ca, data)

    async def work() -> list[meeting.Result]:
        async with meeting.meeting(where, wait, data) as met:

            async def one(name: str, _: "Watch") -> meeting.Result:
                return {
                    "seconds": (await met.orders.do(name, "identify", seconds=seconds))["seconds"]
                }

            does = f"lets {{}} flash for {seconds:g} s"
            return await meeting.each(await meeting.chosen(met, names, does, yes), one)

    meeting.tell(
        meeting.run(work()), as_json, lambda r: f"{r['device']} flashes for {r['seconds']:g} s"
    )


def replay(
    device: Devices,
    since: Annotated[
        str, typer.Option(help="How long ago (90s, 30m, 2h, 1d) or a date: 2026-05-01T12:00.")
    ],
    wait: meeting.Wait = meeting.WAIT_S,
    yes: meeting.Yes = False,
    as_json: meeting.AsJson = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Let boards send again what they still have: for a store that lost readings."""
    names = meeting.boards(device)
    begin = _moment(since, time.time())
    where = meeting.server(server, user, ca, data)

    async def work() -> list[meeting.Result]:
        async with meeting.meeting(where, wait, data) as met:

            async def one(name: str, _: "Watch") -> meeting.Result:
                answer = await met.orders.do(name, "replay", since=begin)
                return {"readings": answer["readings"], "since": begin}

            from_ = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(begin))
            does = f"lets {{}} send all readings since {from_} again"
            return await meeting.each(await meeting.chosen(met, names, does, yes), one)

    meeting.tell(
        meeting.run(work()),
        as_json,
        lambda r: f"{r['device']} sends {r['readings']} readings again",
    )


def _moment(text: str, now: float) -> int:
    """Unix time in seconds. Raises typer.BadParameter."""
    if found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text):
        return max(0, int(now - float(found[1]) * _UNITS[found[2]]))
    try:
        # Without a zone it is local time.
        return max(0, int(datetime.fromisoformat(text).timestamp()))
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither a span (90s, 30m, 2h, 1d) nor a date (2026-05-01T12:00)",
            param_hint="--since",
        ) from None
