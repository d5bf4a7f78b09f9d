"""`mote stack backup`, `restore` and `upgrade`: keeping what there is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import passphrases, terminal
from motekit.commands import passphrase_prompt, stack_shared
from motekit.commands.passphrase_prompt import ask_or_fail, listed
from motekit.commands.stack_shared import Json
from motekit.exits import explained
from motekit.passphrases import VARIABLE
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.stack.compose import Compose
    from motekit.stack.installation import Installation
    from motekit.stack.restore import Prepared

# So many names are shown.
_SHOWN = 10

BACKUP = explained(
    "mote stack backup --seal /media/usb/mote.backup",
    note=f" {VARIABLE} seals as well, and nobody is asked.",
)
RESTORE = explained(
    "mote stack restore mote-20261121-140000.backup",
    done="all services are healthy with what the backup holds",
    failed="it failed, and what was here is here again (the last line says why and what to do)",
    note=f" With {VARIABLE} set, a file that is not sealed is refused.",
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
        bool, typer.Option("--seal", help="Seal it with a passphrase, which can be made for you.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy everything into one file while it runs: readings, accounts, secrets, dashboards.

    Who has the file has every password in it, unless it is sealed. Only a sealed one has the key of
    the certificate authority.
    """
    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    target = file or Path(f"mote-{time.strftime('%Y%m%d-%H%M%S')}.backup")
    passphrase = passphrase_prompt.for_sealing(seal)
    _backup(installation, compose, target.resolve(), passphrase)
    size, is_sealed = target.stat().st_size, bool(passphrase)
    if as_json:
        facts = {"file": str(target.resolve()), "bytes": size, "sealed": is_sealed}
        print_json(facts)
        return
    how = "sealed" if is_sealed else "not sealed: without the key of the authority (--seal)"
    echo(f"{target}: {size / 1e6:.1f} MB, {how}")
    echo(f"Back to it: mote stack restore {target}")


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup.", exists=True, dir_okay=False)],
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Do not ask: put aside the backend that is here, trust a file that is not sealed.",
        ),
    ] = False,
    services: Annotated[
        list[str] | None, typer.Option("--only", help="Start only these services afterwards.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bring back a backup, here or on an empty machine, and start it.

    What is here already is put aside, not removed, and is here again if the restore fails. Boards
    send again what came after the backup.
    """
    from motekit.stack import restore as restores
    from motekit.stack.compose import Compose, is_rootless

    installation = stack_shared.recovered(context)
    compose = stack_shared.compose(installation)
    with stack_shared.failures_told():
        passphrase = passphrases.from_environment()
        if restores.is_sealed(file) and not passphrase:
            passphrase = passphrase_prompt.ask("Passphrase")
        with _progress("restore") as tell:
            prepared = restores.prepare(file, installation, passphrase, is_rootless(), tell)
    try:
        _confirm(file, prepared, installation, yes)
        with stack_shared.failures_told(), _progress("restore") as tell:

            def finish() -> None:
                tell("starting the services")
                installation.make(None, is_rootless())
                restored = Compose(installation)
                restored.start(services or [])
                restored.wait(services or [], stack_shared.WAIT_S, lambda _: None)

            aside = restores.apply(prepared, installation, compose, tell, finish)
            where = stack_shared.where(installation, Compose(installation))
    finally:
        prepared.discard()
    if as_json:
        facts = {
            "restored": str(file),
            "put_aside": str(aside) if aside else None,
            "sealed": prepared.is_sealed,
            "left_out": prepared.left_out,
            "returning_accounts": prepared.returning,
            "older_passwords": prepared.older,
        }
        print_json(facts | {"addresses": where}, indent=1)
        return
    echo(f"Restored {file}. Boards send again what came after it, as they come online.")
    if aside:
        echo(f"What was here is in {aside}; remove it when all is well.")
    stack_shared.say_where(where)


def _confirm(file: Path, prepared: "Prepared", installation: "Installation", is_sure: bool) -> None:
    """Say what the backup brings, and ask. Raises typer.Exit when it is not wanted."""
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(prepared.made))
    echo(
        f"{file}: a backup of {made}, {'sealed' if prepared.is_sealed else 'not sealed'}", err=True
    )
    for one in prepared.left_out[:_SHOWN]:
        echo(f"Left out: {one}", err=True)
    if more := len(prepared.left_out) - _SHOWN:
        echo(f"Left out: {more} more", err=True) if more > 0 else None
    if prepared.returning:
        echo(
            f"Accounts that were removed since come back: {listed(prepared.returning)}. "
            "`mote stack remove` removes them again",
            err=True,
        )
    if prepared.older:
        echo(f"Accounts that have the password of {made} again: {listed(prepared.older)}", err=True)
    if not installation.made:
        echo(f"Every account of {made} can log in again; see `mote stack list`", err=True)
    if is_sure:
        return
    reasons = []
    if not prepared.is_sealed:
        reasons.append(
            f"{file} is not sealed: whoever could write to it chose its passwords, accounts and "
            "readings"
        )
    if installation.made:
        reasons.append(
            f"there is a backend in {installation.state}, which is stopped and put aside, and the "
            "backup takes its place"
        )
    if reasons:
        ask_or_fail(". Also, ".join(reasons), "Restore it", "--yes")


def upgrade(context: typer.Context, as_json: Json = False) -> None:
    """Bring the services to this version of Mote: pull, back up, start, check."""
    from motekit.stack import client_ids
    from motekit.stack.installation import DOCKER, versions

    installation = stack_shared.made(context)
    compose = stack_shared.compose(installation)
    passphrase = passphrase_prompt.for_sealing(False)
    with stack_shared.failures_told():
        changes = compose.outdated()
    reconfigured = installation.stale()
    renamed = client_ids.is_needed(installation)
    if not changes and not reconfigured and not renamed:
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
    if renamed:
        echo("telegraf: client ids that nobody else can know", err=as_json)
    with stack_shared.failures_told():
        if changes:
            compose.pull(list(changes))
    target = installation.backups / f"before-upgrade-{time.strftime('%Y%m%d-%H%M%S')}.backup"
    _backup(installation, compose, target, passphrase)
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
            created = set(compose.created())
            if renamed and {"mosquitto", "telegraf"} <= created:
                # The broker first: with its new accounts, and with TLS.
                compose.start(["mosquitto"])
                stack_shared.wait(compose, ["mosquitto"])
                with _progress("upgrade") as tell:
                    client_ids.move(installation, compose, tell)
                # It reads the settings that have just been changed.
                compose = stack_shared.compose(installation)
            # Compose makes those anew that differ, and leaves the others alone.
            compose.start(sorted(created))
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


@contextmanager
def _progress(what: str) -> Iterator[Callable[[str], None]]:

    with terminal.console(stderr=True).status(what) as line:
        yield lambda text: line.update(f"{what}: {text}")
