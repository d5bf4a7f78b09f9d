"""The store: every reading one row in SQLite, committed in batches.

Write-ahead logging keeps readers and the writer apart, and survives a killed process whole.
"""

import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from motekit.hub.queries import Bucket, Device, Reading, StoreQueries

__all__ = ["Bucket", "Device", "Reading", "Store", "StoreError"]

VERSION = 1
_SCHEMA = """
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


class StoreError(Exception):
    """The store cannot be used; the text says what to do."""


class Store(StoreQueries):
    """The file `path`; made if it is not there. Safe to use from several threads.

    Raises StoreError for a file that is damaged, of a newer version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._series: dict[tuple[str, str], int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = self._connect()
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the store {path} cannot be used: {error}. Move it away to begin a new one, "
                "or choose another folder with --data."
            ) from error

    def write(self, readings: Iterable[Reading]) -> int:
        """Commit readings; one with the series and time of another takes its place.

        Returns how many were written. Raises StoreError, with nothing written, when the disk is
        full.
        """
        with self._lock:
            try:
                with self._db:
                    rows = [(self._series_id(r), r.time_ns, r.value) for r in readings]
                    self._db.executemany("INSERT OR REPLACE INTO reading VALUES (?, ?, ?)", rows)
                return len(rows)
            except sqlite3.Error as error:
                # Series that were made in the batch are gone with it.
                self._series.clear()
                raise StoreError(f"{self._path} could not be written: {error}") from error

    def set_status(self, device: str, *, online: bool, time_ns: int) -> None:
        """Note that a device came or went."""
        self._execute(
            "INSERT INTO device (id, online, changed_ns) VALUES (?1, ?2, ?3) "
            "ON CONFLICT (id) DO UPDATE SET online = ?2, changed_ns = ?3",
            (device, online, time_ns),
        )

    def set_info(self, device: str, info: str) -> None:
        """Keep what a device says of itself."""
        self._execute(
            "INSERT INTO device (id, info) VALUES (?1, ?2) "
            "ON CONFLICT (id) DO UPDATE SET info = ?2",
            (device, info),
        )

    def nobody_is_online(self) -> None:
        """At start: who is there will say so again."""
        self._execute("UPDATE device SET online = 0", ())

    def close(self) -> None:
        """Fold the log into the file and close it."""
        with self._lock:
            self._db.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, check_same_thread=False, timeout=10)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _prepare(self) -> None:
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(
                f"{self._path} was written by a newer Mote (store version {version}, this one "
                f"knows {VERSION}): update Mote, or choose another folder with --data."
            )
        if version == 0:
            with self._db:
                self._db.executescript(_SCHEMA)
                self._db.execute(f"PRAGMA user_version = {VERSION}")

    def _series_id(self, reading: Reading) -> int:
        key = reading.device, reading.metric
        if key not in self._series:
            self._db.execute("INSERT OR IGNORE INTO series (device, metric) VALUES (?, ?)", key)
            found = self._db.execute("SELECT id FROM series WHERE device = ? AND metric = ?", key)
            self._series[key] = found.fetchone()[0]
        return self._series[key]

    def _execute(self, statement: str, values: tuple[object, ...]) -> None:
        with self._lock, self._db:
            self._db.execute(statement, values)

    def _query(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()
