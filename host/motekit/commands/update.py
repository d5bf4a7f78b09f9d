"""`mote update`: a new version for boards, over the air, in waves."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import terminal
from motekit.commands import bundle as bundles
from motekit.commands import meeting
from motekit.commands.orders import Devices
from motekit.exits import FAILED, STOPPED, complain, explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.orders import Device
    from motekit.update import Bundle, Downgrade
    from motekit.update.rollout import Turn
    from motekit.update.send import Progress

EPILOG = explained(
    "mote update all --canary 1 --wave 5",
    done="every board runs the new version",
    failed="one does not (the table says which board has what)",
    note=" After 1 and 130 the same command goes on with the boards that are left.",
)


def command(
    device: Devices,
    bundle: Annotated[
        Path | None,
        typer.Option(
            help="A file of `mote bundle`; else this Mote's firmware is built and signed for each "
            "board.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    canary: Annotated[
        int, typer.Option(min=0, help="Update this many boards first; 0 turns this off.")
    ] = 1,
    wave: Annotated[int, typer.Option(min=1, help="Update this many at a time after that.")] = 10,
    again: Annotated[
        bool, typer.Option("--again", help="Also boards that have this version already.")
    ] = False,
    downgrade: Annotated[
        bool, typer.Option("--downgrade", help="Let these boards go back to an older version.")
    ] = False,
    wait: meeting.Wait = meeting.WAIT_S,
    yes: meeting.Yes = False,
    as_json: meeting.AsJson = False,
    server: meeting.Server_ = meeting.HERE,
    user: meeting.User = "",
    ca: meeting.Ca = None,
    data: meeting.Data = None,
) -> None:
    """Bring a new version to boards over the air: a few first (`--canary 1`), then in waves.

    It stops at the first failure. A board counts as updated when it is online with the new version;
    it goes back to the old one by itself when it does not get there. An update that broke off goes
    on where it was.
    """
    names = meeting.boards(device)
    given = _read(bundle) if bundle else None
    where = meeting.server(server, user, ca, data)
    turns: list[list[Turn]] = []
    versions: dict[str, str] = {}

    async def work() -> bool:
        from motekit.update.rollout import Turn, roll_out, waves

        async with meeting.meeting(where, wait, data) as met:
            devices = await _devices(met, names)
            versions.update({one.id: one.version for one in devices})
            ready = await asyncio.to_thread(_bundles, devices, given, downgrade)
            left = _left(devices, ready, again)
            plan = waves(left, canary, wave)
            if not plan:
                return True
            if len(left) > 1:
                meeting.agree(*_planned(plan, ready, versions), yes=yes)
            turns.extend([Turn(name, ready[name]) for name in one] for one in plan)
            try:
                with _shown() as watch:
                    return await roll_out(turns, met.talk, met.roster, watch)
            finally:
                versions.update({name: met.roster.device(name).version for name in left})

    done = False
    try:
        done = meeting.run(
            work(), "stopped; the same command goes on with the boards that are left"
        )
    except typer.Exit as end:
        if end.exit_code != STOPPED:
            raise
        _tell(turns, versions, as_json)
        raise
    _tell(turns, versions, as_json)
    if not done:
        raise typer.Exit(FAILED)


def _read(file: Path) -> "Bundle":
    from motekit import update

    try:
        return update.read(file)
    except update.BundleError as error:
        fail(error)


async def _devices(met: meeting.Meeting, names: list[str]) -> "list[Device]":
    """The boards to update, all online. Raises OrderError, typer.Exit."""
    if names == [meeting.ALL]:
        names = await meeting.everybody(met)
    return [await met.orders.introduced(name) for name in names]


def _bundles(
    devices: "list[Device]", given: "Bundle | None", downgrade: bool
) -> "dict[str, Bundle]":
    """Return the bundle for each device: the given one, or one of our firmware. typer.Exit."""
    made: dict[str, Bundle] = {}
    ready: dict[str, Bundle] = {}
    for one in devices:
        if given:
            ready[one.id] = given
            continue
        key = str(one.info.get("profile", ""))
        if not key:
            fail(f"{one.id} does not say which board it is: give --bundle, made with `mote bundle`")
        if key not in made:
            echo(f"Building the firmware for {key} ...", err=True)
            made[key] = bundles.of_firmware(key)
        # A downgrade is for one board: what others record of it is of no use to them.
        ready[one.id] = bundles.of_firmware(key, _of(one)) if downgrade else made[key]
    return ready


def _of(device: "Device") -> "Downgrade":
    from motekit.update import Downgrade

    return Downgrade(replaces=device.version, device=device.id)


def _left(devices: "list[Device]", ready: "dict[str, Bundle]", again: bool) -> list[str]:
    """Without those that have the version already, which are told."""
    from motekit.update.bundle import APPLICATION

    have = [
        one.id
        for one in devices
        if ready[one.id].manifest["kind"] == APPLICATION
        and one.version == ready[one.id].manifest["version"]
        and not again
    ]
    if have:
        echo(f"Up to date (--again sends it all the same): {', '.join(have)}", err=True)
    return [one.id for one in devices if one.id not in have]


def _planned(
    plan: list[list[str]], ready: "dict[str, Bundle]", versions: dict[str, str]
) -> list[str]:
    """What will be done, wave by wave."""
    lines = [f"This updates {sum(map(len, plan))} boards and stops at the first failure:"]
    for number, wave in enumerate(plan, 1):
        moves = (f"{n} {versions[n] or '?'} -> {ready[n].manifest['version']}" for n in wave)
        lines.append(f"  wave {number}: {', '.join(moves)}")
    return lines


@contextmanager
def _shown() -> "Iterator[Callable[[str], Progress]]":
    """Bars on a terminal, a few lines in a log; gives who shows one device."""

    from motekit.flash import display
    from motekit.update.send import SENDING

    with display.on(terminal.console(stderr=True), asks=False) as bars:

        def watch(name: str) -> "Progress":
            shown = bars.watch(name)

            def progress(step: str, done: int, total: int) -> None:
                shown.begins(step)
                if step == SENDING:
                    shown.progress(done, total)

            return progress

        yield watch


def _tell(turns: "list[list[Turn]]", versions: dict[str, str], as_json: bool) -> None:
    """Which board has what, and why."""
    from motekit.update.rollout import Outcome

    all_turns = {one.device: one for wave in turns for one in wave}
    told = [
        {
            "device": name,
            "version": version,
            "outcome": str(all_turns[name].outcome) if name in all_turns else "up to date",
            "error": all_turns[name].error if name in all_turns else "",
        }
        for name, version in sorted(versions.items())
    ]
    if as_json:
        print_json(told, indent=1)
    else:
        for one in told:
            echo(f"{one['device']}: {one['outcome']}, has {one['version'] or '?'}")
    for one in told:
        if one["error"]:
            complain(one["error"])
    untried = sum(one.outcome is Outcome.UNTRIED for one in all_turns.values())
    if untried:
        complain(f"stopped at the first failure; left as they are: {untried}")
