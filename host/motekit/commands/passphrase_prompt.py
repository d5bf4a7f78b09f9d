"""What commands ask a person before they seal a file, open one, or trust one."""

import sys
from collections.abc import Sequence

import typer

from motekit import passphrases
from motekit.exits import fail
from motekit.passphrases import VARIABLE, PassphraseError
from motekit.terminal import echo

_SHOWN = 10


def for_sealing(is_wanted: bool) -> str:
    """Return the passphrase for a new file, empty for one that is not to be sealed.

    That in the environment seals without a question. A person may leave it to us to make one, which
    is shown once. Raises typer.Exit for a weak one.
    """
    passphrase = passphrases.from_environment()
    if not passphrase and is_wanted:
        passphrase = ask("Passphrase that seals it (Enter: make one)", may_be_empty=True)
        if passphrase and ask("The same again") != passphrase:
            fail("the two passphrases differ: run the command again")
        if not passphrase:
            passphrase = passphrases.new()
            echo(
                f"Passphrase: {passphrase}",
                "Write it down, hyphens included, and keep it apart from the file: nobody opens "
                "the file without it.",
                err=True,
            )
    if passphrase:
        try:
            passphrases.check(passphrase)
        except PassphraseError as error:
            fail(error)
    return passphrase


def ask(what: str, may_be_empty: bool = False) -> str:
    """Return what a person types unseen. Raises typer.Exit where there is no person."""
    if not sys.stdin.isatty():
        fail(f"it needs a passphrase, and nobody is here to type one: set {VARIABLE}")
    default = "" if may_be_empty else None
    answer: str = typer.prompt(what, default, hide_input=True, err=True, show_default=False)
    return answer


def listed(names: Sequence[str]) -> str:
    """Return the first names of a list that may be long."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def ask_or_fail(reason: str, question: str, option: str) -> None:
    """Go on when a person says yes. Raises typer.Exit otherwise; `option` answers for scripts."""
    if not sys.stdin.isatty():
        fail(f"{reason}. If that is right, add {option}")
    echo(reason[0].upper() + reason[1:] + ".", err=True)
    if not typer.confirm(question, default=False, err=True):
        fail("not restored: nothing was changed")
