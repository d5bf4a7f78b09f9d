"""Open pages of a hub with many devices: once a single one broke 105 connections of 240.

`make bench ONLY=hub_ingest_p95` does it with 1,000 devices and five pages.
"""

import psutil
import pytest
from crowding import crowding
from page_load import acknowledged_ms, fleet, open_pages, p95, running_hub, until_online

pytestmark = [pytest.mark.browser]

DEVICES = 240
RATE = 120
PAGES = 2
SECONDS = 6
P95_MS = 100


def test_boards_notice_nothing_of_open_pages(chromium, tmp_path) -> None:
    with (
        running_hub(tmp_path) as hub,
        fleet(hub["mqtt_port"], DEVICES, RATE, 4, tmp_path) as report,
    ):
        until_online(hub["dashboard"], DEVICES)
        process: psutil.Process = hub["process"]
        with open_pages(chromium, hub["dashboard"], PAGES, DEVICES) as pages:
            crowded = crowding()
            took = acknowledged_ms(hub["mqtt_port"], SECONDS)
            crowded = max(crowded, crowding())
            for page in pages:
                # They are up to date: everyone is online, and the client that measures is there.
                page.get_by_text(f"{DEVICES} of {DEVICES + 1} online").wait_for()
                page.locator('[data-device="probe"] [data-value]').wait_for()
        assert p95(took) < P95_MS * crowded, f"{p95(took):.0f} ms, {crowded:.1f} times as crowded"
        # The pages are served by another process.
        [dashboard] = process.children()
        ports = {one.laddr.port for one in dashboard.net_connections() if one.status == "LISTEN"}
        assert f":{ports.pop()}/" in hub["dashboard"]
    assert report["connections_broken"] == 0
    assert report["lost"] == 0 and report["acknowledged"] > 0
