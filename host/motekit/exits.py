"""How commands end: the exit codes, and the one way to say what went wrong."""

import errno
import os
from typing import NoReturn

import typer

from motekit.terminal import echo_error, json_was_printed, print_json

DONE = 0
FAILED = 1
USAGE = 2
# As a shell reports a program that Ctrl-C ended.
STOPPED = 130
_json_only = False
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)

MEANING = {
    DONE: "all is done",
    FAILED: "it failed (the last line says why and what to do)",
    USAGE: "the command line was not understood",
    STOPPED: "Ctrl-C broke it off",
}
# The meaning of DONE for a command that goes on for ever.
ENDED = "Ctrl-C ended it"


def explained(
    *examples: str,
    done: str = MEANING[DONE],
    failed: str = MEANING[FAILED],
    stopped: str = MEANING[STOPPED],
    note: str = "",
) -> str:
    """The end of a command's help: examples, what its exit codes mean here, and a `note` on them.

    A command that runs until Ctrl-C has no `stopped`: it is done then.
    """
    meaning = {DONE: done, FAILED: failed, USAGE: MEANING[USAGE], STOPPED: stopped}
    codes = "; ".join(f"{code} when {text}" for code, text in meaning.items() if text)
    return "\n\n".join([f"Example: {one}" for one in examples] + [f"Ends with {codes}.{note}"])


def reason(error: Exception) -> str:
    """What is wrong, for a person: the errors of the system do not say what to do, ours do."""
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        where = f" ({error.filename})" if error.filename else ""
        return f"the disk of this computer is full{where}: make room, and run the command again"
    if not isinstance(error, OSError) or not error.filename:
        return str(error) or type(error).__name__
    return f"{error.filename} cannot be used: {error.strerror}. Name another place, or change it"


def complain(text: str) -> None:
    """Say on standard error what went wrong, in red where colours are welcome (no-color.org)."""
    echo_error(f"mote: {text}", color=not os.environ.get("NO_COLOR"))


def answer_in_json() -> None:
    """From now on a command that fails before it printed JSON prints an object with `error`."""
    global _json_only
    _json_only = True


def usage_error_in_json() -> None:
    """Print the object for a command line that was not understood, where JSON was asked for."""
    if _json_only and not json_was_printed():
        print_json({"error": "the command line was not understood: standard error says why"})


def fail(problem: str | Exception) -> NoReturn:
    """End the command with what is wrong on standard error. Raises typer.Exit."""
    text = problem if isinstance(problem, str) else reason(problem)
    if _json_only and not json_was_printed():
        # A program that asked for JSON gets some, also when the command cannot begin.
        print_json({"error": text})
    complain(text)
    raise typer.Exit(FAILED)
