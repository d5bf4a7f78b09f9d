"""The hub under load while its store is locked by another process, and while its disk is full.

How long does its event loop stand still, is anything acknowledged that is not stored, and does it
recover by itself? The load is of `mote fleet`, the lock of SQLite in another process, the full disk
a file system of its own (tmpfs, which needs root rights), and the rows are counted by SQLite alone.
"""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

from motekit.hub import Hub

NAMES = ("loop_blocked_ms",)
PARTS = NAMES
BLOCKED_MAX_MS = 50.0
# Readings that are stored again soon after the cause has gone.
RECOVERY_MAX_S = 10.0

MOTE = Path(sys.executable).with_name("mote")
DEVICES = 200
RATE = 2_000
SECONDS = 90
HOLD_S = 5.0
NOTICED_MAX_S = 40.0
PAUSE_S = 4.0
_TICK_S = 0.001
_LOCK = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60); "
    "db.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); sys.stdin.read()"
)


def run(figure: Callable[[str, float, str], None], parts: list[str]) -> None:
    del parts
    with tempfile.TemporaryDirectory(prefix="mote-soak-") as folder, disk(Path(folder)):
        asyncio.run(_campaign(figure, Path(folder)))


async def _campaign(figure: Callable[[str, float, str], None], folder: Path) -> None:
    # What else runs on this machine is not what is measured.
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    hub = Hub(folder, mqtt_port=0, http_port=None)
    await hub.start()
    worst = {}
    recovery_s = []
    try:
        async with load(hub.mqtt_port, folder) as fleet:
            await asyncio.sleep(PAUSE_S)
            for name, cause in (("locked", locked), ("full", full)) * 2:
                watch = LoopWatch()
                async with watch.running():
                    # In a thread: the loop that is measured must not wait for the cause itself.
                    async with in_thread(cause(folder / "readings.db")):
                        # A full disk may have room in the log of the store for a while.
                        async with asyncio.timeout(NOTICED_MAX_S):
                            while hub.ingest.storage.ok:
                                await asyncio.sleep(0.01)
                        await asyncio.sleep(HOLD_S)
                        assert not hub.ingest.storage.ok, f"the store takes all while it is {name}"
                        await _is_answered(hub.mqtt_port)
                    began = time.monotonic()
                    while not hub.ingest.storage.ok:
                        await asyncio.sleep(0.01)
                    recovery_s.append(time.monotonic() - began)
                worst[name] = max(worst.get(name, 0.0), watch.worst_ms)
                await asyncio.sleep(PAUSE_S)
            watch = LoopWatch()
            async with watch.running():
                await asyncio.sleep(PAUSE_S)
            report = json.loads((await fleet.communicate())[0])
    finally:
        await hub.stop()
    with closing(sqlite3.connect(folder / "readings.db")) as db:
        [rows] = db.execute("SELECT count(*) FROM reading").fetchone()
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for name, blocked_ms in worst.items():
        figure(f"loop_blocked_ms.{name}", blocked_ms, "ms")
    figure("loop_blocked_ms.unhindered", watch.worst_ms, "ms")
    figure("loop_blocked_ms", max(worst.values()), "ms")
    figure("loop_blocked_ms.recovery", max(recovery_s), "s")
    figure("loop_blocked_ms.acknowledged", report["acknowledged"], "")
    figure("loop_blocked_ms.lost", report["lost"], "")
    assert report["acknowledged"] <= rows, f"{report['acknowledged']} acknowledged, {rows} stored"
    assert report["lost"] == 0, report
    assert max(recovery_s) <= RECOVERY_MAX_S
    assert max(worst.values()) <= BLOCKED_MAX_MS, worst


class LoopWatch:
    """Measures how late the event loop comes back to a task that wants to run each millisecond.

    The time in which its thread could run but had no processor is left out: on a busy machine that
    says nothing of the loop (`run_delay` in /proc/<pid>/schedstat, kernel documentation,
    scheduler/sched-stats).
    """

    def __init__(self) -> None:
        self.worst_ms = 0.0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        with Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").open("rb") as stat:

            def without_processor_s() -> float:
                stat.seek(0)
                return int(stat.read().split()[1]) / 1e9

            while True:
                began, waited_s = time.perf_counter(), without_processor_s()
                await asyncio.sleep(_TICK_S)
                late_s = time.perf_counter() - began - _TICK_S
                late_s -= without_processor_s() - waited_s
                self.worst_ms = max(self.worst_ms, late_s * 1_000)


async def _is_answered(port: int) -> None:
    """A new client is let in and answered meanwhile, within a second."""
    async with asyncio.timeout(1):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04late")
        assert (await reader.readexactly(4))[3] == 0
        writer.write(b"\xc0\x00")
        assert await reader.readexactly(2) == b"\xd0\x00"
        writer.close()


@asynccontextmanager
async def load(port: int, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    fleet = await asyncio.create_subprocess_exec(
        *(
            "nice",
            "-n",
            "15",
            MOTE,
            "fleet",
            "--json",
            "--broker",
            f"mqtt://127.0.0.1:{port}",
            "--rate",
            str(RATE),
        ),
        *("--devices", str(DEVICES), "--seconds", str(SECONDS), "--data", str(folder)),
        *("--verify", "hub"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield fleet
    finally:
        with contextlib.suppress(ProcessLookupError):
            fleet.kill()


@asynccontextmanager
async def in_thread(cause: contextlib.AbstractContextManager[None]) -> AsyncIterator[None]:
    await asyncio.to_thread(cause.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(cause.__exit__, None, None, None)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Another process holds the lock of the database."""
    with subprocess.Popen(
        ["nice", "-n", "30", sys.executable, "-c", _LOCK, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout
        process.stdout.readline()
        yield
        process.stdin.close()


@contextmanager
def full(database: Path) -> Iterator[None]:
    """Not a byte is left on the disk of the database."""
    filler = database.with_name("filler")
    for block in ("64k", "512"):
        command = ["dd", "if=/dev/zero", f"of={filler}", f"bs={block}", "oflag=append"]
        subprocess.run([*command, "conv=notrunc"], stderr=subprocess.DEVNULL)
    yield
    subprocess.run(["rm", filler], check=True)


@contextmanager
def disk(folder: Path) -> Iterator[None]:
    command = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", folder]
    subprocess.run(command, check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)
