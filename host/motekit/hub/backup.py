"""Everything that a hub keeps in one file, and back again.

A backup is a SQLite database: the store, copied with SQLite's online backup while the hub writes,
and one table more with the files beside it (accounts, the owner's password, keys). A restore
prepares a folder with all that and renames it; only then does it touch what was there, so that a
cut at any point leaves either the old data or the new (`finish_restore`).
"""

import contextlib
import errno
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from motekit import private_files
from motekit.hub import schema
from motekit.hub.folder_lock import FolderInUseError, FolderLock
from motekit.hub.store_errors import StoreError, explain

# What `file` and SQLite show as the application of such a database: "Mote".
APPLICATION_ID = 0x4D6F7465
FORMAT = 1
STORE = "readings.db"
_SIDECARS = ("-wal", "-shm", "-journal")
_STAGING, _READY = "restore.part", "restore.ready"
_FILE_MAX = 2**20
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_PAGES = 1_024
# (what is done, done so far, of how much)
Progress = Callable[[str, int, int], None]


class BackupError(Exception):
    """A backup or restore failed; the text says why and what to do. Nothing was changed."""


@dataclass(frozen=True)
class Contents:
    """What a backup holds; `made` is Unix time in seconds."""

    readings: int
    devices: int
    files: tuple[str, ...]
    made: float
    store_version: int
    bytes: int


def _no_progress(_what: str, _done: int, _total: int) -> None:
    """Show nothing."""


def create(
    data: Path, target: Path, progress: Progress = _no_progress, keys: tuple[Path, ...] = ()
) -> Contents:
    """Write the hub in folder `data`, which may be running, and the files `keys` to `target`.

    It holds everything that was acknowledged before the call. It appears under its name when it
    is complete, checked and on the disk; only its owner may read it. Raises BackupError.
    """
    store = data / STORE
    if not store.is_file():
        raise BackupError(f'there is no hub in "{data}": name its data folder with --data')
    if target.exists():
        raise BackupError(f'"{target}" exists already: choose another name, or remove it')
    if not target.parent.is_dir():
        raise BackupError(f'there is no folder "{target.parent}" for the backup: make it first')
    _remove_leftovers(target)
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with _failures(f'the backup "{target}" was not made', partial):
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            private_files.give_to_owner_of(target.parent, partial)
            _copy_store(store, partial, progress)
            with closing(_connect(partial)) as db:
                _add_files(db, list(_small_files(data)), keys)
            contents = _inspect(partial, progress)
            _sync(partial)
            _appear(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return contents


def restore(
    file: Path, data: Path, *, replace: bool, progress: Progress = _no_progress
) -> Contents:
    """Put the backup `file` into folder `data`, instead of what is there if `replace`.

    Raises BackupError: for a file that is no backup, damaged or of a newer Mote, while a hub uses
    the folder, and for a folder with data unless `replace`.
    """
    contents = _inspect(file, progress)
    with _failures(f'"{file}" was not restored', data):
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with _locked(data):
            _finish(data)
            if not replace and (there := _existing(data)):
                raise BackupError(
                    f'"{data}" has {there} already: add --yes to replace all of it with the backup'
                )
            staging = data / _STAGING
            shutil.rmtree(staging, ignore_errors=True)
            private_files.folder(staging)
            _copy_back(file, staging, progress)
            staging.rename(data / _READY)
            _sync(data)
            _finish(data)
    return contents


def finish_restore(data: Path) -> None:
    """Complete a restore that was cut after it had everything. Raises BackupError.

    To be called before a hub opens its store.
    """
    if (data / _READY).is_dir():
        with _failures(f'the restore into "{data}" was not completed', data), _locked(data):
            _finish(data)


def keys_in(file: Path) -> dict[str, bytes]:
    """Return the keys of a backup, by name; they belong to the user and not to the hub."""
    with closing(_connect_backup(file)) as db:
        rows = db.execute("SELECT name, content FROM backup_file WHERE is_key")
        return {str(name): bytes(content) for name, content in rows}


def _copy_store(store: Path, target: Path, progress: Progress) -> None:
    with closing(_connect_store(store)) as source, closing(_connect(target)) as copy:
        # A transaction that is open for reading fixes what is copied: without it, each commit of
        # the hub would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        schema.version_of(source)
        source.backup(
            copy,
            pages=_PAGES,
            progress=lambda _status, left, total: progress("copied", total - left, total),
        )
        # One file, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")


def _copy_back(file: Path, folder: Path, progress: Progress) -> None:
    store = folder / STORE
    os.close(os.open(store, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(_connect_backup(file)) as source, closing(_connect(store)) as copy:
        source.backup(
            copy,
            pages=_PAGES,
            progress=lambda _status, left, total: progress("copied back", total - left, total),
        )
        files = copy.execute("SELECT name, content FROM backup_file WHERE NOT is_key").fetchall()
        copy.execute("BEGIN")
        copy.execute("DROP TABLE backup_file")
        copy.execute("DROP TABLE backup_info")
        copy.execute("PRAGMA application_id = 0")
        copy.execute("COMMIT")
    private_files.give_to_owner_of(folder, store)
    for name, content in files:
        private_files.write(folder / name, bytes(content))
    _sync(store)
    _sync(folder)


def _add_files(db: sqlite3.Connection, files: Iterable[Path], keys: Iterable[Path]) -> None:
    rows = [(path.name, path.read_bytes(), False) for path in files]
    rows += [(path.name, path.read_bytes(), True) for path in keys]
    db.execute("BEGIN")
    db.execute("CREATE TABLE backup_info (format INTEGER NOT NULL, made REAL NOT NULL)")
    db.execute("INSERT INTO backup_info VALUES (?, ?)", (FORMAT, time.time()))
    db.execute(
        "CREATE TABLE backup_file (name TEXT PRIMARY KEY, content BLOB NOT NULL, "
        "is_key INTEGER NOT NULL)"
    )
    db.executemany("INSERT INTO backup_file VALUES (?, ?, ?)", rows)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("COMMIT")


def _inspect(file: Path, progress: Progress) -> Contents:
    """Check every page of a backup. Raises BackupError."""
    if not file.is_file():
        raise BackupError(f'there is no file "{file}"')
    with _failures(f'"{file}" cannot be read', file), closing(
        _connect_backup(file)
    ) as db:  # fmt: skip
        try:
            [application] = db.execute("PRAGMA application_id").fetchone()
        except sqlite3.DatabaseError as error:
            raise BackupError(f'"{file}" is no backup of a hub, or is damaged: {error}') from error
        if application != APPLICATION_ID:
            raise BackupError(
                f'"{file}" is no backup of a hub; `mote hub backup` makes one (a copy of '
                f"{STORE} alone has no accounts)"
            )
        progress("checked", 0, 1)
        damage = _damage(db)
        if damage:
            raise BackupError(f'the backup "{file}" is damaged ({damage}): use another one')
        version = schema.version_of(db)
        [[format_, made]] = db.execute("SELECT format, made FROM backup_info").fetchall()
        if format_ > FORMAT:
            raise BackupError(f'"{file}" was made by a newer Mote: update Mote')
        names = tuple(name for (name,) in db.execute("SELECT name FROM backup_file ORDER BY 1"))
        if wrong := [name for name in names if not _FILE_NAME.fullmatch(name) or _is_store(name)]:
            raise BackupError(f'the backup "{file}" has a file with the name {wrong[0]!a}')
        [readings] = db.execute("SELECT count(*) FROM reading").fetchone()
        [devices] = db.execute("SELECT count(DISTINCT device) FROM series").fetchone()
        progress("checked", 1, 1)
        return Contents(readings, devices, names, made, version, file.stat().st_size)


def _damage(db: sqlite3.Connection) -> str:
    try:
        [found] = db.execute("PRAGMA integrity_check(1)").fetchone()
        return "" if found == "ok" else str(found)
    except sqlite3.DatabaseError as error:
        return str(error)


def _finish(data: Path) -> None:
    """Move what a complete restore has prepared into its place; it may be cut and run again."""
    ready = data / _READY
    if not ready.is_dir():
        return
    store = ready / STORE
    if store.is_file():
        # The log of the store that was there would be played into the new one.
        for sidecar in _SIDECARS:
            (data / (STORE + sidecar)).unlink(missing_ok=True)
        _sync(data)
    # The store last: as long as it is here, the log above is removed again.
    for path in sorted(ready.iterdir(), key=lambda path: path == store):
        path.replace(data / path.name)
    _sync(data)
    ready.rmdir()


def _small_files(data: Path) -> Iterator[Path]:
    """The files beside the store: accounts, password, keys."""
    for path in sorted(data.iterdir()):
        if (
            path.is_file()
            and not path.is_symlink()
            and _FILE_NAME.fullmatch(path.name)
            and not _is_store(path.name)
            and path.suffix not in (".lock", ".state")
            and path.stat().st_size <= _FILE_MAX
        ):
            yield path


def _is_store(name: str) -> bool:
    return name == STORE or name in [STORE + sidecar for sidecar in _SIDECARS]


def _existing(data: Path) -> str:
    """Return in words what a hub has in the folder, empty for nothing."""
    store = data / STORE
    if store.is_file():
        try:
            with closing(_connect_store(store)) as db:
                [count] = db.execute("SELECT count(*) FROM reading").fetchone()
            return f"a hub with {count} readings"
        except sqlite3.Error:
            return f"a file {STORE}"
    return "accounts of a hub" if (data / "accounts.json").exists() else ""


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=10)


def _connect_store(store: Path) -> sqlite3.Connection:
    """Open the store of a hub for reading; the hub may run and write."""
    db = _read_only(store, "mode=ro")
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        db.close()
        # On a disk that nobody can write, no log can be made beside it, and nobody else writes.
        if os.access(store.parent, os.W_OK):
            raise
        db = _read_only(store, "mode=ro&immutable=1")
    return db


def _connect_backup(file: Path) -> sqlite3.Connection:
    """Open a backup, which nobody writes."""
    return _read_only(file, "mode=ro&immutable=1")


def _read_only(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?{mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    lock = FolderLock(data)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _failures(what: str, path: Path) -> Iterator[None]:
    """Raise BackupError for what went wrong, with the remedy."""
    try:
        yield
    except schema.NewerVersionError as error:
        raise BackupError(
            f"{what}: its store has version {error.version} of a newer Mote, this one knows "
            f"{schema.VERSION}: update Mote"
        ) from error
    except (FolderInUseError, StoreError) as error:
        raise BackupError(f"{what}: {error}") from error
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"{what}: {_reason(error, path)}") from error


def _reason(error: Exception, path: Path) -> str:
    no_room = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return explain(error, path) if no_room or isinstance(error, sqlite3.Error) else str(error)


def _appear(partial: Path, target: Path) -> None:
    try:
        # Unlike a rename, a link never replaces what somebody else has made meanwhile.
        os.link(partial, target)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system has links, such as that of most memory sticks.
        partial.rename(target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_leftovers(target: Path) -> None:
    """Remove what backups to the same name left that were killed."""
    for path in target.parent.glob(f".{_globbed(target.name)}.*.partial*"):
        number = path.name.removeprefix(f".{target.name}.").split(".")[0]
        if number.isdigit() and not Path(f"/proc/{number}").exists() and not _alive(int(number)):
            path.unlink(missing_ok=True)


def _globbed(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


def _alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        return True
    return False
