"""`mote shell`: the Python prompt of a board."""

import sys
from typing import Annotated

import typer

from motekit.commands import completion
from motekit.exits import FAILED, explained, fail

EPILOG = explained("mote shell /dev/ttyUSB0", done="Ctrl-] ended it", stopped="")


def command(
    port: Annotated[
        str,
        typer.Argument(
            help="The board's port; the only board there is unless given.",
            autocompletion=completion.ports,
        ),
    ] = "",
) -> None:
    """Open the Python prompt (REPL) of a board; Ctrl-] ends it.

    Ctrl-C there stops the board's program, Ctrl-D starts it again.
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
        fail(error)
    raise typer.Exit(FAILED if done else 0)
