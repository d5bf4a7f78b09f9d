"""A backup has everything that was acknowledged before it; the judges are paho and sqlite3.

`sqlite3` reads what was restored as any other program does, with its own integrity check.
"""

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from clients import Client, new_hub, until, with_hub
from motekit.hub import backup, schema, untrusted_store
from motekit.hub.accounts import Accounts
from motekit.hub.backup import BackupError
from motekit.hub.store import Contents, Reading, Store
from motekit.update import keys
from running_hub import mote, running, small_disk

MOTE = Path(sys.executable).with_name("mote")


def values(store: Path) -> set[float]:
    with closing(sqlite3.connect(store)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return {value for (value,) in db.execute("SELECT value FROM reading")}


def a_hub(data: Path, count: int, value: float = 1.0) -> str:
    """A folder with `count` readings, a device and an account, whose password is returned."""
    store = Store(data / "readings.db")
    now_ns = time.time_ns()
    store.commit(
        Contents(
            [Reading("plant1", "t", now_ns - n, value) for n in range(count)],
            [("plant1", True, now_ns)],
            [("plant1", '{"board": "x"}')],
        )
    )
    store.close()
    return Accounts(data).add("plant1")


def tree(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir()) if p.suffix != ".lock"}


def test_what_was_acknowledged_before_a_backup_under_load_is_in_the_restored_hub(
    tmp_path: Path,
) -> None:
    data, copy = tmp_path / "hub", tmp_path / "copy"
    with running(data) as (_, facts):
        acknowledged: list[int] = []
        stop = threading.Event()

        def load(first: int) -> None:
            client = Client(int(str(facts["mqtt_port"])))
            for value in itertools.count(first, 4):
                if stop.is_set():
                    break
                client.publish(f"sensors/plant{first}/t", str(value))
                acknowledged.append(value)
            client.close()

        threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for number in range(3):
            enough = len(acknowledged) + 50
            until(lambda enough=enough: len(acknowledged) > enough)
            before = set(acknowledged)
            file = tmp_path / f"{number}.backup"
            made = mote("hub", "backup", file, "--data", data, "--json")
            assert made.returncode == 0, made.stderr
            assert file.stat().st_mode & 0o777 == 0o600
            done = mote("hub", "restore", file, "--data", copy, "--yes", "--json")
            assert done.returncode == 0, done.stderr
            found = values(copy / "readings.db")
            assert before <= found and json.loads(done.stdout)["readings"] == len(found)
        # Nor may a hub's data be replaced while it runs.
        refused = mote("hub", "restore", file, "--data", data, "--yes")
        assert refused.returncode == 1 and "already using the data folder" in refused.stderr
        stop.set()
        for thread in threads:
            thread.join()
    assert values(data / "readings.db") == set(map(float, acknowledged))


def test_a_restored_hub_lets_the_same_people_in_and_knows_the_same_devices(tmp_path: Path) -> None:
    data, copy, file = tmp_path / "hub", tmp_path / "copy", tmp_path / "a.backup"
    password = a_hub(data, 10)
    key = tmp_path / "update-key.pem"
    key.write_bytes(b"a key")
    (data / ".hidden.new").write_text("of a process that was killed")
    made = backup.create(data, file, keys=(key,))
    assert made.files == ("accounts.json", "owner.password", "update-key.pem")
    assert (made.readings, made.devices) == (10, 1)
    backup.restore(file, copy, replace=False)
    names = {path.name for path in copy.iterdir()}
    assert names == {"accounts.json", "owner.password", "readings.db", "hub.lock"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in copy.iterdir())
    assert backup.keys_in(file) == {"update-key.pem": b"a key"}
    accounts = Accounts(copy)
    assert accounts.verify("plant1", password)
    assert accounts.owner_password == Accounts(data).owner_password
    hub = new_hub(copy)
    (device,) = hub.store.devices()
    assert device.info == '{"board": "x"}' and hub.store.count_by_device() == {"plant1": 10}
    with_hub(hub, lambda: None)
    with closing(sqlite3.connect(copy / "readings.db")) as db:
        tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        assert db.execute("PRAGMA application_id").fetchone() == (0,)
    assert not {name for name in tables if name.startswith("backup")}


def test_a_leftover_log_of_the_former_store_is_not_played_into_the_restored_one(
    tmp_path: Path,
) -> None:
    data, other, file = tmp_path / "hub", tmp_path / "other", tmp_path / "a.backup"
    a_hub(other, 5, 2.0)
    backup.create(other, file)
    # A store whose process was killed: all of it is still in its log.
    store = Store(data / "readings.db")
    store.write([Reading("old", "t", time.time_ns(), 9.0)])
    kept = {name: (data / name).read_bytes() for name in ("readings.db-wal", "readings.db-shm")}
    store.close()
    for name, content in kept.items():
        (data / name).write_bytes(content)
    with pytest.raises(BackupError, match="add --yes"):
        backup.restore(file, data, replace=False)
    assert (data / "readings.db-wal").read_bytes() == kept["readings.db-wal"]
    backup.restore(file, data, replace=True)
    assert values(data / "readings.db") == {2.0}


@pytest.mark.parametrize("step", range(12))
def test_a_restore_that_is_cut_leaves_the_old_data_or_all_of_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    data, other, file = tmp_path / "hub", tmp_path / "other", tmp_path / "a.backup"
    old_password, new_password = a_hub(data, 3, 1.0), a_hub(other, 3, 2.0)
    backup.create(other, file)
    (data / "readings.db-journal").write_bytes(b"of long ago")
    steps = itertools.count()

    def cut(*_values: object, **_named: object) -> None:
        if next(steps) == step:
            raise KeyboardInterrupt

    def cutting(owner: object, name: str) -> None:
        real = getattr(owner, name)
        monkeypatch.setattr(owner, name, lambda *a, **k: (cut(), real(*a, **k))[1])

    for name in ("rename", "replace", "unlink", "rmdir"):
        cutting(Path, name)
    with contextlib.suppress(KeyboardInterrupt):
        backup.restore(file, data, replace=True)
    is_complete = next(steps) <= step
    monkeypatch.undo()
    committed = (data / "restore.ready").is_dir() or values(data / "readings.db") == {2.0}
    hub = new_hub(data)
    hub.store.close()
    assert values(data / "readings.db") == ({2.0} if committed else {1.0})
    assert hub.accounts.verify("plant1", new_password if committed else old_password)
    assert committed or not is_complete
    assert not (data / "restore.ready").exists()


def test_killed_backups_and_restores_leave_whole_data_only(tmp_path: Path) -> None:
    data, copy = tmp_path / "hub", tmp_path / "copy"
    a_hub(data, 200_000, 2.0)
    a_hub(copy, 5, 1.0)
    file, whole = tmp_path / "a.backup", tmp_path / "whole.backup"
    backup.create(data, whole)
    script = (
        "import sys; from pathlib import Path; from motekit.hub import backup\n"
        "def show(*values): print(*values, flush=True)\n"
        "source, target = map(Path, sys.argv[2:])\n"
        "if sys.argv[1] == 'backup': backup.create(source, target, show)\n"
        "else: backup.restore(source, target, replace=True, progress=show)\n"
    )
    for lines in range(6):
        for command, source, target in (("backup", data, file), ("restore", whole, copy)):
            with subprocess.Popen(
                [sys.executable, "-c", script, command, source, target], stdout=subprocess.PIPE
            ) as process:
                assert process.stdout
                for _ in range(lines):
                    process.stdout.readline()
                process.kill()
        if file.exists():
            assert backup._inspect(file, backup._no_progress).readings == 200_000
            file.unlink()
        new_hub(copy).store.close()
        assert values(copy / "readings.db") in ({1.0}, {2.0})
    backup.create(data, file)
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_an_older_backup_is_restored_and_brought_up_to_date(tmp_path: Path) -> None:
    file, data = tmp_path / "old.backup", tmp_path / "hub"
    with closing(sqlite3.connect(file)) as db, db:
        db.executescript(schema._VERSION_1)
        db.execute("PRAGMA user_version = 1")
        db.execute(f"PRAGMA application_id = {backup.APPLICATION_ID}")
        db.execute("INSERT INTO series VALUES (1, 'a', 't')")
        db.execute("INSERT INTO reading VALUES (1, ?, 0.5)", (time.time_ns(),))
        for statement in untrusted_store.BACKUP_TABLES:
            db.execute(statement)
        db.execute("INSERT INTO backup_info VALUES (1, 0)")
    assert backup.restore(file, data, replace=False).store_version == 1
    hub = new_hub(data)
    assert [one.value for one in hub.store.latest()] == [0.5]
    hub.store.close()
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(BackupError, match=r"version 99 of a newer Mote.*update Mote"):
        backup.restore(file, data, replace=True)


def test_what_is_no_whole_backup_changes_nothing(tmp_path: Path) -> None:
    data, file = tmp_path / "hub", tmp_path / "a.backup"
    a_hub(data, 2_000)
    backup.create(data, file)
    before = tree(data)
    whole = file.read_bytes()
    bad = {
        "cut": whole[: len(whole) // 2],
        "flipped": whole[:8192] + bytes(b ^ 0x55 for b in whole[8192:20_480]) + whole[20_480:],
        "empty": b"",
        "text": b"this is no backup" * 1_000,
        "plain store": (data / "readings.db").read_bytes(),
    }
    for name, content in bad.items():
        file.write_bytes(content)
        with pytest.raises(BackupError, match=r"no backup|damaged"):
            backup.restore(file, data, replace=True)
        assert tree(data) == before, name
    file.write_bytes(whole)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("INSERT INTO backup_file VALUES ('../evil', 'x', 0)")
    with pytest.raises(BackupError, match=r"\.\./evil"):
        backup.restore(file, data, replace=True)
    with pytest.raises(BackupError, match="exists already"):
        backup.create(data, file)
    with pytest.raises(BackupError, match="no hub in"):
        backup.create(tmp_path / "typo", tmp_path / "b")
    with pytest.raises(BackupError, match="no folder"):
        backup.create(data, tmp_path / "typo" / "b")


def test_a_full_disk_is_named_and_leaves_what_was_there(tmp_path: Path) -> None:
    data = tmp_path / "hub"
    a_hub(data, 80_000)
    backup.create(data, tmp_path / "a.backup")
    with small_disk(tmp_path / "disk", "1m") as disk:
        a_hub(disk / "hub", 5, 1.0)
        for done in (
            mote("hub", "backup", disk / "b", "--data", data),
            mote("hub", "restore", tmp_path / "a.backup", "--data", disk / "hub", "--yes"),
        ):
            assert done.returncode == 1 and "Traceback" not in done.stderr
            assert "is full: make room" in done.stderr, done.stderr
        assert sorted(path.name for path in disk.iterdir()) == ["hub"]
        assert values(disk / "hub" / "readings.db") == {1.0}


def test_a_hub_on_a_disk_that_nobody_can_write_is_backed_up(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", "4m") as disk:
        a_hub(disk, 5)
        (disk / "hub.lock").unlink(missing_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert backup.create(disk, tmp_path / "a.backup").readings == 5


def test_commands_keep_a_key_that_is_there_and_say_so(tmp_path: Path) -> None:
    a_hub(tmp_path / "hub", 5)
    home = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "home"), "NO_COLOR": "1"}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [str(MOTE), "hub", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=home, timeout=120)

    key = tmp_path / "home" / "mote" / "update-key.pem"
    key.parent.mkdir(parents=True)
    first = keys.private_key(key)
    plain, file = tmp_path / "plain.backup", tmp_path / "a.backup"
    done = run("backup", plain, "--data", tmp_path / "hub")
    assert done.returncode == 0 and "mote key export" in done.stderr
    assert backup.keys_in(plain) == {}
    home["MOTE_BACKUP_PASSPHRASE"] = "tulip gravel orbit mustard"
    assert run("backup", file, "--data", tmp_path / "hub").returncode == 0
    key.unlink()
    other = keys.private_key(key)
    done = run("restore", file, "--data", tmp_path / "new")
    assert done.returncode == 0 and f'The key "{key}" is another' in done.stderr
    assert keys.private_key(key).private_numbers() == other.private_numbers()
    shutil.rmtree(key.parent)
    done = run("restore", file, "--data", tmp_path / "new", "--yes")
    shown = keys.fingerprint(keys.public_bytes(first))
    assert done.returncode == 0 and f"It brings the key for updates {shown}" in done.stderr
    assert keys.private_key(key).private_numbers() == first.private_numbers()
    assert key.stat().st_mode & 0o077 == 0
