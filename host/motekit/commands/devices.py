"""`mote devices`: the boards on a server, as they come and go."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from motekit.commands import meeting
from motekit.exits import explained, fail
from motekit.terminal import console, echo, print_json, styled

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from motekit.orders import Device, Roster

EPILOG = explained("mote devices --once --json")
REFRESH_S = 1.0


def command(
    once: Annotated[
        bool, typer.Option("--once", help="Show it once and end; so it does without a terminal.")
    ] = False,
    listen: Annotated[
        float,
        typer.Option(
            min=0, help="With --once, seconds to listen for a reading of each board that is online."
        ),
    ] = 3,
    stack: Annotated[
        bool,
        typer.Option(
            "--stack",
            help="Ask the backend on this machine (mote stack, profile full): at once, with the "
            "last reading of boards that sleep or are offline too.",
        ),
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="With --once a list; else an object a line for each change."),
    ] = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Show the boards, live: online, or offline since when; version, signal, readings.

    Also how many readings wait on a board, how many it lost, and the last one; and what to do where
    two clients with one id evict each other.

    Boards that a hub on this machine knows are shown with the time since when they are offline.
    """
    if stack:
        _show(_of_the_stack(), as_json)
        return
    where = meeting.server(server, user, ca, data)

    async def show() -> None:
        async with meeting.meeting(where, data=data) as met:
            if not await met.roster.watch(readings=True):
                fail(
                    f"{where} does not let this login read devices/ and sensors/: "
                    "log in with one that may, such as the hub's owner"
                )
            if once or not (as_json or sys.stdout.isatty()):
                await _once(met.roster, listen, as_json)
            elif as_json:
                await _changes(met.roster)
            else:
                await _live(met.roster)

    meeting.run(show())


async def _once(roster: "Roster", listen: float, as_json: bool) -> None:
    async for _ in roster.until(listen):
        if all(roster.devices[name].readings for name in roster.online()):
            break
    _show(_sorted(roster), as_json)


def _of_the_stack() -> "list[Device]":
    from motekit.orders import Device
    from motekit.stack.installation import DOCKER, Installation
    from motekit.stack.instant import InstantError, devices

    state = os.environ.get("MOTE_STATE")
    try:
        found = devices(Installation(Path(state) if state else DOCKER / "state"))
    except InstantError as error:
        fail(str(error))
    return [
        Device(
            one["id"],
            one["online"],
            one["changed"] or 0,
            one["info"],
            {name: (said["value"], said["time"]) for name, said in one["readings"].items()},
        )
        for one in found
    ]


def _show(devices: "list[Device]", as_json: bool) -> None:

    if as_json:
        print_json([_as_object(one) for one in devices], indent=1)
    elif devices:
        # As wide as it needs to be where nobody looks at the width.
        width = None if sys.stdout.isatty() else 200
        console(width=width).print(_overview(devices))
    else:
        echo("No board has ever been on this server.", err=True)


async def _changes(roster: "Roster") -> None:
    shown: dict[str, dict[str, Any]] = {}
    async for _ in roster.until(float("inf")):
        for one in _sorted(roster):
            present = _as_object(one)
            if shown.get(one.id) != present:
                shown[one.id] = present
                print_json(present)


async def _live(roster: "Roster") -> None:
    import asyncio

    from rich.live import Live

    with Live(_overview(_sorted(roster)), console=console(), auto_refresh=False) as live:
        while True:
            live.update(_overview(_sorted(roster)), refresh=True)
            await asyncio.sleep(REFRESH_S)


def _sorted(roster: "Roster") -> "list[Device]":
    return [roster.devices[name] for name in sorted(roster.devices)]


def _as_object(device: "Device") -> dict[str, Any]:
    readings = {m: {"value": v, "time": t} for m, (v, t) in sorted(device.readings.items())}
    return {
        "id": device.id,
        "online": bool(device.online),
        # Unix time, or null where nobody knows.
        "changed": device.changed or None,
        "info": device.info,
        "hint": device.hint or None,
        "readings": readings,
    }


def _overview(devices: "list[Device]") -> "Group":
    """The table, and below it what a person should do."""
    from rich.console import Group

    hints = [styled(one.hint, "yellow") for one in devices if one.hint]
    return Group(_table(devices), *hints)


def _table(devices: "list[Device]") -> "Table":
    from rich.table import Table

    from motekit.orders import since

    shown = Table(
        "Device", "State", "Version", "Signal", "Waiting", "Lost", "Last reading",
        box=None, header_style="bold green",
    )  # fmt: skip
    for number in (3, 4, 5):
        shown.columns[number].justify = "right"
    for one in devices:
        state = styled("online", "green") if one.online else styled("offline" + since(one), "red")
        if one.safe_mode:
            state = styled("safe mode", "yellow")
        rssi = one.info.get("rssi")
        shown.add_row(
            one.id,
            state,
            one.version or "-",
            f"{rssi} dBm" if rssi else "-",
            *(str(one.info.get(key, "-")) for key in ("queue", "lost")),
            _last(one),
        )
    return shown


def _last(device: "Device") -> str:
    """The most telling metric of those that were heard, and how long ago."""
    from motekit.hub.metrics import describe, rank
    from motekit.hub.metrics import show as shown

    if not device.readings:
        return "-"
    metric = min(device.readings, key=rank)
    value, heard = device.readings[metric]
    age = max(0, time.time() - heard)
    return f"{shown(metric, value)} {describe(metric).unit} {metric}, {age:.0f} s ago"
