"""Mutated backups of stack and hub: each is refused, or what it brings is harmless.

10,000 files: bits flipped, cut, spliced; entries of the archive renamed, retyped, doubled, in
another order; settings, secrets, accounts and databases with what a stranger would write. The
oracle: nothing outside the folder of the restore is another file than before, every setting is one
that a backup may bring with a value of its kind, no image, path or address is another, the store
has the schema of a store, and no other error comes than the one that the commands show. `tarfile`,
`gzip` and `sqlite3` make the files; `sqlite3` reads what was restored.
"""

import contextlib
import gzip
import io
import json
import os
import random
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).parents[1] / "host"))

import backup_files
from backup_files import Entry
from motekit import sealed
from motekit.hub import backup, schema, session_store
from motekit.hub.accounts import Accounts
from motekit.hub.backup import BackupError
from motekit.hub.store import Contents, Reading, Store
from motekit.stack import accounts, restore, settings
from motekit.stack.compose import StackError
from motekit.stack.installation import Installation

NAMES = ("trust_backups", "trust_backups_harmful")
STACK, HUB = 4_000, 6_000
SEED = 13
PASSPHRASE = "tulip gravel orbit mustard"
EVIL_NAMES = (
    "../evil", "/tmp/evil", "secrets/../../evil", "..", ".", "", "a//b", "settings.env",
    "Settings.env", "compose.yaml", ".env", "images.json", "secrets/owner/mqtt_password",
    "authority/ca.key", "data/influxdb/backup/x", "data/influxdb/backup/../../evil",
    "data/influxdb/influxd.bolt", "mosquitto/mosquitto.conf", "traefik/users", "\u2024\u2024/evil",
    "secrets/e\u0301", "x\n", "a\\b", "C:evil", "backups/evil", "logins/refill/mosquitto_sub",
)  # fmt: skip
EVIL_TYPES = (
    b"0",
    b"\0",
    b"1",
    b"2",
    b"3",
    b"4",
    b"5",
    b"6",
    b"7",
    b"L",
    b"K",
    b"S",
    b"x",
    b"g",
    b"Z",
)
EVIL_VALUES = (
    "evil.example/root:1", "../../../tmp/evil", "/", "/etc", "0:0", "0.0.0.0", "0.0.0.0:1883", "::",
    "${HOME}", "$(evil)", "`evil`", '"', "'", '"evil', "a #b", "a\\nb", "99999", "0", "-1", "",
    "x" * 5_000, "core", "full", "../core", "evil}", "a:b:c", "\u2028MOSQUITTO_IMAGE=evil",
    "\x0bTELEGRAF_IMAGE=evil", "\x00", "\u0663", "localhost", "evil.example:25",
    "http://evil.example/", "file:///etc/passwd", "1T", "2G",
)  # fmt: skip
EVIL_KEYS = (
    *settings.SETTINGS, "MOSQUITTO_IMAGE", "TELEGRAF_IMAGE", "EVIL_IMAGE", "COMPOSE_FILE",
    "LD_PRELOAD", "COMPOSE_PROJECT_NAME", "DOCKER_HOST", "MOTE_STATE", "PATH",
    "export MOTE_USER", "MOTE_USER:",
    "GF_SECURITY_ADMIN_PASSWORD", " MOTE_PROFILE", "mote_profile", "#", "=",
)  # fmt: skip
EVIL_SQL = (
    "CREATE TRIGGER t{n} AFTER INSERT ON reading BEGIN DELETE FROM series; END",
    "CREATE VIEW v{n} AS SELECT * FROM device",
    "CREATE TABLE t{n} (x)",
    "CREATE INDEX i{n} ON reading (value)",
    "CREATE VIRTUAL TABLE t{n} USING fts5(x)",
    "ALTER TABLE device ADD COLUMN c{n}",
    "DROP TABLE mqtt_{table}",
    "DELETE FROM mqtt_{table}",
    "UPDATE sqlite_master SET sql = replace(sql, 'TEXT', 'TEXT DEFAULT (evil())')",
    "UPDATE sqlite_master SET rootpage = {n} WHERE name = 'reading'",
    "UPDATE sqlite_master SET type = 'view' WHERE name = 'series'",
    "INSERT INTO reading VALUES ({n}, {big}, {value})",
    "INSERT INTO device VALUES ({text}, {n}, {big}, {text})",
    "INSERT INTO series VALUES ({n}, {text}, {text})",
    "INSERT INTO mqtt_retained VALUES "
    "({text}, {blob}, {n}, {n}, {blob}, {text}, {text}, {big}, {big})",
    "INSERT INTO mqtt_session VALUES ({text}, {text}, {big}, {value})",
    "INSERT INTO mqtt_subscription VALUES ({text}, {text}, {n}, {n}, {n}, {n}, {big})",
    "INSERT INTO mqtt_received VALUES ({text}, {big})",
    "INSERT INTO mqtt_will VALUES "
    "({text}, {text}, {blob}, {n}, {n}, {blob}, {text}, {text}, {big}, 0)",
    "INSERT INTO backup_file VALUES ({text}, {blob}, {n})",
    "UPDATE backup_file SET name = {text} WHERE name = 'accounts.json'",
    "UPDATE backup_file SET content = {blob} WHERE name = 'accounts.json'",
    "UPDATE backup_file SET content = {blob} WHERE name = 'owner.password'",
    "UPDATE backup_info SET made = {value}",
    "UPDATE backup_info SET format = {n}",
    "UPDATE reading SET value = {text}, time_ns = {big}",
    "UPDATE reading SET time_ns = time_ns + {big}",
    "UPDATE reading SET value = {value}",
    "UPDATE reading SET series = {n} WHERE series = 1",
    "UPDATE device SET info = {text}",
    "PRAGMA user_version = {n}",
    "PRAGMA application_id = {n}",
)  # fmt: skip
EVIL_TEXT = (
    "'../evil'", "'plant1'", "'a'", "''", "'#'", "'a/+/b'", "x'ff'", "CAST(x'ff' AS TEXT)", "NULL",
    "5", "'{\"a\": ' || printf('%.*c', 30000, '[')", "'hub.lock'", "'readings.db'", "'ca.key'",
    "'update-key.pem'", "printf('%.*c', 70000, 'x')", "'\u202e'",
)  # fmt: skip
EVIL_BLOBS = ("x''", "x'00'", "x'ffff'", "zeroblob(100000)", "'text'", "x'7b7d'", "x'5b5d'")
EVIL_NUMBERS = (
    "0", "1", "-1", "9223372036854775807", "1764590000000000000", "4000000000000000000", "1e300",
    "9e999", "'x'", "x'00'", "2.5",
)  # fmt: skip


@dataclass
class Outcome:
    """What came of the files of a campaign; `harmful` has a line for each one that was."""

    refused: int = 0
    restored: int = 0
    harmful: list[str] = field(default_factory=list)


def run(figure: Callable[[str, float, str], None]) -> None:
    seed = int(os.environ.get("MOTE_SEED", SEED))
    # Thousands of folders are made and removed, which a disk takes its time for.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="mote-soak-", dir=memory) as folder, quick():
        stack = stack_campaign(Path(folder) / "stack", random.Random(seed), STACK)
        hub = hub_campaign(Path(folder) / "hub", random.Random(seed), HUB)
    for outcome, what in ((stack, "stack"), (hub, "hub")):
        print(f"# {what}: {outcome.refused} refused, {outcome.restored} restored", flush=True)
        for line in outcome.harmful[:10]:
            print(f"# harmful: {line}", flush=True)
    harmful = len(stack.harmful) + len(hub.harmful)
    figure("trust_backups", stack.refused + stack.restored + hub.refused + hub.restored, "")
    figure("trust_backups_harmful", harmful, "")
    if harmful or not (stack.refused and stack.restored and hub.refused and hub.restored):
        raise AssertionError(f"{harmful} backups were harmful (seed {seed}), see above")


@contextmanager
def quick() -> Iterator[None]:
    """Nobody guesses passphrases here, and nobody waits for the disk."""
    with mock.patch.object(sealed, "_COST", 2**4), mock.patch.object(os, "fsync"):
        yield


def stack_campaign(folder: Path, dice: random.Random, count: int) -> Outcome:
    """Restore `count` mutated backups of `mote stack` beside an installation in `folder`."""
    folder.mkdir(parents=True)
    original = backup_files.new_installation(folder / "original" / "state", "plant1")
    here = backup_files.new_installation(folder / "here" / "state", "mine")
    for key in settings.ADDRESSES:
        here._set(key, "192.0.2.9")
    entries = backup_files.entries_of(original)
    shutil.rmtree(folder / "original")
    plain = backup_files.packed(entries)
    closed = backup_files.seal(plain, PASSPHRASE)
    source = folder / "x.backup"
    source.write_bytes(b"")
    before = backup_files.tree(folder)
    outcome = Outcome()
    with quick():
        for number in range(count):
            content, what = _stack_file(dice, entries, plain, closed)
            source.write_bytes(content)
            passphrase = PASSPHRASE if content[: len(sealed.MAGIC)] == sealed.MAGIC else ""
            with _judged(outcome, f"{number} {what}"):
                try:
                    prepared = backup_files.prepare(source, here, passphrase)
                except StackError:
                    outcome.refused += 1
                else:
                    outcome.restored += 1
                    _check_stack(prepared, here)
                    if dice.random() < 0.1:
                        _apply_and_fail(prepared, here)
                    prepared.discard()
                source.write_bytes(b"")
                _same(folder, before)
    return outcome


def hub_campaign(folder: Path, dice: random.Random, count: int) -> Outcome:
    """Restore `count` mutated backups of a hub into `folder`."""
    folder.mkdir(parents=True)
    file, data, source = folder / "x.backup", folder / "hub", folder / "original"
    for path in (source, data):
        _hub(path)
    with quick():
        backup.create(source, file)
        plain = file.read_bytes()
        file.unlink()
        backup.create(source, file, passphrase=PASSPHRASE)
        closed = file.read_bytes()
        shutil.rmtree(source)
        file.write_bytes(b"")
        saved = folder.with_name(f"{folder.name}.saved")
        shutil.copytree(data, saved)
        before = backup_files.tree(folder)
        outcome = Outcome()
        for number in range(count):
            content, what = _hub_file(dice, plain, closed, file)
            file.write_bytes(content)
            passphrase = PASSPHRASE if content[: len(sealed.MAGIC)] == sealed.MAGIC else ""
            with _judged(outcome, f"{number} {what}"):
                try:
                    done = backup.restore(file, data, replace=True, passphrase=passphrase)
                except BackupError:
                    outcome.refused += 1
                else:
                    outcome.restored += 1
                    try:
                        _check_hub(data, done)
                    finally:
                        shutil.rmtree(data)
                        shutil.copytree(saved, data)
                file.write_bytes(b"")
                _same(folder, before)
    return outcome


@contextmanager
def _judged(outcome: Outcome, what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        at = f"{Path(last.filename).name}:{last.lineno}"
        outcome.harmful.append(f"{what}: {type(error).__name__} {error} ({at})")


def _same(folder: Path, before: dict[str, object]) -> None:
    found = backup_files.tree(folder)
    locks = ("hub/hub.lock", "hub/accounts.lock")
    other = {name for name in found.keys() | before.keys() if found.get(name) != before.get(name)}
    assert not other - {*locks}, f"changed: {sorted(other)[:5]}"


def _stack_file(
    dice: random.Random, entries: list[Entry], plain: bytes, closed: bytes
) -> tuple[bytes, str]:
    kind = dice.choice(
        ("flip", "flip sealed", "flip raw", "splice", "header", "entry", "entry", "settings",
         "settings", "settings", "content", "content")
    )  # fmt: skip
    if kind.startswith("flip"):
        if kind == "flip raw":
            return gzip.compress(_flipped(dice, gzip.decompress(plain)), 1), kind
        return _flipped(dice, closed if kind == "flip sealed" else plain), kind
    if kind == "splice":
        return _spliced(dice, dice.choice((plain, closed))), kind
    if kind == "header":
        return gzip.compress(_bent_headers(dice, gzip.decompress(plain)), 1), kind
    new = [_copy(one) for one in entries]
    for _ in range(dice.choice((1, 1, 2, 5))):
        {"entry": _bend_entry, "settings": _bend_settings, "content": _bend_content}[kind](
            dice, new
        )
    made = _packed(new)
    return (backup_files.seal(made, PASSPHRASE) if dice.random() < 0.2 else made), kind


def _copy(entry: Entry) -> Entry:
    made = tarfile.TarInfo(entry[0].name)
    made.type, made.size, made.mtime = entry[0].type, entry[0].size, entry[0].mtime
    return made, entry[1]


def _packed(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w|", errors="surrogateescape") as tar:
        for entry, content in entries:
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1)


def _flipped(dice: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 1, 3, 30))):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _spliced(dice: random.Random, content: bytes) -> bytes:
    begin, end = sorted(dice.randrange(len(content) + 1) for _ in range(2))
    return dice.choice(
        (content[:begin], content[begin:], content[:begin] + content[end:],
         content[:end] + content[begin:], content + content[begin:end], content + bytes(600),
         content[:begin] + dice.randbytes(40) + content[begin:])
    )  # fmt: skip


def _bent_headers(dice: random.Random, tar: bytes) -> bytes:
    """Bytes of a header changed, with its checksum right again."""
    changed = bytearray(tar)
    at = 512 * dice.randrange(len(tar) // 512)
    for _ in range(dice.choice((1, 2, 8))):
        where = dice.choice((dice.randrange(100), 124 + dice.randrange(12), 156, 257, 345))
        changed[at + where] = dice.choice((0, 0x20, 0x2F, 0x2E, 0x30, 0x37, 0x35, 0x80, 0xFF))
    header = changed[at : at + 512]
    header[148:156] = b" " * 8
    changed[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    return bytes(changed)


def _bend_entry(dice: random.Random, entries: list[Entry]) -> None:
    at = dice.randrange(len(entries))
    entry, content = entries[at]
    deed = dice.randrange(7)
    if deed == 0:
        entry.name = dice.choice(EVIL_NAMES) or "x"
    elif deed == 1:
        entry.type, entry.linkname = dice.choice(EVIL_TYPES), dice.choice(EVIL_NAMES)
    elif deed == 2:
        del entries[at]
    elif deed == 3:
        entries.insert(dice.randrange(len(entries)), _copy((entry, content)))
    elif deed == 4:
        entries.insert(dice.randrange(len(entries)), entries.pop(at))
    elif deed == 5:
        entry.pax_headers = {
            dice.choice(("path", "size", "linkpath", "GNU.sparse.name", "mtime", "x")): dice.choice(
                (*EVIL_NAMES, "7", "99999999999")
            )
        }
    else:
        link = backup_files.special("data/influxdb/backup/l", tarfile.SYMTYPE, "/tmp")
        entries[at:at] = [link, backup_files.file("data/influxdb/backup/l/evil")]


def _bend_settings(dice: random.Random, entries: list[Entry]) -> None:
    at = next((n for n, one in enumerate(entries) if one[0].name == "settings.env"), -1)
    lines = entries[at][1].decode(errors="replace").split("\n")
    line = f"{dice.choice(EVIL_KEYS)}{dice.choice('====:')}{dice.choice(EVIL_VALUES)}"
    lines.insert(dice.randrange(len(lines) + 1), line)
    if dice.random() < 0.3:
        del lines[dice.randrange(len(lines))]
    entries[at] = backup_files.file("settings.env", "\n".join(lines).encode())


def _bend_content(dice: random.Random, entries: list[Entry]) -> None:
    at = dice.randrange(len(entries))
    entry, content = entries[at]
    if entry.isdir():
        return
    deed = dice.randrange(5)
    if deed == 0 and content:
        content = _flipped(dice, content)
    elif deed == 1:
        content = content[: dice.randrange(len(content) + 1)]
    elif deed == 2:
        content = dice.choice(EVIL_VALUES).encode()
    elif deed == 3:
        content += b"\n" + dice.choice(EVIL_VALUES).encode()
    elif content[:1] == b"{":
        with contextlib.suppress(ValueError):
            content = json.dumps(_bent(dice, json.loads(content))).encode()
    entries[at] = backup_files.file(entry.name, content)


def _bent(dice: random.Random, document: object) -> object:
    """The JSON document with another value somewhere."""
    if isinstance(document, dict) and document and dice.random() < 0.9:
        key = dice.choice(list(document))
        return {**document, key: _bent(dice, document[key])}
    if isinstance(document, list) and document and dice.random() < 0.9:
        at = dice.randrange(len(document))
        return [*document[:at], _bent(dice, document[at]), *document[at + 1 :]]
    return dice.choice((None, True, -1, 10**18, 1.5, [], {}, "\ud800", *EVIL_VALUES))


def _check_stack(prepared: restore.Prepared, here: Installation) -> None:
    """What was unpacked has plain files of a backup only, and settings of any machine."""
    fresh = prepared.fresh
    found, mine = fresh.settings(), here.settings()
    assert found.keys() <= settings.SETTINGS.keys(), found.keys() - settings.SETTINGS.keys()
    assert not settings.problems(found), settings.problems(found)
    for key, setting in settings.SETTINGS.items():
        if not setting.travels:
            assert found.get(key) == mine.get(key), f"{key} is of the backup"
    for path in fresh.state.rglob("*"):
        name = str(path.relative_to(fresh.state))
        assert not path.is_symlink() and (path.is_dir() or path.is_file()), f"{name}: no file"
        assert path.stat().st_mode & 0o077 == 0 and path.stat().st_nlink < 100, f"{name}: open"
        assert path.is_dir() or name.startswith(("secrets/", "authority/", "certificates/",
            "data/influxdb/backup/")) or name in ("settings.env", restore.QUEUE, restore.DASHBOARDS,
            "mosquitto/accounts.json"), f"{name} is in no backup"  # fmt: skip
        if name.startswith("secrets/") and path.is_file() and not name.endswith(".csv"):
            assert b"\n" not in path.read_bytes(), f"{name} has a second line"
    for account in json.loads(fresh.accounts.path.read_text())["clients"]:
        expected = accounts._client(account["username"], accounts._account(account))
        assert account == expected and account["iterations"] < 10**5, account


def _apply_and_fail(prepared: restore.Prepared, here: Installation) -> None:
    compose = backup_files.ScriptedCompose(("influxdb",), "inside")
    with contextlib.suppress(StackError):
        restore.apply(prepared, here, compose, lambda _: None, lambda: None)
    assert compose.running == ["influxdb"]


def _hub(data: Path) -> None:
    store = Store(data / "readings.db")
    now_ns = time.time_ns()
    store.commit(
        Contents(
            [Reading(f"plant{n % 3}", "t", now_ns - n, float(n)) for n in range(60)],
            [(f"plant{n}", True, now_ns) for n in range(3)],
            [(f"plant{n}", '{"board": "x"}') for n in range(3)],
        )
    )
    store.close()
    Accounts(data).add("plant1")


def _hub_file(dice: random.Random, plain: bytes, closed: bytes, scratch: Path) -> tuple[bytes, str]:
    kind = dice.choice(("flip", "flip sealed", "page", "splice", "sql", "sql", "sql", "sql"))
    if kind == "flip":
        return _flipped(dice, plain), kind
    if kind == "flip sealed":
        return _flipped(dice, closed), kind
    if kind == "splice":
        return _spliced(dice, dice.choice((plain, closed))), kind
    if kind == "page":
        # The database's header, and the headers of pages: where its structure is.
        changed = bytearray(plain)
        for _ in range(dice.choice((1, 2, 8))):
            at = 4096 * dice.randrange(len(plain) // 4096) + dice.randrange(120)
            changed[at] = dice.randrange(256)
        return bytes(changed), kind
    scratch.write_bytes(plain)
    said = []
    with closing(sqlite3.connect(scratch, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        for _ in range(dice.choice((1, 1, 1, 3))):
            statement = _statement(dice)
            with contextlib.suppress(sqlite3.Error):
                db.execute(statement)
                said.append(statement[:200])
    content = scratch.read_bytes()
    scratch.with_name(f"{scratch.name}-journal").unlink(missing_ok=True)
    return content, f"{kind} {said}"


def _statement(dice: random.Random) -> str:
    parts = dice.choice(EVIL_SQL).split("{text}")
    made = parts[0] + "".join(dice.choice(EVIL_TEXT) + part for part in parts[1:])
    for key, values in (
        ("{blob}", EVIL_BLOBS), ("{value}", EVIL_NUMBERS), ("{big}", EVIL_NUMBERS),
        ("{n}", ("0", "1", "2", "3", "5", "9", "99")),
        ("{table}", ("will", "queue", "retained", "session", "received", "subscription")),
    ):  # fmt: skip
        while key in made:
            made = made.replace(key, dice.choice(values), 1)
    return made


def _check_hub(data: Path, done: backup.Contents) -> None:
    """The restored store is one of this Mote's, which a hub opens, and its files are a hub's."""
    known = {*backup.FILES, backup.STORE, "accounts.lock", "hub.lock"}
    assert {path.name for path in data.iterdir()} <= known, list(data.iterdir())
    assert done.keys.keys() <= backup.KEYS.keys()
    with closing(sqlite3.connect(data / backup.STORE)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = set(db.execute("SELECT type, name, sql FROM sqlite_master"))
        kinds = set(db.execute("SELECT DISTINCT typeof(time_ns), typeof(value) FROM reading"))
        assert kinds <= {("integer", "real")}, kinds
        wrong = "abs(value) > 1.7976931348623157e308 OR series NOT IN (SELECT id FROM series)"
        assert not db.execute(f"SELECT * FROM reading WHERE {wrong}").fetchall()
        qualities = db.execute("SELECT max(qos) FROM mqtt_subscription").fetchone()
        assert (qualities[0] or 0) <= 2
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        schema.create(db, done.store_version)
        assert found == set(db.execute("SELECT type, name, sql FROM sqlite_master"))
    # A hub starts with it: its accounts, its store, the sessions of its broker.
    Accounts(data)
    store = Store(data / backup.STORE)
    try:
        store.read(session_store.load)
        now_ns = time.time_ns()
        newest = store.read(lambda db: db.execute("SELECT max(time_ns) FROM reading").fetchone())
        assert (newest[0] or 0) <= now_ns + 3_700 * 10**9, "a reading of the future"
        store.write([Reading("plant1", "t", now_ns, 1.0)])
    finally:
        store.close()
