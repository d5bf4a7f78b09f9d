"""The tables of the store, and how a store of an older version becomes one of this version.

Version 2 keeps readings dated before 2020 or in the future, which older hubs took, in a table of
their own: they no longer count as the newest of their series, and nothing is deleted. It also has
the broker's own state.
"""

import sqlite3
import time

from motekit import payloads
from motekit.hub import session_store

VERSION = 2
_VERSION_1 = """
CREATE TABLE device (
    id TEXT PRIMARY KEY,
    online INTEGER NOT NULL DEFAULT 0,
    changed_ns INTEGER NOT NULL DEFAULT 0,
    info TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    metric TEXT NOT NULL,
    UNIQUE (device, metric)
);
-- The key is the order on disk: one series is read without touching the others.
CREATE TABLE reading (
    series INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series, time_ns)
) WITHOUT ROWID;
"""
_MISDATED = """
CREATE TABLE misdated_reading (
    series INTEGER NOT NULL,
    time_ns INTEGER NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (series, time_ns)
) WITHOUT ROWID;
"""


class NewerVersionError(Exception):
    """The store was written by a newer Mote; `version` is that of the store."""

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


def version_of(db: sqlite3.Connection) -> int:
    """Return the version of the store, 0 for an empty file. Raises NewerVersionError."""
    version = int(db.execute("PRAGMA user_version").fetchone()[0])
    if version > VERSION:
        raise NewerVersionError(version)
    return version


def create(db: sqlite3.Connection, version: int) -> None:
    """Make the empty store of `version`, which is at least 1. Raises sqlite3.Error."""
    scripts = [_VERSION_1, _MISDATED + session_store.SCHEMA][:version]
    for script in scripts:
        _run(db, script)
    db.execute(f"PRAGMA user_version = {version}")


def repair(db: sqlite3.Connection) -> None:
    """Treat what this version refuses to store as `prepare` does. Raises sqlite3.Error."""
    _set_misdated_apart(db, time.time_ns())
    _empty_broken_infos(db)


def prepare(db: sqlite3.Connection) -> None:
    """Bring the store of `db`, a connection in autocommit mode, to this version: all or nothing.

    Raises NewerVersionError and sqlite3.Error.
    """
    if version_of(db) == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster.
        version = version_of(db)
        if version < 1:
            _run(db, _VERSION_1)
        if version < 2:
            _run(db, _MISDATED)
            _set_misdated_apart(db, time.time_ns())
            _empty_broken_infos(db)
            _run(db, session_store.SCHEMA)
            session_store.seed_retained(db)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _run(db: sqlite3.Connection, script: str) -> None:
    # `executescript` would commit first.
    for statement in script.split(";\n"):
        if statement.strip():
            db.execute(statement)


def _set_misdated_apart(db: sqlite3.Connection, now_ns: int) -> None:
    latest_ns = now_ns + payloads.FUTURE_MAX_NS
    if now_ns < payloads.EARLIEST_NS:
        # This computer does not know the time yet: nothing can be called future.
        latest_ns = 2**63 - 1
    wrong = "series = ?1 AND (time_ns < ?2 OR time_ns > ?3)"
    for (series,) in db.execute("SELECT id FROM series").fetchall():
        values = (series, payloads.EARLIEST_NS, latest_ns)
        db.execute(
            f"INSERT OR REPLACE INTO misdated_reading SELECT * FROM reading WHERE {wrong}", values
        )
        db.execute(f"DELETE FROM reading WHERE {wrong}", values)


def _empty_broken_infos(db: sqlite3.Connection) -> None:
    """Forget an info that this version refuses; a board says it again when it connects."""
    for device, info in db.execute("SELECT id, info FROM device").fetchall():
        try:
            payloads.parse_json_object(info.encode())
        except (payloads.PayloadError, UnicodeEncodeError):
            db.execute("UPDATE device SET info = '{}' WHERE id = ?", (device,))
