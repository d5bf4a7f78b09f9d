"""`mote hub backup` and `restore`: everything that a hub keeps in one file, and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import passphrases, places, private_files, terminal
from motekit.commands import passphrase_prompt
from motekit.exits import explained, fail
from motekit.passphrases import VARIABLE
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    import rich.progress

    from motekit.hub.backup import Contents

# So many names are shown.
_SHOWN = 10

BACKUP = explained(
    "mote hub backup --seal /media/usb/hub-2026-12-01.backup",
    note=f" {VARIABLE} seals as well, and nobody is asked.",
)
RESTORE = explained(
    "mote hub restore /media/usb/hub-2026-12-01.backup",
    done="the folder has what the backup holds",
    note=f" With {VARIABLE} set, a file that is not sealed is refused.",
)
Data = Annotated[
    Path | None,
    typer.Option("--data", help="Folder for readings and accounts.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def backup(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to; hub-<time>.backup here unless given.")
    ] = None,
    seal: Annotated[
        bool, typer.Option("--seal", help="Seal it with a passphrase, which can be made for you.")
    ] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Copy readings, accounts and passwords into one file, sealed with the keys that boards trust.

    The hub may run meanwhile. Keep the file safe: unless it is sealed, whoever has it can log in to
    the hub. Only a sealed one has the key for updates and that of the certificate authority.
    """
    from motekit.hub import backup as backups
    from motekit.update import keys

    target = file or Path(f"hub-{time.strftime('%Y%m%d-%H%M%S')}.backup")
    key = keys.key_file()
    passphrase = passphrase_prompt.for_sealing(seal)
    brought = (key,) if passphrase and key.is_file() else ()
    try:
        with _progress() as progress:
            made = backups.create(_folder(context, data), target, progress, brought, passphrase)
    except backups.BackupError as error:
        fail(error)
    if brought:
        keys.note_copy()
    facts = {"file": str(target.resolve()), "bytes": made.bytes, "readings": made.readings}
    if as_json:
        facts |= {"devices": made.devices, "files": made.files, "sealed": made.is_sealed}
        print_json(facts)
        return
    echo(
        f"{target}: {made.readings} readings of {made.devices} devices, and "
        f"{', '.join(made.files)}; {made.bytes / 1e6:.1f} MB, checked, "
        f"{'sealed' if made.is_sealed else 'not sealed'}",
        f"To restore it: mote hub restore {target}",
    )
    if key.is_file() and not made.is_sealed:
        echo(
            f"The key for updates ({key}) is not in it, as it is not sealed: add --seal, or keep a "
            "copy with `mote key export`.",
            err=True,
        )


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup.", exists=True, dir_okay=False)],
    data: Data = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes",
            help="Do not ask: replace readings and accounts that are there, trust a file that is "
            "not sealed.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back, here or on another computer; the hub must not run.

    Boards send again what came after the backup.
    """
    from motekit import sealed
    from motekit.hub import backup as backups

    folder = _folder(context, data)
    passphrase = passphrases.from_environment()
    try:
        with file.open("rb") as source:
            is_sealed = sealed.is_sealed(source)
        if is_sealed and not passphrase:
            passphrase = passphrase_prompt.ask("Passphrase")

        with _progress() as progress:

            def confirm(contents: "Contents") -> None:
                # Bars that are drawn anew would overwrite the question.
                progress.pause()
                _confirm(file, contents, yes)

            restored = backups.restore(
                file, folder, replace=yes, progress=progress, passphrase=passphrase, confirm=confirm
            )
        kept = _restore_keys(restored.keys)
    except (backups.BackupError, OSError) as error:
        fail(error)
    if as_json:
        facts = {"data": str(folder), "readings": restored.readings, "devices": restored.devices}
        facts |= {"files": restored.files, "made": restored.made, "keys_kept": kept}
        facts |= {"sealed": restored.is_sealed, "left_out": restored.left_out}
        facts |= {"returning_accounts": restored.returning, "older_passwords": restored.older}
        print_json(facts)
        return
    made = time.strftime("%Y-%m-%d %H:%M", time.localtime(restored.made))
    echo(
        f"{folder}: {restored.readings} readings of {restored.devices} devices, from the backup "
        f"of {made}",
        "Start the hub: mote hub. Boards send what came after the backup when they connect.",
    )
    for name in kept:
        echo(
            f'The key "{places.data() / name}" is another than that of the backup, and stays. To '
            "use that of the backup, move this one away and restore again.",
            err=True,
        )


def _confirm(file: Path, contents: "Contents", is_sure: bool) -> None:
    """Say what the backup brings, and ask for one that is not sealed. Raises typer.Exit."""
    from motekit.update import keys

    for one in contents.left_out[:_SHOWN]:
        echo(f"Left out: {one}", err=True)
    if contents.returning:
        echo(
            f"Accounts that come back although they are not there now: "
            f"{passphrase_prompt.listed(contents.returning)}. `mote hub remove` removes them again",
            err=True,
        )
    if contents.older:
        echo(
            "Accounts that have the password of the backup again: "
            f"{passphrase_prompt.listed(contents.older)}",
            err=True,
        )
    for name, content in contents.keys.items():
        try:
            public = keys.public_bytes(keys.check(content))
        except keys.KeyFileError as error:
            fail(f"{file} cannot be restored: its key for updates is damaged ({error})")
        if not (places.data() / name).exists():
            echo(
                f"It brings the key for updates {keys.fingerprint(public)}: boards that you set up "
                "from now on take updates that are signed with it",
                err=True,
            )
    if not contents.is_sealed and not is_sure:
        passphrase_prompt.ask_or_fail(
            f"{file} is not sealed: whoever could write to it chose its passwords, accounts, keys "
            "and readings",
            "Restore it",
            "--yes",
        )


def _folder(context: typer.Context, data: Path | None) -> Path:
    return data or context.obj or places.data() / "hub"


def _restore_keys(keys: dict[str, bytes]) -> list[str]:
    """Write the user's keys; one that is there is never replaced. Returns those that differ."""
    kept = []
    for name, content in keys.items():
        there = places.data() / name
        if not there.exists():
            there.parent.mkdir(parents=True, exist_ok=True)
            private_files.write(there, content)
        elif there.read_bytes() != content:
            kept.append(name)
    return kept


class _Bars:
    """A bar for each step, where standard error is a terminal."""

    def __init__(self, bars: "rich.progress.Progress") -> None:
        self._bars = bars
        self._tasks: dict[str, rich.progress.TaskID] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._bars.add_task(what)
        self._bars.update(self._tasks[what], completed=done, total=total or 1)

    def pause(self) -> None:
        self._bars.stop()


@contextmanager
def _progress() -> Iterator[_Bars]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    shown = terminal.console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bars:
        yield _Bars(bars)
