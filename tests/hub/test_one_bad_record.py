"""One bad record of one device stops nothing of any other; the judge is sqlite3's own file."""

import json
import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from clients import Client, new_hub, until, with_hub
from motekit.broker.backend import Batch, Message
from motekit.hub import schema
from motekit.hub.ingest import Commit, Ingest
from motekit.hub.store import Contents, Device, Reading, Store

pytestmark = pytest.mark.anyio
SECOND_NS = 10**9
BAD_TIMES = (99999999999999999999, 2**63 - 1, 2**63, -1, 0, 10**18)


def rows(path: Path) -> list[tuple[str, str, int, float]]:
    """As any other program reads the store."""
    with closing(sqlite3.connect(path)) as db:
        return db.execute(
            "SELECT device, metric, time_ns, value FROM series JOIN reading ON series = id "
            "ORDER BY device, metric, time_ns"
        ).fetchall()


def line(time_ns: int, value: float = 1.5, device: str = "ov1") -> str:
    return f"sensors,device={device},metric=temperature value={value} {time_ns}"


def test_good_neighbours_of_bad_lines_are_stored_and_all_is_acknowledged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub = new_hub(tmp_path)
    now_ns = time.time_ns()
    milliseconds, future = now_ns // 10**6, now_ns + 3_700 * SECOND_NS
    bad = [line(time_ns) for time_ns in (*BAD_TIMES, milliseconds, future)]

    def story() -> None:
        client = Client(hub.mqtt_port)
        with caplog.at_level(logging.WARNING):
            lines = [line(now_ns), *bad, line(now_ns + 1), "", "\x00"]
            client.publish("backfill/ov1", "\n".join(lines))
            for one in bad:
                client.publish("backfill/ov1", one)
        client.publish("sensors/zoo/temperature", "2")
        client.close()

    with_hub(hub, story)
    stored = rows(tmp_path / "readings.db")
    assert stored[:2] == [
        ("ov1", "temperature", now_ns, 1.5),
        ("ov1", "temperature", now_ns + 1, 1.5),
    ]
    assert [(device, value) for device, _, _, value in stored[2:]] == [("zoo", 2.0)]
    assert hub.ingest.refused == 2 * len(bad) + 2
    assert sum("Payload refused" in one.getMessage() for one in caplog.records) == 1


def test_a_bad_info_or_status_leaves_the_one_before_it(tmp_path: Path) -> None:
    hub = new_hub(tmp_path)
    bad = ('{"board":"\\ud800"}', "[" * 60_000, "[1]", "NaN", '{"a":1,"a":2}', '{"a":1e999}', "{")

    def story() -> None:
        client = Client(hub.mqtt_port)
        client.publish("devices/plant1/info", '{"board":"\U0001f331"}', retain=True)
        for text in bad:
            client.publish("devices/plant1/info", text, retain=True)
        client.publish("devices/plant1/status", "\ud7ff?", retain=True)
        client.publish("devices/plant1/status", "x" * 1_000, retain=True)
        until(lambda: hub.ingest.refused == len(bad) + 2)
        client.close()

    with_hub(hub, story)
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        [(device, online, info)] = db.execute("SELECT id, online, info FROM device")
    assert (device, online, json.loads(info)) == ("plant1", 0, {"board": "\U0001f331"})


async def test_what_sqlite_refuses_is_refused_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "readings.db")
    applied: list[object] = []

    def apply(_db: sqlite3.Connection, changes: object) -> None:
        applied.extend(changes)  # type: ignore[call-overload]

    ingest = Ingest(store, apply)
    # A check that was forgotten, as it might be: a time that does not fit into SQLite's integers.
    now_ns = time.time_ns()
    messages = [
        Message("sensors/a/t", b"1", 1, False, time_ns=now_ns),
        Message("sensors/b/t", b"2", 1, False, time_ns=2**63),
        Message("sensors/c/t", b"3", 1, False, time_ns=now_ns),
    ]
    await ingest.commit(Batch(messages, ["change"]))  # type: ignore[list-item]
    assert [(d, v) for d, _, _, v in rows(tmp_path / "readings.db")] == [("a", 1.0), ("c", 3.0)]
    assert (ingest.accepted, ingest.refused, applied) == (2, 1, ["change"])
    ingest.close()
    store.close()


async def test_listeners_hear_what_is_durable_and_one_that_fails_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "readings.db")
    ingest = Ingest(store)
    heard: list[Commit] = []
    stored: list[int] = []

    def fails(_commit: Commit) -> None:
        raise ZeroDivisionError("listener")

    def hears(commit: Commit) -> None:
        heard.append(commit)
        stored.append(len(rows(tmp_path / "readings.db")))

    ingest.commit_listeners += [fails, hears]
    now_ns = time.time_ns()
    with caplog.at_level(logging.ERROR):
        await ingest.commit(
            Batch(
                [
                    Message("sensors/a/t", b" 1\n", 1, False, time_ns=now_ns),
                    Message("devices/a/status", b"online", 1, True, time_ns=now_ns + 1),
                    Message("devices/a/info", b'{"x":1}', 1, True, time_ns=now_ns + 2),
                    Message("somewhere/else", b"\xff", 0, False, time_ns=now_ns + 3),
                ]
            )
        )
    assert heard == [
        Commit([Reading("a", "t", now_ns, 1.0)], [Device("a", True, now_ns + 1, '{"x": 1}')])
    ]
    assert stored == [1]
    assert any("ZeroDivisionError: listener" in (r.exc_text or "") for r in caplog.records)
    # A status that is said again is no change; it says since when it is so.
    again = [Message("devices/a/status", b"online", 1, True, time_ns=now_ns + 4)]
    await ingest.commit(Batch(again))
    assert len(heard) == 1 and store.devices()[0].changed_ns == now_ns + 1
    ingest.close()
    store.close()


def test_a_restart_leaves_offline_since_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "readings.db")
    now_ns = time.time_ns()
    gone_ns, read_ns = now_ns - 9_000 * SECOND_NS, now_ns - 5_000 * SECOND_NS
    statuses = [("gone", False, gone_ns), ("there", True, gone_ns), ("silent", True, gone_ns)]
    readings = [
        Reading("there", "t", read_ns, 1.0),
        Reading("there", "u", read_ns - 1, 1.0),
        Reading("there", "t", now_ns + 3_000 * SECOND_NS, 1.0),
        Reading("gone", "t", read_ns, 1.0),
    ]
    store.commit(Contents(readings, statuses))
    store.close()
    for _ in range(2):
        hub = new_hub(tmp_path)
        with_hub(hub, lambda: None)
    with closing(sqlite3.connect(tmp_path / "readings.db")) as db:
        found = db.execute("SELECT id, online, changed_ns FROM device ORDER BY id").fetchall()
    # One that was online when the hub ended is known to have been there until its newest reading.
    assert found == [("gone", 0, gone_ns), ("silent", 0, gone_ns), ("there", 0, read_ns)]


def test_a_store_of_version_1_keeps_misdated_readings_apart(tmp_path: Path) -> None:
    path = tmp_path / "readings.db"
    now_ns = time.time_ns()
    wrong = [-5, 0, now_ns // 10**6, now_ns + 4_000 * SECOND_NS, 2**63 - 1]
    right = [schema.payloads.EARLIEST_NS, now_ns - 1, now_ns + 1_000 * SECOND_NS]
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(schema._VERSION_1)
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO series VALUES (1, 'a', 't')")
        db.executemany("INSERT INTO reading VALUES (1, ?, ?)", [(t, 0.5) for t in wrong + right])
        infos = [("a", '"\\ud800"'), ("b", '{"board":"\\udc00"}'), ("c", '{"heap": 5}')]
        db.executemany("INSERT INTO device (id, info) VALUES (?, ?)", infos)
    store = Store(path)
    try:
        assert [one.time_ns for one in store.latest()] == [now_ns - 1]
        assert store.last_by_device() == {"a": now_ns - 1}
        assert [one.time_ns for one in store.readings("a", "t", 0, 99)] == right
        assert [(one.id, one.info) for one in store.devices()] == [
            ("a", "{}"), ("b", "{}"), ("c", '{"heap": 5}')
        ]  # fmt: skip
    finally:
        store.close()
    with closing(sqlite3.connect(path)) as db:
        kept = db.execute("SELECT time_ns FROM misdated_reading ORDER BY 1").fetchall()
        assert [time_ns for (time_ns,) in kept] == wrong
        assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_migration_that_is_cut_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "readings.db"
    with closing(sqlite3.connect(path)) as db, db:
        db.executescript(schema._VERSION_1)
        db.execute("PRAGMA user_version = 1")
        db.execute("INSERT INTO series VALUES (1, 'a', 't')")
        db.execute("INSERT INTO reading VALUES (1, 5, 0.5)")

    def cut(_db: sqlite3.Connection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "_empty_broken_infos", cut)
    with pytest.raises(KeyboardInterrupt):
        Store(path)
    assert rows(path) == [("a", "t", 5, 0.5)]
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (1,)


async def test_readings_that_came_before_the_clock_was_set_get_the_time_when_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from motekit.broker.backend import CommitError
    from motekit.hub import ingest as module

    store = Store(tmp_path / "readings.db")
    ingest = Ingest(store)
    batch = Batch([Message("sensors/a/t", b"1", 1, False, time_ns=5 * SECOND_NS)])
    with monkeypatch.context() as patch:
        patch.setattr(module.time, "time_ns", lambda: 6 * SECOND_NS)
        with pytest.raises(CommitError, match="set the time"):
            await ingest.commit(batch)
        assert not ingest.storage.ok
    began_ns = time.time_ns()
    await ingest.commit(batch)
    [(_, _, time_ns, value)] = rows(tmp_path / "readings.db")
    assert began_ns <= time_ns <= time.time_ns() and value == 1.0
    ingest.close()
    store.close()
