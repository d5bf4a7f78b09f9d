"""`mote stack backup`, `restore` and `upgrade`: keeping what there is."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit.commands import stack_shared
from motekit.exits import fail

if TYPE_CHECKING:
    from motekit.stack.compose import Compose
    from motekit.stack.installation import Installation

PASSPHRASE = "MOTE_BACKUP_PASSPHRASE"
BACKUP = (
    "Example: mote stack backup --seal /media/usb/mote.backup\n\n"
    f"{PASSPHRASE} seals as well, and nobody is asked."
)
RESTORE = "Example: mote stack restore mote-20261121-140000.backup"
UPGRADE = "Example: git pull && mote stack upgrade"


def backup(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; mote-<time>.backup here unless given.")
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="Ask for a passphrase that seals it.")
    ] = False,
) -> None:
    """Copy everything into one file while it runs: readings, accounts, secrets, dashboards.

    Who has the file has every password in it, unless it is sealed.
    """
    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    target = file or Path(f"mote-{time.strftime('%Y%m%d-%H%M%S')}.backup")
    passphrase = os.environ.get(PASSPHRASE, "")
    if seal and not passphrase:
        asked = "Passphrase, without which nobody restores it"
        passphrase = typer.prompt(asked, hide_input=True, confirmation_prompt=True, err=True)
    _backup(installation, compose, target.resolve(), passphrase)
    size = target.stat().st_size / 1e6
    typer.echo(f"{target}: {size:.1f} MB, {'sealed' if passphrase else 'not sealed'}")
    typer.echo(f"Back to it: mote stack restore {target}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup.", exists=True, dir_okay=False)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Stop and put aside the backend that is here.")
    ] = False,
    services: Annotated[
        list[str] | None, typer.Option("--only", help="Start only these services afterwards.")
    ] = None,
) -> None:
    """Bring back a backup, here or on an empty machine, and start it.

    What is here already is put aside, not removed. Boards send again what came after the backup.
    """
    from motekit.stack import backup as backups
    from motekit.stack.compose import StackError, is_rootless

    installation = stack_shared.installation(context)
    compose = stack_shared.compose(installation)
    if installation.made and not yes:
        fail(
            f"there is a backend in {installation.state}. With --yes it is stopped and put aside, "
            "and the backup takes its place"
        )
    try:
        passphrase = os.environ.get(PASSPHRASE, "")
        if backups.needs_passphrase(file) and not passphrase:
            passphrase = typer.prompt("Passphrase", hide_input=True, err=True)
        with _progress("restore") as tell:
            aside = backups.restore(file, installation, compose, passphrase, is_rootless(), tell)
        stack_shared.make(installation, None)
        compose.start(services or [])
        stack_shared.wait(compose, services or [])
    except (StackError, OSError) as error:
        fail(str(error))
    typer.echo(f"Restored {file}. Boards send again what came after it, as they come online.")
    if aside:
        typer.echo(f"What was here is in {aside}; remove it when all is well.")
    stack_shared.say_where(installation, compose)


def upgrade(context: typer.Context) -> None:
    """Bring the services to the versions in docker/versions.env: pull, backup, start, check."""
    from motekit.stack.compose import StackError
    from motekit.stack.installation import DOCKER, versions

    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    try:
        changes = compose.outdated()
        if not changes:
            typer.echo("Everything that runs has the version of docker/versions.env already.")
            return
        for name, (old, new) in changes.items():
            typer.echo(f"{name}: {old} → {new}")
        compose.pull(list(changes))
    except StackError as error:
        fail(str(error))
    folder = installation.backups
    target = folder / f"before-upgrade-{time.strftime('%Y%m%d-%H%M%S')}.backup"
    _backup(installation, compose, target, os.environ.get(PASSPHRASE, ""))
    variable = {image: key for key, image in versions().items()}
    lines = sorted({f"  {variable.get(new, new)}={old}" for old, new in changes.values()})
    back = "\n".join(
        (
            f"To go back, put this into {DOCKER / 'versions.env'}:",
            *lines,
            f"then: mote stack restore --yes {target}",
        )
    )
    try:
        compose.start(list(changes))
        stack_shared.wait(compose, [])
    except StackError as error:
        fail(f"{error}\n{back}")
    typer.echo(f"Upgraded; all services are healthy. {back}")


def _backup(
    installation: "Installation",
    compose: "Compose",
    target: Path,
    passphrase: str,
) -> None:
    from motekit.stack import backup as backups
    from motekit.stack.compose import StackError

    try:
        with _progress("backup") as tell:
            backups.make(installation, compose, target, passphrase, tell)
    except (StackError, OSError) as error:
        fail(f"no backup was made: {error}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:
    from rich.console import Console

    with Console(stderr=True).status(what) as line:
        yield lambda text: line.update(f"{what}: {text}")
