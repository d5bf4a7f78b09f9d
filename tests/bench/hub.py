"""The hub: readings a second from MQTT at QoS 1 into its store, and a chart of a year.

The hub acknowledges a reading after it is committed: what the fleet has acknowledged is a row.
"""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
from motekit.hub.store import Store

NAMES = ("hub_ingest_per_s", "hub_query_ms")
PARTS = NAMES

MOTE = Path(sys.executable).with_name("mote")
ROUNDS = 5
SECONDS = 8
DEVICES = 100

SERIES = 500
DAYS = 365
# A year of 500 series that each come every quarter of an hour: 17.5 million rows.
INTERVAL_S = 900
DAY_S = 86_400
# The span of a point in the chart of a year.
SPAN_S = DAY_S
CHARTS = 50


def run(figure: Callable[[str, float, str], None], parts: list[str]) -> None:
    with tempfile.TemporaryDirectory(prefix="mote-bench-") as folder:
        if "hub_ingest_per_s" in parts:
            _ingest(figure, Path(folder) / "ingest")
        if "hub_query_ms" in parts:
            _query(figure, Path(folder) / "year")


def _ingest(figure: Callable[[str, float, str], None], folder: Path) -> None:
    rates, owed, cpu_s = [], 0, 0.0
    with _hub(folder) as (port, process):
        for number in range(ROUNDS):
            before = process.cpu_times()
            report = _fleet(port, folder, f"round{number}")
            after = process.cpu_times()
            assert report["acknowledged"] == report["taken"], report
            rates.append(report["rate"])
            owed += report["taken"]
            cpu_s += after.user + after.system - before.user - before.system
    with closing(sqlite3.connect(folder / "readings.db")) as db:
        [rows] = db.execute("SELECT count(*) FROM reading").fetchone()
    assert rows == owed, f"{owed} acknowledged, {rows} in the store"
    figure("hub_ingest_per_s", statistics.median(rates), "1/s")
    figure("hub_ingest_per_s.rows", rows, "")
    # What a busy machine does not change much: CPU time of the hub for a thousand readings.
    figure("hub_ingest_per_s.cpu", cpu_s / owed * 1e6, "ms per 1000")


@contextmanager
def _hub(folder: Path):
    """`mote hub` on loopback without its dashboard; gives the port for boards, and its process."""
    command = [MOTE, "hub", "--data", folder, "--mqtt-host", "127.0.0.1", "--mqtt-port", "0"]
    with subprocess.Popen(
        [*command, "--no-dashboard", "--json"],
        stdout=subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
    ) as process:
        assert process.stdout
        try:
            port = json.loads(process.stdout.readline())["mqtt_port"]
            yield port, psutil.Process(process.pid)
        finally:
            process.terminate()


def _fleet(port: int, folder: Path, prefix: str) -> dict[str, float]:
    done = subprocess.run(
        [
            *(MOTE, "fleet", "--json", "--broker", f"mqtt://127.0.0.1:{port}", "--rate", "0"),
            *("--devices", str(DEVICES), "--seconds", str(SECONDS), "--prefix", prefix),
            *("--data", str(folder)),
        ],
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def _query(figure: Callable[[str, float, str], None], folder: Path) -> None:
    """Each chart is of another series, so none has its pages from the one before."""
    store = Store(folder / "readings.db")
    try:
        began = time.monotonic()
        _fill(folder / "readings.db")
        figure("hub_query_ms.rows", SERIES * DAYS * DAY_S // INTERVAL_S, "")
        figure("hub_query_ms.file", (folder / "readings.db").stat().st_size / 2**20, "MiB")
        print(f"# filled in {time.monotonic() - began:.0f} s", flush=True)
        took = []
        for number in range(CHARTS):
            device = f"device{number * SERIES // CHARTS:03}"
            began = time.monotonic()
            buckets = store.history(device, "temperature", 0, SPAN_S * 10**9)
            took.append((time.monotonic() - began) * 1000)
            assert len(buckets) == DAYS, len(buckets)
        figure("hub_query_ms", statistics.median(took), "ms")
        figure("hub_query_ms.worst", max(took), "ms")
        began = time.monotonic()
        assert len(store.latest()) == SERIES
        figure("hub_query_ms.latest_of_all", (time.monotonic() - began) * 1000, "ms")
    finally:
        store.close()


def _fill(path: Path) -> None:
    """Rows in the order in which readings come: all series, then the next time."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA synchronous = OFF")
        with db:
            db.executemany(
                "INSERT INTO series (device, metric) VALUES (?, 'temperature')",
                [(f"device{number:03}",) for number in range(SERIES)],
            )
        for day in range(DAYS):
            with db:
                db.execute(
                    "INSERT INTO reading WITH RECURSIVE moment (s) AS (VALUES (?1) UNION ALL "
                    "SELECT s + ?2 FROM moment WHERE s + ?2 < ?1 + ?3) SELECT id, s * 1000000000, "
                    "20 + (s / ?2 * id) % 1009 / 100.0 FROM moment CROSS JOIN series",
                    (day * DAY_S, INTERVAL_S, DAY_S),
                )
