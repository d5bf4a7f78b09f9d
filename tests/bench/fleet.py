"""The fleet: how many readings a second one core publishes at QoS 1 to a mosquitto beside it.

A thousand devices with a connection each, as many readings as the broker takes; beside it what
`mosquitto_pub -l` of the same mosquitto reaches, which sends prepared lines over one connection.
Both sides get one core, the same for both, the broker has the rest, and they take turns.
"""

import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "running"))

from house_of_one import Broker

# Debian keeps daemons in /usr/sbin, which a plain user's PATH lacks.
os.environ["PATH"] += ":/usr/sbin:/sbin"

NAMES = ("fleet_publish_per_s",)

MOTE = Path(sys.executable).with_name("mote")
ROUNDS = 5
SECONDS = 8
DEVICES = 1000
# mosquitto_pub 2.0.11 loses messages beyond the 65,535 packet ids that there are.
LINES = 60_000


def run(figure: Callable[[str, float, str], None]) -> None:
    alone, shared, lines = asyncio.run(_all())
    figure("fleet_publish_per_s", statistics.median(alone), "1/s")
    figure("fleet_publish_per_s.shared_connections", statistics.median(shared), "1/s")
    figure("fleet_publish_per_s.mosquitto_pub", statistics.median(lines), "1/s")


async def _all() -> tuple[list[float], list[float], list[float]]:
    alone, shared, lines = [], [], []
    with tempfile.TemporaryDirectory(prefix="mote-bench-") as folder:
        broker = Broker(Path(folder), "allow_anonymous true\nset_tcp_nodelay true")
        with _on_the_rest():
            await broker.start()
        prepared = Path(folder) / "lines"
        prepared.write_text("".join(f"{20 + n % 997 / 100:.3f}\n" for n in range(LINES)))
        try:
            for _ in range(ROUNDS):
                alone.append(_fleet(broker.port))
                shared.append(_fleet(broker.port, "--connections", "10"))
                lines.append(_mosquitto_pub(broker.port, prepared))
        finally:
            await broker.stop()
    return alone, shared, lines


def _fleet(port: int, *options: str) -> float:
    """Publishes acknowledged a second, from when all devices have joined."""
    done = subprocess.run(
        [
            *(MOTE, "fleet", "--json", "--broker", f"mqtt://127.0.0.1:{port}", "--rate", "0"),
            *("--devices", str(DEVICES), "--seconds", str(SECONDS), *options),
        ],
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=_on_one_core,
    )
    report = json.loads(done.stdout)
    assert report["acknowledged"] == report["taken"], report
    return float(report["rate"])


def _mosquitto_pub(port: int, prepared: Path) -> float:
    """Lines acknowledged a second: it ends when the last one is."""
    topic = "sensors/mosquitto_pub/temperature"
    with prepared.open() as lines:
        began = time.monotonic()
        subprocess.run(
            ["mosquitto_pub", "-p", str(port), "-q", "1", "-t", topic, "-l"],
            stdin=lines,
            check=True,
            preexec_fn=_on_one_core,
        )
        return LINES / (time.monotonic() - began)


def _cores() -> list[int]:
    # macOS has no say in which core runs what.
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _on_one_core() -> None:
    if cores := _cores():
        os.sched_setaffinity(0, cores[:1])


@contextlib.contextmanager
def _on_the_rest():
    """What is started here runs on the other cores."""
    cores = _cores()
    if len(cores) > 1:
        os.sched_setaffinity(0, cores[1:])
    try:
        yield
    finally:
        if cores:
            os.sched_setaffinity(0, cores)
