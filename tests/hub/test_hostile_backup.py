"""A backup from a stranger is refused, or harmless in the hub that it is restored to.

The hostile files are made with `sqlite3` by the rules of its file format; it also reads what was
restored. What a trigger or a view does when it runs is shown by a file that it would make.
"""

import random
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from motekit import certificates, sealed
from motekit.hub import backup, schema, session_store, untrusted_store
from motekit.hub.accounts import Accounts
from motekit.hub.backup import BackupError, Contents
from motekit.hub.store import Contents as Written
from motekit.hub.store import Reading, Store

sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))

import trust_backup

PASSPHRASE = "tulip gravel orbit mustard"
NOW_NS = time.time_ns()


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing is not what is tested here."""
    monkeypatch.setattr(sealed, "_COST", 2**10)


def a_hub(data: Path, *devices: str, value: float = 1.0) -> Path:
    store = Store(data / "readings.db")
    store.commit(
        Written(
            [Reading(device, "t", NOW_NS - n, value) for device in devices for n in range(50)],
            [(device, True, NOW_NS) for device in devices],
            [(device, '{"board": "x"}') for device in devices],
        )
    )
    store.close()
    for device in devices:
        Accounts(data).add(device)
    return data


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "a.backup"
    backup.create(a_hub(tmp_path / "source", "plant1", "plant2"), made)
    return made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return a_hub(tmp_path / "hub", "mine", value=9.0)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def change(file: Path, *statements: str, values: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            db.execute(statement, values)


def refused(file: Path, data: Path, match: str) -> None:
    before = tree(file.parent)
    with pytest.raises(BackupError, match=match):
        backup.restore(file, data, replace=True)
    assert tree(file.parent) == before


def restored(file: Path, data: Path) -> Contents:
    """What was restored is a store and nothing else, which a hub opens."""
    done = backup.restore(file, data, replace=True)
    with closing(sqlite3.connect(data / "readings.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kinds = {kind for (kind,) in db.execute("SELECT type FROM sqlite_master")}
        assert kinds <= {"table", "index"}
        found = set(db.execute("SELECT name, sql FROM sqlite_master"))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        schema.create(db, done.store_version)
        assert found == set(db.execute("SELECT name, sql FROM sqlite_master"))
    store = Store(data / "readings.db")
    store.read(session_store.load)
    store.close()
    return done


SCHEMAS = {
    "a trigger": "CREATE TRIGGER evil AFTER INSERT ON reading BEGIN DELETE FROM series; END",
    "a trigger on the way back": "CREATE TRIGGER evil BEFORE DELETE ON backup_file BEGIN "
    "INSERT INTO series VALUES (99, 'evil', 't'); END",
    "a view": "CREATE VIEW evil AS SELECT load_extension('/tmp/evil.so')",
    "a view instead of a table": "CREATE VIEW mqtt_wills AS SELECT * FROM mqtt_will",
    "a virtual table": "CREATE VIRTUAL TABLE evil USING fts5(x)",
    "another table": "CREATE TABLE evil (x)",
    "an index with an expression": "CREATE INDEX evil ON device (lower(id))",
    "an index": "CREATE INDEX evil ON reading (value)",
    "a generated column": "ALTER TABLE device ADD COLUMN evil TEXT AS (upper(id))",
    "a column": "ALTER TABLE reading ADD COLUMN evil TEXT DEFAULT 'x'",
    "a missing table": "DROP TABLE mqtt_will",
    "another name": "ALTER TABLE mqtt_will RENAME TO will",
    "statistics": "ANALYZE",
}


@pytest.mark.parametrize("what", SCHEMAS)
def test_a_schema_that_is_not_that_of_a_store_is_refused(
    tmp_path: Path, file: Path, data: Path, what: str
) -> None:
    change(file, SCHEMAS[what])
    refused(file, data, r"damaged \(it (has|lacks)")


REWRITTEN = {
    "a check": ("reading", "value REAL NOT NULL", "value REAL NOT NULL CHECK (evil(value))"),
    "a default": ("device", "DEFAULT '{}'", "DEFAULT (hex(randomblob(99)))"),
    "a view in the place of a table": (
        "backup_info",
        None,
        "CREATE VIEW backup_info AS SELECT 1 AS format, writefile('/tmp/evil', 'x') AS made",
    ),
    "a virtual table in its place": (
        "series",
        None,
        "CREATE VIRTUAL TABLE series USING fts5(device, metric)",
    ),
    "no key": ("reading", "PRIMARY KEY (series, time_ns)", "CHECK (1)"),
    "nonsense": ("reading", None, "CREATE TABLE reading ("),
    "a comment that hides": ("device", "CREATE TABLE device (", "CREATE TABLE device (--\nx,"),
}


@pytest.mark.parametrize("what", REWRITTEN)
def test_a_rewritten_schema_is_refused(file: Path, data: Path, what: str) -> None:
    table, old, new = REWRITTEN[what]
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        [sql] = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        kind = "view" if new.startswith("CREATE VIEW") else "table"
        db.execute(
            "UPDATE sqlite_master SET sql = ?, type = ? WHERE name = ?",
            (sql.replace(old, new) if old else new, kind, table),
        )
    refused(file, data, "damaged|cannot be read|no backup")


ROWS = {
    "text for a value": "INSERT INTO reading VALUES (1, 5, 'x')",
    "a blob for a value": "INSERT INTO reading VALUES (1, 5, x'00')",
    "an infinite value": f"INSERT INTO reading VALUES (1, {NOW_NS - 100}, 9e999)",
    "text for a time": "INSERT INTO reading VALUES (1, 'x', 5.0)",
    "a series that is not there": f"INSERT INTO reading VALUES (77, {NOW_NS - 100}, 5.0)",
    "a device that is none": "INSERT INTO device VALUES ('../evil', 1, 0, '{}')",
    "a series of one": "INSERT INTO series VALUES (50, '#', 't')",
    "a metric that is none": "INSERT INTO series VALUES (50, 'plant1', 'A b')",
    "a session that is a number": "INSERT INTO mqtt_session VALUES (x'00', 'a', 0, NULL)",
    "a filter that is none": "INSERT INTO mqtt_subscription VALUES ('c', 'a/#/b', 1, 0, 0, 0, 0)",
    "quality 9": "INSERT INTO mqtt_subscription VALUES ('c', 'a', 9, 0, 0, 0, 0)",
    "a topic that is none": "INSERT INTO mqtt_retained VALUES "
    "('a/+', x'00', 1, 1, x'', '', '', 5, 0)",
    "an endless topic": "INSERT INTO mqtt_retained VALUES "
    f"('{'a/' * 3_000}', x'00', 1, 1, x'', '', '', 5, 0)",
    "the end of time": "INSERT INTO mqtt_retained VALUES "
    f"('a', x'00', 1, 1, x'', '', '', {2**63 - 1}, 0)",
    "text for a payload": "INSERT INTO mqtt_will VALUES "
    "('c', 'a', 'text', 1, 1, x'', '', '', 5, 0)",
    "a packet id": "INSERT INTO mqtt_received VALUES ('c', 99999)",
}


@pytest.mark.parametrize("what", ROWS)
def test_a_row_that_no_hub_stores_is_left_out_and_told(file: Path, data: Path, what: str) -> None:
    change(file, ROWS[what])
    done = restored(file, data)
    assert done.left_out == ("1 rows that no hub stores",)
    with closing(sqlite3.connect(data / "readings.db")) as db:
        assert db.execute("SELECT count(*) FROM reading").fetchone() == (100,)


def test_readings_of_the_future_do_not_stay_the_newest(file: Path, data: Path) -> None:
    future = 4 * 10**18
    change(file, f"INSERT INTO reading VALUES (1, {future}, 7.0), (1, -5, 8.0)",
           f"UPDATE device SET changed_ns = {future}, info = '[broken'")  # fmt: skip
    restored(file, data)
    with closing(sqlite3.connect(data / "readings.db")) as db:
        assert db.execute("SELECT max(time_ns) FROM reading").fetchone() == (NOW_NS,)
        assert set(db.execute("SELECT value FROM misdated_reading")) == {(7.0,), (8.0,)}
        assert set(db.execute("SELECT changed_ns, info FROM device")) == {(0, "{}")}


@pytest.mark.parametrize(
    "statement",
    ["INSERT INTO device VALUES (CAST(x'ff' AS TEXT), 1, 0, '{}')",
     "INSERT INTO mqtt_will VALUES ('c', 'a', x'', 1, 1, x'ff', '', '', 5, 0)",
     "INSERT INTO mqtt_retained VALUES ('a', x'', 1, 1, x'ffff', '', '', 5, 0)",
     "UPDATE backup_info SET made = 'x'", "UPDATE backup_info SET made = 9e999",
     "UPDATE backup_info SET made = 1e300", "DELETE FROM backup_info", "PRAGMA user_version = 0",
     "INSERT INTO backup_info VALUES (1, 1700000000)", "PRAGMA user_version = -3",
     "INSERT INTO backup_file VALUES ('../evil', x'', 0)",
     "INSERT INTO backup_file VALUES ('/etc/cron.d/evil', x'', 1)",
     "INSERT INTO backup_file VALUES ('readings.db-wal', x'00', 0)",
     "INSERT INTO backup_file VALUES (x'2e2e2f', x'', 0)",
     "UPDATE backup_file SET content = 'text' WHERE name = 'accounts.json'",
     "UPDATE backup_file SET content = zeroblob(17000000) WHERE name = 'accounts.json'",
     "UPDATE backup_file SET content = zeroblob(2000) WHERE name = 'owner.password'",
     "UPDATE backup_file SET content = CAST('[]' AS BLOB) WHERE name = 'accounts.json'",
     "UPDATE backup_file SET content = CAST('{\"a\": 1}' AS BLOB) WHERE name = 'accounts.json'",
     "INSERT INTO backup_file VALUES ('update-key.pem', zeroblob(5000), 1)",
     "INSERT INTO backup_file VALUES ('server.key', x'00', 0)",
     "INSERT INTO backup_file VALUES ('ca.crt', x'00', 0)"],
)  # fmt: skip
def test_what_is_damaged_on_purpose_is_refused(file: Path, data: Path, statement: str) -> None:
    change(file, statement)
    refused(file, data, "damaged|has a file|too large|made before|no store|not UTF-8")


def test_files_that_no_hub_has_are_left_out_and_told(
    tmp_path: Path, file: Path, data: Path
) -> None:
    for name in ("dashboard.key", "hub.lock", "hub.state", ".netrc"[1:], "restore.ready"):
        change(file, "INSERT INTO backup_file VALUES (?, x'6576696c', 0)", values=(name,))
        change(file, "INSERT INTO backup_file VALUES (?, x'6576696c', 1)", values=(f"{name}.k",))
    done = restored(file, data)
    assert {one.split()[-1] for one in done.left_out} == {
        "dashboard.key", "hub.lock", "hub.state", "netrc", "restore.ready",
    }  # fmt: skip
    assert done.keys == {}
    assert b"evil" not in b"".join(tree(tmp_path / "hub").values())


def test_a_plain_file_is_refused_where_a_passphrase_is_given(file: Path, data: Path) -> None:
    before = tree(data)
    with pytest.raises(BackupError, match=r"not sealed.*MOTE_BACKUP_PASSPHRASE"):
        backup.restore(file, data, replace=True, passphrase=PASSPHRASE)
    assert tree(data) == before


def test_a_sealed_backup_comes_back_and_notices_every_change(tmp_path: Path, data: Path) -> None:
    source, closed = a_hub(tmp_path / "source", "plant1"), tmp_path / "closed.backup"
    made = backup.create(source, closed, passphrase=PASSPHRASE)
    assert made.is_sealed and closed.stat().st_mode & 0o777 == 0o600
    assert (source / "owner.password").read_bytes() not in closed.read_bytes()
    new = tmp_path / "new"
    done = backup.restore(closed, new, replace=False, passphrase=PASSPHRASE)
    assert done.is_sealed and done.readings == 50
    assert Accounts(new).owner_password == Accounts(source).owner_password
    whole = closed.read_bytes()
    before = tree(data)
    for content in (whole[:-1], whole[:50], whole + b"x", whole[:100] + b"x" + whole[101:]):
        closed.write_bytes(content)
        with pytest.raises(BackupError, match="cannot be opened"):
            backup.restore(closed, data, replace=True, passphrase=PASSPHRASE)
    closed.write_bytes(whole)
    with pytest.raises(BackupError, match="another passphrase"):
        backup.restore(closed, data, replace=True, passphrase="another")
    assert tree(data) == before
    assert {path.name for path in tmp_path.iterdir()} == {"source", "hub", "new", closed.name}


def test_only_a_sealed_backup_has_the_key_of_the_authority(tmp_path: Path) -> None:
    source = a_hub(tmp_path / "source", "plant1")
    certificates.ensure(source, source, ["localhost"])
    key = (source / "ca.key").read_bytes()
    plain, closed = tmp_path / "plain", tmp_path / "closed"
    backup.create(source, plain)
    assert key not in plain.read_bytes()
    backup.create(source, closed, passphrase=PASSPHRASE)
    for file, is_there in ((plain, False), (closed, True)):
        new = tmp_path / f"new-{file.name}"
        backup.restore(file, new, replace=False, passphrase=PASSPHRASE if is_there else "")
        assert (new / "ca.key").exists() == is_there == certificates.can_issue(new)
        assert (new / "server.key").read_bytes() == (source / "server.key").read_bytes()
        # The authority that boards trust is not replaced by one without its key.
        assert not certificates.ensure(new, new, ["other.example"]) or is_there
        assert (new / "ca.crt").read_bytes() == (source / "ca.crt").read_bytes()
    # The key of another authority, which is left in the folder, issues nothing.
    other = a_hub(tmp_path / "other", "plant1")
    certificates.ensure(other, other, ["localhost"])
    backup.restore(plain, other, replace=True)
    assert (other / "ca.key").exists() and not certificates.can_issue(other)


def test_accounts_that_come_back_are_named_before_anything_is_changed(
    tmp_path: Path, file: Path, data: Path
) -> None:
    Accounts(data).add("plant2")
    before = tree(data)
    told: list[Contents] = []

    def no(contents: Contents) -> None:
        told.append(contents)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup.restore(file, data, replace=True, confirm=no)
    assert tree(data) == before
    assert told[0].returning == ("plant1",) and told[0].older == ("owner", "plant2")
    new = tmp_path / "new"
    with pytest.raises(KeyboardInterrupt):
        backup.restore(file, new, replace=False, confirm=no)
    assert not new.exists()


def test_every_file_of_a_hub_is_in_a_backup_or_known_not_to_be(tmp_path: Path) -> None:
    """Who adds a file to a hub's folder decides here whether a backup has it."""
    data = a_hub(tmp_path / "hub", "plant1")
    certificates.ensure(data, data, ["localhost"])
    known = {*backup.FILES, backup.STORE, "accounts.lock", "hub.lock"}
    assert {path.name for path in data.iterdir()} <= known


def test_the_schema_that_is_expected_is_that_of_a_new_store(tmp_path: Path) -> None:
    Store(tmp_path / "readings.db").close()
    with closing(sqlite3.connect(tmp_path / "readings.db", isolation_level=None)) as db:
        for statement in untrusted_store.BACKUP_TABLES:
            db.execute(statement)
        assert untrusted_store.check_schema(db) == schema.VERSION


def test_random_damage_is_refused_or_harmless(tmp_path: Path) -> None:
    """A short form of `make soak ONLY=trust_backups`."""
    done = trust_backup.hub_campaign(tmp_path / "campaign", random.Random(13), 150)
    assert done.harmful == [] and done.refused > 30
