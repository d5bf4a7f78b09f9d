"""The hub's pages: how soon one is there, and what boards notice of five that are open.

1,000 devices, each with its own connection, send 500 readings a second. A client beside them
measures from publish to acknowledgement, without pages and with five, in turns.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from page_load import acknowledged_ms, fleet, open_pages, p95, running_hub, until_online

NAMES = ("hub_page_ms", "hub_ingest_p95_ms")

DEVICES = 1_000
RATE = 500
RAMP_S = 20
PAGES = 5
TURNS = 3
TURN_S = 10
VISITS = 7


def run(figure: Callable[[str, float, str], None]) -> None:
    chromium = shutil.which("chromium") or shutil.which("chrome")
    assert chromium, "needs Chromium: see mote doctor"
    with (
        tempfile.TemporaryDirectory(prefix="mote-bench-") as folder,
        running_hub(Path(folder)) as hub,
        fleet(hub["mqtt_port"], DEVICES, RATE, RAMP_S, Path(folder)) as report,
    ):
        until_online(hub["dashboard"], DEVICES)
        without: list[float] = []
        beside: list[float] = []
        for _ in range(TURNS):
            without += acknowledged_ms(hub["mqtt_port"], TURN_S)
            with open_pages(chromium, hub["dashboard"], PAGES, DEVICES):
                beside += acknowledged_ms(hub["mqtt_port"], TURN_S)
        figure("hub_ingest_p95_ms", p95(beside), "ms")
        figure("hub_ingest_p95_ms.no_page", p95(without), "ms")
        figure("hub_ingest_p95_ms.worst", max(beside), "ms")
        with open_pages(chromium, hub["dashboard"], 1, DEVICES) as [page]:
            took = []
            for _ in range(VISITS):
                began = time.monotonic()
                answer = page.goto(hub["dashboard"])
                page.wait_for_function(
                    "count => document.querySelectorAll('[data-value]').length >= count",
                    arg=DEVICES,
                )
                took.append((time.monotonic() - began) * 1000)
            assert answer
            figure("hub_page_ms", statistics.median(took), "ms")
            figure("hub_page_ms.html", len(answer.body()) / 1024, "KiB")
        [dashboard] = hub["process"].children()
        figure("hub_page_ms.dashboard_memory", dashboard.memory_info().rss / 2**20, "MiB")
    figure("hub_ingest_p95_ms.connections_broken", report["connections_broken"], "")
    figure("hub_ingest_p95_ms.lost", report["lost"], "")
