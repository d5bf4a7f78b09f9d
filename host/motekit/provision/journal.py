"""Which board has which row of a CSV: a file beside it, whole at every moment.

It knows the password of each setup network, for labels, and so only its owner may read it.
"""

import contextlib
import fcntl
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from motekit import documents, private_files


class JournalError(Exception):
    """The journal cannot be used; the text says why and what to do."""


@dataclass
class Entry:
    """A board and its row. `done` is when it was done, UTC, or empty."""

    mac: str
    id: str
    setup_password: str = field(repr=False)
    done: str = ""


class Journal:
    """The entries of one CSV by MAC. Made by `opened`, so that only one command writes it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = {one.mac: one for one in read(path)}

    def of(self, mac: str) -> Entry | None:
        """The row that the board has."""
        return self._entries.get(mac)

    def taken(self) -> set[str]:
        """The ids of all rows that a board has."""
        return {one.id for one in self._entries.values()}

    def done(self) -> set[str]:
        """The ids of all rows whose board is done."""
        return {one.id for one in self._entries.values() if one.done}

    def claim(self, mac: str, name: str, setup_password: str) -> Entry:
        """From now on row `name` is this board's, for ever. Raises JournalError, OSError."""
        if mac in self._entries or name in self.taken():
            raise JournalError(f"{mac} or {name} is taken already")
        self._entries[mac] = Entry(mac, name, setup_password)
        self._write()
        return self._entries[mac]

    def finish(self, entry: Entry, setup_password: str) -> None:
        """The board is done, and has this password. Raises OSError."""
        entry.setup_password = setup_password
        entry.done = datetime.now(UTC).isoformat(timespec="seconds")
        self._write()

    def _write(self) -> None:
        entries = [asdict(one) for one in self._entries.values()]
        private_files.write(self._path, json.dumps(entries, indent=1))


def beside(csv: Path) -> Path:
    """Where the journal of a CSV lies."""
    return csv.with_suffix(".journal.json")


def read(path: Path) -> list[Entry]:
    """The entries in a journal, none where there is no file. Raises JournalError."""
    try:
        if not path.exists():
            return []
        return [Entry(**one) for one in documents.read_json(path, documents.MAX_BYTES)]
    except (documents.DocumentError, TypeError, OSError) as error:
        raise JournalError(
            f"{path} cannot be read ({error}). It says which board has which row: restore it, or "
            "remove it when all of its boards may get new rows"
        ) from error


@contextlib.contextmanager
def opened(csv: Path) -> Iterator[Journal]:
    """The journal of a CSV, for us alone. Raises JournalError."""
    path = beside(csv)
    try:
        lock = path.with_suffix(".lock").open("w")
    except OSError as error:
        raise JournalError(f"beside {csv} nothing can be written: {error.strerror}") from error
    with lock:
        try:
            # The kernel lets go of it when we end, however that is.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise JournalError(
                f"another mote provision works on {csv} already: use that one"
            ) from error
        yield Journal(path)
