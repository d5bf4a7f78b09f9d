"""How commands end: the exit codes, and the one way to say what went wrong."""

from typing import NoReturn

import typer

DONE = 0
FAILED = 1
USAGE = 2
# As a shell reports a program that Ctrl-C ended.
STOPPED = 130

MEANING = {
    DONE: "done",
    FAILED: "failed; the last line says why and what to do",
    USAGE: "the command line was not understood",
    STOPPED: "stopped with Ctrl-C",
}


def fail(text: str) -> NoReturn:
    """End the command with `text` on standard error. Raises typer.Exit."""
    typer.secho(f"mote: {text}", err=True, fg=typer.colors.RED)
    raise typer.Exit(FAILED)
