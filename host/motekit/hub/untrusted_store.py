"""Take a store from a SQLite file of a stranger: rows of the store's own tables, and nothing else.

A database can hold triggers, views, virtual tables and expressions, which run in whoever opens it,
and pages that are damaged on purpose (https://www.sqlite.org/security.html). So the file is never
used as the store: its schema has to be that of a store and no more, SQLite is told to trust nothing
of it, and rows whose types and ranges are those of the store are copied into a new file.
"""

import re
import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mote import contract

from motekit import payloads
from motekit.broker import topics
from motekit.broker.errors import ProtocolError
from motekit.broker.limits import Limits
from motekit.hub import schema, session_store

BACKUP_TABLES = (
    "CREATE TABLE backup_info (format INTEGER NOT NULL, made REAL NOT NULL)",
    "CREATE TABLE backup_file (name TEXT PRIMARY KEY, content BLOB NOT NULL, "
    "is_key INTEGER NOT NULL)",
)
# No value of a store is longer: a payload has as many bytes as a packet, a file of a hub 16 MiB.
_VALUE_MAX = 17 * 2**20
_SQL_MAX = 100_000
_FLOAT_MAX = 1.7976931348623157e308
# 2100-01-01: what is far beyond it would leave no room for the time of the next message.
_LATEST_NS = 4_102_444_800 * payloads.SECOND_NS
_PRAGMAS = {"application_id", "user_version", "integrity_check"}
_FUNCTIONS = {"count", "typeof", "length"}
_TYPES = {"INTEGER": "integer", "REAL": "real", "TEXT": "text", "BLOB": "blob"}
_READING = f"series IN (SELECT id FROM main.series) AND abs(value) <= {_FLOAT_MAX!r}"
_FUNCTIONS_OF_COPY = _FUNCTIONS | {"abs"}
_MESSAGE = f"qos BETWEEN 0 AND 2 AND time_ns BETWEEN 0 AND {_LATEST_NS} AND expires_ns >= 0"
# What rows have to be beside the types of their columns.
_RANGES = {
    "reading": _READING,
    "misdated_reading": _READING,
    "mqtt_subscription": "qos BETWEEN 0 AND 2 AND retain_handling BETWEEN 0 AND 2 "
    "AND identifier BETWEEN 0 AND 268435455",
    "mqtt_queue": f"packet_id BETWEEN 0 AND 65535 AND delivery_qos BETWEEN 0 AND 2 AND {_MESSAGE}",
    "mqtt_received": "packet_id BETWEEN 0 AND 65535",
    "mqtt_retained": _MESSAGE,
    "mqtt_will": _MESSAGE,
    "mqtt_session": "expiry_s >= 0",
}
_TOPICS = ("mqtt_queue", "mqtt_retained", "mqtt_will")
# (tables done, of how many)
Progress = Callable[[int, int], None]


class SchemaError(Exception):
    """A database is not that of a store; the text says what is in it."""


def connect(file: Path) -> sqlite3.Connection:
    """Open a file that nobody writes for reading; nothing in it can run."""
    db = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        _distrust(db)
        db.set_authorizer(_may_read)
    except BaseException:
        db.close()
        raise
    return db


def check_schema(db: sqlite3.Connection, name: str = "main") -> int:
    """Return the version of a backup's store, whose schema is exactly that of this version.

    Raises SchemaError, schema.NewerVersionError and sqlite3.Error.
    """
    version = int(db.execute(f"PRAGMA {name}.user_version").fetchone()[0])
    if version > schema.VERSION:
        raise schema.NewerVersionError(version)
    if version < 1:
        raise SchemaError("it has no store in it")
    wanted = _schema_of(version)
    found = set()
    for kind, named, table, sql in db.execute(
        f"SELECT type, name, tbl_name, sql FROM {name}.sqlite_master"
    ):
        one = kind, named, table, _normal(sql)
        if one not in wanted or one in found:
            raise SchemaError(f"it has a {str(kind)[:20]} {str(named)[:60]!a} that no backup has")
        found.add(one)
    if missing := wanted - found:
        raise SchemaError(f"it lacks the {min(missing)[0]} {min(missing)[1]}")
    return version


def copy_store(file: Path, store: Path, progress: Progress) -> int:
    """Write the store that is in the backup `file` into `store`, an empty file.

    Returns how many rows were left out, as no store has them. Raises SchemaError, sqlite3.Error,
    schema.NewerVersionError.
    """
    with closing(sqlite3.connect(store, uri=True, isolation_level=None)) as db:
        # Who is interrupted begins again, and the caller brings it to the disk.
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        uri = f"{file.absolute().as_uri()}?mode=ro&immutable=1"
        db.execute("ATTACH ? AS backup", (uri,))
        _distrust(db)
        version = check_schema(db, "backup")
        schema.create(db, version)
        tables = _tables(db)
        left_out = 0
        db.set_authorizer(_may_copy)
        for done, (table, columns) in enumerate(tables.items()):
            progress(done, len(tables))
            left_out += _copy_table(db, table, columns)
        db.set_authorizer(None)
        db.execute("DETACH backup")
        left_out += _remove_what_no_hub_stores(db, version)
        progress(len(tables), len(tables))
        db.execute("PRAGMA synchronous = FULL")
        return left_out


def _distrust(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")
    db.execute("PRAGMA mmap_size = 0")
    db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _VALUE_MAX)
    db.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, _SQL_MAX)
    db.setlimit(sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH, 0)


def _may_read(
    action: int, first: str | None, second: str | None, _database: str | None, _trigger: str | None
) -> int:
    allowed = (
        action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
        or (action == sqlite3.SQLITE_PRAGMA and first in _PRAGMAS)
        or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _may_copy(
    action: int, first: str | None, second: str | None, database: str | None, trigger: str | None
) -> int:
    allowed = not trigger and (
        action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ)
        or (action == sqlite3.SQLITE_INSERT and database == "main")
        or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS_OF_COPY)
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _schema_of(version: int) -> set[tuple[str, str, str, str]]:
    """Return the schema of a backup of a store of `version`, as SQLite itself writes it down."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        schema.create(db, version)
        for statement in BACKUP_TABLES:
            db.execute(statement)
        rows = db.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        return {(kind, name, table, _normal(sql)) for kind, name, table, sql in rows}


def _normal(sql: object) -> str:
    """Return a statement without what says nothing: SQLite keeps comments and line breaks."""
    text = re.sub(r"--[^\n]*", " ", sql) if isinstance(sql, str) else ""
    return " ".join(text.split())


def _tables(db: sqlite3.Connection) -> dict[str, list[tuple[str, str, bool]]]:
    """Return the columns of each table of the new store: name, type, whether it may be NULL."""
    rows = db.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall()
    # Readings name their series, which are there before them.
    names = sorted((name for (name,) in rows), key=lambda name: name.endswith("reading"))
    return {
        name: [
            (column, _TYPES[kind], not required and not key)
            for _, column, kind, required, _, key in db.execute(f"PRAGMA main.table_info({name})")
        ]
        for name in names
    }


def _copy_table(db: sqlite3.Connection, table: str, columns: list[tuple[str, str, bool]]) -> int:
    """Copy the good rows of a table; return how many others there are."""
    names = ", ".join(name for name, _, _ in columns)
    tests = [
        f"(typeof({name}) = '{kind}'" + (f" OR {name} IS NULL)" if may_be_null else ")")
        for name, kind, may_be_null in columns
    ]
    if extra := _RANGES.get(table):
        tests.append(extra)
    [there] = db.execute(f"SELECT count(*) FROM backup.{table}").fetchone()
    # A damaged index shows rows twice; that they are there once is what the keys are for.
    done = db.execute(
        f"INSERT OR IGNORE INTO main.{table} ({names}) "
        f"SELECT {names} FROM backup.{table} WHERE {' AND '.join(tests)}"
    )
    return max(0, int(there) - done.rowcount)


def _remove_what_no_hub_stores(db: sqlite3.Connection, version: int) -> int:
    """Remove rows that a hub refuses when they arrive; return how many. Raises SchemaError."""
    _check_text(db)
    left_out = 0
    limits = Limits()
    for (device,) in db.execute("SELECT id FROM device").fetchall():
        if not contract.is_device_id(device):
            left_out += db.execute("DELETE FROM device WHERE id = ?", (device,)).rowcount
    for number, device, metric in db.execute("SELECT * FROM series").fetchall():
        if not contract.is_device_id(device) or not contract.is_metric(metric):
            left_out += db.execute("DELETE FROM reading WHERE series = ?", (number,)).rowcount
            left_out += db.execute("DELETE FROM series WHERE id = ?", (number,)).rowcount
    latest_ns = time.time_ns() + payloads.FUTURE_MAX_NS
    wrong = "changed_ns NOT BETWEEN 0 AND ?"
    db.execute(f"UPDATE device SET changed_ns = 0 WHERE {wrong}", (latest_ns,))
    if version < 2:
        # The hub does the rest when it makes a store of this version of it.
        return left_out
    schema.repair(db)
    for table in _TOPICS:
        for (topic,) in db.execute(f"SELECT DISTINCT topic FROM {table}").fetchall():
            if not topics.is_valid_name(topic, limits):
                done = db.execute(f"DELETE FROM {table} WHERE topic = ?", (topic,))
                left_out += done.rowcount
    for (pattern,) in db.execute("SELECT DISTINCT topic_filter FROM mqtt_subscription").fetchall():
        if not topics.is_valid_filter(pattern, limits):
            sql = "DELETE FROM mqtt_subscription WHERE topic_filter = ?"
            left_out += db.execute(sql, (pattern,)).rowcount
    try:
        session_store.load(db)
    except (ProtocolError, ValueError, TypeError, IndexError, struct.error) as error:
        raise SchemaError(f"the sessions of MQTT clients in it are damaged ({error})") from error
    return left_out


def _check_text(db: sqlite3.Connection) -> None:
    """Raise SchemaError for text that is not UTF-8, which no query could return."""
    try:
        for table, columns in _tables(db).items():
            for name in (name for name, kind, _ in columns if kind == "text"):
                for _ in db.execute(f"SELECT DISTINCT {name} FROM {table}"):
                    pass
    except sqlite3.OperationalError as error:
        raise SchemaError("it has text that is not UTF-8") from error
