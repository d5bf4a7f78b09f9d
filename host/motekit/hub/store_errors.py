"""Say in words why the store cannot be written, and what to do."""

import os
import sqlite3
from pathlib import Path

import psutil

# Primary result codes of SQLite (https://www.sqlite.org/rescode.html).
_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB = 5, 6, 8, 10, 11, 13, 14, 26


class StoreError(Exception):
    """The store cannot be used now; the text says why and what to do."""


class StoreLockedError(StoreError):
    """Another program has locked the store: it can be used when that is done."""


def store_error(error: Exception, path: Path) -> StoreError:
    """Return the StoreError for an error of SQLite or the system."""
    locked = isinstance(error, sqlite3.Error) and primary_code(error) in (_BUSY, _LOCKED)
    return (StoreLockedError if locked else StoreError)(explain(error, path))


def primary_code(error: sqlite3.Error) -> int:
    """Return the primary result code of SQLite, 0 for an error of the Python module itself."""
    return (getattr(error, "sqlite_errorcode", 0) or 0) & 0xFF


def is_of_the_environment(error: BaseException) -> bool:
    """Return whether the disk, a lock or the file caused `error`, and not what was written."""
    if isinstance(error, OSError):
        return True
    return isinstance(error, sqlite3.DatabaseError) and primary_code(error) in (
        *(_BUSY, _LOCKED, _READONLY, _IOERR, _CORRUPT, _FULL, _CANTOPEN, _NOTADB),
    )


def explain(error: Exception, path: Path) -> str:
    """Return a sentence: what failed, why, and the remedy.

    It looks for the process that holds a lock, which may take a tenth of a second.
    """
    code = primary_code(error) if isinstance(error, sqlite3.Error) else 0
    if code in (_BUSY, _LOCKED):
        return f"another program has locked {path}{_holders(path)}: let it finish, or end it"
    if code == _FULL or is_full(path.parent):
        return f"the disk that holds {path.parent} is full: make room there"
    if code == _READONLY or (code == _CANTOPEN and not os.access(path.parent, os.W_OK)):
        return f"{path} cannot be written: make the file system and the folder writable"
    if code in (_CORRUPT, _NOTADB):
        return (
            f"{path} is damaged ({error}): stop the hub and restore a backup with "
            "`mote hub restore`, or move the file away to begin a new one"
        )
    return f"{path} cannot be used: {error}"


def is_full(folder: Path) -> bool:
    """Return whether not even a page can be written: SQLite reports some of these as I/O errors."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return False
    return found.f_bavail * found.f_frsize < 64 * 1024


def _holders(path: Path) -> str:
    """Return which other processes have the file open, as far as this user may know."""
    names = []
    for process in psutil.process_iter(["pid", "name"]):
        if process.pid == os.getpid():
            continue
        try:
            if any(file.path == str(path.absolute()) for file in process.open_files()):
                names.append(f"{process.info['name']} (process {process.pid})")
        except (psutil.Error, OSError):
            continue
    return f", perhaps {', '.join(names)}" if names else ""
