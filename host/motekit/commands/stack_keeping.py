"""`mote stack backup`, `restore` and `upgrade`: keeping what there is."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import terminal
from motekit.commands import stack_shared
from motekit.commands.stack_shared import Json
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.stack.compose import Compose
    from motekit.stack.installation import Installation

PASSPHRASE = "MOTE_BACKUP_PASSPHRASE"
BACKUP = explained(
    "mote stack backup --seal /media/usb/mote.backup",
    note=f" {PASSPHRASE} seals as well, and nobody is asked.",
)
RESTORE = explained(
    "mote stack restore mote-20261121-140000.backup",
    done="all services are healthy with what the backup holds",
)
UPGRADE = explained(
    "mote stack upgrade",
    done="all services are healthy, or there was nothing to do",
    failed="it failed (the last lines say why, and how to go back)",
)


def backup(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; mote-<time>.backup here unless given.")
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="Ask for a passphrase that seals it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy everything into one file while it runs: readings, accounts, secrets, dashboards.

    Who has the file has every password in it, unless it is sealed.
    """
    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    target = file or Path(f"mote-{time.strftime('%Y%m%d-%H%M%S')}.backup")
    passphrase = os.environ.get(PASSPHRASE, "")
    if seal and not passphrase:
        passphrase = _ask("Passphrase, without which nobody restores it", twice=True)
    _backup(installation, compose, target.resolve(), passphrase)
    size, is_sealed = target.stat().st_size, bool(passphrase)
    if as_json:
        facts = {"file": str(target.resolve()), "bytes": size, "sealed": is_sealed}
        print_json(facts)
        return
    echo(f"{target}: {size / 1e6:.1f} MB, {'sealed' if is_sealed else 'not sealed'}")
    echo(f"Back to it: mote stack restore {target}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup.", exists=True, dir_okay=False)],
    yes: Annotated[
        bool, typer.Option("--yes", help="Stop and put aside the backend that is here.")
    ] = False,
    services: Annotated[
        list[str] | None, typer.Option("--only", help="Start only these services afterwards.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring back a backup, here or on an empty machine, and start it.

    What is here already is put aside, not removed. Boards send again what came after the backup.
    """
    from motekit.stack import backup as backups
    from motekit.stack.compose import is_rootless

    installation = stack_shared.installation(context)
    compose = stack_shared.compose(installation)
    if installation.made and not yes:
        fail(
            f"there is a backend in {installation.state}. With --yes it is stopped and put aside, "
            "and the backup takes its place"
        )
    with stack_shared.failures_told():
        passphrase = os.environ.get(PASSPHRASE, "")
        if backups.needs_passphrase(file) and not passphrase:
            passphrase = _ask("Passphrase")
        with _progress("restore") as tell:
            aside = backups.restore(file, installation, compose, passphrase, is_rootless(), tell)
        stack_shared.make(installation, None)
        compose.start(services or [])
        stack_shared.wait(compose, services or [])
        where = stack_shared.where(installation, compose)
    if as_json:
        facts = {"restored": str(file), "put_aside": str(aside) if aside else None}
        print_json(facts | {"addresses": where}, indent=1)
        return
    echo(f"Restored {file}. Boards send again what came after it, as they come online.")
    if aside:
        echo(f"What was here is in {aside}; remove it when all is well.")
    stack_shared.say_where(where)


def upgrade(context: typer.Context, as_json: Json = False) -> None:
    """Bring the services to this version of Mote: pull, back up, start, check."""
    from motekit.stack.installation import DOCKER, versions

    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    with stack_shared.failures_told():
        changes = compose.outdated()
    reconfigured = installation.stale()
    if not changes and not reconfigured:
        said = "Everything that runs has the version of docker/versions.env already."
        if as_json:
            print_json({"upgraded": {}, "backup": None})
        else:
            echo(said)
        return
    for name, (old, new) in changes.items():
        echo(f"{name}: {old} → {new}", err=as_json)
    for name in reconfigured:
        echo(f"{name}: new configuration", err=as_json)
    with stack_shared.failures_told():
        if changes:
            compose.pull(list(changes))
    target = installation.backups / f"before-upgrade-{time.strftime('%Y%m%d-%H%M%S')}.backup"
    _backup(installation, compose, target, os.environ.get(PASSPHRASE, ""))
    variable = {image: key for key, image in versions().items()}
    lines = sorted({f"  {variable.get(new, new)}={old}" for old, new in changes.values()})
    back = (
        "To go back, check out the version of Mote that was here before"
        + (f", or put this into {DOCKER / 'versions.env'}:" if lines else ""),
        *lines,
        f"then: mote stack restore --yes {target}",
    )
    try:
        with stack_shared.failures_told():
            stack_shared.make(installation, None)
            if services := sorted({*changes, *reconfigured} & set(compose.created())):
                compose.start(services)
            stack_shared.wait(compose, [])
    except typer.Exit:
        echo(*back, err=True)
        raise
    if as_json:
        upgraded = {name: {"from": old, "to": new} for name, (old, new) in changes.items()}
        print_json({"upgraded": upgraded, "backup": str(target)}, indent=1)
    else:
        echo("Upgraded; all services are healthy.", *back)


def _backup(
    installation: "Installation",
    compose: "Compose",
    target: Path,
    passphrase: str,
) -> None:
    from motekit.stack import backup as backups

    with stack_shared.failures_told("no backup was made: "), _progress("backup") as tell:
        backups.make(installation, compose, target, passphrase, tell)


def _ask(what: str, twice: bool = False) -> str:
    if not sys.stdin.isatty():
        fail(f"it needs a passphrase, and nobody is here to type one: set {PASSPHRASE}")
    answer: str = typer.prompt(what, hide_input=True, confirmation_prompt=twice, err=True)
    return answer


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:

    with terminal.console(stderr=True).status(what) as line:
        yield lambda text: line.update(f"{what}: {text}")
