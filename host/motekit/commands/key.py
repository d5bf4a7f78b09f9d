"""`mote key`: a copy of the key that signs updates, and back."""

from pathlib import Path
from typing import Annotated

import typer

from motekit import passphrases
from motekit.commands import passphrase_prompt
from motekit.exits import explained, fail
from motekit.passphrases import VARIABLE
from motekit.terminal import echo, print_json

app = typer.Typer(
    help="Keep a sealed copy of the key that signs updates.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(
    "export",
    epilog=explained(
        "mote key export /media/usb/update-key.sealed",
        note=f" {VARIABLE} is the passphrase without a question.",
    ),
)
def export(
    file: Annotated[Path, typer.Argument(help="Where to; a file that is not there yet.")],
    as_json: AsJson = False,
) -> None:
    """Write a sealed copy of the key that signs updates.

    Boards trust it for good: without it they take no update over the air, and whoever has it can
    run a program on them.
    """
    from motekit.update import keys

    if not keys.key_file().exists():
        fail(f"there is no key for updates: {keys.key_file()} is made with the first firmware")
    if file.exists():
        fail(f"{file} exists already: choose another name, or remove it")
    passphrase = passphrase_prompt.for_sealing(True)
    try:
        public = keys.export(file, passphrase)
    except keys.KeyFileError as error:
        fail(error)
    shown = keys.fingerprint(public)
    if as_json:
        print_json({"file": str(file.resolve()), "fingerprint": shown})
    else:
        echo(
            f"{file}: the key {shown}, sealed", f"Back on another computer: mote key import {file}"
        )


@app.command(
    "import",
    epilog=explained(
        "mote key import /media/usb/update-key.sealed",
        note=f" {VARIABLE} is the passphrase without a question.",
    ),
)
def import_(
    file: Annotated[
        Path, typer.Argument(help="A file of `mote key export`.", exists=True, dir_okay=False)
    ],
    as_json: AsJson = False,
) -> None:
    """Bring back the key that signs updates, where there is none."""
    from motekit.update import keys

    try:
        # Nobody types a passphrase for a file that is none of ours.
        keys.check_export(file)
        passphrase = passphrases.from_environment() or passphrase_prompt.ask("Passphrase")
        public = keys.import_(file, passphrase)
    except keys.KeyFileError as error:
        fail(error)
    shown = keys.fingerprint(public)
    if as_json:
        print_json({"key": str(keys.key_file()), "fingerprint": shown})
    else:
        echo(f"{keys.key_file()}: the key {shown}")
