"""The store: every reading one row in SQLite, committed in batches.

Write-ahead logging keeps readers and the writer apart, and survives a killed process whole. The
connection here only writes; each query has a read-only connection, which no writer makes wait.
"""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from motekit.hub import schema
from motekit.hub.queries import Bucket, Device, Reading, StoreQueries, StoreReader
from motekit.hub.store_errors import (
    StoreError,
    is_full,
    is_of_the_environment,
    store_error,
)

__all__ = ["Bucket", "Contents", "Device", "Reading", "Store", "StoreError"]

T = TypeVar("T")
# Longer waits for the lock of another process are reported.
BUSY_S = 2.0
_LOG_MAX = 64 * 2**20
# A statement per row would hand the interpreter's lock over once per row. The sizes are few, so
# that SQLite compiles each statement once; 3 values a row stay below its limit of 999.
_ROWS_AT_ONCE = 256


@dataclass(slots=True)
class Contents:
    """What a batch of messages brings. Statuses are (device, online, time in ns)."""

    readings: list[Reading] = field(default_factory=list)
    statuses: list[tuple[str, bool, int]] = field(default_factory=list)
    infos: list[tuple[str, str]] = field(default_factory=list)


class Store(StoreQueries):
    """The file `path`; made if it is not there. Safe to use from several threads.

    Raises StoreError for a file that is damaged, of a newer version, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._series: dict[tuple[str, str], int] = {}
        self._devices: dict[str, Device] | None = None
        self._reader = StoreReader(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._db = self._connect()
        except schema.NewerVersionError as error:
            raise StoreError(
                f"{path} was written by a newer Mote (store version {error.version}, this one "
                f"knows {schema.VERSION}): update Mote, or choose another folder with --data."
            ) from error
        except (sqlite3.Error, OSError) as error:
            raise store_error(error, path) from error

    @property
    def path(self) -> Path:
        return self._path

    def write(self, readings: Iterable[Reading]) -> int:
        """Commit readings; one with the series and time of another takes its place.

        Returns how many were written. Raises StoreError, with nothing written, when it cannot.
        """
        contents = Contents(list(readings))
        self.commit(contents)
        return len(contents.readings)

    def commit(
        self, contents: Contents, also: Callable[[sqlite3.Connection], None] | None = None
    ) -> list[Device]:
        """Write `contents`, and what `also` writes, in one transaction.

        Returns the devices whose status or info changed; a status or info that is the same as
        before changes nothing. Raises StoreError, with nothing written, for the disk, a lock or
        the file; any other exception means that something in `contents` cannot be stored.
        """
        with self._transaction():
            self._insert(contents.readings)
            changed = self._update_devices(contents)
            if also:
                also(self._db)
        assert self._devices is not None
        self._devices.update(changed)
        return list(changed.values())

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `query` reads through the writer's connection. Raises StoreError."""
        with self._transaction():
            return query(self._db)

    def mark_all_offline(self) -> None:
        """At the start: whoever is there will say so again.

        Since when a device is offline is not known then; it was heard until its newest reading.
        """
        with self._transaction():
            self._db.execute(
                "UPDATE device SET online = 0, changed_ns = max(changed_ns, coalesce((SELECT max("
                "(SELECT max(time_ns) FROM reading WHERE series = s.id AND time_ns <= ?)) "
                "FROM series s WHERE s.device = device.id), 0)) WHERE online",
                (time.time_ns(),),
            )
        self._devices = None

    def close(self) -> None:
        """Fold the log into the file and close it."""
        self._reader.close()
        with self._lock:
            self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    if self._devices is None:
                        self._devices = self._known_devices()
                    yield
                    self._db.execute("COMMIT")
                except BaseException:
                    # Series that were made in the transaction are gone with it.
                    self._series.clear()
                    # After some errors SQLite has rolled back itself.
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
            except Exception as error:
                if is_of_the_environment(error):
                    self._fold_log()
                    raise store_error(error, self._path) from error
                raise

    def _fold_log(self) -> None:
        """Give back the room of the log, which SQLite does after a commit only: on a full disk none
        would ever succeed again.
        """
        if is_full(self._path.parent):
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _insert(self, readings: Sequence[Reading]) -> None:
        values: list[object] = []
        for one in readings:
            values += (self._series_id(one.device, one.metric), one.time_ns, one.value)
        at, rows = 0, _ROWS_AT_ONCE
        while at < len(values):
            while rows * 3 > len(values) - at:
                rows //= 2
            marks = ",".join(["(?,?,?)"] * rows)
            self._db.execute(
                f"INSERT OR REPLACE INTO reading VALUES {marks}", values[at : at + rows * 3]
            )
            at += rows * 3

    def _update_devices(self, contents: Contents) -> dict[str, Device]:
        assert self._devices is not None
        changed: dict[str, Device] = {}
        for name, online, time_ns in contents.statuses:
            known = changed.get(name) or self._devices.get(name)
            if not known or known.online != online or not known.changed_ns:
                changed[name] = Device(name, online, time_ns, known.info if known else "{}")
        for name, info in contents.infos:
            known = changed.get(name) or self._devices.get(name)
            if not known:
                changed[name] = Device(name, False, 0, info)
            elif known.info != info:
                changed[name] = Device(name, known.online, known.changed_ns, info)
        for one in changed.values():
            self._db.execute(
                "INSERT INTO device (id, online, changed_ns, info) VALUES (?1, ?2, ?3, ?4) "
                "ON CONFLICT (id) DO UPDATE SET online = ?2, changed_ns = ?3, info = ?4",
                (one.id, one.online, one.changed_ns, one.info),
            )
        return changed

    def _known_devices(self) -> dict[str, Device]:
        rows = self._db.execute("SELECT id, online, changed_ns, info FROM device")
        return {name: Device(name, bool(online), at, info) for name, online, at, info in rows}

    def _connect(self) -> sqlite3.Connection:
        # Readable by its owner alone, as the log that SQLite makes beside it.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # No implicit transactions: `_transaction` begins and ends them.
        db = sqlite3.connect(
            self._path, check_same_thread=False, timeout=BUSY_S, isolation_level=None
        )
        try:
            db.execute("PRAGMA journal_mode = WAL")
            # After a reader that took long, such as a backup, the log shrinks again.
            db.execute(f"PRAGMA journal_size_limit = {_LOG_MAX}")
            db.execute("PRAGMA synchronous = NORMAL")
            schema.prepare(db)
        except BaseException:
            db.close()
            raise
        return db

    def _series_id(self, device: str, metric: str) -> int:
        key = device, metric
        number = self._series.get(key)
        if number is None:
            self._db.execute("INSERT OR IGNORE INTO series (device, metric) VALUES (?, ?)", key)
            found = self._db.execute("SELECT id FROM series WHERE device = ? AND metric = ?", key)
            number = self._series[key] = int(found.fetchone()[0])
        return number

    def _query(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        return self._reader._query(statement, values)
