"""`mote hub backup` and `restore`: everything that a hub keeps in one file, and back."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from motekit import places, private_files, terminal
from motekit.exits import explained, fail
from motekit.terminal import echo, print_json

if TYPE_CHECKING:
    from motekit.hub.backup import Progress

BACKUP = explained("mote hub backup /media/usb/hub-2026-12-01.backup")
RESTORE = explained(
    "mote hub restore /media/usb/hub-2026-12-01.backup",
    done="the folder has what the backup holds",
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
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Copy readings, accounts, passwords and the key for updates into one file.

    The hub may run meanwhile. Keep the file safe: whoever has it can log in to the hub.
    """
    from motekit.hub import backup as backups
    from motekit.update import keys

    target = file or Path(f"hub-{time.strftime('%Y%m%d-%H%M%S')}.backup")
    key = keys.key_file()
    try:
        with _progress() as progress:
            made = backups.create(
                _folder(context, data), target, progress, (key,) if key.is_file() else ()
            )
    except backups.BackupError as error:
        fail(error)
    facts = {"file": str(target.resolve()), "bytes": made.bytes, "readings": made.readings}
    if as_json:
        print_json({**facts, "devices": made.devices, "files": made.files})
        return
    echo(
        f"{target}: {made.readings} readings of {made.devices} devices, and "
        f"{', '.join(made.files)}; {made.bytes / 1e6:.1f} MB, checked",
        f"To restore it: mote hub restore {target}",
    )


def restore(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="A backup.", exists=True, dir_okay=False)],
    data: Data = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Replace the readings and accounts that are there.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back, here or on another computer; the hub must not run.

    Boards send again what came after the backup.
    """
    from motekit.hub import backup as backups

    folder = _folder(context, data)
    try:
        with _progress() as progress:
            restored = backups.restore(file, folder, replace=yes, progress=progress)
        kept = _restore_keys(backups.keys_in(file))
    except (backups.BackupError, OSError) as error:
        fail(error)
    if as_json:
        facts = {"data": str(folder), "readings": restored.readings, "devices": restored.devices}
        print_json({**facts, "files": restored.files, "made": restored.made, "keys_kept": kept})
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


@contextmanager
def _progress() -> Iterator["Progress"]:
    """A bar for each step, where standard error is a terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    shown = terminal.console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as bars:
        tasks = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total or 1)

        yield show
