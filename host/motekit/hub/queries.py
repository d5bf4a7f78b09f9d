"""Questions to the store, for the hub that writes it and for processes that only read it."""

import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mote import contract

from motekit.hub.device_info import read_info

# The greatest integer of SQLite.
TIME_MAX_NS = 2**63 - 1


@dataclass(frozen=True)
class Reading:
    """One reading; `time_ns` is Unix time in nanoseconds."""

    device: str
    metric: str
    time_ns: int
    value: float


@dataclass(frozen=True)
class Bucket:
    """Readings of one span of time: its start, and the least, mean and greatest value."""

    time_ns: int
    low: float
    mean: float
    high: float


@dataclass(frozen=True)
class Device:
    """What is known of a device; `info` is the JSON text that it published last."""

    id: str
    online: bool
    changed_ns: int
    info: str

    @property
    def state(self) -> str:
        """A word for what it does: online, safe mode, offline."""
        if not self.online:
            return contract.OFFLINE
        safe_mode = read_info(self.info).get(contract.SAFE_MODE)
        return "safe mode" if safe_mode else contract.ONLINE


class StoreQueries:
    """The read queries; a subclass says how one is run."""

    def _query(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        raise NotImplementedError

    def devices(self) -> list[Device]:
        """Every device that was ever heard, by name."""
        rows = self._query(
            "SELECT id, online, changed_ns, info FROM device UNION "
            "SELECT DISTINCT device, 0, 0, '{}' FROM series "
            "WHERE device NOT IN (SELECT id FROM device) ORDER BY 1"
        )
        return [Device(name, bool(online), changed, info) for name, online, changed, info in rows]

    def latest(self) -> list[Reading]:
        """The newest reading of each series; one dated in the future counts when its time comes."""
        rows = self._query(
            "SELECT s.device, s.metric, r.time_ns, r.value FROM series s JOIN reading r "
            "ON r.series = s.id AND r.time_ns = "
            "(SELECT max(time_ns) FROM reading WHERE series = s.id AND time_ns <= ?) "
            "ORDER BY s.device, s.metric",
            (time.time_ns(),),
        )
        return [Reading(*row) for row in rows]

    def readings(
        self, device: str, metric: str, since_ns: int, limit: int, until_ns: int = TIME_MAX_NS
    ) -> list[Reading]:
        """Readings of one series from `since_ns` until before `until_ns`, the oldest `limit`."""
        rows = self._query(
            "SELECT r.time_ns, r.value FROM series s JOIN reading r ON r.series = s.id "
            "WHERE s.device = ? AND s.metric = ? AND r.time_ns >= ? AND r.time_ns < ? "
            "ORDER BY r.time_ns LIMIT ?",
            (device, metric, since_ns, until_ns, limit),
        )
        return [Reading(device, metric, time_ns, value) for time_ns, value in rows]

    def newest(self, device: str, metric: str, since_ns: int, limit: int) -> list[Reading]:
        """The newest `limit` readings of one series from `since_ns` on, oldest first."""
        rows = self._query(
            "SELECT r.time_ns, r.value FROM series s JOIN reading r ON r.series = s.id "
            "WHERE s.device = ? AND s.metric = ? AND r.time_ns >= ? "
            "ORDER BY r.time_ns DESC LIMIT ?",
            (device, metric, since_ns, limit),
        )
        return [Reading(device, metric, time_ns, value) for time_ns, value in reversed(rows)]

    def history(self, device: str, metric: str, since_ns: int, span_ns: int) -> list[Bucket]:
        """One series from `since_ns` on, in spans of `span_ns`, oldest first."""
        rows = self._query(
            "SELECT r.time_ns / ?4 * ?4, min(r.value), avg(r.value), max(r.value) "
            "FROM series s JOIN reading r ON r.series = s.id "
            "WHERE s.device = ?1 AND s.metric = ?2 AND r.time_ns >= ?3 GROUP BY 1 ORDER BY 1",
            (device, metric, since_ns, span_ns),
        )
        return [Bucket(*row) for row in rows]

    def count_by_device(self) -> dict[str, int]:
        """How many readings there are of each device."""
        rows = self._query(
            "SELECT s.device, count(*) FROM series s JOIN reading r ON r.series = s.id "
            "GROUP BY s.device ORDER BY s.device"
        )
        return {str(device): int(count) for device, count in rows}

    def last_by_device(self) -> dict[str, int]:
        """The time of the newest reading of each device, in ns, that is not in the future."""
        rows = self._query(
            "SELECT s.device, max("
            "(SELECT max(time_ns) FROM reading WHERE series = s.id AND time_ns <= ?)) "
            "FROM series s GROUP BY s.device",
            (time.time_ns(),),
        )
        return {str(device): int(last) for device, last in rows if last is not None}

    def metrics(self, device: str) -> list[str]:
        """The metrics of a device, by name."""
        rows = self._query("SELECT metric FROM series WHERE device = ? ORDER BY metric", (device,))
        return [str(metric) for (metric,) in rows]


class StoreReader(StoreQueries):
    """Reads the file `path` while another process writes it. Safe to use from several threads.

    Its connections cannot write, and no transaction outlives a query, so the writer can always
    fold its log into the file. Raises sqlite3.Error when the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    def _query(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            db = self._idle.pop() if self._idle else None
        if db is None:
            address = f"{self._path.absolute().as_uri()}?mode=ro"
            db = sqlite3.connect(address, uri=True, check_same_thread=False, timeout=10)
        try:
            rows = db.execute(statement, values).fetchall()
        except sqlite3.Error:
            db.close()
            raise
        with self._lock:
            self._idle.append(db)
        return rows
