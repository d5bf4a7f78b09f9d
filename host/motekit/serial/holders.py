"""Which programs have a port open, as far as this machine tells (Linux: /proc)."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROCESSES = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """A program that has the port open."""

    process: int
    name: str


def of(path: str) -> list[Holder]:
    """Every other program that has `path` open and that we may look at; nobody off Linux."""
    wanted = os.path.realpath(path)
    found = []
    for entry in PROCESSES.glob("[0-9]*"):
        process = int(entry.name)
        if process == os.getpid():
            continue
        files = _open_files(entry)
        # Who made a pseudo-terminal holds both its ends: that is the board, not its visitor.
        made_it = wanted.startswith("/dev/pts/") and any(f.endswith("/ptmx") for f in files)
        if wanted in files and not made_it:
            with suppress(OSError):
                found.append(Holder(process, (entry / "comm").read_text().strip()))
    return found


def _open_files(entry: Path) -> set[str]:
    """What a process has open; nothing of one that has ended or that belongs to somebody else."""
    files = set()
    with suppress(OSError):
        for file in (entry / "fd").iterdir():
            with suppress(OSError):
                files.add(str(file.readlink()))
    return files
