"""`mote demo`: hub, three publishing boards and one in its setup portal, on this machine alone."""

import asyncio
from typing import Annotated

import typer

from motekit.exits import FAILED, fail


def command(
    seconds: Annotated[
        int, typer.Option(min=0, help="Run unattended for so long, fill the portal, then judge.")
    ] = 0,
    browser: Annotated[
        bool, typer.Option(help="Open the dashboard in the browser, if there is one.")
    ] = True,
) -> None:
    """Show the whole product: broker, store, dashboard and four virtual boards.

    Three boards publish; the fourth waits in its setup portal. With --seconds nobody is needed, and
    it ends with 0 only when readings of all four boards were stored.

    Example: mote demo --seconds 60
    """
    from motesim.errors import SimulationError

    from motekit.demo.show import Show
    from motekit.hub import HubError
    from motekit.packages import PackageError

    try:
        complete = asyncio.run(Show(seconds, browser).run())
    except (HubError, SimulationError, PackageError) as error:
        fail(str(error))
    raise typer.Exit(0 if complete else FAILED)
