"""`mote demo`: hub, three publishing boards and one in its setup portal, on this machine alone."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer

from motekit.exits import FAILED, complain, explained, fail
from motekit.terminal import print_json

EPILOG = explained(
    "mote demo --seconds 60",
    done="Ctrl-C ended it, or readings of all expected boards were stored within --seconds: "
    "all four, or without the fourth below 40 s",
    failed="they were not, or it could not begin",
    stopped="",
)


def command(
    seconds: Annotated[
        int,
        typer.Option(
            min=0,
            help="Run unattended: once the boards run, fill the portal, stop after so long, judge.",
        ),
    ] = 0,
    browser: Annotated[
        bool, typer.Option(help="Open the dashboard in the browser, if there is one.")
    ] = True,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print what was stored as JSON, at the end.")
    ] = False,
) -> None:
    """Show the whole product: broker, store, dashboard and four virtual boards.

    Three boards publish; the fourth waits in its setup portal. `--seconds 60` runs unattended.
    """
    from motesim.errors import SimulationError

    from motekit.demo.show import Show
    from motekit.hub import HubError
    from motekit.packages import PackageError

    try:
        seen = asyncio.run(Show(seconds, browser, aside=as_json).run())
    except (HubError, SimulationError, PackageError) as error:
        fail(error)
    if as_json:
        print_json({**asdict(seen), "complete": seen.complete}, indent=1)
    if seconds and not seen.complete:
        complain(
            f"no readings of {', '.join(seen.missing)} in {seconds} s. On a busy computer it takes "
            "longer: try --seconds 120"
        )
        raise typer.Exit(FAILED)
