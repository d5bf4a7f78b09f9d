"""`mote shell`: the Python prompt of a board."""

import sys
from typing import Annotated

import typer

from motekit.exits import FAILED, fail


def command(
    port: Annotated[
        str, typer.Argument(help="The board's port; the only board there is unless given.")
    ] = "",
) -> None:
    """Open the Python prompt (REPL) of a board. Ctrl-C stops its program, Ctrl-] ends the shell.

    Ctrl-D there starts the board's program again.

    Example: mote shell /dev/ttyUSB0
    """
    from motekit.serial import ports, remote

    if not sys.stdin.isatty():
        fail("the shell needs a terminal; without one: `mpremote connect PORT exec 'print(1)'`")
    try:
        path = ports.choose(port)
        # Tried first: what mpremote says about a port that cannot be opened helps nobody.
        with ports.opened(path):
            pass
        done = remote.shell(path)
    except ports.PortError as error:
        fail(str(error))
    raise typer.Exit(FAILED if done else 0)
