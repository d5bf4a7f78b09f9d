"""Whatever bytes a batch has, its good neighbours are stored; sqlite3 is the judge."""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from motekit.broker.backend import Batch, Message
from motekit.hub.ingest import Ingest
from motekit.hub.store import Store

LINE = b"sensors,device=bad,metric=t value=%s %s"
TOPICS = st.sampled_from(
    ["sensors/bad/t", "backfill/bad", "devices/bad/info", "devices/bad/status", "devices/bad/reply",
     "sensors/bad", "sensors//t", "backfill/", "backfill/bad/x", "devices/bad", "devices//info",
     "devices/b\U0001f331d/status"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)  # fmt: skip
NUMBERS = st.integers().map(lambda n: b"%d" % n) | st.floats().map(lambda f: repr(f).encode())
LINES = st.lists(st.builds(lambda *two: LINE % two, NUMBERS, NUMBERS), max_size=4).map(b"\n".join)
JSON = st.sampled_from([b'{"a":"\\ud800"}', b"[" * 5_000, b'{"a":NaN}', b'{"a":1,"a":1}', b"{}"])
PAYLOADS = st.binary(max_size=100) | NUMBERS | LINES | JSON


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with tempfile.TemporaryDirectory(prefix="mote-test-") as folder:
        store = Store(Path(folder) / "readings.db")
        yield store
        store.close()


@settings(max_examples=150, deadline=None)
@given(bad=st.lists(st.tuples(TOPICS, PAYLOADS), max_size=12), at=st.integers(0, 12))
def test_whatever_is_in_a_batch_its_good_neighbours_are_stored(
    store: Store, bad: list[tuple[str, bytes]], at: int
) -> None:
    now_ns = time.time_ns()
    messages = [
        Message(topic, payload, 1, False, time_ns=now_ns + 1 + n)
        for n, (topic, payload) in enumerate(bad)
    ]
    messages.insert(at, Message("sensors/good/t", b"%d" % now_ns, 1, False, time_ns=now_ns))
    line = b"sensors,device=good,metric=u value=%d %d" % (now_ns, now_ns)
    messages.append(Message("backfill/good", b"x\n" + line + b"\ny", 1, False, time_ns=now_ns + 99))
    messages.append(Message("devices/good/info", b'{"n":%d}' % now_ns, 1, True, time_ns=now_ns))
    ingest = Ingest(store)
    asyncio.run(ingest.commit(Batch(messages)))
    ingest.close()
    assert ingest.storage.ok and ingest.refused >= 2
    with closing(sqlite3.connect(store.path)) as db:
        rows = db.execute(
            "SELECT metric, value FROM reading JOIN series ON id = series "
            "WHERE device = 'good' AND time_ns = ? ORDER BY metric",
            (now_ns,),
        ).fetchall()
        assert rows == [("t", float(now_ns)), ("u", float(now_ns))]
        [info] = db.execute("SELECT info FROM device WHERE id = 'good'").fetchone()
        assert info == f'{{"n": {now_ns}}}'
        # Nothing that came in can keep the dashboard or a program from reading all of it.
        for device, text in db.execute("SELECT id, info FROM device"):
            assert device.isascii() and text.isascii()
