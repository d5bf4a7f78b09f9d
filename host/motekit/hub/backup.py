"""Everything that a hub keeps in one file, and back again.

A backup is a SQLite database: the store, copied with SQLite's online backup while the hub writes,
and one table more with the files beside it (accounts, the owner's password, keys). With a
passphrase, it is sealed. A restore takes a file as one of a stranger: it copies rows of the store
and files of `FILES`, checked, into a new folder and renames it; only then does it touch what was
there, so that a cut at any point leaves either the old data or the new (`finish_restore`).
"""

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from motekit import certificates, private_files, sealed
from motekit.credentials import AccountError
from motekit.hub import schema, untrusted_store
from motekit.hub.accounts import Accounts
from motekit.hub.folder_lock import NAME as LOCK_NAME
from motekit.hub.folder_lock import FolderInUseError, FolderLock
from motekit.hub.store_errors import StoreError, explain

# What `file` and SQLite show as the application of such a database: "Mote".
APPLICATION_ID = 0x4D6F7465
FORMAT = 1
STORE = "readings.db"
_SIDECARS = ("-wal", "-shm", "-journal")
_STAGING, _READY = "restore.part", "restore.ready"
_FILE_MAX = 2**20
_ACCOUNTS = "accounts.json"
_AUTHORITY, _AUTHORITY_KEY = "ca.crt", "ca.key"
_CERTIFICATES = (_AUTHORITY, "server.crt", "server.key")
# The files of a hub beside its store that a backup has, and how large they may be. What signs the
# cookies of the dashboard is not one of them: after a restore everybody logs in anew.
FILES = {
    _ACCOUNTS: 16 * _FILE_MAX,
    "owner.password": 1024,
    **dict.fromkeys((*_CERTIFICATES, _AUTHORITY_KEY), 64 * 1024),
}
# Boards believe whoever has these for years: only a sealed backup has them.
_ONLY_SEALED = (_AUTHORITY_KEY,)
# What a user has once for all hubs, and a restore puts where there is none.
KEYS = {"update-key.pem": 4096}
_FILE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
_PASSWORD = re.compile(rb"[!-~]{1,1024}\n?")
_COPY_BYTES = 2**20
_EARLIEST_S, _DAY_S = 1_577_836_800, 86_400
_PAGES = 1_024
_Files = dict[str, bytes]
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
    is_sealed: bool = False
    # Of a restore: files and rows that no hub has, accounts that come back although they were
    # removed, and accounts that have another password here.
    left_out: tuple[str, ...] = ()
    returning: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    keys: _Files = field(default_factory=dict, repr=False)


def _no_progress(_what: str, _done: int, _total: int) -> None:
    """Show nothing."""


def _accept(_contents: Contents) -> None:
    """Ask nobody."""


def create(
    data: Path,
    target: Path,
    progress: Progress = _no_progress,
    keys: tuple[Path, ...] = (),
    passphrase: str = "",
) -> Contents:
    """Write the hub in folder `data`, which may be running, and the files `keys` to `target`.

    It holds everything that was acknowledged before the call. It appears under its name when it
    is complete, checked and on the disk; only its owner may read it. With a passphrase it is
    sealed; only then has it the key of the hub's certificate authority. Raises BackupError.
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
    whole = partial.with_name(f"{partial.name}.sealed") if passphrase else partial
    try:
        with _failures(f'the backup "{target}" was not made', partial):
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            private_files.give_to_owner_of(target.parent, partial)
            _copy_store(store, partial, progress)
            with closing(_connect(partial)) as db:
                _add_files(db, list(_small_files(data, bool(passphrase))), keys)
            contents = _inspect(partial, progress)
            if passphrase:
                _seal(partial, whole, passphrase)
            _sync(whole)
            size = whole.stat().st_size
            _appear(whole, target)
    finally:
        partial.unlink(missing_ok=True)
        whole.unlink(missing_ok=True)
    return dataclasses.replace(contents, bytes=size, is_sealed=bool(passphrase))


def restore(
    file: Path,
    data: Path,
    *,
    replace: bool,
    progress: Progress = _no_progress,
    passphrase: str = "",
    confirm: Callable[[Contents], None] = _accept,
) -> Contents:
    """Put the backup `file` into folder `data`, instead of what is there if `replace`.

    `confirm` is told what it brings before anything is changed, and raises what it likes to stop.

    Raises BackupError: for a file that is no backup, damaged or of a newer Mote, for one that is
    not sealed where there is a passphrase, while a hub uses the folder, and for a folder with data
    unless `replace`.
    """
    with _unsealed(file, data, passphrase) as plain:
        contents = _inspect(plain, progress, shown=file)
        contents = dataclasses.replace(contents, is_sealed=plain != file, bytes=file.stat().st_size)
        is_new = not data.exists()
        try:
            with _failures(f'"{file}" was not restored', data):
                data.mkdir(parents=True, exist_ok=True, mode=0o700)
                with _locked(data):
                    _finish(data)
                    if not replace and (there := _existing(data)):
                        raise BackupError(
                            f'"{data}" has {there} already: add --yes to replace all of it with '
                            "the backup"
                        )
                    staging = data / _STAGING
                    shutil.rmtree(staging, ignore_errors=True)
                    staging.mkdir(mode=0o700)
                    private_files.give_to_owner_of(data, staging)
                    try:
                        contents = _copy_back(plain, staging, data, contents, progress)
                        confirm(contents)
                    except BaseException:
                        shutil.rmtree(staging, ignore_errors=True)
                        raise
                    staging.rename(data / _READY)
                    _sync(data)
                    _finish(data)
        except BaseException:
            if is_new and not (data / _READY).exists():
                _remove_empty(data)
            raise
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
    return _inspect(file, _no_progress).keys


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


def _copy_back(
    file: Path, folder: Path, data: Path, contents: Contents, progress: Progress
) -> Contents:
    """Write store and files of a backup, checked, into `folder`, for the hub in `data`."""
    store = folder / STORE
    os.close(os.open(store, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    rows = untrusted_store.copy_store(
        file, store, lambda done, total: progress("copied back", done, total)
    )
    private_files.give_to_owner_of(folder, store)
    with closing(_connect_backup(file)) as db:
        files = dict(_files_in(db, is_key=False))
    left_out = [f"the file {name}" for name in files if name not in FILES]
    if rows:
        left_out.append(f"{rows} rows that no hub stores")
    files = {name: content for name, content in files.items() if name in FILES}
    _check_files(files)
    for name, content in files.items():
        private_files.write(folder / name, content)
    returning, older = _compare_accounts(folder, data)
    _sync(store)
    _sync(folder)
    return dataclasses.replace(
        contents, left_out=tuple(left_out), returning=returning, older=older,
        files=tuple(sorted([*files, *contents.keys])),
    )  # fmt: skip


def _check_files(files: dict[str, bytes]) -> None:
    """Raise BackupError for a file that is not what its name says."""
    for name, content in files.items():
        if name.endswith(".password") and not _PASSWORD.fullmatch(content):
            raise BackupError(f"the backup is damaged: {name} is no password")
    if any(name in files for name in (*_CERTIFICATES, _AUTHORITY_KEY)):
        try:
            authority, server, server_key = (files[name] for name in _CERTIFICATES)
            certificates.check(authority, files.get(_AUTHORITY_KEY), server, server_key)
        except (KeyError, ValueError) as error:
            raise BackupError(
                f"the backup is damaged: {error if isinstance(error, ValueError) else 'it lacks'} "
                "the certificates of the hub"
            ) from error


def _compare_accounts(new: Path, old: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the accounts that come back, and those that get another password. Raises BackupError.

    `new` and `old` are the folders of the two. What is damaged in `old` is about to be replaced.
    """
    try:
        brought = Accounts(new, create=False).entries() if (new / _ACCOUNTS).exists() else {}
    except (AccountError, OSError) as error:
        raise BackupError("the backup is damaged: its accounts cannot be read") from error
    try:
        here = Accounts(old, create=False).entries()
    except (AccountError, OSError):
        return (), ()
    older = [name for name in brought.keys() & here.keys() if brought[name] != here[name]]
    return tuple(sorted(brought.keys() - here.keys())), tuple(sorted(older))


def _files_in(db: sqlite3.Connection, is_key: bool) -> Iterator[tuple[str, bytes]]:
    """The files in a backup whose names, types and sizes are those of a file of a hub."""
    sizes = KEYS if is_key else FILES
    rows = db.execute(
        "SELECT name, typeof(content), length(content) FROM backup_file WHERE is_key = ?",
        (int(is_key),),
    ).fetchall()
    for name, kind, size in rows:
        known = isinstance(name, str) and name in sizes
        if kind != "blob" or size > (sizes[name] if known else _FILE_MAX):
            raise BackupError(f"the backup is damaged: its file {str(name)[:60]!a} is too large")
        if known:
            [content] = db.execute(
                "SELECT content FROM backup_file WHERE name = ? AND is_key = ?", (name, int(is_key))
            ).fetchone()
            yield name, bytes(content)
        elif not is_key:
            yield str(name), b""


@contextmanager
def _unsealed(file: Path, data: Path, passphrase: str) -> Iterator[Path]:
    """The file itself, or what is sealed in it, for as long as the context. Raises BackupError."""
    with _failures(f'"{file}" cannot be read', file):
        if not file.is_file():
            raise BackupError(f'there is no file "{file}"')
        with file.open("rb") as source:
            is_sealed = sealed.is_sealed(source)
    if not is_sealed:
        if passphrase:
            raise BackupError(
                f'"{file}" is not sealed, so anybody may have made it, and there is a passphrase '
                "in MOTE_BACKUP_PASSPHRASE. If you trust the file all the same, run the command "
                "again without that variable"
            )
        yield file
        return
    # Beside the data there is room for it; elsewhere there may not be.
    near = next(folder for folder in (data, *data.absolute().parents) if folder.is_dir())
    with _failures(f'"{file}" cannot be unsealed', near):
        folder = tempfile.TemporaryDirectory(prefix=".mote-restore.", dir=near)
    with folder:
        plain = Path(folder.name) / "backup"
        with _failures(f'"{file}" cannot be unsealed', plain):
            try:
                with file.open("rb") as source, plain.open("xb") as out:
                    shutil.copyfileobj(sealed.Opening(source, passphrase), out, _COPY_BYTES)
            except sealed.SealError as error:
                raise BackupError(f'"{file}" cannot be opened: {error}') from error
        yield plain


def _seal(plain: Path, target: Path, passphrase: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(target, flags, 0o600), "wb") as out:
        with plain.open("rb") as source, sealed.Sealing(out, passphrase) as stream:
            shutil.copyfileobj(source, stream, _COPY_BYTES)
        private_files.give_to_owner_of(target.parent, target)


def _remove_empty(data: Path) -> None:
    """Remove a folder that was made for a restore, and the lock in it."""
    with contextlib.suppress(OSError):
        if {path.name for path in data.iterdir()} <= {LOCK_NAME}:
            (data / LOCK_NAME).unlink(missing_ok=True)
            data.rmdir()


def _add_files(db: sqlite3.Connection, files: Iterable[Path], keys: Iterable[Path]) -> None:
    rows = [(path.name, path.read_bytes(), False) for path in files]
    rows += [(path.name, path.read_bytes(), True) for path in keys]
    db.execute("BEGIN")
    for statement in untrusted_store.BACKUP_TABLES:
        db.execute(statement)
    db.execute("INSERT INTO backup_info VALUES (?, ?)", (FORMAT, time.time()))
    db.executemany("INSERT INTO backup_file VALUES (?, ?, ?)", rows)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute("COMMIT")


def _inspect(file: Path, progress: Progress, shown: Path | None = None) -> Contents:
    """Check every page of a backup, which errors call `shown`. Raises BackupError."""
    shown = shown or file
    if not file.is_file():
        raise BackupError(f'there is no file "{shown}"')
    # The schema before anything else is asked: to ask is to run what is in it.
    with _failures(f'"{shown}" cannot be read', file), closing(
        _connect_backup(file)
    ) as db:  # fmt: skip
        try:
            [application] = db.execute("PRAGMA application_id").fetchone()
        except sqlite3.DatabaseError as error:
            raise BackupError(f'"{shown}" is no backup of a hub, or is damaged: {error}') from error
        if application != APPLICATION_ID:
            raise BackupError(
                f'"{shown}" is no backup of a hub; `mote hub backup` makes one (a copy of '
                f"{STORE} alone has no accounts)"
            )
        progress("checked", 0, 1)
        try:
            version = untrusted_store.check_schema(db)
            damage = _damage(db)
        except (sqlite3.DatabaseError, untrusted_store.SchemaError, UnicodeError) as error:
            damage = str(error)
        if damage:
            raise BackupError(f'the backup "{shown}" is damaged ({damage}): use another one')
        made = _made(db, shown)
        names = tuple(name for (name,) in db.execute("SELECT name FROM backup_file ORDER BY 1"))
        for name in names:
            if not isinstance(name, str) or not _FILE_NAME.fullmatch(name) or _is_store(name):
                raise BackupError(f'the backup "{shown}" has a file with the name {name!a:.80}')
        keys = dict(_files_in(db, is_key=True))
        [readings] = db.execute("SELECT count(*) FROM reading").fetchone()
        [devices] = db.execute("SELECT count(DISTINCT device) FROM series").fetchone()
        progress("checked", 1, 1)
        size = file.stat().st_size
        return Contents(readings, devices, names, made, version, size, keys=keys)


def _made(db: sqlite3.Connection, shown: Path) -> float:
    """Return the Unix time of a backup. Raises BackupError, also for one of a newer Mote."""
    rows = db.execute("SELECT format, made FROM backup_info LIMIT 2").fetchall()
    format_, made = rows[0] if len(rows) == 1 else (None, None)
    if not isinstance(format_, int) or not isinstance(made, (int, float)):
        raise BackupError(f'the backup "{shown}" is damaged (its date): use another one')
    if format_ > FORMAT:
        raise BackupError(f'"{shown}" was made by a newer Mote: update Mote')
    if made and not _EARLIEST_S <= made <= time.time() + _DAY_S:
        raise BackupError(
            f'the backup "{shown}" says that it was made before 2020 or in the future: set the '
            "clock of this computer, or use another backup"
        )
    return float(made)


def _damage(db: sqlite3.Connection) -> str:
    [found] = db.execute("PRAGMA integrity_check(1)").fetchone()
    return "" if found == "ok" else str(found)


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


def _small_files(data: Path, is_sealed: bool) -> Iterator[Path]:
    """The files beside the store: accounts, password, certificates. Raises BackupError."""
    for name, limit in sorted(FILES.items()):
        path = data / name
        if path.is_symlink() or not path.is_file() or (name in _ONLY_SEALED and not is_sealed):
            continue
        if path.stat().st_size > limit:
            raise BackupError(f'"{path}" has more than {limit} bytes: it is not the hub\'s')
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
    return untrusted_store.connect(file)


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
    except (FolderInUseError, StoreError, untrusted_store.SchemaError) as error:
        raise BackupError(f"{what}: {error}") from error
    except UnicodeError as error:
        # SQLite repeats in its messages what is in the file.
        raise BackupError(f"{what}: it is damaged ({error})") from error
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
